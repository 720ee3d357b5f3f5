//! Dovecot's own tool, as a client of the other server.

use std::{
    fs::File,
    io::Write,
    os::fd::AsRawFd,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{
    config::{self, Remote},
    folders::{self, There},
};
use crate::{ctl::import::progress::Progress, util::run::Task};

/// How it ends when something changed there meanwhile, and it is to be called again.
const CHANGED: i32 = 2;
/// How often it is called again.
const TURNS: usize = 2;

/// doveadm with a configuration that is in no file: whatever ends this, the password is gone.
pub struct Doveadm {
    config: File,
}

impl Doveadm {
    /// Ready to be called.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(remote: &Remote<'_>) -> Result<Self> {
        let what = "keeping a configuration in memory";
        // not closed when doveadm begins, which opens it by its number
        let file = memfd_create("dovecot.conf", MemfdFlags::empty()).context(what)?;
        let mut config = File::from(file);
        let text = config::text(remote);
        config.write_all(text.expose().as_bytes()).context(what)?;
        Ok(Self { config })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("doveadm");
        command
            .arg("-c")
            .arg(format!("/proc/self/fd/{}", self.config.as_raw_fd()));
        // who it is for; the configuration says the rest
        command.args(arguments).env("USER", "import");
        command
    }

    /// The folders there; and what to know of those that the other server lists and does not open.
    ///
    /// # Errors
    /// When the other server cannot be reached, or refuses the login.
    pub fn list(&self, remote: &Remote<'_>) -> Result<(Vec<There>, Option<String>)> {
        let command = self.command(&[
            "-o",
            "mail_driver=imapc",
            "-o",
            "mail_path=",
            "mailbox",
            "status",
            "--no-userdb-lookup",
            "messages",
            "*",
        ]);
        let done = Task::new("listing the folders there", command).outcome()?;
        let found = folders::parse(&String::from_utf8_lossy(&done.stdout));
        let said = String::from_utf8_lossy(&done.stderr);
        if done.status.success() {
            return Ok((found, None));
        }
        if found.is_empty() {
            bail!(refusal(remote, &said));
        }
        let note = format!(
            "a folder there cannot be opened and is left out: {}",
            errors(&said).first().copied().unwrap_or(said.trim())
        );
        Ok((found, Some(note)))
    }

    /// Brings the copy to what is there, of the folders in `selection`; returns what there is to know.
    ///
    /// # Errors
    /// When the other server fails, or the copy cannot be written.
    pub fn mirror(
        &self,
        remote: &Remote<'_>,
        selection: &[&str],
        total: u64,
    ) -> Result<Option<String>> {
        let mut progress = Progress::new("messages in the copy", total);
        // not 'backup': that wants to put another inbox in the place of one that is there, and cannot
        let mut arguments = vec!["sync", "-1", "--no-userdb-lookup", "-R"];
        arguments.extend(selection);
        arguments.push("imapc:");
        for _ in 0..TURNS {
            let task = Task::new("copying the mailbox", self.command(&arguments));
            let done = watched(task, &remote.home.join("Maildir"), &mut progress)?;
            match done.status.code() {
                Some(0) => {
                    progress.end();
                    return Ok(None);
                }
                Some(CHANGED) => {}
                _ => bail!(refusal(remote, &String::from_utf8_lossy(&done.stderr))),
            }
        }
        progress.end();
        Ok(Some(
            "the other mailbox changed meanwhile: call this once more".to_owned(),
        ))
    }
}

/// Runs a task, and tells how many messages its copy has.
fn watched(task: Task, copy: &Path, progress: &mut Progress) -> Result<Output> {
    thread::scope(|scope| {
        let work = scope.spawn(|| task.outcome());
        let mut next = 0;
        while !work.is_finished() {
            thread::sleep(Duration::from_millis(100));
            next += 1;
            if next % 20 == 0 {
                progress.reached(count(copy));
            }
        }
        match work.join() {
            Ok(done) => done,
            Err(_) => bail!("copying the mailbox failed"),
        }
    })
}

