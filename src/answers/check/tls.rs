//! `[tls]`: a certificate that is given, and its key.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Context;
use crate::{
    answers::{
        model::Certificate,
        node::{Node, Text},
        rules::Rule,
    },
    mail::{
        address::DomainName,
        chain::{Chain, Key, KeyError},
    },
    util::{secret::Secret, time::date},
};

/// How long before its end a certificate is called to mind: 21 days.
const SOON: i64 = 21 * DAY;
const DAY: i64 = 24 * 60 * 60;

/// Reads `[tls]`.
pub(super) fn check(
    root: &Node<'_>,
    hostname: Option<&DomainName>,
    cx: &mut Context<'_>,
) -> Option<Certificate> {
    let node = root.table("tls")?;
    let (certificate, certificate_file) = cx.inline_or_file(&node, "certificate");
    let (key, key_file) = cx.inline_or_file(&node, "key");
    let chain = certificate.as_ref().and_then(|(value, text)| {
        let chain = chain(value, text, cx)?;
        covers(value, &chain, hostname, cx);
        dates(value, &chain, cx);
        Some(chain)
    });
    let parsed = key
        .as_ref()
        .and_then(|(value, text)| parse_key(value, text, cx));
    if let (Some(chain), Some(parsed), Some((value, _))) = (&chain, &parsed, &key)
        && !chain.fits(parsed)
    {
        let message = "this is not the key of the certificate";
        let help = "give the key that the certificate was asked for with";
        cx.about(Rule::CertificatePair, value, message, help);
    }
    Some(Certificate {
        certificate_file,
        certificate: certificate.map(|(_, text)| text.expose().to_owned()),
        key_file,
        key: key.map(|(_, text)| text),
    })
}

fn chain(value: &Text<'_>, text: &Secret, cx: &mut Context<'_>) -> Option<Chain> {
    let chain = Chain::parse(text.expose());
    chain
        .map_err(|e| {
            let help = "give the server's certificate, then the one that signed it, and so on \
                        (authorities call that file `fullchain.pem`)";
            cx.about(Rule::Certificate, value, e, help);
        })
        .ok()
}

fn parse_key(value: &Text<'_>, text: &Secret, cx: &mut Context<'_>) -> Option<Key> {
    let key = Key::parse(text.expose());
    key.map_err(|e| {
        let help = match e {
            KeyError::Encrypted => "remove the passphrase: `openssl pkey -in KEY -out NEW`",
            _ => "give the key that the certificate was asked for with (`privkey.pem`)",
        };
        cx.about(Rule::CertificateKey, value, e, help);
    })
    .ok()
}

fn covers(value: &Text<'_>, chain: &Chain, hostname: Option<&DomainName>, cx: &mut Context<'_>) {
    let Some(host) = hostname.filter(|host| !chain.covers(host)) else {
        return;
    };
    let names: Vec<_> = chain.names.iter().map(|n| format!("`{n}`")).collect();
    let names = match names.is_empty() {
        true => "no name at all".to_owned(),
        false => names.join(", "),
    };
    let message = format!("the certificate is for {names}, not for `{host}`");
    let help = "give one that carries `hostname`, or correct `hostname`";
    cx.about(Rule::CertificateName, value, message, help);
}

/// Only warnings, whatever the date. The answers are checked at every boot: that the certificate
/// has expired since must not keep a server from receiving mail, and neither must a machine whose
/// clock is wrong until the network is there.
fn dates(value: &Text<'_>, chain: &Chain, cx: &mut Context<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |t| i64::try_from(t.as_secs()).unwrap_or(i64::MAX));
    if let Some(message) = dated(chain.not_before, chain.not_after, now) {
        let help = "get the next certificate, and put it into the answers";
        cx.about(Rule::CertificateDates, value, message, help);
    }
}

fn dated(from: i64, to: i64, now: i64) -> Option<String> {
    if now > to {
        return Some(format!("the certificate has expired, on {}", date(to)));
    }
    if now < from {
        return Some(format!(
            "the certificate is not valid before {}",
            date(from)
        ));
    }
    (to - now < SOON).then(|| format!("the certificate expires soon, on {}", date(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_are_told_in_words() {
        let (from, to) = (1_767_225_600, 1_775_001_600);
        let say = |now| dated(from, to, now).unwrap_or_default();
        assert_eq!(
            say(from - 1),
            "the certificate is not valid before 2026-01-01"
        );
        assert_eq!(say(from), "");
        assert_eq!(say(to - SOON), "");
        assert_eq!(say(to - DAY), "the certificate expires soon, on 2026-04-01");
        assert_eq!(say(to + 1), "the certificate has expired, on 2026-04-01");
    }
}
