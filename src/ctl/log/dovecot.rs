//! What dovecot writes when it has stored a message, or has not.

use std::sync::LazyLock;

use regex::Regex;

/// A message at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The mailbox it is for.
    pub user: String,
    /// The message's Message-ID, without brackets.
    pub message_id: String,
    /// What was done with it.
    pub what: What,
}

/// What dovecot and the user's Sieve script did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It lies in this folder.
    Folder(String),
    /// Something else, in dovecot's words: forwarded, discarded, failed.
    Other(String),
}

static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^lmtp\((?<user>[^)]+)\)(?:<[^>]*>)*: (?:sieve: )?(?:Error: )?(?:.*?)msgid=<(?<id>[^>]*)>(?:, [a-z]+=[^:]*)?: (?<what>.+)$")
        .ok()
});
static FOLDER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:stored mail into mailbox|saved mail to) '?(.+?)'?$").ok());

/// What a line says; none if it is about no delivery.
pub fn parse(line: &str) -> Option<Stored> {
    let found = LINE.as_ref()?.captures(line)?;
    let what = match FOLDER.as_ref()?.captures(&found["what"]) {
        Some(folder) => What::Folder(folder[1].to_owned()),
        None => What::Other(found["what"].to_owned()),
    };
    Some(Stored {
        user: found["user"].to_owned(),
        message_id: found["id"].to_owned(),
        what,
    })
}
