//! Answers as a systemd credential, which a hypervisor hands over by SMBIOS or fw_cfg.
//!
//! systemd.system-credentials(7), systemd.exec(5); the service manager has collected them.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{Beside, Found, MAX_FILE, MAX_FILES, Source, read_limited};
use crate::answers;

/// The credential with the answers.
pub const NAME: &str = "ezmail.answers";
/// Before the name of a file that the answers name.
pub const FILE_PREFIX: &str = "ezmail.file.";
/// Where all are that the machine was given: the agent may be run by hand.
const SYSTEM: &str = "/run/credentials/@system";

/// The credential [`NAME`].
#[derive(Debug, Clone)]
pub struct Credential {
    /// Where to look, one after the other.
    folders: Vec<PathBuf>,
}

impl Credential {
    /// The credentials of this service, then those of the system.
    pub fn standard() -> Self {
        let own = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self {
            folders: own.into_iter().chain([SYSTEM.into()]).collect(),
        }
    }
}

impl Source for Credential {
    fn name(&self) -> String {
        format!("the systemd credential {NAME}")
    }

    fn look(&self) -> Result<Option<Found>> {
        for folder in &self.folders {
            let path = folder.join(NAME);
            if fs::exists(&path).with_context(|| format!("looking at {}", path.display()))? {
                return read(folder, self.name()).map(Some);
            }
        }
        Ok(None)
    }
}

fn read(folder: &Path, source: String) -> Result<Found> {
    let bytes = read_limited(&folder.join(NAME), answers::MAX_SIZE as u64)?;
    let mut files = BTreeMap::new();
    let what = || format!("reading {}", folder.display());
    let entries: io::Result<Vec<_>> = fs::read_dir(folder).with_context(what)?.collect();
    for entry in entries.with_context(what)? {
        let Ok(credential) = entry.file_name().into_string() else {
            continue;
        };
        let Some(name) = credential.strip_prefix(FILE_PREFIX) else {
            continue;
        };
        if entry.metadata().with_context(what)?.len() > MAX_FILE {
            bail!(
                "the systemd credential {credential} is larger than {} KiB: no key file is",
                MAX_FILE / 1024
            );
        }
        if files.len() == MAX_FILES {
            bail!("there are more than {MAX_FILES} systemd credentials {FILE_PREFIX}NAME");
        }
        files.insert(name.to_owned(), read_limited(&entry.path(), MAX_FILE)?);
    }
    Ok(Found {
        source,
        name: NAME.to_owned(),
        bytes,
        files,
        beside: Beside::Nothing(
            "credentials are small: give the address of the backup, sftp:// or s3://, or put answers \
             and backup onto a volume with the label EZMAIL",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_that_has_it_wins() {
        let dir = tempfile::tempdir().unwrap();
        let folders = ["none", "own", "system"].map(|f| dir.path().join(f));
        let look = || {
            let source = Credential {
                folders: folders.to_vec(),
            };
            source.look().map(|found| {
                found.map(|f| {
                    let files: Vec<String> = f.files.into_keys().collect();
                    (String::from_utf8(f.bytes.to_vec()).unwrap(), files)
                })
            })
        };
        assert_eq!(look().unwrap(), None);
        for folder in &folders[1..] {
            fs::create_dir(folder).unwrap();
        }
        let write = |folder: &str, name: &str, bytes: &[u8]| {
            fs::write(dir.path().join(folder).join(name), bytes).unwrap();
        };
        write("own", "another", b"x");
        write("system", NAME, b"system");
        assert_eq!(look().unwrap(), Some(("system".into(), vec![])));
        write("own", NAME, b"own");
        write("own", "ezmail.file.dkim.pem", b"key");
        assert_eq!(
            look().unwrap(),
            Some(("own".into(), vec!["dkim.pem".into()]))
        );
        write("own", "ezmail.file.large", &[0; 64 * 1024 + 1]);
        insta::assert_snapshot!(look().unwrap_err().to_string(), @"the systemd credential ezmail.file.large is larger than 64 KiB: no key file is");
    }
}
