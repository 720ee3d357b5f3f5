//! Against libhydrogen, both ways.

use super::*;

const SECRET: [u8; KEY] = *b"0123456789abcdef0123456789ABCDEF";

fn plain(length: usize, lane: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i * 7 + i / 251 + lane) as u8)
        .collect()
}

/// Frames of such lengths, sealed with the first number 5.
fn sealed(lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = lengths
        .iter()
        .enumerate()
        .map(|(lane, length)| [vec![0; HEADER], plain(*length, lane)].concat())
        .collect();
    let mut all: Vec<_> = frames.iter_mut().map(|f| &mut f[..]).collect();
    seal(&mut all, 5, &SECRET).unwrap();
    frames
}

fn open_all(frames: &mut [Vec<u8>]) -> usize {
    let mut all: Vec<_> = frames.iter_mut().map(|f| &mut f[..]).collect();
    open(&mut all, 5, &SECRET)
}

/// Some lengths around the block, equal and unequal, and all numbers of frames.
fn cases() -> Vec<Vec<usize>> {
    let mut cases = vec![
        vec![0],
        vec![1, 0],
        vec![15, 16, 17, 31, 32, 33],
        vec![4096; LANES],
        vec![1000, 1, 999, 0, 64, 65, 1016, 16],
    ];
    cases.extend((1..=LANES).map(|n| vec![100 + n; n]));
    cases
}

#[test]
fn libhydrogen_opens_what_is_sealed() {
    for lengths in cases() {
        for (lane, mut frame) in sealed(&lengths).into_iter().enumerate() {
            assert!(
                hydro::open(&mut frame, 5 + lane as u64, &SECRET),
                "{lengths:?}"
            );
            assert_eq!(
                frame[..lengths[lane]],
                plain(lengths[lane], lane),
                "{lengths:?}"
            );
        }
    }
}

#[test]
fn what_libhydrogen_seals_is_opened() {
    for lengths in cases() {
        let mut frames: Vec<_> = (0..)
            .zip(&lengths)
            .map(|(lane, length)| {
                let mut frame = plain(*length, lane);
                frame.resize(length + HEADER, 0);
                hydro::seal(&mut frame, 5 + lane as u64, &SECRET).unwrap();
                frame
            })
            .collect();
        assert_eq!(open_all(&mut frames), lengths.len(), "{lengths:?}");
        for (lane, frame) in frames.iter().enumerate() {
            assert_eq!(frame[HEADER..], plain(lengths[lane], lane), "{lengths:?}");
        }
    }
}

#[test]
fn every_bit_counts_and_what_is_not_authentic_is_wiped() {
    let whole = sealed(&[40; LANES]);
    for bit in 0..8 * (HEADER + 40) {
        let mut frames = whole.clone();
        frames[3][bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open_all(&mut frames), 3, "bit {bit}");
        assert_eq!(frames[3][HEADER..], [0; 40], "bit {bit}");
    }
}

#[test]
fn numbers_and_keys_count() {
    let whole = sealed(&[40, 40]);
    let mut swapped = vec![whole[1].clone(), whole[0].clone()];
    assert_eq!(open_all(&mut swapped), 0);
    let mut frames = whole.clone();
    let mut all: Vec<_> = frames.iter_mut().map(|f| &mut f[..]).collect();
    assert_eq!(open(&mut all, 5, &[0; KEY]), 0);
    assert_eq!(open_all(&mut whole.clone()), 2);
}

#[test]
fn the_same_plaintext_never_gives_the_same_frame() {
    assert_ne!(sealed(&[40]), sealed(&[40]));
}

#[test]
fn a_vector_follows_from_the_message_when_random_numbers_repeat() {
    let random = [1; IV];
    let iv = synthetic(&SECRET, b"abc", &random, 5);
    assert_eq!(iv, synthetic(&SECRET, b"abc", &random, 5));
    let others = [
        synthetic(&SECRET, b"abd", &random, 5),
        synthetic(&SECRET, b"abc\0", &random, 5),
        synthetic(&SECRET, b"", &random, 5),
        synthetic(&SECRET, b"abc", &[2; IV], 5),
        synthetic(&SECRET, b"abc", &random, 6),
        synthetic(&[0; KEY], b"abc", &random, 5),
    ];
    for (i, other) in others.iter().enumerate() {
        assert_ne!(*other, iv, "{i}");
    }
}

#[test]
fn each_frame_has_the_vector_of_its_own_message_and_number() {
    let random: [[u8; IV]; LANES] = std::array::from_fn(|lane| [lane as u8 / 2; IV]);
    let lengths = [40, 0, 1000, 5000, 40, 3];
    let vectors = |messages: &[Vec<u8>]| -> Vec<Vec<u8>> {
        let with_room = |message: &Vec<u8>| [vec![0; HEADER], message.clone()].concat();
        let mut frames: Vec<_> = messages.iter().map(with_room).collect();
        let mut all: Vec<_> = frames.iter_mut().map(|f| &mut f[..]).collect();
        seal_with(&mut all, 5, &SECRET, &random);
        frames.iter().map(|frame| frame[..IV].to_vec()).collect()
    };
    let mut messages: Vec<_> = (0..).zip(lengths).map(|(lane, n)| plain(n, lane)).collect();
    let before = vectors(&messages);
    for (lane, message) in messages.iter().enumerate() {
        let iv = synthetic(&iv_key(&SECRET), message, &random[lane], 5 + lane as u64);
        assert_eq!(before[lane], iv, "{lane}");
    }
    messages[3][4999] ^= 1;
    let after = vectors(&messages);
    for lane in 0..lengths.len() {
        assert_eq!(before[lane] == after[lane], lane != 3, "{lane}");
    }
}

#[test]
fn the_key_of_the_vectors_is_another_one() {
    assert_ne!(*iv_key(&SECRET), SECRET);
    assert_ne!(*iv_key(&SECRET), *iv_key(&[0; KEY]));
}
