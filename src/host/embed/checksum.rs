//! The checksum of an image's canonical form: the reserved place zeroed, where there is one.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, Result, bail};

use super::image::Image;
use crate::{
    answers::reserved::Unsuitable,
    iso9660::Extent,
    util::{files, hash},
};

/// SHA-256 of an image as it was made, whatever answers are in it now. Of an image without a place
/// for them, such as one of mkarchiso's, it is that of the whole file.
///
/// # Errors
/// When it is no whole image or cannot be read.
pub fn canonical(path: &Path) -> Result<String> {
    canonical_of(path, u64::MAX)
}

/// The same of the first `length` bytes: a disk is larger than the image that was copied to it.
///
/// # Errors
/// As [`canonical`].
pub fn canonical_of(path: &Path, length: u64) -> Result<String> {
    let sum = match Image::open(path, false) {
        Ok(image) => image
            .rewound()
            .and_then(|file| sum(file, Some(image.extent()), length)),
        Err(e) if has_no_place(&e) => File::open(path).and_then(|file| sum(&file, None, length)),
        Err(e) => return Err(e),
    };
    sum.with_context(|| format!("reading {}", path.display()))
}

/// Whether there never was a place for answers: what else is wrong with an image stays an error.
fn has_no_place(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(Unsuitable::NoRoom | Unsuitable::Foreign(_))
    )
}

/// The sum of the first `length` bytes, zeros in place of what is in `blank`.
fn sum(mut file: &File, blank: Option<Extent>, length: u64) -> io::Result<String> {
    let mut sum = hash::Running::default();
    let mut rest = length;
    if let Some(blank) = blank {
        let end = blank.offset + blank.length;
        sum.read(file.take(blank.offset))?;
        sum.read(io::repeat(0).take(blank.length))?;
        file.seek(SeekFrom::Start(end))?;
        rest = length.saturating_sub(end);
    }
    sum.read(file.take(rest))?;
    Ok(sum.finish())
}

/// Compares an image's checksum with what a file of `sha256sum` says, by default `IMAGE.sha256`.
///
/// # Errors
/// When it is another, or the file has none.
pub fn compare(image: &Path, sum: &str, file: Option<&Path>) -> Result<()> {
    let beside = format!("{}.sha256", image.display());
    let path = file.unwrap_or(Path::new(&beside));
    let text = match (files::read_to_string(path), file) {
        (Err(e), None) => bail!("{e:#}; name the file with --check=FILE"),
        (result, _) => result?,
    };
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let expected = expected(&text, &name)
        .with_context(|| format!("{} has no checksum for {name}", path.display()))?;
    if file.is_none() && expected.name != name {
        bail!(
            "{} is of {}, not of {name}; if that is the same under another name, name the file \
             with --check=FILE",
            path.display(),
            expected.name.escape_debug()
        );
    }
    let expected = expected.sum;
    if expected != sum {
        bail!(
            "{} is not the image of {}: without answers its checksum is {sum}, and {expected} was \
             expected; copy or fetch it again",
            image.display(),
            path.display()
        );
    }
    Ok(())
}

/// A line of `sha256sum`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The SHA-256, 64 hexadecimal digits in small letters.
    pub sum: String,
    /// What of, without its folder.
    pub name: String,
}

/// The line for `name` among those of `sha256sum`, or else the only one: images are copied under
/// other names. Whether that will do is for the caller to say.
pub fn expected(text: &str, name: &str) -> Option<Line> {
    let lines = text.lines().filter_map(|line| {
        let (sum, file) = line.split_once(' ')?;
        let hex = sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
        let file = file.trim_start_matches([' ', '*']).trim_end();
        hex.then(|| Line {
            sum: sum.to_ascii_lowercase(),
            name: file.rsplit('/').next().unwrap_or(file).to_owned(),
        })
    });
    let mut lines: Vec<_> = lines.collect();
    match lines.iter().position(|line| line.name == name) {
        Some(at) => Some(lines.swap_remove(at)),
        None if lines.len() == 1 => lines.pop(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::reserved;

    #[test]
    fn a_checksum_is_found_by_name_or_because_it_is_the_only_one() {
        let (a, b) = ("a".repeat(64), "B".repeat(64));
        let two = format!("{a}  x.iso\n# note\n{b} *out/y.iso\n");
        let found = |text: &str, name| {
            let line = expected(text, name)?;
            Some((line.sum, line.name))
        };
        let line = |sum: &str, name: &str| Some((sum.to_owned(), name.to_owned()));
        assert_eq!(found(&two, "x.iso"), line(&a, "x.iso"));
        assert_eq!(found(&two, "y.iso"), line(&"b".repeat(64), "y.iso"));
        assert_eq!(found(&two, "z.iso"), None);
        assert_eq!(found(&format!("{a}  x.iso\n"), "z.iso"), line(&a, "x.iso"));
        assert_eq!(found("no  x.iso\n", "x.iso"), None);
        assert_eq!(found("", "x.iso"), None);
    }

    /// Of mkarchiso's, of somebody else's, and of a disk that is larger: the sum of the image.
    #[test]
    fn an_image_without_a_place_for_answers_has_a_checksum_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.iso");
        for (label, size) in [
            (reserved::LABEL, None),
            ("ARCH_202401", None),
            (reserved::LABEL, Some(reserved::SIZE)),
        ] {
            let image = reserved::test_image(label, size);
            std::fs::write(&path, &image).unwrap();
            let whole = hash::sha256(&image);
            assert_eq!(canonical(&path).unwrap(), whole, "{label}");
            let larger = [&image[..], &[7; 5000]].concat();
            std::fs::write(&path, &larger).unwrap();
            assert_eq!(canonical(&path).unwrap(), hash::sha256(&larger));
            let length = image.len() as u64;
            assert_eq!(canonical_of(&path, length).unwrap(), whole);
        }
        // what is wrong otherwise stays wrong
        let wrong = reserved::test_image(reserved::LABEL, Some(4096));
        std::fs::write(&path, wrong).unwrap();
        let error = format!("{:#}", canonical(&path).unwrap_err());
        assert!(error.contains("is not one piece of"), "{error}");
    }

    #[test]
    fn another_images_checksum_does_not_do_under_this_name() {
        let dir = tempfile::tempdir().unwrap();
        let (image, sum) = (dir.path().join("y.iso"), "a".repeat(64));
        let file = dir.path().join("y.iso.sha256");
        std::fs::write(&file, format!("{sum}  x.iso\n")).unwrap();
        let error = compare(&image, &sum, None).unwrap_err().to_string();
        let error = error.replace(&dir.path().display().to_string(), "DIR");
        insta::assert_snapshot!(error, @"DIR/y.iso.sha256 is of x.iso, not of y.iso; if that is the same under another name, name the file with --check=FILE");
        compare(&image, &sum, Some(&file)).unwrap();
    }
}
