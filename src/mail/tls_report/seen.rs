//! What smtpd logs of a connection's TLS.

use crate::mail::address::DomainName;

/// One connection to an MX, or one that was not made for its name (`mta-sts.patch` of the package
/// opensmtpd has smtpd write a line for each).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The domain that mail was for.
    pub domain: String,
    /// The mode of its policy: `none`, `testing`, `enforce`.
    pub policy: String,
    /// The name of the MX.
    pub mx: String,
    /// Its address, where there was a connection.
    pub address: Option<String>,
    /// `success`, or a result type of RFC 8460 section 4.3.
    pub result: String,
    /// What else is known of it.
    pub reason: Option<String>,
}

impl Seen {
    /// Reads an entry of smtpd's log; `None` for every other entry. Clients and other servers can
    /// have smtpd log what they like, but not at the beginning.
    pub fn parse(line: &str) -> Option<Self> {
        let (session, fields) = line.split_once(" mta tls-policy ")?;
        let is_session = session.len() == 16 && session.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_session || !fields.starts_with("domain=\"") || line.contains('\n') {
            return None;
        }
        let field = |name: &str| {
            let start = format!("{name}=\"");
            let at = fields.find(&start)? + start.len();
            Some(fields[at..].split('"').next()?.to_owned())
        };
        let known = |text: String| (text != "-").then_some(text);
        let domain: DomainName = field("domain")?.parse().ok()?;
        Some(Self {
            domain: domain.to_string(),
            policy: field("policy")?,
            mx: field("mx")?.to_ascii_lowercase(),
            address: known(field("address")?).map(bare),
            result: field("result")?,
            reason: known(field("reason")?),
        })
    }
}

/// smtpd has an address of IPv6 in brackets.
fn bare(address: String) -> String {
    let inside = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    inside.map(str::to_owned).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_smtpd() {
        let line = "23a1b00000000fff mta tls-policy domain=\"Example.org\" policy=\"enforce\" mx=\"mx.example.org\" \
                    address=\"192.0.2.25\" result=\"certificate-expired\" reason=\"it 'has' = expired\"";
        let seen = Seen::parse(line).unwrap();
        assert_eq!(seen.domain, "example.org");
        assert_eq!(seen.address.as_deref(), Some("192.0.2.25"));
        assert_eq!(seen.reason.as_deref(), Some("it 'has' = expired"));
        let ok = line
            .replace("192.0.2.25", "-")
            .replace("it 'has' = expired", "-");
        let seen = Seen::parse(&ok).unwrap();
        assert_eq!((seen.address, seen.reason), (None, None));
        let v6 = line.replace("192.0.2.25", "[2001:db8::25]");
        assert_eq!(
            Seen::parse(&v6).unwrap().address.as_deref(),
            Some("2001:db8::25")
        );
        assert_eq!(
            Seen::parse("23a1b00000000fff mta tls ciphers=TLSv1.3"),
            None
        );
        // what a client says, and what another server does
        let said = format!("23a1b00000000fff smtp failed-command command=\"X {line}");
        assert_eq!(Seen::parse(&said), None);
        assert_eq!(
            Seen::parse(&format!("23a1b00000000fff mta a\n{line}")),
            None
        );
        assert_eq!(Seen::parse(&line.replace("23a1b", "X 23a")), None);
        assert_eq!(
            Seen::parse("23a1b00000000fff mta tls-policy domain=\"a\""),
            None
        );
    }
}
