//! What smtpd tells and asks a filter, one line at a time: `smtpd-filters(7)` and smtpd's `lka_filter.c`
//! (7.6 to 7.8 speak version 0.7).
//!
//! Lines are bytes, not text: a data-line carries whatever the sender wrote.

use std::fmt;

use thiserror::Error;

use super::answer::ReplyTo;

/// A session's or a token's number, 16 hexadecimal digits on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id(pub(super) u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a line could not be understood.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The first word is none that smtpd sends to filters.
    #[error("it starts with neither config, report nor filter")]
    Stream,
    /// The line ended before this field.
    #[error("the field '{0}' is missing")]
    Missing(&'static str),
    /// The field is there but is not what it must be.
    #[error("the field '{0}' is malformed")]
    Field(&'static str),
}

/// One line from smtpd.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// `config|key|value`; the last one is `config|ready`, without a value.
    Config { key: &'a [u8], value: &'a [u8] },
    /// Something that happened in a session; wants no answer.
    Report { session: Id, event: Event<'a> },
    /// A question; smtpd waits for its answer.
    Query(Query<'a>),
}

/// What a report says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `link-connect`: reverse name, whether it leads back to the address, `address:port` or
    /// `unix:path`.
    Connect {
        hostname: &'a [u8],
        confirmed: bool,
        source: &'a [u8],
    },
    /// `link-disconnect`: the session is over.
    Disconnect,
    /// `link-identify`: the name after HELO or EHLO.
    Identify(&'a [u8]),
    /// `link-tls`: version, cipher and strength, separated by colons.
    Tls(&'a [u8]),
    /// `link-auth`.
    Auth { result: Login, user: &'a [u8] },
    /// `tx-begin`: smtpd's number for the message.
    Begin(&'a [u8]),
    /// `tx-mail`: the sender, without brackets; empty for a bounce.
    Mail { accepted: bool, address: &'a [u8] },
    /// `tx-rcpt`: one recipient, without brackets.
    Rcpt { accepted: bool, address: &'a [u8] },
    /// `tx-reset` and `tx-rollback`: the message is done with, one way or the other.
    Reset,
    /// Anything else.
    Other,
}

/// What came of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    Passed,
    Failed,
    /// It could not be looked up.
    Error,
}

impl Login {
    fn of(result: &[u8]) -> Self {
        match result {
            b"pass" => Self::Passed,
            b"fail" => Self::Failed,
            _ => Self::Error,
        }
    }
}

/// A question and where its answer goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pub(super) to: ReplyTo,
    pub(super) phase: Phase<'a>,
}

/// The phases a filter is asked in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase<'a> {
    /// AUTH: its method, and what the client sent with it, which may be its password.
    Auth(&'a [u8]),
    /// One line of the message as the client sent it: dot-stuffed, without its newline. A line
    /// that is a single dot ends the message.
    DataLine(&'a [u8]),
    /// The whole message was given back; may smtpd take it?
    Commit,
    /// A phase we did not register for.
    Other,
}

type Version = (u32, u32);

/// Splits one line, given without its newline.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>, Malformed> {
    let mut fields = Fields(Some(line));
    match fields.next("stream")? {
        b"config" => Ok(Line::Config {
            key: fields.next("key")?,
            value: fields.0.unwrap_or_default(),
        }),
        b"report" => report(fields),
        b"filter" => query(fields),
        _ => Err(Malformed::Stream),
    }
}

fn report(mut fields: Fields<'_>) -> Result<Line<'_>, Malformed> {
    let version = fields.version()?;
    fields.next("timestamp")?;
    let subsystem = fields.next("subsystem")?;
    let name = fields.next("event")?;
    let session = fields.id("session")?;
    let event = match name {
        _ if subsystem != b"smtp-in" => Event::Other,
        b"link-connect" => Event::Connect {
            hostname: fields.next("rdns")?,
            confirmed: fields.next("fcrdns")? == b"pass",
            source: fields.next("src")?,
        },
        b"link-disconnect" => Event::Disconnect,
        b"link-identify" => {
            fields.next("method")?;
            Event::Identify(fields.rest("identity")?)
        }
        b"link-tls" => Event::Tls(fields.rest("tls-string")?),
        b"link-auth" if version < (0, 7) => {
            let both = fields.rest("username")?;
            let bar = both.iter().rposition(|&b| b == b'|');
            let bar = bar.ok_or(Malformed::Missing("result"))?;
            Event::Auth {
                result: Login::of(&both[bar + 1..]),
                user: &both[..bar],
            }
        }
        b"link-auth" => Event::Auth {
            result: Login::of(fields.next("result")?),
            user: fields.rest("username")?,
        },
        b"tx-begin" => Event::Begin(fields.rest("message-id")?),
        b"tx-mail" => {
            let (accepted, address) = fields.envelope(version)?;
            Event::Mail { accepted, address }
        }
        b"tx-rcpt" => {
            let (accepted, address) = fields.envelope(version)?;
            Event::Rcpt { accepted, address }
        }
        b"tx-reset" | b"tx-rollback" => Event::Reset,
        _ => Event::Other,
    };
    Ok(Line::Report { session, event })
}

fn query(mut fields: Fields<'_>) -> Result<Line<'_>, Malformed> {
    let version = fields.version()?;
    fields.next("timestamp")?;
    fields.next("subsystem")?;
    let phase = fields.next("phase")?;
    let session = fields.id("session")?;
    let to = ReplyTo::new(session, fields.id("token")?, version < (0, 5));
    let phase = match phase {
        b"data-line" => Phase::DataLine(fields.rest("line")?),
        b"auth" => Phase::Auth(fields.rest("method")?),
        b"commit" => Phase::Commit,
        _ => Phase::Other,
    };
    Ok(Line::Query(Query { to, phase }))
}

/// What is left of a line, field by field; only the last field may hold a bar.
struct Fields<'a>(Option<&'a [u8]>);

impl<'a> Fields<'a> {
    fn next(&mut self, name: &'static str) -> Result<&'a [u8], Malformed> {
        let left = self.0.ok_or(Malformed::Missing(name))?;
        match left.iter().position(|&b| b == b'|') {
            Some(bar) => {
                self.0 = Some(&left[bar + 1..]);
                Ok(&left[..bar])
            }
            None => {
                self.0 = None;
                Ok(left)
            }
        }
    }

    fn rest(&mut self, name: &'static str) -> Result<&'a [u8], Malformed> {
        self.0.take().ok_or(Malformed::Missing(name))
    }

    fn text(&mut self, name: &'static str) -> Result<&'a str, Malformed> {
        str::from_utf8(self.next(name)?).map_err(|_| Malformed::Field(name))
    }

    fn id(&mut self, name: &'static str) -> Result<Id, Malformed> {
        let text = self.text(name)?;
        // from_str_radix would take a sign
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Malformed::Field(name));
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| Malformed::Field(name))?;
        Ok(Id(number))
    }

    fn version(&mut self) -> Result<Version, Malformed> {
        let name = "version";
        let (major, minor) = self
            .text(name)?
            .split_once('.')
            .ok_or(Malformed::Field(name))?;
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Ok((major, minor)),
            _ => Err(Malformed::Field(name)),
        }
    }

    /// Result and address of tx-mail and tx-rcpt; before 0.6 the result came last.
    fn envelope(&mut self, version: Version) -> Result<(bool, &'a [u8]), Malformed> {
        self.next("message-id")?;
        if version < (0, 6) {
            let both = self.rest("address")?;
            let bar = both.iter().rposition(|&b| b == b'|');
            let bar = bar.ok_or(Malformed::Missing("result"))?;
            return Ok((&both[bar + 1..] == b"ok", &both[..bar]));
        }
        Ok((self.next("result")? == b"ok", self.rest("address")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to() -> ReplyTo {
        ReplyTo::new(Id(0x7641_df97_71b4_ed00), Id(0x1ef1_c203_cc57_6e5d), false)
    }

    #[test]
    fn reports_of_the_manual_page() {
        let session = Id(0x7641_df97_71b4_ed00);
        let prefix = "report|0.7|1576146008.006099|smtp-in|";
        let id = "7641df9771b4ed00";
        for (text, event) in [
            (
                format!(
                    "{prefix}link-connect|{id}|mail.example.org|pass|[2001:db8::1]:33174|192.0.2.80:25"
                ),
                Event::Connect {
                    hostname: b"mail.example.org",
                    confirmed: true,
                    source: b"[2001:db8::1]:33174",
                },
            ),
            (format!("{prefix}link-disconnect|{id}"), Event::Disconnect),
            (
                format!("{prefix}link-identify|{id}|EHLO|a|b"),
                Event::Identify(b"a|b"),
            ),
            (
                format!("{prefix}link-auth|{id}|pass|a|b"),
                Event::Auth {
                    result: Login::Passed,
                    user: b"a|b",
                },
            ),
            (
                format!("{prefix}tx-mail|{id}|0a1b2c3d|ok|"),
                Event::Mail {
                    accepted: true,
                    address: b"",
                },
            ),
            (
                format!("{prefix}tx-rcpt|{id}|0a1b2c3d|permfail|a|b@example.org"),
                Event::Rcpt {
                    accepted: false,
                    address: b"a|b@example.org",
                },
            ),
            (
                format!("{prefix}tx-begin|{id}|0a1b2c3d"),
                Event::Begin(b"0a1b2c3d"),
            ),
            (format!("{prefix}timeout|{id}"), Event::Other),
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Ok(Line::Report { session, event }),
                "{text}"
            );
        }
    }

    #[test]
    fn older_versions_had_other_orders() {
        let session = Id(1);
        let parsed = parse(b"report|0.5|1.0|smtp-in|tx-mail|1|0a|a@example.org|ok");
        let event = Event::Mail {
            accepted: true,
            address: b"a@example.org",
        };
        assert_eq!(parsed, Ok(Line::Report { session, event }));
        let parsed = parse(b"report|0.6|1.0|smtp-in|link-auth|1|a|b|pass");
        let event = Event::Auth {
            result: Login::Passed,
            user: b"a|b",
        };
        assert_eq!(parsed, Ok(Line::Report { session, event }));
    }

    #[test]
    fn a_data_line_is_bytes_with_bars_in_it() {
        let line = b"filter|0.7|1576146008.006099|smtp-in|data-line|7641df9771b4ed00|1ef1c203cc576e5d|a|\xff\r|";
        let query = Query {
            to: to(),
            phase: Phase::DataLine(b"a|\xff\r|"),
        };
        assert_eq!(parse(line), Ok(Line::Query(query)));
    }

    #[test]
    fn a_login_begins_with_its_method() {
        let line = b"filter|0.7|1.0|smtp-in|auth|7641df9771b4ed00|1ef1c203cc576e5d|PLAIN AGEAYg==";
        let query = Query {
            to: to(),
            phase: Phase::Auth(b"PLAIN AGEAYg=="),
        };
        assert_eq!(parse(line), Ok(Line::Query(query)));
        for (result, login) in [("fail", Login::Failed), ("error", Login::Error)] {
            let text = format!("report|0.7|1.0|smtp-in|link-auth|1|{result}|a");
            let event = Event::Auth {
                result: login,
                user: b"a",
            };
            let session = Id(1);
            assert_eq!(parse(text.as_bytes()), Ok(Line::Report { session, event }));
        }
    }

    #[test]
    fn malformed_lines_say_what_is_wrong() {
        let texts = [
            "",
            "hello",
            "config",
            "report|0.7|1.0|smtp-in",
            "report|seven|1.0|smtp-in|link-connect|1",
            "report|0.7|1.0|smtp-in|link-connect|1|host|pass",
            "filter|0.7|1.0|smtp-in|data-line|1|+2|x",
            "filter|0.7|1.0|smtp-in|data-line|1|2",
            "filter|0.7|1.0|smtp-in|data-line|00000000000000000|2|x",
            "filter|0.7|1.0|smtp-in|commit|11111111111111111|2",
        ];
        let errors = texts.map(|text| match parse(text.as_bytes()) {
            Ok(line) => format!("{text}: {line:?}"),
            Err(error) => format!("{text}: {error}"),
        });
        insta::assert_snapshot!(errors.join("\n"), @r"
        : it starts with neither config, report nor filter
        hello: it starts with neither config, report nor filter
        config: the field 'key' is missing
        report|0.7|1.0|smtp-in: the field 'event' is missing
        report|seven|1.0|smtp-in|link-connect|1: the field 'version' is malformed
        report|0.7|1.0|smtp-in|link-connect|1|host|pass: the field 'src' is missing
        filter|0.7|1.0|smtp-in|data-line|1|+2|x: the field 'token' is malformed
        filter|0.7|1.0|smtp-in|data-line|1|2: the field 'line' is missing
        filter|0.7|1.0|smtp-in|data-line|00000000000000000|2|x: Query(Query { to: ReplyTo { session: Id(0), token: Id(2), token_first: false }, phase: DataLine([120]) })
        filter|0.7|1.0|smtp-in|commit|11111111111111111|2: the field 'session' is malformed
        ");
    }
}
