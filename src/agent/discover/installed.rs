//! Answers on the disk that the server is installed to: those that it was installed with.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};

use super::{Beside, Found, Source};
use crate::{
    agent::{
        block,
        install::installed::{self, Installed},
    },
    answers::{container::Content, reserved},
    disk::raw::Disk,
};

/// The partition of the answers on the disk that was booted from; without such a one, on whatever
/// disks the server is installed to.
pub struct OnDisk;

impl Source for OnDisk {
    fn name(&self) -> String {
        "the disk that the server is installed to".to_owned()
    }

    fn look(&self) -> Result<Option<Found>> {
        let devices = block::list()?;
        let mut all = installed::all(&devices);
        if all.iter().any(Installed::is_booted) {
            all.retain(Installed::is_booted);
        }
        let places: Vec<PathBuf> = all.iter().map(|on| on.answers.path.clone()).collect();
        choose(&places)
    }
}

fn choose(places: &[PathBuf]) -> Result<Option<Found>> {
    let mut chosen: Option<(&PathBuf, Content)> = None;
    for path in places {
        let bytes = Disk::open(path, false)?.read(0, reserved::SIZE)?;
        let content = Content::unpack(&bytes).map_err(|damage| {
            anyhow!(
                "the answers on the disk ({}) {damage}; give them once more: ezmail embed ANSWERS \
                 IMAGE, and boot that image once",
                path.display()
            )
        })?;
        match (&chosen, content) {
            (Some((other, first)), Some(content)) if *first != content => bail!(
                "the installed disks have different answers, on {} and {}: detach one of them",
                other.display(),
                path.display()
            ),
            (None, Some(content)) => chosen = Some((path, content)),
            _ => {}
        }
    }
    Ok(chosen.map(|(path, content)| Found {
        source: format!("{} that was installed with the server ({})", content.name, path.display()),
        name: content.name,
        bytes: content.bytes,
        files: content.files,
        beside: Beside::Nothing(
            "an installed disk has room for answers, and for no backup: put answers and backup onto a \
             volume with the label EZMAIL, or give the address of the backup, sftp:// or s3://",
        ),
    }))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn partition(folder: &Path, name: &str, text: &str) -> PathBuf {
        let content = Content {
            name: "answers.toml".into(),
            bytes: text.as_bytes().to_vec().into(),
            files: [].into(),
        };
        let path = folder.join(name);
        fs::write(&path, &*content.pack(reserved::SIZE).unwrap()).unwrap();
        path
    }

    #[test]
    fn answers_are_read_and_what_is_unclear_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let one = partition(folder.path(), "vda2", "one");
        let same = partition(folder.path(), "vdb2", "one");
        let other = partition(folder.path(), "vdc2", "other");
        let blank = folder.path().join("vdd2");
        fs::write(&blank, vec![0; reserved::SIZE]).unwrap();
        assert!(choose(&[]).unwrap().is_none());
        assert!(choose(std::slice::from_ref(&blank)).unwrap().is_none());
        let found = choose(&[blank, one.clone(), same]).unwrap().unwrap();
        assert_eq!(*found.bytes, b"one");
        let said = |places: &[PathBuf]| {
            let error = format!("{:#}", choose(places).err().unwrap());
            error.replace(&format!("{}/", folder.path().display()), "/dev/")
        };
        insta::assert_snapshot!(said(&[one.clone(), other]), @"the installed disks have different answers, on /dev/vda2 and /dev/vdc2: detach one of them");
        let mut bytes = fs::read(&one).unwrap();
        bytes[100] ^= 1;
        fs::write(&one, bytes).unwrap();
        insta::assert_snapshot!(said(&[one]), @"the answers on the disk (/dev/vda2) are damaged: the checksum does not match; give them once more: ezmail embed ANSWERS IMAGE, and boot that image once");
    }
}
