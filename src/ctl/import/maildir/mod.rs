//! `mailctl import maildir`: mail from a Maildir into a mailbox here.
//!
//! Files are written directly, as a delivery would, and not by dovecot: so a message that is here
//! already is known by its content, and it works on a server that does not run.

mod copy;
mod keywords;
mod lock;
mod message;
mod name;
mod source;
mod subscriptions;
mod target;

use std::{path::Path, process::ExitCode};

use anyhow::{Result, bail};

pub(super) use copy::{Folded, Job, Outcome, Passed};
pub(super) use lock::read;
pub(super) use message::PLAIN;
pub(super) use name::here;
pub(super) use source::{Folder, folders};
pub(super) use target::{make_folder, no_links};

use super::report;
use crate::{
    ctl::{accounts, server::Server},
    mail::{accounts::users, address::Address, mailbox},
};

/// What `mailctl import maildir` and `imap` have in common.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Only this folder, and not those below it; can be given more than once
    #[arg(long = "folder", value_name = "NAME")]
    pub folders: Vec<String>,
    /// Another name for a folder here; can be given more than once
    #[arg(long, value_name = "THERE=HERE", value_parser = pair)]
    pub map: Vec<(String, String)>,
    /// Say what would come, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => {
            Ok((from.to_owned(), to.to_owned()))
        }
        _ => Err("write the name there, '=', and the name here, such as Gesendet=Sent".to_owned()),
    }
}

/// Runs `mailctl import maildir`.
///
/// # Errors
/// When there is no such user, `from` is no Maildir, or a file cannot be read or written.
pub fn run(server: &Server, user: &Address, from: &Path, options: &Options) -> Result<ExitCode> {
    let db = accounts::open(server)?;
    users::get(&db, user)?;
    let folders = chosen(folders(from)?, &options.folders)?;
    let job = job(server, user, options)?;
    if let (Ok(ours), Ok(theirs)) = (job.maildir.canonicalize(), from.canonicalize())
        && ours == theirs
    {
        bail!("{} is the mailbox of {user} itself", from.display());
    }
    drop(db);
    let mut outcome = job.run(&folders, &mut Passed::new())?;
    if !options.dry_run {
        outcome.notes.extend(report::settled(server, user)?);
    }
    report::print(user, &outcome, options.dry_run, options.json, true)
}

/// The work for a mailbox.
///
/// # Errors
/// When its owner cannot be known, or a link stands in its place.
pub(super) fn job(server: &Server, user: &Address, options: &Options) -> Result<Job> {
    let home = server
        .target
        .path(&mailbox::folder(&server.paths.mail, user));
    let maildir = home.join("Maildir");
    no_links(&server.target.path(&server.paths.mail), &maildir)?;
    Ok(Job {
        maildir,
        owner: server.target.ids("vmail", "vmail")?,
        map: options.map.clone(),
        dry_run: options.dry_run,
    })
}

/// The folders that were asked for; all if none was.
///
/// # Errors
/// When there is none of a name.
pub(super) fn chosen(all: Vec<Folder>, wanted: &[String]) -> Result<Vec<Folder>> {
    for name in wanted {
        if !all.iter().any(|folder| folder.name == *name) {
            let names: Vec<&str> = all.iter().map(|f| f.name.as_str()).collect();
            bail!(
                "there is no folder {name}; there are {}; nothing was changed",
                names.join(", ")
            );
        }
    }
    let is_wanted = |folder: &Folder| wanted.is_empty() || wanted.contains(&folder.name);
    Ok(all.into_iter().filter(is_wanted).collect())
}
