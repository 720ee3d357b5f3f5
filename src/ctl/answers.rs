//! `mailctl answers`: the answers file of this server.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use toml::Table;

use super::{accounts, output, server::Server};
use crate::{
    answers,
    backup::passphrase,
    mail::{accounts::users, database::keys},
    util::{files, secret::Secret},
};

/// What to do with the answers.
#[derive(Debug, Subcommand)]
pub enum Answers {
    /// Write the answers of the server as it is now, with all that mailctl changed
    ///
    /// A new server made from them has the same domains, users, passwords and
    /// aliases. They hold secrets: hashes of passwords, keys,
    /// the passphrase of the backups.
    #[command(after_help = "\
Examples:
  mailctl answers export --output answers.toml
  mailctl answers export --output - | less")]
    Export {
        /// A new file, for its owner alone; '-' is standard output
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
}

/// Runs `mailctl answers`.
///
/// # Errors
/// When there are no answers, or the file is there already or cannot be written.
pub fn run(command: Answers, server: &Server) -> Result<ExitCode> {
    let Answers::Export { output } = command;
    let to_stdout = output == Path::new("-");
    if !to_stdout && output.try_exists()? {
        let file = output.display();
        bail!("{file} is there already, and nothing is written over: name a new file");
    }
    let db = accounts::open(server)?;
    let mut now = server.effective()?;
    add_passphrase(&mut now, server)?;
    let text = readable(&now.to_toml()?)?;
    if let Err(report) = answers::parse(text.expose(), "answers.toml") {
        bail!("the server is now what no answers could say; mend this first:\n\n{report}");
    }
    match to_stdout {
        true => output::text(text.expose())?,
        false => {
            files::create_new(&output, text.expose(), 0o600)?;
            output::text(&format!("{} written; it holds secrets\n", output.display()))?;
        }
    }
    for left in left_out(&users::list(&db)?, &keys::all(&db)?, &server.answers()?) {
        accounts::remark(&format!("not in it: {left}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The passphrase that the server made for its backups: a new server that is to restore one needs it.
fn add_passphrase(answers: &mut answers::Answers, server: &Server) -> Result<()> {
    if let Some(backup) = &mut answers.backup
        && backup.passphrase.is_none()
        && let Some(made) = passphrase::read(&server.target.path(&server.paths.state))?
    {
        backup.passphrase = Some(made);
        backup.passphrase_file = None;
    }
    Ok(())
}

/// What no answers can carry.
fn left_out(users: &[users::User], keys: &[keys::Key], answers: &answers::Answers) -> Vec<String> {
    let mut left = Vec::new();
    let apps: Vec<&str> = users
        .iter()
        .flat_map(|user| &user.app_passwords)
        .map(|app| app.login.as_str())
        .collect();
    if !apps.is_empty() {
        left.push(format!("the app passwords {}", apps.join(", ")));
    }
    let locked = users.iter().filter(|user| !user.enabled);
    let locked: Vec<&str> = locked.map(|user| user.address.as_str()).collect();
    if !locked.is_empty() {
        let (list, them) = (locked.join(", "), "who could log in on a new server");
        left.push(format!("that these are locked out: {list}, {them}"));
    }
    let given = |key: &&keys::Key| {
        let domain = answers
            .domains
            .iter()
            .find(|d| d.name.as_str() == key.domain);
        domain.is_some_and(|d| d.dkim.iter().any(|k| k.selector == key.selector))
    };
    if !keys.iter().all(|key| given(&key)) {
        left.push("the DKIM keys that this server made: a new one makes its own".to_owned());
    }
    left
}

/// The same answers in the order in which people write them, long texts over several lines.
fn readable(text: &Secret) -> Result<Secret> {
    const TABLES: [&str; 12] = [
        "domain",
        "user",
        "alias",
        "ssh",
        "console",
        "tls",
        "acme",
        "smarthost",
        "dns",
        "network",
        "state",
        "backup",
    ];
    let what = "writing the answers as TOML";
    let mut head: Table = toml::from_str(text.expose()).context(what)?;
    let mut parts = Vec::new();
    for name in TABLES {
        if let Some(value) = head.remove(name) {
            let part = Table::from_iter([(name.to_owned(), value)]);
            parts.push(toml::to_string_pretty(&part).context(what)?);
        }
    }
    let comment = "# The answers of this server as it is now, by 'mailctl answers export'.\n";
    parts.insert(
        0,
        comment.to_owned() + &toml::to_string_pretty(&head).context(what)?,
    );
    Ok(Secret::new(parts.join("\n")))
}
