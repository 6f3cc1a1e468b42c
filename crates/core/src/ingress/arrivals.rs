//! When packets of a transport arrived, by transport-wide sequence number, and when to tell the
//! sender (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! Feedback goes out at the end of a frame but not within 20 ms of the last one, else after 100 ms
//! or 100 packets: early enough for the sender's estimator, cheap enough for the way back. Of sound alone
//! it goes out after 250 ms (the longest interval of libwebrtc's own receivers): there is little to estimate from it, and a
//! thousand microphones would be told ten thousand times a second.

use sfu_prefetch::{LINE_BYTES, prefetch};

use crate::rtcp::{FeedbackFields, write_transport_feedback};
use crate::rtp::seq::SeqUnwrapper;
use crate::time::{Micros, Time};
use crate::wire::{NoRoom, Writer};

const FLOOR: Micros = Micros::from_millis(20);
const INTERVAL: Micros = Micros::from_millis(100);
/// While no more than these came: sound, at 50 packets a second.
const SPARSE_INTERVAL: Micros = Micros::from_millis(250);
const SPARSE: usize = 12;
const MAX_PACKETS: usize = 100;
/// Arrivals kept while feedback cannot be sent.
const MAX_PENDING: usize = 500;
/// A number so far below the ones told of is told of after all; below that it is forgotten.
const MAX_LATE: u64 = 500;

/// See the module.
#[derive(Debug, Default)]
pub struct ArrivalLog {
    unwrapper: SeqUnwrapper,
    /// The first number that was not told of yet.
    base: u64,
    /// (number, arrival in microseconds), ascending, no number twice.
    pending: Vec<(u64, u64)>,
    pending_since: Time,
    has_marker: bool,
    sent_at: Option<Time>,
    feedback_count: u8,
    media_ssrc: u32,
}

impl ArrivalLog {
    /// Asks for where the next packet is entered.
    #[inline]
    pub fn prefetch(&self) {
        if let Some(last) = self.pending.last() {
            prefetch(last, LINE_BYTES);
        }
    }

    pub fn on_packet(&mut self, now: Time, seq: u16, arrival: Time, is_frame_end: bool, ssrc: u32) {
        let is_first = self.unwrapper.highest().is_none();
        let number = self.unwrapper.unwrap_seq(seq);
        if is_first {
            self.base = number;
        }
        if number < self.base {
            if number + MAX_LATE < self.base {
                return;
            }
            self.base = number;
        }
        let place = self.pending.partition_point(|entry| entry.0 < number);
        if self.pending.get(place).is_some_and(|entry| entry.0 == number) {
            return;
        }
        if self.pending.is_empty() {
            self.pending_since = now;
        }
        if self.pending.len() >= MAX_PENDING {
            self.pending.clear();
            self.pending.push((number, arrival.0));
            self.base = number;
        } else {
            self.pending.insert(place, (number, arrival.0));
        }
        self.has_marker |= is_frame_end;
        self.media_ssrc = ssrc;
    }

    /// When feedback is to be sent.
    pub fn due(&self) -> Option<Time> {
        if self.pending.is_empty() {
            return None;
        }
        if self.pending.len() >= MAX_PACKETS {
            return Some(self.pending_since);
        }
        let after_floor = self.sent_at.map_or(self.pending_since, |sent| sent + FLOOR);
        let is_sparse = self.pending.len() <= SPARSE;
        let at_latest = self.pending_since + if is_sparse { SPARSE_INTERVAL } else { INTERVAL };
        Some(if self.has_marker { after_floor.min(at_latest) } else { at_latest })
    }

    /// Appends one feedback packet with as many arrivals as fit; call again while [`ArrivalLog::due`].
    pub fn write(&mut self, now: Time, sender_ssrc: u32, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        let fields = FeedbackFields { sender_ssrc, media_ssrc: self.media_ssrc, feedback_count: self.feedback_count };
        let told = write_transport_feedback(writer, fields, self.base, &self.pending)?;
        let last = told.checked_sub(1).and_then(|index| self.pending.get(index)).map(|entry| entry.0);
        match last {
            Some(number) => {
                self.base = number + 1;
                self.pending.drain(..told);
            }
            // Nothing of it can be said (a clock that jumped): start over.
            None => self.pending.clear(),
        }
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.sent_at = Some(now);
        self.has_marker = false;
        self.pending_since = now;
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, Packet};

    fn ms(value: u64) -> Time {
        Time(value * 1_000)
    }

    fn told(log: &mut ArrivalLog, now: Time) -> Vec<(u16, Option<i64>)> {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        log.write(now, 1, &mut writer).expect("room");
        let compound = Compound::parse(writer.written()).expect("well formed");
        let Some(Ok(Packet::TransportFeedback(feedback))) = compound.packets().next() else { panic!("feedback") };
        feedback.arrivals().collect()
    }

    #[test]
    fn a_marker_brings_feedback_at_once_but_not_within_20_ms() {
        let mut log = ArrivalLog::default();
        log.on_packet(ms(0), 10, ms(0), false, 9);
        assert_eq!(log.due(), Some(ms(250)));
        log.on_packet(ms(1), 11, ms(1), true, 9);
        assert_eq!(log.due(), Some(ms(0)));
        assert_eq!(told(&mut log, ms(1)).len(), 2);
        log.on_packet(ms(5), 12, ms(5), true, 9);
        assert_eq!(log.due(), Some(ms(21)));
    }

    #[test]
    fn sound_alone_waits_longer_than_what_may_be_video() {
        let mut log = ArrivalLog::default();
        for seq in 0..SPARSE as u16 {
            log.on_packet(ms(0), seq, ms(0), false, 9);
        }
        assert_eq!(log.due(), Some(ms(250)));
        log.on_packet(ms(2), 100, ms(2), false, 9);
        assert_eq!(log.due(), Some(ms(100)));
    }

    #[test]
    fn a_hundred_packets_do_not_wait() {
        let mut log = ArrivalLog::default();
        for seq in 0..100 {
            log.on_packet(ms(3), seq, ms(3), false, 9);
        }
        assert_eq!(log.due(), Some(ms(3)));
    }

    #[test]
    fn gaps_are_told_and_a_late_packet_is_told_after_all() {
        let mut log = ArrivalLog::default();
        for seq in [65_534, 65_535, 1] {
            log.on_packet(ms(0), seq, ms(0), false, 9);
        }
        let numbers: Vec<_> = told(&mut log, ms(100)).into_iter().map(|(seq, at)| (seq, at.is_some())).collect();
        assert_eq!(numbers, [(65_534, true), (65_535, true), (0, false), (1, true)]);
        log.on_packet(ms(101), 0, ms(101), false, 9);
        assert_eq!(told(&mut log, ms(200)).first().map(|entry| (entry.0, entry.1.is_some())), Some((0, true)));
    }

    #[test]
    fn random_numbers_keep_the_log_bounded() {
        let mut log = ArrivalLog::default();
        let mut state = 5;
        for at in 0..10_000 {
            log.on_packet(ms(at), crate::hash::next_random(&mut state) as u16, ms(at), false, 9);
            assert!(log.pending.len() <= MAX_PENDING);
        }
    }
}
