//! The place for answers in an image: the file that every image of ours reserves for them.

use std::io::{Read, Seek};

use crate::iso9660::{self, Extent, Volume};

/// The volume label of our images, as the profile's `profiledef.sh` has it.
pub const LABEL: &str = "EZMAIL_BOOT";
/// The reserved file. What is in it: [`super::container`].
pub const FILE: &str = "ezmail/answers";
/// Its size in bytes.
pub const SIZE: usize = 1 << 20;

/// Why there is no place for answers.
#[derive(Debug, thiserror::Error)]
pub enum Unsuitable {
    /// No image at all, or a damaged one.
    #[error(transparent)]
    Unreadable(#[from] iso9660::Error),
    /// Somebody else's image.
    #[error("this is the image '{0}', and none of ezmail: those are called {LABEL}")]
    Foreign(String),
    /// Ours, and shorter than it says.
    #[error("the image is cut short: it has {has} of {needs} bytes; copy or fetch it again")]
    Short {
        /// The size that it has.
        has: u64,
        /// The size that it should at least have.
        needs: u64,
    },
    /// Ours by its label, and nothing reserved.
    #[error(
        "the image has no room for answers: no file {FILE}; images that 'ezmail image' makes \
         have it"
    )]
    NoRoom,
    /// The file is another than [`SIZE`] bytes in one piece.
    #[error("{FILE} in the image is not one piece of {SIZE} bytes, so it was not made for answers")]
    WrongRoom,
}

/// Finds the reserved file in an image or a medium.
///
/// # Errors
/// When it is not our image, or has no place for answers.
pub fn find(image: impl Read + Seek) -> Result<Extent, Unsuitable> {
    let mut volume = Volume::open(image)?;
    if volume.id() != LABEL {
        return Err(Unsuitable::Foreign(volume.id().to_owned()));
    }
    let (has, needs) = (volume.length(), volume.size());
    if has < needs {
        return Err(Unsuitable::Short { has, needs });
    }
    let file = match volume.find(FILE) {
        Err(iso9660::Error::NotFound(_)) => return Err(Unsuitable::NoRoom),
        other => other?,
    };
    match file.extents[..] {
        [extent] if !file.directory && extent.length == SIZE as u64 => Ok(extent),
        _ => Err(Unsuitable::WrongRoom),
    }
}

/// An image as xorriso makes it, with that label and a blank reserved file of that size.
#[cfg(test)]
pub(crate) fn test_image(label: &str, size: Option<usize>) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (tree, out) = (dir.path().join("tree"), dir.path().join("x.iso"));
    std::fs::create_dir_all(tree.join("ezmail")).unwrap();
    std::fs::write(tree.join("version"), "1").unwrap();
    if let Some(size) = size {
        std::fs::write(tree.join(FILE), vec![0; size]).unwrap();
    }
    let output = std::process::Command::new("xorriso")
        .args(["-no_rc", "-report_about", "SORRY", "-as", "mkisofs"])
        .args(["-iso-level", "3", "-full-iso9660-filenames", "-joliet"])
        .args(["-rational-rock", "-partition_offset", "16"])
        .args(["-volid", label, "-output"])
        .args([&out, &tree])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    std::fs::read(out).unwrap()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn error(image: &[u8]) -> String {
        find(Cursor::new(image)).unwrap_err().to_string()
    }

    #[test]
    fn the_reserved_file_is_found_and_what_is_not_ours_is_named() {
        let image = test_image(LABEL, Some(SIZE));
        let extent = find(Cursor::new(&image)).unwrap();
        assert_eq!(extent.length, SIZE as u64);
        let short = &image[..image.len() - SIZE / 2];
        let needs = Volume::open(Cursor::new(&image)).unwrap().size();
        assert_eq!(
            error(short),
            format!(
                "the image is cut short: it has {} of {needs} bytes; copy or fetch it again",
                short.len()
            )
        );
        insta::assert_snapshot!(error(b"PK"), @"this is no ISO 9660 image");
        insta::assert_snapshot!(error(&test_image("ARCH_202401", Some(SIZE))), @"this is the image 'ARCH_202401', and none of ezmail: those are called EZMAIL_BOOT");
        insta::assert_snapshot!(error(&test_image(LABEL, None)), @"the image has no room for answers: no file ezmail/answers; images that 'ezmail image' makes have it");
        insta::assert_snapshot!(error(&test_image(LABEL, Some(4096))), @"ezmail/answers in the image is not one piece of 1048576 bytes, so it was not made for answers");
    }

    #[test]
    fn the_label_is_the_profiles() {
        let profile = include_str!("../../profile/profiledef.sh.tera");
        assert!(profile.contains(&format!("iso_label=\"{LABEL}\"")));
    }
}
