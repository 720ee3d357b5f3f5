//! `[acme]`, whom to ask for a certificate, and `webhook`: addresses on the web.

use super::Context;
use crate::{
    answers::{
        model::Acme,
        node::{Node, Text},
        rules::Rule,
    },
    mail::{
        address::{DomainError, DomainName},
        chain::authorities,
    },
    util::secret::Secret,
};

/// Reads `[acme]`.
pub(super) fn check(root: &Node<'_>, cx: &mut Context<'_>) -> Option<Acme> {
    let node = root.table("acme")?;
    let enabled = node.boolean("enabled").unwrap_or(true);
    if enabled && root.has("tls") {
        cx.report.add(
            Rule::AcmeAndTls,
            "acme",
            root.key_span("acme"),
            "there are both `[tls]` with a certificate and `[acme]` to ask for one",
            "keep one of the two",
        );
    }
    let directory = node.text("directory");
    let directory = directory.and_then(|value| directory_url(&value, cx));
    let (ca, ca_file) = cx.inline_or_file(&node, "ca");
    if let Some((value, text)) = &ca
        && let Err(error) = authorities(text.expose())
    {
        let help = "give the certificate of the authority that the directory's own certificate is \
                    signed by, in PEM form";
        cx.about(Rule::AcmeAuthority, value, error, help);
    }
    Some(Acme {
        enabled,
        directory,
        ca_file,
        ca: ca.map(|(_, text)| text.expose().to_owned()),
    })
}

/// RFC 8555 section 6.1: ACME is spoken over https.
fn directory_url(value: &Text<'_>, cx: &mut Context<'_>) -> Option<String> {
    match https(value.text) {
        Ok(url) => Some(url),
        Err(e) => {
            let message = format!("this is not the address of an ACME directory: {e}");
            let help = "write the address that the authority gives, such as \
                        `https://acme.example.net/directory`";
            cx.about(Rule::AcmeDirectory, value, message, help);
            None
        }
    }
}

/// `webhook`: what is told there is about the server's faults, so https alone.
pub(super) fn webhook(root: &Node<'_>, cx: &mut Context<'_>) -> Option<Secret> {
    let value = root.text("webhook")?;
    match https(value.text) {
        Ok(url) => Some(Secret::new(url)),
        Err(e) => {
            let message = format!("this is not the address of a webhook: {e}");
            let help = "write the address that the other side gives, such as \
                        `https://chat.example.net/hooks/4f1c`";
            cx.about(Rule::Webhook, &value, message, help);
            None
        }
    }
}

/// An https address with a host name, lower case; what follows the host stays as it is.
fn https(text: &str) -> Result<String, String> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
        _ => return Err("it has to begin with `https://`".to_owned()),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("there is a user name in it".to_owned());
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let host: DomainName = host
        .parse()
        .map_err(|e: DomainError| format!("the host: {e}"))?;
    let port = match port.map(str::parse::<u16>) {
        None => String::new(),
        Some(Ok(port)) if port > 0 => format!(":{port}"),
        Some(_) => return Err("the port has to be a number from 1 to 65535".to_owned()),
    };
    if !path.chars().all(|c| c.is_ascii_graphic()) || path.contains('#') {
        return Err(
            "there is a blank, a `#` or another character in it that no address has".into(),
        );
    }
    let path = if path.is_empty() { "/" } else { path };
    Ok(format!("https://{host}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let good = [
            (
                "HTTPS://Acme.Example.NET/Dir",
                "https://acme.example.net/Dir",
            ),
            (
                "https://bücher.example:14000",
                "https://xn--bcher-kva.example:14000/",
            ),
        ];
        for (text, want) in good {
            assert_eq!(https(text).as_deref(), Ok(want));
        }
        for (text, want) in [
            ("http://example.net/", "begin with"),
            ("example.net", "begin with"),
            ("https://me@example.net/", "user name"),
            ("https://localhost/", "one label"),
            ("https://example.net:0/", "port"),
            ("https://example.net/a b", "blank"),
            ("https://example.net/#a", "`#`"),
        ] {
            assert!(https(text).unwrap_err().contains(want), "{text}");
        }
    }
}
