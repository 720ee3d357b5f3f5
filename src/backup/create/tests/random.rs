//! Mailboxes that live, and backups of them: each gives back what was there then.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, UNIX_EPOCH},
};

use super::{
    super::*,
    world::{Broken, World},
};
use crate::{
    answers::model::Keep,
    backup::{
        extract::extract,
        open::{backups, open},
        prune,
    },
    util::hash,
};

/// How many backups are made; old ones are removed after every third.
const BACKUPS: usize = 9;

/// Numbers that are the same in every run (PCG, 64 to 32 bits).
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, end: usize) -> usize {
        let state = self.0;
        self.0 = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = (((state >> 18) ^ state) >> 27) as u32;
        mixed.rotate_right((state >> 59) as u32) as usize % end
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// What is at a path: its mode, and for files the time and the bytes.
type State = BTreeMap<PathBuf, (u32, Option<(i64, u64, String)>)>;

fn state(folders: &[(&str, PathBuf)]) -> State {
    let mut state = State::new();
    for (name, folder) in folders {
        for entry in walkdir::WalkDir::new(folder) {
            let entry = entry.unwrap();
            let path = Path::new(name).join(entry.path().strip_prefix(folder).unwrap());
            let found = entry.metadata().unwrap();
            let content = found.is_file().then(|| {
                let mut sum = hash::Running::default();
                sum.read(File::open(entry.path()).unwrap()).unwrap();
                (found.mtime(), found.len(), hex::encode(sum.finish_bytes()))
            });
            state.insert(path, (found.mode() & 0o7777, content));
        }
    }
    state
}

/// The mail of a server, with people at work in it.
struct Mail {
    folder: PathBuf,
    queue: PathBuf,
    random: Random,
    delivered: usize,
}

impl Mail {
    fn state(&self) -> State {
        state(&[("mail", self.folder.clone()), ("queue", self.queue.clone())])
    }

    /// A mailbox's folder, which may be new.
    fn mailbox(&mut self) -> PathBuf {
        let names: [&[u8]; 6] = [
            b"",
            b".Sent",
            b".door.lock",
            b".B\xfccher",
            b".cur",
            b".tmp",
        ];
        let name = OsStr::from_bytes(names[self.random.below(names.len())]);
        let user = ["a", "cur", "import.tmp"][self.random.below(3)];
        let folder = self
            .folder
            .join("example.org")
            .join(user)
            .join("Maildir")
            .join(name);
        for inner in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join(inner)).unwrap();
        }
        folder
    }

    fn name(&mut self, message: &[u8]) -> OsString {
        let base = message.split(|b| *b == b':').next().unwrap_or_default();
        let flags = ["", "S", "RS", "FRST"][self.random.below(4)];
        let name = [base, b":2,", flags.as_bytes()].concat();
        OsStr::from_bytes(&name).to_owned()
    }

    /// A message that is there.
    fn message(&mut self) -> Option<PathBuf> {
        let mut found: Vec<PathBuf> = walkdir::WalkDir::new(&self.folder)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file() && entry.file_name() != "dovecot-uidlist")
            .map(walkdir::DirEntry::into_path)
            .collect();
        found.sort();
        match found.len() {
            0 => None,
            length => Some(found.swap_remove(self.random.below(length))),
        }
    }

    fn deliver(&mut self) {
        self.delivered += 1;
        let number = self.delivered;
        let end: Vec<u8> = match self.random.below(5) {
            0 => vec![b'x'; 200],
            1 => b"\xff\xfe\n".to_vec(),
            _ => b"mail".to_vec(),
        };
        let name = [format!("{number}.M1.").into_bytes(), end].concat();
        let length = match self.random.below(12) {
            0 => 0,
            1 => 1_100_000,
            2 => 1234,
            _ => self.random.below(3000),
        };
        // now and then the same again
        let bytes = match self.random.below(4) {
            0 => vec![7; length],
            _ => self.random.bytes(length.min(5000)),
        };
        let mailbox = self.mailbox();
        let unseen = mailbox.join("tmp").join("being-written");
        fs::write(&unseen, bytes).unwrap();
        if length == 1_100_000 {
            // with holes
            File::options()
                .write(true)
                .open(&unseen)
                .unwrap()
                .set_len(length as u64)
                .unwrap();
        }
        let time = match self.random.below(6) {
            0 => UNIX_EPOCH - Duration::from_secs(86_400),
            1 => UNIX_EPOCH + Duration::from_secs(1 << 33),
            n => UNIX_EPOCH + Duration::from_secs(1_795_000_000 + n as u64),
        };
        File::options()
            .write(true)
            .open(&unseen)
            .unwrap()
            .set_modified(time)
            .unwrap();
        fs::rename(unseen, mailbox.join("new").join(OsStr::from_bytes(&name))).unwrap();
    }

    /// Somebody does something.
    fn step(&mut self) {
        let message = self.message();
        let kind = self.random.below(10);
        let Some(message) = message.filter(|_| kind > 2) else {
            return self.deliver();
        };
        let name = message.file_name().unwrap().as_bytes().to_vec();
        let mailbox = message.parent().unwrap().parent().unwrap().to_path_buf();
        let flagged = self.name(&name);
        match kind {
            3 => fs::rename(&message, mailbox.join("cur").join(flagged)).unwrap(),
            4 => {
                let other = self.mailbox();
                fs::rename(&message, other.join("cur").join(flagged)).unwrap();
            }
            5 => {
                self.delivered += 1;
                let copy = format!("{}.copy:2,", self.delivered);
                let other = self.mailbox();
                fs::hard_link(&message, other.join("cur").join(copy)).unwrap();
            }
            6 => fs::remove_file(&message).unwrap(),
            7 => {
                // the next file may get its inode
                let length = message.metadata().unwrap().len().min(5000) as usize;
                fs::remove_file(&message).unwrap();
                let bytes = self.random.bytes(length);
                fs::write(mailbox.join("tmp/1"), bytes).unwrap();
                fs::rename(mailbox.join("tmp/1"), mailbox.join("cur").join(flagged)).unwrap();
            }
            8 if self.random.below(3) == 0 => {
                self.delivered += 1;
                let new = mailbox.with_file_name(format!(".renamed{}", self.delivered));
                match mailbox.ends_with("Maildir") {
                    true => fs::remove_dir_all(&mailbox).unwrap(),
                    false => fs::rename(&mailbox, new).unwrap(),
                }
            }
            8 => {
                let mode = fs::Permissions::from_mode([0o700, 0o750][self.random.below(2)]);
                fs::set_permissions(&mailbox, mode).unwrap();
                let list = self.random.bytes(50);
                fs::write(mailbox.join("dovecot-uidlist"), list).unwrap();
            }
            _ => {
                let queued = self
                    .queue
                    .join("queue")
                    .join(format!("{:x}", self.random.below(4)));
                match queued.exists() {
                    true => fs::remove_dir_all(&queued).unwrap(),
                    false => {
                        fs::create_dir_all(&queued).unwrap();
                        let bytes = self.random.bytes(300);
                        fs::write(queued.join("message"), bytes).unwrap();
                    }
                }
            }
        }
    }
}

