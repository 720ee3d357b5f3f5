//! Keys as they lie on the state volume: a file each, and the row that says what it is for.
//!
//! A key comes file first and goes file first, each on the disk before the next is begun: what a
//! cut of power leaves is a file without a row, which is swept away, or a row without a file, which
//! is dropped. All changes happen in a transaction that no other mailctl can be in.

use std::{fs, io, path::PathBuf};

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{
    ctl::server::Server,
    mail::{
        address::DomainName,
        database::{
            keys::{self, Key, Stage},
            rotation::Memory,
        },
        dkim::{self, Algorithm, KeyInfo},
    },
    util::{files, secret::Secret},
};

/// A key that is not there yet.
pub(super) struct New {
    pub domain: String,
    pub selector: String,
    pub pem: Secret,
    pub info: KeyInfo,
}

/// The name of a domain of this server, as it stands in the database.
pub(super) fn domain(db: &Connection, text: &str) -> Result<String> {
    let parsed: Result<DomainName, _> = text.parse();
    let name = parsed.map_or_else(|_| text.to_owned(), |name| name.to_string());
    let domains = domains(db)?;
    if !domains.contains(&name) {
        let known = domains.join(", ");
        bail!("{text} is not a domain of this server; it has {known}; nothing was changed");
    }
    Ok(name)
}

/// All domains.
pub(super) fn domains(db: &Connection) -> Result<Vec<String>> {
    let mut query = db.prepare("SELECT name FROM domain ORDER BY name")?;
    let names = query.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Begins a change that no other can come between.
pub(super) fn begin(db: &mut Connection) -> Result<Transaction<'_>> {
    db.transaction_with_behavior(TransactionBehavior::Immediate)
        .context("waiting for another change of the database to end")
}

fn path(server: &Server, domain: &str, selector: &str) -> PathBuf {
    server.target.path(&server.paths.dkim_key(domain, selector))
}

/// The public half of a key; none when its file is lost or damaged.
pub(super) fn info(server: &Server, key: &Key) -> Result<Option<KeyInfo>> {
    let file = server.paths.dkim_key(&key.domain, &key.selector);
    let Some(bytes) = server.target.read(&file)?.map(zeroize::Zeroizing::new) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).ok();
    let info = text.and_then(|text| dkim::parse_pem(text).ok());
    Ok(info.filter(|info| info.algorithm == key.algorithm))
}

/// A selector with the day in it that neither a key nor a file of the domain has.
pub(super) fn dated(
    server: &Server,
    keys: &[Key],
    domain: &str,
    algorithm: Algorithm,
    now: i64,
) -> Result<String> {
    let time = jiff::Timestamp::from_second(now).context("reading the clock")?;
    let first = format!("{}-{}", algorithm.selector(), time.strftime("%Y%m%d"));
    let more = (2..).map(|n| format!("{first}-{n}"));
    let taken = |name: &String| {
        let key = |k: &Key| k.domain == domain && k.selector == *name;
        keys.iter().any(key) || path(server, domain, name).exists()
    };
    std::iter::once(first.clone())
        .chain(more)
        .find(|name| !taken(name))
        .context("looking for a free selector")
}

/// Refuses keys for which there is no room.
fn check(keys: &[Key], new: &[New], stage: Stage) -> Result<()> {
    for key in new {
        let (domain, selector) = (&key.domain, &key.selector);
        let of_domain = || keys.iter().filter(|k| &k.domain == domain);
        if let Some(taken) = of_domain().find(|k| &k.selector == selector) {
            bail!(
                "the selector {selector} of {domain} is taken by a key that is {}; choose another; \
                 nothing was changed",
                taken.stage
            );
        }
        let algorithm = key.info.algorithm;
        let same = |k: &&Key| k.stage == Stage::Next && k.algorithm == algorithm;
        if let (Stage::Next, Some(next)) = (stage, of_domain().find(same)) {
            bail!(
                "{domain} has a next {algorithm} key already, {}: 'mailctl dkim show {domain} {}' \
                 prints its record, 'mailctl dkim rotate --abort --domain {domain}' drops it; \
                 nothing was changed",
                next.selector,
                next.selector
            );
        }
    }
    Ok(())
}

/// Adds keys: all of them, or none. Active ones take the place of those that sign.
pub(super) fn add(
    server: &Server,
    db: &mut Connection,
    new: &[New],
    stage: Stage,
    now: i64,
) -> Result<()> {
    let change = begin(db)?;
    check(&keys::all(&change)?, new, stage)?;
    for key in new {
        let path = path(server, &key.domain, &key.selector);
        if let Some(folder) = path.parent() {
            files::create_dir_all(folder)?;
        }
        files::write(&path, key.pem.expose(), 0o600)?;
    }
    for key in new {
        let key = Key {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            algorithm: key.info.algorithm,
            stage,
            since: now,
        };
        match stage {
            Stage::Active => sign(&change, &key, now).map(drop)?,
            Stage::Next | Stage::Old => keys::put(&change, &key)?,
        }
    }
    commit(change)
}

