//! The form on a console of the server: it hands the answers to the agent.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::{stdio::stdin, termios::ttyname};

use super::{
    form::{Dialog, Form, Place},
    run::{World, run},
    values::Values,
};
use crate::{
    agent::{
        discover::wizard::FILE,
        page::{address, terminal::Kind},
        paths::Paths,
        release::Release,
        state::kept,
        status::{self, Outcome, Status},
    },
    answers,
    util::{files, lock, run::Task, secret::Secret},
};

/// Where the form and its answers leave their files: gone with the boot.
const FOLDER: &str = "/run/ezmail/wizard";

/// Whether the form was on that terminal before: it comes by itself only once.
pub fn was_opened(terminal: &str) -> bool {
    mark(terminal).exists()
}

fn mark(terminal: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("left.{}", terminal.replace('/', "-")))
}

/// Shows the form on this terminal; the answers go to the agent, which is started once more.
///
/// # Errors
/// When there is no terminal or it fails, or what was found before cannot be read.
pub fn run_here() -> Result<ExitCode> {
    let name = ttyname(stdin(), Vec::new()).context("finding out which terminal this is")?;
    let name = name.to_string_lossy().into_owned();
    let name = name.strip_prefix("/dev/").unwrap_or(&name);
    refuse_a_server(kept::current_file(&Paths::default()).exists())?;
    // first, so that a form that cannot be shown does not come again and again
    files::write_with_parents(&mark(name), "", 0o600)?;
    let mut world = Agent::now()?;
    let (addresses, trouble) = match address::global() {
        Ok(addresses) => (addresses, None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    let mut form = Form::new(
        Place::Server,
        Release::read()?.to_string(),
        // the form asks for the disks where it shows them
        Values::new(Vec::new()),
        addresses,
        Kind::of(name) == Kind::Screen,
    );
    if let Some(text) = &world.given {
        // those that were refused: what is wrong with them may be the disk alone
        if let Ok(answers) = answers::parse(text.expose(), "the form") {
            form.fill_in(&answers);
        }
    }
    if let Some(trouble) = trouble {
        form.ask(Dialog::Trouble(trouble));
    }
    run(&mut form, &mut world)?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to begin on a server that is set up: its answers would be replaced, and users that the form
/// does not know removed.
fn refuse_a_server(has_answers: bool) -> Result<()> {
    if has_answers {
        bail!(
            "this server is set up already, and the form is for one that is not. To change its answers: \
             'mailctl answers export --output FILE', edit it, and 'ezmail-agent apply --answers FILE'"
        );
    }
    Ok(())
}

/// What the agent had when the form began.
struct Agent {
    outcome: Option<Outcome>,
    /// Answers that another form, or this one, has given before.
    given: Option<Secret>,
}

impl Agent {
    fn now() -> Result<Self> {
        Ok(Self {
            outcome: outcome()?,
            given: given()?,
        })
    }
}

fn outcome() -> Result<Option<Outcome>> {
    let file = Path::new(status::FILE);
    match file.exists() {
        true => Status::load(file).map(|status| Some(status.outcome)),
        false => Ok(None),
    }
}

fn given() -> Result<Option<Secret>> {
    let file = Path::new(FILE);
    match file.exists() {
        true => files::read_to_string(file).map(|text| Some(Secret::new(text))),
        false => Ok(None),
    }
}

impl World for Agent {
    fn over(&mut self) -> Result<Option<String>> {
        let now = Self::now()?;
        Ok(if now.given != self.given {
            Some(
                "Somebody has set this server up at another console: this form is of no use any \
                 more, and ends. Nothing of it was written."
                    .to_owned(),
            )
        } else if now.outcome != self.outcome && now.outcome.is_some() {
            Some(
                "The server has got answers in another way: this form is of no use any more, and \
                 ends. Nothing of it was written."
                    .to_owned(),
            )
        } else {
            None
        })
    }

    fn apply(&mut self, answers: &Secret) -> Result<()> {
        let path = Path::new(FOLDER).join("lock");
        let Some(_lock) = lock::take(&path, Duration::ZERO)? else {
            bail!("another form is handing over its answers at this moment");
        };
        if let Some(why) = self.over()? {
            bail!("{why}");
        }
        let file = Path::new(FILE);
        files::write(file, answers.expose(), 0o600)?;
        let before = self.given.replace(answers.clone());
        let mut command = Command::new("systemctl");
        command.args(["restart", "--no-block", "ezmail-agent.service"]);
        let started = Task::new("starting the agent", command).run();
        if started.is_err() {
            // nothing is to happen at a later start that was not seen to happen now
            files::remove_file(file)?;
            self.given = before;
        }
        started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_set_up_keeps_its_answers() {
        refuse_a_server(false).unwrap();
        let error = refuse_a_server(true).unwrap_err();
        insta::assert_snapshot!(error, @"this server is set up already, and the form is for one that is not. To change its answers: 'mailctl answers export --output FILE', edit it, and 'ezmail-agent apply --answers FILE'");
    }
}
