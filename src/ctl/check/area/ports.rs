//! The ports, from inside: does each answer as it should, and does nothing else listen?

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpStream},
    panic::resume_unwind,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::Result;

use super::greeting;
use crate::{
    ctl::check::finding::{Area, Finding, State},
    util::{listen, run::Task},
};

const AREA: Area = Area::Ports;
const LIMIT: Duration = Duration::from_secs(15);

/// What a port answers with.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// A line that begins so.
    Line(&'static str),
    /// TLS; the word is curl's for the protocol in it.
    Tls(&'static str),
}

/// A port, what it is for, what it answers with, and whose it is.
type Served = (u16, &'static str, Answer, &'static str);

const SERVED: [Served; 6] = [
    (25, "mail from other servers", Answer::Line("220 "), "smtpd"),
    (465, "mail from users, TLS", Answer::Tls("smtps"), "smtpd"),
    (
        587,
        "mail from users, STARTTLS",
        Answer::Line("220 "),
        "smtpd",
    ),
    (993, "IMAP, TLS", Answer::Tls("imaps"), "dovecot"),
    (4190, "filters, ManageSieve", Answer::Line("\""), "dovecot"),
    (443, "set-up of programs", Answer::Tls("https"), "nginx"),
];

/// What may be reached from outside. 80 is for proving names to a certificate authority, 68 and 546
/// are for getting an address.
const ALLOWED: [listen::Port; 10] = [
    ("tcp", 22),
    ("tcp", 25),
    ("tcp", 80),
    ("tcp", 443),
    ("tcp", 465),
    ("tcp", 587),
    ("tcp", 993),
    ("tcp", 4190),
    ("udp", 68),
    ("udp", 546),
];

pub(super) fn check() -> Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = thread::scope(|scope| {
        let asked = SERVED.map(|served| scope.spawn(move || patiently(served, ask)));
        let joined = asked.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.into()
    });
    findings.push(judge_others(&lasting(listen::now, LASTING, PAUSE)?));
    Ok(findings)
}

/// How often is looked for strangers, and how long between: a question over UDP is over by then.
const LASTING: usize = 12;
const PAUSE: Duration = Duration::from_secs(1);

/// The ports that are open each time that is looked, which is done again while there are strangers:
/// a socket that waits for the answer to a question looks as if it listened.
fn lasting(
    mut look: impl FnMut() -> Result<BTreeSet<listen::Port>>,
    times: usize,
    pause: Duration,
) -> Result<BTreeSet<listen::Port>> {
    let mut open = look()?;
    for _ in 1..times {
        if open.iter().all(|port| ALLOWED.contains(port)) {
            break;
        }
        thread::sleep(pause);
        let again = look()?;
        open.retain(|port| again.contains(port));
    }
    Ok(open)
}

/// Asks a second time before a port is said to be bad: a machine that is busy for a while is well.
fn patiently(served: Served, ask: impl Fn(Served) -> Result<String, String>) -> Finding {
    match judge(served, ask(served)) {
        finding if finding.state == State::Ok => finding,
        _ => judge(served, ask(served)),
    }
}

/// What the port answered: its first line, or nothing for TLS that came about.
fn ask((port, _, answer, _): Served) -> Result<String, String> {
    match answer {
        Answer::Line(_) => {
            line(SocketAddr::from(([127, 0, 0, 1], port))).map_err(|e| e.to_string())
        }
        Answer::Tls(scheme) => tls(scheme, port).map_err(|e| format!("{e:#}")),
    }
}

fn line(address: SocketAddr) -> std::io::Result<String> {
    greeting::read(TcpStream::connect_timeout(&address, LIMIT)?, LIMIT)
}

/// By curl(1), which need not get further than through the handshake.
fn tls(scheme: &str, port: u16) -> Result<String> {
    let mut command = Command::new("curl");
    command.args([
        "-q",
        "--silent",
        "--insecure",
        "--noproxy",
        "*",
        "--max-time",
    ]);
    command.arg(LIMIT.as_secs().to_string());
    command.args([
        "--output",
        "/dev/null",
        "--write-out",
        "%{time_appconnect} %{errormsg}",
    ]);
    command.arg(format!("{scheme}://127.0.0.1:{port}/"));
    let done = Task::new("asking for TLS", command).outcome()?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let (time, message) = text.split_once(' ').unwrap_or_default();
    match time.parse::<f64>() {
        Ok(time) if time > 0.0 => Ok(String::new()),
        _ => anyhow::bail!("{}", message.trim()),
    }
}

