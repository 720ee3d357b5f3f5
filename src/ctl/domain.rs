//! `mailctl domain`: the mail domains.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use super::{
    accounts::{self, Done},
    ask, output,
    server::{Server, now},
};
use crate::mail::{
    accounts::{Roles, change, domains},
    address::DomainName,
};

/// What to do with domains.
#[derive(Debug, Subcommand)]
pub enum Domain {
    /// Serve mail for another domain
    ///
    /// Its DKIM keys are made, and 'mailctl dns show' has its records.
    #[command(after_help = "\
Example:
  mailctl domain add example.net")]
    Add {
        /// What stands behind the @
        #[arg(value_name = "DOMAIN")]
        name: DomainName,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Serve a domain no more; its users and aliases go, their mail stays
    #[command(after_help = "\
Example:
  mailctl domain remove example.net")]
    Remove {
        /// The domain
        #[arg(value_name = "DOMAIN")]
        name: DomainName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List all domains
    #[command(after_help = "\
Examples:
  mailctl domain list
  mailctl domain list --json   the same for a script")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `mailctl domain`.
///
/// # Errors
/// When the change is refused, or cannot be made.
pub fn run(command: Domain, server: &Server) -> Result<ExitCode> {
    let mut db = accounts::open(server)?;
    let answers = server.answers()?;
    let roles = Roles::of(&answers);
    match command {
        Domain::Add { name, json } => {
            let now = now()?;
            change(&mut db, &roles, |db| domains::add(db, &name, now))?;
            if let Err(error) = server.reapply() {
                change(&mut db, &roles, |db| domains::remove(db, &roles, &name))?;
                // what was written before it failed
                return Err(match server.reapply() {
                    Ok(()) => error.context(format!("{name} was not added")),
                    Err(_) => error.context(format!(
                        "{name} was not added, but may still be in files: try 'ezmail-agent apply \
                         --kept'"
                    )),
                });
            }
            let publish = format!(
                "publish the records of {name} next: 'mailctl dns show' has them; until then its \
                 mail goes elsewhere"
            );
            Done::new(format!("domain {name} added"))
                .note([publish])
                .tell(json)?;
        }
        Domain::Remove { name, yes, json } => {
            let users = domains::check_remove(&db, &roles, &name)?;
            ask::sure(&question(&name, &users), yes)?;
            let users = change(&mut db, &roles, |db| domains::remove(db, &roles, &name))?;
            server.reapply().with_context(|| {
                format!(
                    "{name} is removed, but not from all files; try 'ezmail-agent apply --kept'"
                )
            })?;
            let mail = server.paths.mail.join(name.as_str());
            let kept = server.target.path(&mail).exists();
            let kept = kept.then(|| format!("the mail is kept in {}", mail.display()));
            let records = "remove its records from the DNS: MX first, then the others".to_owned();
            let removed = users.iter().map(|user| format!("user {user} removed"));
            let named = answers.domains.iter().any(|d| d.name == name);
            Done::new(format!("domain {name} removed"))
                .note(removed)
                .note(kept)
                .note(accounts::kick(server, &users))
                .note([records])
                .note(accounts::outdated(named, &format!("the domain {name}")))
                .tell(json)?;
        }
        Domain::List { json: true } => output::json(&domains::list(&db)?)?,
        Domain::List { json: false } => {
            let row = |domain: domains::Domain| {
                [
                    domain.name,
                    domain.users.to_string(),
                    domain.aliases.to_string(),
                    accounts::time(domain.created),
                ]
            };
            let rows: Vec<_> = domains::list(&db)?.into_iter().map(row).collect();
            let head = ["DOMAIN", "USERS", "ALIASES", "ADDED (UTC)"];
            output::text(&output::table(head, &rows))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn question(name: &DomainName, users: &[String]) -> String {
    match users.is_empty() {
        true => format!("Remove the domain {name}?"),
        false => format!(
            "Remove the domain {name} and its users {}? Their mail stays on the disk.",
            users.join(", ")
        ),
    }
}
