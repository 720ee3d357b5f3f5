//! Fetching the pinned sources of the stand-in base, by the host's ordinary clients.
//!
//! Every file is checked against its SHA-256 before it is used and kept under that sum, so one
//! that was fetched once is never fetched again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use xshell::{Shell, cmd};

use super::{cache::Cache, pins::Source};
use crate::util::{files, hash, run::Task};

/// Where sources come from.
#[derive(Debug)]
pub struct Fetcher<'a> {
    cache: &'a Cache,
    source_dir: Option<&'a Path>,
    apt_sources: String,
    log: PathBuf,
}

impl<'a> Fetcher<'a> {
    /// `source_dir` is a folder in which files are looked for by name first (`--source-dir`);
    /// `apt_sources` are the `deb` lines (sources.list(5)) that the base was composed from.
    /// What the clients say is appended to `log`.
    pub fn new(
        cache: &'a Cache,
        source_dir: Option<&'a Path>,
        apt_sources: &str,
        log: &Path,
    ) -> Self {
        Self {
            cache,
            source_dir,
            apt_sources: deb_src(apt_sources),
            log: log.to_path_buf(),
        }
    }

    /// The path of a verified copy of `source`; none for a local one, which lies beside the
    /// PKGBUILD.
    ///
    /// # Errors
    /// When the file cannot be had or has another checksum: names the file and the way out.
    pub fn fetch(&self, source: &Source) -> Result<Option<PathBuf>> {
        let (Source::Debian { sha256, .. } | Source::Crate { sha256, .. }) = source else {
            return Ok(None);
        };
        let name = source.file_name();
        let target = self
            .cache
            .folder(&format!("sources/{}", &sha256[..16]))?
            .join(name);
        if target.exists() {
            verify(&target, sha256)?;
            return Ok(Some(target));
        }
        let scratch = self.cache.scratch("source")?;
        let got = self
            .find_given(name, scratch.path())
            .and_then(|given| match given {
                Some(path) => Ok(path),
                None => match source {
                    Source::Debian { debian, .. } => {
                        self.fetch_debian(debian, name, sha256, scratch.path())
                    }
                    Source::Crate {
                        name,
                        version,
                        file,
                        ..
                    } => fetch_crate(name, version, file, scratch.path(), &self.log),
                    Source::Local { .. } => Err(anyhow!("a local source is not fetched")),
                },
            })
            .and_then(|path| verify(&path, sha256).map(|()| path))
            .with_context(|| {
                format!(
                    "the source '{name}' cannot be had; put a copy with the \
                     SHA-256 {sha256} into a folder and name it with --source-dir DIR"
                )
            })?;
        fs::rename(&got, &target).with_context(|| format!("keeping {}", target.display()))?;
        Ok(Some(target))
    }

    fn find_given(&self, name: &str, scratch: &Path) -> Result<Option<PathBuf>> {
        let Some(path) = self.source_dir.map(|d| d.join(name)).filter(|p| p.exists()) else {
            return Ok(None);
        };
        let copy = scratch.join(name);
        fs::copy(&path, &copy).with_context(|| format!("copying {}", path.display()))?;
        Ok(Some(copy))
    }

    /// The tarball of a Debian source package, through apt with a configuration of its own: the
    /// host's may have no source lines, or be of another release.
    fn fetch_debian(
        &self,
        package: &str,
        name: &str,
        sha256: &str,
        scratch: &Path,
    ) -> Result<PathBuf> {
        let apt = self.apt()?;
        let sh = Shell::new()?;
        let command =
            cmd!(sh, "apt-get source --only-source --print-uris {package}").env("APT_CONFIG", &apt);
        let text = Task::new(format!("asking apt for the source of {package}"), command)
            .log(&self.log)
            .output()?;
        let uri = find_uri(&text, name).with_context(|| {
            format!("apt knows no file '{name}' in the source package '{package}'")
        })?;
        let target = scratch.join(name);
        let sum = format!("SHA256:{sha256}");
        let helper = "/usr/lib/apt/apt-helper";
        let command =
            cmd!(sh, "{helper} download-file {uri} {target} {sum}").env("APT_CONFIG", &apt);
        Task::new(format!("fetching {uri}"), command)
            .log(&self.log)
            .run()?;
        Ok(target)
    }

