//! The keyring: from what the host has to what the mirror signs with today.
//!
//! A host's keyring may be years old. The mirror's `archlinux-keyring` package brings the keys
//! of today, and its signature is checked in a keyring in which trust comes from the *host's*
//! files alone: its master keys are signed locally and given marginal ownertrust, as pacman-key
//! does, and a packager's key is valid only if three of them vouch for it. The package's own
//! keys are there as well, since they carry new packagers and later expiry dates of old keys,
//! but bring no trust. Only when the package proves good that way is it populated for itself.

use std::{
    fs::{File, Permissions},
    io::{BufReader, Read},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::signature::{Verdict, judge};
use crate::{
    host::package::PkgInfo,
    util::{files, hash, run::Task, sandbox::Sandbox},
};

/// The package that the keys of today come in.
pub(super) const PACKAGE: &str = "archlinux-keyring";

/// Where Arch, Fedora and others keep keyrings for pacman-key, and where Debian does.
pub(super) const HOST_FOLDERS: [&str; 2] = ["/usr/share/pacman/keyrings", "/usr/share/keyrings"];

/// No part of a keyring is as large as this (`archlinux.gpg` is some 2 MB).
const LARGEST: u64 = 64 << 20;

/// What pacman and gpg read of a home that pacman-key made: there is no secret key among it.
const PUBLIC: [&str; 2] = ["pubring.gpg", "trustdb.gpg"];

/// pacman-key's settings, and that a keyring which was verified stays what it is: pacman offers
/// to look for an unknown signer's key on the Internet, and `--noconfirm` says yes.
const GPG_CONF: &str = "no-greeting\nno-permission-warning\nlock-never\n\
                        disable-dirmngr\nauto-key-locate local\nno-auto-key-retrieve\n";

/// The three files that pacman-key populates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// Where they were found, for messages.
    pub from: PathBuf,
    /// The keys.
    gpg: Vec<u8>,
    /// Master keys, `FINGERPRINT:4:` a line.
    trusted: Vec<u8>,
    /// Fingerprints that are no longer to be believed, one a line.
    revoked: Vec<u8>,
}

impl Files {
    /// The host's own, from the first of `folders` that has them.
    ///
    /// # Errors
    /// When none has; the message says how to get them.
    pub(super) fn find(folders: &[PathBuf]) -> Result<Self> {
        let has = |folder: &&PathBuf| {
            folder.join("archlinux.gpg").is_file() && folder.join("archlinux-trusted").is_file()
        };
        let Some(folder) = folders.iter().find(has) else {
            let looked: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
            bail!(
                "this host has no Arch Linux keyring, so no package's signature can be checked: \
                 neither archlinux.gpg nor archlinux-trusted is in {}\n  what to do: install \
                 the host's package 'archlinux-keyring' ('apt-get install archlinux-keyring', \
                 'dnf install archlinux-keyring'), or build with --base standin",
                looked.join(" or ")
            );
        };
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        let revoked = folder.join("archlinux-revoked").exists();
        Ok(Self {
            from: folder.clone(),
            gpg: read("archlinux.gpg")?,
            trusted: read("archlinux-trusted")?,
            revoked: if revoked {
                read("archlinux-revoked")?
            } else {
                Vec::new()
            },
        })
    }

