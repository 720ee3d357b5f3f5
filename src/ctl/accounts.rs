//! What the commands for users, domains, aliases and app passwords share.

use std::process::Command;

use anyhow::{Result, bail};
use rusqlite::Connection;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    ask, output,
    server::{Server, now},
};
use crate::{
    answers::model::{AliasAddress, Quota},
    mail::{
        accounts::rename::{self, Renamed},
        address::{Address, AddressError},
        password,
    },
    util::run::Task,
};

/// The database, after what a cut of power has kept an earlier command from.
pub(super) fn open(server: &Server) -> Result<Connection> {
    let mut db = server.database()?;
    let mail = server.target.path(&server.paths.mail);
    if let Some(Renamed { old, new }) = rename::finish(&mut db, &mail)? {
        remark(&format!("the user {old} is {new} now, as was begun"));
    }
    bring_home(server, &mut db)?;
    Ok(db)
}

/// Moves what deliveries that began before a rename have put into the folder of before.
pub(super) fn bring_home(server: &Server, db: &mut Connection) -> Result<()> {
    let mail = server.target.path(&server.paths.mail);
    for Renamed { old, new } in rename::settle_again(db, &mail, now()?)? {
        remark(&format!("mail that arrived for {old} was moved to {new}"));
    }
    Ok(())
}

/// What a command did.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    /// A sentence.
    pub done: String,
    /// What else there is to know or to do, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Done {
    /// Nothing else to know.
    pub fn new(done: impl Into<String>) -> Self {
        Self {
            done: done.into(),
            notes: Vec::new(),
        }
    }

    /// Adds what else there is to know, if there is anything.
    pub fn note(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Prints it: notes on standard error, or all of it as JSON.
    pub fn tell(&self, json: bool) -> Result<()> {
        if json {
            return output::json(self);
        }
        output::text(&format!("{}\n", self.done))?;
        self.notes.iter().for_each(|note| remark(note));
        Ok(())
    }
}

/// A sentence on standard error, in lines of 80 columns.
pub(super) fn remark(text: &str) {
    eprintln!("{}", output::complaint("note", &anyhow::anyhow!("{text}")));
}

/// What answers that come later would do to a changed value; none if `named` is not: the answers
/// that are kept say nothing about it.
pub(super) fn overruled(named: bool, what: &str) -> Option<String> {
    named.then(|| {
        format!(
            "the answers still have {what}: when new ones say otherwise, they win; 'mailctl \
             answers export' writes a file that has your change"
        )
    })
}

/// The same for what was removed or led elsewhere, which no new answers bring back.
pub(super) fn outdated(named: bool, what: &str) -> Option<String> {
    named.then(|| {
        format!(
            "the answers still have {what}, and so would a new server made from them; 'mailctl \
             answers export' writes a file that has your change"
        )
    })
}

/// Ends the sessions of users whose access has changed; returns what to know when that fails.
pub(super) fn kick(server: &Server, users: &[String]) -> Vec<String> {
    if !server.is_live() {
        return Vec::new();
    }
    let kick = |user: &String| {
        let mut command = Command::new("doveadm");
        command.args(["kick", user]);
        let task = Task::new(format!("ending the sessions of {user}"), command);
        task.run().err()
    };
    let failed = users.iter().filter_map(kick);
    let told = |e| format!("{e:#}; sessions that are open may go on until they end");
    failed.map(told).collect()
}

/// Asks for a new password and returns its hash; `own` are words that a guesser tries first.
pub(super) fn new_hash(own: &[&str]) -> Result<Zeroizing<String>> {
    let password = ask::password()?;
    if let Err(weak) = password::check_strength(&password, own) {
        bail!(
            "{weak}; nothing was changed. Four or more words that do not belong together are good"
        );
    }
    password::hash(&password).map(Zeroizing::new)
}

/// For the command line: an address of this server.
pub(super) fn own_address(text: &str) -> Result<Address, AddressError> {
    Address::own(text)
}

/// For the command line: an address of this server, or `@domain`.
pub(super) fn alias_address(text: &str) -> Result<AliasAddress, String> {
    let error = |e: &dyn std::fmt::Display| e.to_string();
    match text.strip_prefix('@') {
        Some(domain) => domain
            .parse()
            .map(AliasAddress::CatchAll)
            .map_err(|e: crate::mail::address::DomainError| error(&e)),
        None if text.starts_with("*@") => Err(format!(
            "a catch-all is written without `*`: {}",
            &text[1..]
        )),
        None => Address::own(text)
            .map(AliasAddress::Exact)
            .map_err(|e| error(&e)),
    }
}

/// For the command line: how much a mailbox holds.
pub(super) fn quota(text: &str) -> Result<Quota, String> {
    text.parse().map_err(|()| {
        "write a whole number and M, G or T, such as 5G; at least 100M, at most 1024T".to_owned()
    })
}

/// A number of bytes as a quota is written.
pub(super) fn quota_text(bytes: i64) -> String {
    let quota = u64::try_from(bytes).ok().and_then(Quota::of_bytes);
    quota.map_or_else(|| format!("{bytes} bytes"), |quota| quota.to_string())
}

/// A time of the database, in UTC, to the minute.
pub(super) fn time(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "-".to_owned(),
    }
}

/// That of a login, which may never have been.
pub(super) fn login_time(seconds: Option<i64>) -> String {
    seconds.map_or_else(|| "never".to_owned(), time)
}
