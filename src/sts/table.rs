//! smtpd's side: the table that its relays are looked up in, by the protocol of `smtpd-tables(7)`.
//!
//! smtpd waits for each answer, and does nothing else meanwhile: so each is given at once, and an
//! `error` says that it is to ask again (`mta-sts.patch` of the package opensmtpd).

use std::{
    io::{BufRead, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::wire::{self, Reply, Request};

/// How long ezmail-sts may take for an answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// After one that did not come, it is left alone for that long.
const PAUSE: Duration = Duration::from_secs(5);
/// That it does not answer is said that often.
const SAID: Duration = Duration::from_secs(60);

/// Answers smtpd's requests on `input` until it closes it.
///
/// # Errors
/// When smtpd is gone.
pub(super) fn serve(mut input: impl BufRead, mut output: impl Write, socket: &Path) -> Result<()> {
    let within = |since: Option<Instant>, limit| since.is_some_and(|at| at.elapsed() < limit);
    let (mut said, mut late): (Option<Instant>, Option<Instant>) = (None, None);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.context("reading what smtpd asks")? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let answer = answer(text.trim_end_matches('\n'), |domain| {
            // all of smtpd would wait each time
            if within(late, PAUSE) {
                return None;
            }
            let asked = Instant::now();
            let request = Request::Relay {
                domain: domain.to_ascii_lowercase(),
            };
            match wire::ask(socket, &request, PATIENCE) {
                Ok(Reply::Relay(relay)) => Some(relay),
                Ok(_) => None,
                Err(error) => {
                    late = (asked.elapsed() >= PATIENCE).then(Instant::now);
                    if !within(said, SAID) {
                        eprintln!("table-mta-sts: {error:#}; mail to others waits");
                        said = Some(Instant::now());
                    }
                    None
                }
            }
        });
        if let Some(answer) = answer {
            output
                .write_all(answer.as_bytes())
                .and_then(|()| output.flush())
                .context("answering smtpd")?;
        }
    }
}

/// The answer to a line, if it has one. `relay` says how to send to a domain, if that is known.
fn answer(line: &str, relay: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    if let Some(setting) = line.strip_prefix("config|") {
        let ready = setting == "ready";
        return ready.then(|| "register|relayhost\nregister|ready\n".to_owned());
    }
    let mut fields = line.splitn(8, '|');
    let (_table, _version, _time, _name) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    match fields.next()? {
        "update" => Some(format!("update-result|{}|ok\n", fields.next()?)),
        "check" => Some(format!("check-result|{}|error\n", fields.nth(1)?)),
        "fetch" => Some(format!("fetch-result|{}|not-found\n", fields.nth(1)?)),
        "lookup" => {
            let id = fields.nth(1)?;
            Some(match relay(fields.next()?) {
                Some(relay) => format!("lookup-result|{id}|found|{relay}\n"),
                None => format!("lookup-result|{id}|error\n"),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_smtpd_says_is_answered() {
        let known = |domain: &str| {
            assert_eq!(domain, "example.com");
            Some("mta-sts:none".to_owned())
        };
        let lines = [
            ("config|smtpd-version|7.6.0", None),
            ("config|ready", Some("register|relayhost\nregister|ready\n")),
            (
                "table|0.1|1.5|mta-sts|lookup|relayhost|0badcafe|example.com",
                Some("lookup-result|0badcafe|found|mta-sts:none\n"),
            ),
            (
                "table|0.1|1.5|mta-sts|update|0badcafe",
                Some("update-result|0badcafe|ok\n"),
            ),
            (
                "table|0.1|1.5|mta-sts|fetch|relayhost|0badcafe",
                Some("fetch-result|0badcafe|not-found\n"),
            ),
            (
                "table|0.1|1.5|mta-sts|check|relayhost|0badcafe|example.com",
                Some("check-result|0badcafe|error\n"),
            ),
            ("what is this", None),
        ];
        for (line, wanted) in lines {
            assert_eq!(answer(line, known).as_deref(), wanted, "{line}");
        }
        let line = "table|0.1|1.5|mta-sts|lookup|relayhost|7|example.com";
        let later = answer(line, |_| None);
        assert_eq!(later.as_deref(), Some("lookup-result|7|error\n"));
    }

    #[test]
    fn without_the_service_smtpd_is_to_ask_again() {
        let mut output = Vec::new();
        let lines = "config|ready\ntable|0.1|1|t|lookup|relayhost|1|a.b\n";
        serve(lines.as_bytes(), &mut output, Path::new("/nowhere")).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert!(text.ends_with("lookup-result|1|error\n"), "{text}");
    }
}
