//! Root's password in shadow(5).

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::target::Target;
use crate::util::{files::AtomicFile, secret::Secret};

/// The file.
pub const FILE: &str = "/etc/shadow";
/// What no password fits; SSH keys are not asked about it.
const LOCKED: &str = "!*";

/// Root's password as it shall be: a crypt(5) hash, or `None` for no login.
#[derive(Debug, Clone)]
pub struct RootPassword(pub Option<Secret>);

impl RootPassword {
    /// What would change, in words that do not show the hash.
    ///
    /// # Errors
    /// When the file cannot be read, or has no line for root that a password could go to.
    pub fn preview(&self, target: &Target) -> Result<Option<String>> {
        Ok(self.changed(target)?.map(|_| self.said()))
    }

    /// Writes the file anew, with the owner and permissions that it has; says what was done.
    ///
    /// # Errors
    /// As [`RootPassword::preview`], and when the file cannot be written.
    pub fn apply(&self, target: &Target) -> Result<Option<String>> {
        let Some(text) = self.changed(target)? else {
            return Ok(None);
        };
        let path = target.path(Path::new(FILE));
        let what = || format!("writing {}", path.display());
        let old = fs::metadata(&path).with_context(what)?;
        let mut file = AtomicFile::create(&path)?;
        file.write_all(text.as_bytes()).with_context(what)?;
        if rustix::process::geteuid().is_root() {
            fchown(file.file(), Some(old.uid()), Some(old.gid())).with_context(what)?;
        }
        file.commit(old.permissions().mode() & 0o7777)?;
        Ok(Some(self.said()))
    }

    fn said(&self) -> String {
        match self.0 {
            Some(_) => "root's password at the console is set".to_owned(),
            None => "root has no password any more".to_owned(),
        }
    }

    /// The text of the file as it has to be, if that is another one.
    fn changed(&self, target: &Target) -> Result<Option<Zeroizing<String>>> {
        let path = target.path(Path::new(FILE));
        let text = match fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            // nothing to lock: without the file nobody has a password
            Err(e) if e.kind() == ErrorKind::NotFound && self.0.is_none() => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
        };
        let hash = self.0.as_ref().map(Secret::expose);
        with_root(&text, hash).with_context(|| path.display().to_string())
    }
}

/// The hash that root has in a shadow(5) text, if it has one.
pub fn root_hash(text: &str) -> Option<&str> {
    let fields = text.lines().find_map(|line| line.strip_prefix("root:"))?;
    let hash = fields.split(':').next()?;
    hash.starts_with('$').then_some(hash)
}

/// `text` with `hash` as root's password, or with a lock in its place; `None` if it is so already.
fn with_root(text: &str, hash: Option<&str>) -> Result<Option<Zeroizing<String>>> {
    let start = match text.starts_with("root:") {
        true => Some(0),
        false => text.find("\nroot:").map(|n| n + 1),
    };
    let Some((start, rest)) = start.map(|n| n + "root:".len()).map(|n| (n, &text[n..])) else {
        if hash.is_none() {
            return Ok(None);
        }
        bail!("there is no line for root");
    };
    let line = rest.lines().next().unwrap_or("");
    let Some(length) = line.find(':') else {
        bail!("the line for root has too few fields");
    };
    let old = &rest[..length];
    let new = match hash {
        Some(hash) => hash,
        // locked in whatever way
        None if old.starts_with(['!', '*']) => return Ok(None),
        None => LOCKED,
    };
    Ok((old != new).then(|| {
        let parts = [&text[..start], new, &rest[length..]];
        Zeroizing::new(parts.concat())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "bin:!*:1::::::\nroot:!*:19000:0:99999:7:::\nsmtpd:!*:1::::::\n";

    fn set(text: &str, hash: Option<&str>) -> String {
        let new = with_root(text, hash).unwrap();
        new.map_or_else(|| "as it was".to_owned(), |t| t.to_string())
    }

    #[test]
    fn only_the_one_field_changes() {
        let with = set(TEXT, Some("$6$a$b"));
        assert_eq!(with, TEXT.replace("root:!*:", "root:$6$a$b:"));
        assert_eq!(root_hash(&with), Some("$6$a$b"));
        assert_eq!(set(&with, Some("$6$a$b")), "as it was");
        assert_eq!(set(&with, None), TEXT);
        assert_eq!(set("root::1:::::", Some("$y$")), "root:$y$:1:::::");
    }

    #[test]
    fn a_lock_stays_and_an_empty_password_is_none() {
        for locked in ["!*", "*", "!", "!$6$a$b"] {
            assert_eq!(set(&format!("root:{locked}:1::::::\n"), None), "as it was");
        }
        assert_eq!(set("root::1::::::\n", None), "root:!*:1::::::\n");
        assert_eq!(root_hash(TEXT), None);
        assert_eq!(root_hash("groot:$6$a$b:\n"), None);
        for locked in ["", "!", "*", "!*", "!$y$j9T$salt$hash", "x"] {
            assert_eq!(root_hash(&format!("root:{locked}:1::::::\n")), None);
        }
    }

    #[test]
    fn a_file_without_root_is_refused() {
        let error = |text: &str| with_root(text, Some("$6$a$b")).unwrap_err().to_string();
        assert_eq!(error("groot:x:\n"), "there is no line for root");
        assert_eq!(error("root:x"), "the line for root has too few fields");
        assert_eq!(set("groot:x:\n", None), "as it was");
    }
}
