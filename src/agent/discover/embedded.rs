//! Answers in the image itself, where `ezmail embed` put them.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use zeroize::Zeroizing;

use super::{Beside, Found, Source};
use crate::{
    agent::block::{self, Device},
    answers::{
        container::Content,
        reserved::{self, LABEL, Unsuitable},
    },
};

/// The reserved file of the medium that the machine has booted from, or that has its label.
pub struct Embedded;

impl Source for Embedded {
    fn name(&self) -> String {
        "the image itself".to_owned()
    }

    fn look(&self) -> Result<Option<Found>> {
        let found = choose(&media(block::list()?))?;
        Ok(found.map(|(path, content)| Found {
            source: format!(
                "{} embedded in the image ({})",
                content.name,
                path.display()
            ),
            name: content.name,
            bytes: content.bytes,
            files: content.files,
            beside: Beside::Nothing(
                "the image has room for answers and key files, and for no backup: put answers and \
                 backup onto a volume with the label EZMAIL, or give the address of the backup, \
                 sftp:// or s3://",
            ),
        }))
    }
}

/// The devices with our label, by medium: of an image on a disk, both the disk and its first
/// partition have it.
fn media(devices: Vec<Device>) -> Vec<Vec<PathBuf>> {
    let mut media: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for device in devices {
        if device.label.as_deref() == Some(LABEL) {
            let medium = device.pkname.clone();
            let medium = medium.unwrap_or_else(|| device.name.clone());
            media.entry(medium).or_default().push(device.path);
        }
    }
    media.into_values().collect()
}

/// The answers on these media and the device that they are on.
///
/// # Errors
/// When a medium cannot be read, when what is on it is not whole, or when two have different
/// answers.
fn choose(media: &[Vec<PathBuf>]) -> Result<Option<(PathBuf, Content)>> {
    let mut chosen: Option<(PathBuf, Content)> = None;
    for devices in media {
        let Some((path, content)) = read_medium(devices)? else {
            continue;
        };
        match &chosen {
            Some((other, first)) if *first != content => bail!(
                "the images on {} and {} have different answers: detach one of them",
                other.display(),
                path.display()
            ),
            Some(_) => {}
            None => chosen = Some((path, content)),
        }
    }
    Ok(chosen)
}

/// What the first device of a medium says that can be read as an image; the error of the first
/// if none can.
fn read_medium(devices: &[PathBuf]) -> Result<Option<(PathBuf, Content)>> {
    let mut error = None;
    for path in devices {
        match read_device(path) {
            Ok(reserved) => {
                let content = Content::unpack(&reserved).map_err(|damage| {
                    anyhow!(
                        "the answers in the image ({}) {damage}; write them again, on your own \
                         computer: ezmail embed --replace ANSWERS IMAGE",
                        path.display()
                    )
                })?;
                return Ok(content.map(|content| (path.clone(), content)));
            }
            // made by mkarchiso from our profile: nothing is reserved, so nothing is there
            Err(e) if matches!(e.downcast_ref(), Some(Unsuitable::NoRoom)) => return Ok(None),
            Err(e) => {
                error.get_or_insert(e);
            }
        }
    }
    error.map_or(Ok(None), Err)
}

