//! What a browser tells of arrivals: transport-wide feedback with libwebrtc's timing.
//!
//! libwebrtc (`TransportSequenceNumberFeedbackGenenerator`) sends feedback each 100 ms until it knows a bitrate of its
//! own uplink, then so that feedback of 68 bytes takes 5 % of that bitrate, within 50 ms and 250 ms. A packet that comes
//! after its number was told of as missing moves the beginning of the next feedback back to it, as long as it is not
//! older than 500 ms.

use std::collections::BTreeMap;

use sfu_core::rtcp::{FeedbackFields, write_transport_feedback};
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::time::{Micros, Time};
use sfu_core::wire::Writer;

const DEFAULT_INTERVAL: Micros = Micros::from_millis(100);
const MIN_INTERVAL: Micros = Micros::from_millis(50);
const MAX_INTERVAL: Micros = Micros::from_millis(250);
/// IPv4, UDP, SRTP and an average message.
const REPORT_BITS: u64 = (20 + 8 + 10 + 30) * 8;
/// Arrivals are forgotten so long after they came, once they are told.
const BACK_WINDOW: Micros = Micros::from_millis(500);

/// How often feedback goes out beside an uplink of `bps`; `None`: nothing is known of the uplink.
pub fn interval(uplink_bps: Option<u64>) -> Micros {
    let Some(bps) = uplink_bps else { return DEFAULT_INTERVAL };
    let interval = (REPORT_BITS * 1_000_000).checked_div(bps / 20).unwrap_or(u64::MAX);
    Micros(interval.clamp(MIN_INTERVAL.0, MAX_INTERVAL.0))
}

/// The receiver's log of arrivals.
#[derive(Debug)]
pub struct FeedbackLog {
    interval: Micros,
    next: Time,
    unwrapper: SeqUnwrapper,
    arrivals: BTreeMap<u64, Time>,
    /// First number of the next message.
    window_start: Option<u64>,
    feedback_count: u8,
    buffer: Vec<(u64, u64)>,
}

impl FeedbackLog {
    pub fn new(start: Time, uplink_bps: Option<u64>) -> Self {
        let interval = interval(uplink_bps);
        Self {
            interval,
            next: start + interval,
            unwrapper: SeqUnwrapper::default(),
            arrivals: BTreeMap::new(),
            window_start: None,
            feedback_count: 0,
            buffer: Vec::new(),
        }
    }

    pub fn on_packet(&mut self, now: Time, transport_seq: u16) {
        let seq = self.unwrapper.unwrap_seq(transport_seq);
        let window_start = self.window_start.unwrap_or(seq);
        // Only once everything is told the old ones go.
        if self.arrivals.range(window_start..).next().is_none() {
            while let Some(entry) = self.arrivals.first_entry().filter(|entry| now.since(*entry.get()) >= BACK_WINDOW) {
                entry.remove();
            }
        }
        self.window_start = Some(window_start.min(seq));
        self.arrivals.entry(seq).or_insert(now);
    }

    pub fn next_timeout(&self) -> Time {
        self.next
    }

    /// Writes what is due by `now`: each message to `send`, as one compound.
    pub fn on_timeout(&mut self, now: Time, sender_ssrc: u32, media_ssrc: u32, mut send: impl FnMut(&[u8])) {
        if now < self.next {
            return;
        }
        self.next = now + self.interval;
        let Some(mut base) = self.window_start else { return };
        self.buffer.clear();
        self.buffer.extend(self.arrivals.range(base..).map(|(&seq, at)| (seq, at.0)));
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let mut space = [0; 1_100];
            let mut writer = Writer::new(&mut space);
            let fields = FeedbackFields { sender_ssrc, media_ssrc, feedback_count: self.feedback_count };
            let Ok(told) = write_transport_feedback(&mut writer, fields, base, rest) else { break };
            self.feedback_count = self.feedback_count.wrapping_add(1);
            send(writer.written());
            base = rest[told - 1].0 + 1;
            rest = &rest[told..];
        }
        self.window_start = Some(base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::rtcp::{Compound, Packet};

    fn messages(log: &mut FeedbackLog, now: Time) -> Vec<(u16, Vec<(u16, bool)>)> {
        let mut messages = Vec::new();
        log.on_timeout(now, 1, 2, |bytes| {
            let compound = Compound::parse(bytes).expect("RTCP");
            for packet in compound.packets() {
                let Ok(Packet::TransportFeedback(feedback)) = packet else { panic!("another packet") };
                let told = feedback.arrivals().map(|(seq, at)| (seq, at.is_some())).collect();
                messages.push((feedback.base_seq, told));
            }
        });
        messages
    }

    #[test]
    fn the_interval_follows_the_uplink_as_in_libwebrtc() {
        assert_eq!(interval(None), Micros::from_millis(100));
        assert_eq!(interval(Some(10_000_000)), Micros::from_millis(50));
        assert_eq!(interval(Some(217_600)), Micros::from_millis(50));
        // 5 % of 108.8 kbit/s carry 68 bytes in 100 ms.
        assert_eq!(interval(Some(108_800)), Micros::from_millis(100));
        assert_eq!(interval(Some(10_000)), Micros::from_millis(250));
        assert_eq!(interval(Some(0)), Micros::from_millis(250));
    }

    #[test]
    fn what_is_missing_between_two_messages_is_told_by_the_second() {
        let mut log = FeedbackLog::new(Time(0), None);
        log.on_packet(Time(10_000), 10);
        assert!(messages(&mut log, Time(99_999)).is_empty());
        assert_eq!(messages(&mut log, Time(100_000)), [(10, vec![(10, true)])]);
        assert!(messages(&mut log, Time(200_000)).is_empty());
        log.on_packet(Time(210_000), 13);
        assert_eq!(messages(&mut log, Time(300_000)), [(11, vec![(11, false), (12, false), (13, true)])]);
    }

    #[test]
    fn a_packet_that_was_told_missing_is_told_when_it_comes() {
        let mut log = FeedbackLog::new(Time(0), None);
        log.on_packet(Time(10_000), 1);
        log.on_packet(Time(11_000), 3);
        assert_eq!(messages(&mut log, Time(100_000)), [(1, vec![(1, true), (2, false), (3, true)])]);
        log.on_packet(Time(110_000), 2);
        log.on_packet(Time(120_000), 4);
        assert_eq!(messages(&mut log, Time(200_000)), [(2, vec![(2, true), (3, true), (4, true)])]);
    }
}
