//! The one place that hands out sequence numbers of outgoing streams: each is bound to one packet for ever.
//!
//! A number is half of the cipher's nonce (RFC 3711 §4.1, RFC 7714 §8.1), so a second packet under it would give both
//! away. [`Index`] can be made nowhere else, and without one nothing is sent: a number is claimed once, in the moment of
//! its first sending; a stream with retransmission format (RFC 4588) has fresh numbers there; one without repeats only what
//! is known to be the same bit for bit.

use sfu_prefetch::{LINE_BYTES, prefetch};

/// Words of the window, of 64 numbers each: twice what a place is kept for that is filled late.
const WORDS: usize = 32;
/// Packets of a stream without retransmission format that may be repeated: a second of 4 Mbit/s in packets of 1,000 bytes.
const PLACES: usize = 512;

/// An extended sequence number under which a packet may go out now.
#[derive(Debug)]
pub struct Index(u64);

impl Index {
    pub fn ext_seq(&self) -> u64 {
        self.0
    }

    /// As the header carries it.
    pub fn seq(&self) -> u16 {
        self.0 as u16
    }
}

/// Of 64 numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    used: u64,
    /// Those of them that were given to packets with a marker.
    marked: u64,
}

/// Which numbers of a media stream are given away, of the last 2,000.
#[derive(Debug, Default)]
pub struct Numbers {
    /// After the highest; 0: none was given.
    end: u64,
    given: [Given; WORDS],
    /// (lower bits of the number, transport-wide number of its packet) where packets are repeated under their own number:
    /// 4 KiB, allocated with the first.
    places: Vec<(u32, u16)>,
}

fn place(ext_seq: u64) -> (usize, u64) {
    ((ext_seq / 64) as usize % WORDS, 1 << (ext_seq % 64))
}

impl Numbers {
    /// Asks for what the next number is written to.
    pub fn prefetch(&self) {
        if let Some(word) = self.given.get(place(self.end).0) {
            prefetch(word, LINE_BYTES);
        }
    }

    /// Gives a number away; `None` when it is given already, or lies so far back that nobody knows.
    #[inline]
    pub fn claim(&mut self, ext_seq: u64, marker: bool) -> Option<Index> {
        if ext_seq >= self.end {
            self.advance(ext_seq);
        } else if !self.is_in_window(ext_seq) {
            return None;
        }
        let (word, bit) = place(ext_seq);
        let given = self.given.get_mut(word).filter(|given| given.used & bit == 0)?;
        given.used |= bit;
        if marker {
            given.marked |= bit;
        }
        Some(Index(ext_seq))
    }

    /// Whether the packet that has this number carries a marker; `None`: the number is not given, or long ago.
    pub fn marker(&self, ext_seq: u64) -> Option<bool> {
        let (word, bit) = place(ext_seq);
        let given = self.given.get(word)?;
        let is_used = ext_seq < self.end && self.is_in_window(ext_seq) && given.used & bit != 0;
        is_used.then_some(given.marked & bit != 0)
    }

    /// The highest.
    pub fn newest(&self) -> Option<u64> {
        self.end.checked_sub(1)
    }

    fn is_in_window(&self, ext_seq: u64) -> bool {
        ext_seq / 64 + WORDS as u64 > self.end.saturating_sub(1) / 64
    }

    fn advance(&mut self, ext_seq: u64) {
        let (from, to) = (self.end.saturating_sub(1) / 64, ext_seq / 64);
        for word in (from + 1..=to).take(WORDS) {
            let (word, _) = place(word * 64);
            self.given.get_mut(word).into_iter().for_each(|given| *given = Given::default());
        }
        self.end = ext_seq + 1;
    }

    /// Notes what a repetition under the same number has to look like. For media only: what else has a number is not
    /// repeated.
    pub fn note_plain(&mut self, ext_seq: u64, transport_seq: u16) {
        if self.places.is_empty() {
            // No number of a stream is its own complement.
            self.places = (0..PLACES).map(|index| (!(index as u32), 0)).collect();
        }
        if let Some(place) = self.places.get_mut(ext_seq as usize % PLACES) {
            *place = (ext_seq as u32, transport_seq);
        }
    }

    /// The number once more and the transport-wide number of its first sending; `None`: nothing or nothing certain is known
    /// of that.
    pub fn repeat_plain(&self, ext_seq: u64) -> Option<(Index, u16)> {
        let (noted, number) = *self.places.get(ext_seq as usize % PLACES)?;
        (noted == ext_seq as u32 && ext_seq < self.end).then_some((Index(ext_seq), number))
    }
}

/// Numbers of a stream of retransmissions: each packet has its own.
#[derive(Debug)]
pub struct RtxNumbers {
    next: u64,
}

impl RtxNumbers {
    /// In the lower half, as [`crate::rewrite::SequenceMap::new`] has it.
    pub fn new(first_seq: u16) -> Self {
        Self { next: u64::from(first_seq & 0x7FFF) }
    }

    pub fn claim(&mut self) -> Index {
        let index = Index(self.next);
        self.next += 1;
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn what_is_repeated_under_its_own_number_is_known_until_its_place_is_taken() {
        let mut numbers = Numbers::default();
        let find = |numbers: &Numbers, ext_seq| numbers.repeat_plain(ext_seq).map(|(_, number)| number);
        assert_eq!(find(&numbers, 0), None);
        numbers.claim(70_000, false);
        numbers.note_plain(70_000, 9);
        assert_eq!([70_000, 70_000 - 512, 70_512].map(|ext_seq| find(&numbers, ext_seq)), [Some(9), None, None]);
        assert!((0..600).all(|ext_seq| find(&numbers, ext_seq).is_none()));
        numbers.claim(70_512, false);
        numbers.note_plain(70_512, 8);
        assert_eq!([70_000, 70_512].map(|ext_seq| find(&numbers, ext_seq)), [None, Some(8)]);
    }

    #[test]
    fn numbers_of_retransmissions_never_come_again() {
        let mut numbers = RtxNumbers::new(0xFFFF);
        let given: Vec<u64> = (0..70_000).map(|_| numbers.claim().ext_seq()).collect();
        assert!(given.windows(2).all(|pair| pair[1] == pair[0] + 1) && given[0] == 0x7FFF);
    }

    proptest! {
        #[test]
        fn a_number_is_given_once(steps in proptest::collection::vec((0u64..3_000, 0u64..300, any::<bool>()), 1..400)) {
            let mut numbers = Numbers::default();
            let (mut given, mut markers) = (BTreeSet::new(), BTreeMap::new());
            let mut newest = 20_000u64;
            numbers.claim(newest, false);
            given.insert(newest);
            for (back, ahead, marker) in steps {
                let ext_seq = if back < 1_500 { newest - back.min(1_200) } else { newest + ahead };
                newest = newest.max(ext_seq);
                let claimed = numbers.claim(ext_seq, marker);
                prop_assert!(claimed.is_none_or(|index| index.ext_seq() == ext_seq));
                prop_assert_eq!(numbers.newest(), Some(newest));
                if given.insert(ext_seq) {
                    markers.insert(ext_seq, marker);
                }
                // All that lies less than 1,500 back is told right.
                for (&ext_seq, &marker) in markers.range(newest - 1_500..) {
                    prop_assert_eq!(numbers.marker(ext_seq), Some(marker));
                }
                prop_assert_eq!(numbers.claim(ext_seq, marker).is_none(), true);
            }
            prop_assert_eq!(numbers.marker(newest + 1), None);
        }
    }
}
