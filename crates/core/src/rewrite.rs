//! A consumer's own sequence space: which packet of which source stands at which outgoing number.
//!
//! Kept as *runs*: stretches in which outgoing number and source number differ by a constant. A
//! packet that is taken out (layer gate, padding) ends a run, so it leaves no gap. A packet that is
//! missing lies inside a run: its number stays reserved, the subscriber sees the gap, and when the
//! packet arrives late or by retransmission it is sent with that number. Retransmission to
//! subscribers goes the other way, from outgoing number to source. Stop `rewrite`.

use std::collections::VecDeque;

use sfu_prefetch::prefetch;

use crate::slab::Key;

/// Runs that a consumer remembers. Taking out every second frame at 60 fps makes 30 runs a second.
const MAX_RUNS: usize = 128;

/// For a larger jump of the source's numbers none are reserved: so much is not repaired packet by
/// packet, and what fell behind so far is outside the receiver's replay window (libwebrtc: 1,024).
const MAX_RESERVED: u64 = 1_000;

/// One encoding of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub producer: Key,
    pub encoding: u8,
}

/// What is added to (offsets, wrapping) or allowed of (layers) a run's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub ts_offset: u32,
    /// Of picture ids, and of frame numbers of the dependency descriptor.
    pub picture_offset: u16,
    pub tl0_offset: u8,
    /// Layers that were forwarded at the time; a late packet of a higher one has no place.
    pub max_tid: u8,
    pub max_sid: u8,
    /// Decode targets that the dependency descriptors tell of; 0: what the source tells.
    pub active_targets: u32,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    source: Source,
    src_first: u64,
    out_first: u64,
    count: u32,
    mapping: Mapping,
}

impl Run {
    fn src_end(&self) -> u64 {
        self.src_first.saturating_add(u64::from(self.count))
    }

    fn out_end(&self) -> u64 {
        self.out_first.saturating_add(u64::from(self.count))
    }

    fn place(&self, source: Source, ext_seq: u64) -> Option<u64> {
        let inside = self.source == source && ext_seq >= self.src_first && ext_seq < self.src_end();
        inside.then(|| self.out_first.saturating_add(ext_seq - self.src_first))
    }
}

/// Where an outgoing number leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// To this packet.
    Packet { source: Source, ext_seq: u64, out_seq: u64, mapping: Mapping },
    /// To no packet: the number was given up, padding stands there.
    Hole { out_seq: u64 },
    /// Never sent, or so long ago that it is forgotten.
    Unknown,
}

/// See the module. Outgoing numbers are extended to 64 bits; the low 16 go on the wire.
#[derive(Debug)]
pub struct SequenceMap {
    /// Oldest first; the last one is the open one. In the order of outgoing numbers, without overlap.
    runs: VecDeque<Run>,
    first_out: u64,
    /// The outgoing number after the highest.
    next_out: u64,
    /// The outgoing number after the highest that was really sent: what lies between is reserved.
    sent_end: u64,
}

impl SequenceMap {
    /// Starts at an arbitrary number (RFC 3550 §5.1: random), but in the lower half, so that a
    /// receiver that misses the first packets does not guess the rollover counter wrongly.
    pub fn new(first_seq: u16) -> Self {
        let first_out = u64::from(first_seq & 0x7FFF);
        Self { runs: VecDeque::new(), first_out, next_out: first_out, sent_end: first_out }
    }

    /// Asks for the open run.
    pub fn prefetch(&self) {
        if let Some(run) = self.runs.back() {
            prefetch(run, size_of::<Run>());
        }
    }

    /// Source of the packets that are forwarded now.
    pub fn source(&self) -> Option<Source> {
        self.runs.back().map(|run| run.source)
    }

    /// Mapping of the packets that are forwarded now.
    pub fn mapping(&self) -> Mapping {
        self.runs.back().map(|run| run.mapping).unwrap_or_default()
    }

    /// The outgoing number after the highest.
    pub fn next_out(&self) -> u64 {
        self.next_out
    }

    /// The next source number that counts as in order.
    pub fn expected(&self) -> Option<u64> {
        self.runs.back().map(Run::src_end)
    }

