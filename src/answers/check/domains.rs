//! `[[domain]]` and the DKIM keys in it.

use std::collections::BTreeMap;

use super::Context;
use crate::{
    answers::{
        model::{DkimKey, Dmarc, Domain},
        node::Node,
        rules::Rule,
    },
    mail::{address::DomainName, dkim},
};

/// Reads all domains and makes them known.
pub(super) fn check(root: &Node<'_>, cx: &mut Context<'_>) -> Vec<Domain> {
    let nodes = root.tables("domain");
    cx.domains_known = !nodes.is_empty();
    let mut lines = BTreeMap::new();
    let mut domains = Vec::new();
    for node in &nodes {
        let dmarc = match node.text("dmarc").map(|t| t.text) {
            Some("none") => Dmarc::None,
            Some("reject") => Dmarc::Reject,
            _ => Dmarc::Quarantine,
        };
        let quota = node.text("quota").and_then(|v| cx.quota(&v));
        let dkim = keys(node, cx);
        let Some(name) = name(node, &mut lines, cx) else {
            cx.domains_known = false;
            continue;
        };
        cx.domains.push(name.clone());
        domains.push(Domain {
            name,
            dmarc,
            quota,
            dkim,
        });
    }
    domains
}

fn name(
    node: &Node<'_>,
    lines: &mut BTreeMap<DomainName, usize>,
    cx: &mut Context<'_>,
) -> Option<DomainName> {
    let value = node.text("name")?;
    let name: DomainName = match value.text.parse() {
        Ok(name) => name,
        Err(e) => {
            let message = format!("`{}` is not a usable mail domain: {e}", value.text);
            let help = "write the domain as it stands after the `@`, such as `example.org`";
            cx.about(Rule::DomainName, &value, message, help);
            return None;
        }
    };
    if let Some(line) = lines.get(&name) {
        let message = format!("the domain `{name}` is there already, in line {line}");
        let help = "remove one of the two, and put their keys into the other";
        cx.about(Rule::DuplicateDomain, &value, message, help);
    } else {
        lines.insert(name.clone(), cx.report.line_of(value.span.start));
    }
    Some(name)
}

fn keys(domain: &Node<'_>, cx: &mut Context<'_>) -> Vec<DkimKey> {
    let mut selectors = BTreeMap::new();
    let mut keys = Vec::new();
    for node in domain.tables("dkim") {
        let selector = selector(&node, &mut selectors, cx);
        if !node.has("key") && !node.has("key_file") {
            continue;
        }
        let (key, key_file) = cx.inline_or_file(&node, "key");
        let parsed = key
            .as_ref()
            .map(|(value, key)| (value, dkim::parse_pem(key.expose())));
        let info = match parsed {
            Some((_, Ok(info))) => Some(info),
            Some((value, Err(e))) => {
                let help = "make one with `openssl genpkey -algorithm ed25519`, or with \
                            `-algorithm rsa -pkeyopt rsa_keygen_bits:2048`, or remove the \
                            `[[domain.dkim]]` and let the server make it";
                cx.about(Rule::DkimKey, value, e, help);
                None
            }
            None => None,
        };
        if let Some(selector) = selector {
            keys.push(DkimKey {
                selector,
                key_file,
                key: key.map(|(_, key)| key),
                info,
            });
        }
    }
    keys
}

fn selector(
    node: &Node<'_>,
    lines: &mut BTreeMap<String, usize>,
    cx: &mut Context<'_>,
) -> Option<String> {
    let value = node.text("selector")?;
    let selector = match dkim::selector(value.text) {
        Ok(selector) => selector,
        Err(e) => {
            let help = "use letters, digits and inner `-`, at most 63, such as `s2026`";
            cx.about(Rule::DkimSelector, &value, e, help);
            return None;
        }
    };
    if let Some(line) = lines.get(&selector) {
        let message = format!("the selector `{selector}` is used already, in line {line}");
        let help = "give each key of a domain a selector of its own";
        cx.about(Rule::DuplicateSelector, &value, message, help);
    } else {
        lines.insert(selector.clone(), cx.report.line_of(value.span.start));
    }
    Some(selector)
}
