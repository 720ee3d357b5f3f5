//! Root's password at the console: that of the answers, or none.

use anyhow::{Result, bail};

use super::Input;
use crate::{
    agent::{change::Change, shadow::RootPassword},
    answers::model::Credential,
};

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let hash = match input.answers.console.as_ref().map(|c| &c.credential) {
        None => None,
        Some(Credential::Hash(hash)) => Some(hash.clone()),
        Some(Credential::Password(_)) => bail!("the console's password is not hashed yet"),
    };
    let password = RootPassword(hash);
    // what cannot be written is said before anything is
    password.preview(input.target)?;
    Ok(vec![Change::RootPassword(password)])
}
