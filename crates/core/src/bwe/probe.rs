//! When to probe, and how far.
//!
//! At the start three and six times the first estimate, then twice what was found as long as more than 70 % of what was
//! asked arrived. Later whenever the allocation wants more than the estimate: at once when its wish grows, every few
//! seconds while it stays, and soon after a drop to find out whether that was a passing thing. Never while the network is
//! congested, and never for more than is wanted.
//!
//! A probe is 20 ms of its rate: at twice the link's capacity that is 20 ms of queue, for a moment.

use super::probe_cluster::{Cluster, Outcome};
use super::{ProbeId, ProbePlan};
use crate::rate::earlier;
use crate::time::{Micros, Time};

/// Of the first estimate.
const START_FACTORS: [f64; 2] = [3.0, 6.0];
/// Of the estimate, or of what the probe before found.
const STEP_FACTOR: f64 = 2.0;
/// One goes on when so much of what was asked arrived.
const GOES_ON_ABOVE: f64 = 0.7;
/// What is wanted must fit with some room for audio, retransmission and the size of frames.
const GOAL_ABOVE_DESIRED: f64 = 1.15;
/// So near the goal there is nothing to find.
const NEAR_GOAL: f64 = 0.97;
const DURATION: Micros = Micros::from_millis(20);
const MIN_PACKETS: u32 = 5;
/// Five packets of padding.
const LEAST_BYTES: u32 = 600;
/// Between two probes for the same wish; doubled, up to the second value, each time that congestion follows soon after
/// a probe had raised the estimate (a policer lets a probe pass and not what comes after).
const INTERVAL: Micros = Micros::from_secs(2);
const MAX_INTERVAL: Micros = Micros::from_secs(32);
const SOON: Micros = Micros::from_secs(5);
/// Between the end of one probe and one for a new wish.
const LEAST_INTERVAL: Micros = Micros::from_millis(250);
/// When the network was not calm at the time of a probe.
const LATER: Micros = Micros::from_millis(100);
/// After a drop to less than this share, a probe to the other share of what was, so long after congestion is over.
const DROP: f64 = 0.66;
const RECOVERED: f64 = 0.85;
const RECOVERY_DELAY: Micros = Micros::from_millis(300);

/// What the controller must know of the rest.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    pub now: Time,
    pub estimate_bps: f64,
    pub max_bps: f64,
    /// No queue, no congestion, no silence: a probe's queue would be its own.
    pub is_calm: bool,
}

#[derive(Clone, Debug)]
pub struct Probes {
    next_id: u32,
    /// What the allocation would send; `None`: it never said, everything is wanted.
    desired_bps: Option<f64>,
    started: bool,
    /// Rates still to be probed, the first one last.
    planned: [Option<f64>; 2],
    ready: Option<ProbePlan>,
    sending: Option<Cluster>,
    flying: [Option<Cluster>; 2],
    next_at: Option<Time>,
    interval: Micros,
    raised: Option<Time>,
    /// The rate before a drop, to be probed for.
    lost_bps: Option<f64>,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            next_id: 0,
            desired_bps: None,
            started: false,
            planned: [None; 2],
            ready: None,
            sending: None,
            flying: [None; 2],
            next_at: None,
            interval: INTERVAL,
            raised: None,
            lost_bps: None,
        }
    }
}

impl Probes {
    #[inline]
    pub fn on_sent(&mut self, seq: u64, size: u32, sent: Time, probe: Option<ProbeId>) {
        if self.sending.is_some() {
            self.on_sent_while_probing(seq, size, sent, probe);
        }
    }

    fn on_sent_while_probing(&mut self, seq: u64, size: u32, sent: Time, probe: Option<ProbeId>) {
        let Some(cluster) = self.sending.as_mut() else { return };
        cluster.on_sent(seq, size, sent, probe);
        if cluster.is_sent() {
            self.launch();
        }
    }

    /// Sending ended, arriving begins.
    fn launch(&mut self) {
        let cluster = self.sending.take();
        if let Some(place) = self.flying.iter_mut().find(|place| place.is_none()) {
            *place = cluster;
        }
    }

