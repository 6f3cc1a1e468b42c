//! How much of ours stands in the network: known from what was sent and is not told of, long before delays show it.
//!
//! When a link's rate falls to a part, the delay of what arrives tells so late: the first packets of a queue waited
//! little, and the trend needs many of them. Two things are there with the first feedback that holds some packets sent
//! after the fall: these arrived one by one, each while the next one already waited, at a rate far below what arrived
//! before; and much that should have arrived has not. The first is the link's rate, the second, divided by it, the queue.
//!
//! Neither alone is believed. What a radio holds back arrives at once after; where a packet is late or overtaken, later
//! ones are told of; another's burst takes a part of the rate, not most of it, and little is overdue.

use super::queue::Least;
use crate::time::{Micros, Time};

/// The shortest round trip is remembered for 15 to 20 s, as the least delay is.
const SPAN: Micros = Micros::from_secs(5);
const SPANS: usize = 4;
/// A packet was sent so much before the one ahead of it had left: it waited for it. The rest is the clocks' noise.
const SLACK_US: i64 = 1_000;
/// Packets that were sent one right after the other leave the queue so, and their distance is what the link takes for one:
/// what is sent further apart may have others' packets between.
const BURST_US: u64 = 5_000;
/// So many such distances show a rate, over so long; none of them takes more than half of that time, as one that a stall
/// made does.
const LEAST_GAPS: u32 = 3;
const LEAST_SPAN_US: i64 = 20_000;
/// A rate that is less than this share of what arrived before, …
const FELL: f64 = 0.6;
/// … while the first packet that is not told of is so long overdue, or more where there is jitter, …
const OVERDUE_MS: f64 = 20.0;
const OVERDUE_PER_NOISE: f64 = 3.0;
/// … and all that is not told of takes so long to arrive, beyond the round trip.
const AHEAD_MS: f64 = 100.0;
/// A distance that is so many times as long as those before, for its bits, begins anew: what came before left at another
/// rate.
const SLOWER: f64 = 2.0;
/// The same from one distance on is no proof, but reason enough to wait for the next feedback.
const SUSPECT_FELL: f64 = 0.5;
const SUSPECT_OVERDUE_MS: f64 = 10.0;
const SUSPECT_AHEAD_MS: f64 = 60.0;

/// Packets of one feedback that waited for each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    last_us: i64,
    last_sent: Time,
    /// Of the distances within bursts: what arrived at their end, how long they took.
    bits: u64,
    span_us: i64,
    gaps: u32,
    longest_us: i64,
}

impl Run {
    fn new(sent: Time, arrival_us: i64) -> Self {
        Self { last_us: arrival_us, last_sent: sent, bits: 0, span_us: 0, gaps: 0, longest_us: 0 }
    }

    fn add(&mut self, sent: Time, size: u32, arrival_us: i64) {
        let gap_us = arrival_us.saturating_sub(self.last_us);
        if sent.since(self.last_sent).0 <= BURST_US {
            let bits = u64::from(size) * 8;
            // What came before is of another rate.
            let is_slower = self.bits as f64 * gap_us as f64 > SLOWER * bits as f64 * self.span_us as f64;
            if self.gaps > 0 && is_slower {
                *self = Self::new(self.last_sent, self.last_us);
            }
            self.bits += bits;
            self.span_us = self.span_us.saturating_add(gap_us);
            self.gaps += 1;
            self.longest_us = self.longest_us.max(gap_us);
        }
        (self.last_us, self.last_sent) = (arrival_us, sent);
    }

    fn bps(&self) -> Option<f64> {
        (self.gaps > 0).then(|| self.bits as f64 * 1e6 / self.span_us.max(1) as f64)
    }

    fn is_proof(&self) -> bool {
        self.gaps >= LEAST_GAPS && self.span_us >= LEAST_SPAN_US && self.longest_us <= self.span_us / 2
    }
}

#[derive(Clone, Debug)]
pub struct Backlog {
    base_rtt: Least<SPANS>,
    run: Option<Run>,
    in_flight_bits: f64,
    base_ms: f64,
    /// Of the oldest packet that is not told of.
    overdue_ms: f64,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { base_rtt: Least::new(SPAN), run: None, in_flight_bits: 0.0, base_ms: 0.0, overdue_ms: 0.0 }
    }
}

