//! Makes a backup while the server runs.
//!
//! Messages, which are nearly all of it and never change, go out first, however long that takes.
//! Then mail is held for a moment ([`Services::hold`]); what has come meanwhile goes out too, and
//! everything that can change. So all mail that was accepted before that moment is in the backup,
//! once: in the queue or in a mailbox.

mod archives;
mod content;

use std::{fs::File, io::BufWriter, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};

use super::{
    archive::write_small,
    catalog::Catalog,
    index::Index,
    manifest::{FORMAT, Header, Needed},
    module::Module,
    name::BackupId,
    scratch::Scratch,
    store::{Store, Upload},
    walk::{Walk, roots},
};
use crate::{
    agent::{paths::Paths, target::Target},
    encpipe::Deriving,
    mail::database,
};
use archives::Archives;
use content::Contents;

/// How much content goes into a part, in bytes: what is lost at most when a run is broken off.
pub const PART: u64 = 256 << 20;

/// How often what changes while it is read is looked at again.
const ROUNDS: u32 = 20;

/// What to back up.
#[derive(Debug)]
pub struct Request<'a> {
    /// The server.
    pub target: &'a Target,
    /// Where its things lie.
    pub paths: &'a Paths,
    /// Its name.
    pub host: &'a str,
    /// What of it.
    pub modules: &'a [Module],
    /// Write everything, whatever the store has already.
    pub full: bool,
    /// Seconds since 1970.
    pub now: i64,
    /// See [`PART`].
    pub part: u64,
}

/// Where a backup goes.
pub enum Sink<'a> {
    /// A folder of archives: what it holds already is not written again.
    Store(&'a dyn Store),
    /// One archive with everything in it.
    Stream(Box<dyn Upload>),
}

/// The services of a server that a backup is made of.
pub trait Services {
    /// Has the spam filter's memory written to the disk.
    ///
    /// # Errors
    /// When it does not.
    fn save_spam(&self) -> Result<()>;

    /// Holds mail: none is accepted and none delivered until what it returns is dropped. What was
    /// under way has ended by then, if it did so in time.
    ///
    /// # Errors
    /// When it cannot be held.
    fn hold(&self) -> Result<Box<dyn Hold>>;
}

/// Mail is held while this is there.
pub trait Hold {
    /// What was still under way, for people; `None`: nothing.
    fn under_way(&self) -> Option<&str>;

    /// Has mail go on.
    ///
    /// # Errors
    /// When it does not.
    fn end(self: Box<Self>) -> Result<()>;
}

/// The services of a server that does not run.
#[derive(Debug)]
pub struct NoServices;

impl Services for NoServices {
    fn save_spam(&self) -> Result<()> {
        Ok(())
    }

    fn hold(&self) -> Result<Box<dyn Hold>> {
        Ok(Box::new(Self))
    }
}

impl Hold for NoServices {
    fn under_way(&self) -> Option<&str> {
        None
    }

