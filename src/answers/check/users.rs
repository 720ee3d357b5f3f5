//! `[[user]]`: addresses, passwords, quotas.

use super::Context;
use crate::{
    answers::{
        example,
        model::{Credential, Domain, Quota, User},
        node::{Node, Text},
        rules::Rule,
    },
    mail::{
        accounts::users,
        address::Address,
        password::{self, WeakPassword},
    },
    util::secret::Secret,
};

/// Reads all users and takes their addresses.
pub(super) fn check(root: &Node<'_>, domains: &[Domain], cx: &mut Context<'_>) -> Vec<User> {
    let nodes = root.tables("user");
    cx.addresses_known = root.has("user") != nodes.is_empty();
    let mut users = Vec::new();
    for node in nodes {
        users.extend(user(&node, domains, cx));
    }
    users
}

fn user(node: &Node<'_>, domains: &[Domain], cx: &mut Context<'_>) -> Option<User> {
    let address = node.text("address").and_then(|value| {
        let address = cx.own_address(&value)?;
        cx.take(address.to_string(), &value, Vec::new());
        Some(address)
    });
    cx.addresses_known &= address.is_some();
    let name = node.text("name").and_then(|value| name(&value, cx));
    let quota = match node.text("quota") {
        Some(value) => cx.quota(&value),
        None => {
            let own = domains
                .iter()
                .find(|d| Some(&d.name) == address.as_ref().map(|a| &a.domain));
            Some(own.and_then(|d| d.quota).unwrap_or(Quota::DEFAULT))
        }
    };
    let aliases = aliases(node, address.as_ref(), cx);
    let hash = node.text("password_hash").map(|value| hash(&value, cx));
    let own: Vec<&str> = address
        .iter()
        .flat_map(|a| [a.local.as_str(), a.domain.as_str()])
        .chain(name.as_deref())
        .collect();
    let plain = node
        .text("password")
        .map(|value| plain(&value, &own, "ezmail hash-password", cx));
    Some(User {
        address: address?,
        name,
        credential: hash.or(plain)?,
        quota: quota?,
        aliases,
    })
}

fn name(value: &Text<'_>, cx: &mut Context<'_>) -> Option<String> {
    let name = users::display_name(value.text);
    if name.is_none() {
        let message = "the name is empty, longer than 100 characters, or has a line break or \
                       another control character in it";
        cx.about(
            Rule::DisplayName,
            value,
            message,
            "write it as `\"Alice Example\"`",
        );
    }
    name
}

fn aliases(node: &Node<'_>, user: Option<&Address>, cx: &mut Context<'_>) -> Vec<Address> {
    let mut aliases = Vec::new();
    for value in node.texts("aliases") {
        if value.text.starts_with('@') || value.text.starts_with("*@") {
            let help = "make it an `[[alias]]` with `address = \"@example.org\"`";
            cx.about(
                Rule::CatchAll,
                &value,
                "a catch-all cannot stand here",
                help,
            );
        } else if let Some(alias) = cx.own_address(&value) {
            cx.take(
                alias.to_string(),
                &value,
                user.into_iter().cloned().collect(),
            );
            aliases.push(alias);
        } else {
            cx.addresses_known = false;
        }
    }
    aliases
}

fn hash(value: &Text<'_>, cx: &mut Context<'_>) -> Credential {
    match password::check_phc(value.text) {
        _ if value.text == example::HASH => {
            let help = "replace it by what `ezmail hash-password` prints";
            let message = "this is the hash of the example, which no password fits";
            cx.about(Rule::ExampleHash, value, message, help);
        }
        Ok(cost) if cost.is_weak() => {
            let message = format!(
                "the hash is cheap to guess against: {} KiB of memory, {} is the least advised",
                cost.memory_kib,
                password::WEAK_MEMORY_KIB
            );
            let help = "make a new one with `ezmail hash-password`";
            cx.about(Rule::WeakHash, value, message, help);
        }
        Ok(_) => {}
        Err(e) => {
            let help = "make one with `ezmail hash-password`";
            cx.about(Rule::PasswordHash, value, e, help);
        }
    }
    Credential::Hash(Secret::new(value.text))
}

/// A plain password; `own` are words that a guesser tries first, `program` makes a hash of it.
pub(super) fn plain(
    value: &Text<'_>,
    own: &[&str],
    program: &str,
    cx: &mut Context<'_>,
) -> Credential {
    match password::check_strength(value.text, own) {
        Ok(()) => {
            let help = format!("better is `password_hash`, which `{program}` prints");
            let message = "the password stands in the file as plain text";
            cx.about(Rule::PlainPassword, value, message, &help);
        }
        Err(e) => {
            let help = match e {
                WeakPassword::TooLong(_) | WeakPassword::Control => "choose another one",
                _ => {
                    "choose a longer one: four or more words that do not belong together are \
                      good"
                }
            };
            cx.about(Rule::WeakPassword, value, e, help);
        }
    }
    Credential::Password(Secret::new(value.text))
}
