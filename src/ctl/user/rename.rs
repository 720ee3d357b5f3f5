//! `mailctl user rename`.

use anyhow::{Result, bail};
use rusqlite::Connection;

use crate::{
    answers::Answers,
    ctl::{
        accounts::{self, Done},
        server::Server,
    },
    mail::{
        accounts::{Roles, app_passwords, rename, users},
        address::Address,
        mailbox,
    },
};

/// Renames a user, and tells what else that changes.
pub(super) fn run(
    server: &Server,
    db: &mut Connection,
    answers: &Answers,
    old: &Address,
    new: &Address,
    alias: bool,
) -> Result<Done> {
    let user = users::get(db, old)?;
    let mail = server.target.path(&server.paths.mail);
    let folder = mailbox::folder(&server.paths.mail, new);
    if server.target.path(&folder).try_exists()? {
        bail!(
            "there is mail of an earlier {new} in {}: move it away first",
            folder.display()
        );
    }
    rename::begin(db, &Roles::of(answers), old, new, alias)?;
    let sessions = [old.to_string()];
    // should it fail, the second time tells
    accounts::kick(server, &sessions);
    if let Err(error) = rename::finish(db, &mail) {
        if !mailbox::folder(&mail, new).exists() {
            rename::forget(db)?;
        }
        return Err(error);
    }
    let kicked = accounts::kick(server, &sessions);
    // what was being delivered just then
    accounts::bring_home(server, db)?;
    let done = match alias {
        true => format!("user {old} is {new} now; {old} is an alias of it"),
        false => format!("user {old} is {new} now; mail for {old} is refused"),
    };
    let apps = user.app_passwords.iter().map(|app| {
        let login = app_passwords::login(&new.to_string(), &app.label);
        format!("the login of the app password {} is {login} now", app.label)
    });
    Ok(Done::new(done)
        .note(kicked)
        .note(apps)
        .note(accounts::outdated(
            super::is_named(answers, old),
            &format!("the user {old}"),
        )))
}
