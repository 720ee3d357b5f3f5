//! Our own programs for the image: built by the host's cargo, handed to makepkg as a tarball.
//!
//! The build root's Rust may be older than this project needs, so the PKGBUILDs of `ezmail` and
//! `encpipe` package what cargo made here. Their `check()` runs the programs in the build root,
//! which is where a C library older than the host's shows.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use super::{base::PlanEnds, package::root_header, project::Project};
use crate::{
    programs::{self, Program},
    util::{files::AtomicFile, hash, run::Task},
};

/// The programs that go into the image.
pub const PROGRAMS: [&str; 6] = [
    "encpipe",
    "ezmail-agent",
    "ezmail-filter",
    "ezmail-guard",
    "ezmail-sts",
    "mailctl",
];

/// Name of the tarball among a PKGBUILD's sources.
pub const TARBALL: &str = "ezmail-programs.tar";

/// A tarball of [`PROGRAMS`], with their manual pages and completions: below `share/PROGRAM/` as
/// they lie below `/usr/share`.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Where it lies.
    pub path: PathBuf,
    /// Its SHA-256: part of the cache key of the packages made from it.
    pub sha256: String,
}

/// Packs the programs that lie in `given`; without that, cargo builds them in release mode.
///
/// # Errors
/// When cargo fails (the error carries what it said), or a given one is missing.
pub fn build(project: &Project, given: Option<&Path>) -> Result<Programs> {
    if project.is_dry() && given.is_none() {
        // whether they change is known when cargo has run
        project
            .progress
            .planned("package", "build our own programs by cargo");
        return Err(PlanEnds.into());
    }
    let found = match given {
        Some(folder) => PROGRAMS.iter().map(|p| (*p, folder.join(p))).collect(),
        None => by_cargo(project)?,
    };
    let scratch = project.cache.scratch("programs")?;
    let packed = scratch.path().join(TARBALL);
    pack(&found, &packed)?;
    let sha256 = hash::sha256_file(&packed)?;
    let (folder, _) = project.cache.entry("programs", &sha256, |out| {
        let to = out.join(TARBALL);
        std::fs::rename(&packed, &to).with_context(|| format!("keeping {}", to.display()))
    })?;
    Ok(Programs {
        path: folder.join(TARBALL),
        sha256,
    })
}

fn by_cargo(project: &Project) -> Result<Vec<(&'static str, PathBuf)>> {
    let root = &project.root;
    let sh = Shell::new().context("opening the working folder")?;
    sh.change_dir(root);
    let bins = PROGRAMS.iter().flat_map(|p| ["--bin", p]);
    let command = cmd!(
        sh,
        "cargo build --release --locked --message-format=json-render-diagnostics {bins...}"
    );
    let log = project.cache.log("cargo")?;
    let running = project
        .progress
        .start("package", "building our own programs", Some(&log));
    let messages = Task::new("building our own programs with cargo", command)
        .log(&log)
        .output()?;
    running.done("built");
    executables(&messages)
}

/// The path of every program in cargo's JSON messages, in the order of [`PROGRAMS`].
fn executables(messages: &str) -> Result<Vec<(&'static str, PathBuf)>> {
    let messages: Vec<serde_json::Value> = messages
        .lines()
        .filter(|l| l.starts_with('{'))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .context("reading cargo's messages")?;
    PROGRAMS
        .into_iter()
        .map(|name| {
            let found = messages.iter().find(|m| {
                m["reason"] == "compiler-artifact"
                    && m["target"]["name"] == name
                    && m["target"]["kind"][0] == "bin"
            });
            match found.and_then(|m| m["executable"].as_str()) {
                Some(path) => Ok((name, PathBuf::from(path))),
                None => bail!("cargo built no program '{name}'"),
            }
        })
        .collect()
}

fn pack(found: &[(&str, PathBuf)], path: &Path) -> Result<()> {
    let what = || format!("writing {}", path.display());
    let mut tar = tar::Builder::new(AtomicFile::create(path)?);
    let mut append = |name: &str, mode, bytes: &[u8]| {
        let mut header = root_header(tar::EntryType::Regular, mode, 0);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).with_context(what)
    };
    for (name, from) in found {
        let bytes = std::fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        append(name, 0o755, &bytes)?;
    }
    // this program has the command lines of all: they are of the same source
    let of_image = |p: &Program| PROGRAMS.contains(&p.name);
    for program in programs::all().into_iter().filter(of_image) {
        for page in programs::pages(&program) {
            let name = format!("share/{}/{}", program.name, page.path);
            append(&name, 0o644, &page.bytes)?;
        }
    }
    let mut file = tar.into_inner().with_context(what)?;
    file.flush().with_context(what)?;
    file.commit(0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_cargos_messages() {
        let line = |name: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"{name}\",\
                 \"kind\":[\"bin\"]}},\"executable\":\"/t/{name}\"}}\n"
            )
        };
        let all: String = PROGRAMS.iter().map(|p| line(p)).collect();
        let found = executables(&all).unwrap();
        assert_eq!(found[0], ("encpipe", PathBuf::from("/t/encpipe")));
        let error = executables(&line("encpipe")).unwrap_err();
        assert_eq!(error.to_string(), "cargo built no program 'ezmail-agent'");
    }

    #[test]
    fn pages_and_completions_are_packed_beside_the_programs() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("mailctl");
        std::fs::write(&program, "program").unwrap();
        let path = dir.path().join("a.tar");
        pack(&[("mailctl", program)], &path).unwrap();
        let mut tar = tar::Archive::new(std::fs::File::open(&path).unwrap());
        let names: Vec<String> = tar
            .entries()
            .unwrap()
            .map(|e| e.unwrap().path().unwrap().display().to_string())
            .collect();
        for name in [
            "mailctl",
            "share/mailctl/man/man8/mailctl-queue-list.8",
            "share/ezmail-agent/man/man8/ezmail-agent-apply.8",
            "share/ezmail-filter/fish/vendor_completions.d/ezmail-filter.fish",
            "share/encpipe/bash-completion/completions/encpipe",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
        }
        // ezmail itself stays on the host
        assert!(!names.iter().any(|n| n.starts_with("share/ezmail/")));
    }
}
