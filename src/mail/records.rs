//! The DNS records that a mail server needs, in zone file form (RFC 1035 section 5).

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{address::DomainName, database::keys::Stage, dkim::KeyInfo};
use crate::answers::model::Dmarc;

/// Most bytes of one string of a TXT record (RFC 1035 section 3.3).
const MAX_STRING: usize = 255;

/// The public half of a DKIM key and where it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// The domain that it signs for.
    pub domain: DomainName,
    /// What stands before `._domainkey`.
    pub selector: String,
    /// Algorithm and key.
    pub info: KeyInfo,
    /// Whether it signs yet, or still.
    pub stage: Stage,
}

/// What the records say.
#[derive(Debug, Clone)]
pub struct Zone<'a> {
    /// The server's name.
    pub hostname: &'a DomainName,
    /// The mail domains, and what their DMARC records ask for.
    pub domains: Vec<(&'a DomainName, Dmarc)>,
    /// The server's addresses, as far as they are known.
    pub addresses: &'a [IpAddr],
    /// The keys of all domains.
    pub keys: &'a [PublishedKey],
    /// Whether mail leaves through somebody else's relay.
    pub smarthost: Option<&'a DomainName>,
}

impl Zone<'_> {
    /// All records with comments that explain them.
    pub fn text(&self) -> String {
        let mut text = "; The DNS records of this mail server.\n".to_owned();
        self.host(&mut text);
        for (domain, dmarc) in &self.domains {
            self.domain(&mut text, domain, *dmarc);
        }
        text
    }

    fn host(&self, out: &mut String) {
        let host = self.hostname;
        line(out, format_args!("\n; The server itself."));
        let public: Vec<_> = self.addresses.iter().filter(|ip| is_public(ip)).collect();
        if public.is_empty() {
            let say = "; Its addresses come from the network and are not known here: put them in.";
            line(out, format_args!("{say}"));
            line(out, format_args!("; {host}. 3600 IN A      192.0.2.1"));
            line(out, format_args!("; {host}. 3600 IN AAAA   2001:db8::1"));
        }
        for ip in &public {
            let kind = if ip.is_ipv4() { "A   " } else { "AAAA" };
            line(out, format_args!("{host}. 3600 IN {kind}   {ip}"));
        }
        // receivers look up the name that HELO gives (RFC 7208 section 2.3)
        line(
            out,
            format_args!("{host}. 3600 IN TXT    \"v=spf1 a -all\""),
        );
        let say = "; Whoever gave you the addresses sets their reverse names; all have to be";
        line(out, format_args!("{say} {host}."));
    }

    fn domain(&self, out: &mut String, domain: &DomainName, policy: Dmarc) {
        let host = self.hostname;
        let name = match domain.to_unicode() {
            unicode if unicode != domain.as_str() => format!("{domain} ({unicode})"),
            _ => domain.to_string(),
        };
        line(out, format_args!("\n; The domain {name}."));
        line(out, format_args!("{domain}. 3600 IN MX     10 {host}."));
        let spf = match self.smarthost {
            None => "v=spf1 mx -all",
            Some(relay) => {
                let say = format!("; Mail leaves through {relay}: its operator says what SPF has");
                line(
                    out,
                    format_args!("{say} to include, here between mx and ~all."),
                );
                "v=spf1 mx ~all"
            }
        };
        // a record for the same name was written already
        if domain != host {
            line(out, format_args!("{domain}. 3600 IN TXT    \"{spf}\""));
        }
        let dmarc = format!("v=DMARC1; p={policy}; rua=mailto:postmaster@{domain}");
        line(
            out,
            format_args!("_dmarc.{domain}. 3600 IN TXT    \"{dmarc}\""),
        );
        for key in self.keys.iter().filter(|k| &k.domain == domain) {
            let selector = &key.selector;
            let value = txt(&key.info.record());
            line(
                out,
                format_args!("{selector}._domainkey.{domain}. 3600 IN TXT    {value}"),
            );
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // a String takes everything
    let _ = writeln!(out, "{text}");
}

/// The strings of a TXT record, each quoted and of at most 255 bytes; a verifier joins them
/// without a space (RFC 6376 section 3.6.2.2).
pub fn txt(value: &str) -> String {
    let mut strings = Vec::new();
    let mut rest = value;
    while !rest.is_empty() || strings.is_empty() {
        let mut end = rest.len().min(MAX_STRING);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (string, tail) = rest.split_at(end);
        let escaped = string.replace('\\', "\\\\").replace('"', "\\\"");
        strings.push(format!("\"{escaped}\""));
        rest = tail;
    }
    match strings.len() {
        1 => strings.concat(),
        // on one line: forms for pasting rarely understand parentheses
        _ => strings.join(" "),
    }
}

/// Whether an address can stand in public DNS.
fn is_public(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // RFC 6598: carrier-grade NAT
            let shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared)
                && *ip != Ipv4Addr::UNSPECIFIED
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local())
                && *ip != Ipv6Addr::UNSPECIFIED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::dkim::Algorithm;

    #[test]
    fn long_values_are_split_and_join_again() {
        for length in [0, 1, 255, 256, 410, 510, 511] {
            let value: String = ('a'..='z').cycle().take(length).collect();
            let text = txt(&value);
            let strings: Vec<_> = text
                .strip_prefix('"')
                .unwrap()
                .strip_suffix('"')
                .unwrap()
                .split("\" \"")
                .collect();
            assert_eq!(strings.concat(), value, "{length}");
            assert!(strings.iter().all(|s| s.len() <= 255), "{length}");
            assert_eq!(strings.len(), length.div_ceil(255).max(1));
        }
        assert_eq!(txt("a\"b\\"), "\"a\\\"b\\\\\"");
    }

    #[test]
    fn the_zone_of_a_server() {
        let host: DomainName = "mail.example.org".parse().unwrap();
        let domain: DomainName = "example.org".parse().unwrap();
        let other: DomainName = "bücher.example".parse().unwrap();
        let relay: DomainName = "smtp.example.net".parse().unwrap();
        let key = |selector: &str, algorithm, length| PublishedKey {
            domain: domain.clone(),
            selector: selector.to_owned(),
            info: KeyInfo {
                algorithm,
                public: "A".repeat(length),
            },
            stage: Stage::Active,
        };
        let keys = [
            key("r", Algorithm::Rsa, 392),
            key("e", Algorithm::Ed25519, 44),
        ];
        let addresses = ["203.0.113.10", "2001:db8::10", "10.0.0.1", "fe80::1"];
        let mut zone = Zone {
            hostname: &host,
            domains: vec![(&domain, Dmarc::Quarantine), (&other, Dmarc::Reject)],
            addresses: &addresses.map(|a| a.parse().unwrap()),
            keys: &keys,
            smarthost: None,
        };
        insta::assert_snapshot!(zone.text());
        zone.addresses = &[];
        zone.smarthost = Some(&relay);
        zone.domains = vec![(&other, Dmarc::None)];
        insta::assert_snapshot!(zone.text());
    }
}
