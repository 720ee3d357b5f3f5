//! Signatures of minisign (minisign(1)).

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::key;
use crate::{
    answers::command::ask_secret,
    util::{files, run::Task},
};

/// The signature of a file. A key behind a password has it asked for on a terminal, else its first
/// line is taken from standard input.
///
/// # Errors
/// When minisign fails, such as with another password.
pub fn sign(secret: &Path, encrypted: bool, file: &Path) -> Result<String> {
    if !encrypted {
        return sign_by(secret, None, file);
    }
    let typed = ask_secret(&format!("Password of {}: ", secret.display()))?;
    let line = typed.lines().next().unwrap_or_default();
    sign_by(secret, Some(line), file)
}

fn sign_by(secret: &Path, password: Option<&str>, file: &Path) -> Result<String> {
    let folder = tempfile::tempdir().context("creating a temporary folder")?;
    let out = folder.path().join("signature");
    let mut command = Command::new("minisign");
    command.arg("-S").arg("-s").arg(secret).arg("-m").arg(file);
    command.arg("-x").arg(&out);
    let mut task = Task::new(format!("signing with {}", secret.display()), command);
    if let Some(password) = password {
        let line = Zeroizing::new(format!("{password}\n"));
        task = task.input(line.as_bytes());
    }
    task.output()?;
    files::read_to_string(&out)
}

/// Verifies the signature of a file against a public key; returns its trusted comment.
///
/// # Errors
/// When it is by another key, of another file, or none.
pub fn verify(public: &Path, id: &str, file: &Path, signature: &Path) -> Result<String> {
    let by = key::signed_by(&files::read_to_string(signature)?);
    let Some(by) = by else {
        bail!("{} is no signature of minisign", signature.display());
    };
    if by != id {
        bail!(
            "{} is not by the key {id} in {}: it is by the key {by}",
            signature.display(),
            public.display()
        );
    }
    let text = files::read_to_string(public)?;
    let line = text.lines().map(str::trim).rfind(|l| !l.is_empty());
    let mut command = Command::new("minisign");
    // the key itself, since its file may have been written without minisign's comment
    command.args(["-V", "-Q", "-P", line.unwrap_or_default(), "-m"]);
    command.arg(file).arg("-x").arg(signature);
    let done = Task::new("verifying the signature", command).outcome()?;
    if !done.status.success() {
        let told = String::from_utf8_lossy(&done.stderr);
        let reason = told.lines().next();
        let reason = reason.unwrap_or("one of the two was changed");
        bail!(
            "{} is no signature of {} by the key {id}: {reason}",
            signature.display(),
            file.display()
        );
    }
    let comment = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    Ok(format!(
        "minisign key {id} ({})",
        comment.replace('\t', ", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// minisign asks for the password on standard input where that is no terminal.
    #[test]
    fn a_key_behind_a_password_signs() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        let (secret, public, file) = (place("key"), place("key.pub"), place("file"));
        std::fs::write(&file, "text").unwrap();
        let mut command = Command::new("minisign");
        command
            .arg("-G")
            .arg("-s")
            .arg(&secret)
            .arg("-p")
            .arg(&public);
        let task = Task::new("making a key", command);
        task.input("a password\na password\n").run().unwrap();
        assert_eq!(
            key::read(&secret).unwrap(),
            key::Kind::MinisignSecret { encrypted: true }
        );
        let signature = sign_by(&secret, Some("a password"), &file).unwrap();
        let path = place("file.minisig");
        std::fs::write(&path, &signature).unwrap();
        let id = key::signed_by(&signature).unwrap();
        verify(&public, &id, &file, &path).unwrap();
        let error = sign_by(&secret, Some("another"), &file).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("Wrong password for that key"), "{error}");
    }
}
