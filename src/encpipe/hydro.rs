//! The one place that calls libhydrogen, hence the unsafe code: each call is in a safe function. For the
//! tests, its own functions are here too where ours are in their place: key derivation and secretbox.
//!
//! Not through the safe crate `libhydrogen`: as of 0.4.7 it has no deterministic numbers, and
//! dropping its secretbox `Key` clears a pointer to the key, not the key.

#![allow(
    unsafe_code,
    reason = "libhydrogen is C; each call stands behind a function that checks what it needs"
)]

use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use ezmail_gimli::{BLOCK, RATE, stretch};
use libhydrogen_sys as ffi;
use zeroize::Zeroizing;

/// Bytes of a secretbox key.
pub const KEY: usize = ffi::hydro_secretbox_KEYBYTES as usize;

/// Bytes of a secretbox header, which stands before the ciphertext.
pub const HEADER: usize = ffi::hydro_secretbox_HEADERBYTES as usize;

/// The domain of every key and chunk of encpipe: 8 bytes, the last one zero.
pub const CONTEXT: &[u8; ffi::hydro_secretbox_CONTEXTBYTES as usize] = b"EncPipe\0";

/// The master key of the key derivation.
const NO_KEY: [u8; ffi::hydro_pwhash_MASTERKEYBYTES as usize] =
    [0; ffi::hydro_pwhash_MASTERKEYBYTES as usize];

// One context and one key serve all calls only because libhydrogen gives them the same size.
const _: () = assert!(ffi::hydro_hash_CONTEXTBYTES == ffi::hydro_secretbox_CONTEXTBYTES);
const _: () = assert!(ffi::hydro_pwhash_CONTEXTBYTES == ffi::hydro_secretbox_CONTEXTBYTES);
const _: () = assert!(ffi::hydro_hash_KEYBYTES == ffi::hydro_pwhash_MASTERKEYBYTES);
const _: () = assert!(ffi::hydro_random_SEEDBYTES as usize == BLOCK - RATE);

/// Opslimit of the key derivation, as upstream has it; its memlimit is 0.
const PWHASH_OPSLIMIT: u64 = 1_000_000;
/// Threads of the key derivation, as upstream has it: they change the key, nothing else.
const PWHASH_THREADS: u8 = 1;

/// Waits for the kernel's random numbers and sets libhydrogen up, once a process.
///
/// # Errors
/// When there is no `/dev/urandom`.
fn init() -> Result<()> {
    static READY: OnceLock<bool> = OnceLock::new();
    // SAFETY: no arguments; OnceLock keeps a second thread out while it runs.
    let ready = *READY.get_or_init(|| unsafe { ffi::hydro_init() } == 0);
    ensure!(
        ready,
        "libhydrogen found no random numbers: is /dev/urandom there?"
    );
    Ok(())
}

/// Fills `out` with random bytes.
///
/// # Errors
/// As [`init`].
pub fn random(out: &mut [u8]) -> Result<()> {
    init()?;
    // SAFETY: the pointer and the length are of one live, exclusively borrowed slice.
    unsafe { ffi::hydro_random_buf(out.as_mut_ptr().cast(), out.len()) };
    Ok(())
}

/// Stretches `password` into `key`: the same key for the same password, everywhere.
///
/// What `hydro_pwhash_deterministic` does (libhydrogen's `impl/pwhash.h`), but for its million
/// permutations: [`stretch`] has them in a third of the time.
///
/// # Errors
/// As [`init`]; and what libhydrogen refuses, which is nothing as of 1.0.
pub fn pwhash(key: &mut [u8; KEY], password: &[u8]) -> Result<()> {
    const SALT: &[u8] = &[0; 16];
    const ALGORITHM: u8 = 1;
    const MEMLIMIT: u64 = 0;
    init()?;
    let mut input = Zeroizing::new(Vec::with_capacity(password.len() + 64));
    input.extend_from_slice(&(password.len() as u64).to_le_bytes());
    input.extend_from_slice(password);
    input.extend_from_slice(SALT);
    input.extend_from_slice(&[ALGORITHM, PWHASH_THREADS]);
    input.extend_from_slice(&MEMLIMIT.to_le_bytes());
    input.extend_from_slice(&(KEY as u64).to_le_bytes());
    let mut state = Zeroizing::new([0; BLOCK]);
    // SAFETY: every pointer is of a live slice or array, and its length is passed along or is the
    // one that the header file states (context 8, key 32).
    let status = unsafe {
        ffi::hydro_hash_hash(
            state.as_mut_ptr(),
            state.len(),
            input.as_ptr().cast(),
            input.len(),
            CONTEXT.as_ptr().cast(),
            NO_KEY.as_ptr(),
        )
    };
    ensure!(
        status == 0,
        "libhydrogen could not derive a key (status {status})"
    );
    stretch(&mut state, PWHASH_OPSLIMIT);
    let seed: &[u8; BLOCK - RATE] = state.last_chunk().context("a state has a seed")?;
    // SAFETY: the pointers are of live arrays; the first one's length is passed along, the second
    // has the bytes that the header file states.
    unsafe { ffi::hydro_random_buf_deterministic(key.as_mut_ptr().cast(), KEY, seed.as_ptr()) };
    Ok(())
}

