//! Signatures of what a build makes: the ISO's by its checksum file, the repository's for pacman.
//!
//! | module | its one job |
//! |---|---|
//! | [`key`] | which kind of key a file has |
//! | [`ssh`] | signatures by ssh-keygen |
//! | [`minisign`] | signatures by minisign |
//!
//! Signed is `NAME.iso.sha256`: the image in its canonical form, so that answers may be put in.

pub mod key;
pub mod minisign;
pub mod ssh;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use self::key::Kind;
use super::embed::checksum;
use crate::util::{files, run::Task};

/// What signatures of ours are for, so that none that was made for something else is taken.
pub const NAMESPACE: &str = "ezmail";

/// `path` with more at its end.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Signs the checksum file of an ISO with the key in a file: an OpenSSH key, or a public one of
/// which an agent has the other half (`NAME.iso.sha256.sig`), or a minisign secret key
/// (`NAME.iso.sha256.minisig`). `made` is the checksum of the image that was made: another build may
/// have put its own there. Returns where the signature is.
///
/// # Errors
/// When the image is another one, the checksum file is not of it, the file is no key to sign with, or
/// the program that signs fails.
pub fn sign(iso: &Path, made: &str, key: &Path) -> Result<PathBuf> {
    let kind = signer(key)?;
    let sum = beside(iso, ".sha256");
    let there = checksum::canonical(iso)?;
    if there != made {
        bail!(
            "{} is not the image that this build made, whose checksum is {made}: another build or \
             program has replaced it meanwhile, and it is not signed; build it again, or into \
             another folder with --out DIR",
            iso.display()
        );
    }
    checksum::compare(iso, &there, Some(&sum))?;
    let (ending, signature) = match kind {
        Kind::MinisignSecret { encrypted } => (".minisig", minisign::sign(key, encrypted, &sum)?),
        _ => (".sig", ssh::sign(key, &sum)?),
    };
    let path = beside(&sum, ending);
    files::write(&path, signature, 0o644)?;
    Ok(path)
}

/// The kind of a key that can sign.
///
/// # Errors
/// When the file cannot be read, or has something else in it.
pub fn signer(key: &Path) -> Result<Kind> {
    match key::read(key)? {
        Kind::SshAllowed => bail!(
            "{} lists allowed signers; one key is needed to sign",
            key.display()
        ),
        Kind::MinisignPublic { .. } => bail!(
            "{} is minisign's public key; the secret one signs, by default \
             ~/.minisign/minisign.key",
            key.display()
        ),
        kind => Ok(kind),
    }
}

/// Verifies the signature beside a file against the key in another: an OpenSSH public key, a list
/// of allowed signers, or a minisign public key. Returns by whom it is.
///
/// # Errors
/// When there is no signature of that kind, or it is by another key or of something else.
pub fn verify(signed: &Path, key: &Path) -> Result<String> {
    let kind = key::read(key)?;
    let ending = match kind {
        Kind::SshPublic | Kind::SshAllowed => ".sig",
        Kind::MinisignPublic { .. } => ".minisig",
        Kind::SshPrivate => bail!(
            "{} is a private key; to verify, give the public one, {}",
            key.display(),
            beside(key, ".pub").display()
        ),
        Kind::MinisignSecret { .. } => bail!(
            "{} is a secret key; to verify, give the public one, by default minisign.pub",
            key.display()
        ),
    };
    let signature = beside(signed, ending);
    if !signed.is_file() {
        bail!(
            "there is no {}, of which a signature would be",
            signed.display()
        );
    }
    if !signature.is_file() {
        bail!("there is no signature {}", signature.display());
    }
    match kind {
        Kind::MinisignPublic { id } => minisign::verify(key, &id, signed, &signature),
        kind => ssh::verify(key, kind == Kind::SshPublic, signed, &signature),
    }
}

/// Removes the signatures beside a file that is about to be replaced.
///
/// # Errors
/// When one is there and cannot be removed.
pub fn forget(signed: &Path) -> Result<()> {
    for ending in [".sig", ".minisig"] {
        files::remove_file(&beside(signed, ending))?;
    }
    Ok(())
}

/// A signature that lies beside a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Beside {
    /// Where it is.
    pub path: PathBuf,
    /// By which key it says to be.
    pub by: String,
}

/// The signatures beside a file, with the keys that they say to be by: not checked, since anybody
/// can make a key.
///
/// # Errors
/// When one is not even a signature of that file.
pub fn signatures(signed: &Path) -> Result<Vec<Beside>> {
    let mut found = Vec::new();
    let (ssh, mini) = (beside(signed, ".sig"), beside(signed, ".minisig"));
    if ssh.is_file() {
        found.push(Beside {
            by: ssh::by(signed, &ssh)?,
            path: ssh,
        });
    }
    if mini.is_file() {
        let Some(id) = key::signed_by(&files::read_to_string(&mini)?) else {
            bail!("{} is no signature of minisign", mini.display());
        };
        found.push(Beside {
            by: format!("minisign key {id}"),
            path: mini,
        });
    }
    Ok(found)
}

/// Looks whether gpg has the secret key `id`, by which [`sign_repo`] will sign.
///
/// # Errors
/// When it has none of that name, or cannot be started.
pub fn has_secret(id: &str) -> Result<()> {
    has_secret_by(Command::new("gpg"), id)
}

fn has_secret_by(mut command: Command, id: &str) -> Result<()> {
    command.args(["--batch", "--list-secret-keys", "--", id]);
    let task = Task::new(format!("looking for gpg's key {id}"), command);
    // gpg takes an empty name for every key
    if id.is_empty() || !task.outcome()?.status.success() {
        bail!(
            "--sign-repo '{id}': gpg has no such secret key; 'gpg --list-secret-keys' lists those \
             that it has"
        );
    }
    Ok(())
}

/// Signs pacman's database with a key of gpg's, as repo-add(8) does: detached and binary, in
/// `DATABASE.sig`. Returns where the signature is.
///
/// # Errors
/// When gpg fails, such as for a key that it does not have.
pub fn sign_repo(db: &Path, gpg_key: &str) -> Result<PathBuf> {
    sign_repo_by(Command::new("gpg"), db, gpg_key)
}

fn sign_repo_by(mut command: Command, db: &Path, gpg_key: &str) -> Result<PathBuf> {
    let path = beside(db, ".sig");
    command.args(["--batch", "--no-armor", "--detach-sign", "--use-agent"]);
    command
        .args(["--local-user", gpg_key, "--output", "-", "--"])
        .arg(db);
    let what = format!("signing {} with gpg's key {gpg_key}", db.display());
    let signature = Task::new(what, command).bytes()?;
    files::write(&path, signature, 0o644)?;
    Ok(path)
}

#[cfg(test)]
mod tests;
