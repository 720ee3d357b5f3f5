//! What the templates see: answers and facts in the form that each configuration language wants.
//!
//! A value that needs quoting is quoted here, by the language it goes into; templates only place
//! it.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::paths::Paths;
use crate::{
    answers::{
        Answers,
        model::{Smarthost, Tls},
    },
    guard,
    mail::{
        address::{Address, DomainName, ROLES},
        dkim::Algorithm,
        tls_report,
    },
    sts,
    util::{hash, secret::Secret},
};

/// Largest message that smtpd takes, in bytes, carriage returns not counted.
const MESSAGE_BYTES: u64 = 50 << 20;
/// Largest message that the filter and rspamd take, carriage returns counted.
const SCAN_BYTES: u64 = 64 << 20;
/// Seconds for rspamd to judge a message, and for the filter to wait: less than the 300 that
/// smtpd waits for the filter, and enough for a machine without hardware virtualisation.
const TASK_TIMEOUT: u64 = 90;
const FILTER_TIMEOUT: u64 = 120;
/// Connections to smtpd that an address may have open at once: more than a big sender needs.
const SMTP_CONNECTIONS: u64 = 50;

/// What the machine and the state volume add to the answers.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where things lie.
    pub paths: Paths,
    /// The machine's memory in MiB.
    pub memory_mib: u64,
    /// The hash of the generated password of rspamd's controller, as `rspamadm pw` makes it.
    pub controller_password_hash: String,
    /// The secret that makes the return addresses of forwarded mail.
    pub srs_key: Secret,
    /// The secret that dovecot shows ezmail-guard.
    pub guard_secret: Secret,
    /// The DKIM keys that sign, at least one for each domain.
    pub dkim: Vec<DkimKey>,
}

/// A private key on the disk that signs a domain's mail.
#[derive(Debug, Clone)]
pub struct DkimKey {
    /// The domain in the From header.
    pub domain: DomainName,
    /// The label or labels before `._domainkey`.
    pub selector: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Its PEM file.
    pub path: PathBuf,
}

impl DkimKey {
    /// The file that rspamd signs with, to be readable for its group: the PEM file itself for
    /// RSA, and for Ed25519 a file beside it that ends in `.key`, with what
    /// [`crate::mail::dkim::signing_form`] makes of the PEM file.
    pub fn signing_file(&self) -> PathBuf {
        match self.algorithm {
            Algorithm::Rsa => self.path.clone(),
            Algorithm::Ed25519 => self.path.with_extension("key"),
        }
    }
}

#[derive(Serialize)]
struct View<'a> {
    hostname: &'a DomainName,
    domains: Vec<&'a DomainName>,
    postmaster: &'a Address,
    /// SQL expressions and lists, see `smtpd/mail.conf`.
    postmaster_sql: String,
    postmaster_base_sql: String,
    roles_sql: String,
    roles_at_host_sql: String,
    roles_values: String,
    smarthost: Option<Relay<'a>>,
    /// Who sends reports about TLS.
    tls_reports_from: String,
    sts_socket: &'static str,
    dns: Dns,
    ssh: bool,
    paths: BTreeMap<&'static str, String>,
    dkim: Vec<Signer<'a>>,
    /// The key that seals what comes in for a domain; none for one without an RSA key.
    arc: Vec<Sealer<'a>>,
    /// How many signatures every domain's mail gets, at least.
    signatures: usize,
    controller_password_hash: &'a str,
    srs_key: &'a str,
    guard: Guard<'a>,
    message_bytes: u64,
    scan_bytes: u64,
    task_timeout: u64,
    filter_timeout: u64,
    smtp_connections: u64,
    messages_hour: u32,
    messages_day: u32,
    #[serde(flatten)]
    size: Size,
}

#[derive(Serialize)]
struct Relay<'a> {
    url: String,
    auth: bool,
    username: &'a str,
    password: &'a str,
}

#[derive(Serialize)]
struct Dns {
    /// Lua strings, joined by commas.
    forwarders: String,
    trust_anchors: Vec<String>,
    /// Whether the root is among them.
    own_root: bool,
}

/// ezmail-guard, as dovecot reaches it.
#[derive(Serialize)]
struct Guard<'a> {
    port: u16,
    header: &'static str,
    secret: &'a str,
    /// Makes digests of passwords that mean nothing elsewhere.
    nonce: String,
}

#[derive(Serialize)]
struct Signer<'a> {
    name: &'a DomainName,
    keys: Vec<SignerKey<'a>>,
}

#[derive(Serialize)]
struct Sealer<'a> {
    name: &'a DomainName,
    selector: &'a str,
    path: String,
}

#[derive(Serialize)]
struct SignerKey<'a> {
    selector: &'a str,
    path: String,
}

