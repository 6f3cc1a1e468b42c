//! One probe: what was sent for it, what arrived of it, and what rate that shows.

use super::{ProbeId, ProbePlan};
use crate::time::{Micros, Time};

/// Share of the packets that must have arrived for a result.
const LEAST_RECEIVED: f64 = 0.8;
/// Packets that arrive faster than they were sent waited behind something, a key frame say; so much faster, they were held
/// back by who knows what: no result.
const MOST_SPEEDUP: f64 = 4.0;
/// What was sent slower than this share of the plan, for want of anything to send, asked for nothing.
const SENT_SHARE: f64 = 0.7;
/// Arriving slower than this share of the rate of sending, the link was full.
const UNSATURATED: f64 = 0.9;
/// What was sent beyond this share of the plan, because media came in between, is not asked for.
const MOST_ASKED: f64 = 1.1;
/// Of a full link this much is taken, so that the queue that the probe left can drain.
const TARGET: f64 = 0.95;
/// A probe that went out as one burst has no rate of sending; its plan's then counts.
const LEAST_INTERVAL: Micros = Micros(1_000);
/// So long after its end the rest of a probe is not waited for any more.
const ARRIVAL_PATIENCE: Micros = Micros::from_secs(1);
/// So long after its plan a probe must have been sent, beyond what it takes in packets of full size.
const SENDING_PATIENCE: Micros = Micros::from_millis(200);
const FULL_PACKET_BYTES: u32 = 1_250;

#[derive(Clone, Copy, Debug)]
pub struct Cluster {
    plan: ProbePlan,
    planned: Time,
    first_seq: u64,
    end_seq: u64,
    packets: u32,
    bytes: u32,
    first_sent: Time,
    last_sent: Time,
    last_size: u32,
    received_packets: u32,
    received_bytes: u32,
    first_arrival: i64,
    first_arrival_size: u32,
    last_arrival: i64,
}

/// What a probe showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub asked_bps: f64,
    /// `None`: too little arrived, or nothing to be learned from how it did.
    pub bps: Option<f64>,
    /// The link was full, so that `bps` is what it carries.
    pub is_saturated: bool,
    /// There was not enough to send it as planned.
    pub was_slow: bool,
}

impl Cluster {
    pub fn new(plan: ProbePlan, planned: Time) -> Self {
        Self {
            plan,
            planned,
            first_seq: 0,
            end_seq: 0,
            packets: 0,
            bytes: 0,
            first_sent: planned,
            last_sent: planned,
            last_size: 0,
            received_packets: 0,
            received_bytes: 0,
            first_arrival: i64::MAX,
            first_arrival_size: 0,
            last_arrival: i64::MIN,
        }
    }

    /// A packet was sent, of the probe or, once that began, among it.
    pub fn on_sent(&mut self, seq: u64, size: u32, sent: Time, probe: Option<ProbeId>) {
        if self.packets == 0 {
            if probe != Some(self.plan.id) {
                return;
            }
            (self.first_seq, self.first_sent) = (seq, sent);
        }
        self.end_seq = seq + 1;
        self.packets += 1;
        self.bytes = self.bytes.saturating_add(size);
        (self.last_sent, self.last_size) = (sent, size);
    }

    pub fn asked_bps(&self) -> f64 {
        self.plan.rate_bps as f64
    }

    pub fn is_sent(&self) -> bool {
        self.bytes >= self.plan.bytes && self.packets >= self.plan.min_packets
    }

    /// It was not sent in time; what there is of it may still do.
    pub fn is_overdue(&self, now: Time) -> bool {
        now >= self.sending_deadline()
    }

    pub fn is_worth_waiting_for(&self) -> bool {
        self.packets >= self.plan.min_packets && self.bytes >= self.plan.bytes / 2
    }

    #[inline]
    pub fn on_received(&mut self, seq: u64, size: u32, arrival_us: i64) {
        if seq < self.first_seq || seq >= self.end_seq {
            return;
        }
        self.received_packets += 1;
        self.received_bytes += size;
        if arrival_us < self.first_arrival {
            (self.first_arrival, self.first_arrival_size) = (arrival_us, size);
        }
        self.last_arrival = self.last_arrival.max(arrival_us);
    }

    /// All of it was told of, or the rest will not be.
    pub fn is_over(&self, now: Time, told_end: u64) -> bool {
        told_end >= self.end_seq || now >= self.deadline()
    }

    pub fn deadline(&self) -> Time {
        self.last_sent + ARRIVAL_PATIENCE
    }

