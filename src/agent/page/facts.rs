//! What the page is made from, gathered from the running system.

use std::{
    collections::BTreeSet,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{
    NOTICES, address,
    guide::{self, Known},
};
use crate::{
    agent::{
        health::{self, Health, PARTS, Service},
        install::run,
        paths::Paths,
        release::Release,
        shadow,
        status::{self, Outcome, Status},
    },
    mail::certificate::Origin,
    util::{files, hash, listen, time},
};

const AGENT: &str = "ezmail-agent.service";
const SSH: &str = "sshd.service";

/// Where mail comes in and is read: SMTP, submission over TLS, IMAP over TLS.
const MAIL: [u16; 3] = [25, 465, 993];

/// All that the page tells about.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The image.
    pub release: Release,
    /// This machine's name.
    pub hostname: String,
    /// Its global addresses.
    pub addresses: Vec<IpAddr>,
    /// What the agent did.
    pub agent: Agent,
    /// What it does while it installs to disk; empty otherwise.
    pub installing: String,
    /// The mail services.
    pub services: Vec<Service>,
    /// The ports for mail ([`MAIL`]) at which nobody listens: a daemon does so some seconds after its
    /// unit is active.
    pub closed: Vec<u16>,
    /// How the administrator gets in from outside.
    pub ssh: Ssh,
    /// Whether root can log in at a console.
    pub console_password: bool,
    /// Whether the certificate is the one that the agent made.
    pub self_signed: bool,
    /// Where the DNS records to publish are kept.
    pub records: PathBuf,
    /// What the last daily check found broken, a line each.
    pub notices: Vec<String>,
    /// How far it is to the first mail.
    pub guide: Known,
}

/// The agent.
#[derive(Debug, Clone)]
pub enum Agent {
    /// It has not finished.
    Works,
    /// It has ended, or was never started, and left no status.
    Silent,
    /// What it did cannot be read, and why.
    Unreadable(String),
    /// What it did.
    Told(Box<Status>),
}

/// Access by SSH.
#[derive(Debug, Clone, Default)]
pub struct Ssh {
    /// Whether sshd runs.
    pub runs: bool,
    /// Whether there is a key that may log in.
    pub keys: bool,
    /// The fingerprint of the host key, as ssh(1) shows it at the first connection.
    pub fingerprint: Option<String>,
}

impl Facts {
    /// Asks the system. Takes two short commands and a few small files.
    ///
    /// # Errors
    /// When a command or a file does not answer: nothing is made up.
    pub fn gather() -> Result<Self> {
        let paths = Paths::default();
        let units: Vec<&str> = [AGENT, SSH]
            .into_iter()
            .chain(PARTS.iter().map(|p| p.unit))
            .collect();
        let mut states = health::ask(&units)?;
        let parts = states.split_off(2);
        let [agent, sshd] = [states[0].health(), states[1].health()];
        let hostname = files::read_to_string(Path::new("/proc/sys/kernel/hostname"))?;
        Ok(Self {
            release: Release::read()?,
            hostname: hostname.trim().to_owned(),
            addresses: address::global()?,
            agent: told(Path::new(status::FILE), agent),
            installing: text(Path::new(run::DOING))?,
            services: health::of_parts(parts),
            closed: closed(&listen::now()?),
            ssh: Ssh {
                runs: sshd == Health::Runs,
                keys: has_keys(&text(Path::new("/root/.ssh/authorized_keys"))?),
                fingerprint: fingerprint(&text(&paths.ssh_host_key.with_extension("pub"))?),
            },
            console_password: shadow::root_hash(&text(Path::new(shadow::FILE))?).is_some(),
            self_signed: is_self_signed(&paths)?,
            records: paths.records,
            notices: text(Path::new(NOTICES))?
                .lines()
                .map(str::to_owned)
                .collect(),
            guide: Known::read(&lossy(Path::new(guide::FILE))?, time::now()?),
        })
    }
}

