//! Many permutations of one state, one after the other: what makes a key of a passphrase.

use zeroize::Zeroize;

use super::{BLOCK, vector::permute};

/// Does with a state what libhydrogen's `impl/pwhash.h` does: it is permuted, with a tag of 1; then,
/// `count` times, the rate becomes the number of the turn, and the state is permuted again.
///
/// In plain numbers: they keep a processor as busy as a vector with one state in it.
pub fn stretch(state: &mut [u8; BLOCK], count: u64) {
    let (bytes, _) = state.as_chunks_mut::<4>();
    let mut words: [[u32; 1]; BLOCK / 4] = std::array::from_fn(|i| [u32::from_le_bytes(bytes[i])]);
    words[BLOCK / 4 - 1][0] ^= 1 << 24;
    permute(&mut words);
    for turn in 0..count {
        // 64 bits little endian, and zeros
        words[..4].copy_from_slice(&[[turn as u32], [(turn >> 32) as u32], [0], [0]]);
        permute(&mut words);
    }
    for (bytes, [word]) in bytes.iter_mut().zip(&words) {
        *bytes = word.to_le_bytes();
    }
    words.zeroize();
}
