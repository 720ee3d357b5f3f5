//! What dovecot is given to reach the other server: a configuration file with the password in it.

use std::{fmt, path::Path};

use crate::util::secret::Secret;

/// How the other server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tls {
    /// Encrypted from the first byte, port 993
    Implicit,
    /// STARTTLS, port 143
    Starttls,
}

/// `HOST` or `HOST:PORT`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name or address.
    pub host: String,
    /// The port, if one was given.
    pub port: Option<u16>,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no server: write a name, and a port if it is another than usual, \
                     such as imap.example.com:1993"
            )
        };
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match (bracketed, text.split_once(':')) {
            (Some((host, "")), _) => (host, None),
            (Some((host, rest)), _) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            (None, Some((host, port))) => (host, Some(port)),
            (None, None) => (text, None),
        };
        let good = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        if host.is_empty() || !host.chars().all(good) || host.starts_with('-') {
            return Err(wrong());
        }
        let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| *port != 0),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// The other mailbox, and where its copy is kept.
#[derive(Debug)]
pub struct Remote<'a> {
    /// The other server.
    pub place: &'a Place,
    /// How it is reached.
    pub tls: Tls,
    /// The login there.
    pub login: &'a str,
    /// Its password.
    pub password: &'a Secret,
    /// Who is trusted to say that it is that server, PEM.
    pub ca_file: &'a Path,
    /// Where the copy of the other mailbox is kept.
    pub home: &'a Path,
    /// What stands before the name of every folder there.
    pub prefix: Option<&'a str>,
}

/// The configuration file.
pub fn text(remote: &Remote<'_>) -> Secret {
    let (ssl, port) = match remote.tls {
        Tls::Implicit => ("imaps", 993),
        Tls::Starttls => ("starttls", 143),
    };
    let quoted_path = |path: &Path| quoted(&path.to_string_lossy());
    let mut text = format!(
        "dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = /run/dovecot
log_path = /dev/stderr
mail_driver = maildir
mail_home = {home}
mail_path = ~/Maildir
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 308
last_valid_uid = 308
mail_plugins {{
  mail_compress = yes
}}
mail_compress_write_method = zstd
namespace inbox {{
  inbox = yes
  separator = /
}}
ssl_client_ca_file = {ca}
ssl_client_require_valid_cert = yes
imapc_ssl = {ssl}
imapc_host = {host}
imapc_port = {port}
imapc_user = {login}
imapc_password = {password}
",
        home = quoted_path(remote.home),
        ca = quoted_path(remote.ca_file),
        host = quoted(&remote.place.host),
        port = remote.place.port.unwrap_or(port),
        login = quoted(remote.login),
        password = quoted(remote.password.expose()),
    );
    if let Some(prefix) = remote.prefix {
        text += &format!("imapc_list_prefix = {}\n", quoted(prefix));
    }
    Secret::new(text)
}

/// A value that dovecot takes as it is: in quotes, and `%{` is no variable.
fn quoted(value: &str) -> String {
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("%{", "%%{");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_name_and_perhaps_a_port() {
        let place = |text: &str| text.parse::<Place>();
        assert_eq!(
            place("Imap.Example.com").unwrap().to_string(),
            "imap.example.com"
        );
        assert_eq!(place("a:1993").unwrap().port, Some(1993));
        assert_eq!(place("[2001:db8::1]:143").unwrap().host, "2001:db8::1");
        assert_eq!(place("[2001:db8::1]").unwrap().port, None);
        for wrong in ["", ":1", "a:b", "a b", "[::1]x", "a:70000", "-x"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    /// Dovecot 2.4.1 logged in with this password so written.
    #[test]
    fn what_has_a_meaning_in_the_file_has_none_in_a_password() {
        insta::assert_snapshot!(
            quoted(r#"a"b\c%{user} $ENV:HOME <x #y 'z%%"#),
            @r#""a\"b\\c%%{user} $ENV:HOME <x #y 'z%%""#
        );
    }

    #[test]
    fn the_file_says_all() {
        let place = "imap.example.com".parse().unwrap();
        let password = Secret::new("x");
        let file = text(&Remote {
            place: &place,
            tls: Tls::Starttls,
            login: "alice",
            password: &password,
            ca_file: Path::new("/etc/ssl/certs/ca-certificates.crt"),
            home: Path::new("/var/vmail/example.org/alice/import/x"),
            prefix: Some("INBOX"),
        });
        insta::assert_snapshot!(file.expose());
        assert_eq!(format!("{file:?}"), crate::util::secret::REDACTED);
    }
}
