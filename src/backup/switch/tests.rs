use std::collections::BTreeMap;

use super::*;
use crate::agent::{paths::Paths, target::Target};
use std::os::unix::fs::MetadataExt;

/// A server in a folder: with a state volume, or each part where the daemons expect it.
struct Server {
    root: tempfile::TempDir,
}

type Tree = BTreeMap<String, String>;

impl Server {
    fn new(volume: bool) -> Self {
        let server = Self {
            root: tempfile::tempdir().unwrap(),
        };
        if volume {
            for name in ["mail", "queue", "rspamd", "valkey"] {
                fs::create_dir_all(server.root.path().join("var/lib/ezmail").join(name)).unwrap();
            }
        }
        server.fill(Path::new(""), "old", "mail.sqlite-journal");
        server.write(Path::new("held.txt"), "stays");
        server.write(Path::new("mail.sqliter"), "stays");
        server
    }

    fn layout(&self) -> Layout {
        Layout::of(&Target::new(self.root.path()).unwrap(), &Paths::default())
    }

    fn write(&self, path: &Path, text: &str) {
        files::write_with_parents(&self.layout().path(path), text, 0o600).unwrap();
    }

    fn fill(&self, folder: &Path, text: &str, more: &str) {
        for path in [
            "mail/example.org/alice/cur/1",
            &format!("mail/{text}.example/x"),
            "mail.sqlite",
            more,
            "dkim/example.org/s1.pem",
            "secrets/controller",
            "queue/incoming/1",
            "tls/cert.pem",
        ] {
            self.write(&folder.join(path), text);
        }
    }

    fn stage(&self) {
        self.fill(&layout::staged(), "new", "mail.sqlite.schema-3");
    }

    fn order(&self) -> Order {
        let modules = [Module::Mail, Module::Database, Module::Keys, Module::Queue];
        let what = "the backup x".to_owned();
        Order::new(
            &self.layout(),
            layout::staged(),
            &modules,
            what,
            1_795_491_000,
        )
        .unwrap()
    }

    /// Every file with what is in it.
    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for entry in walkdir::WalkDir::new(self.root.path()) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(self.root.path()).unwrap();
                let mut text = fs::read_to_string(entry.path()).unwrap();
                if entry.file_name() == FILE {
                    text = "a record".to_owned();
                }
                tree.insert(path.display().to_string(), text);
            }
        }
        tree
    }
}

/// What a switch makes of a tree, said a second time.
fn expected(before: &Tree, volume: bool) -> Tree {
    let mut after = Tree::new();
    let (state, new) = ("var/lib/ezmail/", "var/lib/ezmail/restore/new/");
    let old = "var/lib/ezmail/restore/old-20261124T033000Z/";
    let at = |path: &str| match path.split_once('/') {
        Some(("mail", rest)) if !volume => format!("var/vmail/{rest}"),
        Some(("queue", rest)) if !volume => format!("var/spool/smtpd/{rest}"),
        _ => format!("{state}{path}"),
    };
    let parts = ["mail/", "mail.sqlite", "dkim/", "secrets/", "queue/"];
    for (path, text) in before {
        if let Some(rest) = path.strip_prefix(new) {
            if !rest.starts_with("tls") {
                after.insert(at(rest), text.clone());
            }
            continue;
        }
        let rest = path.replace("var/vmail/", &format!("{state}mail/"));
        let rest = rest.replace("var/spool/smtpd/", &format!("{state}queue/"));
        let rest = rest.strip_prefix(state).unwrap();
        match parts.iter().any(|p| rest.starts_with(p)) && rest != "mail.sqliter" {
            true => after.insert(format!("{old}{rest}"), text.clone()),
            false => after.insert(path.clone(), text.clone()),
        };
    }
    after.insert(format!("{old}{FILE}"), "a record".to_owned());
    after
}

/// Rolls forward, and breaks off before the step of that number; whether it came so far.
fn crash(layout: &Layout, record: &Record, at: usize) -> bool {
    let mut left = at;
    let result = roll(layout, record, &mut || {
        if left == 0 {
            bail!("power is cut");
        }
        left -= 1;
        Ok(())
    });
    match result {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.to_string(), "power is cut");
            true
        }
    }
}

#[test]
fn after_a_crash_anywhere_it_ends_in_the_new_state_with_the_old_beside_it() {
    for volume in [true, false] {
        let mut crashes = 0;
        for at in 0.. {
            let server = Server::new(volume);
            server.stage();
            let before = server.tree();
            let (layout, order) = (server.layout(), server.order());
            let record = begin(&layout, order.clone()).unwrap();
            let crashed = crash(&layout, &record, at);
            // the next one crashes as well
            if at % 3 == 0 && layout.folder().join(FILE).exists() {
                crash(&layout, &record, 1);
            }
            finish(&layout).unwrap();
            tidy(&layout).unwrap();
            assert_eq!(server.tree(), expected(&before, volume), "{at}");
            assert_eq!(finish(&layout).unwrap(), None);
            assert_eq!(olds(&layout).unwrap(), [record]);
            if !crashed {
                break;
            }
            crashes += 1;
        }
        assert!(crashes > 12, "{crashes}");
    }
}