fn read_device(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let what = || format!("looking for answers in the image on {}", path.display());
    let file = File::open(path).with_context(what)?;
    let extent = reserved::find(&file).with_context(what)?;
    let mut bytes = Zeroizing::new(vec![0; reserved::SIZE]);
    file.read_exact_at(&mut bytes, extent.offset)
        .with_context(what)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        agent::block::tests::devices,
        answers::reserved::{SIZE, test_image},
        util::hash,
    };

    fn device(path: &str, label: &str, pkname: Option<&str>) -> Device {
        Device {
            path: path.into(),
            name: path.trim_start_matches("/dev/").to_owned(),
            label: Some(label.to_owned()),
            fstype: Some("iso9660".to_owned()),
            pkname: pkname.map(str::to_owned),
            ..devices().remove(0)
        }
    }

    #[test]
    fn a_disk_and_its_partition_are_one_medium() {
        let found = media(vec![
            device("/dev/sr0", LABEL, None),
            device("/dev/vda", LABEL, None),
            device("/dev/vda1", LABEL, Some("vda")),
            device("/dev/vdb", "EZMAIL", None),
        ]);
        let sr0: &[PathBuf] = &["/dev/sr0".into()];
        let vda: &[PathBuf] = &["/dev/vda".into(), "/dev/vda1".into()];
        assert_eq!(found, [sr0, vda]);
    }

    fn content(text: &str) -> Content {
        Content {
            name: "a.toml".into(),
            bytes: text.as_bytes().to_vec().into(),
            files: [("key.pem".to_owned(), b"k".to_vec().into())].into(),
        }
    }

    /// Images as devices: what is done to them is given as reserved files.
    fn outcome(media: &[&[&[u8]]]) -> Result<Option<(String, String)>, String> {
        let dir = tempfile::tempdir().unwrap();
        let blank = test_image(LABEL, Some(SIZE));
        let at = reserved::find(std::io::Cursor::new(&blank)).unwrap().offset as usize;
        let mut paths = Vec::new();
        for (m, devices) in media.iter().enumerate() {
            let mut medium = Vec::new();
            for (d, reserved) in devices.iter().enumerate() {
                let path = dir.path().join(format!("{m}{d}"));
                let mut image = blank.clone();
                match reserved.len() {
                    SIZE => image[at..at + SIZE].copy_from_slice(reserved),
                    // not an image
                    _ => image = reserved.to_vec(),
                }
                fs::write(&path, image).unwrap();
                medium.push(path);
            }
            paths.push(medium);
        }
        let folder = dir.path().display().to_string() + "/";
        match choose(&paths) {
            Ok(found) => Ok(found.map(|(path, content)| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, hash::sha256(&*content.bytes))
            })),
            Err(e) => Err(format!("{e:#}").replace(&folder, "/dev/")),
        }
    }

    #[test]
    fn blank_media_have_no_answers_and_one_with_answers_wins() {
        let (blank, one) = (&[0; SIZE][..], content("one").pack(SIZE).unwrap());
        let sum = hash::sha256("one");
        assert_eq!(outcome(&[]), Ok(None));
        assert_eq!(outcome(&[&[blank], &[blank, blank]]), Ok(None));
        let found = |name: &str| Ok(Some((name.to_owned(), sum.clone())));
        assert_eq!(outcome(&[&[blank], &[&one, &one]]), found("10"));
        // the same answers twice are no question
        assert_eq!(outcome(&[&[&one], &[&one]]), found("00"));
        // a device that is no image does not matter if its medium has one that is
        assert_eq!(outcome(&[&[b"", &one]]), found("01"));
    }

    #[test]
    fn what_is_unclear_is_refused_with_the_way_out() {
        let one = content("one").pack(SIZE).unwrap();
        let two = content("two").pack(SIZE).unwrap();
        let mut bad = one.clone();
        bad[100] ^= 1;
        insta::assert_snapshot!(outcome(&[&[&one], &[&two]]).unwrap_err(), @"the images on /dev/00 and /dev/10 have different answers: detach one of them");
        insta::assert_snapshot!(outcome(&[&[&bad]]).unwrap_err(), @"the answers in the image (/dev/00) are damaged: the checksum does not match; write them again, on your own computer: ezmail embed --replace ANSWERS IMAGE");
        insta::assert_snapshot!(outcome(&[&[&one], &[&bad]]).unwrap_err(), @"the answers in the image (/dev/10) are damaged: the checksum does not match; write them again, on your own computer: ezmail embed --replace ANSWERS IMAGE");
        insta::assert_snapshot!(outcome(&[&[b""]]).unwrap_err(), @"looking for answers in the image on /dev/00: this is no ISO 9660 image");
    }

    #[test]
    fn an_image_that_reserves_nothing_has_no_answers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, test_image(LABEL, None)).unwrap();
        assert!(choose(&[vec![path.clone()]]).unwrap().is_none());
        fs::write(&path, test_image(LABEL, Some(5000))).unwrap();
        assert!(choose(&[vec![path]]).is_err());
    }
}
