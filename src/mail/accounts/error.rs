//! Why a change of users, domains or aliases is refused.

use thiserror::Error;

/// Why a change is refused, or not made.
#[derive(Debug, Error)]
pub enum AccountError {
    /// Nobody has that address as a mailbox.
    #[error(
        "there is no user {address}{} 'mailctl user list' shows all",
        match .near {
            Some(near) => format!(": did you mean {near}?"),
            None => ";".to_owned(),
        }
    )]
    NoUser {
        /// The address.
        address: String,
        /// A user whose address looks like it.
        near: Option<String>,
    },
    /// The domain is not served here.
    #[error(
        "{name} is not a domain of this server, which has {}; 'mailctl domain add {name}' adds it",
        .known.join(", ")
    )]
    NoDomain {
        /// The domain.
        name: String,
        /// Those of the server.
        known: Vec<String>,
    },
    /// It is served already.
    #[error("{0} is a domain of this server already")]
    DomainExists(String),
    /// A server without domains has no mail.
    #[error("{0} is the only domain of this server, and it needs one: add another one first")]
    LastDomain(String),
    /// The answers name an address of what would be removed.
    #[error(
        "the answers name {address} as {what}: apply answers with another one first, with \
         'ezmail-agent apply --answers FILE'"
    )]
    Named {
        /// What it is.
        what: &'static str,
        /// The address.
        address: String,
    },
    /// Aliases of other domains lead into it.
    #[error(
        "{} into {domain}: change that first, with 'mailctl alias remove'",
        match .aliases.len() {
            1 => format!("the alias {} leads", .aliases[0]),
            _ => format!("the aliases {} lead", .aliases.join(", ")),
        }
    )]
    LeadsInto {
        /// The domain.
        domain: String,
        /// The aliases.
        aliases: Vec<String>,
    },
    /// A mailbox has that address.
    #[error("there is a user {0} already")]
    UserExists(String),
    /// Mail for that address goes elsewhere.
    #[error("{0} is an alias: 'mailctl alias remove {0}' removes it")]
    AliasExists(String),
    /// There is no such alias.
    #[error("there is no alias {0}; 'mailctl alias list' shows all")]
    NoAlias(String),
    /// It does not lead there.
    #[error("the alias {alias} does not lead to {target}; it leads to {}", .to.join(", "))]
    NoTarget {
        /// The alias.
        alias: String,
        /// The address that it does not lead to.
        target: String,
        /// Those that it leads to.
        to: Vec<String>,
    },
    /// It leads there already.
    #[error("the alias {alias} leads to {target} already")]
    TargetExists {
        /// The alias.
        alias: String,
        /// The address.
        target: String,
    },
    /// The user has an app password of that name.
    #[error(
        "{user} has an app password {label} already: 'mailctl app-password remove {user} {label}' \
         removes it, or choose another name"
    )]
    LabelExists {
        /// The user.
        user: String,
        /// The name.
        label: String,
    },
    /// The user has none of that name.
    #[error(
        "{user} has no app password {label}; {}",
        match .known.is_empty() {
            true => "it has none at all".to_owned(),
            false => format!("it has {}", .known.join(", ")),
        }
    )]
    NoLabel {
        /// The user.
        user: String,
        /// The name.
        label: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The state that the change would leave.
    #[error("{0}; nothing was changed")]
    Leaves(String),
    /// The database has what it should not.
    #[error("the database has what is not right: {0}")]
    Damaged(String),
    /// The database itself.
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
}
