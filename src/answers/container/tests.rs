//! Containers whole, altered and broken off.

use super::*;

const ROOM: usize = 64 * 1024;

fn bytes(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

fn content() -> Content {
    let long = "a".repeat(200) + ".pem";
    Content {
        name: "answers.toml".into(),
        bytes: bytes("hostname = \"mail.example.org\"\n"),
        files: [("b.pem".into(), bytes("key")), (long, bytes(""))].into(),
    }
}

#[test]
fn what_is_packed_is_unpacked() {
    let content = content();
    let packed = content.pack(ROOM).unwrap();
    assert_eq!(packed.len(), ROOM);
    assert_eq!(packed, content.pack(ROOM).unwrap());
    assert_eq!(Content::unpack(&packed), Ok(Some(content.clone())));
    assert_eq!(Content::unpack(&[0; ROOM]), Ok(None));
    let shown = format!("{content:?}");
    assert!(
        shown.contains("b.pem") && !shown.contains("hostname"),
        "{shown}"
    );
}

/// The format is a promise to images that exist: this sum may only change with the version.
#[test]
fn the_bytes_are_always_the_same() {
    let sum = crate::util::hash::sha256(&*content().pack(ROOM).unwrap());
    insta::assert_snapshot!(sum, @"37c9649f58bb4e870ce04cd08eb61f412d7b435b219700f11f9ae2b8d1d0a835");
}

#[test]
fn limits_are_told_with_both_sizes() {
    let error = |change: &dyn Fn(&mut Content)| {
        let mut content = content();
        change(&mut content);
        content.pack(ROOM).unwrap_err().to_string()
    };
    insta::assert_snapshot!(error(&|c| c.bytes = vec![b'#'; ROOM].into()), @"the answers and the files that they name need 69688 bytes in the image, which has room for 65536");
    insta::assert_snapshot!(error(&|c| c.bytes = vec![b'#'; MAX_SIZE + 1].into()), @"the file answers.toml has 1048577 bytes; 1048576 is the most");
    insta::assert_snapshot!(error(&|c| {
        c.files.insert("k".into(), vec![0; MAX_FILE + 1].into());
    }), @"the file k has 65537 bytes; 65536 is the most");
    insta::assert_snapshot!(error(&|c| {
        (0..MAX_FILES).for_each(|n| drop(c.files.insert(n.to_string(), bytes(""))));
    }), @"the answers name 202 files; 200 is the most");
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "a\0b",
        "answers.toml",
        &"x".repeat(256),
    ] {
        let error = error(&|c| drop(c.files.insert(name.into(), bytes(""))));
        assert_eq!(error, TooMuch::Name(name.into()).to_string());
    }
}

#[test]
fn every_altered_byte_is_noticed() {
    let packed = content().pack(8192).unwrap();
    for at in 0..packed.len() {
        for flip in [1, 0x80] {
            let mut bad = packed.clone();
            bad[at] ^= flip;
            assert!(Content::unpack(&bad).is_err(), "byte {at}");
        }
    }
    // the same container where less room is reserved: whole as long as only zeros are lost
    let end = HEADER + u32::from_le_bytes(packed[20..24].try_into().unwrap()) as usize;
    for length in 1..packed.len() {
        let read = Content::unpack(&packed[..length]);
        assert_eq!(read.is_ok(), length >= end, "{length}: {read:?}");
    }
}

#[test]
fn damage_has_its_words() {
    let packed = content().pack(ROOM).unwrap();
    let error = |at: usize, new: &[u8]| {
        let mut bad = packed.clone();
        bad[at..at + new.len()].copy_from_slice(new);
        Content::unpack(&bad).unwrap_err().to_string()
    };
    insta::assert_snapshot!(error(0, b"PK"), @"cannot be read: this is nothing that 'ezmail embed' has written");
    insta::assert_snapshot!(error(0, UNFINISHED), @"are not whole: writing or clearing them was broken off");
    insta::assert_snapshot!(error(16, &[2]), @"were embedded by a newer ezmail (format 2, this one reads 1)");
    insta::assert_snapshot!(error(20, &[0xff; 4]), @"are damaged: they are longer than the room for them");
    insta::assert_snapshot!(error(100, &[1]), @"are damaged: the checksum does not match");
    insta::assert_snapshot!(error(ROOM - 1, &[1]), @"are damaged: there is more than answers");
    assert!(Content::unpack(&[1]).is_err());
}

/// A container whose checksum is right around an archive that is not.
fn sealed(payload: &[u8]) -> Vec<u8> {
    let mut all = [MAGIC.as_slice(), &1_u32.to_le_bytes()].concat();
    all.extend((payload.len() as u32).to_le_bytes());
    let sum = checksum(&all, payload);
    all.extend(sum);
    all.extend(payload);
    all.resize(ROOM, 0);
    all
}

#[test]
fn archives_that_we_would_not_write_are_refused() {
    let archive = |entries: &[(&str, tar::EntryType, usize)]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, size) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_size(*size as u64);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, vec![0; *size].as_slice()).unwrap();
        }
        Content::unpack(&sealed(&builder.into_inner().unwrap()))
    };
    let file = tar::EntryType::Regular;
    assert!(archive(&[("a", file, 3), ("b", file, 0)]).is_ok());
    for bad in [
        &[][..],
        &[("../a", file, 0)],
        &[("/a", file, 0)],
        &[("a", file, 0), ("a", file, 0)],
        &[("a", file, 0), ("b", file, 0), ("b", file, 0)],
        &[("a", tar::EntryType::Symlink, 0)],
        &[("a", tar::EntryType::Directory, 0)],
    ] {
        assert!(matches!(archive(bad), Err(Damage::Damaged(_))), "{bad:?}");
    }
    assert!(Content::unpack(&sealed(&[7; 600])).is_err());
}
