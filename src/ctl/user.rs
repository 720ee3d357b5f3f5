//! `mailctl user`: mailboxes and who may open them.

mod rename;
mod show;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use rusqlite::Connection;

use super::{
    accounts::{self, Done},
    ask, logins,
    server::{Server, now},
};
use crate::{
    answers::{Answers, model::Quota},
    mail::{
        accounts::{
            Roles, aliases, change,
            users::{self, NewUser},
        },
        address::Address,
        mailbox,
    },
    util::files,
};

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user
    ///
    /// The password is asked for, or it is the first line of standard input.
    #[command(after_help = "\
Examples:
  mailctl user add carol@example.org --name \"Carol Example\" --quota 5G
  mailctl user add carol@example.org < password.txt")]
    Add {
        /// The address, which is the login as well
        #[arg(value_parser = accounts::own_address)]
        address: Address,
        /// The person's name
        #[arg(long, value_parser = display_name)]
        name: Option<String>,
        /// How much the mailbox holds [default: what the answers say for the domain, or 15G]
        #[arg(long, value_name = "SIZE", value_parser = accounts::quota)]
        quota: Option<Quota>,
        /// Give the user the mail that an earlier user of this address has left
        #[arg(long)]
        with_mail: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set another password
    ///
    /// It is asked for, or it is the first line of standard input. App passwords
    /// stay. Open sessions of IMAP and Sieve are ended; one that is just sending
    /// mail goes on until it ends.
    #[command(after_help = "\
Examples:
  mailctl user passwd alice@example.org
  mailctl user passwd alice@example.org < password.txt")]
    Passwd {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        address: Address,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a user another address; mail, passwords and aliases go along
    ///
    /// The old address becomes an alias of the new one. The logins of app
    /// passwords change with the address.
    #[command(after_help = "\
Examples:
  mailctl user rename alice@example.org anna@example.org
  mailctl user rename alice@example.org alice@example.net --no-alias")]
    Rename {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        old: Address,
        /// The new address
        #[arg(value_parser = accounts::own_address)]
        new: Address,
        /// Refuse mail for the old address from now on
        #[arg(long)]
        no_alias: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a mailbox hold more or less
    #[command(after_help = "\
Example:
  mailctl user quota alice@example.org 20G")]
    Quota {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        address: Address,
        /// A whole number and M, G or T
        #[arg(value_name = "SIZE", value_parser = accounts::quota)]
        quota: Quota,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Lock a user out; mail still arrives
    ///
    /// No password opens the mailbox any more, and open sessions of IMAP and
    /// Sieve are ended; one that is just sending mail goes on until it ends.
    #[command(after_help = "\
Example:
  mailctl user disable alice@example.org")]
    Disable {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        address: Address,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a user in again
    #[command(after_help = "\
Example:
  mailctl user enable alice@example.org")]
    Enable {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        address: Address,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a user; the mail stays on the disk
    ///
    /// Aliases lead to the user no more. With --purge-mail, also the mail that an
    /// earlier user of the address has left is removed.
    #[command(after_help = "\
Examples:
  mailctl user remove carol@example.org
  mailctl user remove carol@example.org --purge-mail --yes")]
    Remove {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        address: Address,
        /// Remove the mail as well: it cannot be brought back
        #[arg(long)]
        purge_mail: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List all users
    #[command(after_help = "\
Examples:
  mailctl user list
  mailctl user list --json   the same for a script")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show all that there is to know of a user
    #[command(after_help = "\
Example:
  mailctl user show alice@example.org")]
    Show {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        address: Address,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

fn display_name(text: &str) -> Result<String, String> {
    users::display_name(text)
        .ok_or_else(|| "a name has 1 to 100 characters, and no line break among them".to_owned())
}

/// Runs `mailctl user`.
///
/// # Errors
/// When the change is refused, or cannot be made.
pub fn run(command: User, server: &Server) -> Result<ExitCode> {
    let mut db = accounts::open(server)?;
    let answers = server.answers()?;
    let roles = Roles::of(&answers);
    let (done, json) = match command {
        User::Add {
            address,
            name,
            quota,
            with_mail,
            json,
        } => {
            users::check_new(&db, &address)?;
            let notes = earlier_mail(server, &address, with_mail)?;
            let quota = quota.unwrap_or_else(|| default_quota(&answers, &address));
            let mut own = vec![address.local.as_str(), address.domain.as_str()];
            own.extend(name.as_deref());
            let hash = accounts::new_hash(&own)?;
            let new = NewUser {
                address: &address,
                name: name.as_deref(),
                hash: &hash,
                quota_bytes: i64::try_from(quota.bytes())?,
            };
            let now = now()?;
            change(&mut db, &roles, |db| users::add(db, &new, now))?;
            let done = format!("user {address} added, with a quota of {quota}");
            (Done::new(done).note(notes), json)
        }
        User::Passwd { address, json } => {
            let user = users::get(&db, &address)?;
            let mut own = vec![address.local.as_str(), address.domain.as_str()];
            own.extend(user.name.as_deref());
            let hash = accounts::new_hash(&own)?;
            users::set_password(&db, &address, &hash, now()?)?;
            let done = Done::new(format!("user {address} has another password"))
                .note(accounts::kick(server, &[address.to_string()]))
                .note(accounts::overruled(
                    is_named(&answers, &address),
                    &format!("the earlier password of {address}"),
                ));
            (done, json)
        }
        User::Rename {
            old,
            new,
            no_alias,
            json,
        } => (
            rename::run(server, &mut db, &answers, &old, &new, !no_alias)?,
            json,
        ),
        User::Quota {
            address,
            quota,
            json,
        } => {
            users::set_quota(&db, &address, i64::try_from(quota.bytes())?)?;
            let given = answers.users.iter().find(|u| u.address == address);
            let other = given.filter(|u| u.quota != quota);
            let note = other.and_then(|u| {
                accounts::overruled(true, &format!("a quota of {} for {address}", u.quota))
            });
            let done = format!("user {address} has a quota of {quota}");
            (Done::new(done).note(note), json)
        }
        User::Disable { address, json } => {
            let done = match users::enable(&db, &address, false)? {
                true => format!("user {address} is locked out; mail still arrives"),
                false => format!("user {address} was locked out already"),
            };
            let kicked = accounts::kick(server, &[address.to_string()]);
            (Done::new(done).note(kicked), json)
        }
        User::Enable { address, json } => {
            let done = match users::enable(&db, &address, true)? {
                true => format!("user {address} can log in again"),
                false => format!("user {address} was not locked out"),
            };
            (Done::new(done), json)
        }
        User::Remove {
            address,
            purge_mail,
            yes,
            json,
        } => {
            if let Err(error) = users::get(&db, &address) {
                let mail = mailbox::folder(&server.paths.mail, &address);
                if !purge_mail || !server.target.path(&mail).try_exists()? {
                    return Err(error.into());
                }
                purge_left(server, &address, yes)?.tell(json)?;
                return Ok(ExitCode::SUCCESS);
            }
            ask::sure(&question(server, &db, &address, purge_mail)?, yes)?;
            let left = change(&mut db, &roles, |db| users::remove(db, &address))?;
            let kicked = accounts::kick(server, &[address.to_string()]);
            let mail = mailbox::folder(&server.paths.mail, &address);
            let done = match purge_mail {
                true => {
                    files::remove_dir_all(&server.target.path(&mail)).with_context(|| {
                        format!(
                            "{address} is removed, but not all its mail: the same command \
                                 again removes the rest"
                        )
                    })?;
                    format!("user {address} and its mail removed")
                }
                false if server.target.path(&mail).exists() => {
                    format!(
                        "user {address} removed; the mail is kept in {}",
                        mail.display()
                    )
                }
                false => format!("user {address} removed; there was no mail"),
            };
            let aliases =
                (!left.is_empty()).then(|| format!("no longer leading there: {}", left.join(", ")));
            let done = Done::new(done)
                .note(kicked)
                .note(aliases)
                .note(accounts::outdated(
                    is_named(&answers, &address),
                    &format!("the user {address}"),
                ));
            (done, json)
        }
        User::List { json } => {
            logins::refresh(server, &mut db);
            return show::list(&users::list(&db)?, json);
        }
        User::Show { address, json } => {
            logins::refresh(server, &mut db);
            return show::one(server, &users::get(&db, &address)?, &address, json);
        }
    };
    done.tell(json)?;
    Ok(ExitCode::SUCCESS)
}

fn is_named(answers: &Answers, address: &Address) -> bool {
    answers.users.iter().any(|u| u.address == *address)
}

fn default_quota(answers: &Answers, address: &Address) -> Quota {
    let domain = answers.domains.iter().find(|d| d.name == address.domain);
    domain.and_then(|d| d.quota).unwrap_or(Quota::DEFAULT)
}

/// Refuses mail that somebody has left unless it is meant to be this user's.
fn earlier_mail(server: &Server, address: &Address, wanted: bool) -> Result<Option<String>> {
    let folder = mailbox::folder(&server.paths.mail, address);
    if !server.target.path(&folder).try_exists()? {
        return Ok(None);
    }
    if !wanted {
        bail!(
            "there is mail of an earlier {address} in {}: give it to the new user with \
             --with-mail, or move it away",
            folder.display()
        );
    }
    Ok(Some(format!(
        "the mail in {} is this user's now",
        folder.display()
    )))
}

/// Removes the mail of a user who is no more, as after a removal that was cut off.
fn purge_left(server: &Server, address: &Address, yes: bool) -> Result<Done> {
    let mail = mailbox::folder(&server.paths.mail, address);
    let shown = mail.display();
    let question = format!("There is no user {address}. Remove ALL THE MAIL in {shown}?");
    ask::sure(&question, yes)?;
    files::remove_dir_all(&server.target.path(&mail))?;
    Ok(Done::new(format!("the mail in {shown} removed")))
}

fn question(server: &Server, db: &Connection, address: &Address, purge: bool) -> Result<String> {
    let leading = aliases::leading_to(db, address)?;
    let leading: Vec<String> = leading.into_iter().map(|(alias, _)| alias).collect();
    let mail = mailbox::folder(&server.paths.mail, address);
    let mut text = format!("Remove {address} with all its passwords");
    if purge {
        text += &format!(" and ALL ITS MAIL in {}", mail.display());
    }
    text += "?";
    if !leading.is_empty() {
        text += &format!(" These aliases lead there no more: {}.", leading.join(", "));
    }
    Ok(text)
}
