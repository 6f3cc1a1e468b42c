//! What was sent under which transport-wide number: 8 bytes a packet, in a ring that grows with what is in flight.

use std::ops::Range;

use crate::time::{Micros, Time};

/// The ring begins with so many places: half a second of audio and a thumbnail.
const FIRST_PLACES: usize = 64;
/// And never has more: 20 Mbit/s for half a second.
const MAX_PLACES: usize = 1_024;
/// A packet that was sent so long ago and is not told of yet gives way without growth of the ring.
const STALE: Micros = Micros::from_secs(3);
/// The pair of sizes that a record can tell apart; larger ones do not occur on a network.
const MAX_SIZE: u32 = u16::MAX as u32;

/// What is known of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    /// Nothing was sent under it.
    #[default]
    Vacant,
    InFlight,
    Lost,
    Received,
}

/// `sent_us` are the lower 32 bits of the time: 71 minutes, much more than a ring lasts.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    sent_us: u32,
    size: u16,
    fate: Fate,
}

/// What feedback says of a number for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// `was_lost`: earlier feedback had called it lost; it was only late.
    Received {
        sent: Time,
        size: u32,
        was_lost: bool,
    },
    Lost {
        sent: Time,
        size: u32,
    },
}

#[derive(Clone, Debug, Default)]
pub struct History {
    /// Empty, or a power of two.
    records: Box<[Record]>,
    /// One after the newest number.
    end: u64,
    /// The oldest number that may have a record.
    begin: u64,
    /// One after the newest number that feedback told of; what lies before is not awaited any more.
    told: u64,
}

impl History {
    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// The numbers that may have a record.
    pub fn seqs(&self) -> Range<u64> {
        self.begin..self.end
    }

    /// Bytes that it holds in memory.
    pub fn memory_bytes(&self) -> usize {
        self.records.len() * size_of::<Record>()
    }

    fn record_mut(&mut self, seq: u64) -> Option<&mut Record> {
        let mask = self.records.len().wrapping_sub(1);
        self.records.get_mut(seq as usize & mask)
    }

    /// Notes a packet. Numbers come in order; one that is not new is ignored, a skipped one stays vacant.
    #[inline]
    pub fn add(&mut self, seq: u64, size: u32, sent: Time) {
        let record = Record { sent_us: sent.0 as u32, size: size.min(MAX_SIZE) as u16, fate: Fate::InFlight };
        let is_full = self.end - self.begin == self.records.len() as u64;
        let mask = self.records.len().wrapping_sub(1);
        // The usual case: the place is free, or of a packet that is not awaited any more.
        if seq == self.end
            && (!is_full || self.begin < self.told)
            && let Some(place) = self.records.get_mut(seq as usize & mask)
        {
            *place = record;
            self.end = seq + 1;
            self.begin += u64::from(is_full);
        } else {
            self.add_unusual(seq, record, sent);
        }
    }

    #[cold]
    fn add_unusual(&mut self, seq: u64, record: Record, now: Time) {
        if seq < self.end {
            return;
        }
        self.make_room(seq, now);
        self.end = seq + 1;
        if let Some(place) = self.record_mut(seq) {
            *place = record;
        }
    }

    /// Skipped numbers become vacant; the oldest records give way, or the ring grows when they are still awaited.
    fn make_room(&mut self, seq: u64, now: Time) {
        if self.is_empty() || seq - self.end >= MAX_PLACES as u64 {
            (self.begin, self.end) = (seq, seq);
        }
        if self.records.is_empty() {
            self.records = vec![Record::default(); FIRST_PLACES].into_boxed_slice();
        }
        while seq - self.begin >= self.records.len() as u64 {
            if self.records.len() < MAX_PLACES && self.is_awaited(self.begin, now) {
                self.grow();
            } else {
                self.begin += 1;
            }
        }
        self.end = self.end.max(self.begin);
        for skipped in self.end..seq {
            if let Some(place) = self.record_mut(skipped) {
                *place = Record::default();
            }
        }
    }