    /// Those in an `archlinux-keyring` package.
    fn from_package(path: &Path) -> Result<Self> {
        let what = || format!("reading the package {}", path.display());
        let file = File::open(path).with_context(what)?;
        let decoder = zstd::Decoder::new(BufReader::new(file)).with_context(what)?;
        let mut archive = tar::Archive::new(decoder);
        let (mut info, mut gpg, mut trusted, mut revoked) = (None, None, None, None);
        for entry in archive.entries().with_context(what)? {
            let entry = entry.with_context(what)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let slot = match name.strip_prefix("./").unwrap_or(&name) {
                ".PKGINFO" => &mut info,
                "usr/share/pacman/keyrings/archlinux.gpg" => &mut gpg,
                "usr/share/pacman/keyrings/archlinux-trusted" => &mut trusted,
                "usr/share/pacman/keyrings/archlinux-revoked" => &mut revoked,
                _ => continue,
            };
            let mut bytes = Vec::new();
            let mut limited = entry.take(LARGEST);
            limited.read_to_end(&mut bytes).with_context(what)?;
            *slot = Some(bytes);
        }
        let info = info.with_context(|| format!("{} has no .PKGINFO", path.display()))?;
        let info = PkgInfo::parse(&String::from_utf8_lossy(&info)).with_context(what)?;
        ensure!(
            info.name == PACKAGE,
            "{} is the package '{}', not '{PACKAGE}': the mirror gave something else",
            path.display(),
            info.name
        );
        let missing = |name: &str| format!("{} has no {name}", path.display());
        Ok(Self {
            from: path.to_path_buf(),
            gpg: gpg.with_context(|| missing("archlinux.gpg"))?,
            trusted: trusted.with_context(|| missing("archlinux-trusted"))?,
            revoked: revoked.unwrap_or_default(),
        })
    }

    fn revokes(&self, fingerprint: &str) -> bool {
        String::from_utf8_lossy(&self.revoked)
            .lines()
            .any(|line| line.trim().eq_ignore_ascii_case(fingerprint))
    }
}

/// Makes a keyring below `cache` from the host's files and `package` (its `.sig` beside it),
/// or finds the one that an earlier run made from the same. Returns its folder.
///
/// # Errors
/// When the package's signature is not one that the host's master keys vouch for; the message
/// has the ways out.
pub(super) fn bring_in(host: &Files, package: &Path, cache: &Path, log: &Path) -> Result<PathBuf> {
    let mut key = hash::Key::new("arch-keyring", 1);
    key.add("keys", &host.gpg)
        .add("trusted", &host.trusted)
        .add("revoked", &host.revoked)
        .add_file("package", package)?;
    let target = cache.join(&key.finish()[..16]);
    if target.is_dir() {
        return Ok(target);
    }
    let new = Files::from_package(package)?;
    let home = Home::create(log)?;
    home.populate(host, Some(&new.gpg))?;
    match home.verify(package)? {
        Verdict::Trusted(keys) => {
            if let Some(revoked) = keys.iter().find(|key| host.revokes(key)) {
                bail!(refusal(
                    host,
                    package,
                    &format!(
                        "it is signed by the key {revoked}, which this host's keyring lists as revoked"
                    )
                ));
            }
        }
        other => bail!(refusal(host, package, &other.to_string())),
    }
    home.populate(&new, None)?;
    home.publish(cache, &target)?;
    Ok(target)
}

fn refusal(host: &Files, package: &Path, why: &str) -> String {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "the mirror's {name} is not verified by this host's keyring ({}): {why}\n  what to do, \
         one of:\n  - bring the host's keyring up to date: 'apt-get update && apt-get install \
         archlinux-keyring', 'pacman -Sy archlinux-keyring', or that package of the \
         distribution's next release\n  - take another mirror, if this one may be broken\n  \
         - pin archive_date to a day that the host's keyring knows\n  - build with --base standin",
        host.from.display()
    )
}

/// The mode of GnuPG's homes; without it tempfile's folders are open to all that umask lets in.
fn private() -> Permissions {
    Permissions::from_mode(0o700)
}

/// A GnuPG home while it is made: in a short path, since gpg-agent's sockets have room for
/// little more than a hundred bytes. Everything in it, secret key included, goes when it ends.
struct Home<'a> {
    folder: TempDir,
    log: &'a Path,
}