    /// Goes over to another source, or to another place of the same one, from `src_first` on;
    /// `skipped` outgoing numbers stay empty in between.
    ///
    /// Places that are reserved behind everything that was sent are given back: what may come for
    /// them would be later than the new source's first packet.
    pub fn start(&mut self, source: Source, src_first: u64, skipped: u64, mapping: Mapping) {
        while self.runs.back().is_some_and(|run| run.out_first >= self.sent_end) {
            self.runs.pop_back();
        }
        if let Some(run) = self.runs.back_mut() {
            run.count = run.count.min(self.sent_end.saturating_sub(run.out_first) as u32);
        }
        self.next_out = self.sent_end.saturating_add(skipped);
        self.open(Run { source, src_first, out_first: self.next_out, count: 0, mapping });
    }

    /// Continues the present source with other offsets or layers.
    pub fn remap(&mut self, mapping: Mapping) {
        let Some(run) = self.runs.back().copied() else { return };
        if run.mapping != mapping {
            self.open(Run { src_first: run.src_end(), out_first: run.out_end(), count: 0, mapping, ..run });
        }
    }

    /// Outgoing number of the packet, which is in order (`ext_seq >= expected()`). What was left out
    /// before it stays reserved.
    pub fn advance(&mut self, ext_seq: u64) -> u64 {
        self.reserve_up_to(ext_seq);
        let Some(run) = self.runs.back_mut() else { return self.next_out };
        run.count = run.count.saturating_add(1);
        let out = self.next_out;
        self.next_out = run.out_end();
        self.sent_end = self.next_out;
        out
    }

    /// Takes a packet that is in order out of the stream.
    pub fn skip(&mut self, ext_seq: u64) {
        self.reserve_up_to(ext_seq);
        let Some(run) = self.runs.back().copied() else { return };
        self.open(Run { src_first: run.src_end().saturating_add(1), out_first: run.out_end(), count: 0, ..run });
    }

    /// The present source goes on with this packet, which is in order; what lies before it has no places.
    pub fn close_up(&mut self, ext_seq: u64) {
        let Some(run) = self.runs.back().copied() else { return };
        if ext_seq > run.src_end() {
            self.open(Run { src_first: ext_seq, out_first: run.out_end(), count: 0, ..run });
        }
    }

    /// A reserved number, or one that was given up, is sent now.
    pub fn mark_sent(&mut self, out_seq: u64) {
        self.sent_end = self.sent_end.max(out_seq.saturating_add(1));
    }

    /// Reserved place of a packet that comes late.
    pub fn late(&self, source: Source, ext_seq: u64) -> Option<(u64, Mapping)> {
        let (out, mapping) = self.runs.iter().rev().find_map(|run| Some((run.place(source, ext_seq)?, run.mapping)))?;
        (out.saturating_add(MAX_RESERVED) >= self.next_out).then_some((out, mapping))
    }

    /// The number after the last one of this source that has or had a place. A return to the source
    /// must not start before it, or a packet could get a second number.
    pub fn end_of(&self, source: Source) -> u64 {
        self.runs.iter().filter(|run| run.source == source).map(Run::src_end).max().unwrap_or(0)
    }

    /// Gives a reserved place up: it becomes a hole. Returns its outgoing number.
    pub fn give_up(&mut self, source: Source, ext_seq: u64) -> Option<u64> {
        let index = self.runs.iter().rposition(|run| run.place(source, ext_seq).is_some())?;
        let run = self.runs.get_mut(index)?;
        let out = run.place(source, ext_seq)?;
        let before = (ext_seq - run.src_first) as u32;
        let after = Run {
            src_first: ext_seq.saturating_add(1),
            out_first: out.saturating_add(1),
            count: run.count.saturating_sub(before).saturating_sub(1),
            ..*run
        };
        run.count = before;
        self.runs.insert(index + 1, after);
        self.forget();
        Some(out)
    }

    /// What was sent as `seq`.
    pub fn origin(&self, seq: u16) -> Origin {
        let back = (self.next_out as u16).wrapping_sub(seq);
        if back == 0 || back > 0x7FFF {
            return Origin::Unknown;
        }
        let Some(out_seq) = self.next_out.checked_sub(u64::from(back)) else { return Origin::Unknown };
        let oldest = self.runs.front().map_or(self.next_out, |run| run.out_first);
        if out_seq < self.first_out || out_seq < oldest {
            return Origin::Unknown;
        }
        let after = self.runs.partition_point(|run| run.out_first <= out_seq);
        let found = self.runs.iter().take(after).rev().find(|run| run.count > 0).filter(|run| out_seq < run.out_end());
        let Some(run) = found else { return Origin::Hole { out_seq } };
        let ext_seq = run.src_first.saturating_add(out_seq - run.out_first);
        Origin::Packet { source: run.source, ext_seq, out_seq, mapping: run.mapping }
    }

