//! S3, with moto.

use std::{
    fs,
    io::{Read, Write},
    thread,
    time::Duration,
};

use ezmail::{
    backup::store::{Access, Store, open},
    util::secret::Secret,
};

use crate::{
    get, listed,
    moto::{Moto, SECRET},
    noise, put, told, whole_or_not_at_all, written_listed_read_and_removed,
};

const LARGE: usize = (21 << 20) + 7;

#[test]
fn files_are_written_listed_read_and_removed() {
    let moto = Moto::shared();
    let location = moto.location("bucket/a+ä/b").parse().unwrap();
    let store = open(&location, &moto.access()).unwrap();
    assert_eq!(store.name(), location.to_string());
    written_listed_read_and_removed(store.as_ref(), LARGE);
    // as many bytes as fill a part
    put(store.as_ref(), "even", &noise(1, 8 << 20));
    let bucket = moto.store("bucket", &moto.access());
    put(&bucket, "top", b"text");
    assert_eq!(listed(&bucket), [("top".to_owned(), 4)]);
    assert_eq!(listed(store.as_ref()), [("even".to_owned(), 8 << 20)]);
    whole_or_not_at_all(&moto.store("bucket/whole", &moto.access()), 9 << 20);
}

#[test]
fn what_was_broken_off_is_tidied_away() {
    let moto = Moto::shared();
    let store = moto.store("bucket/tidied", &moto.access());
    let mut upload = store.create("b").unwrap();
    upload.write_all(&noise(1, 9 << 20)).unwrap();
    std::mem::forget(upload);
    assert_eq!(store.tidy("other_").unwrap(), [""; 0]);
    let other = moto.store("bucket/other", &moto.access());
    assert_eq!(other.tidy("").unwrap(), [""; 0]);
    // the first part may still be on its way; the upload was begun before
    assert_eq!(store.tidy("b").unwrap(), ["b"]);
    assert_eq!(store.tidy("").unwrap(), [""; 0]);
    assert_eq!(listed(&store), []);
}

#[test]
fn a_long_list_comes_in_pages() {
    let moto = Moto::shared();
    let store = moto.store("pages/a", &moto.access());
    let names = ["1", "2", "3 & 4", "5", "6"];
    for name in names {
        put(&store, name, b"text");
    }
    let want = names.map(|name| (name.to_owned(), 4));
    assert_eq!(listed(&store), want);
}

#[test]
fn what_passes_is_tried_again() {
    let moto = Moto::shared();
    let store = moto.store("bucket/again", &moto.access());
    let large = noise(1, LARGE);
    put(&store, "flaky", &large);
    put(&store, "flaky-small", b"text");
    put(&store, "broken", &large);
    assert!(get(&store, "flaky") == large && get(&store, "broken") == large);
    assert_eq!(get(&store, "flaky-small"), b"text");
}

#[test]
fn the_region_that_the_service_names_is_taken() {
    let moto = Moto::shared();
    let store = moto.store("elsewhere/a", &moto.access());
    assert_eq!(store.list().unwrap(), []);
    put(&store, "b", b"text");
    assert_eq!(get(&store, "b"), b"text");
}

#[test]
fn each_refusal_says_what_to_do() {
    let moto = Moto::shared();
    let with = |secret: &str| Access {
        secret_key: Some(Secret::new(secret)),
        ..moto.access()
    };
    let untrusted = Access {
        ca_file: None,
        ..moto.access()
    };
    let stranger = moto
        .location("bucket")
        .replace("AKIATEST", "AKIAOTHER")
        .parse()
        .unwrap();
    let texts = [
        told(moto.store("bucket/a", &with("other")).list()),
        told(moto.store("bucket/a", &with("other")).create("b")),
        told(open(&stranger, &moto.access()).unwrap().list()),
        told(moto.store("private/a", &moto.access()).open("b")),
        told(moto.store("none/a", &moto.access()).list()),
        told(moto.store("none/a", &moto.access()).create("b")),
        told(moto.store("bucket/a", &moto.access()).open("b")),
        told(moto.store("bucket/a", &untrusted).list()),
    ]
    .map(|text| moto.plain(&text));
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_service_that_is_gone_is_told() {
    let mut moto = Moto::start();
    let store = moto.store("bucket", &moto.access());
    put(&store, "large", &noise(1, LARGE));
    let mut download = store.open("large").unwrap();
    download.read_exact(&mut [0; 1000]).unwrap();
    let mut upload = store.create("other").unwrap();
    upload.write_all(&noise(2, 9 << 20)).unwrap();
    moto.kill();
    let down = told(download.read_to_end(&mut Vec::new()).map_err(Into::into));
    let up = upload.write_all(&noise(2, 9 << 20));
    let up = told(up.map_err(Into::into).and_then(|()| upload.commit()));
    let list = told(store.list());
    assert!(
        down.contains("no connection") && down.contains("bytes of 22020103"),
        "{down}"
    );
    assert!(
        up.contains("writing s3://") || up.contains("no connection"),
        "{up}"
    );
    insta::assert_snapshot!(moto.plain(&list), @"listing s3://AKIATEST@127.0.0.1:PORT/bucket: no connection: does the service run there, and is the port right? (...)");
}

#[test]
fn no_process_list_has_a_secret_or_a_signature() {
    let moto = Moto::shared();
    let store = moto.store("bucket/secret", &moto.access());
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            put(&store, "slow-large", &noise(1, 9 << 20));
            get(&store, "slow-large").len()
        });
        let mut seen = false;
        while !writing.is_finished() {
            for line in process_list() {
                assert!(!line.contains(SECRET) && !line.contains("X-Amz"), "{line}");
                seen |= line.starts_with("curl -q --config -");
            }
            thread::sleep(Duration::from_millis(20));
        }
        assert!(seen, "no curl was seen: this shows nothing");
        assert_eq!(writing.join().unwrap(), 9 << 20);
    });
}

/// The command lines of all processes.
fn process_list() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().map(|e| e.unwrap().path());
    // one that has ended since has none
    let lines = processes.filter_map(|path| fs::read_to_string(path.join("cmdline")).ok());
    lines.map(|line| line.replace('\0', " ")).collect()
}

#[test]
fn what_is_kept_by_half_is_removed() {
    let moto = Moto::shared();
    let store = moto.store("bucket/halves", &moto.access());
    let mut upload = store.create("short").unwrap();
    upload.write_all(b"text").unwrap();
    let error = told(upload.commit());
    assert!(
        error.ends_with("short: the service has kept 2 bytes of 4: try again"),
        "{error}"
    );
    assert_eq!(listed(&store), []);
}
