//! Stores of backups on real servers, on loopback: OpenSSH's sshd, and S3 by moto.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

mod moto;
mod s3;
mod sftp;
mod sshd;

use std::io::{Read, Write};

use ezmail::backup::store::{Entry, Store};

/// Bytes that do not repeat, the same ones for the same `seed`.
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Writes a file.
pub fn put(store: &dyn Store, name: &str, bytes: &[u8]) {
    let mut upload = store.create(name).unwrap();
    // not in the sizes that the store itself writes
    for chunk in bytes.chunks(100_003) {
        upload.write_all(chunk).unwrap();
    }
    upload.commit().unwrap();
}

/// Reads a file.
pub fn get(store: &dyn Store, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.open(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Name and length of each file.
pub fn listed(store: &dyn Store) -> Vec<(String, u64)> {
    let entries = store.list().unwrap();
    entries
        .into_iter()
        .map(|Entry { name, bytes }| (name, bytes))
        .collect()
}

/// An error with its causes, as a command prints it.
pub fn told<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => format!("{error:#}"),
    }
}

/// What every store does.
pub fn written_listed_read_and_removed(store: &dyn Store, large: usize) {
    assert_eq!(listed(store), []);
    assert_eq!(store.tidy("").unwrap(), [""; 0]);
    let files = [("0", 0), ("1", 1), ("large", large)];
    for (name, count) in files {
        put(store, name, &noise(count as u64, count));
    }
    let want = files.map(|(name, count)| (name.to_owned(), count as u64));
    assert_eq!(listed(store), want);
    for (name, count) in files {
        assert!(get(store, name) == noise(count as u64, count), "{name}");
    }
    // one that is not read to its end
    let mut first = [0; 5];
    store.open("large").unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first[..], noise(large as u64, 5));
    for (name, _) in files {
        store.remove(name).unwrap();
    }
    assert_eq!(listed(store), []);
}

/// A file appears whole, under a name that is free, or not at all.
pub fn whole_or_not_at_all(store: &dyn Store, large: usize) {
    put(store, "a", b"text");
    let there = told(store.create("a"));
    assert!(there.ends_with("/a is there already"), "{there}");
    let mut upload = store.create("b").unwrap();
    upload.write_all(&noise(1, large)).unwrap();
    assert_eq!(listed(store), [("a".to_owned(), 4)]);
    drop(upload);
    assert_eq!(listed(store), [("a".to_owned(), 4)]);
    assert_eq!(store.tidy("").unwrap(), [""; 0]);
    let mut upload = store.create("b").unwrap();
    upload.write_all(&noise(1, large)).unwrap();
    // the place is taken in the meantime
    put(store, "b", b"other");
    let taken = told(upload.commit());
    assert!(taken.contains("is there already"), "{taken}");
    assert_eq!(get(store, "b"), b"other");
    for error in [told(store.open("c")), told(store.remove("c"))] {
        assert!(error.contains("/c: there is no such file"), "{error}");
    }
}
