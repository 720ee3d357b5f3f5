//! `mailctl backup ssh-key`: the key that the machine with the backups has to let in.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args as Arguments;
use serde_json::json;

use crate::{
    answers::location::{Location, Scheme},
    backup::settings,
    ctl::{output, server::Server},
    util::files,
};

/// The words of `mailctl backup ssh-key`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup ssh-key
  ssh root@SERVER mailctl backup ssh-key --json | jq -r .key

For a target of 'sftp://'. The server makes the key itself, unless the answers
have one ('backup.ssh_key').")]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let answers = server.answers()?;
    let Some(backup) = &answers.backup else {
        bail!("the answers have no [backup], so there is no key yet");
    };
    let target = &backup.target;
    if target.scheme != Scheme::Sftp {
        bail!("backups go to {target}, where nobody logs in by an SSH key");
    }
    let file = settings::ssh_key_file(&server.paths.state).with_extension("pub");
    let path = server.target.path(&file);
    if !path.exists() {
        bail!(
            "there is no {} yet: 'ezmail-agent apply --kept' makes it",
            file.display()
        );
    }
    let key = files::read_to_string(&path)?;
    let key = key.trim();
    match args.json {
        true => output::json(&json!({
            "key": key,
            "user": target.user,
            "target": target.to_string(),
        }))?,
        false => output::text(&text(key, target))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `restrict` forbids everything but what follows: SFTP needs none of what it forbids.
fn text(key: &str, target: &Location) -> String {
    format!(
        "{key}\n\nPut this line into the file .ssh/authorized_keys of the user {user} on the\n\
         machine that {target}\nis on. With 'restrict,command=\"internal-sftp\" ' before it, the key \
         opens SFTP and\nnothing else.\n\nThis key is lost with the server. For that day, let a second one in there now, \
         and keep\nits private half with the recovery sheet: ssh-keygen -t ed25519 -N '' -f backup_ed25519\n",
        user = target.user
    )
}