impl Backlog {
    /// Before the packets of a feedback: what it tells of is measured by itself.
    pub fn on_feedback_begin(&mut self) {
        self.run = self.run.map(|run| Run::new(run.last_sent, run.last_us));
    }

    /// A packet arrived; in the order of sending. `base_us`: the delay of an empty queue, in the two clocks' difference.
    #[inline]
    pub fn on_packet(&mut self, sent: Time, size: u32, arrival_us: i64, base_us: Option<i64>) {
        let there_us = base_us.map(|base_us| sent.0.cast_signed().saturating_add(base_us).saturating_add(SLACK_US));
        match (&mut self.run, there_us) {
            (Some(run), Some(there_us)) if there_us <= run.last_us && arrival_us >= run.last_us => {
                run.add(sent, size, arrival_us);
            }
            (run, _) => *run = Some(Run::new(sent, arrival_us)),
        }
    }

    /// `rtt`: of the newest packet that it told of; `oldest`: when the first packet after that was sent.
    pub fn on_feedback_end(&mut self, now: Time, rtt: Micros, oldest: Option<Time>, in_flight_bytes: u32) {
        let rtt_us = rtt.0.cast_signed();
        self.base_ms = self.base_rtt.add(now, rtt_us, i64::MAX) as f64 / 1e3;
        self.in_flight_bits = f64::from(in_flight_bytes) * 8.0;
        self.overdue_ms = oldest.map_or(0.0, |sent| now.since(sent).0 as f64 / 1e3 - self.base_ms);
    }

    /// How long what is on its way takes to arrive at this rate, beyond what an empty path takes.
    pub fn ahead_ms(&self, bps: f64) -> f64 {
        (self.in_flight_bits * 1e3 / bps.max(1.0) - self.base_ms).max(0.0)
    }

    /// The link's rate, when it fell to much less than the `before_bps` that arrived until now. `has_waited`: media waited for
    /// this feedback, so that no more is on its way.
    pub fn fallen_to(&self, before_bps: f64, noise_ms: f64, has_waited: bool) -> Option<f64> {
        let bps = self.run.filter(Run::is_proof)?.bps()?;
        let is_overdue = self.overdue_ms >= OVERDUE_MS + OVERDUE_PER_NOISE * noise_ms;
        let is_much = has_waited || self.ahead_ms(bps) >= AHEAD_MS;
        (bps < FELL * before_bps && is_overdue && is_much).then_some(bps)
    }

    /// Whether it looks as if the rate had fallen, to be seen by the next feedback.
    pub fn seems_fallen(&self, before_bps: f64, noise_ms: f64) -> bool {
        let Some(bps) = self.run.and_then(|run| run.bps()) else { return false };
        let is_overdue = self.overdue_ms >= SUSPECT_OVERDUE_MS + OVERDUE_PER_NOISE * noise_ms;
        bps < SUSPECT_FELL * before_bps && is_overdue && self.ahead_ms(bps) >= SUSPECT_AHEAD_MS
    }

