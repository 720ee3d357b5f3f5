//! The server itself: its name, its postmaster, its state volume.

use std::path::{Component, Path};

use super::Context;
use crate::{
    answers::{
        model::{State, User},
        node::Node,
        rules::Rule,
    },
    mail::address::{Address, DomainName},
};

/// Names that the public DNS never resolves (RFC 6761, RFC 6762, RFC 7686, RFC 8375, ICANN's
/// `internal`, and what home routers use).
const PRIVATE: [&str; 11] = [
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
];
/// The same, but meant for trying things out.
const TESTING: &str = "test";

/// `hostname`.
pub(super) fn hostname(root: &Node<'_>, cx: &mut Context<'_>) -> Option<DomainName> {
    let value = root.text("hostname")?;
    let name: DomainName = match value.text.parse() {
        Ok(name) => name,
        Err(e) => {
            let message = format!("`{}` cannot be the server's name: {e}", value.text);
            let help = "write the full name that DNS has for the server, such as \
                        `mail.example.org`";
            cx.about(Rule::HostName, &value, message, help);
            return None;
        }
    };
    let private = PRIVATE.iter().chain([&TESTING]).find(|p| name.is_within(p));
    if let Some(private) = private {
        let message = format!("other mail servers cannot resolve names under `.{private}`");
        let help = "fine for trying; for real mail use a name in a registered domain";
        cx.about(Rule::PrivateName, &value, message, help);
    }
    Some(name)
}

/// `postmaster`, or the first user.
pub(super) fn postmaster(root: &Node<'_>, users: &[User], cx: &mut Context<'_>) -> Option<Address> {
    let Some(value) = root.text("postmaster") else {
        if !root.has("postmaster") && !root.has("user") {
            cx.report.add(
                Rule::Postmaster,
                "postmaster",
                0..0,
                "there is no user, and no `postmaster` to read what arrives at the role addresses",
                "add a `[[user]]`, or `postmaster = \"alice@example.net\"`",
            );
        }
        return users.first().map(|u| u.address.clone());
    };
    let address = cx.any_address(&value)?;
    let own = cx.domains.contains(&address.domain);
    if own && cx.addresses_known && !cx.taken.contains_key(&address.base().to_string()) {
        let message = format!("there is no user and no alias `{}`", address.base());
        let help = "name a `[[user]]` or an `[[alias]]` of this file, or an address elsewhere";
        cx.about(Rule::Postmaster, &value, message, help);
        return None;
    }
    Some(address)
}

/// `[state]`.
pub(super) fn state(root: &Node<'_>, cx: &mut Context<'_>) -> Option<State> {
    let Some(node) = root.table("state") else {
        if !root.has("state") {
            cx.report.add(
                Rule::NoState,
                "state",
                0..0,
                "there is no `[state]`: mail, keys and settings are gone after a reboot",
                "fine for trying; else add `[state]` with `device = \"/dev/vda\"`, the disk to \
                 keep them on",
            );
        }
        return None;
    };
    let wipe = node.boolean("wipe").unwrap_or(false);
    let value = node.text("device")?;
    let path = Path::new(value.text);
    let mut parts = path.components();
    let is_device = parts.next() == Some(Component::RootDir)
        && parts.next() == Some(Component::Normal("dev".as_ref()))
        && parts.clone().count() > 0
        && parts.all(|p| matches!(p, Component::Normal(_)))
        && !value.text.ends_with('/')
        && value.text.chars().all(|c| c.is_ascii_graphic());
    if !is_device {
        let message = format!("`{}` is not the path of a disk", value.text);
        let help = "write a path under `/dev/`, such as `/dev/vda` or `/dev/disk/by-id/…`";
        cx.about(Rule::Device, &value, message, help);
        return None;
    }
    Some(State {
        device: value.text.to_owned(),
        wipe,
    })
}
