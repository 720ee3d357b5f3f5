//! The answers' plain passwords become hashes before anything else is done with them.

use std::path::Path;

use anyhow::Result;
use zeroize::Zeroizing;

use super::{paths::Paths, shadow, target::Target};
use crate::{
    answers::{Account, Answers},
    mail::database,
};

/// Hashes every plain password of `answers`. One that was hashed at an earlier apply keeps its
/// hash: users' from what the database remembers of the last answers, root's from shadow(5).
///
/// # Errors
/// When a hash cannot be made, or what is there already cannot be read.
pub fn hash(answers: &mut Answers, target: &Target, paths: &Paths) -> Result<()> {
    let db = database::open_copy(&target.path(&paths.database))?;
    let shadow = target.read(Path::new(shadow::FILE))?.map(Zeroizing::new);
    let root = shadow
        .as_ref()
        .and_then(|bytes| shadow::root_hash(std::str::from_utf8(bytes).ok()?));
    answers.hash_passwords(|account| match account {
        Account::User(user) => database::remembered_hash(&db, user),
        Account::Console => Ok(root.map(str::to_owned)),
    })
}
