//! `ezmail answers recovery-sheet`: the passphrase of the backups, made before there is a server.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

use super::{command::print, load::Loaded, read};
use crate::{
    backup::{passphrase, sheet::Sheet},
    util::{files, time},
};

/// Makes the file that the answers name for the passphrase, if it is not there, and prints the page.
///
/// # Errors
/// When the answers are not right, name no passphrase, or the file cannot be written.
pub(super) fn run(path: &Path) -> Result<ExitCode> {
    if path == Path::new("-") {
        bail!("name the answers file: the passphrase lies beside it");
    }
    let made = make(path)?;
    let Loaded {
        answers, report, ..
    } = Loaded::read(path, &[])?;
    let Some(answers) = answers else {
        bail!("the answers are not right:\n\n{report}");
    };
    let Some(backup) = &answers.backup else {
        bail!("there is no [backup] in {}", path.display());
    };
    let Some(passphrase) = &backup.passphrase else {
        bail!(
            "[backup] in {} has no passphrase; add passphrase_file = \"backup.passphrase\", and it is \
             made. Without one, the server makes it, and 'mailctl backup passphrase' shows it there",
            path.display()
        );
    };
    let target = backup.target.to_string();
    let sheet = Sheet {
        host: answers.hostname.as_str(),
        target: Some(&target),
        passphrase,
        now: time::now()?,
    };
    print(sheet.text().expose())?;
    if let Some(file) = made {
        eprintln!("{} written: it is a secret", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The file, if it was made now. Nothing is written for answers that have other mistakes.
fn make(path: &Path) -> Result<Option<PathBuf>> {
    let text = files::read_to_string(path)?;
    // what lies beside it is not looked at
    let (answers, _) = read(text.as_bytes(), "answers.toml", None);
    let Some(name) = answers
        .and_then(|a| a.backup)
        .and_then(|b| b.passphrase_file)
    else {
        return Ok(None);
    };
    let file = path.parent().unwrap_or(Path::new(".")).join(name);
    match std::fs::symlink_metadata(&file) {
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let content = passphrase::content(&passphrase::generate()?);
            files::create_new(&file, content.expose(), 0o600)?;
            Ok(Some(file))
        }
        Err(e) => Err(e).with_context(|| format!("looking for {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn answers(backup: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my.toml");
        let target = "target = \"sftp://backup@backup.example.net/srv\"";
        let text = format!(
            "{}\n[backup]\n{target}\n{backup}\n",
            crate::answers::example::toml()
        );
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone() {
        let (folder, path) = answers("passphrase_file = \"backup.passphrase\"");
        let file = folder.path().join("backup.passphrase");
        assert_eq!(make(&path).unwrap(), Some(file.clone()));
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(make(&path).unwrap(), None);
        let loaded = Loaded::read(&path, &[]).unwrap().answers.unwrap();
        let passphrase = loaded.backup.unwrap().passphrase.unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("{}\n", passphrase.expose()));
    }

    #[test]
    fn what_names_no_file_makes_none() {
        let (folder, path) = answers("");
        assert_eq!(make(&path).unwrap(), None);
        let error = run(&path).unwrap_err().to_string();
        assert!(
            error.contains("has no passphrase; add passphrase_file"),
            "{error}"
        );
        // a mistake elsewhere: nothing is written for what is to be corrected first
        let text =
            std::fs::read_to_string(&path).unwrap() + "schedule = 3\npassphrase_file = \"p\"\n";
        std::fs::write(&path, text).unwrap();
        assert!(
            run(&path)
                .unwrap_err()
                .to_string()
                .contains("the answers are not right")
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
