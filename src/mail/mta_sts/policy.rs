//! A domain's policy, as it is fetched.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest time that a policy is kept, in seconds (RFC 8461 section 3.2).
const LONGEST: u64 = 31_557_600;

/// The most characters that smtpd takes of a policy's names.
const NAMES: usize = 1800;

/// What is done about an MX that does not keep to the policy (RFC 8461 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing is sent to it.
    Enforce,
    /// It is sent to, and reported.
    Testing,
    /// Nothing: there is no policy any more.
    None,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        })
    }
}

/// A policy (RFC 8461 section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whether it is kept to.
    pub mode: Mode,
    /// Names of MXs, in lower case; `*` as the first label stands for any one.
    pub mx: Vec<String>,
    /// How long it may be kept, in seconds.
    pub max_age: u64,
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Wrong {
    /// A line is not `name: value`.
    #[error("line {0} is not 'name: value'")]
    Line(usize),
    /// A field that has to be there is not.
    #[error("there is no '{0}'")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("line {0}: '{1}' cannot be '{2}'")]
    Value(usize, &'static str, String),
    /// More names than smtpd takes.
    #[error("its names of MXs are longer than {NAMES} characters")]
    TooLong,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// When it is none; lines are counted from one. Fields that are not known are passed over, and of
    /// one that is there twice the first counts, as RFC 8461 section 3.2 has it.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let (mut version, mut mode, mut max_age, mut mx) = (false, None, None, Vec::new());
        for (number, line) in text.lines().enumerate().map(|(n, line)| (n + 1, line)) {
            if line.trim().is_empty() {
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(Wrong::Line(number))?;
            let value = value.trim();
            let wrong = |name| Wrong::Value(number, name, value.chars().take(80).collect());
            match name.trim() {
                "version" if version => {}
                "version" if value == "STSv1" => version = true,
                "version" => return Err(wrong("version")),
                "mode" if mode.is_none() => {
                    mode = Some(match value {
                        "enforce" => Mode::Enforce,
                        "testing" => Mode::Testing,
                        "none" => Mode::None,
                        _ => return Err(wrong("mode")),
                    });
                }
                "max_age" if max_age.is_none() => {
                    let digits = (1..=10).contains(&value.len())
                        && value.bytes().all(|b| b.is_ascii_digit());
                    let seconds = value.parse::<u64>().ok().filter(|_| digits);
                    max_age = Some(seconds.ok_or_else(|| wrong("max_age"))?.min(LONGEST));
                }
                "mx" if is_pattern(value) => mx.push(value.to_ascii_lowercase()),
                "mx" => return Err(wrong("mx")),
                _ => {}
            }
        }
        let mode = mode.ok_or(Wrong::Missing("mode"))?;
        let max_age = max_age.ok_or(Wrong::Missing("max_age"))?;
        if !version {
            return Err(Wrong::Missing("version"));
        }
        if mx.is_empty() && mode != Mode::None {
            return Err(Wrong::Missing("mx"));
        }
        if mx.iter().map(|name| name.len() + 1).sum::<usize>() > NAMES {
            return Err(Wrong::TooLong);
        }
        Ok(Self { mode, mx, max_age })
    }

    /// The answer to smtpd's table of relays: see `mta-sts.patch` of the package opensmtpd.
    pub fn relay(&self) -> String {
        match self.mode {
            Mode::None => "mta-sts:none".to_owned(),
            mode => format!("mta-sts:{mode}:{}", self.mx.join(",")),
        }
    }
}

/// The lines that count, each ended by LF: what is kept of a policy, and reported.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version: STSv1\nmode: {}", self.mode)?;
        for mx in &self.mx {
            writeln!(f, "mx: {mx}")?;
        }
        writeln!(f, "max_age: {}", self.max_age)
    }
}

/// Whether `text` is a domain name, or one behind `*.`.
fn is_pattern(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inside)
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "version: STSv1\nmode: enforce\nmx: mail.example.com\n\
                           mx: *.Example.net\nmx: backupmx.example.com\nmax_age: 604800\n";

    #[test]
    fn the_example_of_the_rfc() {
        let policy = Policy::parse(EXAMPLE).unwrap();
        let mx = ["mail.example.com", "*.example.net", "backupmx.example.com"];
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, 604_800));
        assert_eq!(policy.mx, mx);
        assert_eq!(
            policy.relay(),
            "mta-sts:enforce:mail.example.com,*.example.net,backupmx.example.com"
        );
        assert_eq!(Policy::parse(&policy.to_string()).as_ref(), Ok(&policy));
        // as it comes from most servers
        assert_eq!(Policy::parse(&EXAMPLE.replace('\n', "\r\n")), Ok(policy));
    }

    #[test]
    fn what_is_more_does_not_matter() {
        let text = "version: STSv1\nversion: 2\nmode: none\nmode: enforce\nnew: a:b\n\nmax_age: 9999999999\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::None, LONGEST));
        assert_eq!(policy.relay(), "mta-sts:none");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let with = |from: &str, to: &str| Policy::parse(&EXAMPLE.replace(from, to)).unwrap_err();
        let wrong = [
            with("version: STSv1\n", ""),
            with("STSv1", "STSv2"),
            with("mode: enforce\n", ""),
            with("enforce", "enforced"),
            with("max_age: 604800\n", ""),
            with("604800", "-1"),
            with("604800", "12345678901"),
            with("*.Example.net", "*"),
            with("*.Example.net", "mail.*.net"),
            with("*.Example.net", "a,b"),
            with("mode: enforce", "<html>"),
            Policy::parse("version: STSv1\nmode: testing\nmax_age: 1\n").unwrap_err(),
            with(
                "mx: mail",
                &("mx: mail.example.com\n".repeat(120) + "mx: mail"),
            ),
        ];
        let said: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
