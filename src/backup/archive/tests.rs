use std::{
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::Result;

use super::*;
use crate::{
    backup::{
        manifest::{FORMAT, MANIFEST, Mark},
        store::Upload,
    },
    encpipe::{Key, MAX_CHUNK, Passphrase, StreamError},
};

/// An upload to memory; full after `limit` bytes.
struct Memory(Arc<Mutex<Vec<u8>>>, usize);

impl Write for Memory {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock().unwrap();
        if bytes.len() >= self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.extend_from_slice(data);
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Memory {
    fn commit(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn key() -> Key {
    Key::derive(&Passphrase::new(b"a".to_vec()).unwrap()).unwrap()
}

fn mark() -> Mark {
    Mark {
        format: FORMAT,
        id: "mail.example.org_20261124T033000Z".parse().unwrap(),
        part: None,
        version: "0.1.0".to_owned(),
    }
}

const META: Meta = Meta {
    mode: 0o640,
    uid: 308,
    gid: 309,
    mtime: 7,
};

/// Bytes that do not get smaller.
fn noise(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(|_| next()).collect()
}

fn archive(key: &Key) -> Vec<u8> {
    let bytes = Arc::default();
    let upload = Box::new(Memory(Arc::clone(&bytes), usize::MAX));
    let mut writer = Writer::new(upload, key, &mark()).unwrap();
    let long = format!("mail/{}", "x".repeat(200));
    let hash = writer.file(Path::new(&long), META, 3, &b"abc"[..]).unwrap();
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex::encode(hash.unwrap()), known);
    let big = noise(3 * MAX_CHUNK, 1);
    let size = big.len() as u64;
    writer
        .file(Path::new("mail/b"), META, size, &big[..])
        .unwrap();
    let finished = writer.finish(&b"{}"[..], 2, 9).unwrap();
    assert_eq!(finished.content, 3 + size);
    let counted = finished.bytes;
    finished.commit().unwrap();
    let bytes = std::mem::take(&mut *bytes.lock().unwrap());
    assert_eq!(bytes.len() as u64, counted);
    bytes
}

fn read(bytes: &[u8], key: &Key) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let reader = Reader::new(io::Cursor::new(bytes.to_vec()), key)?;
    let check = |m: &Mark| {
        assert_eq!(*m, mark());
        Ok(())
    };
    reader.read(check, |entry| {
        let mut data = Vec::new();
        entry.read_to_end(&mut data)?;
        found.push((entry.path.display().to_string(), data.len() as u64));
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn what_is_written_is_read() {
    let key = key();
    let found = read(&archive(&key), &key).unwrap();
    assert_eq!(found[0], (format!("mail/{}", "x".repeat(200)), 3));
    assert_eq!(found[1], ("mail/b".to_owned(), 3 * MAX_CHUNK as u64));
    assert_eq!(found[2], (MANIFEST.to_owned(), 2));
}

#[test]
fn what_is_wrong_with_the_stream_is_said() {
    let key = key();
    let bytes = archive(&key);
    let cut = read(&bytes[..bytes.len() - 1], &key).unwrap_err();
    assert!(
        matches!(stream_error(&cut), Some(StreamError::Premature { .. })),
        "{cut:#}"
    );
    let mut flipped = bytes.clone();
    flipped[2 * MAX_CHUNK] ^= 1;
    let flipped = read(&flipped, &key).unwrap_err();
    assert!(
        matches!(stream_error(&flipped), Some(StreamError::Altered { .. })),
        "{flipped:#}"
    );
    let other = Key::derive(&Passphrase::new(b"b".to_vec()).unwrap()).unwrap();
    let wrong = read(&bytes, &other).unwrap_err();
    assert_eq!(
        stream_error(&wrong),
        Some(StreamError::WrongKey),
        "{wrong:#}"
    );
}

#[test]
fn a_full_disk_is_the_cause_that_is_told() {
    let key = key();
    let upload = Box::new(Memory(Arc::default(), MAX_CHUNK));
    let mut writer = Writer::new(upload, &key, &mark()).unwrap();
    let mut told = None;
    for seed in 0..64 {
        let big = noise(1 << 20, seed);
        if let Err(error) = writer.file(Path::new("a"), META, 1 << 20, &big[..]) {
            told = Some(writer.cause(error));
            break;
        }
    }
    let told = format!("{:#}", told.expect("a disk of 1 MiB takes 64"));
    assert!(told.starts_with("writing the encrypted stream: "), "{told}");
    // where it is seen only at the end
    let upload = Box::new(Memory(Arc::default(), 0));
    let writer = Writer::new(upload, &key, &mark()).unwrap();
    let told = writer.finish(&b"{}"[..], 2, 9).err().unwrap();
    assert!(
        format!("{told:#}").starts_with("writing the encrypted stream: "),
        "{told:#}"
    );
}

#[test]
fn a_file_that_got_shorter_is_not_used() {
    let key = key();
    let bytes = Arc::default();
    let upload = Box::new(Memory(Arc::clone(&bytes), usize::MAX));
    let mut writer = Writer::new(upload, &key, &mark()).unwrap();
    assert_eq!(
        writer.file(Path::new("a"), META, 10, &b"abc"[..]).unwrap(),
        None
    );
    // one that grew is cut to what was promised
    assert!(
        writer
            .file(Path::new("b"), META, 2, &b"abc"[..])
            .unwrap()
            .is_some()
    );
    writer.finish(&b"{}"[..], 2, 9).unwrap().commit().unwrap();
    let sizes = read(&bytes.lock().unwrap(), &key).unwrap();
    assert_eq!(sizes[0], ("a".to_owned(), 10));
    assert_eq!(sizes[1], ("b".to_owned(), 2));
}

/// An archive whose last section has two files, in a file.
fn sectioned(key: &Key) -> tempfile::NamedTempFile {
    let bytes = Arc::default();
    let upload = Box::new(Memory(Arc::clone(&bytes), usize::MAX));
    let mut writer = Writer::new(upload, key, &mark()).unwrap();
    let big = noise(3 * MAX_CHUNK, 1);
    let size = big.len() as u64;
    writer
        .file(Path::new("mail/b"), META, size, &big[..])
        .unwrap();
    writer.last_section().unwrap();
    writer.bytes(Path::new("keys/k"), META, b"k").unwrap();
    writer.finish(&b"{}"[..], 2, 9).unwrap().commit().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &*bytes.lock().unwrap()).unwrap();
    file
}

fn tail(path: &Path, key: &Key) -> Option<Vec<String>> {
    let file = std::fs::File::open(path).unwrap();
    let mut found = Vec::new();
    let reader = Reader::tail(file, key).unwrap()?;
    let read = reader.read(
        |_| panic!("the last section has no mark"),
        |entry| {
            found.push(entry.path.display().to_string());
            Ok(())
        },
    );
    read.unwrap();
    Some(found)
}

#[test]
fn the_last_section_is_read_without_what_is_before_it() {
    let key = key();
    let file = sectioned(&key);
    let mut bytes = std::fs::read(file.path()).unwrap();
    let all = read(&bytes, &key).unwrap();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["mail/b", "keys/k", MANIFEST]);
    assert_eq!(tail(file.path(), &key).unwrap(), ["keys/k", MANIFEST]);
    // it is the messages that are damaged: for those to say who read them
    bytes[MAX_CHUNK] ^= 1;
    std::fs::write(file.path(), &bytes).unwrap();
    assert_eq!(tail(file.path(), &key).unwrap(), ["keys/k", MANIFEST]);
    assert!(read(&bytes, &key).is_err());
}

#[test]
fn an_end_that_cannot_be_trusted_has_no_last_section() {
    let key = key();
    let file = sectioned(&key);
    let bytes = std::fs::read(file.path()).unwrap();
    let mut flipped = bytes.clone();
    // in the locator: before the end chunk
    let at = bytes.len() - 40 - 4;
    flipped[at] ^= 1;
    for damaged in [
        &flipped[..],
        &bytes[..bytes.len() - 1],
        &bytes[..2 * MAX_CHUNK],
        &[],
    ] {
        std::fs::write(file.path(), damaged).unwrap();
        assert_eq!(tail(file.path(), &key), None, "{} bytes", damaged.len());
    }
    std::fs::write(file.path(), archive(&key)).unwrap();
    assert_eq!(tail(file.path(), &key), None);
}
