//! `[[alias]]`: where they lead, and that they lead somewhere.

use std::collections::BTreeSet;

use super::Context;
use crate::{
    answers::{
        model::{Alias, AliasAddress},
        node::{Node, Text},
        rules::Rule,
    },
    mail::{
        address::{Address, DomainName},
        routes::Routes,
    },
};

/// Reads all aliases, takes their addresses and follows them.
pub(super) fn check(root: &Node<'_>, cx: &mut Context<'_>) -> Vec<Alias> {
    let nodes = root.tables("alias");
    cx.addresses_known &= root.has("alias") != nodes.is_empty();
    let mut aliases = Vec::new();
    for node in nodes {
        let value = node.text("address");
        let address = value.as_ref().and_then(|value| address(value, cx));
        let to = target_list(&node, cx);
        let Some((value, address)) = value.zip(address) else {
            cx.addresses_known = false;
            continue;
        };
        cx.take(address.to_string(), &value, to.clone());
        aliases.push(Alias { address, to });
    }
    aliases
}

/// Follows every alias to its end, once all addresses are known.
pub(super) fn follow(
    root: &Node<'_>,
    aliases: &[Alias],
    postmaster: Option<&Address>,
    cx: &mut Context<'_>,
) {
    if !cx.addresses_known {
        return;
    }
    let routes = cx.routes(postmaster);
    for (node, alias) in root.tables("alias").iter().zip(aliases) {
        for value in node.texts("to") {
            exists(&value, &routes, cx);
        }
        if let Some(value) = node.text("address") {
            no_loop(&value, alias, &routes, cx);
        }
    }
}

fn address(value: &Text<'_>, cx: &mut Context<'_>) -> Option<AliasAddress> {
    if value.text.starts_with("*@") {
        let help = format!("write `\"{}\"`", &value.text[1..]);
        cx.about(
            Rule::CatchAll,
            value,
            "a catch-all is written without `*`",
            &help,
        );
        return None;
    }
    let Some(domain) = value.text.strip_prefix('@') else {
        return cx.own_address(value).map(AliasAddress::Exact);
    };
    match domain.parse::<DomainName>() {
        Ok(domain) => cx
            .is_own(&domain, value)
            .then_some(AliasAddress::CatchAll(domain)),
        Err(e) => {
            let message = format!("`{}` is not a usable catch-all: {e}", value.text);
            let help = "write an `@` and a listed domain, such as `@example.org`";
            cx.about(Rule::CatchAll, value, message, help);
            None
        }
    }
}

fn target_list(node: &Node<'_>, cx: &mut Context<'_>) -> Vec<Address> {
    let values = node.texts("to");
    if values.is_empty() && node.array_is_empty("to") {
        cx.report.add(
            Rule::AliasEmpty,
            node.path_of("to"),
            node.key_span("to"),
            "the alias leads nowhere",
            "name at least one address, or remove the alias",
        );
    }
    let mut seen = BTreeSet::new();
    let mut targets = Vec::new();
    for value in values {
        let Some(target) = cx.any_address(&value) else {
            cx.addresses_known = false;
            continue;
        };
        if seen.insert(target.to_string()) {
            targets.push(target);
        } else {
            let message = format!("`{target}` is a target of this alias already");
            cx.about(
                Rule::DuplicateTarget,
                &value,
                message,
                "remove one of the two",
            );
        }
    }
    targets
}

fn exists(value: &Text<'_>, routes: &Routes, cx: &mut Context<'_>) {
    let Ok(target) = value.text.parse::<Address>() else {
        return;
    };
    if routes.is_nobody(&target) {
        let message = format!("there is no user and no alias `{}`", target.base());
        let help = "add it, or correct the address";
        cx.about(Rule::AliasTarget, value, message, help);
    }
}

fn no_loop(value: &Text<'_>, alias: &Alias, routes: &Routes, cx: &mut Context<'_>) {
    if let Some(way) = routes.way_back(&alias.address.to_string(), &alias.to) {
        let way = way.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>();
        let message = format!("the alias leads back to itself: {}", way.join(" to "));
        cx.about(
            Rule::AliasLoop,
            value,
            message,
            "let one of them lead to a user",
        );
    }
}