/// libhydrogen's own [`pwhash`], to compare with.
#[cfg(test)]
fn pwhash_of_libhydrogen(key: &mut [u8; KEY], password: &[u8]) {
    init().unwrap();
    // SAFETY: every pointer is of a live slice or array, and its length is passed along or is
    // the one that the header file states (context 8, master key 32).
    let status = unsafe {
        ffi::hydro_pwhash_deterministic(
            key.as_mut_ptr(),
            key.len(),
            password.as_ptr().cast(),
            password.len(),
            CONTEXT.as_ptr().cast(),
            NO_KEY.as_ptr(),
            PWHASH_OPSLIMIT,
            0,
            PWHASH_THREADS,
        )
    };
    assert_eq!(status, 0);
}

/// libhydrogen's own sealing, to compare with. Encrypts in place: `frame` begins with the plaintext and has [`HEADER`] bytes to spare behind
/// it; afterwards it is header and ciphertext.
///
/// # Errors
/// As [`init`]; and what libhydrogen refuses, which is nothing as of 1.0.
#[cfg(test)]
pub fn seal(frame: &mut [u8], number: u64, key: &[u8; KEY]) -> Result<()> {
    init()?;
    assert!(frame.len() >= HEADER, "a frame has room for its header");
    let start = frame.as_mut_ptr();
    // SAFETY: libhydrogen reads len - HEADER bytes from `start` and writes len bytes there, all
    // of them in `frame`; it allows both to be the same address (it moves the message first).
    let status = unsafe {
        ffi::hydro_secretbox_encrypt(
            start,
            start.cast_const().cast(),
            frame.len() - HEADER,
            number,
            CONTEXT.as_ptr().cast(),
            key.as_ptr(),
        )
    };
    ensure!(
        status == 0,
        "libhydrogen could not encrypt a chunk (status {status})"
    );
    Ok(())
}

/// libhydrogen's own opening, to compare with. Decrypts in place what [`seal`] made; the plaintext then stands at the beginning of `frame`.
///
/// `false` when `frame` is not authentic for this number and key; libhydrogen has then wiped it.
#[cfg(test)]
pub fn open(frame: &mut [u8], number: u64, key: &[u8; KEY]) -> bool {
    if frame.len() < HEADER {
        return false;
    }
    let start = frame.as_mut_ptr();
    // SAFETY: libhydrogen reads len bytes from `start` and writes len - HEADER bytes there, all
    // of them in `frame`; it works forwards and reads each block before it writes it, which is
    // how upstream's encpipe calls it too.
    let status = unsafe {
        ffi::hydro_secretbox_decrypt(
            start.cast(),
            start.cast_const(),
            frame.len(),
            number,
            CONTEXT.as_ptr().cast(),
            key.as_ptr(),
        )
    };
    status == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_libhydrogen() {
        // around the hash's block of 16 bytes, and as long as they may be
        for length in [1, 7, 8, 9, 64, 512] {
            let password: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            let (mut ours, mut theirs) = ([0; KEY], [1; KEY]);
            pwhash(&mut ours, &password).unwrap();
            pwhash_of_libhydrogen(&mut theirs, &password);
            assert_eq!(ours, theirs, "{length}");
        }
    }

    #[test]
    fn a_frame_opens_only_under_its_number_and_key() {
        let key = [7; KEY];
        let mut frame = vec![0; 100 + HEADER];
        frame[..100].fill(b'x');
        seal(&mut frame, 3, &key).unwrap();
        assert!(!open(&mut frame.clone(), 2, &key));
        assert!(!open(&mut frame.clone(), 3, &[8; KEY]));
        assert!(open(&mut frame, 3, &key));
        assert_eq!(frame[..100], [b'x'; 100]);
    }

    #[test]
    fn what_fails_to_open_is_wiped() {
        let mut frame = vec![0xaa; 64 + HEADER];
        assert!(!open(&mut frame, 0, &[7; KEY]));
        assert_eq!(frame[..64], [0; 64]);
    }

    #[test]
    fn less_than_a_header_never_opens() {
        assert!(!open(&mut [0; HEADER - 1], 0, &[7; KEY]));
        assert!(!open(&mut [], 0, &[7; KEY]));
    }
}
