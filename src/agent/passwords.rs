//! The answers' plain passwords become hashes before anything else is done with them.

use anyhow::Result;

use crate::answers::{
    Account, Answers,
    model::{Credential, User},
};

/// Hashes every plain password of `answers`. One that `last`, the answers before them, has a hash
/// for keeps it: the same answers are the same at every boot.
///
/// # Errors
/// When a hash cannot be made.
pub fn hash(answers: &mut Answers, last: Option<&Answers>) -> Result<()> {
    answers.hash_passwords(|account| {
        let credential = last.and_then(|last| match account {
            Account::User(address) => {
                let same = |user: &&User| user.address == *address;
                last.users.iter().find(same).map(|user| &user.credential)
            }
            Account::Console => last.console.as_ref().map(|console| &console.credential),
        });
        Ok(credential.and_then(|credential| match credential {
            Credential::Hash(hash) => Some(hash.expose().to_owned()),
            Credential::Password(_) => None,
        }))
    })
}
