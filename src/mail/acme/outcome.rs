//! What acme.sh prints when it fails, read: each kind is waited for in its own way.

use std::fmt;

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The authority does not answer.
    Unreachable {
        /// curl's exit status.
        curl: u32,
    },
    /// The authority's own certificate is not trusted.
    Untrusted,
    /// It has been asked too often (RFC 8555 section 6.6).
    Limit {
        /// Until when, in seconds since 1970, where it says so.
        until: Option<i64>,
        /// What it said.
        detail: String,
    },
    /// It could not verify a name.
    Name {
        /// The name.
        name: String,
        /// What it said.
        detail: String,
    },
    /// Anything else: its own words.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { curl } => {
                let why = match curl {
                    6 => "its name is not found",
                    7 => "the connection is refused",
                    28 => "it does not answer in time",
                    _ => return write!(f, "the authority cannot be reached (curl: error {curl})"),
                };
                write!(f, "the authority cannot be reached: {why}")
            }
            Self::Untrusted => f.write_str("the authority's own certificate is not trusted"),
            Self::Limit { detail, .. } => {
                write!(f, "the authority was asked too often: {detail}")
            }
            Self::Name { name, detail } => {
                write!(f, "the authority could not verify {name}: {detail}")
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Reads what acme.sh has printed, on both of its outputs, before it failed.
pub fn read(output: &str) -> Failure {
    let lines = joined(output);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    if let Some(limit) = lines.iter().find_map(|line| limit(line)) {
        return limit;
    }
    if let Some(name) = lines.iter().find_map(|line| name(line)) {
        return name;
    }
    if let Some(curl) = lines.iter().find_map(|line| curl(line)) {
        return match curl {
            // curl(1): the peer's certificate cannot be verified
            35 | 51 | 58 | 60 | 77 | 83 | 90 | 91 => Failure::Untrusted,
            curl => Failure::Unreachable { curl },
        };
    }
    let said = lines.iter().rev().find(|line| is_error(line));
    let said = said.or_else(|| lines.iter().rev().find(|line| !line.is_empty()));
    Failure::Other(match said {
        Some(line) => format!("acme.sh says: {}", detail(line).unwrap_or(line)),
        None => "acme.sh failed without a word".to_owned(),
    })
}

/// The lines, each without its time; a problem document that goes over several, as Let's Encrypt writes
/// them, is one with the line that it begins on.
fn joined(output: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = 0;
    for line in output.lines().map(message) {
        match lines.last_mut() {
            Some(last) if open > 0 => {
                last.push(' ');
                last.push_str(line);
            }
            _ => lines.push(line.to_owned()),
        }
        open += line.matches('{').count();
        open = open.saturating_sub(line.matches('}').count());
    }
    lines
}

/// A line without the time that acme.sh puts before it: `[Sun Nov 29 09:10:14 UTC 2026] `.
fn message(line: &str) -> &str {
    let rest = line.strip_prefix('[').and_then(|l| l.split_once("] "));
    rest.map_or(line, |(_, rest)| rest).trim()
}

fn is_error(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("Please add '--debug'") && !line.starts_with("See:")
}

/// What stands behind `"detail":` in a problem document (RFC 7807).
fn detail(line: &str) -> Option<&str> {
    let rest = line.split_once("\"detail\"")?.1;
    let rest = rest.trim_start_matches([':', ' ']).strip_prefix('"')?;
    rest.split('"').next()
}

fn limit(line: &str) -> Option<Failure> {
    if !line.contains("urn:ietf:params:acme:error:rateLimited") {
        return None;
    }
    let detail = detail(line).unwrap_or("it does not say why").to_owned();
    Some(Failure::Limit {
        until: until(&detail),
        detail,
    })
}

/// Let's Encrypt ends with `retry after 2026-11-30 07:00:00 UTC`.
fn until(detail: &str) -> Option<i64> {
    let rest = detail.split_once("retry after ")?.1;
    let words: Vec<&str> = rest.split([' ', 'T', 'Z', ',', ';']).collect();
    let [date, time, ..] = words[..] else {
        return None;
    };
    let time = time.trim_end_matches(['.', ':']);
    let time: jiff::civil::DateTime = format!("{date}T{time}").parse().ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_second())
}

