//! An image as a file: the place that it reserves for answers, read and written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::{
    answers::{
        container::{Content, Damage, UNFINISHED},
        reserved::{self, SIZE},
    },
    iso9660::Extent,
};

/// What is written first and last: the container's header lies in it.
const HEAD: usize = 2048;

/// An image of ours, open.
#[derive(Debug)]
pub struct Image {
    file: File,
    path: PathBuf,
    extent: Extent,
}

impl Image {
    /// Opens an image, for reading or for writing as well. Nobody else may be writing to it.
    ///
    /// # Errors
    /// When it cannot be opened, is in use, is not ours or has no place for answers.
    pub fn open(path: &Path, write: bool) -> Result<Self> {
        let name = path.display();
        let kind = fs::metadata(path)
            .with_context(|| format!("reading {name}"))?
            .file_type();
        if !kind.is_file() && !kind.is_block_device() {
            bail!("{name} is neither a file nor a disk");
        }
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(path)
            .with_context(|| format!("opening {name}"))?;
        let lock = match write {
            true => FlockOperation::NonBlockingLockExclusive,
            false => FlockOperation::NonBlockingLockShared,
        };
        match flock(&file, lock) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                bail!("another ezmail is writing to {name}; try again when it is done")
            }
            other => other.with_context(|| format!("locking {name}"))?,
        }
        let extent = reserved::find(&file).with_context(|| name.to_string())?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            extent,
        })
    }

    /// The same image in a copy of it.
    pub fn copied(&self, file: File, path: PathBuf) -> Self {
        Self {
            file,
            path,
            extent: self.extent,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its reserved place is.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// The open file, at its beginning.
    ///
    /// # Errors
    /// When the file cannot seek.
    pub fn rewound(&self) -> io::Result<&File> {
        (&self.file).seek(SeekFrom::Start(0))?;
        Ok(&self.file)
    }

    /// Whether `path` is this very file, perhaps by another name.
    pub fn is(&self, path: &Path) -> bool {
        match (self.file.metadata(), fs::metadata(path)) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        }
    }

    /// What is in the reserved place: what could be read of it, in the inner result.
    ///
    /// # Errors
    /// When reading fails.
    pub fn content(&self) -> Result<Result<Option<Content>, Damage>> {
        Ok(Content::unpack(&self.reserved()?))
    }

    fn reserved(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; SIZE]);
        self.file
            .read_exact_at(&mut bytes, self.extent.offset)
            .with_context(|| format!("reading {}", self.path.display()))?;
        Ok(bytes)
    }

    /// Makes a file readable for its owner alone; returns the mode that it had, if that was
    /// another. A disk stays as it is: who may read it is the system's business.
    ///
    /// # Errors
    /// When the file is somebody else's.
    pub fn close_to_others(&self) -> Result<Option<u32>> {
        let name = self.path.display();
        let data = self
            .file
            .metadata()
            .with_context(|| format!("reading {name}"))?;
        let mode = data.permissions().mode() & 0o7777;
        if !data.is_file() || mode & 0o077 == 0 {
            return Ok(None);
        }
        self.file
            .set_permissions(fs::Permissions::from_mode(0o600))
            .with_context(|| {
                format!(
                    "{name} would have secrets in it, others may read it (mode {mode:04o}), and \
                     that cannot be changed; write a copy of your own with -o"
                )
            })?;
        Ok(Some(mode))
    }

    /// Writes the reserved place, all of it, and waits until it is on the disk.
    ///
    /// # Errors
    /// When writing fails, or what is read back is something else.
    pub fn write(&self, reserved: &[u8]) -> Result<()> {
        let what = || format!("writing {}", self.path.display());
        for (at, bytes) in writes(reserved) {
            let offset = self.extent.offset + at as u64;
            self.file.write_all_at(bytes, offset).with_context(what)?;
            self.file.sync_data().with_context(what)?;
        }
        if *self.reserved()? != *reserved {
            bail!(
                "{} does not hold what was written to it; is the disk failing?",
                self.path.display()
            );
        }
        Ok(())
    }
}

/// The writes by which a reserved place changes, each to be on the disk before the next: first
/// nothing is valid any more, last of all the header says that all is there.
fn writes(reserved: &[u8]) -> [(usize, &[u8]); 3] {
    let (head, body) = reserved.split_at(HEAD);
    [(0, UNFINISHED), (HEAD, body), (0, head)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content {
            name: "answers.toml".into(),
            bytes: text.repeat(1000).into_bytes().into(),
            files: Default::default(),
        }
    }

    /// A power cut after any number of bytes: an error, unless all of the old or
    /// all of the new is there.
    #[test]
    fn a_write_that_is_broken_off_is_never_taken_for_good() {
        let room = 16 * 1024;
        let (old, new) = (content("old"), content("new"));
        let [packed_old, packed_new] = [&old, &new].map(|c| c.pack(room).unwrap());
        let blank = vec![0; room];
        for (from, to) in [
            (&blank[..], &packed_new[..]),
            (&packed_old, &packed_new),
            (&packed_old, &blank),
        ] {
            let mut state = from.to_vec();
            let mut errors = 0;
            for (at, bytes) in writes(to) {
                for (n, byte) in bytes.iter().enumerate() {
                    state[at + n] = *byte;
                    // every byte of the head, and some of the long rest
                    if at == HEAD && n % 97 != 0 {
                        continue;
                    }
                    match Content::unpack(&state) {
                        Err(_) => errors += 1,
                        // both begin with the same letters
                        _ => assert!(state == to || state == from, "byte {n} at {at}"),
                    }
                }
            }
            assert_eq!(state, to);
            assert!(errors > 100, "{errors}");
        }
    }
}
