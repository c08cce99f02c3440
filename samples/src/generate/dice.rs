//! Chance, the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of numbers that depends on the seed alone.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The seed fills the first eight bytes of the key, little end first.
    pub(super) fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// One of `0..n`, each about as often: the high half of a product, whose bias is below n / 2^64.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(n);
        u64::try_from(wide >> 64).expect("the high half of 128 bits has 64")
    }

    /// One of `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high - low + 1).expect("low is not above high");
        low + i64::try_from(self.below(span)).expect("the span is one of i64")
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// `digits` hex digits that belong to two numbers: commits and digests. The mixing is `SplitMix64` (Steele, Lea and Flood, 2014).
pub(super) fn hex(a: u64, b: u64, digits: usize) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(digits + 16);
    let mut state = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b;
    while out.len() < digits {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let _ = write!(out, "{:016x}", z ^ (z >> 31));
    }
    out.truncate(digits);
    out
}
