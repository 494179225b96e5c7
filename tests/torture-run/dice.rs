//! Random numbers that a seed replays: one stream for each who decides something.

/// A stream of numbers (`SplitMix64`, by Sebastiano Vigna; in the public domain).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of this name: what one draws does not change what others get.
    pub fn new(seed: u64, stream: &str) -> Self {
        let mut dice = Self(seed);
        for byte in stream.bytes() {
            dice.0 ^= u64::from(byte);
            dice.0 = dice.next();
        }
        dice
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }
    /// Small numbers as often as large ones: each power of two has the same chance.
    pub fn spread(&mut self, least: u64, most: u64) -> u64 {
        let steps = u64::from((most / least.max(1)).max(1).ilog2());
        let low = least << self.below(steps + 1);
        self.between(low, (low * 2).min(most).max(low))
    }
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(all.len() as u64);
        &all[usize::try_from(at).unwrap()]
    }
    pub fn millis(&mut self, least: u64, most: u64) -> std::time::Duration {
        std::time::Duration::from_millis(self.spread(least, most))
    }
}
