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
    let allowed = match plain {
        // find-principals refuses lines that are empty
        false => files::read_to_string(key)?
            .lines()
            .map(|line| if line.trim().is_empty() { "#" } else { line })
            .collect::<Vec<_>>()
            .join("\n"),
        true => {
            let text = files::read_to_string(key)?;
            let line = lines(&text).next();
            let line = line.with_context(|| format!("{} is empty", key.display()))?;
            format!("{SOMEBODY} {line}\n")
        }
    };
    let refused = match verified(&allowed, signed, signature)? {
        Found::Valid(_, by) if plain => return Ok(by),
        Found::Valid(whom, by) => return Ok(format!("{whom}, {by}")),
        Found::Nobody(why) if !plain => bail!(
            "{} is not by anybody in {}: {why}",
            signature.display(),
            key.display()
        ),
        Found::Nobody(why) | Found::Refused(why) => why,
    };
    // ssh-keygen names those of the first line that has the key, whatever that line is for: another
    // one may have the same key for us
    if !plain {
        for line in lines(&allowed) {
            if let Found::Valid(whom, by) = verified(line, signed, signature)? {
                return Ok(format!("{whom}, {by}"));
            }
        }
    }
    // either another key, or something else that was signed
    let by = by(signed, signature)?;
    let (signature, key) = (signature.display(), key.display());
    match plain {
        true => bail!("{signature} is not by the key in {key}: it is by {by}"),
        false => bail!("{signature} is by {by}, and {key} does not allow that: {refused}"),
    }
}

/// The lines of a list that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|l| !l.is_empty() && !l.starts_with('#'))
}

/// What a list of allowed signers makes of a signature.
enum Found {
    /// It is by somebody in it; the key.
    Valid(String, String),
    /// The key is somebody's in it, and may not be used so, or the signature is of something else.
    Refused(String),
    /// The key is nobody's.
    Nobody(String),
}

fn verified(allowed: &str, signed: &Path, signature: &Path) -> Result<Found> {
    let mut list = tempfile::NamedTempFile::new().context("creating a temporary file")?;
    writeln!(list, "{}", allowed.trim_end_matches('\n')).context("writing a temporary file")?;
    // without the name of a file that is gone by then
    let name = format!("{}:", list.path().display());
    let reason = |told: &[u8]| reason(&String::from_utf8_lossy(told)).replace(&name, "line ");
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-Y", "find-principals", "-f"])
        .arg(list.path())
        .arg("-s")
        .arg(signature);
    let done = Task::new("looking for who signed", command).outcome()?;
    let told = String::from_utf8_lossy(&done.stdout);
    if !done.status.success() || told.trim().is_empty() {
        return Ok(Found::Nobody(reason(&done.stderr)));
    }
    let mut refused = None;
    for whom in told.lines() {
        let mut command = keygen("verify");
        command.args(["-I", whom, "-f"]).arg(list.path());
        command.arg("-s").arg(signature);
        let done = Task::new("verifying the signature", command)
            .input(content(signed)?)
            .outcome()?;
        if done.status.success() {
            let by = fingerprint(&String::from_utf8_lossy(&done.stdout));
            return Ok(Found::Valid(whom.to_owned(), by.unwrap_or_default()));
        }
        refused.get_or_insert_with(|| reason(&done.stderr));
    }
    Ok(Found::Refused(refused.unwrap_or_default()))
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
