//! `mailctl backup passphrase`: shown once, on paper, and typed back.

use std::{
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::Args as Arguments;
use serde_json::json;

use super::local;
use crate::{
    backup::{
        passphrase,
        report::Report,
        schedule::zone,
        sheet::{self, Sheet},
    },
    ctl::{
        ask, output,
        server::{Server, now},
    },
    util::{files, secret::Secret},
};

/// Exit status when what was typed is not the passphrase.
const WRONG: u8 = 3;

/// The words of `mailctl backup passphrase`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup passphrase                  show it, the first time
  mailctl backup passphrase --sheet          a page to keep, for your printer
  mailctl backup passphrase --check          type it back: is it the right one?
  mailctl backup passphrase --sheet --again

Each line of it has four digits behind it that tell whether it was typed right.
--check takes it with and without the blanks between the groups, and has exit
status 3 when it is another one.")]
pub struct Args {
    /// Print a page with it for paper, and how to restore
    #[arg(long)]
    sheet: bool,
    /// Show it although it was shown before
    #[arg(long)]
    again: bool,
    /// Ask for it, and say whether it is the right one
    #[arg(long, conflicts_with_all = ["sheet", "again"])]
    check: bool,
    /// As JSON
    #[arg(long, conflicts_with = "sheet")]
    json: bool,
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let answers = server.answers()?;
    let state = server.target.path(&server.paths.state);
    if args.check {
        return check(&state, args.json);
    }
    let report = Report::read(&state)?;
    if let (Some(shown), false) = (report.passphrase_shown, args.again) {
        bail!(
            "the passphrase was shown on {}, and is not shown by mistake: say --again",
            local(&zone(&answers.timezone)?, shown)
        );
    }
    let passphrase = match passphrase::read(&state)? {
        Some(there) => there,
        None => make(&state)?,
    };
    let host = answers.hostname.as_str();
    let target = answers.backup.map(|backup| backup.target.to_string());
    if args.json {
        output::json(&json!({
            "host": host,
            "target": target,
            "passphrase": passphrase.expose(),
        }))?;
    } else if args.sheet {
        let page = Sheet {
            host,
            target: target.as_deref(),
            passphrase: &passphrase,
            now: now()?,
        };
        output::text(page.text().expose())?;
    } else {
        output::text(text(host, &passphrase).expose())?;
    }
    let time = now()?;
    Report::update(&state, |report| report.passphrase_shown = Some(time))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a passphrase if there is none; shows it where somebody sees it.
///
/// # Errors
/// When it cannot be written.
pub(super) fn ensure(server: &Server) -> Result<()> {
    let state = server.target.path(&server.paths.state);
    if passphrase::read(&state)?.is_some() {
        return Ok(());
    }
    let new = make(&state)?;
    if io::stderr().is_terminal() {
        let host = server.answers()?.hostname;
        eprintln!("{}", text(host.as_str(), &new).expose());
        let time = now()?;
        Report::update(&state, |report| report.passphrase_shown = Some(time))?;
    }
    Ok(())
}

fn make(state: &Path) -> Result<Secret> {
    let new = passphrase::generate()?;
    let content = passphrase::content(&new);
    files::create_new(&passphrase::file(state), content.expose(), 0o600)?;
    Ok(new)
}

fn text(host: &str, passphrase: &Secret) -> Secret {
    Secret::new(format!(
        "The passphrase of the backups of {host}:\n\n    {}\n\n\
         The same for paper, each line with four digits that check it:\n\n{}\n\
         Keep it where the server is not: nobody opens a backup without it. It is not\n\
         shown again, but with --again. 'mailctl backup passphrase --sheet --again'\n\
         prints a page with it, --check asks for it and says whether it is right.\n",
        passphrase.expose(),
        sheet::shown(passphrase).expose(),
    ))
}

/// What was typed, compared.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    /// It is the one in use.
    Right,
    /// It is one that was in use before.
    Before,
    /// These lines of it, counted from 1, are not right; none if it has another length.
    Wrong(Vec<usize>),
}

fn check(state: &Path, json: bool) -> Result<ExitCode> {
    let known = passphrase::all(state)?;
    if passphrase::read(state)?.is_none() {
        bail!("there is no passphrase yet: 'mailctl backup passphrase' makes one");
    }
    let typed = passphrase::normal(&ask::secret("The passphrase: ")?);
    let result = compare(&typed, &known);
    if json {
        let lines = match &result {
            Typed::Wrong(lines) => &lines[..],
            _ => &[],
        };
        output::json(&json!({
            "right": result == Typed::Right,
            "before": result == Typed::Before,
            "wrong_lines": lines,
        }))?;
    } else {
        let said = match &result {
            Typed::Right => "This is the passphrase.".to_owned(),
            Typed::Before => "This is the passphrase of before: older backups open with it, the \
                              newest ones do not."
                .to_owned(),
            Typed::Wrong(lines) => match &lines[..] {
                [] => "This is NOT the passphrase.".to_owned(),
                [one] => format!("This is NOT the passphrase: line {one} is not right."),
                many => {
                    let many: Vec<_> = many.iter().map(ToString::to_string).collect();
                    let many = many.join(", ");
                    format!("This is NOT the passphrase: lines {many} are not right.")
                }
            },
        };
        output::text(&(said + "\n"))?;
    }
    Ok(match result {
        Typed::Right => ExitCode::SUCCESS,
        _ => ExitCode::from(WRONG),
    })
}

/// `known` has the one in use first.
fn compare(typed: &Secret, known: &[Secret]) -> Typed {
    match known.iter().position(|one| one == typed) {
        Some(0) => return Typed::Right,
        Some(_) => return Typed::Before,
        None => {}
    }
    let lines = known.first().map(sheet::lines).unwrap_or_default();
    let of_typed = sheet::lines(typed);
    if lines.len() != of_typed.len() || lines.len() == 1 {
        return Typed::Wrong(Vec::new());
    }
    let wrong = lines.iter().zip(&of_typed).enumerate();
    let wrong = wrong.filter(|(_, (line, typed))| line != typed);
    Typed::Wrong(wrong.map(|(n, _)| n + 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_by_its_line() {
        let made = "5f0c7a1e9d2b4f6688aa31c05e7d9b120123456789abcdef00112233445566ff";
        let known = [Secret::new(made), Secret::new("wood stapler rain bridge")];
        let typed = |text: &str| compare(&passphrase::normal(text), &known);
        assert_eq!(typed(made), Typed::Right);
        assert_eq!(typed(&made.to_uppercase()), Typed::Right);
        assert_eq!(typed("wood stapler rain bridge"), Typed::Before);
        assert_eq!(typed(&made.replace("88aa", "8aaa")), Typed::Wrong(vec![2]));
        let two = made.replace('c', "0");
        assert_eq!(typed(&two), Typed::Wrong(vec![1, 2, 3]));
        assert_eq!(typed(&made[..63]), Typed::Wrong(vec![4]));
        assert_eq!(typed("something else"), Typed::Wrong(vec![]));
        assert_eq!(typed(""), Typed::Wrong(vec![]));
    }
}
