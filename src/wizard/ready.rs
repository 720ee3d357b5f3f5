//! The finished answers, and what is shown of them before the last yes.

use std::net::IpAddr;

use anyhow::{Result, bail};

use super::{
    check::{self, Note},
    text::{self, Credentials, DkimKey, Keys},
    values::Values,
};
use crate::{
    agent::steps::records::facts,
    answers::{self, Answers},
    mail::{
        database::keys::Stage,
        records::{self, PublishedKey},
    },
    util::secret::Secret,
};

/// Columns that the records have.
const WIDTH: usize = 76;

/// The answers.
#[derive(Debug)]
pub struct Ready {
    /// All of them.
    pub answers: Secret,
    /// Without private keys.
    pub shown: Secret,
    /// The DNS records that belong to them, for people.
    pub records: String,
    /// What they are warned of.
    pub warnings: Vec<Note>,
}

impl Ready {
    /// Puts them together; `addresses` are those of the server, as far as they are known.
    ///
    /// # Errors
    /// When they are refused: then the form has let something pass.
    pub fn new(
        values: &Values,
        credentials: &Credentials,
        keys: &[DkimKey],
        addresses: &[IpAddr],
    ) -> Result<Self> {
        let all = text::toml(values, credentials, keys, Keys::Written);
        let answers = match answers::read(all.as_bytes(), "the form", None) {
            (Some(answers), _) => answers,
            (None, report) => bail!("these answers are refused:\n{report}"),
        };
        Ok(Self {
            records: records(&answers, addresses),
            warnings: check::warnings(&all),
            shown: Secret::new(text::toml(values, credentials, keys, Keys::LeftOut).as_str()),
            answers: Secret::new(all.as_str()),
        })
    }
}

/// The records for people. A TLSA record comes with the certificate, which there is not yet.
fn records(answers: &Answers, addresses: &[IpAddr]) -> String {
    let mut keys = Vec::new();
    for domain in &answers.domains {
        for key in &domain.dkim {
            keys.extend(key.info.clone().map(|info| PublishedKey {
                domain: domain.name.clone(),
                selector: key.selector.clone(),
                info,
                stage: Stage::Active,
            }));
        }
    }
    let mut facts = facts(answers, keys, None);
    facts.addresses = addresses.to_vec();
    records::table_within(&facts, &records::records(&facts), WIDTH)
}