/// How much of the machine each service may use.
#[derive(Serialize)]
struct Size {
    memory_mib: u64,
    rspamd_workers: u64,
    valkey_mib: u64,
    dns_cache_mib: u64,
    processes: u64,
    /// IMAP connections in all: each has a process of two megabytes, and its user's process.
    imap_logins: u64,
    /// Those that an address may have of them: enough for a dozen devices behind one.
    imap_connections: u64,
}

impl Size {
    /// One gigabyte is the usual smallest server; below it everything shrinks once more.
    fn of(memory_mib: u64) -> Self {
        let processes = (memory_mib / 16).clamp(40, 400);
        Self {
            memory_mib,
            rspamd_workers: (memory_mib / 2048).clamp(1, 4),
            valkey_mib: (memory_mib / 16).clamp(32, 256),
            dns_cache_mib: (memory_mib / 32).clamp(16, 100),
            processes,
            imap_logins: processes * 2,
            imap_connections: processes,
        }
    }
}

/// The values that every template is rendered with.
///
/// # Errors
/// When a domain has no DKIM key, a key file was not read, or a value cannot be written in the
/// configuration that it belongs to.
pub fn context(answers: &Answers, facts: &Facts) -> Result<tera::Context> {
    let dkim = signers(answers, facts)?;
    let view = View {
        hostname: &answers.hostname,
        domains: answers.domains.iter().map(|d| &d.name).collect(),
        postmaster: &answers.postmaster,
        postmaster_sql: sql(&alias_target(&answers.postmaster)?),
        postmaster_base_sql: sql(&answers.postmaster.base().to_string()),
        roles_at_host_sql: ROLES
            .map(|r| sql(&format!("{r}@{}", answers.hostname)))
            .join(", "),
        roles_sql: ROLES.map(sql).join(", "),
        roles_values: format!(
            "VALUES {}",
            ROLES.map(|r| format!("({})", sql(r))).join(", ")
        ),
        smarthost: answers.smarthost.as_ref().map(relay).transpose()?,
        sts_socket: sts::SOCKET,
        tls_reports_from: {
            let domain = answers.domains.first().map(|d| &d.name);
            tls_report::sender(domain.unwrap_or(&answers.hostname).as_str())
        },
        dns: Dns {
            forwarders: answers
                .dns
                .forwarders
                .iter()
                .map(|ip| lua(&ip.to_string()))
                .collect::<Vec<_>>()
                .join(", "),
            own_root: answers
                .dns
                .trust_anchors
                .iter()
                .any(|a| a.starts_with(". ")),
            trust_anchors: answers.dns.trust_anchors.iter().map(|a| lua(a)).collect(),
        },
        ssh: !answers.ssh.authorized_keys.is_empty(),
        paths: paths(&facts.paths)?,
        signatures: dkim.iter().map(|d| d.keys.len()).min().unwrap_or(0),
        dkim,
        arc: sealers(facts)?,
        controller_password_hash: plain(&facts.controller_password_hash)?,
        srs_key: plain(facts.srs_key.expose()).context("the secret for forwarded mail")?,
        guard: Guard {
            port: guard::PORT,
            header: guard::HEADER,
            secret: plain(facts.guard_secret.expose())?,
            nonce: hash::sha256(format!("nonce of {}", facts.guard_secret.expose())),
        },
        message_bytes: MESSAGE_BYTES,
        scan_bytes: SCAN_BYTES,
        task_timeout: TASK_TIMEOUT,
        filter_timeout: FILTER_TIMEOUT,
        smtp_connections: SMTP_CONNECTIONS,
        messages_hour: answers.messages_in_an_hour(),
        messages_day: answers.messages_in_a_day(),
        size: Size::of(facts.memory_mib),
    };
    Ok(tera::Context::from_serialize(&view)?)
}

fn signers<'a>(answers: &'a Answers, facts: &'a Facts) -> Result<Vec<Signer<'a>>> {
    let signer = |name: &'a DomainName| {
        let keys = facts.dkim.iter().filter(|key| key.domain == *name);
        let keys: Vec<_> = keys
            .map(|key| {
                Ok(SignerKey {
                    selector: plain(&key.selector)?,
                    path: text(&key.signing_file())?,
                })
            })
            .collect::<Result<_>>()?;
        ensure!(!keys.is_empty(), "there is no DKIM key for {name}");
        Ok(Signer { name, keys })
    };
    answers.domains.iter().map(|d| signer(&d.name)).collect()
}

/// RFC 8617 seals with RSA, and rspamd with one key for a domain: the first.
fn sealers(facts: &Facts) -> Result<Vec<Sealer<'_>>> {
    let mut sealers: Vec<Sealer<'_>> = Vec::new();
    for key in facts.dkim.iter().filter(|k| k.algorithm == Algorithm::Rsa) {
        if sealers.iter().all(|sealer| *sealer.name != key.domain) {
            sealers.push(Sealer {
                name: &key.domain,
                selector: plain(&key.selector)?,
                path: text(&key.signing_file())?,
            });
        }
    }
    Ok(sealers)
}

