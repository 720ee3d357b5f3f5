//! A folder of another machine, over SFTP by the system's ssh(1).
//!
//! Nothing but the `sftp` subsystem is used over there: an account with `ForceCommand
//! internal-sftp` in a chroot will do.
//!
//! | module | its one job |
//! |---|---|
//! | [`command`] | the command line of ssh |
//! | [`connection`] | one running ssh, and a limit for the time that anything takes |
//! | [`download`] | reads a file, many blocks at once |
//! | [`trouble`] | what ssh and the server mean by their errors |
//! | [`upload`] | writes a file, many blocks at once |

mod command;
mod connection;
mod download;
mod trouble;
mod upload;

use std::{
    io::Read,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;

use self::{
    command::Destination,
    connection::Connection,
    download::Download,
    trouble::Failure,
    upload::{Uploading, is_unfinished},
};
use super::{Access, Entry, Store, Upload};
use crate::answers::location::Location;

/// How long the answer to one small question may take.
const ANSWER: Duration = Duration::from_secs(60);

/// How much is asked for, or sent, at once. OpenSSH takes up to 255 KiB, others less.
const BLOCK: usize = 64 << 10;
/// How many blocks are on their way together: 4 MiB, enough for a fast line with a long delay.
const FLYING: usize = 64;

/// A folder of another machine.
///
/// It need not be there: it is made, with its parents, before the first file is written, and is
/// empty until then. A path that begins with `/~/` is one in the home folder of the account.
#[derive(Debug)]
pub struct Sftp {
    to: Destination,
    shown: String,
    folder: String,
    /// The connection that was used last.
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Sftp {
    /// The folder that `location` names; nothing is connected yet.
    ///
    /// # Errors
    /// When `access` has no key to log in with.
    pub fn new(location: &Location, access: &Access) -> Result<Self> {
        Ok(Self {
            to: Destination::new(location, access)?,
            shown: location.to_string(),
            folder: match location.path.strip_prefix("/~/") {
                Some(path) => path.to_owned(),
                None => location.path.clone(),
            },
            connection: Mutex::new(None),
        })
    }

    /// The connection, a new one if there is none that works.
    fn connection(&self) -> Result<Arc<Connection>> {
        let mut last = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(connection) if connection.works() => Ok(connection.clone()),
            _ => {
                let connection = Arc::new(Connection::open(&self.to).context(self.shown.clone())?);
                *last = Some(connection.clone());
                Ok(connection)
            }
        }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// For error messages.
    fn shown(&self, name: &str) -> String {
        format!("{}/{name}", self.shown)
    }

    /// The files, hidden ones too; none if there is no such folder.
    fn files(&self, connection: &Connection) -> Result<Vec<Entry>> {
        let listing = async {
            let folder = connection.sftp.fs().open_dir(&self.folder).await?;
            let mut found = pin!(folder.read_dir());
            let mut entries = Vec::new();
            while let Some(entry) = found.next().await {
                let entry = entry?;
                let file = entry.file_type().is_none_or(|t| t.is_file());
                if let (true, Some(name)) = (file, entry.filename().to_str()) {
                    entries.push(Entry {
                        name: name.to_owned(),
                        bytes: entry.metadata().len().unwrap_or(0),
                    });
                }
            }
            Ok(entries)
        };
        // a folder of very many files takes its time
        let mut entries = match connection.run(ANSWER * 5, listing) {
            Err(failure) if failure.is_missing() => Vec::new(),
            entries => entries.with_context(|| format!("listing {}", self.shown))?,
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn is_there(&self, connection: &Connection, name: &str) -> Result<bool> {
        let path = self.path(name);
        let asking = async { connection.sftp.fs().symlink_metadata(path).await };
        match connection.run(ANSWER, asking) {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_missing() => Ok(false),
            Err(failure) => {
                Err(failure).with_context(|| format!("looking for {}", self.shown(name)))
            }
        }
    }

    /// Creates the folder and its parents, where they are missing.
    fn make_folder(&self, connection: &Connection) -> Result<()> {
        let mut missing = Vec::new();
        let mut path = self.folder.as_str();
        while !path.is_empty() {
            let asking = async { connection.sftp.fs().metadata(path).await };
            match connection.run(ANSWER, asking) {
                Ok(found) if found.file_type().is_some_and(|t| !t.is_dir()) => {
                    bail!("{}: {path} is a file there, no folder", self.shown)
                }
                Ok(_) => break,
                Err(failure) if failure.is_missing() => missing.push(path),
                Err(failure) => {
                    return Err(failure)
                        .with_context(|| format!("looking for {path} in {}", self.shown));
                }
            }
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        for path in missing.iter().rev() {
            let making = async { connection.sftp.fs().create_dir(path).await };
            connection
                .run(ANSWER, making)
                .with_context(|| format!("creating the folder {path} for {}", self.shown))?;
        }
        Ok(())
    }

    fn delete(&self, connection: &Connection, name: &str) -> Result<(), Failure> {
        let path = self.path(name);
        connection.run(ANSWER, async {
            connection.sftp.fs().remove_file(path).await
        })
    }
}

impl Store for Sftp {
    fn name(&self) -> String {
        self.shown.clone()
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = self.files(&*self.connection()?)?;
        entries.retain(|entry| !entry.name.starts_with('.'));
        Ok(entries)
    }

    fn create(&self, name: &str) -> Result<Box<dyn Upload>> {
        let connection = self.connection()?;
        if self.is_there(&connection, name)? {
            bail!("{} is there already", self.shown(name));
        }
        self.make_folder(&connection)?;
        let upload = Uploading::begin(connection, &self.folder, name, self.shown(name))?;
        Ok(Box::new(upload))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let download = Download::begin(self.connection()?, &self.path(name), self.shown(name))?;
        Ok(Box::new(download))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.delete(&*self.connection()?, name)
            .with_context(|| format!("removing {}", self.shown(name)))
    }

    fn tidy(&self, prefix: &str) -> Result<Vec<String>> {
        let connection = self.connection()?;
        let mut gone = Vec::new();
        for Entry { name, .. } in self.files(&connection)? {
            if is_unfinished(&name, prefix) {
                self.delete(&connection, &name)
                    .with_context(|| format!("removing {}", self.shown(&name)))?;
                gone.push(name);
            }
        }
        Ok(gone)
    }
}
