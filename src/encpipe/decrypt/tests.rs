//! Streams made and maimed in memory; the key derivation is left out where it does not matter.

use std::io::Write;

use super::*;
use crate::encpipe::{Encryptor, Passphrase};

/// An upstream stream, its plaintext, and the passphrase of both.
const HELLO: &[u8] = include_bytes!("../../../tests/vectors/encpipe/hello.encpipe");
const HELLO_PLAIN: &[u8] = include_bytes!("../../../tests/vectors/encpipe/hello.bin");
const EMPTY: &[u8] = include_bytes!("../../../tests/vectors/encpipe/empty.encpipe");
const PASS: &[u8] = include_bytes!("../../../tests/vectors/encpipe/pass.txt");

fn key() -> Key {
    Key::of_bytes([7; hydro::KEY])
}

/// One chunk for each of `parts`, and the end chunk.
fn stream(parts: &[&[u8]]) -> Vec<u8> {
    let mut encryptor = Encryptor::new(Vec::new(), &key());
    for part in parts {
        encryptor.write_all(part).unwrap();
        encryptor.flush().unwrap();
    }
    encryptor.finish().unwrap()
}

/// What came out before the end or the error, and the error.
fn read_all(stream: &[u8], key: &Key) -> (Vec<u8>, Option<StreamError>) {
    let mut out = Vec::new();
    let result = Decryptor::new(stream, key).read_to_end(&mut out);
    (
        out,
        result
            .err()
            .map(|e| StreamError::of(&e).expect("the stream is at fault, not the device")),
    )
}

#[test]
fn upstreams_streams_decrypt() {
    let key = Key::derive(&Passphrase::from_reader(PASS).unwrap()).unwrap();
    assert_eq!(read_all(HELLO, &key), (HELLO_PLAIN.to_vec(), None));
    assert_eq!(read_all(EMPTY, &key), (Vec::new(), None));
    let other = Key::derive(&Passphrase::new(b"other".to_vec()).unwrap()).unwrap();
    assert_eq!(
        read_all(HELLO, &other),
        (Vec::new(), Some(StreamError::WrongKey))
    );
}

#[test]
fn sizes_around_the_chunk_boundaries_come_back() {
    let plain: Vec<u8> = (0..3 << 20).map(|i: u64| ((i * 7919) >> 8) as u8).collect();
    for size in [
        0,
        1,
        15,
        16,
        17,
        MAX_CHUNK - 1,
        MAX_CHUNK,
        MAX_CHUNK + 1,
        (1 << 20) - 1,
        1 << 20,
        (1 << 20) + 1,
        2 * MAX_CHUNK,
        3 << 20,
    ] {
        let mut encryptor = Encryptor::new(Vec::new(), &key());
        // An odd piece size, so that pieces straddle chunks.
        for piece in plain[..size].chunks(65_537) {
            encryptor.write_all(piece).unwrap();
        }
        let (out, error) = read_all(&encryptor.finish().unwrap(), &key());
        assert_eq!(error, None, "{size} bytes");
        assert!(out == plain[..size], "{size} bytes came back changed");
    }
}

#[test]
fn every_truncation_is_refused_and_yields_whole_chunks_alone() {
    let whole = stream(&[b"first", b"second"]);
    let ends = [45, 45 + 46, 45 + 46 + 40];
    assert_eq!(whole.len(), ends[2]);
    for cut in 0..whole.len() {
        let (out, error) = read_all(&whole[..cut], &key());
        let chunk = ends.iter().filter(|&&end| end <= cut).count() as u64;
        let end = cut as u64;
        assert_eq!(error, Some(StreamError::Premature { chunk, end }));
        let expected: &[u8] = match chunk {
            0 => b"",
            1 => b"first",
            _ => b"firstsecond",
        };
        assert_eq!(out, expected, "cut at {cut}");
    }
}

#[test]
fn every_flipped_bit_is_refused_and_nothing_false_comes_out() {
    let whole = stream(&[b"first", b"second"]);
    for bit in 0..whole.len() * 8 {
        let mut altered = whole.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let (out, error) = read_all(&altered, &key());
        assert!(error.is_some(), "bit {bit} went unnoticed");
        let expected: &[u8] = match bit / 8 {
            ..45 => b"",
            45..91 => b"first",
            _ => b"firstsecond",
        };
        assert_eq!(out, expected, "bit {bit}");
    }
}