/// The ports for mail that are not among those that are `open`.
fn closed(open: &BTreeSet<listen::Port>) -> Vec<u16> {
    let missing = |port: &u16| !open.contains(&("tcp", *port));
    MAIL.into_iter().filter(missing).collect()
}

/// What the agent, whose unit is in the state `unit`, has left in `file`.
fn told(file: &Path, unit: Health) -> Agent {
    match (file.exists(), unit) {
        (true, _) => match Status::load(file) {
            // it was started once more, since somebody has given it answers
            Ok(status) if unit == Health::Starts && status.outcome != Outcome::Ready => {
                Agent::Works
            }
            Ok(status) => Agent::Told(Box::new(status)),
            Err(error) => Agent::Unreadable(format!("{error:#}")),
        },
        (false, Health::Starts) => Agent::Works,
        (false, _) => Agent::Silent,
    }
}

/// The text of a file; empty if there is none.
fn text(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.with_context(|| format!("reading {}", path.display())),
    }
}

/// As [`text`], of a file that may be damaged.
fn lossy(path: &Path) -> Result<String> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => {
            let bytes = other.with_context(|| format!("reading {}", path.display()))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

fn is_self_signed(paths: &Paths) -> Result<bool> {
    let certificate = text(&paths.tls_cert)?;
    let mark = text(&paths.tls_mark)?;
    let origin = Origin::read(&mark, certificate.as_bytes());
    Ok(matches!(origin, Origin::Made(_)))
}

/// Whether an authorized_keys file (sshd(8)) has a key in it.
fn has_keys(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .any(|l| !l.is_empty() && !l.starts_with('#'))
}

/// The fingerprint of a public key, `TYPE BASE64 COMMENT`: SHA-256 of what the base64 stands for.
fn fingerprint(public: &str) -> Option<String> {
    let blob = public.split_whitespace().nth(1)?;
    let bytes = STANDARD_NO_PAD.decode(blob.trim_end_matches('=')).ok()?;
    let digest = hex::decode(hash::sha256(bytes)).ok()?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_for_mail_that_nobody_listens_at_is_closed() {
        assert_eq!(closed(&[("tcp", 25), ("udp", 465)].into()), [465, 993]);
        assert!(closed(&[("tcp", 22), ("tcp", 25), ("tcp", 465), ("tcp", 993)].into()).is_empty());
    }

    #[test]
    fn a_comment_is_no_key() {
        assert!(!has_keys(""));
        assert!(!has_keys("\n  # ssh-ed25519 AAAA\n"));
        assert!(has_keys("# mine\nssh-ed25519 AAAA me\n"));
    }

    #[test]
    fn the_fingerprint_is_that_of_ssh_keygen() {
        // ssh-keygen -lf of the key in tests/answers/good/small.toml
        let key = "ssh-ed25519 \
            AAAAC3NzaC1lZDI1NTE5AAAAIP4kN02bKad5JFvgb0kscFl71RcEzVsNrCQwv8lcfGMO alice@laptop";
        assert_eq!(
            fingerprint(key).as_deref(),
            Some("SHA256:gUulXwxEyk76f/63DJaAYMrUprynHb/qiq3srU25Qug")
        );
        assert_eq!(fingerprint(""), None);
        assert_eq!(fingerprint("ssh-ed25519 !"), None);
    }

    #[test]
    fn an_agent_without_a_status_works_or_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("status.json");
        assert!(matches!(told(&file, Health::Starts), Agent::Works));
        assert!(matches!(told(&file, Health::Failed), Agent::Silent));
        assert!(matches!(told(&file, Health::Stopped), Agent::Silent));
        Status::new(Outcome::Waiting, None, None)
            .save(&file)
            .unwrap();
        assert!(matches!(told(&file, Health::Runs), Agent::Told(_)));
        assert!(matches!(told(&file, Health::Starts), Agent::Works));
        Status::new(Outcome::Ready, None, None).save(&file).unwrap();
        assert!(matches!(told(&file, Health::Starts), Agent::Told(_)));
        fs::write(&file, "{").unwrap();
        assert!(matches!(told(&file, Health::Runs), Agent::Unreadable(_)));
    }
}
