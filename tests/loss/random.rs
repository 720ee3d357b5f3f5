//! Numbers that are the same for the same seed.

use std::env;

/// A generator (xorshift).
pub struct Random(u64);

/// Numbers that come in another order each time around, but all of them.
#[derive(Default)]
pub struct Deck(Vec<usize>);

impl Deck {
    /// The next of those below `end`.
    pub fn draw(&mut self, end: usize, random: &mut Random) -> usize {
        if self.0.is_empty() {
            self.0.extend(0..end);
        }
        let at = random.below(self.0.len());
        self.0.swap_remove(at)
    }
}

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
