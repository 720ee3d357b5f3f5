//! A small Arch Linux: keys, a host that knows some of them, and a mirror with three packages.

use std::path::{Path, PathBuf};

use ezmail::host::{
    base::arch::Config,
    package::{PackageWriter, PkgInfo},
    repo,
};
use tempfile::TempDir;

use crate::{keys::Keys, server::Server};

/// `core` has `archlinux-keyring` and `base-files`, `extra` has `hello`, which depends on that.
pub struct World {
    pub keys: Keys,
    pub masters: Vec<String>,
    /// Certified by the masters and known to the host.
    pub packager: String,
    dir: TempDir,
}

/// Which keys a keyring holds, by fingerprint.
#[derive(Default, Clone)]
pub struct Keyring {
    pub masters: Vec<String>,
    pub packagers: Vec<String>,
    pub revoked: Vec<String>,
}

impl World {
    /// Everything as it should be.
    pub fn new() -> Self {
        let keys = Keys::new();
        let masters: Vec<String> = (1..=3)
            .map(|n| keys.generate(&format!("master {n}")))
            .collect();
        let packager = keys.generate("packager");
        keys.certify(&packager, &masters);
        let world = Self {
            keys,
            masters,
            packager,
            dir: tempfile::tempdir().unwrap(),
        };
        world.host(&world.keyring());
        world.keyring_package(&world.keyring(), "20261101-1", &world.packager);
        let base = world.package("core", "base-files", "1-1", &[], &[]);
        let hello = world.package("extra", "hello", "2-1", &["base-files"], &[]);
        world.keys.sign(&base, &world.packager);
        world.keys.sign(&hello, &world.packager);
        world.databases();
        world
    }

    /// The masters and the one packager.
    pub fn keyring(&self) -> Keyring {
        Keyring {
            masters: self.masters.clone(),
            packagers: vec![self.packager.clone()],
            revoked: Vec::new(),
        }
    }

    /// Sets what the host has in its keyring folder.
    pub fn host(&self, keyring: &Keyring) {
        for (name, bytes) in self.keyring_files(keyring) {
            let path = self.path("host").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Sets the mirror's `archlinux-keyring`.
    pub fn keyring_package(&self, keyring: &Keyring, version: &str, signer: &str) {
        for old in std::fs::read_dir(self.repository("core")).unwrap() {
            let old = old.unwrap().path();
            if old.to_string_lossy().contains("archlinux-keyring") {
                std::fs::remove_file(old).unwrap();
            }
        }
        let files: Vec<(String, Vec<u8>)> = self
            .keyring_files(keyring)
            .into_iter()
            .map(|(name, bytes)| (format!("usr/share/pacman/keyrings/{name}"), bytes))
            .collect();
        let path = self.package("core", "archlinux-keyring", version, &[], &files);
        self.keys.sign(&path, signer);
        self.databases();
    }

    fn keyring_files(&self, keyring: &Keyring) -> Vec<(String, Vec<u8>)> {
        let all: Vec<&String> = keyring.masters.iter().chain(&keyring.packagers).collect();
        let trusted: String = keyring
            .masters
            .iter()
            .map(|m| format!("{m}:4:\n"))
            .collect();
        let revoked: String = keyring.revoked.iter().map(|k| format!("{k}\n")).collect();
        vec![
            ("archlinux.gpg".into(), self.keys.export(&all)),
            ("archlinux-trusted".into(), trusted.into_bytes()),
            ("archlinux-revoked".into(), revoked.into_bytes()),
        ]
    }

    /// Writes a package into a repository, without a signature and not yet in the database.
    pub fn package(
        &self,
        repository: &str,
        name: &str,
        version: &str,
        depends: &[&str],
        files: &[(String, Vec<u8>)],
    ) -> PathBuf {
        let info = PkgInfo {
            name: name.into(),
            version: version.into(),
            desc: "a test".into(),
            arch: "any".into(),
            // without one pacman 6.0 crashes when it looks for an unknown signer's key
            packager: "packager <packager@example.org>".into(),
            builddate: 1_790_000_000,
            depends: depends.iter().map(|d| (*d).to_owned()).collect(),
            ..PkgInfo::default()
        };
        let mut writer = PackageWriter::create(&self.repository(repository), &info, 1).unwrap();
        let path = format!("usr/share/{name}/version");
        writer
            .append_file(&path, version.as_bytes(), 0o644, 1)
            .unwrap();
        for (path, bytes) in files {
            writer.append_file(path, bytes, 0o644, 1).unwrap();
        }
        writer.finish().unwrap()
    }

    /// Writes both databases over what lies in their folders.
    pub fn databases(&self) {
        for repository in ["core", "extra"] {
            let folder = self.repository(repository);
            let packages: Vec<PathBuf> = std::fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "zst"))
                .collect();
            repo::write(&folder, repository, &packages).unwrap();
        }
    }

    /// The folder of a repository in Arch's layout.
    pub fn repository(&self, name: &str) -> PathBuf {
        let path = self.path(&format!("mirror/{name}/os/x86_64"));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Starts a mirror.
    pub fn serve(&self) -> Server {
        Server::start(&self.path("mirror"), "")
    }

    /// A configuration with just these mirrors.
    pub fn config(&self, mirrors: &[String]) -> Config {
        Config {
            mirrors: mirrors
                .iter()
                .map(|m| format!("{m}/$repo/os/$arch"))
                .collect(),
            mirrorlist: "/nonexistent".into(),
            keyrings: vec![self.path("none"), self.path("host")],
            ..Config::default()
        }
    }

    /// A path in the world's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A text without what differs from run to run.
    pub fn plain(&self, text: &str) -> String {
        let mut text = text.replace(&self.dir.path().display().to_string(), "WORLD");
        for (n, master) in self.masters.iter().enumerate() {
            text = text.replace(master, &format!("MASTER{}", n + 1));
        }
        text.replace(&self.packager, "PACKAGER")
    }
}

/// Whether a file is there.
pub fn there(root: &Path, path: &str) -> bool {
    root.join(path).exists()
}
