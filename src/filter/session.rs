//! What smtpd told us about one SMTP session and the message in it.

use std::net::IpAddr;

use super::protocol::{Event, Login};

/// Where a client connects from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Source {
    /// smtpd has not said, or not in a form we know.
    #[default]
    Unknown,
    /// A program on this machine, through smtpd's own socket (the `sendmail` command).
    Local,
    /// The network.
    Ip(IpAddr),
}

/// The client's side of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    pub(super) source: Source,
    /// The name behind the address, only if it leads back to the address.
    pub(super) hostname: Option<Vec<u8>>,
    pub(super) helo: Option<Vec<u8>>,
    /// TLS version and cipher.
    pub(super) tls: Option<(Vec<u8>, Vec<u8>)>,
    /// The name the client has logged in with.
    pub(super) user: Option<Vec<u8>>,
}

impl Client {
    /// The address that it connects from, if smtpd has told it.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.source {
            Source::Ip(address) => Some(address),
            Source::Unknown | Source::Local => None,
        }
    }

    /// Whether the message comes from one of our own users or programs, not from outside.
    pub(super) fn is_ours(&self) -> bool {
        self.user.is_some() || self.source == Source::Local
    }
}

/// The envelope of the message at hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Envelope {
    /// smtpd's number for the message.
    pub(super) id: Vec<u8>,
    /// The sender; `None` before MAIL FROM, empty for a bounce.
    pub(super) from: Option<Vec<u8>>,
    pub(super) recipients: Vec<Vec<u8>>,
}

/// Client and envelope, kept up to date by smtpd's reports.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) client: Client,
    pub(super) envelope: Envelope,
}

impl Known {
    /// Takes in one report.
    pub(super) fn learn(&mut self, event: &Event<'_>) {
        match *event {
            Event::Connect {
                hostname,
                confirmed,
                source,
            } => {
                let named = confirmed && !hostname.is_empty() && hostname != b"<unknown>";
                self.client = Client {
                    source: parse_source(source),
                    hostname: named.then(|| hostname.to_vec()),
                    ..Client::default()
                };
            }
            Event::Identify(name) => self.client.helo = Some(name.to_vec()),
            Event::Tls(text) => {
                let mut parts = text.split(|&b| b == b':');
                let version = parts.next().unwrap_or_default().to_vec();
                let cipher = parts.next().unwrap_or_default().to_vec();
                self.client.tls = Some((version, cipher));
                // what was said before in the clear does not count (RFC 3207, 4.2)
                self.client.helo = None;
            }
            Event::Auth {
                result: Login::Passed,
                user,
            } => self.client.user = Some(user.to_vec()),
            Event::Begin(id) => {
                self.envelope = Envelope {
                    id: id.to_vec(),
                    ..Envelope::default()
                };
            }
            Event::Mail {
                accepted: true,
                address,
            } => self.envelope.from = Some(address.to_vec()),
            Event::Rcpt {
                accepted: true,
                address,
            } => self.envelope.recipients.push(address.to_vec()),
            Event::Reset => self.envelope = Envelope::default(),
            Event::Auth { .. }
            | Event::Mail { .. }
            | Event::Rcpt { .. }
            | Event::Disconnect
            | Event::Other => {}
        }
    }

    /// What rspamd cannot do without and smtpd has not told, if anything.
    pub(super) fn gap(&self) -> Option<&'static str> {
        if self.client.source == Source::Unknown {
            Some("the client's address")
        } else if self.envelope.from.is_none() {
            Some("the sender")
        } else if self.envelope.recipients.is_empty() {
            Some("the recipients")
        } else {
            None
        }
    }
}

/// `192.0.2.1:25`, `[2001:db8::1]:25` or `unix:/run/smtpd.sock`.
fn parse_source(source: &[u8]) -> Source {
    if source.starts_with(b"unix:") {
        return Source::Local;
    }
    let Some((address, _port)) = str::from_utf8(source)
        .ok()
        .and_then(|text| text.rsplit_once(':'))
    else {
        return Source::Unknown;
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    // a link-local address has its interface after it
    let address = address.split_once('%').map_or(address, |(a, _)| a);
    address.parse().map_or(Source::Unknown, Source::Ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let ip = |text: &str| Source::Ip(text.parse().unwrap());
        assert_eq!(parse_source(b"192.0.2.1:40000"), ip("192.0.2.1"));
        assert_eq!(parse_source(b"[2001:db8::1]:25"), ip("2001:db8::1"));
        assert_eq!(parse_source(b"[fe80::1%eth0]:25"), ip("fe80::1"));
        assert_eq!(parse_source(b"unix:/run/smtpd.sock"), Source::Local);
        assert_eq!(parse_source(b"192.0.2.1"), Source::Unknown);
        assert_eq!(parse_source(b"\xff:25"), Source::Unknown);
    }

    #[test]
    fn only_a_confirmed_name_and_accepted_addresses_count() {
        let mut known = Known::default();
        known.learn(&Event::Connect {
            hostname: b"forged.example.org",
            confirmed: false,
            source: b"192.0.2.1:1",
        });
        assert_eq!(known.client.hostname, None);
        assert_eq!(known.gap(), Some("the sender"));
        known.learn(&Event::Mail {
            accepted: false,
            address: b"no@example.org",
        });
        assert_eq!(known.gap(), Some("the sender"));
        known.learn(&Event::Mail {
            accepted: true,
            address: b"",
        });
        known.learn(&Event::Rcpt {
            accepted: false,
            address: b"no@example.org",
        });
        assert_eq!(known.gap(), Some("the recipients"));
        known.learn(&Event::Rcpt {
            accepted: true,
            address: b"a@example.org",
        });
        assert_eq!(known.gap(), None);
        known.learn(&Event::Reset);
        assert_eq!(known.gap(), Some("the sender"));
    }

    #[test]
    fn tls_and_login() {
        let mut known = Known::default();
        known.learn(&Event::Identify(b"clear"));
        known.learn(&Event::Tls(b"TLSv1.3:TLS_AES_256_GCM_SHA384:256"));
        let client = &known.client;
        assert_eq!(client.helo, None);
        let tls = (b"TLSv1.3".to_vec(), b"TLS_AES_256_GCM_SHA384".to_vec());
        assert_eq!(client.tls, Some(tls));
        assert!(!client.is_ours());
        known.learn(&Event::Auth {
            result: Login::Failed,
            user: b"x",
        });
        assert!(!known.client.is_ours());
        known.learn(&Event::Auth {
            result: Login::Passed,
            user: b"a@example.org",
        });
        assert!(known.client.is_ours());
    }
}
