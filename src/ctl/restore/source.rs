//! Which backup is meant, and what opens it.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{
    backup::{
        archive::stream_error,
        name::BackupId,
        open::{self, Opened},
        passphrase,
        scratch::Scratch,
        store::Store,
        switch::Layout,
    },
    ctl::{ask, backup::place::Place, server::Server},
    encpipe::{Key, Passphrase, StreamError},
    util::secret::Secret,
};

/// A backup in its store.
pub(super) struct Source {
    store: Box<dyn Store>,
    archive: String,
}

impl Source {
    /// The backup that is meant: in `place`, or where the answers say that backups go.
    ///
    /// # Errors
    /// When there is no such place, or no such backup in it.
    pub(super) fn find(
        place: Option<&str>,
        wanted: Option<&BackupId>,
        server: &Server,
    ) -> Result<Self> {
        let place = Place::find(place, server)?;
        let host = server.answers().map(|a| a.hostname.to_string());
        let archive = place.choose(wanted, &host.unwrap_or_default())?;
        Ok(Self {
            store: place.store,
            archive,
        })
    }

    /// Where it is.
    pub(super) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Reads its manifest, with the passphrase that opens it.
    ///
    /// # Errors
    /// When none does, or it cannot be read or is not whole.
    pub(super) fn open(
        &self,
        passphrase_file: Option<&Path>,
        layout: &Layout,
        scratch: &Scratch,
    ) -> Result<(Key, Opened)> {
        let mut first = None;
        for passphrase in passphrases(passphrase_file, layout)? {
            let key = Key::derive(&passphrase)?;
            match open::open(self.store(), &self.archive, &key, &scratch.work()) {
                Ok(opened) => return Ok((key, opened)),
                // one of before may be the right one
                Err(error) if stream_error(&error) == Some(StreamError::WrongKey) => {
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first {
            Some(error) => Err(error),
            None => bail!("there is no passphrase"),
        }
    }
}

/// The passphrases that may open the backup: the one in a file that was named, the server's own ones,
/// or one that is asked for.
///
/// # Errors
/// When there is none.
fn passphrases(file: Option<&Path>, layout: &Layout) -> Result<Vec<Passphrase>> {
    if let Some(file) = file {
        return Ok(vec![passphrase::of_file(file)?]);
    }
    let own = passphrase::all(layout.state())?;
    if !own.is_empty() {
        let bytes = |own: Secret| Passphrase::new(own.expose().as_bytes().to_vec());
        return own.into_iter().map(bytes).collect();
    }
    let typed = ask::secret("Passphrase of the backup: ")?;
    let typed = passphrase::written(&typed);
    let bytes = typed.expose().as_bytes().to_vec();
    let typed = Passphrase::new(bytes).context(
        "this server has no passphrase of backups: name a file with it, --passphrase-file FILE",
    );
    Ok(vec![typed?])
}
