//! What ssh and the server mean by their errors, and what to do about it.

use std::fmt::Write;

use openssh_sftp_client::error::SftpErrorKind;
use thiserror::Error;

use super::command::Destination;

/// Why something over there did not work.
#[derive(Debug, Error)]
pub enum Failure {
    /// The server says no.
    #[error("{}", refusal(.0, .1))]
    Refused(SftpErrorKind, String),
    /// The connection is gone; the text says how.
    #[error("{0}")]
    Lost(String),
}

impl Failure {
    /// Whether something is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused(SftpErrorKind::NoSuchFile, _))
    }

    /// Whether the server refuses without a reason.
    pub fn is_unexplained(&self) -> bool {
        matches!(self, Self::Refused(SftpErrorKind::Failure, _))
    }
}

fn refusal(kind: &SftpErrorKind, message: &str) -> String {
    match kind {
        SftpErrorKind::NoSuchFile => "there is no such file or folder".to_owned(),
        SftpErrorKind::PermDenied => {
            "this account may not: choose a folder that it may write to".to_owned()
        }
        _ => format!(
            "the server refuses it ({message}); a full disk or quota there is the usual reason"
        ),
    }
}

/// Why there is no connection, by what ssh said.
pub fn no_login(said: &str, to: &Destination) -> String {
    let has = |text: &str| said.contains(text);
    let (host, user) = (&to.host, &to.user);
    let port = to.port.unwrap_or(22);
    let text = if has("UNPROTECTED PRIVATE KEY FILE") || has("bad permissions") {
        format!(
            "the key {} is readable by others: chmod 600 it",
            to.key.display()
        )
    } else if has("HOST IDENTIFICATION HAS CHANGED") || has("Host key verification failed") {
        match &to.host_key {
            Some(_) => format!(
                "{host} shows another host key than the one that was given for it. Someone may stand \
                 in between; if it was set up anew, give its new key in the answers (backup.host_key)"
            ),
            None => format!(
                "{host} shows another host key than before. Someone may stand in between; if it was \
                 set up anew, remove its line from {}",
                to.known_hosts.display()
            ),
        }
    } else if has("Permission denied") || has("Too many authentication failures") {
        format!(
            "{host} does not let {user} in with our key: add the line that `mailctl backup ssh-key` \
             prints to the file authorized_keys of {user} there"
        )
    } else if has("Could not resolve hostname") {
        format!("the name {host} does not exist, or no name server answers: is it spelled right?")
    } else if has("Connection refused") {
        format!(
            "no SSH server answers at port {port} of {host}: does it run, and is the port right?"
        )
    } else if has("timed out") || has("No route to host") || has("unreachable") {
        format!(
            "{host} is not reached at port {port}: is it up, and does a firewall let us through?"
        )
    } else if has("subsystem request failed") {
        format!(
            "{host} offers no SFTP: its sshd_config needs the line `Subsystem sftp internal-sftp`"
        )
    } else if has("invalid format") || has("error in libcrypto") || has("not accessible") {
        format!("ssh cannot use the key {}", to.key.display())
    } else {
        format!("no SFTP with {user} at {host}; the log of its SSH server may say why")
    };
    quoting(text, said)
}

/// Why a connection is gone, by what ssh said, or else by the `error` that was seen.
pub fn lost(said: &str, error: &str) -> String {
    let text = "the connection to the server was lost".to_owned();
    match said.trim().is_empty() {
        true => quoting(text, error),
        false => quoting(text, said),
    }
}

/// `text` with what was `said` below it.
fn quoting(mut text: String, said: &str) -> String {
    for line in said.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // a String takes anything
        write!(text, "\n  | {line}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(pinned: bool) -> Destination {
        Destination {
            host: "backup.example.org".into(),
            user: "me".into(),
            port: None,
            key: "/s/key".into(),
            known_hosts: "/s/known_hosts".into(),
            host_key: pinned.then(|| "ssh-ed25519 AAAA".into()),
        }
    }

    #[test]
    fn each_trouble_says_what_to_do() {
        let texts = [
            "me@backup.example.org: Permission denied (publickey).",
            "Host key verification failed.\r\n",
            "ssh: Could not resolve hostname backup.example.org: Name or service not known",
            "ssh: connect to host backup.example.org port 22: Connection refused",
            "ssh: connect to host backup.example.org port 22: Connection timed out",
            "subsystem request failed on channel 0",
            "Load key \"/s/key\": invalid format",
            "Permissions 0644 for '/s/key' are too open.\n@ WARNING: UNPROTECTED PRIVATE KEY FILE! @",
            "",
        ]
        .map(|said| no_login(said, &to(false)));
        insta::assert_snapshot!(texts.join("\n\n"));
        let pinned = no_login("Host key verification failed.", &to(true));
        insta::assert_snapshot!(pinned);
    }

    #[test]
    fn what_is_lost_has_ssh_s_words_or_our_own() {
        insta::assert_snapshot!(lost("Broken pipe\n", "task failed"), @r"
        the connection to the server was lost
          | Broken pipe
        ");
        insta::assert_snapshot!(lost(" ", "task failed"), @r"
        the connection to the server was lost
          | task failed
        ");
    }
}