#[test]
fn altered_chunks_are_named_by_number_and_offset() {
    let flip = |at: usize| {
        let mut altered = stream(&[b"first", b"second"]);
        altered[at] ^= 1;
        read_all(&altered, &key()).1.unwrap()
    };
    let altered = |chunk, offset| StreamError::Altered { chunk, offset };
    assert_eq!(flip(10), StreamError::WrongKey, "header of chunk 0");
    assert_eq!(flip(42), StreamError::WrongKey, "ciphertext of chunk 0");
    assert_eq!(flip(45), altered(1, 45), "length of chunk 1");
    assert_eq!(flip(50), altered(1, 45), "header of chunk 1");
    assert_eq!(flip(90), altered(1, 45), "ciphertext of chunk 1");
    assert_eq!(flip(100), altered(2, 91), "header of the end chunk");
    assert_eq!(
        flip(48),
        StreamError::ChunkTooLarge {
            chunk: 1,
            offset: 45,
            length: 6 | 1 << 24
        },
        "highest byte of chunk 1's length"
    );
    assert_eq!(
        flip(91),
        StreamError::Premature { chunk: 2, end: 131 },
        "length of the end chunk"
    );
}

#[test]
fn chunks_cannot_be_swapped_dropped_doubled_or_borrowed() {
    let whole = stream(&[b"aaaa", b"bbbb"]);
    let (a, b, end) = (&whole[..44], &whole[44..88], &whole[88..]);
    let other = stream(&[b"cccc"]);
    let other_end = &other[44..];
    for (what, parts, out, chunk) in [
        ("swapped", vec![b, a, end], &b""[..], 0),
        ("first dropped", vec![b, end], b"", 0),
        ("second dropped", vec![a, end], b"aaaa", 1),
        ("doubled", vec![a, a, b, end], b"aaaa", 1),
        (
            "end of another stream",
            vec![a, b, other_end],
            b"aaaabbbb",
            2,
        ),
    ] {
        let (found, error) = read_all(&parts.concat(), &key());
        let expected = match chunk {
            0 => StreamError::WrongKey,
            _ => StreamError::Altered {
                chunk,
                offset: chunk * 44,
            },
        };
        assert_eq!((&found[..], error), (out, Some(expected)), "{what}");
    }
}

#[test]
fn data_after_the_end_is_refused() {
    let mut longer = stream(&[b"abc"]);
    let offset = longer.len() as u64;
    longer.push(0);
    assert_eq!(
        read_all(&longer, &key()),
        (b"abc".to_vec(), Some(StreamError::Trailing { offset }))
    );
    let twice = [stream(&[b"abc"]), stream(&[b"def"])].concat();
    assert_eq!(
        read_all(&twice, &key()),
        (b"abc".to_vec(), Some(StreamError::Trailing { offset }))
    );
}

#[test]
fn a_length_beyond_the_limit_is_refused_unread() {
    let length = u32::try_from(MAX_CHUNK + 1).unwrap();
    let (out, error) = read_all(&length.to_le_bytes(), &key());
    let (chunk, offset) = (0, 0);
    assert_eq!(out, b"");
    assert_eq!(
        error,
        Some(StreamError::ChunkTooLarge {
            chunk,
            offset,
            length
        })
    );
}

#[test]
fn a_reader_that_failed_never_says_that_all_is_well() {
    let whole = stream(&[b"abc"]);
    let mut decryptor = Decryptor::new(&whole[..whole.len() - 1], &key());
    let mut out = [0; 8];
    assert_eq!(decryptor.read(&mut out).unwrap(), 3);
    for _ in 0..3 {
        let error = decryptor.read(&mut out).unwrap_err();
        assert!(matches!(
            StreamError::of(&error),
            Some(StreamError::Premature { chunk: 1, .. })
        ));
    }

    /// Fails once, then ends.
    struct Flaky(bool);
    impl Read for Flaky {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            match std::mem::replace(&mut self.0, true) {
                false => Err(io::ErrorKind::TimedOut.into()),
                true => Ok(0),
            }
        }
    }
    let mut decryptor = Decryptor::new(Flaky(false), &key());
    for _ in 0..2 {
        let error = decryptor.read(&mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(StreamError::of(&error), None);
    }
}

#[test]
fn readers_that_dribble_or_are_interrupted_do_not_matter() {
    /// One byte at a time, with an interruption before each.
    struct Dribble<'a>(&'a [u8], bool);
    impl Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match self.1 {
                true => Err(io::ErrorKind::Interrupted.into()),
                false => self.0.read(&mut out[..1]),
            }
        }
    }
    let whole = stream(&[b"first", b"second"]);
    let mut out = Vec::new();
    Decryptor::new(Dribble(&whole, false), &key())
        .read_to_end(&mut out)
        .unwrap();
    assert_eq!(out, b"firstsecond");
}
