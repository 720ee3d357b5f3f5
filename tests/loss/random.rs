//! Numbers that are the same for the same seed.

use std::env;

/// A generator (xorshift).
pub struct Random(u64);

impl Random {
    /// With the seed of `EZMAIL_SEED`, or the usual one.
    pub fn new() -> Self {
        let seed = env::var("EZMAIL_SEED").map_or(250, |text| text.parse().unwrap());
        println!("EZMAIL_SEED={seed}");
        let mut random = Self(0x9e37_79b9_7f4a_7c15 ^ seed);
        // small seeds differ in a few bits only
        for _ in 0..10 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let high = usize::try_from(self.next() >> 32).unwrap();
        high % end
    }

    /// A number from `low` to `high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }
}
