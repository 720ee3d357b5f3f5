//! A server to make backups of, and where they go.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::PathBuf,
};

use super::super::*;
use crate::{
    backup::{
        extract::{Extracted, extract},
        open::{Opened, open as open_backup},
        store::Folder,
    },
    encpipe::{Key, Passphrase},
};

/// A server in a folder, and a store.
pub(super) struct World {
    _folder: tempfile::TempDir,
    pub root: PathBuf,
    target: Target,
    paths: Paths,
    pub key: Key,
    pub store: Folder,
}

pub(super) fn key(text: &str) -> Key {
    Key::derive(&Passphrase::new(text.as_bytes().to_vec()).unwrap()).unwrap()
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("server");
        let store = folder.path().join("store");
        fs::create_dir_all(root.join("var/lib/ezmail")).unwrap();
        fs::create_dir(&store).unwrap();
        let world = Self {
            target: Target::new(&root).unwrap(),
            paths: Paths::default(),
            key: key("one"),
            store: Folder::new(&store).unwrap(),
            root,
            _folder: folder,
        };
        world.write("var/lib/ezmail/state.json", "{}");
        world.write("var/lib/ezmail/answers/answers.toml", "a = 1");
        world.write("var/lib/ezmail/secrets/backup-passphrase", "secret");
        world.write("var/lib/ezmail/dkim/example.org/s.pem", "key");
        world.write("var/vmail/example.org/a/Maildir/new/1.x", "one");
        world.write("var/vmail/example.org/a/Maildir/cur/2.x:2,S", "two");
        world.write("var/vmail/example.org/a/Maildir/dovecot-uidlist", "3 V1");
        symlink(
            "sieve/main.sieve",
            world.root.join("var/vmail/example.org/a/.dovecot.sieve"),
        )
        .unwrap();
        database::open(&world.root.join("var/lib/ezmail/mail.sqlite")).unwrap();
        world
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn request(&self, now: i64) -> Request<'_> {
        Request {
            target: &self.target,
            paths: &self.paths,
            host: "mail.example.org",
            modules: &Module::ALL,
            full: false,
            now,
            part: PART,
        }
    }

    pub fn deriving(&self) -> Deriving {
        self.key.clone().into()
    }

    pub fn scratch(&self) -> Scratch {
        Scratch::take(&self.path("var/lib/ezmail")).unwrap()
    }

    pub fn backup(&self, now: i64) -> Made {
        self.backup_of(&self.request(now)).unwrap()
    }

    pub fn backup_of(&self, request: &Request<'_>) -> Result<Made> {
        let sink = Sink::Store(&self.store);
        create(
            request,
            &mut self.deriving(),
            sink,
            &self.scratch(),
            &NoServices,
            &Unwatched,
        )
    }

    pub fn names(&self) -> Vec<String> {
        let listed = self.store.list().unwrap();
        listed.into_iter().map(|e| e.name).collect()
    }

    pub fn open(&self, id: &BackupId) -> (tempfile::TempDir, Opened) {
        let scratch = tempfile::tempdir().unwrap();
        let opened = open_backup(&self.store, &id.archive(), &self.key, scratch.path()).unwrap();
        (scratch, opened)
    }

    /// Extracts a backup and compares all of it with the server.
    pub fn compare(&self, id: &BackupId) -> Extracted {
        let (_scratch, opened) = self.open(id);
        let to = tempfile::tempdir().unwrap();
        let all = &Module::ALL;
        let done = extract(
            &opened,
            &self.store,
            &self.key,
            all,
            Some(to.path()),
            &Unwatched,
        );
        let done = done.unwrap();
        let same =
            |a: &Path, b: &Path| assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{a:?}");
        let mut files = 0;
        for (path, at) in [("mail", "var/vmail"), ("answers", "var/lib/ezmail/answers")] {
            for entry in walkdir::WalkDir::new(self.path(at)) {
                let entry = entry.unwrap();
                let rest = entry.path().strip_prefix(self.path(at)).unwrap();
                let restored = to.path().join(path).join(rest);
                let (was, is) = (
                    entry.path().symlink_metadata().unwrap(),
                    restored.symlink_metadata().unwrap(),
                );
                assert_eq!(was.mode(), is.mode(), "{restored:?}");
                if was.is_file() {
                    files += 1;
                    same(entry.path(), &restored);
                    assert_eq!(was.mtime(), is.mtime(), "{restored:?}");
                }
            }
        }
        assert!(files >= 4);
        assert!(!to.path().join("secrets/backup-passphrase").exists());
        database::open(&to.path().join("mail.sqlite")).unwrap();
        let looked = extract(&opened, &self.store, &self.key, all, None, &Unwatched).unwrap();
        assert_eq!(looked, done);
        done
    }
}

/// A store that fails after so many archives.
pub(super) struct Broken<'a>(pub &'a Folder, pub std::sync::atomic::AtomicU32);

impl Store for Broken<'_> {
    fn name(&self) -> String {
        self.0.name()
    }
    fn list(&self) -> Result<Vec<crate::backup::store::Entry>> {
        self.0.list()
    }
    fn create(&self, name: &str) -> Result<Box<dyn Upload>> {
        let left = self.1.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        ensure!(left > 0, "the connection was lost");
        self.0.create(name)
    }
    fn open(&self, name: &str) -> Result<Box<dyn std::io::Read + Send>> {
        self.0.open(name)
    }
    fn remove(&self, name: &str) -> Result<()> {
        self.0.remove(name)
    }
    fn tidy(&self, prefix: &str) -> Result<Vec<String>> {
        self.0.tidy(prefix)
    }
}
