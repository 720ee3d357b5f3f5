//! libhydrogen's secretbox, of up to sixteen chunks at once, many times as fast: each opens what the
//! other sealed.
//!
//! A frame is a header and a message: 20 bytes of an initialisation vector, 16 of an authenticator,
//! and as many of ciphertext as there are of plaintext. libhydrogen's `impl/secretbox.h`, version
//! 1.0.
//!
//! The vector is synthetic: a keyed hash of a random number, the message's number and the message.
//! Under one key two frames share one only when all of that is the same, or 160 bits collide: a
//! machine that was copied with its random numbers gives away no more than that two messages are
//! equal. libhydrogen takes Gimli for this hash as well; here it is BLAKE3, which is faster. Who opens
//! a frame takes its vector as it is.

use std::hint::black_box;

use anyhow::Result;
use ezmail_gimli::{BLOCK, Duty, LANES, RATE, States};
use zeroize::{Zeroize, Zeroizing};

use super::hydro::{self, CONTEXT, HEADER, KEY};

/// How many frames are sealed or opened at once, at most.
pub const FRAMES: usize = LANES;

/// Bytes of the (synthetic) initialisation vector; the rest of the header is the authenticator.
const IV: usize = 20;

const PREFIX: &[u8; 8] = b"\x06sbx256\x08";
const TAG_HEADER: u8 = 0x01;
const TAG_PAYLOAD: u8 = 0x02;
const TAG_FINAL: u8 = 0x08;
const TAG_KEY: u8 = 0xff;
const DOMAIN_SEALING: u8 = 0x0;

/// What the key of the vectors is derived for, in the form that BLAKE3 suggests.
const IV_CONTEXT: &str = "ezmail 2026-11-29 encpipe, synthetic initialisation vectors";

/// Encrypts in place: each frame has [`HEADER`] bytes to spare before its plaintext; afterwards it
/// is header and ciphertext. The first frame has message id `number`, the next ones the next.
///
/// # Errors
/// When there are no random numbers to be had.
pub fn seal(frames: &mut [&mut [u8]], number: u64, key: &[u8; KEY]) -> Result<()> {
    let mut random = [[0; IV]; LANES];
    for random in &mut random[..frames.len()] {
        hydro::random(random)?;
    }
    seal_with(frames, number, key, &random);
    Ok(())
}

/// As [`seal`], with such random numbers.
fn seal_with(frames: &mut [&mut [u8]], number: u64, key: &[u8; KEY], random: &[[u8; IV]; LANES]) {
    let (mut headers, mut messages) = split(frames);
    let mut ivs = [[0; IV]; LANES];
    let iv_key = iv_key(key);
    for (lane, number) in (0..headers.len()).zip(number..) {
        ivs[lane] = synthetic(&iv_key, messages[lane], &random[lane], number);
    }
    let mut states = start(number, key, &ivs);
    states.run(&mut messages, Duty::Encrypt, TAG_PAYLOAD, DOMAIN_SEALING);
    finish(&mut states, key);
    for (lane, header) in headers.iter_mut().enumerate() {
        header[..IV].copy_from_slice(&ivs[lane]);
        states.copy(lane, RATE, &mut header[IV..]);
    }
}

/// Decrypts in place what [`seal`] made; the plaintext then stands behind the header.
///
/// Returns how many frames from the first on are authentic for their numbers and the key. The
/// plaintext of every one that is not has been wiped.
pub fn open(frames: &mut [&mut [u8]], number: u64, key: &[u8; KEY]) -> usize {
    let (headers, mut messages) = split(frames);
    let mut ivs = [[0; IV]; LANES];
    for (iv, header) in ivs.iter_mut().zip(&headers) {
        iv.copy_from_slice(&header[..IV]);
    }
    let mut states = start(number, key, &ivs);
    states.run(&mut messages, Duty::Decrypt, TAG_PAYLOAD, DOMAIN_SEALING);
    finish(&mut states, key);
    let mut authentic = 0;
    for (lane, header) in headers.iter().enumerate() {
        let mut expected = [0; HEADER - IV];
        states.copy(lane, RATE, &mut expected);
        // all of it is looked at, wherever they differ
        let differences = expected
            .iter()
            .zip(&header[IV..])
            .fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
        if differences != 0 {
            messages[lane].zeroize();
        } else if authentic == lane {
            authentic += 1;
        }
    }
    authentic
}

/// The key of the vectors. It is not the secretbox's, which has another use for its own.
fn iv_key(key: &[u8; KEY]) -> Zeroizing<[u8; KEY]> {
    let mut derived = Zeroizing::new([0; KEY]);
    let mut hasher = blake3::Hasher::new_derive_key(IV_CONTEXT);
    hasher.update(key);
    take(&mut hasher, &mut derived[..]);
    derived
}

/// The vector of one message. What follows the message is always as long, so no two inputs run
/// together to the same bytes.
fn synthetic(key: &[u8; KEY], message: &[u8], random: &[u8; IV], number: u64) -> [u8; IV] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher
        .update(message)
        .update(random)
        .update(&number.to_le_bytes());
    let mut iv = [0; IV];
    take(&mut hasher, &mut iv);
    iv
}

/// Ends the hash, and wipes what has the key and the message in it: BLAKE3's types do not do it
/// when they are dropped.
fn take(hasher: &mut blake3::Hasher, out: &mut [u8]) {
    let mut reader = hasher.finalize_xof();
    reader.fill(out);
    reader.zeroize();
    hasher.zeroize();
}

/// The headers of `frames`, and the messages of all lanes; those beyond the last frame are empty.
fn split<'a>(frames: &'a mut [&mut [u8]]) -> (Vec<&'a mut [u8]>, [&'a mut [u8]; LANES]) {
    assert!(frames.len() <= LANES, "as many frames as there are lanes");
    let mut messages: [&mut [u8]; LANES] = std::array::from_fn(|_| &mut [][..]);
    let mut headers = Vec::with_capacity(LANES);
    for (frame, message) in frames.iter_mut().zip(&mut messages) {
        let (header, rest) = frame.split_at_mut(HEADER);
        headers.push(header);
        *message = rest;
    }
    (headers, messages)
}

/// The states before the messages.
fn start(number: u64, key: &[u8; KEY], ivs: &[[u8; IV]; LANES]) -> States {
    let mut states = States::zero();
    states.add_to_all(0, PREFIX);
    states.add_to_all(PREFIX.len(), CONTEXT);
    states.step(TAG_HEADER);
    for half in key.chunks(RATE) {
        states.add_to_all(0, half);
        states.step(TAG_KEY);
    }
    // the vector's length, the vector and the number, over two blocks
    let begin = RATE - 1;
    for (lane, iv) in ivs.iter().enumerate() {
        states.add(lane, 0, &[IV as u8]);
        states.add(lane, 1, &iv[..begin]);
    }
    states.step(TAG_HEADER);
    for ((lane, iv), number) in ivs.iter().enumerate().zip(number..) {
        states.add(lane, 0, &iv[begin..]);
        states.add(lane, IV - RATE, &number.to_le_bytes());
    }
    states.step(TAG_HEADER);
    states
}

/// Mixes the key into the rest of the states, before an authenticator is taken from it.
fn finish(states: &mut States, key: &[u8; KEY]) {
    const { assert!(KEY == BLOCK - RATE) };
    for _ in 0..2 {
        states.add_to_all(RATE, key);
        states.step(TAG_FINAL);
    }
}

#[cfg(test)]
mod tests;
