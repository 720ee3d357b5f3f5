//! The files of a file system, with their places in the image.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha512};

use super::bytes::{self, Bytes, Window};
use crate::iso9660::{BLOCK, Entry, Extent, Volume};

/// How deep and how many: far above what an image has, and an end to what is damaged.
const MAX_DEPTH: usize = 32;
const MAX_FILES: usize = 100_000;
const MAX_FOLDERS: usize = 4096;
/// Most bytes of all folders together, some of which may be the same ones.
const MAX_LISTS: u64 = 64 << 20;
/// Largest file that is read whole: configuration, lists, kernels.
pub const MAX_WHOLE: u64 = 256 << 20;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where its bytes are in the image.
    pub extents: Vec<Extent>,
    /// How many they are.
    pub size: u64,
}

impl File {
    /// All of it.
    ///
    /// # Errors
    /// When it is not all there, is too large for one piece, or reading fails.
    pub fn read(&self, bytes: &dyn Bytes) -> Result<Vec<u8>, String> {
        if self.size > MAX_WHOLE {
            return Err(format!("it has {} bytes, which is too much", self.size));
        }
        let mut all = Vec::new();
        bytes::pieces(bytes, &self.extents, |piece| all.extend_from_slice(piece))?;
        Ok(all)
    }

    /// Its first bytes, at most `count`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn begin(&self, bytes: &dyn Bytes, count: u64) -> Result<Vec<u8>, String> {
        match self.extents.first() {
            Some(first) => bytes::read(bytes, first.offset, first.length.min(count)),
            None => Ok(Vec::new()),
        }
    }

    /// `count` bytes from `from` on, fewer where it ends.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn part(&self, bytes: &dyn Bytes, from: u64, count: u64) -> Result<Vec<u8>, String> {
        let (mut all, mut at, mut rest) = (Vec::new(), from, count);
        for extent in &self.extents {
            let length = extent.length.saturating_sub(at).min(rest);
            if length > 0 {
                let offset = extent.offset.saturating_add(at);
                all.extend(bytes::read(bytes, offset, length)?);
            }
            rest -= length;
            at = at.saturating_sub(extent.length);
        }
        Ok(all)
    }

    /// Its SHA-512, 128 hexadecimal digits.
    ///
    /// # Errors
    /// When it is not all there, or reading fails.
    pub fn sha512(&self, bytes: &dyn Bytes) -> Result<String, String> {
        let mut hasher = Sha512::new();
        bytes::pieces(bytes, &self.extents, |piece| hasher.update(piece))?;
        Ok(hex::encode(hasher.finalize()))
    }
}

/// All files by their paths, without a slash at the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Ordered by path.
    pub files: BTreeMap<String, File>,
    /// Whether capitals make no difference (FAT).
    pub any_case: bool,
}

impl Tree {
    /// The file with that path, as the loader that reads this tree would find it.
    pub fn get(&self, path: &str) -> Option<&File> {
        let path = plain(path);
        match self.any_case {
            false => self.files.get(&path),
            true => self
                .files
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&path))
                .map(|(_, file)| file),
        }
    }

    /// The files right in a folder, or below it as well, whose names end so.
    pub fn in_folder<'a>(
        &'a self,
        folder: &'a str,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a File)> {
        let inside = move |path: &str| {
            let rest = match self.any_case {
                true => strip_any_case(path, folder),
                false => path.strip_prefix(folder),
            };
            rest.is_some_and(|rest| rest.starts_with('/'))
                && path.to_ascii_lowercase().ends_with(ending)
        };
        self.files
            .iter()
            .filter(move |(path, _)| inside(path))
            .map(|(path, file)| (path.as_str(), file))
    }

    /// Whether there is anything in a folder.
    pub fn has_folder(&self, folder: &str) -> bool {
        self.in_folder(folder, "").next().is_some()
    }
}

fn strip_any_case<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let (begin, rest) = path.split_at_checked(folder.len())?;
    begin.eq_ignore_ascii_case(folder).then_some(rest)
}

/// A path as keys of a tree are: no empty parts and no dots.
pub fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}