    #[inline]
    pub fn on_received(&mut self, seq: u64, size: u32, arrival_us: i64) {
        for cluster in self.flying.iter_mut().chain([&mut self.sending]).flatten() {
            cluster.on_received(seq, size, arrival_us);
        }
    }

    /// The outcome of a probe that is over, if there is one; call until there is none.
    pub fn take_outcome(&mut self, now: Time, told_end: u64) -> Option<Outcome> {
        let over = |place: &Option<Cluster>| place.is_some_and(|cluster| cluster.is_over(now, told_end));
        let place = self.flying.iter_mut().find(|place| over(place))?;
        let outcome = place.take()?.outcome();
        if self.planned.iter().all(Option::is_none) {
            self.next_at = Some(now + self.interval);
        }
        Some(outcome)
    }

    /// After the estimate took an outcome in: whether to go on.
    pub fn follow_up(&mut self, outcome: Outcome, has_raised: bool, around: &Surroundings) {
        if has_raised {
            self.raised = Some(around.now);
        }
        if let Some(bps) = outcome.bps.filter(|bps| *bps >= GOES_ON_ABOVE * outcome.asked_bps) {
            let next = (bps * STEP_FACTOR).min(self.goal_bps(around.max_bps));
            if next > around.estimate_bps / NEAR_GOAL {
                self.planned = [None, Some(next)];
                self.next_at = Some(around.now);
            }
        }
    }

    /// Congestion was found; `before_bps` is what the estimate was.
    pub fn on_congestion(&mut self, now: Time, before_bps: f64, after_bps: f64) {
        self.planned = [None; 2];
        if let Some(raised) = self.raised.take() {
            let is_soon = now.since(raised) < SOON;
            self.interval = if is_soon { Micros(self.interval.0 * 2).min(MAX_INTERVAL) } else { INTERVAL };
        }
        self.next_at = Some(now + self.interval);
        if after_bps < DROP * before_bps {
            self.lost_bps = Some(self.lost_bps.map_or(before_bps, |lost| lost.max(before_bps)));
        }
    }

    /// Congestion is over, or feedback is back.
    pub fn on_recovery(&mut self, now: Time) {
        if let Some(lost_bps) = self.lost_bps.take() {
            self.planned = [None, Some(lost_bps * RECOVERED)];
            self.next_at = Some(now + RECOVERY_DELAY);
        }
    }

    pub fn set_desired(&mut self, now: Time, bps: f64) {
        let has_grown = bps > self.desired_bps.unwrap_or(0.0) * 1.05;
        self.desired_bps = Some(bps);
        if has_grown && self.started && self.interval == INTERVAL {
            self.next_at = Some(now + LEAST_INTERVAL);
        }
    }

    fn goal_bps(&self, max_bps: f64) -> f64 {
        self.desired_bps.map_or(max_bps, |desired| (desired * GOAL_ABOVE_DESIRED).min(max_bps))
    }

    /// Something is sent for the first time.
    pub fn start(&mut self, around: &Surroundings) {
        if !self.started {
            self.started = true;
            let [first, second] = START_FACTORS.map(|factor| Some(around.estimate_bps * factor));
            self.planned = [second, first];
            self.next_at = Some(around.now);
        }
    }

    /// Puts a plan in place when it is time for one. After each feedback, time-out and wish.
    pub fn tick(&mut self, around: &Surroundings) {
        self.give_up(around.now);
        let is_free = self.sending.is_none() && self.flying.iter().any(Option::is_none);
        if !is_free || self.next_at.is_none_or(|at| around.now < at) {
            return;
        }
        let goal_bps = self.goal_bps(around.max_bps);
        if around.estimate_bps >= goal_bps * NEAR_GOAL {
            self.planned = [None; 2];
            self.next_at = Some(around.now + INTERVAL);
            return;
        }
        if !around.is_calm {
            self.next_at = Some(around.now + LATER);
            return;
        }
        let [_, next] = &mut self.planned;
        let next = next.take();
        self.planned.rotate_right(1);
        let rate_bps = next.unwrap_or(around.estimate_bps * STEP_FACTOR).min(goal_bps);
        self.next_at =
            Some(if self.planned.iter().any(Option::is_some) { around.now } else { around.now + self.interval });
        self.plan(around.now, rate_bps);
    }

