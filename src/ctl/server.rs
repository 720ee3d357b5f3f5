//! The server that mailctl looks after: this machine, or one whose root lies in a folder.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use rusqlite::Connection;

use crate::{
    agent::{effective, paths::Paths, state::kept::Kept, target::Target},
    answers::Answers,
    mail::database,
    util::{files, run::Task},
};

/// The unit that applies a change for services which may not do it themselves.
const APPLY: &str = "ezmail-apply.service";

/// A server and where its things are.
#[derive(Debug)]
pub struct Server {
    /// Its root.
    pub target: Target,
    /// Where things lie, as the server itself sees them.
    pub paths: Paths,
    root: std::path::PathBuf,
}

impl Server {
    /// The server whose root is `root`: `/` is this machine.
    ///
    /// # Errors
    /// When that is no folder, or its user database cannot be read.
    pub fn at(root: &Path) -> Result<Self> {
        Ok(Self {
            target: Target::new(root)?,
            paths: Paths::default(),
            root: root.to_path_buf(),
        })
    }

    /// Whether it is this machine: its services are then asked and told.
    pub fn is_live(&self) -> bool {
        self.target.is_live()
    }

    /// Its database, to read and to write. What is written is in effect at once: every daemon
    /// asks the database itself.
    ///
    /// # Errors
    /// When there is none yet, or the caller may not.
    pub fn database(&self) -> Result<Connection> {
        let path = self.target.path(&self.paths.database);
        match path.try_exists() {
            Ok(true) => database::open(&path).context("mailctl is for root"),
            Ok(false) => bail!(
                "there is no database yet, {}: it is made when the agent applies the answers; \
                 'mailctl status' tells whether it has",
                path.display()
            ),
            Err(e) => Err(e)
                .with_context(|| format!("looking for {}; mailctl is for root", path.display())),
        }
    }

    /// The answers that are kept: as they were given, without what mailctl has changed since.
    ///
    /// # Errors
    /// When there are none yet, or they cannot be read.
    pub fn answers(&self) -> Result<Answers> {
        let kept = Kept::read(&self.target, &self.paths)?.current()?;
        kept.context(
            "there are no answers yet: this server was not set up; 'mailctl status' tells more",
        )
    }

    /// The answers as the server is now.
    ///
    /// # Errors
    /// As [`Server::answers`] and [`Server::database`].
    pub fn effective(&self) -> Result<Answers> {
        effective::effective(&self.answers()?, &self.database()?)
    }

    /// Brings keys, files and services to what the database says now: `ezmail-agent apply --kept`.
    /// Needed after a change of domains or of DKIM keys; users and aliases need nothing.
    ///
    /// # Errors
    /// What the agent says.
    pub fn reapply(&self) -> Result<()> {
        let mut command = self.agent("apply")?;
        command.arg("--kept");
        Task::new("applying the change to keys, files and services", command).run()
    }

    /// As [`Server::reapply`], by the unit that may do more than a sandboxed caller. Elsewhere than on
    /// this machine there is no systemd to ask, and the agent is called.
    ///
    /// # Errors
    /// What the agent says.
    pub fn reapply_in_unit(&self) -> Result<()> {
        if !self.is_live() {
            return self.reapply();
        }
        let mut command = Command::new("systemctl");
        command.args(["start", APPLY]);
        Task::new("applying the change to keys, files and services", command).run()
    }

    /// Brings the server to other answers: `ezmail-agent apply --answers`, which keeps them.
    ///
    /// # Errors
    /// What the agent says; the server then goes on with the answers that it has.
    pub fn apply(&self, answers: &Answers) -> Result<()> {
        // the agent reads all that lies beside the file
        let folder = tempfile::tempdir().context("creating a folder for the answers")?;
        let file = folder.path().join("answers.toml");
        files::create_new(&file, answers.to_toml()?.expose(), 0o600)?;
        let mut command = self.agent("apply")?;
        command.arg("--answers").arg(&file);
        Task::new("applying the answers", command).run()
    }

    fn agent(&self, verb: &str) -> Result<Command> {
        let agent = env::current_exe()
            .context("looking for this program")?
            .with_file_name("ezmail-agent");
        let mut command = Command::new(agent);
        command.args([verb, "--root"]).arg(&self.root);
        Ok(command)
    }
}

pub use crate::util::time::now;
