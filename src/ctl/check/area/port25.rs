//! Whether mail can leave: many providers block port 25 until somebody asks.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    thread,
    time::Duration,
};

use anyhow::Result;

use super::greeting;
use crate::ctl::check::{
    Context,
    finding::{Area, Finding},
};

const AREA: Area = Area::Port25;

/// The mail servers of well-known domains, which have addresses of both families. They are greeted
/// and left again.
const SERVERS: [&str; 3] = [
    // gmail.com
    "gmail-smtp-in.l.google.com:25",
    // fastmail.com
    "in1-smtp.messagingengine.com:25",
    // gmx.net
    "mx00.gmx.net:25",
];

const CONNECT: Duration = Duration::from_secs(8);
const GREETING: Duration = Duration::from_secs(15);

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tried {
    /// A greeting: 220, or a refusal.
    Line(String),
    /// A connection, and then nothing.
    Mute,
    /// This machine has no way there.
    NoWay,
    /// No connection.
    Failed(String),
}

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    if cx.targets.is_empty()
        && let Ok(Some(relay)) = cx.answers.as_ref().map(|answers| &answers.smarthost)
    {
        let text = format!("Mail leaves by the relay {}:{}.", relay.host, relay.port);
        return Ok(vec![Finding::ok(AREA, "relay", text)]);
    }
    let servers: Vec<String> = match cx.targets.as_slice() {
        [] => SERVERS.map(str::to_owned).into(),
        some => some.to_vec(),
    };
    let tries: Vec<Vec<(bool, String, Tried)>> = thread::scope(|scope| {
        let threads: Vec<_> = servers.iter().map(|s| scope.spawn(|| ask(s))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().ok());
        joined.flatten().collect()
    });
    let of = |v6: bool| -> Vec<(String, Tried)> {
        let all = tries.iter().flatten().filter(|(six, ..)| *six == v6);
        all.map(|(_, name, tried)| (name.clone(), tried.clone()))
            .collect()
    };
    Ok(vec![
        judge("ipv4", "IPv4", &of(false)),
        judge("ipv6", "IPv6", &of(true)),
    ])
}

/// Tries the first address of each family of `server`.
fn ask(server: &str) -> Vec<(bool, String, Tried)> {
    // that a name is not found is the resolver's matter, which others tell about
    let found: Vec<SocketAddr> = match server.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(_) => Vec::new(),
    };
    let tries = [false, true].into_iter().filter_map(|v6| {
        let address = found.iter().find(|a| a.is_ipv6() == v6)?;
        Some((v6, server.to_owned(), greet(*address)))
    });
    tries.collect()
}

fn greet(address: SocketAddr) -> Tried {
    let stream = match TcpStream::connect_timeout(&address, CONNECT) {
        Ok(stream) => stream,
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable
            ) =>
        {
            return Tried::NoWay;
        }
        Err(e) => return Tried::Failed(e.to_string()),
    };
    match greeting::read(stream, GREETING) {
        Ok(line) if !line.is_empty() => Tried::Line(line),
        _ => Tried::Mute,
    }
}

fn judge(id: &str, family: &str, tries: &[(String, Tried)]) -> Finding {
    let find = |wanted: fn(&Tried) -> bool| tries.iter().find(|(_, tried)| wanted(tried));
    if tries.is_empty() {
        let text = format!("No server to try it with was found by {family}.");
        return Finding::unknown(AREA, id, text);
    }
    if let Some((name, _)) = find(|t| matches!(t, Tried::Line(line) if line.starts_with("220"))) {
        return Finding::ok(AREA, id, format!("{name} greets by {family}."));
    }
    if let Some((name, Tried::Line(line))) = find(|t| matches!(t, Tried::Line(_))) {
        return Finding::warning(
            AREA,
            id,
            format!("Port 25 is open by {family}, but {name} says: {line}"),
            "It may be about this machine's address: ask to be removed from the block list that \
             the text names.",
        );
    }
    if let Some((name, _)) = find(|t| *t == Tried::Mute) {
        return Finding::warning(
            AREA,
            id,
            format!("{name} takes a connection by {family}, but does not greet."),
            "Something between may swallow mail: ask the provider whether port 25 is filtered.",
        );
    }
    if tries.iter().all(|(_, tried)| *tried == Tried::NoWay) {
        return match family {
            "IPv6" => Finding::ok(AREA, id, "This machine has no IPv6; mail leaves by IPv4."),
            _ => Finding::error(
                AREA,
                id,
                "This machine has no way to the Internet by IPv4.",
                "See 'networkctl status' and [network] in the answers.",
            ),
        };
    }
    let said: Vec<String> = tries
        .iter()
        .map(|(name, tried)| match tried {
            Tried::Failed(error) => format!("{name}: {error}"),
            _ => format!("{name}: no way there"),
        })
        .collect();
    let reason = format!(
        "No mail server can be reached by {family}: the provider blocks port 25.\n{}",
        said.join("\n")
    );
    match family {
        "IPv6" => Finding::warning(
            AREA,
            id,
            reason,
            "Ask the provider to open outgoing TCP port 25 for IPv6, too. Until then, mail leaves \
             by IPv4 after a pause.",
        ),
        _ => Finding::error(
            AREA,
            id,
            reason,
            "Ask the provider to open outgoing TCP port 25 for this machine: say that it is your \
             own mail server, with its name, its PTR record, and that it sends no bulk mail. \
             Where that is refused, send by a relay: [smarthost] in the answers.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    fn tried(tries: &[Tried], family: &str) -> Finding {
        let named: Vec<(String, Tried)> = tries
            .iter()
            .map(|t| ("mx.example.net:25".to_owned(), t.clone()))
            .collect();
        judge("x", family, &named)
    }

    #[test]
    fn one_that_greets_is_enough() {
        let failed = || Tried::Failed("timed out".into());
        let state = |tries: &[Tried]| tried(tries, "IPv4").state;
        assert_eq!(
            state(&[failed(), Tried::Line("220 hello".into())]),
            State::Ok
        );
        assert_eq!(
            state(&[failed(), Tried::Line("554 no".into())]),
            State::Warning
        );
        assert_eq!(state(&[failed(), Tried::Mute]), State::Warning);
        assert_eq!(state(&[failed(), Tried::NoWay]), State::Error);
        assert_eq!(state(&[Tried::NoWay]), State::Error);
        assert_eq!(state(&[]), State::Unknown);
        assert_eq!(tried(&[Tried::NoWay], "IPv6").state, State::Ok);
        assert_eq!(tried(&[failed()], "IPv6").state, State::Warning);
    }

    #[test]
    fn a_blocked_port_says_whom_to_ask_for_what() {
        let finding = tried(&[Tried::Failed("connection timed out".into())], "IPv4");
        let text = crate::ctl::check::render::text(&[finding], false, false);
        insta::assert_snapshot!(text);
    }
}
