//! The checksum of an image's canonical form: the reserved place zeroed.

use std::{
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, Result, bail};

use super::image::Image;
use crate::util::{files, hash};

/// SHA-256 of an image as it was made, whatever answers are in it now.
///
/// # Errors
/// When it is not ours or cannot be read.
pub fn canonical(path: &Path) -> Result<String> {
    let what = || format!("reading {}", path.display());
    let image = Image::open(path, false)?;
    let extent = image.extent();
    let mut file = image.rewound().with_context(what)?;
    let blank = io::repeat(0).take(extent.length);
    let mut sum = hash::Running::default();
    sum.read(file.take(extent.offset)).with_context(what)?;
    sum.read(blank).with_context(what)?;
    file.seek(SeekFrom::Start(extent.offset + extent.length))
        .with_context(what)?;
    sum.read(file).with_context(what)?;
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
    let Some(expected) = expected(&text, &name) else {
        bail!("{} has no checksum for {name}", path.display());
    };
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

/// The checksum for `name` among lines of `sha256sum`; a single line is for any name, since
/// images are copied under other ones.
pub fn expected(text: &str, name: &str) -> Option<String> {
    let lines: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let (sum, file) = line.split_once(' ')?;
            let hex = sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit());
            hex.then(|| {
                (
                    sum.to_ascii_lowercase(),
                    file.trim_start_matches([' ', '*']),
                )
            })
        })
        .collect();
    match &lines[..] {
        [(sum, _)] => Some(sum.clone()),
        lines => lines
            .iter()
            .find(|(_, file)| *file == name)
            .map(|(sum, _)| sum.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_found_by_name_or_because_it_is_the_only_one() {
        let (a, b) = ("a".repeat(64), "B".repeat(64));
        let two = format!("{a}  x.iso\n# note\n{b} *y.iso\n");
        assert_eq!(expected(&two, "x.iso"), Some(a.clone()));
        assert_eq!(expected(&two, "y.iso"), Some("b".repeat(64)));
        assert_eq!(expected(&two, "z.iso"), None);
        assert_eq!(expected(&format!("{a}  x.iso\n"), "z.iso"), Some(a));
        assert_eq!(expected("no  x.iso\n", "x.iso"), None);
        assert_eq!(expected("", "x.iso"), None);
    }
}