/// People go on while a backup is made, until mail is held.
struct Life<'a> {
    mail: &'a Mutex<Mail>,
    held: AtomicBool,
}

impl Services for Life<'_> {
    fn save_spam(&self) -> Result<()> {
        self.mail.lock().unwrap().step();
        Ok(())
    }

    fn hold(&self) -> Result<Box<dyn Hold>> {
        let mut mail = self.mail.lock().unwrap();
        (0..3).for_each(|_| mail.step());
        self.held.store(true, SeqCst);
        Ok(Box::new(NoServices))
    }
}

impl Watch for Life<'_> {
    fn phase(&self, _: &str, _: u64) {}

    fn done(&self, _: u64) {
        let mut mail = self.mail.lock().unwrap();
        if !self.held.load(SeqCst) && mail.random.below(6) == 0 {
            mail.step();
        }
    }
}

fn compare(world: &World, id: &BackupId, expected: &State) {
    let (scratch, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let opened = open(&world.store, &id.archive(), &world.key, scratch.path()).unwrap();
    let modules = [Module::Mail, Module::Queue];
    let into = Some(to.path());
    extract(
        &opened,
        &world.store,
        &world.key,
        &modules,
        into,
        &Unwatched,
    )
    .unwrap();
    let found = state(&[
        ("mail", to.path().join("mail")),
        ("queue", to.path().join("queue")),
    ]);
    for (path, was) in expected {
        assert_eq!(found.get(path), Some(was), "{id}: {path:?}");
    }
    let more = found.keys().find(|path| !expected.contains_key(*path));
    assert_eq!(more, None, "{id} has what was not there");
}

#[test]
fn every_backup_that_stays_gives_back_what_was_there_then() {
    let world = World::new();
    let mail = Mutex::new(Mail {
        folder: world.root.join("var/vmail"),
        queue: world.root.join("var/spool/smtpd"),
        random: Random::new(20_261_124),
        delivered: 0,
    });
    fs::remove_file(world.root.join("var/vmail/example.org/a/.dovecot.sieve")).unwrap();
    fs::create_dir_all(world.root.join("var/spool/smtpd/queue")).unwrap();
    let mut then: BTreeMap<BackupId, State> = BTreeMap::new();
    let mut now = 1_795_491_000;
    let (mut removed, mut broken_off) = (0, 0);
    for round in 0..BACKUPS {
        let (full, keep, broken) = {
            let mut mail = mail.lock().unwrap();
            (0..12).for_each(|_| mail.step());
            // the clock jumps now and then
            now += match mail.random.below(5) {
                0 => -100_000,
                1 => 1,
                n => 30_000 * n as i64,
            };
            let random = &mut mail.random;
            let keep = [1, 2, 3][random.below(3)];
            (
                random.below(7) == 0,
                (round % 3 == 2).then_some(keep),
                random.below(3) == 0,
            )
        };
        while then.keys().any(|id| id.time == now) {
            now += 1;
        }
        let request = Request {
            full,
            part: 6_000,
            modules: if round % 5 == 4 {
                &[Module::Mail, Module::Queue]
            } else {
                &Module::ALL
            },
            ..world.request(now)
        };
        let life = Life {
            mail: &mail,
            held: AtomicBool::new(false),
        };
        if broken {
            let store = Broken(&world.store, 1.into());
            let request = Request {
                now: now - 7,
                ..request
            };
            let tried = create(
                &request,
                &mut world.deriving(),
                Sink::Store(&store),
                &world.scratch(),
                &life,
                &life,
            );
            broken_off += usize::from(tried.is_err());
            life.held.store(false, SeqCst);
        }
        let made = create(
            &request,
            &mut world.deriving(),
            Sink::Store(&world.store),
            &world.scratch(),
            &life,
            &life,
        );
        let made = made.unwrap();
        assert_eq!(made.notes, [""; 0]);
        let id = made.header.id;
        then.insert(id.clone(), mail.lock().unwrap().state());
        compare(&world, &id, &then[&id]);
        if let Some(daily) = keep {
            let keep = Keep {
                daily,
                weekly: 0,
                monthly: 0,
            };
            let plan = prune::plan(&world.store, &world.key, &id.host, keep).unwrap();
            prune::remove(&world.store, &plan, "mail.example.org").unwrap();
            removed += plan.go.len();
            let left = backups(&world.store.list().unwrap());
            assert_eq!(left.len() + removed, then.len());
            left.iter().for_each(|id| compare(&world, id, &then[id]));
        }
    }
    assert!(removed > 2 && broken_off > 1, "{removed} {broken_off}");
}
