//! Where the administrator comes from by SSH: nobody is banned there.

use std::{fs, io, net::IpAddr, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::util::run::Task;

/// Where logind keeps a file for each session.
const SESSIONS: &str = "/run/systemd/sessions";

/// The addresses of the SSH sessions that are open now.
///
/// # Errors
/// When logind's files cannot be read.
pub fn sessions() -> Result<Vec<IpAddr>> {
    sessions_of(Path::new(SESSIONS))
}

fn sessions_of(folder: &Path) -> Result<Vec<IpAddr>> {
    let what = || format!("reading {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(what)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(what)?.path();
        // pipes lie beside the files; and a session may end meanwhile
        if !path.is_file() {
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => found.extend(of_session(&text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
        }
    }
    Ok(found)
}

/// The address of a session of sshd's, from logind's `KEY=VALUE` lines.
fn of_session(text: &str) -> Option<IpAddr> {
    let value = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    };
    (value("SERVICE") == Some("sshd")).then_some(())?;
    value("REMOTE_HOST")?.parse().ok()
}

/// The addresses of the SSH logins since then, from sshd's lines in the journal, each with its time.
/// `since` is as journalctl(1) has it.
///
/// # Errors
/// When journalctl fails.
pub(super) fn journal(since: &str) -> Result<Vec<(IpAddr, i64)>> {
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--output=short-unix"]);
    command.args([&format!("--since={since}"), "--identifier=sshd"]);
    command.args(["--identifier=sshd-session", "--grep=^Accepted "]);
    // its status tells "nothing found" and "nothing readable" alike
    let said = Task::new("reading sshd's logins from the journal", command).outcome()?;
    let complaint = String::from_utf8_lossy(&said.stderr);
    if !said.status.success() && !complaint.trim().is_empty() {
        bail!(
            "reading sshd's logins from the journal: {}",
            complaint.trim()
        );
    }
    let text = String::from_utf8_lossy(&said.stdout);
    Ok(text.lines().filter_map(accepted).collect())
}

/// `TIME HOST sshd[1]: Accepted publickey for root from 192.0.2.1 port 50000 ssh2: ...`. What comes
/// first decides: a name that somebody has made up stands in no such line.
fn accepted(line: &str) -> Option<(IpAddr, i64)> {
    let (head, message) = line.split_once("]: ")?;
    let time = head.split('.').next()?.parse().ok()?;
    let words: Vec<&str> = message.split(' ').collect();
    match words[..] {
        ["Accepted", _, "for", _, "from", address, "port", ..] => {
            Some((address.parse().ok()?, time))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_sshd_have_an_address() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("1", "UID=0\nREMOTE_HOST=192.0.2.1\nSERVICE=sshd\n");
        put("2", "UID=0\nSERVICE=login\nTTY=tty1\n");
        put("3", "REMOTE_HOST=2001:db8::1\nSERVICE=sshd\n");
        put("4", "REMOTE_HOST=192.0.2.9\nSERVICE=other\n");
        let mut found = sessions_of(folder.path()).unwrap();
        found.sort();
        let found: Vec<String> = found.iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(sessions_of(&folder.path().join("x")).unwrap().len(), 0);
    }

    #[test]
    fn only_what_sshd_accepted_counts() {
        let line = |message: &str| accepted(&format!("1760000000.123456 mail sshd[7]: {message}"));
        let good = line("Accepted publickey for root from 192.0.2.1 port 50000 ssh2: ED25519 x");
        assert_eq!(good, Some(([192, 0, 2, 1].into(), 1_760_000_000)));
        for bad in [
            "Invalid user Accepted publickey for root from 192.0.2.1 port 1 from 192.0.2.9 port 2",
            "Failed password for root from 192.0.2.1 port 50000 ssh2",
            "Accepted publickey for root from nowhere port 50000 ssh2",
        ] {
            assert_eq!(line(bad), None, "{bad}");
        }
    }
}
