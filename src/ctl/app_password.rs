//! `mailctl app-password`: passwords of single devices.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    accounts::{self, Done},
    logins, output,
    server::{Server, now},
};
use crate::mail::{
    accounts::{
        app_passwords::{self, Label},
        users,
    },
    address::Address,
    password,
};

/// What to do with app passwords.
#[derive(Debug, Subcommand)]
pub enum AppPassword {
    /// Make a password for a device and print it, this once
    ///
    /// The login for it is the address with +LABEL before the @. It opens what
    /// the user's own password opens.
    #[command(after_help = "\
Example:
  mailctl app-password add alice@example.org phone
The phone then logs in as alice+phone@example.org.")]
    Add {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        user: Address,
        /// The name of the device: letters, digits, '.', '_' and '-'
        label: Label,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List app passwords and when they were last used
    #[command(after_help = "\
Examples:
  mailctl app-password list
  mailctl app-password list alice@example.org")]
    List {
        /// Those of this user only
        #[arg(value_parser = accounts::own_address)]
        user: Option<Address>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove the password of a device that is lost or gone
    ///
    /// Open sessions of the user are ended, those of IMAP and Sieve; one that is
    /// just sending mail goes on until it ends. Other devices log in again by
    /// themselves.
    #[command(after_help = "\
Example:
  mailctl app-password remove alice@example.org phone")]
    Remove {
        /// The user
        #[arg(value_parser = accounts::own_address)]
        user: Address,
        /// The name of the device
        label: Label,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// A new app password.
#[derive(Serialize)]
struct Added<'a> {
    login: String,
    password: &'a str,
}

/// Runs `mailctl app-password`.
///
/// # Errors
/// When the change is refused, or cannot be made.
pub fn run(command: AppPassword, server: &Server) -> Result<ExitCode> {
    let mut db = accounts::open(server)?;
    match command {
        AppPassword::Add { user, label, json } => {
            app_passwords::check_new(&db, &user, &label)?;
            let password = app_passwords::generate()?;
            let hash = Zeroizing::new(password::hash(&password)?);
            let step = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            app_passwords::add(&step, &user, &label, &hash, now()?)?;
            step.commit()?;
            let login = app_passwords::login(&user.to_string(), &label.to_string());
            if json {
                let password = &password;
                output::json(&Added { login, password })?;
            } else {
                let password = &*password;
                let text = Zeroizing::new(format!(
                    "login     {login}\npassword  {password}\n\n\
                     It is shown this once. If it gets lost, remove it and add another one.\n"
                ));
                output::text(&text)?;
            }
            if !users::get(&db, &user)?.enabled {
                accounts::remark(&format!(
                    "{user} is locked out, so it opens nothing for now"
                ));
            }
        }
        AppPassword::List { user, json } => {
            logins::refresh(server, &mut db);
            let all = match user {
                Some(user) => users::get(&db, &user)?.app_passwords,
                None => {
                    let all = users::list(&db)?.into_iter();
                    all.flat_map(|user| user.app_passwords).collect()
                }
            };
            match json {
                true => output::json(&all)?,
                false => output::text(&table(&all))?,
            }
        }
        AppPassword::Remove { user, label, json } => {
            app_passwords::remove(&db, &user, &label)?;
            Done::new(format!("app password {label} of {user} removed"))
                .note(accounts::kick(server, &[user.to_string()]))
                .tell(json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// App passwords below each other; nothing for none.
pub(super) fn table(all: &[app_passwords::AppPassword]) -> String {
    let row = |app: &app_passwords::AppPassword| {
        [
            app.label.clone(),
            accounts::time(app.created),
            accounts::login_time(app.last_used),
            app.login.clone(),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    output::table(["LABEL", "ADDED (UTC)", "LAST LOGIN (UTC)", "LOGIN"], &rows)
}
