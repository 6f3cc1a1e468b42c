//! Packets to frames: a frame is whole when all from its first packet to its last have come: to the marker, or the end
//! that a spatial layer's frame has of its own.

use std::collections::BTreeMap;

use sfu_core::time::Time;

use crate::mark::Mark;

/// Numbers behind the newest that are kept.
const WINDOW: u64 = 2_048;

#[derive(Clone, Copy, Debug)]
struct Slot {
    rtp_ts: u32,
    marker: bool,
    /// `None`: padding.
    mark: Option<Mark>,
    was_retransmitted: bool,
    is_used: bool,
}

/// A frame of which nothing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssembledFrame {
    pub first_seq: u64,
    pub last_seq: u64,
    pub rtp_ts: u32,
    pub mark: Mark,
    pub complete: Time,
    pub was_retransmitted: bool,
    /// Its last packet has the marker.
    pub ends_picture: bool,
}

#[derive(Debug, Default)]
pub struct Assembler {
    slots: BTreeMap<u64, Slot>,
}

impl Assembler {
    /// A packet in whatever order; the frame that it completes.
    pub fn on_packet(
        &mut self,
        now: Time,
        ext_seq: u64,
        rtp_ts: u32,
        marker: bool,
        mark: Option<Mark>,
        was_retransmitted: bool,
    ) -> Option<AssembledFrame> {
        let slot = Slot { rtp_ts, marker, mark, was_retransmitted, is_used: false };
        if *self.slots.entry(ext_seq).or_insert(slot) != slot {
            return None;
        }
        if self.slots.len() as u64 > WINDOW {
            self.slots.pop_first();
        }
        mark?;
        let first_seq = self.find_first(ext_seq)?;
        let last_seq = self.find_last(ext_seq)?;
        let mut was_retransmitted = false;
        for (_, slot) in self.slots.range_mut(first_seq..=last_seq) {
            slot.is_used = true;
            was_retransmitted |= slot.was_retransmitted;
        }
        let last = self.slots.get(&last_seq)?;
        let (mark, ends_picture) = (last.mark?, last.marker);
        Some(AssembledFrame { first_seq, last_seq, rtp_ts, mark, complete: now, was_retransmitted, ends_picture })
    }

    fn find_first(&self, from: u64) -> Option<u64> {
        let mut seq = from;
        loop {
            let slot = self.slots.get(&seq).filter(|slot| !slot.is_used)?;
            if slot.mark?.packet == 0 {
                return Some(seq);
            }
            seq = seq.checked_sub(1)?;
        }
    }

    fn find_last(&self, from: u64) -> Option<u64> {
        let rtp_ts = self.slots.get(&from)?.rtp_ts;
        let mut seq = from;
        loop {
            let slot = self.slots.get(&seq).filter(|slot| slot.rtp_ts == rtp_ts && slot.mark.is_some())?;
            if slot.marker || slot.mark.is_some_and(|mark| mark.is_layer && mark.packet + 1 == mark.packets) {
                return Some(seq);
            }
            seq += 1;
        }
    }
}

impl PartialEq for Slot {
    /// The same packet, as far as a first insertion is told from a duplicate.
    fn eq(&self, other: &Self) -> bool {
        !self.is_used && self.rtp_ts == other.rtp_ts && self.mark == other.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(frame: u32, packet: u16, packets: u16) -> Mark {
        let depends_on = frame.checked_sub(1);
        Mark { frame, depends_on, packet, packets, ..Mark::of_picture(1, 0, Time(0)) }
    }

    #[test]
    fn a_frame_is_whole_when_its_last_missing_packet_comes_in_any_order() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.on_packet(Time(1), 12, 90, true, Some(mark(4, 2, 3)), false), None);
        assert_eq!(assembler.on_packet(Time(2), 10, 90, false, Some(mark(4, 0, 3)), false), None);
        let frame = assembler.on_packet(Time(3), 11, 90, false, Some(mark(4, 1, 3)), true).expect("whole");
        assert_eq!((frame.first_seq, frame.last_seq, frame.complete), (10, 12, Time(3)));
        assert!(frame.was_retransmitted);
        assert_eq!(assembler.on_packet(Time(4), 11, 90, false, Some(mark(4, 1, 3)), false), None, "a duplicate");
    }

    #[test]
    fn frames_of_spatial_layers_end_without_a_marker() {
        let mut assembler = Assembler::default();
        let layer = |packet| Mark { is_layer: true, ..mark(4, packet, 2) };
        assert_eq!(assembler.on_packet(Time(1), 10, 90, false, Some(layer(0)), false), None);
        let frame = assembler.on_packet(Time(2), 11, 90, false, Some(layer(1)), false).expect("whole");
        assert!(!frame.ends_picture && frame.last_seq == 11);
        let upper = Mark { encoding: 1, is_layer: true, ..mark(4, 0, 1) };
        assert!(assembler.on_packet(Time(3), 12, 90, true, Some(upper), false).expect("whole").ends_picture);
    }

    #[test]
    fn padding_is_part_of_no_frame() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.on_packet(Time(1), 10, 90, false, None, false), None);
        assert!(assembler.on_packet(Time(1), 11, 95, true, Some(mark(1, 0, 1)), false).is_some());
    }
}
