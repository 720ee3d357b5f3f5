//! What the answers want in the database, and what the last ones wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::{
    answers::{
        Answers,
        model::{AliasAddress, Credential},
    },
    mail::{accounts::Roles, address::Address, dkim::KeyInfo},
};

/// What the answers want in the database (the role addresses are not in it: smtpd's queries give
/// them to the postmaster wherever nobody has them); also what `meta.answers` remembers of the last ones.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The mail domains.
    pub domains: BTreeSet<String>,
    /// The mailboxes by address.
    pub users: BTreeMap<String, DesiredUser>,
    /// Where each address leads; a catch-all is `@domain`.
    pub aliases: BTreeMap<String, BTreeSet<String>>,
    /// The DKIM keys that are given, by domain and selector.
    #[serde(default)]
    pub dkim: BTreeMap<String, BTreeMap<String, KeyInfo>>,
    /// Who reads the server's own mail; none where an earlier version remembered it.
    #[serde(default)]
    pub roles: Option<Roles>,
}

impl fmt::Debug for Desired {
    /// Without the hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desired")
            .field("domains", &self.domains)
            .field("users", &self.users.keys())
            .field("aliases", &self.aliases)
            .field("dkim", &self.dkim)
            .finish()
    }
}

/// A mailbox.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredUser {
    /// The argon2id hash of the password, PHC.
    pub hash: String,
    /// The quota in bytes.
    pub quota: i64,
    /// The person's name.
    #[serde(default)]
    pub name: Option<String>,
}

impl Desired {
    /// What `answers` want, whose passwords are hashes already ([`Answers::hash_passwords`]).
    ///
    /// # Errors
    /// When a password is not.
    pub fn new(answers: &Answers) -> Result<Self> {
        let mut desired = Self {
            domains: answers.domains.iter().map(|d| d.name.to_string()).collect(),
            roles: Some(Roles::of(answers)),
            ..Self::default()
        };
        for domain in &answers.domains {
            let keys = domain.dkim.iter().map(|key| {
                let info = key.info.clone();
                let info = info.with_context(|| {
                    let file = key.key_file.as_deref().unwrap_or("its file");
                    let (selector, domain) = (&key.selector, &domain.name);
                    format!("the DKIM key {selector} of {domain} was not read from {file}")
                })?;
                Ok((key.selector.clone(), info))
            });
            let keys: BTreeMap<_, _> = keys.collect::<Result<_>>()?;
            if !keys.is_empty() {
                desired.dkim.insert(domain.name.to_string(), keys);
            }
        }
        for user in &answers.users {
            let address = user.address.to_string();
            let hash = match &user.credential {
                Credential::Hash(hash) => hash.expose().to_owned(),
                Credential::Password(_) => bail!("the password of {address} is not hashed yet"),
            };
            let quota = i64::try_from(user.quota.bytes()).context("the quota is too large")?;
            for alias in &user.aliases {
                desired.alias(alias.to_string(), [&user.address]);
            }
            let name = user.name.clone();
            let user = DesiredUser { hash, quota, name };
            desired.users.insert(address, user);
        }
        for alias in &answers.aliases {
            let address = match &alias.address {
                AliasAddress::Exact(address) => address.to_string(),
                AliasAddress::CatchAll(domain) => format!("@{domain}"),
            };
            desired.alias(address, &alias.to);
        }
        Ok(desired)
    }

    fn alias<'a>(&mut self, address: String, to: impl IntoIterator<Item = &'a Address>) {
        let targets = self.aliases.entry(address).or_default();
        targets.extend(to.into_iter().map(ToString::to_string));
    }
}

/// What the last answers wanted; nothing if there were none.
pub(super) fn remembered(db: &Connection) -> Result<Desired> {
    let json: Option<String> = db
        .query_row("SELECT value FROM meta WHERE key = 'answers'", [], |r| {
            r.get(0)
        })
        .optional()?;
    json.map_or(Ok(Desired::default()), |json| {
        serde_json::from_str(&json).context("reading what the last answers said")
    })
}
