//! The envelopes of smtpd's queue, as `smtpctl show queue` lists them.

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// One recipient of a message that is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Envelope {
    /// Its number: 16 hexadecimal digits, the first 8 of them the message's.
    pub id: String,
    /// The message's number.
    pub message: String,
    /// Where the message came from: `local`, `inet4` or `inet6`.
    pub source: String,
    /// Which agent delivers it: `mda` here, `mta` elsewhere, `bounce` makes a bounce.
    pub agent: String,
    /// Its flags: `bounce`, `auth`, `internal`, `suspend`, `hold`.
    pub flags: Vec<String>,
    /// Who sent it; empty for a bounce.
    pub sender: String,
    /// The recipient as the client gave it.
    pub recipient: String,
    /// The recipient after aliases.
    pub destination: String,
    /// When it came, in seconds since 1970.
    pub created: i64,
    /// When smtpd gives up and tells the sender.
    pub expires: i64,
    /// When delivery was last tried; none before the first attempt.
    pub last_try: Option<i64>,
    /// How often delivery has been tried without success.
    pub attempts: u32,
    /// What happens to it now.
    #[serde(flatten)]
    pub state: State,
    /// Why the last attempt failed; empty before the first.
    pub error: String,
}

/// What smtpd does with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// It waits for its next attempt.
    Pending {
        /// Seconds until then; negative when it is due.
        next_try_in: i64,
    },
    /// It is being delivered.
    Inflight {
        /// Seconds since that began.
        since: i64,
    },
    /// smtpd does not run: nothing happens.
    Offline,
    /// smtpd has taken it off its schedule.
    Invalid,
}

impl Envelope {
    /// Whether `word` is its number, or that of its message.
    pub fn is(&self, word: &str) -> bool {
        self.id == word || self.message == word
    }
}

/// All lines of `smtpctl show queue`.
///
/// # Errors
/// When a line is not one of smtpd 7.6 to 7.8.
pub fn parse(text: &str) -> Result<Vec<Envelope>> {
    let line = |line| envelope(line).with_context(|| format!("reading smtpd's queue: {line}"));
    text.lines().filter(|l| !l.is_empty()).map(line).collect()
}

/// `ID|SOURCE|AGENT|FLAGS|SENDER|RCPT|DEST|CREATED|EXPIRES|LAST|ATTEMPTS|STATE|SECONDS|ERROR`.
/// A local part may have bars in it (RFC 5321 section 4.1.2), and so may the error.
fn envelope(line: &str) -> Result<Envelope> {
    let mut fields = line.split('|');
    let mut next = || fields.next().context("the line is too short");
    let id = next()?;
    if id.len() != 16 || !id.chars().all(|c| c.is_ascii_hexdigit()) {
        bail!("it begins with no envelope's number");
    }
    let (source, agent, flags) = (next()?, next()?, next()?);
    let mut address = || -> Result<String> {
        let mut address = next()?.to_owned();
        while !address.contains('@') {
            address = format!("{address}|{}", next()?);
        }
        Ok(match address.as_str() {
            "@" => String::new(),
            _ => address,
        })
    };
    let (sender, recipient, destination) = (address()?, address()?, address()?);
    let mut number = |what: &str| -> Result<i64> {
        let field = fields.next().context("the line is too short")?;
        field
            .parse()
            .with_context(|| format!("'{field}' is no {what}"))
    };
    let (created, expires) = (number("time")?, number("time")?);
    let (last_try, attempts) = (number("time")?, number("count")?);
    let state = fields.next().context("the line is too short")?;
    let seconds = fields.next().context("the line is too short")?;
    let seconds = || -> Result<i64> {
        seconds
            .parse()
            .with_context(|| format!("'{seconds}' is no time"))
    };
    let state = match state {
        "pending" => State::Pending {
            next_try_in: seconds()?,
        },
        "inflight" => State::Inflight { since: seconds()? },
        "offline" => State::Offline,
        "invalid" => State::Invalid,
        other => bail!("there is no state '{other}'"),
    };
    let flags = flags.split(',').filter(|f| !f.is_empty());
    Ok(Envelope {
        id: id.to_owned(),
        message: id[..8].to_owned(),
        source: source.to_owned(),
        agent: agent.to_owned(),
        flags: flags.map(str::to_owned).collect(),
        sender,
        recipient,
        destination,
        created,
        expires,
        last_try: (last_try > 0).then_some(last_try),
        attempts: attempts.try_into().context("counting attempts")?,
        state,
        error: fields.collect::<Vec<_>>().join("|"),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const WAITING: &str = "c0ffee0112345678|inet4|mta|auth|alice@example.org|peer@example.com|\
         peer@example.com|1700000000|1700432000|1700000100|1|pending|395|451 4.3.0 later";

    #[test]
    fn a_line_has_its_parts() {
        let found = parse(&format!("{WAITING}\n")).unwrap();
        let envelope = &found[0];
        assert_eq!(
            (envelope.message.as_str(), envelope.flags.join(" ").as_str()),
            ("c0ffee01", "auth")
        );
        assert_eq!(envelope.state, State::Pending { next_try_in: 395 });
        assert_eq!(envelope.error, "451 4.3.0 later");
        assert_eq!(envelope.last_try, Some(1_700_000_100));
        assert!(envelope.is("c0ffee01") && envelope.is("c0ffee0112345678"));
    }

    #[test]
    fn bars_are_allowed_in_addresses_and_errors() {
        let line = "c0ffee0112345678|local|mda||@|a|b@example.org|a|b@example.org|1|2|0|0|\
                    inflight|3|no | way";
        let envelope = &parse(line).unwrap()[0];
        assert_eq!(envelope.sender, "");
        assert_eq!(envelope.recipient, "a|b@example.org");
        assert_eq!(envelope.destination, "a|b@example.org");
        assert_eq!(
            (envelope.last_try, envelope.error.as_str()),
            (None, "no | way")
        );
    }

    #[test]
    fn other_lines_are_refused() {
        for (line, said) in [
            ("x|y", "no envelope's number"),
            ("c0ffee0112345678|local|mda||@", "too short"),
            (
                "c0ffee0112345678|local|mda||@|a@b|a@b|1|2|0|0|lost|3|",
                "no state 'lost'",
            ),
        ] {
            let error = format!("{:#}", parse(line).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
    }
}
