//! A place to build: a cache and a folder of results of its own.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use ezmail::{
    host::{cache::Cache, copy},
    util::hash,
};
use tempfile::TempDir;

/// What takes long to make and is never changed by a build: taken from the cache that `ci/iso`
/// filled.
const SHARED: [&str; 8] = [
    "base",
    "srcinfo",
    "sources",
    "packages/knot-resolver",
    "packages/libressl-static",
    "packages/opensmtpd",
    "packages/opensmtpd-table-sqlite",
    "packages/rspamd",
];

/// The folder with the programs that `ci/iso` put into the ISO.
pub fn programs() -> PathBuf {
    let debug = Path::new(env!("CARGO_BIN_EXE_ezmail")).parent().unwrap();
    let release = debug.with_file_name("release");
    assert!(
        release.join("mailctl").exists(),
        "{} has no programs: run ci/iso first",
        release.display()
    );
    release
}

/// Its folders are gone when it is dropped.
pub struct Desk(TempDir);

impl Desk {
    /// Everything that takes minutes is in the cache, the rest is not.
    pub fn new() -> Self {
        let desk = Self::empty();
        let real = Cache::default_root().unwrap();
        fs::create_dir_all(desk.cache().join("packages")).unwrap();
        for name in SHARED {
            let from = real.join(name);
            assert!(from.is_dir(), "{}: run ci/iso first", from.display());
            symlink(from, desk.cache().join(name)).unwrap();
        }
        desk
    }

    /// Nothing is in the cache.
    pub fn empty() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dir = tempfile::Builder::new()
            .prefix("builder-")
            .tempdir_in(folder)
            .unwrap();
        fs::create_dir(dir.path().join("cache")).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// `ezmail WORDS` with the stand-in base, for this desk.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_to("out", words)
    }

    /// The same, with another folder for results.
    pub fn command_to(&self, out: &str, words: &[&str]) -> Command {
        let mut command = Command::new(programs().join("ezmail"));
        command
            .args(words)
            .args(["--base", "standin", "--out"])
            .arg(self.path().join(out))
            .arg("--programs")
            .arg(programs())
            .env("EZMAIL_CACHE", self.cache())
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// SHA-256 of the one ISO among the results.
    pub fn iso(&self) -> String {
        let all: Vec<PathBuf> = fs::read_dir(self.path().join("out"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "iso"))
            .collect();
        assert_eq!(all.len(), 1, "{all:?}");
        hash::sha256_file(&all[0]).unwrap()
    }

    /// Processes that have this desk's folders as their root or among their words.
    pub fn processes(&self) -> Vec<String> {
        let here = self.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let root = fs::read_link(entry.path().join("root")).unwrap_or_default();
            if words.contains(&here) || root.to_string_lossy().contains(&here) {
                found.push(words);
            }
        }
        found
    }

    /// Waits until nothing works here any more.
    pub fn wait_until_quiet(&self) {
        for _ in 0..100 {
            if self.processes().is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("still running: {:#?}", self.processes());
    }
}

/// A checkout in which something may be changed.
pub struct Checkout(PathBuf);

impl Checkout {
    pub fn new(desk: &Desk) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let checkout = desk.path().join("checkout");
        for folder in ["packages", "profile", "airootfs"] {
            copy::tree(&root.join(folder), &checkout.join(folder)).unwrap();
        }
        fs::write(checkout.join("ezmail.toml"), "").unwrap();
        Self(checkout)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts `to` in the place of the first `from` in a file.
    pub fn change(&self, path: &str, from: &str, to: &str) {
        let path = self.0.join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{}", path.display());
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

/// What a command printed on standard error, with the desk's own paths and times made plain.
pub fn said(desk: &Desk, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text
        .replace(&desk.path().display().to_string(), "DESK")
        .replace(env!("CARGO_MANIFEST_DIR"), "CHECKOUT");
    let run = regex::Regex::new(r"\d{8}T\d{6}-[0-9a-f]{4}").unwrap();
    let time = regex::Regex::new(r" +\d+\.\d s").unwrap();
    let scratch = regex::Regex::new(r"(/[a-z-]+-)[A-Za-z0-9]{6}\b").unwrap();
    let text = run.replace_all(&text, "RUN");
    let text = time.replace_all(&text, " N s");
    scratch.replace_all(&text, "${1}XXXXXX").into_owned()
}
