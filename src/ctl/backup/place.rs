//! Where backups are, as the command line names it, and what opens them.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{
    answers::location::{Location, Scheme},
    backup::{
        name::{BackupId, Kind},
        open, passphrase, settings,
        store::{self, Folder, Store},
    },
    ctl::{ask, server::Server},
    encpipe::{Deriving, Key, Passphrase},
};

/// A folder of backups, or one backup in it.
pub struct Place {
    /// The folder.
    pub store: Box<dyn Store>,
    /// The backup's archive, if one was named.
    pub archive: Option<String>,
}

impl Place {
    /// `text`, which is a folder, a file or an address, or where the answers say that backups go.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn find(text: Option<&str>, server: &Server) -> Result<Self> {
        match text {
            Some(text) if text.contains("://") => {
                let location = text.parse::<Location>().with_context(|| {
                    format!(
                        "`{text}` is no address of backups: write sftp://USER@HOST/FOLDER or \
                         s3://ACCESS_KEY@HOST/BUCKET/FOLDER"
                    )
                })?;
                Self::elsewhere(&location, server)
            }
            Some(text) => Self::here(Path::new(text)),
            None => {
                let answers = server.answers()?;
                let Some(backup) = answers.backup else {
                    bail!(
                        "the answers have no [backup] with a target: name a folder, a file, or an \
                         address, such as /mnt/usb"
                    );
                };
                Self::elsewhere(&backup.target, server)
            }
        }
    }

    fn here(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self {
                store: Box::new(Folder::new(path)?),
                archive: None,
            });
        }
        if !path.is_file() {
            bail!("{} is neither a folder nor a file", path.display());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let archive = match Kind::of(&name) {
            Some(Kind::Manifest(id)) => id.archive(),
            _ => name.into_owned(),
        };
        Ok(Self {
            store: Box::new(Folder::new(folder.unwrap_or(Path::new(".")))?),
            archive: Some(archive),
        })
    }

    fn elsewhere(location: &Location, server: &Server) -> Result<Self> {
        let (folder, archive) = store::split(location);
        let state = server.target.path(&server.paths.state);
        let own = server.answers().ok().and_then(|a| a.backup);
        // a host key is of the host that the answers name
        let pinned = own.filter(|b| b.target.host == folder.host && b.target.port == folder.port);
        let host_key = match folder.scheme {
            Scheme::Sftp => pinned.and_then(|b| b.host_key),
            Scheme::S3 => None,
        };
        let access = settings::access(&state, folder.scheme, host_key)?;
        Ok(Self {
            store: store::open(&folder, &access)?,
            archive,
        })
    }

    /// The archive of the backup that is meant: the one that was named, `wanted`, or the newest one
    /// of `host`, or else the newest.
    ///
    /// # Errors
    /// When there is none, or the store cannot be listed.
    pub fn choose(&self, wanted: Option<&BackupId>, host: &str) -> Result<String> {
        if let Some(name) = &self.archive {
            if wanted.is_some() {
                bail!("{name} is one backup already: name its folder, or no other backup");
            }
            return Ok(name.clone());
        }
        Ok(open::choose(self.store.as_ref(), wanted, host)?.archive())
    }
}

/// What opens backups: by the file that was named, the server's own passphrase, or one that is
/// asked for.
///
/// # Errors
/// When there is none.
pub fn key(file: Option<&Path>, server: &Server) -> Result<Key> {
    deriving(file, server)?.key().cloned()
}

/// As [`key`]; it is derived while something else is done.
///
/// # Errors
/// As [`key`].
pub fn deriving(file: Option<&Path>, server: &Server) -> Result<Deriving> {
    if let Some(file) = file {
        return Deriving::begin(passphrase::of_file(file)?);
    }
    let state = server.target.path(&server.paths.state);
    if let Some(own) = passphrase::read(&state)? {
        let file = passphrase::file(&state);
        return begin(own.expose())
            .with_context(|| format!("the passphrase in {}", file.display()));
    }
    let typed = ask::secret("Passphrase of the backup: ")?;
    if typed.trim().is_empty() {
        bail!(
            "this server has no passphrase of backups, and none was typed: name a file with it, \
             --passphrase-file FILE"
        );
    }
    begin(passphrase::normal(&typed).expose())
}

fn begin(passphrase: &str) -> Result<Deriving> {
    Deriving::begin(Passphrase::new(passphrase.as_bytes().to_vec())?)
}