fn paths(paths: &Paths) -> Result<BTreeMap<&'static str, String>> {
    [
        ("database", &paths.database),
        ("mail", &paths.mail),
        ("tls_cert", &paths.tls_cert),
        ("tls_key", &paths.tls_key),
        ("filter_spool", &paths.filter_spool),
        ("rspamd_socket", &paths.rspamd_socket),
        ("limits", &paths.limits),
        ("lmtp_socket", &paths.lmtp_socket),
    ]
    .into_iter()
    .map(|(name, path)| Ok((name, text(path)?)))
    .collect()
}

/// A path that needs no quoting in any of the languages.
fn text(path: &std::path::Path) -> Result<String> {
    match path.to_str() {
        Some(text) => plain(text).map(str::to_owned),
        None => bail!("the path {} is not UTF-8", path.display()),
    }
}

/// `text` if it can stand between quotation marks everywhere.
fn plain(text: &str) -> Result<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._-$".contains(c);
    match text.chars().find(|c| !fits(*c)) {
        None => Ok(text),
        Some(c) => bail!("`{c}` in `{text}` cannot stand in a configuration file"),
    }
}

/// A string literal of SQL.
fn sql(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A string literal of Lua.
fn lua(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// An address as it has to stand in an alias of smtpd: a quotation mark begins a string there.
fn alias_target(address: &Address) -> Result<String> {
    let text = address.to_string();
    ensure!(
        !text.starts_with(['/', '|']),
        "smtpd would take the postmaster's address {text} for a file or a command"
    );
    Ok(text.replace('\'', "\\'"))
}

/// The URL and login of the smarthost. smtpd keeps a login in one line, `label user:password`.
fn relay(smarthost: &Smarthost) -> Result<Relay<'_>> {
    let scheme = match smarthost.tls {
        Tls::Implicit => "smtps",
        Tls::Starttls => "smtp+tls",
    };
    let (host, port) = (&smarthost.host, smarthost.port);
    let Some(username) = smarthost.username.as_deref() else {
        return Ok(Relay {
            url: format!("{scheme}://{host}:{port}"),
            auth: false,
            username: "",
            password: "",
        });
    };
    let Some(password) = smarthost.password.as_ref().map(|p| p.expose()) else {
        bail!("the password of the smarthost was not read");
    };
    ensure!(
        !username.contains(|c: char| c == ':' || c.is_whitespace() || c.is_control()),
        "the user name for the smarthost has a colon, a space or a control character in it: \
         smtpd cannot log in with such a name"
    );
    ensure!(
        !password.contains(char::is_control) && password.trim_end() == password,
        "the password for the smarthost has a control character in it or a space at its end: \
         smtpd cannot log in with such a password"
    );
    Ok(Relay {
        url: format!("{scheme}://relay@{host}:{port}"),
        auth: true,
        username,
        password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_quoted_by_their_language() {
        assert_eq!(sql("o'brien"), "'o''brien'");
        assert_eq!(lua(r"a\'b"), r"'a\\\'b'");
        assert!(plain("a\"b").is_err() && plain("a b").is_err() && plain("$2$ab").is_ok());
    }

    #[test]
    fn an_address_is_no_command() {
        let target = |text: &str| alias_target(&text.parse().unwrap());
        assert_eq!(
            target("o'brien@example.com").unwrap(),
            r"o\'brien@example.com"
        );
        assert!(target("|sh@example.com").is_err());
        assert!(target("/etc/x@example.com").is_err());
    }

    #[test]
    fn what_smtpd_cannot_log_in_with_is_refused() {
        let host = |username: &str, password: &str| Smarthost {
            host: "smtp.example.net".parse().unwrap(),
            port: 465,
            tls: Tls::Implicit,
            username: Some(username.into()),
            password_file: None,
            password: Some(Secret::new(password)),
        };
        let url = relay(&host("me@example.net", "a:b c")).unwrap().url;
        assert_eq!(url, "smtps://relay@smtp.example.net:465");
        for (username, password) in [("a:b", "x"), ("a b", "x"), ("a", "x\ny"), ("a", "x ")] {
            let error = relay(&host(username, password)).err().unwrap().to_string();
            assert!(error.contains("smtpd cannot log in"), "{error}");
        }
    }

    #[test]
    fn small_machines_get_small_services() {
        let size = Size::of(512);
        assert_eq!((size.rspamd_workers, size.valkey_mib), (1, 32));
        assert_eq!(Size::of(65536).rspamd_workers, 4);
        // one address never has them all
        assert!(size.imap_connections < size.imap_logins);
    }
}
