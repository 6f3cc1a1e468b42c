//! A sliding window over packet indices (RFC 3711 §3.3.2).

use super::SrtpError;

/// Remembers which of the last `64 * WORDS` indices were let in. The bitmap is a ring: index `i`
/// has bit `i mod (64 * WORDS)`, so moving on clears words instead of shifting all of them.
#[derive(Clone, Debug)]
pub(super) struct ReplayWindow<const WORDS: usize> {
    highest: u64,
    seen: [u64; WORDS],
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    const SIZE: u64 = 64 * WORDS as u64;

    /// A window whose first packet is `index`.
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WORDS] };
        window.mark(index);
        window
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether a packet of this index may be let in.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        if index > self.highest {
            return Ok(());
        }
        if self.highest - index >= Self::SIZE {
            return Err(SrtpError::TooOld);
        }
        let (word, bit) = Self::place(index);
        match self.seen.get(word) {
            Some(seen) if seen & bit == 0 => Ok(()),
            _ => Err(SrtpError::Replayed),
        }
    }

    /// Remembers an index that [`Self::check`] allowed and whose packet proved authentic.
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            self.advance(index);
        }
        self.mark(index);
    }

    fn advance(&mut self, index: u64) {
        if index - self.highest >= Self::SIZE {
            self.seen = [0; WORDS];
        } else {
            for skipped in self.highest + 1..index {
                self.clear(skipped);
            }
            self.clear(index);
        }
        self.highest = index;
    }

    fn clear(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen &= !bit;
        }
    }

    fn mark(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen |= bit;
        }
    }

    fn place(index: u64) -> (usize, u64) {
        let slot = index % Self::SIZE;
        ((slot / 64) as usize, 1 << (slot % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_window_is_as_wide_as_it_says() {
        let mut window = ReplayWindow::<16>::starting_at(5_000);
        assert_eq!(window.check(5_000), Err(SrtpError::Replayed));
        assert_eq!(window.check(5_000 - 1_023), Ok(()));
        assert_eq!(window.check(5_000 - 1_024), Err(SrtpError::TooOld));
        window.accept(5_001);
        assert_eq!(window.check(5_001 - 1_024), Err(SrtpError::TooOld));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_all_indices(
            steps in proptest::collection::vec(prop_oneof![-140i64..=20, -20i64..=300], 1..400),
        ) {
            let mut highest = 10_000u64;
            let mut window = ReplayWindow::<2>::starting_at(highest);
            let mut seen = BTreeSet::from([highest]);
            for step in steps {
                let index = highest.saturating_add_signed(step);
                let expected = if index + 128 <= highest {
                    Err(SrtpError::TooOld)
                } else if seen.contains(&index) {
                    Err(SrtpError::Replayed)
                } else {
                    Ok(())
                };
                prop_assert_eq!(window.check(index), expected);
                if expected.is_ok() {
                    window.accept(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
                prop_assert_eq!(window.highest(), highest);
            }
        }
    }
}
