//! `mailctl alias`: addresses whose mail goes on to others.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{
    accounts::{self, Done},
    output,
    server::Server,
};
use crate::{
    answers::{Answers, model::AliasAddress},
    mail::{
        accounts::{Roles, aliases, change},
        address::Address,
    },
};

/// What to do with aliases.
#[derive(Debug, Subcommand)]
pub enum Alias {
    /// Let an address lead to others, here or elsewhere
    ///
    /// An alias that is there already leads to them too. The address @example.org
    /// is the catch-all: whatever nobody else in that domain has.
    #[command(after_help = "\
Examples:
  mailctl alias add info@example.org alice@example.org bob@example.org
  mailctl alias add aunt@example.org carol@example.com
  mailctl alias add @example.org alice@example.org")]
    Add {
        /// The address, or @DOMAIN
        #[arg(value_parser = accounts::alias_address)]
        address: AliasAddress,
        /// Where it leads
        #[arg(required = true, value_name = "TARGET")]
        to: Vec<Address>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an alias, or some of its targets
    #[command(after_help = "\
Examples:
  mailctl alias remove info@example.org
  mailctl alias remove info@example.org bob@example.org")]
    Remove {
        /// The address, or @DOMAIN
        #[arg(value_parser = accounts::alias_address)]
        address: AliasAddress,
        /// Only these, instead of the whole alias
        #[arg(value_name = "TARGET")]
        to: Vec<Address>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List all aliases
    #[command(after_help = "\
Examples:
  mailctl alias list
  mailctl alias list --json   the same for a script")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs `mailctl alias`.
///
/// # Errors
/// When the change is refused, or cannot be made.
pub fn run(command: Alias, server: &Server) -> Result<ExitCode> {
    let mut db = accounts::open(server)?;
    let answers = server.answers()?;
    let roles = Roles::of(&answers);
    match command {
        Alias::Add { address, to, json } => {
            change(&mut db, &roles, |db| aliases::add(db, &address, &to))?;
            let to: Vec<String> = to.iter().map(ToString::to_string).collect();
            Done::new(format!("alias {address} leads to {}", to.join(", ")))
                .note(outdated(&answers, &address))
                .tell(json)?;
        }
        Alias::Remove { address, to, json } => {
            let left = change(&mut db, &roles, |db| aliases::remove(db, &address, &to))?;
            let done = match left.is_empty() {
                true => format!("alias {address} removed"),
                false => format!("alias {address} leads to {} only", left.join(", ")),
            };
            Done::new(done)
                .note(outdated(&answers, &address))
                .tell(json)?;
        }
        Alias::List { json: true } => output::json(&aliases::list(&db)?)?,
        Alias::List { json: false } => {
            let row = |alias: aliases::Alias| [alias.address, alias.to.join(", ")];
            let rows: Vec<_> = aliases::list(&db)?.into_iter().map(row).collect();
            output::text(&output::table(["ALIAS", "LEADS TO"], &rows))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn outdated(answers: &Answers, address: &AliasAddress) -> Option<String> {
    let exact = match address {
        AliasAddress::Exact(address) => Some(address),
        AliasAddress::CatchAll(_) => None,
    };
    let of_user = answers.users.iter().flat_map(|user| &user.aliases);
    let named = answers
        .aliases
        .iter()
        .any(|alias| alias.address == *address)
        || of_user.into_iter().any(|alias| Some(alias) == exact);
    accounts::outdated(named, &format!("the alias {address} as it was"))
}
