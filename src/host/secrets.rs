//! The scan that keeps secrets out of images: what is the same in every copy is no secret.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::util::files;

/// The largest file whose content is looked at for private keys.
const LARGEST: u64 = 1 << 20;

/// Folders whose private keys are published anyway: examples and tests of other projects.
const EXAMPLES: [&str; 2] = ["usr/share/doc/", "usr/lib/python3/"];

/// Looks through the root file system of an image for secrets that would be baked in.
///
/// # Errors
/// With every finding: its path, what it is, and that the build stops for it.
pub fn scan(root: &Path) -> Result<()> {
    let findings = find(root)?;
    if findings.is_empty() {
        return Ok(());
    }
    let list: String = findings.iter().map(|f| format!("\n  {f}")).collect();
    bail!(
        "the image would carry secrets that every copy of it shares:{list}\n\
         remove them from the overlay or the base; they are made at first boot"
    );
}

/// All findings, as `/path: what it is`, sorted.
///
/// # Errors
/// When a file cannot be read.
pub fn find(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let entry = entry.context("walking the image")?;
        if !entry.file_type().is_file() {
            continue;
        }
        let inside = entry
            .path()
            .strip_prefix(root)?
            .to_string_lossy()
            .into_owned();
        if let Some(what) = by_name(&inside) {
            findings.push(format!("/{inside}: {what}"));
            continue;
        }
        let size = entry
            .metadata()
            .with_context(|| format!("reading /{inside}"))?
            .len();
        if size <= LARGEST && !EXAMPLES.iter().any(|e| inside.starts_with(e)) {
            let bytes = fs::read(entry.path()).with_context(|| format!("reading /{inside}"))?;
            if has_private_key(&bytes) {
                findings.push(format!("/{inside}: a private key"));
            }
        }
    }
    for name in ["etc/shadow", "etc/gshadow", "etc/passwd"] {
        let path = root.join(name);
        if path.exists() {
            let text = files::read_to_string(&path)?;
            findings
                .extend(passwords(&text, name == "etc/passwd").map(|f| format!("/{name}: {f}")));
        }
    }
    for name in ["etc/machine-id", "var/lib/dbus/machine-id"] {
        let path: PathBuf = root.join(name);
        if path.is_file() && !path.is_symlink() {
            let text = files::read_to_string(&path)?;
            if !matches!(text.trim(), "" | "uninitialized") {
                findings.push(format!("/{name}: a machine id"));
            }
        }
    }
    findings.sort();
    Ok(findings)
}

fn by_name(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.starts_with("etc/ssh/ssh_host_") && name.ends_with("_key") {
        return Some("an SSH host key");
    }
    if name == "ssl-cert-snakeoil.key" {
        return Some("a snakeoil TLS key");
    }
    if matches!(name, "random-seed" | "credential.secret") && path.starts_with("var/lib/systemd/") {
        return Some("a random seed");
    }
    if path.starts_with("etc/pacman.d/gnupg/") {
        return Some("a pacman keyring with its local master key");
    }
    if path.contains("/.ssh/") || matches!(name, ".bash_history" | ".pgpass" | ".netrc") {
        return Some("a person's own file");
    }
    None
}

/// A PEM block that begins a private key at the start of a line, with key material after it:
/// programs that only know the marker as a string do not count.
fn has_private_key(bytes: &[u8]) -> bool {
    // most files are ruled out by a look that costs next to nothing
    if memchr::memmem::find(bytes, b"PRIVATE KEY-----").is_none() {
        return false;
    }
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let begins =
            line.starts_with("-----BEGIN ") && line.trim_end().ends_with("PRIVATE KEY-----");
        if begins && lines.peek().is_some_and(|l| l.len() >= 40) {
            return true;
        }
    }
    false
}

/// Accounts of a shadow(5) or passwd(5) text with a password or without any lock.
fn passwords(text: &str, is_passwd: bool) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|l| !l.is_empty())
        .filter_map(move |line| {
            let mut fields = line.split(':');
            let (account, password) = (fields.next()?, fields.next()?);
            match password {
                "" => Some(format!("the account '{account}' has an empty password")),
                "x" if is_passwd => None,
                p if p.starts_with(['*', '!']) && p.trim_start_matches(['*', '!']).is_empty() => {
                    None
                }
                _ => Some(format!("the account '{account}' has a password hash")),
            }
        })
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n", "A".repeat(64));
        put("etc/ssh/ssh_host_ed25519_key", "x");
        put("etc/ssl/private/mail.pem", &key);
        put("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        put(
            "etc/shadow",
            "root:$6$x:1::::::\ndaemon:*:1::::::\nopen::1::::::\nsshd:!*:::::::\n",
        );
        put("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        put("var/lib/systemd/random-seed", "x");
        put("root/.ssh/authorized_keys", "ssh-ed25519 AAAA");
        put("usr/share/doc/x/example.pem", &key);
        put(
            "usr/lib/libx.so",
            "the marker -----BEGIN PRIVATE KEY----- in a program",
        );
        put("var/lib/dbus/machine-id", "");
        insta::assert_snapshot!(find(dir.path()).unwrap().join("\n"), @r"
        /etc/machine-id: a machine id
        /etc/shadow: the account 'open' has an empty password
        /etc/shadow: the account 'root' has a password hash
        /etc/ssh/ssh_host_ed25519_key: an SSH host key
        /etc/ssl/private/mail.pem: a private key
        /root/.ssh/authorized_keys: a person's own file
        /var/lib/systemd/random-seed: a random seed
        ");
        assert!(scan(dir.path()).is_err());
    }

    #[test]
    fn a_clean_root_passes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/machine-id"), "uninitialized\n").unwrap();
        fs::write(dir.path().join("etc/shadow"), "root:!*:1::::::\n").unwrap();
        scan(dir.path()).unwrap();
    }
}
