//! `mailctl import archmailbox`: users, domains, aliases and DKIM keys of the system of 2019.

mod aliases;
mod apply;
mod archive;
mod dkim;
mod plan;
mod tables;

use std::{
    io::{self, BufRead, IsTerminal},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use rusqlite::Connection;
use serde::Serialize;
use zeroize::Zeroizing;

use self::plan::{Here, Item, Plan, State};
use super::exit;
use crate::{
    ctl::{
        accounts, output,
        server::{Server, now},
    },
    encpipe::Passphrase,
    mail::{
        accounts::{self as mail_accounts, Roles, users},
        address::{Address, DomainName},
        database::keys,
        dkim as mail_dkim,
    },
    util::secret::Secret,
};

/// What of the backup, and how.
#[derive(Debug)]
pub struct Wanted {
    /// Only these domains; all if there is none.
    pub domains: Vec<DomainName>,
    /// Put what the backup has in the place of what is different here.
    pub overwrite: bool,
    /// Change nothing.
    pub dry_run: bool,
}

/// Runs `mailctl import archmailbox`; says by its status whether all is here in the end.
///
/// # Errors
/// When the backup cannot be opened or is not understood, or the change is refused; nothing is then
/// changed. When the change cannot be applied to files and services, it is noted in the database.
pub fn run(
    server: &Server,
    file: &Path,
    passphrase_file: Option<&Path>,
    wanted: &Wanted,
    json: bool,
) -> Result<ExitCode> {
    let mut db = accounts::open(server)?;
    let answers = server.answers()?;
    if !file.is_file() {
        bail!("there is no file {}; nothing was changed", file.display());
    }
    let archive = archive::read(file, &passphrase(passphrase_file)?)?;
    let Some(database) = &archive.database else {
        let has: Vec<&str> = archive.others.keys().map(String::as_str).collect();
        bail!(
            "there is no smtpd/smtp.sqlite in {}, but {}: make the backup with the module smtpd in \
             it; nothing was changed",
            file.display(),
            if has.is_empty() {
                "nothing".to_owned()
            } else {
                has.join(", ")
            }
        );
    };
    let tables = tables::read(database)?;
    let known = plan::domains(&tables);
    for domain in &wanted.domains {
        if !known.contains(domain.as_str()) {
            let known: Vec<String> = known.into_iter().collect();
            bail!(
                "{domain} is not in the backup, which has {}; nothing was changed",
                known.join(", ")
            );
        }
    }
    let here = here(server, &db, &Roles::of(&answers))?;
    let taken = known.into_iter().filter(|name| {
        let named = wanted.domains.iter().any(|domain| domain.as_str() == name);
        wanted.domains.is_empty() || named
    });
    let taken: Vec<String> = taken.collect();
    let keys = archive.keys.iter().filter(|(name, _)| {
        // those of other domains are not asked for
        let of = |domain: &String| name.starts_with(&format!("{domain}."));
        wanted.domains.is_empty() || taken.iter().any(of)
    });
    let keys = keys
        .map(|(name, text)| dkim::key(name, text, &taken).map_err(|why| (name.clone(), why)))
        .collect();
    let mut plan = plan::plan(&tables, keys, &here, &wanted.domains, wanted.overwrite);
    if !wanted.dry_run && !plan.is_empty() {
        apply::apply(server, &mut db, &answers, &plan, now()?)?;
        let changed: Vec<String> = plan.passwords.iter().map(|(a, _)| a.to_string()).collect();
        plan.notes.extend(accounts::kick(server, &changed));
        if !plan.domains.is_empty() || !plan.keys.is_empty() {
            server.reapply().context(
                "all is in the database, but not in effect: try 'ezmail-agent apply --kept'",
            )?;
        }
    }
    notes(&mut plan, &archive, wanted);
    print(&plan, wanted.dry_run, json)?;
    Ok(exit(plan.is_whole()))
}

/// From the file, the terminal, or the first line of standard input.
fn passphrase(file: Option<&Path>) -> Result<Passphrase> {
    if let Some(file) = file {
        return Passphrase::from_file(file);
    }
    let text = match io::stdin().is_terminal() {
        true => {
            let asked = rpassword::prompt_password("Passphrase of the backup: ");
            Zeroizing::new(asked.context("reading the passphrase")?)
        }
        false => {
            let mut line = Zeroizing::new(String::new());
            let read = io::stdin().lock().read_line(&mut line);
            read.context("reading the passphrase")?;
            line
        }
    };
    Passphrase::from_reader(text.as_bytes())
}

/// What is here.
fn here(server: &Server, db: &Connection, roles: &Roles) -> Result<Here> {
    let mut hashes = std::collections::BTreeMap::new();
    for user in users::list(db)? {
        let address: Address = user.address.parse()?;
        let hash = users::password_hash(db, &address)?.unwrap_or_default();
        hashes.insert(user.address, Zeroizing::new(hash));
    }
    let mut known = std::collections::BTreeMap::new();
    for key in keys::all(db)? {
        let file = server.paths.dkim_key(&key.domain, &key.selector);
        let text = server
            .target
            .read(&file)?
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let pem = text.map(Secret::new);
        let info = pem.and_then(|pem| mail_dkim::parse_pem(pem.expose()).ok());
        known.insert((key.domain, key.selector), info.map(|info| info.public));
    }
    Ok(Here {
        routes: mail_accounts::routes(db, roles)?,
        users: hashes,
        keys: known,
        postmaster: roles.postmaster.clone(),
    })
}

fn notes(plan: &mut Plan, archive: &archive::Archive, wanted: &Wanted) {
    if archive.keys.is_empty() {
        plan.notes.push(
            "there are no DKIM keys in the backup: this server signs with its own, whose records \
             'mailctl dns show' has"
                .to_owned(),
        );
    }
    if !wanted.dry_run && !plan.domains.is_empty() {
        plan.notes.push(
            "'mailctl dns show' has the records of the new domains, 'mailctl dns check' says which \
             are still to be published"
                .to_owned(),
        );
    }
    plan.notes.push(
        "there is no mail in such a backup: 'mailctl import imap' or 'mailctl import maildir' brings \
         it"
            .to_owned(),
    );
}

/// As a script reads it.
#[derive(Debug, Serialize)]
struct Said<'a> {
    dry_run: bool,
    items: &'a [Item],
    notes: &'a [String],
}

fn print(plan: &Plan, dry_run: bool, json: bool) -> Result<()> {
    if json {
        return output::json(&Said {
            dry_run,
            items: &plan.items,
            notes: &plan.notes,
        });
    }
    output::text(&text(plan, dry_run))?;
    plan.notes.iter().for_each(|note| accounts::remark(note));
    Ok(())
}

fn text(plan: &Plan, dry_run: bool) -> String {
    let row = |item: &Item| {
        let state = match item.state {
            State::New => "new",
            State::Here => "here already",
            State::Different => "different",
            State::Replaced => "replaced",
            State::LeftOut => "left out",
        };
        let kind = item.kind.replace('-', " ").replace("dkim", "DKIM");
        [state.to_owned(), kind, item.name.clone()]
    };
    let rows: Vec<_> = plan.items.iter().map(row).collect();
    let table = output::table(["STATE", "WHAT", "NAME"], &rows);
    let end = match (dry_run, plan.is_empty()) {
        (_, true) => "nothing is new; nothing was changed",
        (true, false) => "nothing was changed",
        (false, false) => "what is new here is in effect",
    };
    format!("{table}\n{end}\n")
}