    /// A private apt configuration with the stand-in's source line; its path.
    fn apt(&self) -> Result<PathBuf> {
        let root = self
            .cache
            .folder(&format!("apt/{}", &hash::sha256(&self.apt_sources)[..16]))?;
        let config = root.join("apt.conf");
        let stamp = root.join("updated");
        let _alone = self
            .cache
            .lock("apt", "the list of Debian's source packages")?;
        if stamp.exists() {
            return Ok(config);
        }
        for folder in ["lists/partial", "archives/partial", "etc", "state"] {
            files::create_dir_all(&root.join(folder))?;
        }
        files::write(&root.join("state/status"), "", 0o644)?;
        files::write(&root.join("etc/sources.list"), &self.apt_sources, 0o644)?;
        let shown = root.display();
        // the host's own configuration (proxies, certificates) is still read; only places change
        files::write(
            &config,
            format!(
                "Dir::State \"{shown}/state\";\nDir::State::status \"{shown}/state/status\";\n\
                 Dir::State::lists \"{shown}/lists\";\nDir::Cache \"{shown}/archives\";\n\
                 Dir::Etc::sourcelist \"{shown}/etc/sources.list\";\n\
                 Dir::Etc::sourceparts \"/dev/null\";\nAPT::Sandbox::User \"root\";\n\
                 Acquire::Languages \"none\";\n"
            ),
            0o644,
        )?;
        let sh = Shell::new()?;
        // a list that could not be fetched is no failure for apt by itself (apt.conf(5))
        let strict = "APT::Update::Error-Mode=any";
        let command = cmd!(sh, "apt-get update -qq -o {strict}").env("APT_CONFIG", &config);
        Task::new("reading the list of Debian's source packages", command)
            .log(&self.log)
            .run()?;
        files::write(&stamp, "", 0o644)?;
        Ok(config)
    }
}

/// A file of a crate, through cargo: a manifest that depends on it, and cargo's own copy.
fn fetch_crate(
    name: &str,
    version: &str,
    file: &str,
    scratch: &Path,
    log: &Path,
) -> Result<PathBuf> {
    files::write(
        &scratch.join("Cargo.toml"),
        format!(
            "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
             [lib]\npath = \"lib.rs\"\n[dependencies]\n{name} = \"={version}\"\n[workspace]\n"
        ),
        0o644,
    )?;
    files::write(&scratch.join("lib.rs"), "", 0o644)?;
    let sh = Shell::new()?;
    let manifest = scratch.join("Cargo.toml");
    let command = cmd!(
        sh,
        "cargo metadata --quiet --format-version 1 --manifest-path {manifest}"
    );
    let text = Task::new(format!("fetching the crate {name} {version}"), command)
        .log(log)
        .output()?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).context("reading cargo's metadata")?;
    let manifest = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|p| p["name"] == name && p["version"] == version)
        .and_then(|p| p["manifest_path"].as_str())
        .with_context(|| format!("cargo did not fetch {name} {version}"))?;
    let from = Path::new(manifest).with_file_name("").join(file);
    let name = file.rsplit('/').next().unwrap_or(file);
    let target = scratch.join(name);
    fs::copy(&from, &target)
        .with_context(|| format!("the crate {name} {version} has no file '{file}'"))?;
    Ok(target)
}

/// `deb` lines as `deb-src` lines.
fn deb_src(lines: &str) -> String {
    let lines = lines.lines().filter_map(|l| l.trim().strip_prefix("deb "));
    lines.map(|l| format!("deb-src {l}\n")).collect()
}

/// The address of the file `name` in what `apt-get source --print-uris` printed:
/// `'URI' NAME SIZE SHA256:SUM` a line.
fn find_uri(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (uri, rest) = line.strip_prefix('\'')?.split_once('\'')?;
        (rest.split_whitespace().next()? == name).then(|| uri.to_owned())
    })
}

fn verify(path: &Path, sha256: &str) -> Result<()> {
    let sum = hash::sha256_file(path)?;
    if sum != sha256 {
        bail!(
            "{} has the SHA-256 {sum}, not {sha256}: it is not used",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_file_is_found() {
        let text = "Reading package lists...\n\
            'http://a/x_1.dsc' x_1.dsc 1 SHA256:00\n\
            'http://a/x_1.orig.tar.gz' x_1.orig.tar.gz 2 SHA256:01\n";
        assert_eq!(
            find_uri(text, "x_1.orig.tar.gz").unwrap(),
            "http://a/x_1.orig.tar.gz"
        );
        assert_eq!(find_uri(text, "x_1.orig.tar.xz"), None);
    }

    #[test]
    fn source_lines_follow_binary_lines() {
        let lines = "# a comment\ndeb [signed-by=/k] http://m/debian trixie main\n";
        assert_eq!(
            deb_src(lines),
            "deb-src [signed-by=/k] http://m/debian trixie main\n"
        );
    }

    #[test]
    fn a_given_file_is_taken_and_a_wrong_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let progress = crate::host::progress::Progress::quiet();
        let cache = Cache::open(&dir.path().join("cache"), &progress).unwrap();
        let given = dir.path().join("given");
        fs::create_dir(&given).unwrap();
        let source = Source::Debian {
            debian: "no-such-package".into(),
            file: "x_1.orig.tar.gz".into(),
            sha256: hash::sha256("right"),
        };
        let fetcher = Fetcher::new(&cache, Some(&given), "", &dir.path().join("log"));
        fs::write(given.join("x_1.orig.tar.gz"), "wrong").unwrap();
        let error = format!("{:#}", fetcher.fetch(&source).unwrap_err());
        assert!(
            error.starts_with("the source 'x_1.orig.tar.gz' cannot be had; put"),
            "{error}"
        );
        assert!(error.contains("it is not used"), "{error}");
        fs::write(given.join("x_1.orig.tar.gz"), "right").unwrap();
        let path = fetcher.fetch(&source).unwrap().unwrap();
        assert_eq!(fs::read(path).unwrap(), b"right");
    }
}