/// The tree of an ISO volume that begins at `start`.
///
/// # Errors
/// When a directory is damaged or leads back to itself, a name is there twice or no name, or a file
/// is larger than the volume.
pub fn of_volume(volume: &mut Volume<Window>, start: u64) -> Result<Tree, String> {
    let mut tree = Tree::default();
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut lists = 0_u64;
    let mut folders = vec![(String::new(), volume.root().clone(), 0)];
    while let Some((path, folder, depth)) = folders.pop() {
        let place = folder.extents.first().map(|e| e.offset);
        if depth > MAX_DEPTH || !seen.insert(place) {
            return Err(format!("the folder '{path}' leads back to itself"));
        }
        lists = lists.saturating_add(folder.size());
        if lists > MAX_LISTS {
            return Err(format!("its folders have more than {MAX_LISTS} bytes"));
        }
        for entry in volume.list(&folder).map_err(|e| e.to_string())? {
            let name = entry.shown();
            if name.contains('/') || matches!(name, "" | "." | "..") {
                return Err(format!("'{name}' in the folder '{path}' is no name"));
            }
            let path = format!("{path}{name}");
            if entry.size() > volume.size() {
                return Err(format!("'{path}' is larger than the volume"));
            }
            if tree.files.contains_key(&path) || names.contains(&path) {
                return Err(format!("'{path}' is there twice"));
            }
            if entry.directory {
                if names.len() == MAX_FOLDERS {
                    return Err(format!("it has more than {MAX_FOLDERS} folders"));
                }
                names.insert(path.clone());
                folders.push((path + "/", entry, depth + 1));
            } else if tree.files.len() == MAX_FILES {
                return Err(format!("it has more than {MAX_FILES} files"));
            } else {
                tree.files.insert(path, file(&entry, start));
            }
        }
    }
    Ok(tree)
}

fn file(entry: &Entry, start: u64) -> File {
    let moved = entry
        .extents
        .iter()
        .filter(|e| e.length > 0)
        .map(|e| Extent {
            offset: e.offset + start,
            length: e.length,
        });
    File {
        extents: moved.collect(),
        size: entry.size(),
    }
}

/// The block of an ISO volume at which a file begins.
pub fn block(file: &File) -> Option<u64> {
    file.extents.first().map(|e| e.offset / BLOCK)
}

/// Whether two files have the same bytes.
///
/// # Errors
/// When one of them is not all there, or reading fails.
pub fn same(bytes: &dyn Bytes, a: &File, b: &File) -> Result<bool, String> {
    if a.size != b.size {
        return Ok(false);
    }
    Ok(a.sha512(bytes)? == b.sha512(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_lie_in_two_places() {
        let bytes: Vec<u8> = (0..100).collect();
        let extent = |offset, length| Extent { offset, length };
        let file = File {
            extents: vec![extent(10, 5), extent(50, 3)],
            size: 8,
        };
        let part = |from, count| file.part(&bytes, from, count).unwrap();
        assert_eq!(part(0, 2), [10, 11]);
        assert_eq!(part(3, 3), [13, 14, 50]);
        assert_eq!(part(6, 9), [51, 52]);
        assert!(part(8, 1).is_empty());
        assert!(part(u64::MAX, u64::MAX).is_empty());
        let far = File {
            extents: vec![extent(99, 2)],
            size: 2,
        };
        assert!(far.part(&bytes, 0, 2).is_err());
    }

    fn tree(any_case: bool) -> Tree {
        let file = File {
            extents: Vec::new(),
            size: 0,
        };
        let paths = [
            "loader/entries/a.conf",
            "loader/loader.conf",
            "loaders/x.conf",
        ];
        Tree {
            files: paths.map(|p| (p.to_owned(), file.clone())).into(),
            any_case,
        }
    }

    #[test]
    fn paths_are_found_as_the_loader_would() {
        let exact = tree(false);
        assert!(exact.get("/loader//./loader.conf").is_some());
        assert!(exact.get("/Loader/loader.conf").is_none());
        assert!(tree(true).get("/Loader/LOADER.conf").is_some());
        let names = |t: &Tree, folder: &str| {
            let found = t.in_folder(folder, ".conf");
            found.map(|(p, _)| p.to_owned()).collect::<Vec<_>>()
        };
        let both = ["loader/entries/a.conf", "loader/loader.conf"];
        assert_eq!(names(&exact, "loader"), both);
        assert_eq!(names(&tree(true), "LOADER"), both);
        assert!(names(&exact, "LOADER").is_empty());
        assert!(!exact.has_folder("load"));
    }
}