fn name(line: &str) -> Option<Failure> {
    let (name, rest) = line.split_once(": ")?;
    let is_name = name.contains('.') && !name.contains([' ', '/', '"']);
    let faults = [
        "Invalid status",
        "Challenge error",
        "Cannot get challenge",
        "Timeout",
        "Unknown status",
        "Invalid code",
    ];
    if !is_name || !faults.iter().any(|fault| rest.starts_with(fault)) {
        return None;
    }
    let said = rest.split_once("error details: ").map(|(_, said)| said);
    Some(Failure::Name {
        name: name.to_ascii_lowercase(),
        detail: said.or_else(|| detail(rest)).unwrap_or(rest).to_owned(),
    })
}

fn curl(line: &str) -> Option<u32> {
    let rest = line.split_once("libcurl-errors.html for error code: ")?.1;
    rest.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_authority_is_told_from_one_that_is_not_trusted() {
        let text = |code: u32| {
            format!(
                "[Sun Nov 29 09:10:14 UTC 2026] Please refer to \
                 https://curl.haxx.se/libcurl/c/libcurl-errors.html for error code: {code}\n\
                 [Sun Nov 29 09:10:14 UTC 2026] Cannot init API for: https://a.example/dir.\n"
            )
        };
        assert_eq!(read(&text(7)), Failure::Unreachable { curl: 7 });
        assert_eq!(read(&text(60)), Failure::Untrusted);
        insta::assert_snapshot!(read(&text(28)), @"the authority cannot be reached: it does not answer in time");
    }

    #[test]
    fn a_limit_says_until_when() {
        let line = r#"[Sun Nov 29 09:10:14 UTC 2026] Error creating new order. Le_OrderFinalize not found. {"type": "urn:ietf:params:acme:error:rateLimited","detail": "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-30 07:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/","status": 429}"#;
        let Failure::Limit { until, detail } = read(line) else {
            panic!("{:?}", read(line));
        };
        assert_eq!(until, Some(1_796_022_000));
        assert!(detail.starts_with("too many certificates"), "{detail}");
        let bare = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow down"}"#;
        let want = Failure::Limit {
            until: None,
            detail: "slow down".into(),
        };
        assert_eq!(read(bare), want);
    }

    #[test]
    fn a_problem_over_several_lines_is_one() {
        let text = "[Sun Nov 29 09:10:14 UTC 2026] Using CA: https://a.example/dir\n\
                    [Sun Nov 29 09:10:14 UTC 2026] Error creating new order. Le_OrderFinalize not \
                    found. {\n  \"type\": \"urn:ietf:params:acme:error:rejectedIdentifier\",\n  \
                    \"detail\": \"forbidden by policy\",\n  \"status\": 400\n}\n\
                    [Sun Nov 29 09:10:14 UTC 2026] Please add '--debug' or '--log'\n";
        let want = Failure::Other("acme.sh says: forbidden by policy".into());
        assert_eq!(read(text), want);
        let limit = text.replace("rejectedIdentifier", "rateLimited");
        let want = Failure::Limit {
            until: None,
            detail: "forbidden by policy".into(),
        };
        assert_eq!(read(&limit), want);
    }

    #[test]
    fn a_name_is_found_with_its_reason() {
        let text = "[Sun Nov 29 09:10:14 UTC 2026] Verifying: mail.example.org\n\
                    [Sun Nov 29 09:10:15 UTC 2026] mail.example.org: Invalid status. Verification \
                    error details: 198.18.0.10: Fetching http://mail.example.org/x: refused\n\
                    [Sun Nov 29 09:10:15 UTC 2026] Please add '--debug' or '--log' to see more \
                    information.\n";
        let want = Failure::Name {
            name: "mail.example.org".into(),
            detail: "198.18.0.10: Fetching http://mail.example.org/x: refused".into(),
        };
        assert_eq!(read(text), want);
        assert!(matches!(read("a.example: Timeout"), Failure::Name { .. }));
    }

    #[test]
    fn anything_else_is_told_in_its_own_words() {
        let text = "[Sun Nov 29 09:10:14 UTC 2026] Registering account\n\
                    [Sun Nov 29 09:10:14 UTC 2026] Account registration error: \
                    {\"type\":\"urn:x\",\"detail\":\"an address is needed\"}\n\
                    [Sun Nov 29 09:10:14 UTC 2026] Please add '--debug' or '--log'\n";
        let want = Failure::Other("acme.sh says: an address is needed".into());
        assert_eq!(read(text), want);
        assert!(matches!(read(""), Failure::Other(_)));
    }
}
