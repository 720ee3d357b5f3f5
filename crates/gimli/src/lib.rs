//! The permutation Gimli, of sixteen messages at once.
//!
//! libhydrogen seals one message at a time, which leaves most of a processor idle: Gimli is one
//! long chain of steps. Messages are independent, so here their states lie side by side in
//! vectors, a message a lane. Gimli: Bernstein and others, "Gimli: a cross-platform permutation",
//! CHES 2017; its use as a duplex as in libhydrogen's `impl/secretbox.h`.

mod stretch;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use stretch::stretch;
use vector::{Vector, permute};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How many messages go at once.
pub const LANES: usize = 16;
/// Bytes of a state that messages go into and come out of.
pub const RATE: usize = 16;
/// Bytes of a state in all.
pub const BLOCK: usize = 48;

/// 32 bits of every lane.
type Word = [u32; LANES];

/// The states of all lanes: the 12 words of each, of which the first four are the rate.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct States([Word; BLOCK / 4]);

/// What is done with the bytes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// They are taken in and encrypted.
    Encrypt,
    /// They are decrypted, and the plaintext is taken in.
    Decrypt,
}

impl States {
    /// All zero.
    pub fn zero() -> Self {
        Self([[0; LANES]; BLOCK / 4])
    }

    /// Adds `bytes` to a lane's state, from byte `at` on.
    pub fn add(&mut self, lane: usize, at: usize, bytes: &[u8]) {
        for (i, byte) in (at..).zip(bytes) {
            self.0[i / 4][lane] ^= u32::from(*byte) << (8 * (i % 4));
        }
    }

    /// Adds the same `bytes` to every lane.
    pub fn add_to_all(&mut self, at: usize, bytes: &[u8]) {
        for lane in 0..LANES {
            self.add(lane, at, bytes);
        }
    }

    /// Copies bytes of a lane's state, from byte `at` on.
    pub fn copy(&self, lane: usize, at: usize, out: &mut [u8]) {
        for (i, byte) in (at..).zip(out) {
            *byte = self.0[i / 4][lane].to_le_bytes()[i % 4];
        }
    }

    /// Adds `tag` to the last byte of every lane, and permutes.
    pub fn step(&mut self, tag: u8) {
        self.add_to_all(BLOCK - 1, &[tag]);
        dispatch(self, Work::Permute);
    }

    /// Runs every lane over its message: blocks of 16 bytes, `tag` and the permutation after each;
    /// the last block, which may be empty, is padded with `domain`. Each lane ends in the state
    /// that it has after its own last block, however long the others are.
    pub fn run(&mut self, messages: &mut [&mut [u8]; LANES], duty: Duty, tag: u8, domain: u8) {
        let last: [usize; LANES] = std::array::from_fn(|lane| messages[lane].len() / RATE);
        let (shortest, longest) = last.iter().fold((usize::MAX, 0), |(low, high), n| {
            (low.min(*n), high.max(*n))
        });
        dispatch(
            self,
            Work::Blocks {
                messages,
                count: shortest,
                duty,
                tag,
            },
        );
        let mut ended = Self::zero();
        for block in shortest..=longest {
            for lane in (0..LANES).filter(|lane| block <= last[*lane]) {
                let start = block * RATE;
                let end = messages[lane].len().min(start + RATE);
                self.block(lane, &mut messages[lane][start..end], duty);
                if block == last[lane] {
                    self.add(lane, end - start, &[domain << 1 | 1]);
                    self.add(lane, RATE - 1, &[0x80]);
                }
            }
            self.step(tag);
            for lane in (0..LANES).filter(|lane| block == last[*lane]) {
                for (to, from) in ended.0.iter_mut().zip(&self.0) {
                    to[lane] = from[lane];
                }
            }
        }
        *self = ended;
    }

    /// Does a lane's duty to some bytes, at most a block of them.
    fn block(&mut self, lane: usize, bytes: &mut [u8], duty: Duty) {
        if duty == Duty::Decrypt {
            let mut stream = [0; RATE];
            self.copy(lane, 0, &mut stream);
            for (byte, stream) in bytes.iter_mut().zip(stream) {
                *byte ^= stream;
            }
        }
        self.add(lane, 0, bytes);
        if duty == Duty::Encrypt {
            self.copy(lane, 0, bytes);
        }
    }
}

/// What is done in vectors.
enum Work<'a, 'b> {
    Permute,
    /// The first `count` blocks of every message, each of which has them in full.
    Blocks {
        messages: &'a mut [&'b mut [u8]; LANES],
        count: usize,
        duty: Duty,
        tag: u8,
    },
}

/// Does it in the widest vectors that this processor has.
fn dispatch(states: &mut States, work: Work<'_, '_>) {
    #[cfg(target_arch = "x86_64")]
    let Some(work) = (x86::KINDS.iter()).try_fold(work, |work, kind| kind(states, work)) else {
        return;
    };
    perform::<4, [u32; 4]>(states, work);
}

/// Does it in vectors of `N` lanes, as many after one another as there are.
#[inline(always)]
fn perform<const N: usize, V: Vector<N>>(states: &mut States, mut work: Work<'_, '_>) {
    for from in (0..LANES).step_by(N) {
        let mut vectors = states.0.map(|word| {
            let (lanes, _) = word[from..].as_chunks();
            V::load(lanes[0])
        });
        match &mut work {
            Work::Permute => permute(&mut vectors),
            // a loop of its own for each duty, told apart by a type: told by a value, the compiler
            // makes one of them that asks at every word
            Work::Blocks {
                messages,
                count,
                duty,
                tag,
            } => {
                let messages = &mut messages[from..from + N];
                match duty {
                    Duty::Encrypt => blocks::<N, V, false>(&mut vectors, messages, *count, *tag),
                    Duty::Decrypt => blocks::<N, V, true>(&mut vectors, messages, *count, *tag),
                }
            }
        }
        for (word, vector) in states.0.iter_mut().zip(vectors) {
            word[from..from + N].copy_from_slice(&vector.store());
        }
    }
}

#[inline(always)]
fn blocks<const N: usize, V: Vector<N>, const DECRYPT: bool>(
    states: &mut [V; 12],
    messages: &mut [&mut [u8]],
    count: usize,
    tag: u8,
) {
    let tag = V::splat(u32::from(tag) << 24);
    let mut words = [[0; N]; RATE / 4];
    for start in (0..count).map(|block| block * RATE) {
        for (lane, message) in messages.iter().enumerate() {
            let (parts, _) = message[start..start + RATE].as_chunks::<4>();
            for (word, part) in words.iter_mut().zip(parts) {
                word[lane] = u32::from_le_bytes(*part);
            }
        }
        for (word, state) in words.iter_mut().zip(states.iter_mut()) {
            let sum = state.xor(V::load(*word));
            // the state is to be its sum with the plaintext, which when decrypting is the ciphertext
            *state = if DECRYPT { V::load(*word) } else { sum };
            *word = sum.store();
        }
        for (lane, message) in messages.iter_mut().enumerate() {
            let (parts, _) = message[start..start + RATE].as_chunks_mut::<4>();
            for (word, part) in words.iter().zip(parts) {
                *part = word[lane].to_le_bytes();
            }
        }
        states[11] = states[11].xor(tag);
        permute(states);
    }
    words.zeroize();
}

#[cfg(test)]
mod tests;
