//! What the permutation needs of a vector, and the permutation in such vectors.

use super::{LANES, Word};

/// 32 bits of every lane, in whatever a processor has for it.
pub trait Vector: Copy {
    /// From memory.
    fn load(word: Word) -> Self;
    /// To memory.
    fn store(self) -> Word;
    /// The same bits in every lane.
    fn splat(bits: u32) -> Self;
    /// Exclusive or.
    fn xor(self, other: Self) -> Self;
    /// And.
    fn and(self, other: Self) -> Self;
    /// Or.
    fn or(self, other: Self) -> Self;
    /// `self ^ b ^ c`.
    fn xor3(self, b: Self, c: Self) -> Self;
    /// Shifted to the left by `N` bits.
    fn shift<const N: u32>(self) -> Self;
    /// Rotated to the left by `N` bits.
    fn rotate<const N: u32>(self) -> Self;
}

/// Gimli, of every lane.
#[inline(always)]
pub fn permute<V: Vector>(states: &mut [V; 12]) {
    for four in (1..=6).rev() {
        round(states);
        // the small swap, and the round's number with the constant of Gimli's own
        states.swap(0, 1);
        states.swap(2, 3);
        states[0] = states[0].xor(V::splat(0x9e37_7900 | (four * 4)));
        round(states);
        round(states);
        // the big swap
        states.swap(0, 2);
        states.swap(1, 3);
        round(states);
    }
}

/// The layer of 96 bits of a round, of every column.
#[inline(always)]
fn round<V: Vector>(states: &mut [V; 12]) {
    for column in 0..4 {
        let x = states[column].rotate::<24>();
        let y = states[column + 4].rotate::<9>();
        let z = states[column + 8];
        states[column + 8] = x.xor3(z.shift::<1>(), y.and(z).shift::<2>());
        states[column + 4] = y.xor3(x, x.or(z).shift::<1>());
        states[column] = z.xor3(y, x.and(y).shift::<3>());
    }
}

/// For every processor: the compiler makes of it what it can.
impl Vector for Word {
    #[inline(always)]
    fn load(word: Word) -> Self {
        word
    }
    #[inline(always)]
    fn store(self) -> Word {
        self
    }
    #[inline(always)]
    fn splat(bits: u32) -> Self {
        [bits; LANES]
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] ^ other[i])
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] & other[i])
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] | other[i])
    }
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        std::array::from_fn(|i| self[i] ^ b[i] ^ c[i])
    }
    #[inline(always)]
    fn shift<const N: u32>(self) -> Self {
        self.map(|bits| bits << N)
    }
    #[inline(always)]
    fn rotate<const N: u32>(self) -> Self {
        self.map(|bits| bits.rotate_left(N))
    }
}
