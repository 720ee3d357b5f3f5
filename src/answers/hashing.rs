//! Plain passwords become hashes, before anything keeps the answers.

use anyhow::Result;

use super::model::{Answers, Credential};
use crate::{
    mail::{address::Address, crypt, password},
    util::secret::Secret,
};

/// Whose password it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account<'a> {
    /// A mailbox: argon2id.
    User(&'a Address),
    /// Root at the console: crypt(5).
    Console,
}

impl Answers {
    /// Replaces every plain password by its hash, so that [`Answers::to_toml`] has none.
    ///
    /// `kept` gives the hash that was made for an account from the last answers, if there were
    /// some: a password that it still fits keeps it, so that the same answers give the same
    /// hashes. (What the server has to say to others, such as the smarthost's password, stays.)
    ///
    /// # Errors
    /// When a hash cannot be made, or what is kept cannot be read.
    pub fn hash_passwords(
        &mut self,
        kept: impl Fn(Account<'_>) -> Result<Option<String>>,
    ) -> Result<()> {
        for user in &mut self.users {
            if let Credential::Password(plain) = &user.credential {
                let plain = plain.expose();
                let fits = |hash: &String| password::verify(plain, hash) == Ok(true);
                let hash = match kept(Account::User(&user.address))?.filter(fits) {
                    Some(hash) => hash,
                    None => password::hash(plain)?,
                };
                user.credential = Credential::Hash(Secret::new(hash));
            }
        }
        if let Some(console) = &mut self.console
            && let Credential::Password(plain) = &console.credential
        {
            let plain = plain.expose();
            let fits = |hash: &String| crypt::verify(plain, hash);
            let hash = match kept(Account::Console)?.filter(fits) {
                Some(hash) => hash,
                None => crypt::hash(plain)?,
            };
            console.credential = Credential::Hash(Secret::new(hash));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers;

    const TEXT: &str = r#"
        hostname = "mail.example.org"
        domain = [{ name = "example.org" }]
        console.password = "rain under wood stapler"
        [[user]]
        address = "alice@example.org"
        password = "wood stapler under rain"
        [[user]]
        address = "bob@example.org"
        password_hash = "$argon2id$v=19$m=19456,t=2,p=1$HtKaUpKsz7K46esgPcLogg$YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg"
    "#;

    fn hashes(answers: &Answers) -> Vec<String> {
        let console = answers.console.iter().map(|c| &c.credential);
        let users = answers.users.iter().map(|u| &u.credential);
        console
            .chain(users)
            .map(|credential| match credential {
                Credential::Hash(hash) => hash.expose().to_owned(),
                Credential::Password(_) => panic!("a password is left"),
            })
            .collect()
    }

    #[test]
    fn hashes_stay_as_long_as_they_fit() {
        let given = answers::parse(TEXT, "a").unwrap();
        let mut first = given.clone();
        first.hash_passwords(|_| Ok(None)).unwrap();
        let made = hashes(&first);
        assert!(made[0].starts_with("$6$") && made[1].starts_with("$argon2id$"));
        assert!(made[2].ends_with("YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg"));
        let toml = first.to_toml().unwrap();
        assert!(!toml.expose().contains("stapler"));
        assert_eq!(answers::parse(toml.expose(), "b").unwrap(), first);

        let keep = |account: Account<'_>| {
            Ok(match account {
                Account::Console => Some(made[0].clone()),
                Account::User(address) if address.local == "alice" => Some(made[1].clone()),
                Account::User(address) => panic!("{address} has a hash"),
            })
        };
        let mut again = given.clone();
        again.hash_passwords(keep).unwrap();
        assert_eq!(again, first);

        let other = TEXT.replace("stapler", "table");
        let mut other = answers::parse(&other, "c").unwrap();
        other.hash_passwords(keep).unwrap();
        let new = hashes(&other);
        assert!(new[0] != made[0] && new[1] != made[1] && new[2] == made[2]);
    }
}
