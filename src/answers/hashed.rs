//! Plain passwords become hashes, before anything keeps the answers.

use anyhow::Result;

use super::model::{Answers, Credential};
use crate::{mail::password, util::secret::Secret};

impl Answers {
    /// The same answers without a plain password. One that `last` has as a hash keeps that hash.
    ///
    /// # Errors
    /// When hashing fails.
    pub fn with_hashed_passwords(mut self, last: Option<&Answers>) -> Result<Answers> {
        for user in &mut self.users {
            let Credential::Password(plain) = &user.credential else {
                continue;
            };
            let known = last.and_then(|l| l.users.iter().find(|u| u.address == user.address));
            let hash = match known.map(|u| &u.credential) {
                Some(Credential::Hash(hash))
                    if password::verify(plain.expose(), hash.expose()) == Ok(true) =>
                {
                    hash.clone()
                }
                _ => Secret::new(password::hash(plain.expose())?),
            };
            user.credential = Credential::Hash(hash);
        }
        Ok(self)
    }
}
