//! Where things lie in the image: every path that more than one part of the agent needs.

use std::path::{Path, PathBuf};

/// Paths as the running appliance sees them, all absolute.
///
/// They never contain the `--root` of an `apply` elsewhere: [`Paths::below`] puts one before the
/// other where a file is opened, and what is written into configuration files is right for the
/// image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What outlives a boot where there is a state volume, which is mounted here.
    pub state: PathBuf,
    /// The SQLite database of domains, users and aliases.
    pub database: PathBuf,
    /// The folder of the Maildirs, `mail/DOMAIN/LOCAL_PART`.
    pub mail: PathBuf,
    /// The server's certificate with its chain, PEM.
    pub tls_cert: PathBuf,
    /// Its private key, PEM, PKCS#8.
    pub tls_key: PathBuf,
    /// Says where the certificate comes from ([`crate::mail::certificate::Origin`]).
    pub tls_mark: PathBuf,
    /// A certificate that is to be put in the place of the one above, `cert.pem`, with `key.pem` and
    /// its `mark`.
    pub tls_next: PathBuf,
    /// Those that were in its place, each in a folder named by the moment of its end.
    pub tls_old: PathBuf,
    /// What was asked of the authority, and what it said.
    pub acme_history: PathBuf,
    /// Held while it is asked.
    pub acme_lock: PathBuf,
    /// What acme.sh keeps: the account at the authority.
    pub acme: PathBuf,
    /// The SSH host key; its public half has `.pub` behind the name.
    pub ssh_host_key: PathBuf,
    /// DKIM keys, `dkim/DOMAIN/SELECTOR.pem`.
    pub dkim: PathBuf,
    /// The DNS records to publish, as the agent last wrote them: a zone file.
    pub records: PathBuf,
    /// smtpd's queue.
    pub spool: PathBuf,
    /// Where the filter keeps messages while they are judged.
    pub filter_spool: PathBuf,
    /// What ezmail-guard keeps: bans, and where good logins came from.
    pub guard: PathBuf,
    /// What ezmail-sts keeps: the policies of others.
    pub sts: PathBuf,
    /// Which day was reported last to the domains that ask for reports about TLS.
    pub tlsrpt: PathBuf,
    /// rspamd's socket for the filter, in a folder that only the filter's group passes.
    pub rspamd_socket: PathBuf,
    /// Where rspamd says who has sent more than one may.
    pub limits: PathBuf,
    /// rspamd's own data.
    pub rspamd: PathBuf,
    /// valkey's data: what rspamd has learnt.
    pub valkey: PathBuf,
    /// The journals of all boots, where they are kept.
    pub journal: PathBuf,
    /// dovecot's socket for deliveries.
    pub lmtp_socket: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        let state = Path::new("/var/lib/ezmail");
        Self {
            database: state.join("mail.sqlite"),
            mail: "/var/vmail".into(),
            tls_cert: state.join("tls/cert.pem"),
            tls_key: state.join("tls/key.pem"),
            tls_mark: state.join("tls/self-signed"),
            acme_history: state.join("tls/acme.json"),
            acme_lock: "/run/ezmail/acme.lock".into(),
            acme: state.join("acme"),
            tls_next: state.join("tls/next"),
            tls_old: state.join("tls/old"),
            ssh_host_key: state.join("ssh/ssh_host_ed25519_key"),
            dkim: state.join("dkim"),
            records: state.join("dns-records.txt"),
            spool: "/var/spool/smtpd".into(),
            filter_spool: state.join("filter"),
            guard: state.join("guard"),
            sts: state.join("sts"),
            tlsrpt: state.join("tlsrpt"),
            rspamd: "/var/lib/rspamd".into(),
            valkey: "/var/lib/valkey".into(),
            journal: "/var/log/journal".into(),
            rspamd_socket: "/run/ezmail/rspamd/normal.sock".into(),
            limits: "/run/ezmail/limits".into(),
            lmtp_socket: "/run/dovecot/lmtp".into(),
            state: state.into(),
        }
    }
}

impl Paths {
    /// The PEM file of a DKIM key.
    pub fn dkim_key(&self, domain: &str, selector: &str) -> PathBuf {
        self.dkim.join(domain).join(format!("{selector}.pem"))
    }

    /// `path`, which is absolute in the image, as seen from outside `root`.
    pub fn below(root: &Path, path: &Path) -> PathBuf {
        root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_goes_before_an_absolute_path() {
        let below = |root: &str| Paths::below(Path::new(root), Path::new("/etc/hosts"));
        assert_eq!(below("/"), Path::new("/etc/hosts"));
        assert_eq!(below("r"), Path::new("r/etc/hosts"));
    }
}
