//! The answers as the server is now: what mailctl has changed since is in them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rusqlite::Connection;

use crate::{
    answers::{
        Answers,
        model::{Alias, AliasAddress, Credential, Domain, Quota, User},
    },
    mail::database::keys::{self, Stage},
    util::secret::Secret,
};

/// `answers` with the domains, users and aliases of the database in place of their own.
///
/// A domain keeps the settings that the answers have for it, but for DKIM keys that sign no more; one that only the database knows has
/// the defaults. The order is that of the answers, and then by name. Each user's quota is the
/// database's, and all addresses that lead somewhere are aliases.
///
/// # Errors
/// When the database cannot be read, or has what no answers could say.
pub fn effective(answers: &Answers, db: &Connection) -> Result<Answers> {
    let mut new = answers.clone();
    new.domains = domains(answers, db)?;
    let keys = keys::all(db)?;
    for domain in &mut new.domains {
        domain.dkim.retain(|given| {
            keys.iter().any(|key| {
                key.stage == Stage::Active
                    && key.domain == domain.name.as_str()
                    && key.selector == given.selector
            })
        });
    }
    new.users = users(answers, db)?;
    new.aliases = aliases(db)?;
    Ok(new)
}

fn domains(answers: &Answers, db: &Connection) -> Result<Vec<Domain>> {
    let mut query = db.prepare("SELECT name FROM domain ORDER BY name")?;
    let names = query.query_map([], |row| row.get::<_, String>(0))?;
    let mut domains = Vec::new();
    for name in names {
        let name = name?;
        let known = answers.domains.iter().position(|d| d.name.as_str() == name);
        let domain = match known {
            Some(place) => answers.domains[place].clone(),
            None => Domain {
                name: name.parse().with_context(|| format!("the domain {name}"))?,
                dmarc: Default::default(),
                quota: None,
                dkim: Vec::new(),
            },
        };
        domains.push((known.unwrap_or(usize::MAX), domain));
    }
    domains.sort_by_key(|(place, _)| *place);
    Ok(domains.into_iter().map(|(_, domain)| domain).collect())
}

fn users(answers: &Answers, db: &Connection) -> Result<Vec<User>> {
    let mut query = db.prepare(
        "SELECT local_part || '@' || name, display_name, hash, quota_bytes FROM user
         JOIN domain ON domain.id = domain_id
         JOIN credential ON user_id = user.id AND kind = 'password' ORDER BY 1",
    )?;
    let rows = query.query_map([], |row| {
        let row: (String, Option<String>, String, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(row)
    })?;
    let mut users = Vec::new();
    for row in rows {
        let (address, name, hash, quota) = row?;
        let place = answers
            .users
            .iter()
            .position(|u| u.address.to_string() == address);
        let user = User {
            address: address
                .parse()
                .with_context(|| format!("the user {address}"))?,
            name,
            credential: Credential::Hash(Secret::new(hash)),
            // one that was set by hand stops nothing: it is the database's that holds
            quota: Quota::nearest(u64::try_from(quota).unwrap_or(0)),
            aliases: Vec::new(),
        };
        users.push((place.unwrap_or(usize::MAX), user));
    }
    users.sort_by_key(|(place, _)| *place);
    Ok(users.into_iter().map(|(_, user)| user).collect())
}

fn aliases(db: &Connection) -> Result<Vec<Alias>> {
    let mut query = db.prepare(
        "SELECT coalesce(local_part, '') || '@' || name, target FROM alias
         JOIN domain ON domain.id = domain_id ORDER BY 1, 2",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (address, target): (String, String) = row?;
        aliases.entry(address).or_default().push(target);
    }
    let alias = |(address, targets): (String, Vec<String>)| {
        read(&address, &targets).with_context(|| format!("the alias {address}"))
    };
    aliases.into_iter().map(alias).collect()
}

fn read(address: &str, targets: &[String]) -> Result<Alias> {
    let to = targets.iter().map(|target| target.parse());
    Ok(Alias {
        address: match address.strip_prefix('@') {
            Some(domain) => AliasAddress::CatchAll(domain.parse()?),
            None => AliasAddress::Exact(address.parse()?),
        },
        to: to.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        answers::{self, model::DkimKey},
        mail::{
            database::{self, Desired},
            dkim::{self, Algorithm},
        },
    };

    #[test]
    fn a_given_key_that_signs_no_more_is_left_out() {
        let text = "hostname = \"mail.example.org\"\npostmaster = \"a@example.com\"\n[[domain]]\nname = \"example.org\"\n";
        let mut answers = answers::parse(text, "a").unwrap();
        let pem = dkim::generate(Algorithm::Ed25519).unwrap();
        answers.domains[0].dkim.push(DkimKey {
            selector: "mine".to_owned(),
            key_file: None,
            info: Some(dkim::parse_pem(pem.expose()).unwrap()),
            key: Some(pem),
        });
        let mut db = database::open_copy("/nonexistent".as_ref()).unwrap();
        database::sync(&mut db, &Desired::new(&answers).unwrap(), 1).unwrap();
        let given = |db: &Connection| effective(&answers, db).unwrap().domains[0].dkim.len();
        assert_eq!(given(&db), 1);
        db.execute(
            "UPDATE dkim_key SET stage = 'old' WHERE selector = 'mine'",
            [],
        )
        .unwrap();
        assert_eq!(given(&db), 0);
    }
}
