//! When to probe, and how far.
//!
//! At the start three and six times the first estimate, then twice what was found as long as more than 70 % of what was
//! asked arrived. Later whenever the allocation wants more than the estimate: at once when its wish grows, every few
//! seconds while it stays, and soon after a drop to find out whether that was a passing thing. At once too when media
//! waits because there is more of it than the estimate carries, whatever the allocation knows of that. Never while the
//! network is congested, and never for more than is wanted or waits.
//!
//! A probe is 20 ms of its rate, more where there is jitter: at twice the link's capacity that is 20 ms of queue, for a moment.

use super::probe_cluster::{Cluster, Outcome};
use super::{ProbeId, ProbePlan};
use crate::rate::earlier;
use crate::time::{Micros, Time};

/// Of the first estimate.
const START_FACTORS: [f64; 2] = [3.0, 6.0];
/// Of the estimate, or of what the probe before found.
const STEP_FACTOR: f64 = 2.0;
/// Of the estimate of a sender that uses all of it: the link is about full, and a longer queue would take from others.
/// When this arrives as it was sent, the link is not full, and the next one may be as large as any.
const ELASTIC_FACTOR: f64 = 1.3;
/// One goes on when so much of what was asked arrived.
const GOES_ON_ABOVE: f64 = 0.7;
/// What is wanted must fit with some room for audio, retransmission and the size of frames.
const GOAL_ABOVE_DESIRED: f64 = 1.15;
/// Before the allocation said anything: a picture of 720p.
const GOAL_UNTOLD_BPS: f64 = 3_000_000.0;
/// So near the goal there is nothing to find.
const NEAR_GOAL: f64 = 0.97;
const DURATION_MS: f64 = 20.0;
/// Jitter blurs the distances of the packets: probes then last longer, by so many times the jitter, and what one found
/// must be found twice.
const DURATION_PER_NOISE: f64 = 5.0;
/// But never longer than what makes a queue of so much if the estimate is all that the link carries.
const MAX_QUEUE_MS: f64 = 22.0;
/// After its arrival was told of.
const DISTURBANCE: Micros = Micros::from_millis(120);
const NOISY_MS: f64 = 1.5;
const MIN_PACKETS: u32 = 5;
/// Below this rate full packets are 30 ms apart and more: fewer do, and leave the queue to audio.
const SLOW_BPS: f64 = 320_000.0;
const MIN_PACKETS_SLOW: u32 = 3;
/// Three packets of padding.
const LEAST_BYTES: u32 = 600;
/// Between two probes for the same wish; doubled, up to the second value, each time that congestion follows soon after
/// a probe had raised the estimate (a policer lets a probe pass and not what comes after).
const INTERVAL: Micros = Micros::from_secs(2);
const MAX_INTERVAL: Micros = Micros::from_secs(32);
const SOON: Micros = Micros::from_secs(5);
/// And takes the estimate below this share of what the probe showed.
const WRONG: f64 = 0.7;
/// After a probe that raised the estimate by much, and was not the last word.
const AFTER_RAISE: Micros = Micros::from_millis(700);
/// Between the end of one probe and one for a new wish.
const LEAST_INTERVAL: Micros = Micros::from_millis(250);
/// Before one that could not be sent is tried again, doubled as many times at most.
const UNSENT: Micros = Micros::from_millis(50);
const MAX_UNSENT: u32 = 5;
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
    /// Jitter, milliseconds.
    pub noise_ms: f64,
    /// All of the estimate is used.
    pub is_elastic: bool,
}

#[derive(Clone, Debug)]
pub struct Probes {
    next_id: u32,
    /// What the allocation would send; `None`: it never said.
    desired_bps: Option<f64>,
    /// What is to be sent in any case, when that is more than the estimate.
    needed_bps: Option<f64>,
    started: bool,
    /// Rates still to be probed, the first one last.
    planned: [Option<f64>; 2],
    ready: Option<ProbePlan>,
    /// Packets of a probe may arrive.
    is_out: bool,
    /// Probes given up one after the other.
    unsent: u32,
    sending: Option<Cluster>,
    flying: [Option<Cluster>; 2],
    next_at: Option<Time>,
    interval: Micros,
    /// When a probe last raised the estimate by much, and to what.
    raised: Option<(Time, f64)>,
    /// The rate before a drop, to be probed for.
    lost_bps: Option<f64>,
    /// Found by one probe, to be confirmed by the next.
    unconfirmed_bps: Option<f64>,
    /// What the probe before the present outcome found, if that was to be confirmed.
    found_bps: Option<f64>,
    disturbs_until: Time,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            next_id: 0,
            desired_bps: None,
            needed_bps: None,
            started: false,
            planned: [None; 2],
            ready: None,
            is_out: false,
            unsent: 0,
            sending: None,
            flying: [None; 2],
            next_at: None,
            interval: INTERVAL,
            raised: None,
            lost_bps: None,
            unconfirmed_bps: None,
            found_bps: None,
            disturbs_until: Time(0),
        }
    }
}

