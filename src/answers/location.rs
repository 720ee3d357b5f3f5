//! A place elsewhere that backups go to and come from.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::mail::address::{DomainError, DomainName};

/// How a place is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// SFTP over SSH.
    Sftp,
    /// The protocol of Amazon's S3, which many others speak, over TLS.
    S3,
}

/// `SCHEME://USER@HOST[:PORT]/PATH`, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// How it is talked to.
    pub scheme: Scheme,
    /// Who logs in: a user name, or an access key.
    pub user: String,
    /// The machine.
    pub host: Host,
    /// Its port, if not the usual one.
    pub port: Option<u16>,
    /// The path, absolute, without a slash at its end; for S3 the bucket comes first.
    pub path: String,
}

/// A machine by name or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// By name.
    Name(DomainName),
    /// By address.
    Ip(IpAddr),
}

/// Why a text is no such place.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LocationError {
    /// Another scheme, or none.
    #[error("it has to begin with `sftp://` or `s3://`")]
    Scheme,
    /// No `USER@`.
    #[error("there is no user name (for S3: access key) with an `@` before the host")]
    User,
    /// `USER:PASSWORD@`
    #[error("a password does not belong there, where everybody reads it")]
    Password,
    /// The host.
    #[error("the host: {0}")]
    Host(#[from] DomainError),
    /// The port.
    #[error("the port has to be a number from 1 to 65535")]
    Port,
    /// Nothing after the host.
    #[error("there is no folder (for S3: bucket) after the host")]
    Path,
    /// `..`, an empty part, or a character that would have to be quoted.
    #[error(
        "the path has `.` or `..` or nothing between two slashes, or a blank, `?`, `#`, `%` or control character in it"
    )]
    PathPart,
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let (scheme, rest) = text.split_once("://").ok_or(LocationError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "sftp" => Scheme::Sftp,
            "s3" => Scheme::S3,
            _ => return Err(LocationError::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').ok_or(LocationError::User)?;
        if user.contains(':') {
            return Err(LocationError::Password);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if user.is_empty() || user.starts_with('-') || !user.chars().all(plain) {
            return Err(LocationError::User);
        }
        let (host, port) = host_and_port(host)?;
        Ok(Self {
            scheme,
            user: user.to_owned(),
            host,
            port,
            path: normal_path(path)?,
        })
    }
}

fn host_and_port(text: &str) -> Result<(Host, Option<u16>), LocationError> {
    let (host, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((ip, rest)) => {
            let ip = ip.parse::<std::net::Ipv6Addr>();
            let ip = ip.map_err(|_| DomainError::Character('['))?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':').ok_or(LocationError::Port)?),
            };
            (Host::Ip(ip.into()), port)
        }
        None => {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            let ip = host.parse::<std::net::Ipv4Addr>();
            let host = match ip {
                Ok(ip) => Host::Ip(ip.into()),
                Err(_) => Host::Name(host.parse()?),
            };
            (host, port)
        }
    };
    let port = port.map(|p| {
        p.parse()
            .ok()
            .filter(|p| *p != 0)
            .ok_or(LocationError::Port)
    });
    Ok((host, port.transpose()?))
}

fn normal_path(path: &str) -> Result<String, LocationError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Err(LocationError::Path);
    }
    let odd = |c: char| c.is_control() || c.is_whitespace() || "?#%\\".contains(c);
    let part = |p: &str| !["", ".", ".."].contains(&p);
    if path.contains(odd) || !path.split('/').all(part) {
        return Err(LocationError::PathPart);
    }
    Ok(format!("/{path}"))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Sftp => "sftp",
            Scheme::S3 => "s3",
        };
        write!(f, "{scheme}://{}@", self.user)?;
        match &self.host {
            Host::Name(name) => name.fmt(f)?,
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Ip(ip) => ip.fmt(f)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_out_in_one_spelling() {
        for (text, want) in [
            ("sftp://me@Example.ORG/srv/b", "sftp://me@example.org/srv/b"),
            (
                "SFTP://me@bücher.example:2222/b/",
                "sftp://me@xn--bcher-kva.example:2222/b",
            ),
            ("sftp://me@192.0.2.1/b", "sftp://me@192.0.2.1/b"),
            (
                "sftp://me@[2001:DB8::1]:22/b",
                "sftp://me@[2001:db8::1]:22/b",
            ),
            (
                "s3://AKIA7@s3.example.net/bucket/a",
                "s3://AKIA7@s3.example.net/bucket/a",
            ),
        ] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.to_string(), want);
            assert_eq!(want.parse(), Ok(location));
        }
    }

    #[test]
    fn each_mistake_has_its_error() {
        let parse = |text: &str| text.parse::<Location>().unwrap_err();
        assert_eq!(parse("me@example.org:/srv"), LocationError::Scheme);
        assert_eq!(parse("ftp://me@example.org/srv"), LocationError::Scheme);
        assert_eq!(parse("sftp://example.org/srv"), LocationError::User);
        assert_eq!(parse("sftp://@example.org/srv"), LocationError::User);
        assert_eq!(
            parse("sftp://-oProxyCommand@example.org/srv"),
            LocationError::User
        );
        assert_eq!(
            parse("sftp://me:secret@example.org/srv"),
            LocationError::Password
        );
        assert_eq!(
            parse("sftp://me@host/srv"),
            LocationError::Host(DomainError::Bare)
        );
        assert!(matches!(
            parse("sftp://me@[1.2.3.4]/srv"),
            LocationError::Host(_)
        ));
        assert_eq!(parse("sftp://me@example.org:0/srv"), LocationError::Port);
        assert_eq!(parse("sftp://me@[::1]22/srv"), LocationError::Port);
        assert_eq!(parse("sftp://me@example.org"), LocationError::Path);
        assert_eq!(parse("sftp://me@example.org/"), LocationError::Path);
        for path in ["a/../b", "a//b", "a b", "a%20b", "./a", "a?b", "a\nb"] {
            let text = format!("sftp://me@example.org/{path}");
            assert_eq!(parse(&text), LocationError::PathPart, "{path}");
        }
    }
}
