//! SHA-256 of files and of labelled inputs, as lower-case hexadecimal.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256, Sha512};

/// SHA-256 of `bytes`, 64 hexadecimal digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes.as_ref()))
}

/// SHA-256 of what `reader` yields, and how many bytes that was.
///
/// # Errors
/// Whatever reading returns.
pub fn sha256_reader(reader: impl Read) -> io::Result<(String, u64)> {
    let mut sum = Running::default();
    let total = sum.read(reader)?;
    Ok((sum.finish(), total))
}

/// SHA-256 of what comes in several pieces.
#[derive(Debug, Default, Clone)]
pub struct Running(Sha256);

impl Running {
    /// Adds all that `reader` yields; returns how many bytes that was.
    ///
    /// # Errors
    /// Whatever reading returns.
    pub fn read(&mut self, mut reader: impl Read) -> io::Result<u64> {
        let mut buffer = vec![0; 1 << 16];
        let mut total = 0;
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            self.0.update(&buffer[..n]);
            total += n as u64;
        }
    }

    /// 64 hexadecimal digits.
    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }

    /// 32 bytes.
    pub fn finish_bytes(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// SHA-256 of a file's content.
///
/// # Errors
/// When the file cannot be read; the message names it.
pub fn sha256_file(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(sha256_reader(file)
        .with_context(|| format!("reading {}", path.display()))?
        .0)
}

/// SHA-512 of a file's content, 128 hexadecimal digits.
///
/// # Errors
/// When the file cannot be read; the message names it.
pub fn sha512_file(path: &Path) -> Result<String> {
    let what = || format!("reading {}", path.display());
    let mut hasher = Sha512::new();
    let mut file = File::open(path).with_context(what)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).with_context(what)?;
        if n == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// Collects the inputs of one build step into a cache key.
///
/// Every input has a label and a length, so that moving a byte from one input to the next
/// changes the key.
#[derive(Debug, Default, Clone)]
pub struct Key(Sha256);

impl Key {
    /// An empty key; `format` is raised when a step's output changes for the same inputs.
    pub fn new(step: &str, format: u32) -> Self {
        let mut key = Self::default();
        key.add(step, format.to_le_bytes());
        key
    }

    /// Adds one labelled input.
    pub fn add(&mut self, label: &str, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.0.update((label.len() as u64).to_le_bytes());
        self.0.update(label);
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    /// Adds a file's content under its label.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn add_file(&mut self, label: &str, path: &Path) -> Result<&mut Self> {
        let sum = sha256_file(path)?;
        Ok(self.add(label, sum))
    }

    /// Adds every file and empty folder below `folder`: path, kind, executable bit and content, in sorted
    /// order.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read.
    pub fn add_tree(&mut self, label: &str, folder: &Path) -> Result<&mut Self> {
        self.add_tree_without(label, folder, None)
    }

    /// As [`Self::add_tree`], but for what is below the path `without` in it.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read.
    pub fn add_tree_without(
        &mut self,
        label: &str,
        folder: &Path,
        without: Option<&str>,
    ) -> Result<&mut Self> {
        use std::os::unix::fs::PermissionsExt;
        self.add("tree", label);
        let without = without.map(|path| folder.join(path));
        let walk = walkdir::WalkDir::new(folder)
            .sort_by_file_name()
            .min_depth(1);
        for entry in walk
            .into_iter()
            .filter_entry(|entry| Some(entry.path()) != without.as_deref())
        {
            let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
            let name = entry
                .path()
                .strip_prefix(folder)?
                .to_string_lossy()
                .into_owned();
            let kind = entry.file_type();
            if kind.is_symlink() {
                let to = std::fs::read_link(entry.path())?;
                self.add(&name, to.to_string_lossy().as_bytes());
            } else if kind.is_file() {
                let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
                self.add(&name, [u8::from(executable)]);
                self.add_file(&name, entry.path())?;
            } else if kind.is_dir() && std::fs::read_dir(entry.path())?.next().is_none() {
                // others are told by what is in them; no link leads to a NUL
                self.add(&name, b"\0folder");
            }
        }
        Ok(self)
    }

    /// The key: 64 hexadecimal digits.
    pub fn finish(&self) -> String {
        hex::encode(self.0.clone().finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digest() {
        // FIPS 180-2, appendix B.1
        assert_eq!(
            sha256("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_key_sees_where_an_input_ends() {
        let mut a = Key::new("step", 1);
        a.add("x", "ab").add("y", "c");
        let mut b = Key::new("step", 1);
        b.add("x", "a").add("y", "bc");
        assert_ne!(a.finish(), b.finish());
    }

    #[test]
    fn a_key_sees_renames_modes_and_empty_folders() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        let key = |d: &Path| Key::new("s", 1).add_tree("t", d).unwrap().finish();
        let plain = key(dir.path());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let executable = key(dir.path());
        assert_ne!(plain, executable);
        std::fs::rename(&file, dir.path().join("g")).unwrap();
        let renamed = key(dir.path());
        assert_ne!(executable, renamed);
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        let with_folder = key(dir.path());
        assert_ne!(renamed, with_folder);
        std::fs::rename(dir.path().join("empty"), dir.path().join("other")).unwrap();
        assert_ne!(with_folder, key(dir.path()));
    }
}