/// How many messages a Maildir has, more or less: it is being written.
fn count(maildir: &Path) -> u64 {
    let files = walkdir::WalkDir::new(maildir)
        .into_iter()
        .filter_map(Result::ok);
    let in_mail = |path: &Path| {
        let above = path.parent().and_then(Path::file_name);
        above.is_some_and(|name| name == "cur" || name == "new")
    };
    files
        .filter(|f| f.file_type().is_file() && in_mail(f.path()))
        .count() as u64
}

/// The errors and warnings in what doveadm said.
fn errors(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| {
            line.split_once(": Error: ")
                .or(line.split_once(": Warning: "))
        })
        .map(|(_, what)| what)
        .collect()
}

/// What went wrong, and what helps.
fn refusal(remote: &Remote<'_>, said: &str) -> String {
    let place = remote.place;
    let errors = errors(said);
    let has = |text: &str| said.contains(text);
    let certificate = [
        "invalid SSL certificate",
        "SSL certificate doesn't match expected host name",
    ];
    let telling = errors
        .iter()
        .find(|e| certificate.iter().any(|c| e.contains(c)));
    let tail = telling.or(errors.first()).copied().unwrap_or(said.trim());
    if has("AUTHENTICATIONFAILED") || has("Authentication failed") {
        format!(
            "{place} refuses the login {}: is the password right? Some providers want an app \
             password, or IMAP to be switched on; nothing was changed: {tail}",
            remote.login
        )
    } else if telling.is_some_and(|e| e.contains(certificate[0])) {
        format!(
            "nobody who is trusted here vouches for the certificate of {place}, so the password was not \
             sent: if it is the server's own, fetch it there and give its file with --ca-file; nothing \
             was changed: {tail}"
        )
    } else if telling.is_some() {
        format!(
            "the certificate of {place} is not good for that name, so the password was not sent: \
             take the name that is in the certificate; nothing was changed: {tail}"
        )
    } else {
        format!("{place}: {tail}; what was brought until then stays, and a second call goes on")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ctl::import::imap::config::Tls, util::secret::Secret};

    #[test]
    fn a_refusal_says_what_helps() {
        let place = "imap.example.com".parse().unwrap();
        let password = Secret::new("geheim");
        let remote = Remote {
            place: &place,
            tls: Tls::Implicit,
            login: "alice",
            password: &password,
            ca_file: Path::new("/ca.pem"),
            home: Path::new("/x"),
            prefix: None,
        };
        let said = |text: &str| refusal(&remote, text);
        insta::assert_snapshot!(said("doveadm(import): Info: x\ndoveadm(import): Error: imapc(imap.example.com:993): Authentication failed: [AUTHENTICATIONFAILED] no\n"), @"imap.example.com refuses the login alice: is the password right? Some providers want an app password, or IMAP to be switched on; nothing was changed: imapc(imap.example.com:993): Authentication failed: [AUTHENTICATIONFAILED] no");
        insta::assert_snapshot!(said("doveadm(import): Warning: imapc(imap.example.com:993): Server disconnected unexpectedly: Received invalid SSL certificate: unable to get local issuer certificate: /CN=x\n"), @"nobody who is trusted here vouches for the certificate of imap.example.com, so the password was not sent: if it is the server's own, fetch it there and give its file with --ca-file; nothing was changed: imapc(imap.example.com:993): Server disconnected unexpectedly: Received invalid SSL certificate: unable to get local issuer certificate: /CN=x");
        insta::assert_snapshot!(said("doveadm(import): Error: imapc(imap.example.com:993): SSL certificate doesn't match expected host name imap.example.com\n"), @"the certificate of imap.example.com is not good for that name, so the password was not sent: take the name that is in the certificate; nothing was changed: imapc(imap.example.com:993): SSL certificate doesn't match expected host name imap.example.com");
        insta::assert_snapshot!(said("doveadm(import): Error: imapc(imap.example.com:993): connect(192.0.2.1, 993) failed: Connection refused - disconnecting\n"), @"imap.example.com: imapc(imap.example.com:993): connect(192.0.2.1, 993) failed: Connection refused - disconnecting; what was brought until then stays, and a second call goes on");
    }
}
