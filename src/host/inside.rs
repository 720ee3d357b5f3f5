//! Paths in an image that is being made. Its links are somebody's input, and the kernel follows them
//! through the builder's own files: nothing is read or written that lies outside of the image.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Where `relative` lies in the image whose files are at `root`: its links are followed as far as it
/// exists, so what is returned has none but in the part of `root` itself.
///
/// # Errors
/// When a link leads out of the image, or to nothing: a file written there would be made at its end;
/// and when `relative` itself climbs out by `..`.
pub fn inside(root: &Path, relative: impl AsRef<Path>) -> Result<PathBuf> {
    let relative = relative.as_ref();
    let root = root
        .canonicalize()
        .with_context(|| format!("opening the image's files at {}", root.display()))?;
    let mut found = root.clone();
    for part in relative.components() {
        match part {
            Component::Normal(name) => found.push(name),
            Component::RootDir | Component::CurDir => continue,
            Component::ParentDir | Component::Prefix(_) => bail!(
                "'{}' leads out of the image; name it without '..'",
                relative.display()
            ),
        }
        found = followed(&root, found)?;
    }
    Ok(found)
}

/// `path` itself, or what it leads to as a link.
fn followed(root: &Path, path: PathBuf) -> Result<PathBuf> {
    let what = || format!("reading {}", path.display());
    let metadata = match path.symlink_metadata() {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(path);
        }
        other => other.with_context(what)?,
    };
    if !metadata.is_symlink() {
        return Ok(path);
    }
    let shown = format!("/{}", path.strip_prefix(root).unwrap_or(&path).display());
    let to = fs::read_link(&path).with_context(what)?;
    match path.canonicalize() {
        Ok(end) if end.starts_with(root) => Ok(end),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).with_context(what),
        Err(_) if to.is_relative() => bail!(
            "{shown} in the image is a link that leads nowhere, to {}; make what it leads to, or \
             remove it from the overlay",
            to.display()
        ),
        _ => bail!(
            "{shown} in the image is a link that leads out of it, to {}; a relative link to a place \
             in the image would do",
            to.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_places_in_the_image_or_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let root = base.join("image");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        fs::create_dir(base.join("image-2")).unwrap();
        let link = |to: &str, name: &str| symlink(to, root.join(name)).unwrap();
        link("usr/lib", "lib");
        link("../../image-2", "usr/beside");
        link("/tmp", "tmp");
        link("../run/x", "etc/nothing");
        link("/run/no-such-thing", "etc/absolute");
        link("loop", "loop");

        let good = |relative: &str| inside(&root, relative).unwrap();
        assert_eq!(good("/lib/os-release"), root.join("usr/lib/os-release"));
        assert_eq!(good("lib/a/b/"), root.join("usr/lib/a/b"));
        assert_eq!(good(""), root);
        let error = |relative: &str| {
            let text = format!("{:#}", inside(&root, relative).unwrap_err());
            text.replace(&base.display().to_string(), "BASE")
        };
        insta::assert_snapshot!(error("usr/beside/x"), @"/usr/beside in the image is a link that leads out of it, to ../../image-2; a relative link to a place in the image would do");
        insta::assert_snapshot!(error("tmp"), @"/tmp in the image is a link that leads out of it, to /tmp; a relative link to a place in the image would do");
        insta::assert_snapshot!(error("etc/nothing"), @"/etc/nothing in the image is a link that leads nowhere, to ../run/x; make what it leads to, or remove it from the overlay");
        insta::assert_snapshot!(error("etc/absolute"), @"/etc/absolute in the image is a link that leads out of it, to /run/no-such-thing; a relative link to a place in the image would do");
        insta::assert_snapshot!(error("usr/../../etc"), @"'usr/../../etc' leads out of the image; name it without '..'");
        insta::assert_snapshot!(error("loop"), @"reading BASE/image/loop: Too many levels of symbolic links (os error 40)");
    }
}