    fn is_awaited(&mut self, seq: u64, now: Time) -> bool {
        let told = self.told;
        self.record_mut(seq).filter(|_| seq >= told).is_some_and(|record| {
            record.fate == Fate::InFlight && u64::from((now.0 as u32).wrapping_sub(record.sent_us)) < STALE.0
        })
    }

    fn grow(&mut self) {
        let mut larger = vec![Record::default(); self.records.len() * 2].into_boxed_slice();
        let mask = larger.len() - 1;
        for seq in self.begin..self.end {
            if let (Some(record), Some(place)) = (self.record_mut(seq).copied(), larger.get_mut(seq as usize & mask)) {
                *place = record;
            }
        }
        self.records = larger;
    }

    /// The number that feedback means: the newest one sent with these lower 16 bits.
    pub fn unwrap_seq(&self, wire: u16) -> Option<u64> {
        let newest = self.end.checked_sub(1)?;
        newest.checked_sub(u64::from((newest as u16).wrapping_sub(wire)))
    }

    /// Nothing that feedback says of this number is news from now on.
    pub fn forget(&mut self, wire: u16) {
        let seq = self.unwrap_seq(wire).filter(|seq| self.seqs().contains(seq));
        if let Some(record) = seq.and_then(|seq| self.record_mut(seq)) {
            record.fate = Fate::Vacant;
        }
    }

    /// Takes in what feedback says of a number; `None` when that is not new, or of nothing that was sent.
    pub fn tell(&mut self, seq: u64, received: bool, now: Time) -> Option<News> {
        if !self.seqs().contains(&seq) {
            return None;
        }
        self.told = self.told.max(seq + 1);
        let record = self.record_mut(seq)?;
        let age = u64::from((now.0 as u32).wrapping_sub(record.sent_us));
        let (sent, size) = (now - Micros(age), u32::from(record.size));
        let news = match (record.fate, received) {
            (Fate::InFlight, true) => News::Received { sent, size, was_lost: false },
            (Fate::Lost, true) => News::Received { sent, size, was_lost: true },
            (Fate::InFlight, false) => News::Lost { sent, size },
            (Fate::Vacant | Fate::Received, _) | (Fate::Lost, false) => return None,
        };
        record.fate = if received { Fate::Received } else { Fate::Lost };
        Some(news)
    }

    /// When the first packet from this number on was sent that is on its way, and the bytes of all of them.
    pub fn in_flight(&mut self, from: u64, now: Time) -> (Option<Time>, u32) {
        let (mut oldest, mut bytes) = (None, 0);
        for seq in from.max(self.begin)..self.end {
            let record = self.record_mut(seq).filter(|record| record.fate == Fate::InFlight);
            let Some(&mut Record { sent_us, size, .. }) = record else { continue };
            bytes += u32::from(size);
            oldest = oldest.or_else(|| Some(now - Micros(u64::from((now.0 as u32).wrapping_sub(sent_us)))));
        }
        (oldest, bytes)
    }

