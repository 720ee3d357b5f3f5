//! What was damaged anywhere is refused.

use std::{collections::BTreeMap, fs};

use super::{super::*, random::Random, world::World};
use crate::backup::{extract::extract, open::open};

/// Opens and reads a backup, and says why not.
fn refused(world: &World, id: &BackupId, what: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let read = open(&world.store, &id.archive(), &world.key, scratch.path()).and_then(|opened| {
        let all = &Module::ALL;
        extract(&opened, &world.store, &world.key, all, None, &Unwatched)
    });
    let error = read.expect_err(what).to_string();
    assert!(!error.is_empty(), "{what}");
}

#[test]
fn a_bit_or_a_length_that_is_another_is_refused() {
    let world = World::new();
    let mut random = Random::new(6);
    world.write(
        "var/vmail/example.org/a/Maildir/cur/3.x:2,",
        random.bytes(90_000),
    );
    world.backup(1_795_491_000);
    world.write(
        "var/vmail/example.org/a/Maildir/new/4.x",
        random.bytes(9_000),
    );
    let made = world.backup(1_795_577_400);
    let id = made.header.id;
    let mut names: Vec<String> = made.header.archives.into_iter().map(|a| a.name).collect();
    names.extend([id.archive(), id.manifest()]);
    assert_eq!(names.len(), 4);
    let path = |name: &str| std::path::PathBuf::from(world.store.name()).join(name);
    let mut count = BTreeMap::new();
    for round in 0..200 {
        let name = &names[random.below(names.len())];
        let whole = fs::read(path(name)).unwrap();
        let place = random.below(whole.len());
        let mut bytes = whole.clone();
        let what = match round % 2 {
            0 => {
                bytes[place] ^= 1 << random.below(8);
                format!("{name}: a bit of byte {place}")
            }
            _ => {
                bytes.truncate(place);
                format!("{name}: cut to {place} bytes")
            }
        };
        fs::write(path(name), bytes).unwrap();
        refused(&world, &id, &what);
        fs::write(path(name), whole).unwrap();
        *count.entry(name).or_insert(0) += 1;
    }
    assert_eq!(count.len(), 4, "every file had its turn: {count:?}");
    world.compare(&id);
}
