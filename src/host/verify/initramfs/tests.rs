//! Made-up archives and frames.

use super::*;
use crate::iso9660::Extent;

/// A member of an archive.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let zeros = "00000000";
    let (size, length) = (content.len(), name.len() + 1);
    let mut bytes = format!(
        "070701{}{size:08x}{}{length:08x}{zeros}{name}\0",
        zeros.repeat(6),
        zeros.repeat(4)
    )
    .into_bytes();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An archive with these files.
pub(in crate::host::verify) fn archive(names: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend(member(name, b"content"));
    }
    bytes.extend(member("TRAILER!!!", b""));
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn microcode() -> Vec<u8> {
    archive(&[
        "kernel",
        "kernel/x86",
        "kernel/x86/microcode/GenuineIntel.bin",
    ])
}

/// A frame with a checksum: a raw block, one of a byte repeated, a compressed one.
fn frame() -> Vec<u8> {
    let mut bytes = ZSTD.to_vec();
    // the size of the content in four bytes, and a window
    bytes.extend([0x84, 0x58, 9, 0, 0, 0]);
    for (kind, size, content, last) in [(0, 5, 5, 0), (1, 70_000, 1, 0), (2, 9, 9, 1)] {
        let header: u32 = size << 3 | kind << 1 | last;
        bytes.extend(&header.to_le_bytes()[..3]);
        bytes.extend(vec![7; content]);
    }
    bytes.extend([1, 2, 3, 4]);
    bytes
}

fn told(bytes: &[u8]) -> Result<String, String> {
    let length = bytes.len() as u64;
    let file = File {
        extents: vec![Extent { offset: 0, length }],
        size: length,
    };
    read(&file, &bytes.to_vec())
}

#[test]
fn parts_are_followed_to_their_ends() {
    assert_eq!(told(&archive(&["init"])).unwrap(), "cpio");
    assert_eq!(told(&archive(&[".", "./init"])).unwrap(), "cpio");
    assert_eq!(told(&frame()).unwrap(), "zstd");
    let both = [microcode(), frame(), vec![0; 100]].concat();
    assert_eq!(told(&both).unwrap(), "cpio, zstd");
    let gzip = [microcode(), b"\x1f\x8b whatever".to_vec()].concat();
    assert_eq!(told(&gzip).unwrap(), "cpio, gzip");
    let plain = [microcode(), archive(&["bin/sh", "init"])].concat();
    assert_eq!(told(&plain).unwrap(), "cpio, cpio");
}

/// What zstd itself writes, with and without a size in its header.
#[test]
fn frames_of_zstd_end_where_they_should() {
    let text: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
    for text in [&text[..], b"short", b""] {
        for (level, checksum) in [(1, true), (19, false)] {
            let mut encoder = zstd::Encoder::new(Vec::new(), level).unwrap();
            encoder.include_checksum(checksum).unwrap();
            std::io::Write::write_all(&mut encoder, text).unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(told(&packed).unwrap(), "zstd");
            let cut = told(&packed[..packed.len() - 1]).unwrap_err();
            assert_eq!(cut, "it is cut short");
            let behind = [&packed[..], b"x"].concat();
            insta::allow_duplicates! {
                insta::assert_snapshot!(told(&behind).unwrap_err(), @"what follows its zstd is neither a cpio archive nor a compressed one");
            }
        }
    }
}

#[test]
fn what_does_not_boot_is_named() {
    let error = |bytes: &[u8]| told(bytes).unwrap_err();
    insta::assert_snapshot!(error(b""), @"it is empty");
    insta::assert_snapshot!(error(b"nothing"), @"it is neither a cpio archive nor a compressed one");
    insta::assert_snapshot!(error(&microcode()), @"it has no /init: it is only what lies before a system's");
    insta::assert_snapshot!(error(&[0; 3000]), @"it has no /init: it is only what lies before a system's");
    insta::assert_snapshot!(error(&[microcode(), b"nothing".to_vec()].concat()), @"what follows its cpio is neither a cpio archive nor a compressed one");
    // everywhere within an archive, of which only the last bytes are filling
    let whole = archive(&["a", "init"]);
    let end = whole.iter().rposition(|b| *b != 0).unwrap() + 1;
    for length in 1..=end {
        assert!(told(&whole[..length]).is_err(), "{length}");
    }
    for length in 4..frame().len() {
        assert_eq!(error(&frame()[..length]), "it is cut short", "{length}");
    }
    let with = |at: usize, part: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + part.len()].copy_from_slice(part);
        error(&bytes)
    };
    insta::assert_snapshot!(with(54, b"ffffffff"), @"it is cut short");
    insta::assert_snapshot!(with(54, b"0000000b"), @"its cpio archive is damaged");
    insta::assert_snapshot!(with(54, b"0000000x"), @"its cpio archive has a number that is none");
    insta::assert_snapshot!(with(94, b"00000000"), @"its cpio archive has a name of 0 bytes");
    insta::assert_snapshot!(with(94, b"000fffff"), @"its cpio archive has a name of 1048575 bytes");
    insta::assert_snapshot!(with(111, b"x"), @"its cpio archive has a name without an end");
    let mut bad = frame();
    bad[4] |= 8;
    insta::assert_snapshot!(error(&bad), @"its zstd frame is damaged");
    bad = frame();
    bad[10] |= 6;
    insta::assert_snapshot!(error(&bad), @"a block of its zstd frame is damaged");
}
