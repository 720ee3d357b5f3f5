//! The folders of a mailbox here: what is in them, and how a message comes to it.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, DirBuilder, File, FileTimes},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, fchown, lchown},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};

use super::message::{self, Fingerprint, Message, Name};
use crate::util::{files, random};

/// How often a folder that is changed meanwhile is looked at again.
const LOOKS: usize = 100;
/// What dovecot takes as well.
const LEVEL: i32 = 3;

/// A folder of a mailbox here.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    owner: Option<(u32, u32)>,
    /// Whether it was there before.
    pub existed: bool,
}

impl Target {
    /// The folder at `place` below `maildir`; nothing is made yet.
    ///
    /// # Errors
    /// When a link stands in its place, which could lead anywhere.
    pub fn new(maildir: &Path, place: &str, owner: Option<(u32, u32)>) -> Result<Self> {
        let path = match place {
            "" => maildir.to_path_buf(),
            place => maildir.join(place),
        };
        for part in [maildir, &path] {
            is_folder(part)?;
        }
        let existed = ["cur", "new", "tmp"]
            .iter()
            .map(|sub| is_folder(&path.join(sub)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            existed: existed.into_iter().any(|there| there),
            path,
            owner,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How often each message is there. Messages may arrive and move meanwhile.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn messages(&self, mut each: impl FnMut()) -> Result<HashMap<Fingerprint, usize>> {
        let mut found = HashMap::new();
        let mut seen = BTreeSet::new();
        for _ in 0..LOOKS {
            let mut more = false;
            for (name, new) in message::list(&self.path)? {
                let base = Name::parse(&name).base;
                if seen.contains(&base) {
                    continue;
                }
                let path = self.path.join(if new { "new" } else { "cur" }).join(&name);
                match Message::read(&path) {
                    Ok(message) => *found.entry(message.fingerprint()).or_default() += 1,
                    // its flags have changed, and its name with them
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        more = true;
                        continue;
                    }
                    // no message that could come is the same
                    Err(e) if e.kind() == io::ErrorKind::InvalidData => {}
                    Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
                }
                seen.insert(base);
                more = true;
                each();
            }
            // a list that is read while names change may lack one: the last look finds nothing new
            if !more {
                return Ok(found);
            }
        }
        bail!("{} changes again and again", self.path.display())
    }

    /// Makes the folder and those above it that are missing.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn make(&self) -> Result<()> {
        for sub in ["cur", "new", "tmp"] {
            make_folder(&self.path.join(sub), self.owner)?;
        }
        let mark = self.path.join("maildirfolder");
        let of_dots = self.path.file_name().and_then(|n| n.to_str());
        if of_dots.is_some_and(|name| name.starts_with('.')) && !mark.exists() {
            files::write(&mark, "", 0o600)?;
            own(&mark, self.owner)?;
        }
        Ok(())
    }

    /// Delivers a message: into `tmp`, to the disk, and then to its place. It is compressed as
    /// dovecot would do it.
    ///
    /// # Errors
    /// When it cannot be written; a part of it may be left in `tmp`, which dovecot empties.
    pub fn deliver(&self, message: &Message, flags: &str, new: bool) -> Result<()> {
        let (size, wide) = message.sizes();
        let name = format!("{},S={size},W={wide}", unique()?);
        let temp = self.path.join("tmp").join(&name);
        let what = || format!("writing {}", temp.display());
        let text = zstd::encode_all(message.text.as_slice(), LEVEL).with_context(what)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temp)
            .with_context(what)?;
        file.write_all(&text).with_context(what)?;
        if let Some((user, group)) = self.owner {
            // by the open file: another one may stand under that name by now
            fchown(&file, Some(user), Some(group)).with_context(what)?;
        }
        self.place(&temp, &name, &file, message.delivered, flags, new)
    }

    fn place(
        &self,
        temp: &Path,
        name: &str,
        file: &File,
        delivered: SystemTime,
        flags: &str,
        new: bool,
    ) -> Result<()> {
        let what = || format!("writing {}", temp.display());
        // dovecot takes the time of delivery from here
        file.set_times(FileTimes::new().set_modified(delivered))
            .with_context(what)?;
        file.sync_all().with_context(what)?;
        let to = match new && flags.is_empty() {
            true => self.path.join("new").join(name),
            false => self.path.join("cur").join(format!("{name}:2,{flags}")),
        };
        fs::rename(temp, &to).with_context(|| format!("putting {} in place", to.display()))
    }

    /// Waits until all that was delivered is on the disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> Result<()> {
        for sub in ["cur", "new"] {
            files::sync_folder(&self.path.join(sub))?;
        }
        Ok(())
    }
}

/// Whether there is a folder.
fn is_folder(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => Ok(true),
        Ok(_) => bail!(
            "{} is no folder, or a link to one: move it away first",
            path.display()
        ),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).with_context(|| format!("looking at {}", path.display())),
    }
}

/// That no link stands on the way from `root` down to `path`: what is below `root` belongs to the
/// mail's own user, and root follows no links of others.
///
/// # Errors
/// When one does, or a part of the way is no folder.
pub fn no_links(root: &Path, path: &Path) -> Result<()> {
    let ours = path.ancestors().take_while(|part| *part != root);
    ours.map(is_folder).try_for_each(|part| part.map(drop))
}

/// Makes a folder, and those above it that are missing, for `owner` alone.
///
/// # Errors
/// When one cannot be made.
pub fn make_folder(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    if is_folder(path)? {
        return Ok(());
    }
    let above = path.parent().context("making a folder")?;
    make_folder(above, owner)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return is_folder(path).map(drop),
        other => other.with_context(|| format!("creating the folder {}", path.display()))?,
    }
    own(path, owner)?;
    files::sync_folder(above)
}

fn own(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    match owner {
        None => Ok(()),
        // never what a link leads to
        Some((user, group)) => lchown(path, Some(user), Some(group))
            .with_context(|| format!("giving {} its owner", path.display())),
    }
}

/// A name that no other delivery has (maildir(5)).
fn unique() -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.context("the clock is wrong")?;
    let random = random::bytes::<8>()?;
    let host = rustix::system::uname();
    let host = host
        .nodename()
        .to_string_lossy()
        .replace(['/', ':', ','], "_");
    Ok(format!(
        "{}.M{}P{}R{}.{host}",
        now.as_secs(),
        now.subsec_micros(),
        std::process::id(),
        hex::encode(random.as_slice())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_while_it_is_looked_at_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::new(folder.path(), "", None).unwrap();
        target.make().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("new/1", "Subject: one\n\n");
        let mut looks = 0;
        let found = target.messages(|| {
            looks += 1;
            if looks == 1 {
                write("cur/2:2,S", "Subject: two\n\n");
            }
        });
        assert_eq!((found.unwrap().len(), looks), (2, 2));
    }
}
