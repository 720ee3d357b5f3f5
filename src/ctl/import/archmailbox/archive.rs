//! The backup of archmailbox: a tar under xz under encpipe, and what of it is of use.
//!
//! `mailboxctl backupconfig` puts `smtpd/smtp.sqlite` and `dkim/DOMAIN.SELECTOR.key` into it, and
//! configuration of daemons, which has no meaning here. Each file is in it several times.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::{
    ctl::import::xz,
    encpipe::{Decryptor, Key, Passphrase, StreamError},
    util::secret::Secret,
};

/// Most bytes of the database.
const LIMIT: u64 = 64 << 20;
/// Most bytes of a key.
const KEY: u64 = 64 << 10;
/// Most bytes of the whole archive: what has more was made to fill a memory.
const WHOLE: u64 = 512 << 20;
/// Most names of other folders that are kept.
const OTHERS: usize = 100;
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
    let mut xz = xz::decoder(plain)?.take(WHOLE);
    let read = files(&mut xz);
    if xz.limit() == 0 {
        bail!("it unpacks to more than 512 MiB");
    }
    read
}

fn files(unpacked: impl Read) -> Result<Archive> {
    let mut tar = tar::Archive::new(unpacked);
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
            if archive.others.len() < OTHERS || archive.others.contains_key(&*first) {
                *archive.others.entry(first.into_owned()).or_default() += 1;
            }
            continue;
        }
        if entry.size() > if database { LIMIT } else { KEY } {
            bail!("{} in it is too large", path.display());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(files: &[(&str, u64)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(liblzma::write::XzEncoder::new(Vec::new(), 1));
        for (path, size) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(*size);
            header.set_mode(0o600);
            let zeros = std::io::repeat(0).take(*size);
            tar.append_data(&mut header, path, zeros).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn what_was_made_to_fill_a_memory_is_refused() {
        let why = |files: &[(&str, u64)]| unpack(&packed(files)[..]).unwrap_err().to_string();
        insta::assert_snapshot!(why(&[("dkim/a.b.key", KEY + 1)]), @"dkim/a.b.key in it is too large");
        insta::assert_snapshot!(why(&[("smtpd/a.sqlite", LIMIT + 1)]), @"smtpd/a.sqlite in it is too large");
        insta::assert_snapshot!(why(&[("etc/x", WHOLE)]), @"it unpacks to more than 512 MiB");
        let folders: Vec<String> = (0..300).map(|n| format!("{n}/x")).collect();
        let many: Vec<(&str, u64)> = folders.iter().map(|path| (path.as_str(), 0)).collect();
        assert_eq!(unpack(&packed(&many)[..]).unwrap().others.len(), OTHERS);
    }
}
