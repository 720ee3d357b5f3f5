//! `[console]`: root's password at the machine's own console.

use super::{Context, users};
use crate::{
    answers::{
        example,
        model::{Console, Credential},
        node::{Node, Text},
        rules::Rule,
    },
    mail::{
        address::DomainName,
        crypt::{self, CryptError},
    },
    util::secret::Secret,
};

/// Reads `[console]`.
pub(super) fn check(
    root: &Node<'_>,
    hostname: Option<&DomainName>,
    cx: &mut Context<'_>,
) -> Option<Console> {
    let node = root.table("console")?;
    let own: Vec<&str> = hostname.map(DomainName::as_str).into_iter().collect();
    let hash = node.text("password_hash").map(|value| hash(&value, cx));
    let plain = node
        .text("password")
        .map(|value| users::plain(&value, &own, "ezmail hash-password --console", cx));
    let credential = hash.or(plain)?;
    Some(Console { credential })
}

fn hash(value: &Text<'_>, cx: &mut Context<'_>) -> Credential {
    let help = "make one with `ezmail hash-password --console`";
    match crypt::check(value.text) {
        _ if value.text == example::CONSOLE_HASH => {
            let help = "replace it by what `ezmail hash-password --console` prints";
            let message = "this is the hash of the example, which no password fits";
            cx.about(Rule::ExampleHash, value, message, help);
        }
        Ok(cost) if cost.is_weak() => {
            let message = "the hash is cheap to guess against";
            cx.about(Rule::WeakHash, value, message, help);
        }
        Ok(_) => {}
        Err(e @ (CryptError::Rounds(_) | CryptError::Memory(_))) => {
            let help = "make a cheaper one with `ezmail hash-password --console`";
            cx.about(Rule::CryptHash, value, e, help);
        }
        Err(e) => cx.about(Rule::CryptHash, value, e, help),
    }
    Credential::Hash(Secret::new(value.text))
}
