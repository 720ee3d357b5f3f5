//! The backup of archmailbox: a tar under xz under encpipe, and what of it is of use.
//!
//! `mailboxctl backupconfig` puts `smtpd/smtp.sqlite` and `dkim/DOMAIN.SELECTOR.key` into it, and
//! configuration of daemons, which has no meaning here. Each file is in it several times.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::{
    encpipe::{Decryptor, Key, Passphrase, StreamError},
    util::secret::Secret,
};

/// Most bytes of a file that is taken from the archive.
const LIMIT: u64 = 64 << 20;
/// Most bytes of the whole archive: what has more was made to fill a disk.
const WHOLE: u64 = 4 << 30;
/// How an SQLite database begins.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// What is of use.
#[derive(Debug, Default)]
pub struct Archive {
    /// The database of users.
    pub database: Option<Zeroizing<Vec<u8>>>,
    /// The DKIM keys, by the names of their files without `.key`.
    pub keys: BTreeMap<String, Secret>,
    /// What else is in it, by its first folder: how many files.
    pub others: BTreeMap<String, u64>,
}

/// Reads an archive.
///
/// # Errors
/// When the passphrase is wrong, or the file is not whole, or not such an archive.
pub fn read(path: &Path, passphrase: &Passphrase) -> Result<Archive> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let key = Key::derive(passphrase)?;
    let mut plain = Decryptor::new(file, &key);
    let read = unpack(&mut plain);
    // tar and xz need not read to the end, where encpipe says whether all is there
    let rest = std::io::copy(&mut plain, &mut std::io::sink());
    if let Err(error) = rest
        && let Some(stream) = StreamError::of(&error)
    {
        bail!("{}: {stream}; nothing was changed", path.display());
    }
    read.with_context(|| {
        format!(
            "{} is no backup of archmailbox (tar.xz under encpipe); nothing was changed",
            path.display()
        )
    })
}

fn unpack(plain: impl Read) -> Result<Archive> {
    let xz = liblzma::read::XzDecoder::new_multi_decoder(plain).take(WHOLE);
    let mut tar = tar::Archive::new(xz);
    let mut archive = Archive::default();
    for entry in tar.entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.into_owned();
        let path = path.strip_prefix(".").unwrap_or(&path);
        let first = path.iter().next().unwrap_or_default().to_string_lossy();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let key = (first == "dkim")
            .then(|| name.strip_suffix(".key"))
            .flatten();
        let database = first == "smtpd" && name.ends_with(".sqlite");
        if !database && key.is_none() {
            *archive.others.entry(first.into_owned()).or_default() += 1;
            continue;
        }
        if entry.size() > LIMIT {
            bail!("{} in it is larger than 64 MiB", path.display());
        }
        let mut bytes = Zeroizing::new(Vec::new());
        entry.read_to_end(&mut bytes)?;
        if let Some(key) = key {
            let text = String::from_utf8(bytes.to_vec());
            let text = text.with_context(|| format!("{} in it is no key", path.display()))?;
            archive.keys.insert(key.to_owned(), Secret::new(text));
        } else if bytes.starts_with(SQLITE) {
            archive.database = Some(bytes);
        }
    }
    Ok(archive)
}