    /// The path was down.
    pub fn reset(&mut self) {
        self.run = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty path takes 25 ms each way; the receiver's clock is ours.
    const BASE_US: Option<i64> = Some(25_000);
    const PACKET: u32 = 1_200;
    const BEFORE_BPS: f64 = 2.7e6;

    /// Feedback at `now_ms` of packets sent and arrived at these times, ms; ten packets after them are on their way.
    fn told(packets: &[(u64, i64)], oldest_ms: u64, now_ms: u64) -> Option<f64> {
        let mut backlog = Backlog::default();
        backlog.on_feedback_end(Time(0), Micros::from_millis(50), None, 0);
        backlog.on_feedback_begin();
        for &(sent_ms, arrival_ms) in packets {
            backlog.on_packet(Time(sent_ms * 1_000), PACKET, arrival_ms * 1_000, BASE_US);
        }
        let rtt = Micros::from_millis(now_ms - packets.last().unwrap().0);
        backlog.on_feedback_end(Time(now_ms * 1_000), rtt, Some(Time(oldest_ms * 1_000)), 20 * PACKET);
        backlog.fallen_to(BEFORE_BPS, 0.0, false)
    }

    #[test]
    fn packets_that_waited_for_each_other_show_the_rate_that_a_link_fell_to() {
        let bps = told(&[(1_000, 1_035), (1_001, 1_045), (1_002, 1_054), (1_003, 1_064)], 1_004, 1_100).unwrap();
        assert!((bps / 993e3 - 1.0).abs() < 0.01, "{bps}");
    }

    #[test]
    fn two_packets_are_no_proof_but_raise_a_suspicion_unless_there_is_jitter() {
        let mut backlog = Backlog::default();
        backlog.on_feedback_end(Time(0), Micros::from_millis(50), None, 0);
        backlog.on_feedback_begin();
        backlog.on_packet(Time(1_000_000), PACKET, 1_035_000, BASE_US);
        backlog.on_packet(Time(1_000_500), PACKET, 1_044_600, BASE_US);
        backlog.on_feedback_end(Time(1_075_000), Micros(74_500), Some(Time(1_001_000)), 20 * PACKET);
        assert_eq!(backlog.fallen_to(BEFORE_BPS, 0.0, false), None);
        assert!(backlog.seems_fallen(BEFORE_BPS, 1.0) && !backlog.seems_fallen(BEFORE_BPS, 5.0));
        assert!(!backlog.seems_fallen(1.1e6, 1.0), "it is as fast as before");
    }

    #[test]
    fn a_link_that_is_as_fast_as_before_did_not_fall() {
        assert_eq!(told(&[(1_000, 1_028), (1_001, 1_031), (1_002, 1_042), (1_003, 1_048)], 1_004, 1_100), None);
    }

    #[test]
    fn packets_that_left_before_the_fall_do_not_hide_it() {
        let fast = (0..8).map(|number| (1_000, 1_026 + 2 * number));
        let slow = [(1_001, 1_049), (1_001, 1_059), (1_002, 1_068), (1_003, 1_078)];
        let bps = told(&fast.chain(slow).collect::<Vec<_>>(), 1_004, 1_110).unwrap();
        assert!((bps / 1e6 - 1.0).abs() < 0.02, "{bps}");
    }

    #[test]
    fn when_media_waited_for_the_proof_it_needs_no_backlog() {
        let mut backlog = Backlog::default();
        backlog.on_feedback_end(Time(0), Micros::from_millis(50), None, 0);
        backlog.on_feedback_begin();
        for (sent_ms, arrival_ms) in [(1_000, 1_035), (1_001, 1_045), (1_002, 1_054), (1_003, 1_064)] {
            backlog.on_packet(Time(sent_ms * 1_000), PACKET, arrival_ms * 1_000, BASE_US);
        }
        let rtt = Micros::from_millis(97);
        backlog.on_feedback_end(Time(1_100_000), rtt, Some(Time(1_004_000)), 5 * PACKET);
        assert_eq!(backlog.fallen_to(BEFORE_BPS, 0.0, false), None);
        assert!(backlog.fallen_to(BEFORE_BPS, 0.0, true).is_some());
    }

    #[test]
    fn what_is_sent_further_apart_shows_no_rate_though_it_waits() {
        assert_eq!(told(&[(1_000, 1_045), (1_020, 1_065), (1_040, 1_085), (1_060, 1_105)], 1_061, 1_150), None);
    }

    #[test]
    fn nothing_is_said_of_packets_that_found_no_queue() {
        assert_eq!(told(&[(1_000, 1_026), (1_020, 1_046), (1_040, 1_066), (1_060, 1_086)], 1_061, 1_150), None);
    }

    #[test]
    fn what_a_radio_held_back_and_let_go_is_no_slow_link() {
        assert_eq!(told(&[(1_000, 1_026), (1_001, 1_080), (1_002, 1_081), (1_003, 1_082)], 1_004, 1_120), None);
    }

    #[test]
    fn a_queue_that_is_gone_when_feedback_is_sent_is_none() {
        assert_eq!(told(&[(1_000, 1_035), (1_001, 1_045), (1_002, 1_054), (1_003, 1_064)], 1_060, 1_100), None);
    }

    #[test]
    fn what_is_on_its_way_beyond_the_round_trip_is_queue() {
        let mut backlog = Backlog::default();
        backlog.on_feedback_end(Time(0), Micros::from_millis(50), None, 0);
        backlog.on_feedback_end(Time(50_000), Micros::from_millis(90), None, 37_500);
        assert!((backlog.ahead_ms(1e6) - 250.0).abs() < 1e-6);
        assert!(backlog.ahead_ms(1e7) < 1e-6);
    }
}
