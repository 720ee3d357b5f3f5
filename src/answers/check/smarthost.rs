//! `[smarthost]`: the relay for outgoing mail.

use super::Context;
use crate::{
    answers::{
        model::{Smarthost, Tls},
        node::{Node, Text},
        rules::Rule,
    },
    mail::address::DomainName,
    util::secret::Secret,
};

/// Port of submission with TLS from the start (RFC 8314).
const SUBMISSIONS: u16 = 465;
/// Port of submission with STARTTLS (RFC 6409).
const SUBMISSION: u16 = 587;

/// Reads `[smarthost]`.
pub(super) fn check(root: &Node<'_>, cx: &mut Context<'_>) -> Option<Smarthost> {
    let node = root.table("smarthost")?;
    let host = node.text("host").and_then(|value| host(&value, cx));
    let given = node.integer("port").and_then(|n| u16::try_from(n).ok());
    let tls = match (node.text("tls").map(|t| t.text), given) {
        (Some("implicit"), _) | (None, Some(SUBMISSIONS)) => Tls::Implicit,
        _ => Tls::Starttls,
    };
    let port = given.unwrap_or(match tls {
        Tls::Implicit => SUBMISSIONS,
        Tls::Starttls => SUBMISSION,
    });
    let has_password = node.has("password") || node.has("password_file");
    if node.has("username") != has_password {
        let (there, missing) = match has_password {
            true => ("a password", "`username`"),
            false => ("a `username`", "`password` or `password_file`"),
        };
        cx.report.add(
            Rule::SmarthostLogin,
            node.path.clone(),
            node.span.clone(),
            format!("there is {there}, but no {missing}"),
            "give both, or none if the relay wants no login",
        );
    }
    let username = node.text("username").and_then(|v| sendable(&v, v.text, cx));
    let password_file = node.text("password_file");
    let password = match (node.text("password"), &password_file) {
        (Some(value), _) => sendable(&value, value.text, cx),
        (None, Some(value)) => cx.file(value).and_then(|text| {
            let line = text.expose().lines().next().unwrap_or("");
            sendable(value, line, cx)
        }),
        (None, None) => None,
    };
    Some(Smarthost {
        host: host?,
        port,
        tls,
        username,
        password_file: password_file.map(|v| v.text.to_owned()),
        password: password.map(Secret::new),
    })
}

fn host(value: &Text<'_>, cx: &mut Context<'_>) -> Option<DomainName> {
    value
        .text
        .parse()
        .map_err(|e| {
            let message = format!("`{}` cannot be the name of a relay: {e}", value.text);
            let help = "write the name that the relay's certificate carries, such as \
                        `smtp.example.net`; the port has a key of its own";
            cx.about(Rule::SmarthostHost, value, message, help);
        })
        .ok()
}

/// AUTH PLAIN (RFC 4616) carries no NUL, smtpd's table of credentials no line break; blanks at
/// the ends are slips of copying.
fn sendable(value: &Text<'_>, text: &str, cx: &mut Context<'_>) -> Option<String> {
    let bad = text.is_empty() || text.trim() != text || text.chars().any(char::is_control);
    if bad || text.len() > 255 {
        let message = "user name and password have 1 to 255 characters, none of them a control \
                       character, and no blanks at their ends";
        cx.about(
            Rule::SmarthostText,
            value,
            message,
            "copy it again from the relay's settings",
        );
        return None;
    }
    Some(text.to_owned())
}
