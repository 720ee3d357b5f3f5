use std::{
    cell::{Cell, RefCell},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use super::*;
use crate::{
    agent::{paths::Paths, target::Target},
    backup::{
        module::Module,
        switch::{Order, layout::staged},
    },
    util::files,
};

/// Writes down what it is told; refuses, or dies, when it is to.
#[derive(Default)]
struct Fake {
    said: RefCell<Vec<&'static str>>,
    refuses: Cell<u32>,
    dies_at: Cell<Option<usize>>,
}

impl Fake {
    fn say(&self, what: &'static str) {
        self.said.borrow_mut().push(what);
        if self.dies_at.get() == Some(self.said.borrow().len()) {
            self.dies_at.take();
            std::panic::panic_any("killed");
        }
    }
}

impl Around for Fake {
    type Guard = ();
    fn stop(&self) -> Result<()> {
        self.say("stop");
        Ok(())
    }
    fn alone(&self) -> Result<()> {
        self.say("alone");
        Ok(())
    }
    fn apply(&self) -> Result<()> {
        self.say("apply");
        if self.refuses.get() > 0 {
            self.refuses.set(self.refuses.get() - 1);
            anyhow::bail!("smtpd -n says no");
        }
        Ok(())
    }
    fn start(&self) -> Result<()> {
        self.say("start");
        Ok(())
    }
}

fn server() -> (tempfile::TempDir, Layout) {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::of(&Target::new(root.path()).unwrap(), &Paths::default());
    for (path, text) in [("tls/key", "old"), ("restore/new/tls/key", "new")] {
        let path = layout.path(Path::new(path));
        files::write_with_parents(&path, text, 0o600).unwrap();
    }
    let modules = [Module::Certificates];
    let order = Order::new(&layout, staged(), &modules, "the backup x".into(), 9).unwrap();
    ask_for(&layout, order).unwrap();
    (root, layout)
}

fn key(layout: &Layout) -> String {
    fs::read_to_string(layout.path(Path::new("tls/key"))).unwrap()
}

#[test]
fn services_stop_only_for_the_switch() {
    let (_root, layout) = server();
    let fake = Fake::default();
    assert_eq!(outcome(&layout).unwrap(), None);
    let done = carry_out(&layout, &fake).unwrap().unwrap();
    assert_eq!((done.error.as_deref(), done.worse.as_deref()), (None, None));
    assert_eq!(*fake.said.borrow(), ["stop", "alone", "apply", "start"]);
    assert_eq!(
        (key(&layout).as_str(), switch::olds(&layout).unwrap().len()),
        ("new", 1)
    );
    assert_eq!(outcome(&layout).unwrap(), Some(done));
    assert_eq!(carry_out(&layout, &fake).unwrap(), None);
}

#[test]
fn what_cannot_be_applied_is_taken_back() {
    let (_root, layout) = server();
    let fake = Fake::default();
    fake.refuses.set(1);
    let done = carry_out(&layout, &fake).unwrap().unwrap();
    assert_eq!(done.error.as_deref(), Some("smtpd -n says no"));
    assert_eq!((done.worse, key(&layout).as_str()), (None, "old"));
    assert_eq!(switch::olds(&layout).unwrap(), []);
    let (_root, layout) = server();
    fake.refuses.set(2);
    let done = carry_out(&layout, &fake).unwrap().unwrap();
    assert_eq!((done.worse.is_some(), key(&layout).as_str()), (true, "old"));
}

#[test]
fn what_cannot_be_begun_changes_nothing() {
    let (_root, layout) = server();
    fs::remove_dir_all(layout.staged()).unwrap();
    let fake = Fake::default();
    let done = carry_out(&layout, &fake).unwrap().unwrap();
    // the apply sees to all that was stopped
    assert_eq!(*fake.said.borrow(), ["stop", "alone", "apply", "start"]);
    assert!(
        done.error
            .unwrap()
            .ends_with("there is nothing to switch to")
    );
    assert_eq!(key(&layout), "old");
    assert!(!give_up(&layout).unwrap());
}

#[test]
fn killed_at_any_moment_it_ends_the_same_way() {
    for refuses in [0, 1] {
        for at in 1..9 {
            let (_root, layout) = server();
            let fake = Fake::default();
            fake.refuses.set(refuses);
            fake.dies_at.set(Some(at));
            let killed = catch_unwind(AssertUnwindSafe(|| carry_out(&layout, &fake).is_ok()));
            if killed.is_err() {
                carry_out(&layout, &fake).unwrap();
            }
            let done = outcome(&layout).unwrap().unwrap();
            assert_eq!(
                (done.error.is_some(), done.worse),
                (refuses == 1, None),
                "{at}"
            );
            let (want, olds) = if refuses == 1 { ("old", 0) } else { ("new", 1) };
            assert_eq!(key(&layout), want, "{at}");
            assert_eq!(switch::olds(&layout).unwrap().len(), olds, "{at}");
            assert!(!give_up(&layout).unwrap());
        }
    }
}

#[test]
fn power_that_is_cut_on_the_way_back_does_not_end_it() {
    // before the way back is begun, and after it
    for at in [4, 6] {
        let (_root, layout) = server();
        let fake = Fake::default();
        fake.refuses.set(1);
        fake.dies_at.set(Some(at));
        let killed = catch_unwind(AssertUnwindSafe(|| carry_out(&layout, &fake).is_ok()));
        assert!(killed.is_err());
        // as the agent does at boot
        switch::finish(&layout).unwrap();
        assert!(give_up(&layout).unwrap());
        assert_eq!((key(&layout).as_str(), is_pending(&layout)), ("old", false));
        assert_eq!(switch::olds(&layout).unwrap(), []);
    }
}

#[test]
fn what_nobody_has_begun_is_given_up() {
    let (_root, layout) = server();
    assert!(give_up(&layout).unwrap());
    assert!(!give_up(&layout).unwrap());
    assert_eq!(key(&layout), "old");
    assert_eq!(carry_out(&layout, &Fake::default()).unwrap(), None);
}

#[test]
fn a_job_that_cannot_be_read_is_in_nobodys_way() {
    let (_root, layout) = server();
    fs::write(layout.folder().join(JOB), "{").unwrap();
    assert!(give_up(&layout).unwrap());
    assert_eq!((key(&layout).as_str(), is_pending(&layout)), ("old", false));
    assert!(!give_up(&layout).unwrap());
}

#[test]
fn what_another_restore_has_left_damaged_keeps_no_service_down() {
    let (_root, layout) = server();
    let other = layout.folder().join("old-20200101T000000Z/switch.json");
    files::write_with_parents(&other, "{", 0o600).unwrap();
    let done = carry_out(&layout, &Fake::default()).unwrap().unwrap();
    assert_eq!((done.error, key(&layout).as_str()), (None, "new"));
}