impl<'a> Home<'a> {
    fn create(log: &'a Path) -> Result<Self> {
        let usual = std::env::temp_dir();
        let short = usual.as_os_str().len() <= 40;
        let parent = if short { &usual } else { Path::new("/tmp") };
        let folder = tempfile::Builder::new()
            .prefix("ezk")
            .permissions(private())
            .tempdir_in(parent)
            .with_context(|| format!("creating a temporary folder in {}", parent.display()))?;
        let home = Self { folder, log };
        files::create_dir_all(&home.path("k"))?;
        // pacman-key would make it readable by all, and gpg complain of that
        let made = std::fs::DirBuilder::new()
            .mode(0o700)
            .create(home.path("g"));
        made.context("creating the folder of the keyring")?;
        // pacman-key demands a configuration, and the host's may not be there
        files::write(&home.path("pacman.conf"), "[options]\n", 0o644)?;
        home.pacman_key("making a keyring", &["--init"])?;
        Ok(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds `files` with the trust they bring, and `more` keys that bring none.
    fn populate(&self, files: &Files, more: Option<&[u8]>) -> Result<()> {
        let put = |name: &str, bytes: &[u8]| files::write(&self.path("k").join(name), bytes, 0o644);
        put("archlinux.gpg", &files.gpg)?;
        put("archlinux-trusted", &files.trusted)?;
        put("archlinux-revoked", &files.revoked)?;
        let what = format!("populating a keyring from {}", files.from.display());
        match more {
            None => self.pacman_key(&what, &["--populate", "archlinux"]),
            Some(keys) => {
                put("more.gpg", keys)?;
                self.pacman_key(&what, &["--populate", "more", "archlinux"])
            }
        }
    }

    /// Runs pacman-key, which wants to be root and to find keyrings in one fixed folder: it
    /// sees ours there. Its gpg-agent ends with the sandbox.
    fn pacman_key(&self, what: &str, words: &[&str]) -> Result<()> {
        let mut sandbox = Sandbox::host().env("LC_ALL", "C");
        for folder in HOST_FOLDERS.iter().filter(|f| Path::new(f).is_dir()) {
            sandbox = sandbox.bind(&self.path("k"), folder);
        }
        let mut all: Vec<PathBuf> = vec!["--gpgdir".into(), self.path("g")];
        all.extend(["--config".into(), self.path("pacman.conf")]);
        all.extend(words.iter().map(PathBuf::from));
        Task::new(what, sandbox.command("pacman-key", all))
            .log(self.log)
            .run()
    }

    /// Checks the detached signature `PACKAGE.sig`.
    fn verify(&self, package: &Path) -> Result<Verdict> {
        let status = self.path("status");
        let mut signature = package.as_os_str().to_owned();
        signature.push(".sig");
        let words = ["--batch", "--no-auto-key-retrieve", "--status-file"];
        let mut all: Vec<PathBuf> = vec!["--homedir".into(), self.path("g")];
        all.extend(words.map(PathBuf::from));
        all.extend([status.clone(), "--verify".into()]);
        all.extend([PathBuf::from(signature), package.to_path_buf()]);
        let sandbox = Sandbox::host().env("LC_ALL", "C");
        let ended = Task::new("verifying a signature", sandbox.command("gpg", all))
            .log(self.log)
            .run();
        let text = match files::read_to_string(&status) {
            Ok(text) => text,
            // gpg did not come so far: how it ended says why
            Err(error) => return Err(ended.err().unwrap_or(error)),
        };
        let verdict = judge(&text);
        if let Verdict::Trusted(_) = verdict {
            ended?;
        }
        Ok(verdict)
    }

    /// Puts the public part under its name, all or nothing.
    fn publish(&self, cache: &Path, target: &Path) -> Result<()> {
        let temp = tempfile::Builder::new()
            .prefix(".tmp")
            .permissions(private())
            .tempdir_in(cache)
            .with_context(|| format!("creating a temporary folder in {}", cache.display()))?;
        for name in PUBLIC {
            let from = self.path("g").join(name);
            let bytes =
                std::fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
            files::write(&temp.path().join(name), bytes, 0o644)?;
        }
        files::write(&temp.path().join("gpg.conf"), GPG_CONF, 0o644)?;
        match std::fs::rename(temp.path(), target) {
            // another build made the same one meanwhile
            Err(_) if target.is_dir() => {}
            Err(error) => {
                return Err(error).with_context(|| format!("creating {}", target.display()));
            }
            Ok(()) => drop(temp.keep()),
        }
        files::sync_folder(cache)
    }
}