    fn plan(&mut self, now: Time, rate_bps: f64) {
        let bytes = rate_bps * DURATION.0 as f64 / 8e6;
        let plan = ProbePlan {
            id: ProbeId(self.next_id),
            rate_bps: rate_bps as u64,
            bytes: (bytes as u32).max(LEAST_BYTES),
            min_packets: MIN_PACKETS,
        };
        self.next_id = self.next_id.wrapping_add(1);
        self.sending = Some(Cluster::new(plan, now));
        self.ready = Some(plan);
    }

    /// A probe that the pacer could not send in time.
    fn give_up(&mut self, now: Time) {
        if let Some(cluster) = self.sending.filter(|cluster| cluster.is_overdue(now)) {
            self.ready = None;
            if cluster.is_worth_waiting_for() { self.launch() } else { self.sending = None }
        }
    }

    pub fn take_plan(&mut self) -> Option<ProbePlan> {
        self.ready.take()
    }

    /// When [`Self::tick`] or [`Self::take_outcome`] has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let sending = self.sending.map(|cluster| cluster.sending_deadline());
        let flying = self.flying.iter().flatten().map(Cluster::deadline).min();
        let is_free = self.sending.is_none() && self.flying.iter().any(Option::is_none);
        earlier(earlier(sending, flying), self.next_at.filter(|_| is_free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(now_ms: u64, estimate_bps: f64) -> Surroundings {
        Surroundings { now: Time(now_ms * 1_000), estimate_bps, max_bps: 2e7, is_calm: true }
    }

    /// Sends a plan in packets of 1,200 bytes at its rate and lets it arrive at `link_bps`.
    fn carry(probes: &mut Probes, plan: ProbePlan, now_ms: u64, link_bps: u64) -> Outcome {
        let base_seq = now_ms * 1_000;
        let packets = u64::from(plan.min_packets.max(plan.bytes.div_ceil(1_200)));
        let gap_us = |bps: u64| 1_200 * 8 * 1_000_000 / bps;
        for number in 0..packets {
            let sent = Time(now_ms * 1_000 + number * gap_us(plan.rate_bps));
            probes.on_sent(base_seq + number, 1_200, sent, Some(plan.id));
        }
        for number in 0..packets {
            let arrival = number * gap_us(plan.rate_bps.min(link_bps));
            probes.on_received(base_seq + number, 1_200, arrival.cast_signed());
        }
        probes.take_outcome(Time((now_ms + 100) * 1_000), base_seq + packets).unwrap()
    }

    fn tick(probes: &mut Probes, now_ms: u64, estimate_bps: f64) -> Option<ProbePlan> {
        probes.tick(&around(now_ms, estimate_bps));
        probes.take_plan()
    }

    fn rate_kbps(plan: Option<ProbePlan>) -> u64 {
        plan.map_or(0, |plan| (plan.rate_bps + 500) / 1_000)
    }

    #[test]
    fn the_start_probes_three_and_six_times_and_goes_on_while_it_arrives() {
        let mut probes = Probes::default();
        assert_eq!(tick(&mut probes, 0, 3e5), None);
        probes.start(&around(0, 3e5));
        let first = tick(&mut probes, 0, 3e5);
        assert_eq!(rate_kbps(first), 900);
        assert_eq!(tick(&mut probes, 1, 3e5), None);
        carry(&mut probes, first.unwrap(), 2, 50_000_000);
        let second = tick(&mut probes, 110, 3e5);
        assert_eq!(rate_kbps(second), 1_800);
        let outcome = carry(&mut probes, second.unwrap(), 111, 50_000_000);
        probes.follow_up(outcome, true, &around(220, 1.8e6));
        assert_eq!(rate_kbps(tick(&mut probes, 220, 1.8e6)), 3_600);
    }

    #[test]
    fn a_full_link_ends_the_series() {
        let mut probes = Probes::default();
        probes.start(&around(0, 3e5));
        let first = tick(&mut probes, 0, 3e5).unwrap();
        carry(&mut probes, first, 2, 1_000_000);
        let second = tick(&mut probes, 110, 3e5).unwrap();
        let outcome = carry(&mut probes, second, 111, 1_000_000);
        assert!(outcome.is_saturated && (outcome.bps.unwrap() - 9.5e5).abs() < 1e4, "{outcome:?}");
        probes.follow_up(outcome, true, &around(220, 9.5e5));
        assert_eq!(tick(&mut probes, 300, 9.5e5), None);
    }

    #[test]
    fn no_more_is_probed_for_than_is_wanted() {
        let mut probes = Probes::default();
        probes.set_desired(Time(0), 6e5);
        probes.start(&around(0, 3e5));
        assert_eq!(rate_kbps(tick(&mut probes, 0, 3e5)), 690);
        probes.set_desired(Time(0), 0.0);
        assert_eq!(tick(&mut probes, 5_000, 3e5), None);
    }

    #[test]
    fn a_wish_is_probed_for_at_once_and_then_every_two_seconds() {
        let mut probes = Probes::default();
        probes.set_desired(Time(0), 1e5);
        probes.start(&around(0, 3e5));
        assert_eq!(tick(&mut probes, 1_000, 3e5), None);
        probes.set_desired(Time(1_000_000), 2e6);
        assert_eq!(tick(&mut probes, 1_100, 3e5), None);
        let plan = tick(&mut probes, 1_250, 3e5);
        assert_eq!(rate_kbps(plan), 600);
        carry(&mut probes, plan.unwrap(), 1_260, 300_000);
        assert_eq!(tick(&mut probes, 3_300, 3e5), None);
        assert_eq!(rate_kbps(tick(&mut probes, 3_400, 3e5)), 600);
    }

    #[test]
    fn a_probe_that_is_not_sent_is_given_up_and_the_next_has_another_name() {
        let mut probes = Probes::default();
        probes.start(&around(0, 3e5));
        let first = tick(&mut probes, 0, 3e5).unwrap();
        assert_eq!(probes.next_timeout(), Some(Time(200_000)));
        let second = tick(&mut probes, 200, 3e5).unwrap();
        assert!(first.id < second.id);
    }

    #[test]
    fn congestion_soon_after_a_raise_makes_probes_rarer() {
        let mut probes = Probes::default();
        probes.start(&around(0, 3e5));
        let plan = tick(&mut probes, 0, 3e5).unwrap();
        let outcome = carry(&mut probes, plan, 0, 50_000_000);
        probes.follow_up(outcome, true, &around(100, 9e5));
        probes.on_congestion(Time(1_000_000), 9e5, 7e5);
        assert_eq!(tick(&mut probes, 4_900, 7e5), None);
        assert!(tick(&mut probes, 5_000, 7e5).is_some());
    }

    #[test]
    fn after_a_drop_what_was_is_probed_for_when_congestion_is_over() {
        let mut probes = Probes { started: true, ..Probes::default() };
        probes.on_congestion(Time(0), 2e6, 5e5);
        probes.on_recovery(Time(700_000));
        assert_eq!(tick(&mut probes, 900, 5e5), None);
        assert_eq!(rate_kbps(tick(&mut probes, 1_000, 5e5)), 1_700);
    }

    #[test]
    fn nothing_is_probed_while_the_network_is_not_calm() {
        let mut probes = Probes::default();
        probes.start(&around(0, 3e5));
        probes.tick(&Surroundings { is_calm: false, ..around(0, 3e5) });
        assert_eq!(probes.take_plan(), None);
        assert_eq!(probes.next_timeout(), Some(Time(100_000)));
        assert!(tick(&mut probes, 100, 3e5).is_some());
    }
}
