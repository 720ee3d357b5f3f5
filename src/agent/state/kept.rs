//! The answers that are kept: those in effect, and those that came last from outside.
//!
//! Both are whole and by themselves: key files are inline, and passwords are hashes. Two files,
//! since what came from outside may lie there at every boot (a volume that stays attached, the
//! image itself) while the answers in effect have moved on, by an `apply --answers` on the server.
//! Only what differs from what came last is news.
//!
//! One thing is not in them: the passphrase of backups, since both files are in every backup. It
//! lies in a file of its own ([`passphrase`]), and a reference says which it was.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::super::{paths::Paths, target::Target};
use crate::{
    answers::{self, Answers},
    backup::passphrase,
    util::secret::Secret,
};

/// The kept answers of a state.
#[derive(Debug, Default)]
pub struct Kept {
    /// Those in effect.
    pub current: Option<Secret>,
    /// Those that came last from outside.
    pub found: Option<Secret>,
    /// The passphrases of backups that this server knows.
    pub passphrases: Vec<Secret>,
}

/// The name of the file of the answers in effect, in the folder of answers.
pub const CURRENT: &str = "answers.toml";
/// The name of the file of the answers that came last from outside.
pub const FOUND: &str = "found.toml";

/// The file of the answers in effect.
pub fn current_file(paths: &Paths) -> PathBuf {
    paths.state.join("answers").join(CURRENT)
}

/// The file of the answers that came last from outside.
pub fn found_file(paths: &Paths) -> PathBuf {
    paths.state.join("answers").join(FOUND)
}

impl Kept {
    /// Reads both.
    ///
    /// # Errors
    /// When a file is there and cannot be read, or is not text.
    pub fn read(target: &Target, paths: &Paths) -> Result<Self> {
        let read = |path: &Path| -> Result<Option<Secret>> {
            let bytes = target.read(path)?;
            let text = bytes.map(String::from_utf8).transpose();
            let text = text.with_context(|| format!("{} is not text", path.display()))?;
            Ok(text.map(Secret::new))
        };
        Ok(Self {
            current: read(&current_file(paths))?,
            found: read(&found_file(paths))?,
            passphrases: passphrase::all(&target.path(&paths.state))?,
        })
    }

    /// The answers in effect, `None` if there are none. The passphrase that they had is in them
    /// again, where it is still known.
    ///
    /// # Errors
    /// When this version of the schema refuses them.
    pub fn current(&self) -> Result<Option<Answers>> {
        let current = self.current.as_ref().map(parse).transpose()?;
        Ok(current.map(|answers| fill(answers, &self.passphrases)))
    }

    /// The answers that came last from outside, `None` if none did.
    ///
    /// # Errors
    /// When this version of the schema refuses them.
    pub fn found(&self) -> Result<Option<Answers>> {
        self.found.as_ref().map(parse).transpose()
    }
}

/// Answers as they are kept: without the passphrase of backups, of which a reference stays.
#[must_use]
pub fn form(answers: &Answers) -> Answers {
    let mut kept = answers.clone();
    if let Some(backup) = &mut kept.backup
        && let Some(passphrase) = backup.passphrase.take()
    {
        backup.passphrase_file = Some(passphrase::reference(&passphrase));
    }
    kept
}

/// The text of answers as they are kept.
///
/// # Errors
/// When they cannot be written as TOML, which none can be that were checked.
pub fn text(answers: &Answers) -> Result<Secret> {
    let text = form(answers).to_toml();
    text.context("writing down the answers to keep")
}

/// The other way: the passphrase that is referred to.
fn fill(mut answers: Answers, passphrases: &[Secret]) -> Answers {
    if let Some(backup) = &mut answers.backup
        && backup.passphrase.is_none()
        && let Some(name) = &backup.passphrase_file
        && let Some(known) = passphrases
            .iter()
            .find(|p| passphrase::reference(p) == *name)
    {
        backup.passphrase = Some(known.clone());
        backup.passphrase_file = None;
    }
    answers
}

/// The text of a kept file with a reference in place of a passphrase, if it has one: those of
/// earlier versions do.
///
/// # Errors
/// When it is no TOML.
pub fn without_passphrase(text: &Secret) -> Result<Option<Secret>> {
    let what = "reading the kept answers";
    let mut root: toml::Table = toml::from_str(text.expose()).context(what)?;
    let Some(backup) = root.get_mut("backup").and_then(toml::Value::as_table_mut) else {
        return Ok(None);
    };
    let Some(toml::Value::String(inline)) = backup.remove("passphrase") else {
        return Ok(None);
    };
    let reference = passphrase::reference(&Secret::new(inline));
    backup.insert("passphrase_file".to_owned(), reference.into());
    let text = toml::to_string(&root).context("writing down the answers to keep")?;
    Ok(Some(Secret::new(text)))
}

/// Answers from the text of a file that is kept.
pub(crate) fn parse(text: &Secret) -> Result<Answers> {
    match answers::parse(text.expose(), "kept answers") {
        Ok(answers) => Ok(answers),
        Err(report) => bail!(
            "the kept answers are not right for this version of ezmail; give the answers anew:\n\n\
             {report}"
        ),
    }
}

/// How `new` differs from `old`, as a diff for people; secrets are not in it.
///
/// # Errors
/// When answers cannot be written as TOML, which none can be that were checked.
pub fn difference(old: &Answers, new: &Answers) -> Result<String> {
    let (old, new) = (shown(old)?, shown(new)?);
    let diff = similar::TextDiff::from_lines(&old, &new);
    Ok(diff.unified_diff().context_radius(1).to_string())
}

fn shown(answers: &Answers) -> Result<String> {
    toml::to_string(answers).context("writing the answers as TOML")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPHRASE: &str = "5f0c7a1e9d2b4f6688aa31c05e7d9b12";

    fn answers(passphrase: &str) -> Answers {
        let text = format!(
            "hostname = \"mail.example.org\"\n[[domain]]\nname = \"example.org\"\n[[user]]\n\
             address = \"alice@example.org\"\npassword = \"wood stapler under rain\"\n[backup]\n\
             target = \"sftp://backup@backup.example.net/srv\"\npassphrase = \"{passphrase}\"\n"
        );
        answers::parse(&text, "a").unwrap()
    }

    #[test]
    fn the_passphrase_is_not_kept_and_comes_back_from_its_file() {
        let given = answers(PASSPHRASE);
        let kept = text(&given).unwrap();
        assert!(!kept.expose().contains(PASSPHRASE), "{}", kept.expose());
        let parsed = parse(&kept).unwrap();
        assert_eq!(parsed, form(&given));
        let others = [Secret::new("another one"), Secret::new(PASSPHRASE)];
        assert_eq!(fill(parsed.clone(), &others), given);
        // where it is not known, the reference still says which it was
        assert_eq!(fill(parsed.clone(), &others[..1]), parsed);
        assert_ne!(form(&answers("5f0c7a1e9d2b4f6688aa31c05e7d9b13")), parsed);
    }

    #[test]
    fn a_file_of_an_earlier_version_is_brought_to_the_form() {
        let given = answers(PASSPHRASE);
        let old = given.to_toml().unwrap();
        assert!(old.expose().contains(PASSPHRASE));
        let new = without_passphrase(&old).unwrap().unwrap();
        assert_eq!(new, text(&given).unwrap());
        assert_eq!(without_passphrase(&new).unwrap(), None);
        let none = Secret::new("hostname = \"a\"");
        assert_eq!(without_passphrase(&none).unwrap(), None);
    }
}
