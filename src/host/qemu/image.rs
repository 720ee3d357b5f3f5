//! What kind of image a file is, by its content: names are anybody's.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::config::{Disk, DiskFormat};

/// Where the standard identifier of the first volume descriptor is (ECMA-119, section 8.1.2), and
/// what it says.
const ISO: (usize, &[u8]) = (16 * 2048 + 1, b"CD001");

/// How a qcow2 file begins (QEMU, docs/interop/qcow2.txt).
const QCOW2: &[u8] = b"QFI\xfb";

/// How the header of a GPT begins (UEFI specification, section 5.3.2), which is in the second
/// sector; sectors have 512 bytes, or 4096.
const GPT: (&[usize], &[u8]) = (&[512, 4096], b"EFI PART");

/// As much of a file as has to be seen.
const HEAD: u64 = 16 * 2048 + 2048;

/// What `ezmail boot` boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// An ISO 9660 image, which is never written to.
    Iso(PathBuf),
    /// A disk that a server is installed to; what the guest writes is not kept.
    Disk(Disk),
}

impl Image {
    /// Looks into `path`: an ISO, also one with a partition table, or a disk, qcow2 or raw with a GPT.
    ///
    /// # Errors
    /// When it cannot be read or is none of these.
    pub fn open(path: &Path) -> Result<Self> {
        let head =
            head(path).with_context(|| format!("the image {} cannot be read", path.display()))?;
        let format = match kind(&head) {
            Some(Kind::Iso) => return Ok(Self::Iso(path.to_owned())),
            Some(Kind::Disk(format)) => format,
            None => bail!(
                "{} is neither an ISO image nor a disk that a server is installed to: no ISO 9660 \
                 volume begins in it, it is not qcow2, and it has no GPT; another disk is attached \
                 with --disk",
                path.display()
            ),
        };
        Ok(Self::Disk(Disk {
            path: path.to_owned(),
            size: None,
            format,
            keep: false,
        }))
    }
}

/// Whether an ISO 9660 volume begins in a file with that head.
pub fn is_iso(head: &[u8]) -> bool {
    has(head, ISO.0, ISO.1)
}

/// As much of a file's beginning as [`is_iso`] has to see.
///
/// # Errors
/// When it cannot be read.
pub fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Iso,
    Disk(DiskFormat),
}

fn kind(head: &[u8]) -> Option<Kind> {
    if has(head, 0, QCOW2) {
        Some(Kind::Disk(DiskFormat::Qcow2))
    } else if is_iso(head) {
        // before the GPT, which an ISO has as well, so that it can be written to a stick
        Some(Kind::Iso)
    } else if GPT.0.iter().any(|&at| has(head, at, GPT.1)) {
        Some(Kind::Disk(DiskFormat::Raw))
    } else {
        None
    }
}

fn has(head: &[u8], at: usize, mark: &[u8]) -> bool {
    head.get(at..).is_some_and(|rest| rest.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head_with(marks: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; usize::try_from(HEAD).unwrap()];
        for (at, mark) in marks {
            head[*at..at + mark.len()].copy_from_slice(mark);
        }
        head
    }

    #[test]
    fn kinds_by_content() {
        let raw = Some(Kind::Disk(DiskFormat::Raw));
        let iso = (ISO.0, ISO.1);
        assert_eq!(kind(&head_with(&[iso])), Some(Kind::Iso));
        assert_eq!(kind(&head_with(&[iso, (512, GPT.1)])), Some(Kind::Iso));
        assert_eq!(kind(&head_with(&[(512, GPT.1)])), raw);
        assert_eq!(kind(&head_with(&[(4096, GPT.1)])), raw);
        assert_eq!(kind(QCOW2), Some(Kind::Disk(DiskFormat::Qcow2)));
        // a boot sector alone, a GPT elsewhere, nothing at all
        assert_eq!(kind(&head_with(&[(510, b"\x55\xaa")])), None);
        assert_eq!(kind(&head_with(&[(1024, GPT.1)])), None);
        assert_eq!(kind(b""), None);
    }

    #[test]
    fn names_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.iso");
        std::fs::write(&path, head_with(&[(512, GPT.1)])).unwrap();
        let Image::Disk(disk) = Image::open(&path).unwrap() else {
            panic!("not a disk");
        };
        assert_eq!((disk.format, disk.size), (DiskFormat::Raw, None));
        assert!(!disk.keep);
        std::fs::write(&path, head_with(&[(ISO.0, ISO.1)])).unwrap();
        assert_eq!(Image::open(&path).unwrap(), Image::Iso(path));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let blank = dir.path().join("blank.raw");
        std::fs::write(&blank, head_with(&[])).unwrap();
        let said: String = [blank, dir.path().join("none.iso"), dir.path().to_owned()]
            .iter()
            .map(|path| format!("{:#}\n", Image::open(path).unwrap_err()))
            .collect();
        insta::assert_snapshot!(said.replace(&dir.path().display().to_string(), "DIR"));
    }
}