    pub fn sending_deadline(&self) -> Time {
        let bytes = self.plan.bytes.max(self.plan.min_packets.saturating_mul(FULL_PACKET_BYTES));
        let lasts = Micros(u64::from(bytes) * 8_000_000 / self.plan.rate_bps.max(1));
        self.planned + SENDING_PATIENCE + lasts
    }

    pub fn outcome(&self) -> Outcome {
        let asked_bps = self.plan.rate_bps as f64;
        let failed = Outcome { asked_bps, bps: None, is_saturated: false, was_slow: false };
        let arrived_us = self.last_arrival.saturating_sub(self.first_arrival);
        if f64::from(self.received_packets) < LEAST_RECEIVED * f64::from(self.packets) || arrived_us <= 0 {
            return failed;
        }
        let sent_bps = bps(self.bytes - self.last_size, self.last_sent.since(self.first_sent).0);
        let is_burst = self.last_sent.since(self.first_sent) < LEAST_INTERVAL;
        let sent_bps = if is_burst { asked_bps } else { sent_bps.min(asked_bps * MOST_ASKED) };
        let received_bps = bps(self.received_bytes - self.first_arrival_size, arrived_us.cast_unsigned());
        if received_bps > sent_bps * MOST_SPEEDUP && !is_burst {
            return failed;
        }
        let is_saturated = received_bps < UNSATURATED * sent_bps;
        let shown = if is_saturated { received_bps * TARGET } else { received_bps.min(sent_bps) };
        let was_slow = sent_bps < SENT_SHARE * asked_bps && !is_saturated;
        Outcome { asked_bps, bps: Some(shown), is_saturated, was_slow }
    }
}

fn bps(bytes: u32, us: u64) -> f64 {
    f64::from(bytes) * 8e6 / us.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: ProbePlan = ProbePlan { id: ProbeId(7), rate_bps: 2_000_000, bytes: 5_000, min_packets: 5 };

    /// Packets of 1,000 bytes every `sent_us`, arriving every `arrival_us`; `missing` of them do not.
    fn probe(sent_us: u64, arrival_us: i64, missing: u64) -> Outcome {
        let mut cluster = Cluster::new(PLAN, Time(0));
        for number in 0..10 {
            cluster.on_sent(100 + number, 1_000, Time(number * sent_us), Some(PLAN.id));
        }
        assert!(cluster.is_sent());
        for number in missing..10 {
            cluster.on_received(100 + number, 1_000, -9_000_000 + number.cast_signed() * arrival_us);
        }
        assert!(cluster.is_over(Time(50_000), 110) && !cluster.is_over(Time(50_000), 109));
        cluster.outcome()
    }

    fn bps_near(outcome: Outcome, bps: f64) -> bool {
        outcome.bps.is_some_and(|shown| (shown / bps - 1.0).abs() < 0.01)
    }

    #[test]
    fn what_arrives_as_it_was_sent_shows_its_rate() {
        let outcome = probe(4_000, 4_000, 0);
        assert!(bps_near(outcome, 2e6) && !outcome.is_saturated, "{outcome:?}");
    }

    #[test]
    fn what_arrives_slower_shows_the_link_s_rate() {
        let outcome = probe(4_000, 8_000, 0);
        assert!(bps_near(outcome, 0.95e6) && outcome.is_saturated, "{outcome:?}");
    }

    #[test]
    fn a_probe_with_much_lost_or_held_back_shows_nothing() {
        assert_eq!(probe(4_000, 4_000, 3).bps, None);
        assert_eq!(probe(4_000, 900, 0).bps, None);
        assert_eq!(probe(4_000, 0, 0).bps, None);
    }

    #[test]
    fn what_waited_behind_something_shows_the_rate_of_sending() {
        let outcome = probe(4_000, 1_500, 0);
        assert!(bps_near(outcome, 2e6) && !outcome.is_saturated, "{outcome:?}");
    }

    #[test]
    fn a_probe_that_was_not_sent_at_its_rate_is_told_apart() {
        assert!(probe(8_000, 8_000, 0).was_slow);
        assert!(!probe(8_000, 16_000, 0).was_slow && !probe(4_000, 4_000, 0).was_slow);
    }

    #[test]
    fn a_burst_shows_no_more_than_was_asked() {
        let outcome = probe(10, 1_000, 0);
        assert!(bps_near(outcome, 2e6), "{outcome:?}");
    }

    #[test]
    fn media_among_the_probe_counts_once_the_probe_began() {
        let mut cluster = Cluster::new(PLAN, Time(0));
        cluster.on_sent(1, 9_000, Time(0), None);
        assert!(!cluster.is_sent());
        for seq in 2..7 {
            cluster.on_sent(seq, 1_000, Time(seq * 4_000), (seq % 2 == 0).then_some(PLAN.id));
        }
        assert!(cluster.is_sent());
    }
}
