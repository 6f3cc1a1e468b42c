//! What became of one stream's packets, by their sequence numbers: received, lost, come twice.

use sfu_core::rtp::seq::SeqUnwrapper;

/// How far back a packet is recognised as one that came before.
const WINDOW: u64 = 1_024;

#[derive(Debug)]
pub struct Continuity {
    unwrapper: SeqUnwrapper,
    /// One bit a number, the number modulo [`WINDOW`].
    seen: [u64; WINDOW as usize / 64],
    /// The first number that counts.
    base: u64,
    highest: u64,
    received: u64,
    duplicates: u64,
    /// Expected and received when [`Continuity::interval`] was last called.
    reported: (u64, u64),
}

impl Continuity {
    pub fn starting_with(seq: u16) -> Self {
        let mut unwrapper = SeqUnwrapper::default();
        let base = unwrapper.unwrap_seq(seq);
        let mut stream =
            Self { unwrapper, seen: [0; 16], base, highest: base, received: 1, duplicates: 0, reported: (0, 0) };
        stream.mark(base);
        stream
    }

    /// One packet more; whether it is new.
    pub fn add(&mut self, seq: u16) -> bool {
        let number = self.unwrapper.unwrap_seq(seq);
        if number > self.highest {
            let from = (self.highest + 1).max(number.saturating_sub(WINDOW - 1));
            (from..number).for_each(|skipped| self.clear(skipped));
            self.highest = number;
        } else if number + WINDOW <= self.highest {
            // Too old to know: counted as what does the server more harm.
            self.duplicates += 1;
            return false;
        } else if self.is_marked(number) {
            self.duplicates += 1;
            return false;
        }
        self.mark(number);
        self.received += u64::from(number >= self.base);
        true
    }

    /// Counts from here on; what is under way from before does not count.
    pub fn reset(&mut self) {
        self.base = self.highest + 1;
        self.received = 0;
        self.duplicates = 0;
        self.reported = (0, 0);
    }

    pub fn received(&self) -> u64 {
        self.received
    }

    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Numbers up to the highest that did not come.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The highest number with the cycles above it, as in a report block.
    pub fn highest_for_report(&self) -> u32 {
        self.unwrapper.highest_for_report()
    }

    /// Loss since the last call, in 1/256 (RFC 3550 §A.3).
    pub fn interval(&mut self) -> u8 {
        let now = (self.expected(), self.received);
        let expected = now.0.saturating_sub(self.reported.0);
        let received = now.1.saturating_sub(self.reported.1);
        self.reported = now;
        let lost = expected.saturating_sub(received);
        (lost * 256).checked_div(expected).map_or(0, |share| share.min(255) as u8)
    }

    fn expected(&self) -> u64 {
        (self.highest + 1).saturating_sub(self.base)
    }

    fn place(number: u64) -> (usize, u64) {
        let bit = number % WINDOW;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn mark(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.seen[word] &= !bit;
    }

    fn is_marked(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.seen[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: impl IntoIterator<Item = u16>) -> Continuity {
        let mut numbers = numbers.into_iter();
        let mut stream = Continuity::starting_with(numbers.next().unwrap());
        numbers.for_each(|seq| {
            stream.add(seq);
        });
        stream
    }

    #[test]
    fn a_whole_stream_loses_nothing_across_the_wrap() {
        let stream = after((65_000u32..70_000).map(|number| number as u16));
        assert_eq!((stream.received(), stream.lost(), stream.duplicates()), (5_000, 0, 0));
    }

    #[test]
    fn a_gap_is_loss_until_it_is_filled() {
        let mut stream = after([7, 8, 10, 12]);
        assert_eq!((stream.received(), stream.lost()), (4, 2));
        assert!(stream.add(9));
        assert_eq!((stream.received(), stream.lost()), (5, 1));
    }

    #[test]
    fn what_comes_twice_counts_once() {
        let mut stream = after([65_535, 0, 1]);
        assert!(!stream.add(0));
        assert_eq!((stream.received(), stream.lost(), stream.duplicates()), (3, 0, 1));
    }

    #[test]
    fn a_number_a_window_later_is_no_duplicate() {
        let stream = after((0..5_000).step_by(3));
        assert_eq!(stream.duplicates(), 0);
        assert_eq!(stream.lost(), 4_999 - 1_667);
    }

    #[test]
    fn after_a_reset_only_what_follows_counts() {
        let mut stream = after([1, 2, 5]);
        stream.reset();
        assert!(stream.add(4));
        stream.add(6);
        stream.add(8);
        assert_eq!((stream.received(), stream.lost()), (2, 1));
    }

    #[test]
    fn the_share_lost_is_that_since_the_last_report() {
        let mut stream = after([0, 2]);
        assert_eq!(stream.interval(), 256u16.div_euclid(3) as u8);
        stream.add(3);
        assert_eq!(stream.interval(), 0);
    }
}