#[test]
fn undo_brings_back_what_was_there_and_can_be_undone() {
    for at in 0.. {
        let server = Server::new(true);
        let before = server.tree();
        server.stage();
        let layout = server.layout();
        begin(&layout, server.order()).unwrap();
        finish(&layout).unwrap();
        let switched = server.tree();
        let old = olds(&layout).unwrap().pop().unwrap();
        let back = undo(&layout, &old, 1_795_491_000).unwrap();
        assert_eq!(back.what, "what was there before the backup x");
        let record = begin(&layout, back).unwrap();
        let crashed = crash(&layout, &record, at);
        finish(&layout).unwrap();
        tidy(&layout).unwrap();
        let again = olds(&layout).unwrap();
        assert_eq!(again, [record]);
        let is_state = |path: &String| !path.contains("/restore/");
        let mut tree = server.tree();
        tree.retain(|path, _| is_state(path));
        assert_eq!(tree, before, "{at}");
        begin(&layout, undo(&layout, &again[0], 1_795_500_000).unwrap()).unwrap();
        finish(&layout).unwrap();
        let (mut one, mut two) = (server.tree(), switched);
        one.retain(|path, _| is_state(path));
        two.retain(|path, _| is_state(path));
        assert_eq!(one, two);
        drop_old(&layout, &olds(&layout).unwrap()[0]).unwrap();
        assert_eq!(fs::read_dir(layout.folder()).unwrap().count(), 0);
        if !crashed {
            break;
        }
    }
}

#[test]
fn what_somebody_makes_meanwhile_is_put_aside() {
    let server = Server::new(true);
    server.stage();
    let layout = server.layout();
    let record = begin(&layout, server.order()).unwrap();
    server.write(Path::new("mail/new.example/y"), "meanwhile");
    assert!(crash(&layout, &record, 9));
    server.write(Path::new("secrets/controller"), "meanwhile");
    finish(&layout).unwrap();
    let tree = server.tree();
    let count = |text: &str| tree.values().filter(|t| *t == text).count();
    // all but the certificate, which stays
    assert_eq!((count("new"), count("old"), count("meanwhile")), (7, 8, 2));
    assert_eq!(tree["var/lib/ezmail/secrets/controller"], "new");
}

#[test]
fn what_came_is_not_taken_for_what_goes() {
    // something that goes is gone by itself before it is moved, and then power is cut anywhere
    for at in 0.. {
        let server = Server::new(true);
        server.stage();
        let layout = server.layout();
        let record = begin(&layout, server.order()).unwrap();
        fs::remove_file(layout.path(Path::new("mail.sqlite"))).unwrap();
        fs::remove_dir_all(layout.path(Path::new("mail/example.org"))).unwrap();
        let crashed = crash(&layout, &record, at);
        finish(&layout).unwrap();
        let tree = server.tree();
        assert_eq!(tree["var/lib/ezmail/mail.sqlite"], "new", "{at}");
        let message = "var/lib/ezmail/mail/example.org/alice/cur/1";
        assert_eq!(tree[message], "new", "{at}");
        if !crashed {
            break;
        }
    }
}

/// A folder on another file system than those of the tests.
fn elsewhere() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir_in("/dev/shm").ok()?;
    let other = tempfile::tempdir().unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    (device(folder.path()) != device(other.path())).then_some(folder)
}

#[test]
fn another_file_system_is_found_before_anything_moves() {
    let Some(away) = elsewhere() else { return };
    for filled in [true, false] {
        let server = Server::new(false);
        let mail = server.root.path().join("var/vmail");
        fs::remove_dir_all(&mail).unwrap();
        std::os::unix::fs::symlink(away.path(), &mail).unwrap();
        if filled {
            server.write(Path::new("mail/example.org/x"), "old");
        } else {
            fs::remove_dir_all(away.path().join("example.org")).unwrap();
        }
        server.fill(&layout::staged(), "new", "mail.sqlite.schema-3");
        let before = server.tree();
        let error = begin(&server.layout(), server.order()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.ends_with("cannot be switched in one step, and nothing was changed"),
            "{error}"
        );
        tidy(&server.layout()).unwrap_or_default();
        assert!(!server.layout().folder().join(FILE).exists());
        let state = |tree: &Tree| -> Tree {
            let mut tree = tree.clone();
            tree.retain(|path, _| !path.contains("/restore/"));
            tree
        };
        assert_eq!(state(&server.tree()), state(&before));
    }
}

#[test]
fn what_was_not_begun_leaves_nothing() {
    let server = Server::new(true);
    let before = server.tree();
    let layout = server.layout();
    let error = begin(&layout, server.order()).unwrap_err().to_string();
    assert!(error.ends_with("there is nothing to switch to"), "{error}");
    server.write(&layout::staged().join("mail/x"), "no database");
    let error = begin(&layout, server.order()).unwrap_err();
    insta::assert_snapshot!(error, @"the new state has no database: it was not put in place");
    fs::create_dir(layout.folder().join("old-20200101T000000Z")).unwrap();
    assert!(tidy(&layout).unwrap());
    assert!(!tidy(&layout).unwrap());
    assert_eq!(server.tree(), before);
    assert_eq!(olds(&layout).unwrap(), []);
}

#[test]
fn a_damaged_record_stops_everything() {
    let server = Server::new(true);
    server.stage();
    let layout = server.layout();
    begin(&layout, server.order()).unwrap();
    let error = begin(&layout, server.order()).unwrap_err().to_string();
    assert!(error.starts_with("another restore is under way"), "{error}");
    fs::write(layout.folder().join(FILE), "{").unwrap();
    let before = server.tree();
    assert!(finish(&layout).is_err() && tidy(&layout).is_err());
    assert_eq!(server.tree(), before);
}
