//! `ezmail answers …` and `ezmail hash-password`.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use zeroize::Zeroizing;

use super::{
    docs, example, json_schema,
    load::{Loaded, limited},
    sheet,
};
use crate::{
    mail::{crypt, password},
    wizard,
};

/// What `ezmail answers` can do.
#[derive(Debug, Subcommand)]
pub enum AnswersCommand {
    /// Print a commented example to start from, or ask for the answers
    ///
    /// With --wizard, a form on this terminal asks for what is required, checks
    /// each answer, shows the DNS records, and writes the file in the end.
    #[command(after_help = "\
Examples:
  ezmail answers new > answers.toml
  ezmail answers new --wizard -o answers.toml")]
    New {
        /// Ask for the answers in a form on this terminal, and write them
        #[arg(long)]
        wizard: bool,
        /// The file that the form writes; it must not be there yet
        #[arg(
            short,
            long,
            value_name = "FILE",
            default_value = "answers.toml",
            requires = "wizard"
        )]
        output: PathBuf,
    },
    /// Report everything that is wrong with an answers file
    ///
    /// Exits with 0 if the file is good (perhaps with warnings), with 1 if it is not.
    Check {
        /// The answers file; `-` reads standard input, and looks for key files in this folder
        file: PathBuf,
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the passphrase of the backups as a page for paper
    ///
    /// The page also says how a server is made from a backup. When the answers
    /// name a 'passphrase_file' that is not there, it is made first.
    #[command(after_help = "\
Example:
  ezmail answers recovery-sheet answers.toml | lpr

With this in answers.toml, it makes backup.passphrase beside it:
  [backup]
  target = \"sftp://backup@backup.example.net/srv/ezmail\"
  passphrase_file = \"backup.passphrase\"")]
    RecoverySheet {
        /// The answers file
        file: PathBuf,
    },
    /// Print the reference of every key, as Markdown
    Docs,
    /// Print a JSON Schema of the answers file, for editors
    Schema,
}

/// Runs `ezmail answers`.
///
/// # Errors
/// When the file cannot be read, or the output not written.
pub fn run(command: AnswersCommand) -> Result<ExitCode> {
    match command {
        AnswersCommand::New {
            wizard: true,
            output,
        } => return wizard::host::new(&output),
        AnswersCommand::New { wizard: false, .. } => print(&example::toml())?,
        AnswersCommand::Docs => print(&docs::markdown())?,
        AnswersCommand::Schema => print(&json_schema::text().context("writing the schema")?)?,
        AnswersCommand::RecoverySheet { file } => return sheet::run(&file),
        AnswersCommand::Check { file, json } => return check(&file, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path, json: bool) -> Result<ExitCode> {
    let Loaded {
        answers, report, ..
    } = Loaded::read(path, &[])?;
    if json {
        print(&format!("{:#}\n", report.to_json()))?;
    } else {
        print(&format!("{}\n", report.render(io::stdout().is_terminal())))?;
    }
    Ok(match answers {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

/// Runs `ezmail hash-password`: asks twice on a terminal, else takes the first line of standard
/// input; prints its hash, argon2id for a mailbox, or for the `console` what crypt(5) knows.
///
/// # Errors
/// When the two differ, when the password is too weak, or when there is none.
pub fn hash_password(console: bool) -> Result<ExitCode> {
    let password = ask_password()?;
    password::check_strength(&password, &[])?;
    let hash = match console {
        true => crypt::hash(&password)?,
        false => password::hash(&password)?,
    };
    print(&(hash + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// A secret that is there already: asked for once on a terminal, else all of standard input.
///
/// # Errors
/// When it cannot be read or is not UTF-8.
pub fn ask_secret(prompt: &str) -> Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        let typed = rpassword::prompt_password(prompt).map(Zeroizing::new);
        return typed.context("reading what is typed");
    }
    let bytes = limited(io::stdin().lock()).context("reading standard input")?;
    let text = std::str::from_utf8(&bytes).context("standard input is not UTF-8")?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A new password: asked for twice on a terminal, else the first line of standard input.
///
/// # Errors
/// When the two differ, or there is none to read.
pub fn ask_password() -> Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
        let first = ask("Password: ").context("reading the password")?;
        let second = ask("Once more: ").context("reading the password")?;
        if first != second {
            bail!("the two passwords differ; nothing was changed");
        }
        Ok(first)
    } else {
        let bytes = limited(io::stdin().lock()).context("reading the password")?;
        let text = std::str::from_utf8(&bytes).context("the password is not UTF-8")?;
        Ok(Zeroizing::new(text.lines().next().unwrap_or("").to_owned()))
    }
}

pub(super) fn print(text: &str) -> Result<()> {
    io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")
}
