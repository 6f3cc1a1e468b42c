//! A small seeded hasher for the tables that every incoming packet touches.
//!
//! Not for keys that a stranger can choose at will: what is hashed with it has passed an
//! authentication (addresses after an ICE check, SSRCs inside SRTP) and its tables are bounded.

use std::hash::{BuildHasher, Hasher};

/// Odd constant of the golden ratio, as in Fibonacci hashing.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Makes [`SeededHasher`]s that start from the same seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeededState(pub u64);

impl BuildHasher for SeededState {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher(self.0)
    }
}

/// Folds 64 x 64 bit products.
#[derive(Clone, Copy, Debug)]
pub struct SeededHasher(u64);

impl SeededHasher {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(u128::from(MULTIPLIER));
        self.0 = (product as u64) ^ ((product >> 64) as u64).wrapping_add(MULTIPLIER);
    }
}

impl Hasher for SeededHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0u64, |word, &byte| (word << 8) | u64::from(byte));
            self.fold(word);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.fold(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.fold(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.fold(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.fold(value as u64);
    }
}

/// splitmix64: the next of a sequence of well-mixed numbers. Seeds start values, nothing secret.
pub fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(MULTIPLIER);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::net::SocketAddr;

    #[test]
    fn neighbouring_addresses_spread_over_the_low_bits() {
        let state = SeededState(7);
        let low: HashSet<u64> =
            (1_000..1_256u16).map(|port| state.hash_one(SocketAddr::from(([10, 0, 0, 1], port))) & 0xFFF).collect();
        // 256 balls into 4,096 bins: about 248 bins are hit when the hash is good.
        assert!(low.len() > 225, "{}", low.len());
    }

    #[test]
    fn another_seed_gives_another_order() {
        assert_ne!(SeededState(1).hash_one(5u32), SeededState(2).hash_one(5u32));
    }
}