impl Probes {
    /// A probe is planned or on its way out.
    pub fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

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
        if self.is_out {
            self.on_received_while_probing(seq, size, arrival_us);
        }
    }

    fn on_received_while_probing(&mut self, seq: u64, size: u32, arrival_us: i64) {
        for cluster in self.flying.iter_mut().chain([&mut self.sending]).flatten() {
            cluster.on_received(seq, size, arrival_us);
        }
    }

    /// The outcome of a probe that is over, if there is one; call until there is none.
    pub fn take_outcome(&mut self, now: Time, told_end: u64) -> Option<Outcome> {
        let over = |place: &Option<Cluster>| place.is_some_and(|cluster| cluster.is_over(now, told_end));
        let place = self.flying.iter_mut().find(|place| over(place))?;
        let outcome = place.take()?.outcome();
        self.found_bps = self.unconfirmed_bps.take();
        self.disturbs_until = now + DISTURBANCE;
        self.is_out = self.sending.is_some() || self.flying.iter().any(Option::is_some);
        if self.planned.iter().all(Option::is_none) {
            self.next_at = Some(now + self.interval);
        }
        Some(outcome)
    }

    /// What the estimate may rise to by an outcome above it; `None` while that is to be confirmed by another probe.
    pub fn confirm(&mut self, bps: f64, asked_bps: f64, around: &Surroundings) -> Option<f64> {
        if around.noise_ms < NOISY_MS {
            return Some(bps);
        }
        let confirmed = self.found_bps.take().map(|first_bps| first_bps.min(bps));
        if confirmed.is_none() {
            self.unconfirmed_bps = Some(bps);
            self.planned = [None, Some(asked_bps)];
            self.next_at = Some(around.now);
        }
        confirmed
    }

    /// After the estimate took an outcome in: whether to go on.
    pub fn follow_up(&mut self, outcome: Outcome, has_raised: bool, around: &Surroundings) {
        if outcome.was_slow {
            self.try_again(around.now, outcome.asked_bps);
            return;
        }
        self.unsent = 0;
        if has_raised {
            self.raised = Some((around.now, around.estimate_bps));
            self.next_at = self.next_at.map(|at| at.min(around.now + AFTER_RAISE));
        }
        if self.unconfirmed_bps.is_some() || (around.is_elastic && outcome.is_saturated) {
            return;
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
        self.unconfirmed_bps = None;
        if let Some((raised, to_bps)) = self.raised.take() {
            let was_wrong = now.since(raised) < SOON && after_bps < WRONG * to_bps;
            self.interval = if was_wrong { Micros(self.interval.0 * 2).min(MAX_INTERVAL) } else { INTERVAL };
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
            let soon = now + LEAST_INTERVAL;
            self.next_at = Some(self.next_at.map_or(soon, |at| at.min(soon)));
        }
    }

    /// Media waits, and so much of it comes; `None`: none does.
    /// `is_urgent`: nothing says that it does not fit.
    pub fn set_needed(&mut self, now: Time, bps: Option<f64>, is_urgent: bool) {
        let has_grown = bps.is_some_and(|bps| bps > self.needed_bps.unwrap_or(0.0) * 1.05);
        if has_grown || bps.is_none() {
            self.needed_bps = bps;
        }
        if has_grown && is_urgent && self.started && self.interval == INTERVAL {
            let soon = if self.disturbs(now) { now + LEAST_INTERVAL } else { now };
            self.next_at = Some(self.next_at.map_or(soon, |at| at.min(soon)));
        }
    }

    pub fn is_needed(&self) -> bool {
        self.needed_bps.is_some()
    }

    fn goal_bps(&self, max_bps: f64) -> f64 {
        let desired_bps = self.desired_bps.map_or(GOAL_UNTOLD_BPS, |desired| desired * GOAL_ABOVE_DESIRED);
        self.needed_bps.map_or(desired_bps, |needed| desired_bps.max(needed * GOAL_ABOVE_DESIRED)).min(max_bps)
    }

    pub fn has_started(&self) -> bool {
        self.started
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
        let factor = if around.is_elastic { ELASTIC_FACTOR } else { STEP_FACTOR };
        let [_, next] = &mut self.planned;
        let next = next.take();
        self.planned.rotate_right(1);
        let rate_bps = next.unwrap_or(around.estimate_bps * factor).min(goal_bps);
        self.next_at =
            Some(if self.planned.iter().any(Option::is_some) { around.now } else { around.now + self.interval });
        self.plan(around, rate_bps);
    }

    fn plan(&mut self, around: &Surroundings, rate_bps: f64) {
        let excess = (rate_bps / around.estimate_bps.max(1.0) - 1.0).max(0.1);
        let duration_ms =
            (DURATION_MS + DURATION_PER_NOISE * around.noise_ms).min(DURATION_MS.max(MAX_QUEUE_MS / excess));
        let bytes = rate_bps * duration_ms / 8e3;
        let plan = ProbePlan {
            id: ProbeId(self.next_id),
            rate_bps: rate_bps as u64,
            bytes: (bytes as u32).max(LEAST_BYTES),
            min_packets: if rate_bps < SLOW_BPS { MIN_PACKETS_SLOW } else { MIN_PACKETS },
        };
        self.next_id = self.next_id.wrapping_add(1);
        self.sending = Some(Cluster::new(plan, around.now));
        self.is_out = true;
        self.ready = Some(plan);
    }

    /// A probe that the pacer could not send in time. If there was nothing to send it with, there soon may be: a picture
    /// begins, and with it goes the probe.
    fn give_up(&mut self, now: Time) {
        let Some(cluster) = self.sending.filter(|cluster| cluster.is_overdue(now)) else { return };
        self.ready = None;
        if cluster.is_worth_waiting_for() {
            self.launch();
            return;
        }
        self.sending = None;
        self.try_again(now, cluster.asked_bps());
    }

    fn try_again(&mut self, now: Time, bps: f64) {
        let [first, second] = self.planned;
        self.planned = [first.or(second), Some(bps)];
        self.next_at = Some(now + Micros(UNSENT.0 << self.unsent.min(MAX_UNSENT)));
        self.unsent += 1;
    }

    /// Until so long after a probe arrived, the queue that is seen may be its own.
    pub fn disturbs(&self, now: Time) -> bool {
        self.sending.is_some() || self.flying.iter().any(Option::is_some) || now < self.disturbs_until
    }

    pub fn has_plan(&self) -> bool {
        self.ready.is_some()
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
mod tests;