/// Lets a key sign, in place of those of its domain and algorithm that do; returns these.
pub(super) fn sign(db: &Connection, key: &Key, now: i64) -> Result<Vec<Key>> {
    let replaced = |k: &Key| {
        k.domain == key.domain
            && k.algorithm == key.algorithm
            && k.stage == Stage::Active
            && k.selector != key.selector
    };
    let before: Vec<Key> = keys::all(db)?.into_iter().filter(replaced).collect();
    let at = |key: &Key, stage| Key {
        stage,
        since: now,
        ..key.clone()
    };
    for old in &before {
        keys::put(db, &at(old, Stage::Old))?;
    }
    keys::put(db, &at(key, Stage::Active))?;
    Ok(before)
}

/// Takes a key away.
pub(super) fn remove(server: &Server, db: &Connection, key: &Key) -> Result<()> {
    remove_files(server, &key.domain, &key.selector)?;
    keys::remove(db, key)
}

/// The PEM file, and what the agent made of it for rspamd.
fn remove_files(server: &Server, domain: &str, selector: &str) -> Result<()> {
    let pem = path(server, domain, selector);
    for path in [pem.with_file_name(format!("{selector}.key")), pem] {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("removing {}", path.display()));
            }
            Err(_) => {}
            Ok(()) => files::sync_folder(path.parent().unwrap_or(&path))?,
        }
    }
    Ok(())
}

/// Removes the files of a rotation that have no row: what was being made or removed when power
/// failed. Returns what was done.
pub(super) fn sweep(server: &Server, db: &Connection) -> Result<Vec<String>> {
    let keys = keys::all(db)?;
    let mut said = Vec::new();
    for domain in domains(db)? {
        let folder = server.target.path(&server.paths.dkim).join(&domain);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other.with_context(|| format!("reading {}", folder.display()))?,
        };
        for entry in entries {
            let path = entry
                .with_context(|| format!("reading {}", folder.display()))?
                .path();
            let known = |name: &str| {
                let is = |k: &Key| k.domain == domain && k.selector == name;
                keys.iter().any(is)
            };
            let ours = path.extension().is_some_and(|e| e == "pem" || e == "key");
            let Some(name) = path.file_stem().and_then(|n| n.to_str()) else {
                continue;
            };
            if ours && is_dated(name) && !known(name) && path.exists() {
                remove_files(server, &domain, name)?;
                said.push(format!(
                    "{domain}: the file of {name} is removed: no key is known to it"
                ));
            }
        }
    }
    Ok(said)
}

/// Whether a selector is one that [`dated`] makes.
fn is_dated(selector: &str) -> bool {
    Algorithm::ALL.iter().any(|algorithm| {
        let rest = selector.strip_prefix(algorithm.selector());
        rest.and_then(|r| r.strip_prefix('-'))
            .and_then(|r| r.get(..8))
            .is_some_and(|day| day.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Ends a change of keys, which is then to be applied.
pub(super) fn commit(change: Transaction<'_>) -> Result<()> {
    let mut memory = Memory::load(&change)?;
    memory.change();
    memory.save(&change)?;
    change.commit().context("writing the database")
}

/// Brings the services to what the keys say; if that fails, the next look tries again.
pub(super) fn apply(db: &Connection, apply: &dyn Fn() -> Result<()>) -> Result<()> {
    let begun = Memory::load(db)?.changes;
    apply().context("the change is noted and not in effect yet")?;
    // the agent may have taken its time: what others remembered or changed meanwhile stays
    let change = Transaction::new_unchecked(db, TransactionBehavior::Immediate)
        .context("waiting for another change of the database to end")?;
    let mut memory = Memory::load(&change)?;
    memory.unapplied &= memory.changes != begun;
    memory.save(&change)?;
    change.commit().context("writing the database")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_during_an_apply_is_not_taken_for_applied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.sqlite");
        let mut db = crate::mail::database::open(&path).unwrap();
        let change = || {
            let mut other = crate::mail::database::open(&path).unwrap();
            commit(begin(&mut other).unwrap())
        };
        commit(begin(&mut db).unwrap()).unwrap();
        apply(&db, &change).unwrap();
        assert!(Memory::load(&db).unwrap().unapplied);
        apply(&db, &|| Ok(())).unwrap();
        assert!(!Memory::load(&db).unwrap().unapplied);
    }

    #[test]
    fn only_what_a_rotation_made_is_swept() {
        for name in ["ezmail-rsa-20261124", "ezmail-ed25519-20261124-2"] {
            assert!(is_dated(name), "{name}");
        }
        for name in [
            "ezmail-rsa",
            "ezmail-rsa-2",
            "mine",
            "ezmail-rsa-2026112",
            "ezmail-rsa-ä2345678",
        ] {
            assert!(!is_dated(name), "{name}");
        }
    }
}