fn judge((port, purpose, answer, unit): Served, found: Result<String, String>) -> Finding {
    let id = port.to_string();
    let todo = format!("See 'journalctl -u {unit}', then 'systemctl restart {unit}'.");
    let reason = match (found, answer) {
        (Ok(line), Answer::Line(begin)) if line.starts_with(begin) => {
            return Finding::ok(AREA, &id, format!("{purpose}: it greets."));
        }
        (Ok(_), Answer::Tls(_)) => {
            return Finding::ok(AREA, &id, format!("{purpose}: it speaks TLS."));
        }
        (Ok(line), Answer::Line(_)) if line.is_empty() => "it hangs up".to_owned(),
        (Ok(line), Answer::Line(_)) => format!("it greets with '{line}'"),
        (Err(error), _) => error,
    };
    Finding::error(AREA, &id, format!("{purpose}: {reason}."), todo)
}

fn judge_others(open: &BTreeSet<listen::Port>) -> Finding {
    let others = open.iter().filter(|port| !ALLOWED.contains(port));
    let others: Vec<String> = others.map(|(p, number)| format!("{p} {number}")).collect();
    match others.is_empty() {
        true => Finding::ok(AREA, "others", "Nothing else listens."),
        false => Finding::warning(
            AREA,
            "others",
            format!(
                "There listens more than a mail server needs: {}. The firewall keeps it from \
                 outside.",
                others.join(", ")
            ),
            "'ss -tulnp' shows whose it is.",
        )
        .about(others),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn every_port_is_judged_by_its_answer() {
        let state = |port: usize, found: Result<&str, &str>| {
            judge(
                SERVED[port],
                found.map(str::to_owned).map_err(str::to_owned),
            )
            .state
        };
        assert_eq!(state(0, Ok("220 mail.example.org ESMTP")), State::Ok);
        assert_eq!(state(0, Ok("421 too many")), State::Error);
        assert_eq!(state(0, Ok("")), State::Error);
        assert_eq!(state(1, Ok("")), State::Ok);
        assert_eq!(state(3, Err("Connection refused")), State::Error);
        let finding = judge(
            SERVED[4],
            Ok("\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"".into()),
        );
        assert_eq!(
            (finding.id.as_str(), finding.state),
            ("ports.4190", State::Ok)
        );
    }

    #[test]
    fn a_port_is_asked_twice_before_it_is_bad() {
        let asked = Cell::new(0);
        let answers = |good_from: usize| {
            asked.set(0);
            let ask = |_| {
                asked.set(asked.get() + 1);
                match asked.get() >= good_from {
                    true => Ok("220 mail.example.org ESMTP".to_owned()),
                    false => Err("timed out".to_owned()),
                }
            };
            (patiently(SERVED[0], ask).state, asked.get())
        };
        assert_eq!(answers(1), (State::Ok, 1));
        assert_eq!(answers(2), (State::Ok, 2));
        assert_eq!(answers(3), (State::Error, 2));
    }

    #[test]
    fn who_only_asks_a_question_is_no_stranger() {
        let mut looks = [[("tcp", 25), ("udp", 25729)], [("tcp", 25), ("udp", 7)]].into_iter();
        let look = || Ok(BTreeSet::from(looks.next().unwrap()));
        let open = lasting(look, 3, Duration::ZERO).unwrap();
        assert_eq!(open, [("tcp", 25)].into());
        let mut count = 0;
        let look = || {
            count += 1;
            Ok([("udp", 7)].into())
        };
        assert_eq!(
            lasting(look, 3, Duration::ZERO).unwrap(),
            [("udp", 7)].into()
        );
        assert_eq!(count, 3);
    }

    #[test]
    fn a_stranger_is_named() {
        let mut open: BTreeSet<listen::Port> = [("tcp", 25), ("tcp", 22)].into();
        assert_eq!(judge_others(&open).state, State::Ok);
        open.insert(("tcp", 11334));
        let finding = judge_others(&open);
        assert_eq!(finding.state, State::Warning);
        assert_eq!(finding.about, ["tcp 11334"]);
        assert!(
            finding.reason.contains("needs: tcp 11334."),
            "{}",
            finding.reason
        );
    }
}
