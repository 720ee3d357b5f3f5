//! What a build would stumble over at its end is looked at before it begins, with `--dry-run` too.

use std::path::Path;

use anyhow::{Result, bail};

use super::{
    build::Goal,
    doctor,
    image::{Engine, mkarchiso},
    sign::{self, key::Kind},
};
use crate::util::run::find_program;

/// What puts an ISO together, when it is our own engine.
const ISO_TOOLS: [&str; 4] = ["mksquashfs", "xorriso", "mkfs.fat", "mcopy"];

/// What a command asks for, as far as it can be looked at beforehand.
#[derive(Debug)]
pub struct Asked<'a> {
    /// How far to go.
    pub goal: Goal,
    /// Who puts the ISO together.
    pub engine: Engine,
    /// `--source-dir`.
    pub source_dir: Option<&'a Path>,
    /// `--sign`.
    pub sign: Option<&'a Path>,
    /// `--sign-repo`.
    pub sign_repo: Option<&'a str>,
    /// Whether root asks: an ordinary user's build has a user namespace.
    pub is_root: bool,
}

/// Looks whether all of it can be had, in the session of the user who asks: keys are there.
///
/// # Errors
/// The first thing that cannot be had, and what to do.
pub fn check(asked: &Asked) -> Result<()> {
    if let Some(folder) = asked.source_dir.filter(|folder| !folder.is_dir()) {
        bail!(
            "--source-dir {}: that is no folder; name the one that has the sources",
            folder.display()
        );
    }
    if asked.goal == Goal::Image {
        match asked.engine {
            Engine::Native => ISO_TOOLS.iter().try_for_each(|tool| there(tool))?,
            Engine::Mkarchiso => mkarchiso::can_run(asked.is_root)?,
        }
    }
    if let Some(key) = asked.sign {
        there(match sign::signer(key)? {
            Kind::MinisignSecret { .. } => "minisign",
            _ => "ssh-keygen",
        })?;
    }
    if let Some(id) = asked.sign_repo {
        there("gpg")?;
        sign::has_secret(id)?;
    }
    Ok(())
}

fn there(program: &str) -> Result<()> {
    if find_program(program).is_some() {
        return Ok(());
    }
    let tool = doctor::TOOLS.iter().find(|tool| tool.name == program);
    let what = tool.map_or_else(String::new, |tool| format!(" (it {})", tool.purpose));
    bail!("the program '{program}' was not found{what}; 'ezmail doctor' says how to install it")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    const NOTHING: Asked = Asked {
        goal: Goal::Repo,
        engine: Engine::Native,
        source_dir: None,
        sign: None,
        sign_repo: None,
        is_root: true,
    };

    fn error(asked: &Asked, dir: &Path) -> String {
        let text = format!("{:#}", check(asked).unwrap_err());
        text.replace(&dir.display().to_string(), "DIR")
    }

    #[test]
    fn keys_that_cannot_sign_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let place = |name: &str, text: &str| -> PathBuf {
            let path = dir.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let public = "RWSJLZr+LLcZyVvKBhBCvTYtI7BuDFIwIEOHLW3wmI/lzF0CH3vRK3w5\n";
        let error = |key: &Path| {
            let sign = Some(key);
            error(&Asked { sign, ..NOTHING }, dir)
        };
        insta::assert_snapshot!(error(&place("minisign.pub", public)), @"DIR/minisign.pub is minisign's public key; the secret one signs, by default ~/.minisign/minisign.key");
        insta::assert_snapshot!(error(&place("allowed", "me@x ssh-ed25519 AAAA\n")), @"DIR/allowed lists allowed signers; one key is needed to sign");
        insta::assert_snapshot!(error(&dir.join("none")), @"reading DIR/none: No such file or directory (os error 2)");
        let sign = place("id.pub", "ssh-ed25519 AAAA me@x\n");
        let sign = Some(sign.as_path());
        check(&Asked { sign, ..NOTHING }).unwrap();
    }

    #[test]
    fn folders_and_programs_have_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let source_dir = dir.path().join("sources");
        let asked = Asked {
            source_dir: Some(&source_dir),
            ..NOTHING
        };
        insta::assert_snapshot!(error(&asked, dir.path()), @"--source-dir DIR/sources: that is no folder; name the one that has the sources");
        fs::create_dir(&source_dir).unwrap();
        check(&asked).unwrap();
        insta::assert_snapshot!(there("no-such-tool").unwrap_err(), @"the program 'no-such-tool' was not found; 'ezmail doctor' says how to install it");
        for tool in ISO_TOOLS.iter().chain(&["minisign", "ssh-keygen", "gpg"]) {
            assert!(doctor::TOOLS.iter().any(|t| t.name == *tool), "{tool}");
        }
    }

    #[test]
    fn mkarchiso_is_for_root() {
        let asked = Asked {
            goal: Goal::Image,
            engine: Engine::Mkarchiso,
            is_root: false,
            ..NOTHING
        };
        insta::assert_snapshot!(error(&asked, Path::new("/nowhere")), @"mkarchiso mounts what a user namespace may not: run it as root, by 'sudo ezmail build --engine mkarchiso'; '--engine native' builds the same as any user");
        // what stops before the image needs none
        check(&Asked {
            goal: Goal::Profile,
            ..asked
        })
        .unwrap();
    }
}