    /// Bytes under numbers that no feedback told of and, as later ones were told of, none will: that feedback was lost.
    pub fn untold_bytes(&mut self, seqs: Range<u64>) -> u32 {
        let known = seqs.start.max(self.begin)..seqs.end.min(self.end);
        known.fold(0, |sum, seq| {
            let size = self.record_mut(seq).filter(|record| record.fate == Fate::InFlight).map_or(0, |r| r.size);
            sum + u32::from(size)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Time {
        Time(ms * 1_000)
    }

    #[test]
    fn nothing_is_allocated_before_the_first_packet() {
        assert_eq!(History::default().memory_bytes(), 0);
    }

    #[test]
    fn a_packet_is_told_of_once_and_a_late_one_makes_up_for_its_loss() {
        let mut history = History::default();
        history.add(70_000, 1_200, ms(10));
        history.add(70_001, 800, ms(11));
        assert_eq!(history.unwrap_seq(70_000u64 as u16), Some(70_000));
        let received = News::Received { sent: ms(10), size: 1_200, was_lost: false };
        assert_eq!(history.tell(70_000, true, ms(90)), Some(received));
        assert_eq!(history.tell(70_000, true, ms(90)), None);
        assert_eq!(history.tell(70_001, false, ms(90)), Some(News::Lost { sent: ms(11), size: 800 }));
        assert_eq!(history.tell(70_001, false, ms(90)), None);
        let late = News::Received { sent: ms(11), size: 800, was_lost: true };
        assert_eq!(history.tell(70_001, true, ms(95)), Some(late));
    }

    #[test]
    fn a_number_under_which_nothing_was_sent_says_nothing() {
        let mut history = History::default();
        history.add(10, 100, ms(0));
        history.add(13, 100, ms(1));
        assert_eq!(history.tell(11, true, ms(2)), None);
        assert_eq!(history.tell(14, true, ms(2)), None);
        assert_eq!(history.tell(9, false, ms(2)), None);
        assert_eq!(history.untold_bytes(0..20), 200);
    }

    #[test]
    fn a_number_that_is_forgotten_says_nothing_any_more() {
        let mut history = History::default();
        history.add(10, 100, ms(0));
        history.add(11, 100, ms(1));
        history.forget(10);
        history.forget(9);
        history.forget(12);
        assert_eq!(history.tell(10, true, ms(2)), None);
        assert!(history.tell(11, true, ms(2)).is_some());
    }

    #[test]
    fn the_ring_grows_with_what_is_in_flight_and_no_further_than_its_bound() {
        let mut history = History::default();
        for seq in 0..10_000 {
            history.add(seq, 1_200, ms(0));
        }
        assert_eq!(history.memory_bytes(), MAX_PLACES * 8);
        assert_eq!(history.tell(10_000 - MAX_PLACES as u64 - 1, true, ms(50)), None);
        assert!(history.tell(10_000 - MAX_PLACES as u64, true, ms(50)).is_some());
    }

    #[test]
    fn what_is_told_of_in_time_keeps_the_ring_small() {
        let mut history = History::default();
        for seq in 0..10_000 {
            history.add(seq, 1_200, ms(seq));
            if seq > 20 {
                assert!(history.tell(seq - 20, true, ms(seq)).is_some());
            }
        }
        assert_eq!(history.memory_bytes(), FIRST_PLACES * 8);
    }

    #[test]
    fn the_time_of_sending_survives_the_wrap_of_its_lower_bits() {
        let mut history = History::default();
        let sent = Time(u64::from(u32::MAX) * 3 - 5);
        history.add(5, 100, sent);
        let now = sent + Micros(100_000);
        assert_eq!(history.tell(5, true, now), Some(News::Received { sent, size: 100, was_lost: false }));
    }

    proptest! {
        #[test]
        fn any_order_of_numbers_and_feedback_is_survived(
            steps in proptest::collection::vec((any::<bool>(), 0u64..3_000, any::<bool>()), 0..300),
        ) {
            let mut history = History::default();
            let mut seq = 0u64;
            for (i, (sends, jump, received)) in steps.into_iter().enumerate() {
                let now = ms(i as u64);
                if sends {
                    seq += if jump % 10 == 0 { jump } else { 1 };
                    history.add(seq, 100, now);
                    prop_assert_eq!(history.unwrap_seq(seq as u16), Some(seq));
                } else if let Some(told) = history.unwrap_seq((seq as u16).wrapping_sub(jump as u16 % 40)) {
                    let first = history.tell(told, received, now);
                    prop_assert!(first.is_none() || history.tell(told, received, now).is_none());
                }
                prop_assert!(history.seqs().end - history.seqs().start <= MAX_PLACES as u64);
            }
        }
    }
}
