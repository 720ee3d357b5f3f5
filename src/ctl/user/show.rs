//! `mailctl user list` and `show`.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    ctl::{accounts, app_password, output, server::Server},
    mail::{accounts::users, address::Address, mailbox},
};

fn state(user: &users::User) -> &'static str {
    match user.enabled {
        true => "enabled",
        false => "locked out",
    }
}

/// Prints all users.
pub(super) fn list(all: &[users::User], json: bool) -> Result<ExitCode> {
    if json {
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |user: &users::User| {
        [
            user.address.clone(),
            accounts::quota_text(user.quota_bytes),
            state(user).to_owned(),
            user.app_passwords.len().to_string(),
            accounts::login_time(user.last_login()),
            user.name.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let head = [
        "ADDRESS",
        "QUOTA",
        "STATE",
        "APPS",
        "LAST LOGIN (UTC)",
        "NAME",
    ];
    output::text(&output::table(head, &rows))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints all that there is to know of a user.
pub(super) fn one(
    server: &Server,
    user: &users::User,
    address: &Address,
    json: bool,
) -> Result<ExitCode> {
    if json {
        output::json(user)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mail = mailbox::folder(&server.paths.mail, address);
    let mut text = format!("{}\n", user.address);
    let mut add = |what: &str, value: &str| text += &format!("  {what:<14}{value}\n");
    if let Some(name) = &user.name {
        add("name", name);
    }
    add("state", state(user));
    add("quota", &accounts::quota_text(user.quota_bytes));
    add("added", &format!("{} UTC", accounts::time(user.created)));
    if let Some(set) = user.password_set {
        add("password set", &format!("{} UTC", accounts::time(set)));
    }
    let last = match user.last_used {
        Some(time) => format!("{} UTC, with the password", accounts::time(time)),
        None => "never with the password".to_owned(),
    };
    add("last login", &last);
    if !user.aliases.is_empty() {
        add("aliases", &user.aliases.join(", "));
    }
    add("mail", &mail.display().to_string());
    let apps = app_password::table(&user.app_passwords);
    if !apps.is_empty() {
        text += &format!("\nApp passwords:\n{apps}");
    }
    output::text(&text)?;
    Ok(ExitCode::SUCCESS)
}
