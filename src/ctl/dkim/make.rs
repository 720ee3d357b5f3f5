//! `mailctl dkim generate` and `install`.

use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::{
    show,
    store::{self, New},
    tell::paragraph,
};
use crate::{
    ctl::{
        ask,
        server::{Server, now},
    },
    mail::{
        database::keys::{self, Key, Stage},
        dkim::{self, Algorithm},
    },
    util::{files, secret::Secret},
};

/// What happens after a next key was made.
pub(super) const THEN: &str = "
Put this into the DNS. Once every name server of the domain shows it, the key
signs. A timer looks once an hour; 'mailctl dkim rotate --continue' looks now.
";

/// `mailctl dkim generate`.
pub(super) fn generate(
    server: &Server,
    domain: &str,
    algorithm: Algorithm,
    selector: Option<&str>,
    json: bool,
) -> Result<()> {
    let (db, now) = (server.database()?, now()?);
    let domain = store::domain(&db, domain)?;
    let selector = match selector {
        Some(text) => named(text)?,
        None => store::dated(server, &keys::all(&db)?, &domain, algorithm, now)?,
    };
    drop(db);
    let new = made(domain, selector, algorithm)?;
    add(server, &[new], Stage::Next, now, THEN, json)
}

/// `mailctl dkim install`; `at_once` is `--now`, and in it `--yes`.
pub(super) fn install(
    server: &Server,
    domain: &str,
    selector: &str,
    file: &Path,
    at_once: Option<bool>,
    json: bool,
) -> Result<()> {
    let domain = store::domain(&server.database()?, domain)?;
    let selector = named(selector)?;
    let pem = Secret::new(files::read_to_string(file)?);
    let info = dkim::parse_pem(pem.expose())
        .map_err(|e| anyhow!("{}: {e}; nothing was changed", file.display()))?;
    let stage = match at_once {
        None => Stage::Next,
        Some(yes) => {
            let question = format!(
                "Sign the mail of {domain} with {selector} from now on? Where its record is not \
                 in the DNS yet, receivers distrust that mail."
            );
            ask::sure(&question, yes)?;
            Stage::Active
        }
    };
    let then = match stage {
        Stage::Next => THEN.to_owned(),
        Stage::Active | Stage::Old => {
            let say = format!(
                "Mail of {domain} is signed with it now, in place of the {} key before.",
                info.algorithm
            );
            format!("\n{}", paragraph(&say))
        }
    };
    let new = New {
        domain,
        selector,
        pem,
        info,
    };
    add(server, &[new], stage, now()?, &then, json)
}

fn named(text: &str) -> Result<String> {
    dkim::selector(text).map_err(|e| {
        anyhow!(
            "{e}: use letters, digits and inner '-', at most 63, such as s2027; nothing was changed"
        )
    })
}

/// A new key pair.
pub(super) fn made(domain: String, selector: String, algorithm: Algorithm) -> Result<New> {
    let pem = dkim::generate(algorithm)?;
    let info = dkim::parse_pem(pem.expose()).context("reading the key that was made")?;
    Ok(New {
        domain,
        selector,
        pem,
        info,
    })
}

/// Adds keys, brings the server to it, and prints their records.
pub(super) fn add(
    server: &Server,
    new: &[New],
    stage: Stage,
    now: i64,
    then: &str,
    json: bool,
) -> Result<()> {
    let mut db = server.database()?;
    store::add(server, &mut db, new, stage, now)?;
    store::apply(&db, &|| server.reapply())?;
    let is_new = |key: &Key| {
        let same = |n: &New| n.domain == key.domain && n.selector == key.selector;
        new.iter().any(same)
    };
    let keys: Vec<Key> = keys::all(&db)?.into_iter().filter(is_new).collect();
    show::print(&show::records(server, &keys)?, then, json)
}