    /// Whether any remembered packet comes from this producer.
    pub fn refers_to(&self, producer: Key) -> bool {
        self.runs.iter().any(|run| run.source.producer == producer)
    }

    /// Keeps places for everything before this packet, which is in order, under the present mapping.
    pub fn reserve_up_to(&mut self, ext_seq: u64) {
        let Some(run) = self.runs.back_mut() else { return };
        let missing = ext_seq.saturating_sub(run.src_end());
        if missing <= MAX_RESERVED {
            run.count = run.count.saturating_add(missing as u32);
            self.next_out = run.out_end();
            return;
        }
        let run = Run { src_first: ext_seq, out_first: run.out_end(), count: 0, ..*run };
        self.open(run);
    }

    fn open(&mut self, run: Run) {
        match self.runs.back_mut() {
            Some(open) if open.count == 0 => *open = run,
            _ => {
                self.runs.push_back(run);
                self.forget();
            }
        }
    }

    fn forget(&mut self) {
        while self.runs.len() > MAX_RUNS {
            self.runs.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn source() -> Source {
        Source { producer: Slab::default().insert(()), encoding: 0 }
    }

    fn started(first: u64) -> SequenceMap {
        let mut map = SequenceMap::new(100);
        map.start(source(), first, 0, Mapping::default());
        map
    }

    #[test]
    fn a_lost_packet_keeps_its_place_and_a_gated_one_has_none() {
        let mut map = started(10);
        let first = map.advance(10);
        map.skip(11);
        let after_gate = map.advance(12);
        let after_loss = map.advance(14);
        assert_eq!((after_gate, after_loss), (first + 1, first + 3));
        assert_eq!(map.late(source(), 13).map(|place| place.0), Some(first + 2));
        assert_eq!(map.late(source(), 11), None);
    }

    #[test]
    fn a_place_given_up_is_a_hole_between_its_neighbours() {
        let mut map = started(10);
        map.advance(10);
        map.advance(13);
        let hole = map.give_up(source(), 11).expect("reserved");
        assert_eq!(map.origin(hole as u16), Origin::Hole { out_seq: hole });
        assert_eq!(map.late(source(), 11), None);
        let Origin::Packet { ext_seq, .. } = map.origin((hole + 1) as u16) else { panic!("12 is reserved") };
        assert_eq!(ext_seq, 12);
        assert_eq!(map.advance(14), hole + 3);
    }

    #[test]
    fn a_restart_of_the_sender_reserves_nothing() {
        let mut map = started(10);
        let first = map.advance(10);
        assert_eq!(map.advance(30_000), first + 1);
    }

    #[test]
    fn numbers_that_were_never_sent_lead_nowhere() {
        let mut map = started(10);
        let out = map.advance(10);
        assert_eq!(map.origin((out + 1) as u16), Origin::Unknown);
        assert_eq!(map.origin((out - 1) as u16), Origin::Unknown);
        assert_eq!(map.origin((out as u16).wrapping_add(0x8000)), Origin::Unknown);
    }

    proptest! {
        /// Model: numbers 0.. each are sent, gated or lost; some of the lost come late.
        #[test]
        fn every_outgoing_number_leads_back_to_its_packet(fates in proptest::collection::vec(0u8..8, 1..200)) {
            let mut map = started(0);
            let mut out_of = BTreeMap::new();
            let mut lost = BTreeSet::new();
            for (ext_seq, fate) in (0u64..).zip(&fates) {
                match fate {
                    0 | 1 => { lost.insert(ext_seq); }
                    2 | 3 => map.skip(ext_seq),
                    _ => { prop_assert!(out_of.insert(map.advance(ext_seq), ext_seq).is_none()); }
                }
            }
            let end = map.next_out();
            for &ext_seq in &lost {
                if let Some((out, _)) = map.late(source(), ext_seq) {
                    prop_assert!(out < end && out_of.insert(out, ext_seq).is_none());
                }
            }
            // No gap but where something was lost, and order is kept.
            let numbers: Vec<u64> = out_of.keys().copied().collect();
            prop_assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
            let sources: Vec<u64> = out_of.values().copied().collect();
            prop_assert!(sources.windows(2).all(|pair| pair[0] < pair[1]));
            for (&out, &expected) in out_of.iter().rev().take(50) {
                let Origin::Packet { ext_seq, out_seq, .. } = map.origin(out as u16) else {
                    return Err(TestCaseError::fail("forgotten"));
                };
                prop_assert_eq!((ext_seq, out_seq), (expected, out));
            }
        }
    }
}
