//! Where programs are looked for.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The folders in which programs are looked for: those of the PATH, and sbin. That is not on every user's
/// PATH, but mkfs.fat, usermod and their like live there.
fn folders() -> Vec<PathBuf> {
    folders_of(&std::env::var_os("PATH").unwrap_or_default())
}

fn folders_of(path: &OsStr) -> Vec<PathBuf> {
    // an empty one is the working folder, whoever may write to that
    let mut folders: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|folder| !folder.as_os_str().is_empty())
        .collect();
    if folders.is_empty() {
        folders.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
    }
    for sbin in ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from) {
        if !folders.contains(&sbin) {
            folders.push(sbin);
        }
    }
    folders
}

/// A PATH for programs that start others, with sbin in it.
///
/// # Errors
/// Never with a PATH that came from the environment.
pub fn search_path() -> Result<OsString> {
    std::env::join_paths(folders()).context("putting the PATH together")
}

/// Where `program` stands on the PATH or in sbin, if it does.
pub fn find_program(program: &str) -> Option<PathBuf> {
    folders()
        .into_iter()
        .map(|p| p.join(program))
        .find(|p| is_program(p))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_never_looked_for_in_the_working_folder() {
        let folders = |path: &str| std::env::join_paths(folders_of(OsStr::new(path))).unwrap();
        let sbin = "/usr/local/sbin:/usr/sbin:/sbin";
        assert_eq!(*folders("/a::/sbin"), *format!("/a:/sbin:{}", &sbin[..25]));
        assert_eq!(
            *folders(""),
            *format!("/usr/local/bin:/usr/bin:/bin:{sbin}")
        );
    }
}
