//! Where a domain wants its reports.

use std::fmt;

/// What each record begins with.
const VERSION: &str = "v=TLSRPTv1;";

/// A place that takes reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address.
    Mail(String),
    /// An address of the web, `https://…`.
    Https(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(address) => write!(f, "mailto:{address}"),
            Self::Https(url) => f.write_str(url),
        }
    }
}

/// The places that the texts at `_smtp._tls.DOMAIN` name; none without a record, or with several
/// (RFC 8460 section 3). What is no address is passed over, as are more than four.
pub fn places(texts: &[String]) -> Vec<Place> {
    let mut records = texts.iter().filter_map(|t| t.strip_prefix(VERSION));
    let (Some(record), None) = (records.next(), records.next()) else {
        return Vec::new();
    };
    let rua = record.split(';').find_map(|field| {
        let (name, value) = field.split_once('=')?;
        (name.trim() == "rua").then_some(value)
    });
    let all = rua.unwrap_or_default().split(',').filter_map(place);
    all.take(4).collect()
}

fn place(text: &str) -> Option<Place> {
    let text = text.trim();
    if text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || "\"<>\\".contains(c))
    {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    if scheme.eq_ignore_ascii_case("mailto") {
        // what stands behind a "?" is for people
        let address = rest.split('?').next().unwrap_or_default();
        let (local, domain) = address.rsplit_once('@')?;
        let fits = !local.is_empty() && !local.starts_with('-') && domain.contains('.');
        return fits.then(|| Place::Mail(address.to_owned()));
    }
    let host = rest.strip_prefix("//")?.split(['/', '?']).next()?;
    let fits = scheme.eq_ignore_ascii_case("https") && !host.is_empty() && !host.contains('@');
    fits.then(|| Place::Https(format!("https:{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(texts: &[&str]) -> String {
        let texts: Vec<String> = texts.iter().map(|&t| t.to_owned()).collect();
        let all: Vec<String> = places(&texts).iter().map(ToString::to_string).collect();
        all.join(" ")
    }

    #[test]
    fn addresses_of_mail_and_of_the_web() {
        let both =
            "v=TLSRPTv1; rua=MAILTO:tls@example.com?subject=a , HTTPS://r.example.com/v1?x=1";
        assert_eq!(
            shown(&[both, "site-verification=1"]),
            "mailto:tls@example.com https://r.example.com/v1?x=1"
        );
    }

    #[test]
    fn what_is_no_address_is_passed_over() {
        for text in [
            "v=TLSRPTv1; rua=http://example.com",
            "v=TLSRPTv1; rua=mailto:-oQ/tmp@example.com",
            "v=TLSRPTv1; rua=mailto:a b@example.com",
            "v=TLSRPTv1; rua=mailto:<a@example.com>",
            "v=TLSRPTv1; rua=mailto:a",
            "v=TLSRPTv1; rua=https://user@example.com/",
            "v=TLSRPTv1",
            "v=TLSRPTv2; rua=mailto:a@example.com",
        ] {
            assert_eq!(shown(&[text]), "", "{text}");
        }
        let one = "v=TLSRPTv1; rua=mailto:a@example.com";
        assert_eq!(shown(&[one, one]), "");
    }
}