    fn end(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Is told how far the work is.
pub trait Watch: Sync {
    /// Another part of the work begins; `total` is how many bytes there are to look at.
    fn phase(&self, name: &str, total: u64);
    /// So many bytes more are done.
    fn done(&self, bytes: u64);
}

/// Tells nobody.
#[derive(Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn phase(&self, _: &str, _: u64) {}
    fn done(&self, _: u64) {}
}

/// A backup that was made.
#[derive(Debug)]
pub struct Made {
    /// Its header.
    pub header: Header,
    /// How much was written, in bytes.
    pub written: u64,
    /// What is worth knowing about it, for people.
    pub notes: Vec<String>,
}

/// Makes a backup, encrypted with `key`, which is not needed before all is listed. `scratch` is the
/// server's.
///
/// # Errors
/// When something cannot be read or written. Parts that are in the store by then are used by the
/// next run.
pub fn create(
    request: &Request<'_>,
    key: &mut Deriving,
    sink: Sink<'_>,
    scratch: &Scratch,
    services: &dyn Services,
    watch: &dyn Watch,
) -> Result<Made> {
    let work = scratch.work();
    let id = BackupId {
        host: request.host.to_owned(),
        time: request.now,
    };
    let mut notes = Vec::new();
    let roots = roots(request.modules, request.target, request.paths);
    let catalog = Catalog::create(&work.join("catalog"))?;
    let walk = Walk::new(&roots, &catalog);
    walk.list()?;
    let key = key.key()?;
    let (index, store) = match &sink {
        Sink::Store(store) => {
            let index = Index::open(&scratch.index(&store.name(), key))?;
            let listed = store.list()?;
            ensure!(
                !listed.iter().any(|e| e.name == id.archive()),
                "{} has a backup {id} already; is the clock right?",
                store.name()
            );
            index.compare(&listed, request.full)?;
            index.retire()?;
            (index, Some(*store))
        }
        Sink::Stream(_) => (Index::open(&work.join("index"))?, None),
    };
    index.begin()?;
    let archives = Archives::new(sink, &index, key, id.clone(), request.part);
    let mut contents = Contents::new(&catalog, &index, &walk, archives, watch);
    contents.expect()?;

    contents.fill(true)?;
    // a long run has let much come in
    walk.refresh()?;
    contents.fill(true)?;

    contents.archives.last()?;
    if request.modules.contains(&Module::Spam) {
        services.save_spam()?;
    }
    // all but the last changes, before anybody has to wait
    let database = work.join("mail.sqlite");
    walk.refresh()?;
    contents.database = copy_database(request, &database)?.then_some(database.clone());
    contents.fill(false)?;
    let hold = services.hold()?;
    if let Some(what) = hold.under_way() {
        notes.push(format!(
            "still under way when the backup was completed: {what}; a message of that moment may be \
             missing, or twice in it"
        ));
    }
    // the accounts that go with the mail
    contents.database = copy_database(request, &database)?.then_some(database.clone());
    contents.forget(Path::new("mail.sqlite"))?;
    walk.recheck()?;
    let mut stood = false;
    for _ in 0..ROUNDS {
        let complete = contents.fill(false)?;
        if !walk.refresh()? && complete {
            stood = true;
            break;
        }
    }
    if !stood {
        contents.fill(false)?;
        let lost = contents.give_up()?;
        notes.push(format!(
            "mailboxes changed all the time: messages that were moved at that moment may be missing \
             ({lost} files were not where they had been listed)"
        ));
    }
    let complete_until = crate::util::time::now()?;
    // all is read: the manifest may take long on a slow line
    if let Err(error) = hold.end() {
        notes.push(format!(
            "mail may still be held: {error:#}; 'smtpctl show status' says so, and 'smtpctl resume \
             smtp', 'smtpctl resume mda' and 'smtpctl resume mta' have it go on"
        ));
    }
    let mut header = header(request, id.clone(), &catalog, complete_until)?;
    let manifest = work.join("manifest");
    let written = finish(request, contents, &catalog, &index, &mut header, &manifest)?;
    if let Some(store) = store {
        let beside = store
            .create(&id.manifest())
            .and_then(|upload| write_small(upload, key, open(&manifest)?));
        if let Err(error) = beside {
            notes.push(format!(
                "the backup is whole, but its manifest is not beside it, so that looking into it \
                 takes as long as reading it: {error:#}"
            ));
        }
    }
    Ok(Made {
        header,
        written,
        notes,
    })
}

fn header(
    request: &Request<'_>,
    id: BackupId,
    catalog: &Catalog,
    complete_until: i64,
) -> Result<Header> {
    let totals = catalog.totals()?;
    let database = request.modules.contains(&Module::Database);
    Ok(Header {
        format: FORMAT,
        id,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: database.then_some(database::VERSION),
        modules: request.modules.to_vec(),
        complete_until,
        files: totals.iter().map(|(_, a)| a.files).sum(),
        bytes: totals.iter().map(|(_, a)| a.bytes).sum(),
        archives: Vec::new(),
    })
}

/// Writes the manifest and ends the last archive; how much was written in all.
fn finish(
    request: &Request<'_>,
    contents: Contents<'_>,
    catalog: &Catalog,
    index: &Index,
    header: &mut Header,
    manifest: &Path,
) -> Result<u64> {
    let mut archives = contents.archives;
    let own = archives.last()?;
    let needed = catalog.archives(request.modules)?;
    let lengths = index.archives()?;
    for (name, _) in &needed {
        if let Some(name) = name.as_ref().filter(|name| **name != own) {
            let length = lengths.iter().find(|(n, _)| n == name);
            let (_, bytes) = length.with_context(|| format!("{name} is of unknown length"))?;
            header.archives.push(Needed {
                name: name.clone(),
                bytes: *bytes,
            });
        }
    }
    let what = || format!("writing {}", manifest.display());
    let mut out = BufWriter::new(File::create(manifest).with_context(what)?);
    catalog.write(header, &own, &mut out)?;
    out.into_inner().with_context(what)?;
    let mail = request.modules.contains(&Module::Mail);
    let needed = mail.then_some(&needed[..]);
    archives.finish(open(manifest)?, header.complete_until, needed)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("opening {}", path.display()))
}

/// Copies the database as it is at one moment, by SQLite's own means; `false` if there is none.
fn copy_database(request: &Request<'_>, to: &Path) -> Result<bool> {
    let from = request.target.path(&request.paths.database);
    if !request.modules.contains(&Module::Database) || !from.exists() {
        return Ok(false);
    }
    database::copy(&from, to)?;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(to, mode).context("setting the mode of the database's copy")?;
    Ok(true)
}

#[cfg(test)]
mod tests;
