//! Signatures of OpenSSH (ssh-keygen(1), -Y; the format is OpenSSH's PROTOCOL.sshsig).

use std::{fs, io::Write, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use super::NAMESPACE;
use crate::util::{files, run::Task};

/// Whom a plain public key is taken for.
const SOMEBODY: &str = "ezmail";

/// The signature of a file.
///
/// # Errors
/// When ssh-keygen fails, such as with a public key whose private one no agent has.
pub fn sign(key: &Path, file: &Path) -> Result<String> {
    let mut command = keygen("sign");
    command.arg("-f").arg(key);
    Task::new(format!("signing with {}", key.display()), command)
        .input(content(file)?)
        .output()
}

fn content(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// Verifies a signature of a file against a `plain` public key, or else a list of allowed signers;
/// returns by whom it is.
///
/// # Errors
/// When it is by nobody of those, of something else, or none.
pub fn verify(key: &Path, plain: bool, signed: &Path, signature: &Path) -> Result<String> {
    let mut temporary;
    let (allowed, whom) = match plain {
        false => (key, whom(key, signature)?),
        true => {
            let text = files::read_to_string(key)?;
            let lines = text.lines().map(str::trim);
            let line = lines.clone().find(|l| !l.is_empty() && !l.starts_with('#'));
            let line = line.with_context(|| format!("{} is empty", key.display()))?;
            temporary = tempfile::NamedTempFile::new().context("creating a temporary file")?;
            writeln!(temporary, "{SOMEBODY} {line}").context("writing a temporary file")?;
            (temporary.path(), SOMEBODY.to_owned())
        }
    };
    let mut command = keygen("verify");
    command.args(["-I", &whom, "-f"]).arg(allowed);
    command.arg("-s").arg(signature);
    let done = Task::new("verifying the signature", command)
        .input(content(signed)?)
        .outcome()?;
    let told = String::from_utf8_lossy(&done.stdout);
    if !done.status.success() {
        // either another key, or something else that was signed
        let by = by(signed, signature)?;
        let (signature, key) = (signature.display(), key.display());
        match plain {
            true => bail!("{signature} is not by the key in {key}: it is by {by}"),
            false => bail!(
                "{signature} is by {by}, and {key} does not allow that: {}",
                reason(&String::from_utf8_lossy(&done.stderr))
            ),
        }
    }
    let by = fingerprint(&told).unwrap_or_default();
    Ok(match plain {
        true => by,
        false => format!("{whom}, {by}"),
    })
}

/// Who of the allowed signers a signature says to be by.
fn whom(allowed: &Path, signature: &Path) -> Result<String> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "find-principals", "-f"]).arg(allowed);
    command.arg("-s").arg(signature);
    let done = Task::new("looking for who signed", command).outcome()?;
    let told = String::from_utf8_lossy(&done.stdout);
    match told.lines().next() {
        Some(whom) if done.status.success() => Ok(whom.to_owned()),
        _ => bail!(
            "{} is not by anybody in {}: {}",
            signature.display(),
            allowed.display(),
            reason(&String::from_utf8_lossy(&done.stderr))
        ),
    }
}

/// The key that the signature of a file says to be by, if it is one of it at all.
///
/// # Errors
/// When it is none of it, whoever's the key is.
pub fn by(signed: &Path, signature: &Path) -> Result<String> {
    let mut command = keygen("check-novalidate");
    command.arg("-s").arg(signature);
    let done = Task::new("looking at the signature", command)
        .input(content(signed)?)
        .outcome()?;
    match fingerprint(&String::from_utf8_lossy(&done.stdout)) {
        Some(by) if done.status.success() => Ok(by),
        _ => bail!(
            "{} is no signature of {}: {}",
            signature.display(),
            signed.display(),
            reason(&String::from_utf8_lossy(&done.stderr))
        ),
    }
}

fn keygen(what: &str) -> Command {
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", what, "-n", NAMESPACE]);
    command
}

/// `ED25519 SHA256:…` of `Good "ezmail" signature … with ED25519 key SHA256:…`.
fn fingerprint(told: &str) -> Option<String> {
    let (_, rest) = told.lines().next()?.rsplit_once(" with ")?;
    Some(rest.replace(" key ", " "))
}

/// The line by which ssh-keygen tells why.
fn reason(told: &str) -> String {
    let lines = told.lines().map(str::trim).filter(|l| !l.is_empty());
    let mut lines = lines.filter(|l| *l != "Could not verify signature.");
    let line = lines.next().unwrap_or("ssh-keygen refuses it");
    line.trim_end_matches('.').to_owned()
}
