//! What the permutation needs of a vector, and the permutation in such vectors.

/// 32 bits of `N` lanes, in whatever a processor has for it.
pub trait Vector<const N: usize>: Copy {
    /// From memory.
    fn load(word: [u32; N]) -> Self;
    /// To memory.
    fn store(self) -> [u32; N];
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
    /// Shifted to the left by `BITS` bits.
    fn shift<const BITS: u32>(self) -> Self;
    /// Rotated to the left by `BITS` bits.
    fn rotate<const BITS: u32>(self) -> Self;
}

/// Gimli, of every lane.
#[inline(always)]
pub fn permute<const N: usize, V: Vector<N>>(states: &mut [V; 12]) {
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
fn round<const N: usize, V: Vector<N>>(states: &mut [V; 12]) {
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
impl<const N: usize> Vector<N> for [u32; N] {
    #[inline(always)]
    fn load(word: [u32; N]) -> Self {
        word
    }
    #[inline(always)]
    fn store(self) -> [u32; N] {
        self
    }
    #[inline(always)]
    fn splat(bits: u32) -> Self {
        [bits; N]
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
    fn shift<const BITS: u32>(self) -> Self {
        self.map(|bits| bits << BITS)
    }
    #[inline(always)]
    fn rotate<const BITS: u32>(self) -> Self {
        self.map(|bits| bits.rotate_left(BITS))
    }
}
