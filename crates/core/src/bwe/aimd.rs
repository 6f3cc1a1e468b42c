//! The rate: down by a factor when a queue grows, up by a factor while the link's capacity is far, by steps near it
//! (GCC draft §5.5).
//!
//! Where the draft lets the rate grow to 1.5 times what arrives, ours grows only while nearly all of it is used, and
//! then to a sixth more: a server's media is not elastic, so what was never sent proves nothing; probes do.

use super::contention::Contention;
use super::link_capacity::LinkCapacity;
use super::overuse::Usage;
use super::seconds;
use crate::time::{Micros, Time};

/// Of what arrived while the queue grew (draft: 0.85), but no less than a queue of this length needs to be drained in time:
/// one of 40 ms, which frames of several cameras make by themselves, costs 6 %.
const BETA: f64 = 0.85;
const MOST_BETA: f64 = 0.94;
const BETA_QUEUE_MS: f64 = 700.0;
/// Up to this length a queue is no reason to take from who sends much less than it may: that others made it is more likely.
const BYSTANDER_QUEUE_MS: f64 = 60.0;
/// What arrived lately is less than this share of what arrived before: the capacity fell.
const FELL: f64 = 0.75;
/// Growth per second while nothing is known of the link's capacity (draft: 8 %).
const FAR_GROWTH: f64 = 1.08;
/// Growth per second back towards a capacity that is known, up to this share of it.
const KNOWN_GROWTH: f64 = 2.0;
const KNOWN_SHARE: f64 = 0.88;
/// Near the capacity: one packet of 1,200 bytes, or less of a slow stream, per response time, which is the round trip
/// and 100 ms for the detector (draft §5.5).
const DETECTION: Micros = Micros::from_millis(100);
/// Of what is waited for a reduction to show.
const MAX_RTT: Micros = Micros::from_millis(800);
const PACKET_BITS: f64 = 1_200.0 * 8.0;
/// Times the draft's: with a shorter way back up flows meet their fair share sooner.
const NEAR_GROWTH: f64 = 1.6;
const FRAMES_PER_S: f64 = 30.0;
const LEAST_GROWTH_BPS: f64 = 4_000.0;
/// How far the rate may run ahead of what arrives; the slack is so that the slowest streams grow at all.
const AHEAD: f64 = 1.16;
const AHEAD_OF_KNOWN: f64 = 1.08;
const AHEAD_TOWARDS_KNOWN: f64 = 1.5;
const AHEAD_SLACK_BPS: f64 = 10_000.0;
/// The detector is believed only when packets really wait: a trend may come from jitter.
const CONFIRMED_QUEUE_MS: f64 = 8.0;
/// On a slow link one packet takes long to send; others wait for it, and that is no queue. Where frames of several cameras
/// come together some wait for two, up to this.
const CONFIRMED_PACKETS: f64 = 0.5;
const CROWDED_PACKETS: f64 = 2.0;
const CROWDED_QUEUE_MS: f64 = 40.0;
/// A probe makes a queue of its own, of about 20 ms and what media waits behind it.
const PROBED_QUEUE_MS: f64 = 45.0;
const PROBED_PACKETS: f64 = 2.0;
/// Congestion is over when packets wait no longer than this.
const CLEAR_QUEUE_MS: f64 = 15.0;
/// Or after so long: then the queue is somebody else's.
const MAX_CONGESTED: Micros = Micros::from_secs(2);
/// A queue above the standing one is drained by sending less still, until it is gone: nothing is taken off for the first
/// 30 ms, half of the rate at 230 ms.
const DRAIN_FREE_MS: f64 = 30.0;
const DRAIN_FULL_MS: f64 = 400.0;
const LEAST_DRAIN: f64 = 0.4;
/// While it is found out whose queue stands: so much of what may be sent, or is.
const TRIAL_SHARE: f64 = 0.6;
/// In contention: the factor at a loss, and the growth relative to Reno's packet per round trip, which go together for a
/// fair share (3 (1 - b) / (1 + b) = 0.24 would be Reno's own; CUBIC takes more).
const CONTENDED_BETA: f64 = 0.85;
const CONTENDED_GROWTH: f64 = 0.75;
/// Reno grows by the square of the round trip, CUBIC by none: between the two, one factor is that of a usual full queue.
const CONTENDED_RTT_S: f64 = 0.25;
/// Even then a queue of so much more than twice the standing one is too much.
const CONTENDED_LIMIT_MS: f64 = 60.0;
/// A step this long at most: after a break the rate does not leap.
const MAX_STEP_S: f64 = 0.25;

/// What the rate follows.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    pub usage: Usage,
    pub queue_ms: f64,
    /// The least of the last seconds: what stands whatever we do.
    pub floor_ms: f64,
    /// Something was lost that random loss does not explain.
    pub has_lost: bool,
    /// Over half a second, and over the last quarter, in which a growing queue shows the link's capacity.
    pub acked_bps: Option<f64>,
    pub recent_bps: Option<f64>,
    pub rtt: Micros,
    pub is_limited: bool,
    /// A probe is under way or has just arrived.
    pub is_probed: bool,
    /// What the link carries now, when that is much less than before.
    pub fallen_to_bps: Option<f64>,
}

impl Observed {
    /// What the link carries, seen while its queue grows. Over half a second, unless it clearly fell since: a shorter
    /// time may be that of somebody else's burst.
    fn capacity_bps(&self) -> Option<f64> {
        let recent_bps = self.recent_bps.or(self.acked_bps)?;
        let acked_bps = self.acked_bps.unwrap_or(recent_bps);
        Some(if recent_bps < FELL * acked_bps { recent_bps } else { recent_bps.max(acked_bps) })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Held,
    Grown,
    Reduced,
}

#[derive(Clone, Debug)]
pub struct Aimd {
    rate_bps: f64,
    capacity: LinkCapacity,
    /// What arrived when the queue last grew. Not the mean: where flows share a link, each one's part moves.
    seen_bps: f64,
    updated: Option<Time>,
    reduced: Option<Time>,
    is_congested: bool,
    /// The link fell: the queue is known from what is on its way.
    has_fallen: bool,
    contention: Contention,
    acked_bps: f64,
    /// Queue above the standing one.
    excess_ms: f64,
}

impl Aimd {
    pub fn new(start_bps: f64) -> Self {
        Self {
            rate_bps: start_bps,
            capacity: LinkCapacity::default(),
            seen_bps: 0.0,
            updated: None,
            reduced: None,
            is_congested: false,
            has_fallen: false,
            contention: Contention::default(),
            acked_bps: start_bps,
            excess_ms: 0.0,
        }
    }

    /// After each feedback.
    pub fn update(&mut self, now: Time, observed: &Observed) -> Step {
        let passed_s = self.updated.map_or(0.0, |updated| seconds(now, updated)).min(MAX_STEP_S);
        self.updated = Some(now);
        self.contention.update(now, observed.queue_ms, observed.floor_ms, observed.rtt);
        self.acked_bps = observed.acked_bps.unwrap_or(self.acked_bps);
        let standing_ms = if self.contention.is_contended() { observed.floor_ms } else { 0.0 };
        self.excess_ms = observed.queue_ms - standing_ms;
        if observed.acked_bps.is_some_and(|acked| self.capacity.is_exceeded_by(acked)) {
            self.capacity.forget();
        }
        if self.contention.is_contended() {
            return self.contend(now, passed_s, observed);
        }
        if let Some(bps) = observed.fallen_to_bps.filter(|_| !self.contention.is_trial()) {
            return self.fall(now, bps);
        }
        if self.has_fallen {
            // What waited before says nothing of what is sent now.
            self.clear(now, observed.queue_ms);
            return Step::Held;
        }
        let packet_ms = PACKET_BITS * 1e3 / self.rate_bps.max(1.0);
        let confirmed_ms = if observed.is_probed {
            PROBED_QUEUE_MS + PROBED_PACKETS * packet_ms
        } else {
            (CROWDED_PACKETS * packet_ms).clamp(CONFIRMED_QUEUE_MS, CROWDED_QUEUE_MS).max(CONFIRMED_PACKETS * packet_ms)
        };
        match observed.usage {
            Usage::Over if observed.queue_ms >= confirmed_ms => self.reduce(now, observed),
            Usage::Normal if !observed.is_limited => {
                self.clear(now, observed.queue_ms);
                self.grow(passed_s, observed)
            }
            _ => {
                self.clear(now, observed.queue_ms);
                Step::Held
            }
        }
    }

    /// Somebody else fills the queue.
    fn contend(&mut self, now: Time, passed_s: f64, observed: &Observed) -> Step {
        let is_too_long = observed.usage == Usage::Over && self.excess_ms > observed.floor_ms + CONTENDED_LIMIT_MS;
        if is_too_long {
            return self.reduce(now, observed);
        }
        self.is_congested = false;
        let has_settled = self.reduced.is_none_or(|reduced| now.since(reduced) >= observed.rtt);
        if observed.has_lost {
            if !has_settled {
                return Step::Held;
            }
            self.reduced = Some(now);
            self.rate_bps *= CONTENDED_BETA;
            return Step::Reduced;
        }
        let rtt_s = observed.rtt.0.max(20_000) as f64 / 1e6;
        let grown = self.rate_bps + CONTENDED_GROWTH * PACKET_BITS / rtt_s / CONTENDED_RTT_S * passed_s;
        self.raise(grown, AHEAD_TOWARDS_KNOWN, observed)
    }

    fn raise(&mut self, grown: f64, ahead: f64, observed: &Observed) -> Step {
        let Some(acked_bps) = observed.acked_bps else { return Step::Held };
        let grown = grown.min(acked_bps * ahead + AHEAD_SLACK_BPS);
        if grown <= self.rate_bps {
            return Step::Held;
        }
        self.rate_bps = grown;
        Step::Grown
    }

    /// How much longer the queue is than the one that another keeps there.
    pub fn excess_ms(&self) -> f64 {
        self.excess_ms
    }

    pub fn contention(&self) -> Contention {
        self.contention
    }

    fn clear(&mut self, now: Time, queue_ms: f64) {
        let is_old = self.reduced.is_none_or(|reduced| now.since(reduced) >= MAX_CONGESTED);
        if queue_ms < CLEAR_QUEUE_MS || is_old {
            (self.is_congested, self.has_fallen) = (false, false);
        }
    }

    /// The link carries this much less than before.
    fn fall(&mut self, now: Time, bps: f64) -> Step {
        let target = BETA * bps;
        if self.has_fallen && target > self.rate_bps / 2.0 {
            return Step::Held;
        }
        (self.is_congested, self.has_fallen, self.reduced) = (true, true, Some(now));
        self.capacity.on_overuse(bps);
        self.seen_bps = bps;
        if target >= self.rate_bps {
            return Step::Held;
        }
        self.rate_bps = target;
        Step::Reduced
    }

    fn reduce(&mut self, now: Time, observed: &Observed) -> Step {
        let Some(acked_bps) = observed.capacity_bps() else { return Step::Held };
        let settle = Micros(observed.rtt.0.min(MAX_RTT.0)) + DETECTION;
        let has_settled = self.reduced.is_none_or(|reduced| now.since(reduced) >= settle);
        if !has_settled && acked_bps > self.rate_bps / 2.0 {
            return Step::Held;
        }
        (self.is_congested, self.has_fallen, self.reduced) = (true, false, Some(now));
        let beta = (1.0 - self.excess_ms / BETA_QUEUE_MS).clamp(BETA, MOST_BETA);
        // Or it would lose at each such queue what its probes had found, and who sends the most would keep the most.
        let is_bystander = observed.is_limited && self.excess_ms < BYSTANDER_QUEUE_MS;
        let target = beta * if is_bystander { acked_bps.max(self.rate_bps) } else { acked_bps };
        let known = self.capacity.bps().map_or(f64::INFINITY, |capacity| beta * capacity);
        let target = if target > self.rate_bps { known } else { target };
        self.capacity.on_overuse(acked_bps);
        self.seen_bps = acked_bps;
        self.rate_bps = self.rate_bps.min(target);
        Step::Reduced
    }

    fn grow(&mut self, passed_s: f64, observed: &Observed) -> Step {
        if self.is_congested || self.contention != Contention::Free {
            return Step::Held;
        }
        let known_bps = self.capacity.bps().map(|_| self.seen_bps * KNOWN_SHARE);
        let (grown, ahead) = match known_bps {
            Some(known_bps) if self.rate_bps < known_bps => {
                (known_bps.min(self.rate_bps * KNOWN_GROWTH.powf(passed_s)), AHEAD_TOWARDS_KNOWN)
            }
            Some(_) => (self.rate_bps + self.near_growth_bps(observed.rtt) * passed_s, AHEAD_OF_KNOWN),
            None => (self.rate_bps * FAR_GROWTH.powf(passed_s), AHEAD),
        };
        self.raise(grown, ahead, observed)
    }

    /// Bits per second, per second.
    fn near_growth_bps(&self, rtt: Micros) -> f64 {
        let frame_bits = self.rate_bps / FRAMES_PER_S;
        let packet_bits = frame_bits / (frame_bits / PACKET_BITS).ceil().max(1.0);
        let response_s = (rtt + DETECTION).0 as f64 / 1e6;
        (NEAR_GROWTH * packet_bits / response_s).max(LEAST_GROWTH_BPS)
    }

    /// What the link carried when it had fallen, until the queue that this made is gone.
    pub fn fallen_to_bps(&self) -> Option<f64> {
        (self.is_congested && self.has_fallen).then_some(self.seen_bps)
    }

    /// The queue that is drained, when it is known better than from the delay of what arrived.
    pub fn set_excess_ms(&mut self, excess_ms: f64) {
        self.excess_ms = excess_ms;
    }

    /// What may be sent now: the rate, less while a queue of our own making is being drained.
    pub fn target_bps(&self) -> f64 {
        if self.contention.is_trial() {
            return self.rate_bps.min(self.acked_bps) * TRIAL_SHARE;
        }
        let is_draining = matches!(self.contention, Contention::Draining { .. });
        if !self.is_congested && !is_draining {
            return self.rate_bps;
        }
        let drain = 1.0 - (self.excess_ms - DRAIN_FREE_MS) / DRAIN_FULL_MS;
        self.rate_bps * drain.clamp(LEAST_DRAIN, 1.0)
    }

    pub fn rate_bps(&self) -> f64 {
        self.rate_bps
    }

    /// Something else knows better: a probe, the loss, the receiver.
    pub fn set_rate(&mut self, bps: f64) {
        self.rate_bps = bps;
    }

    pub fn capacity_mut(&mut self) -> &mut LinkCapacity {
        &mut self.capacity
    }

    pub fn is_congested(&self) -> bool {
        self.is_congested
    }

    /// Congestion that shows by loss.
    pub fn set_congested(&mut self, now: Time) {
        (self.is_congested, self.reduced) = (true, Some(now));
    }

    /// How long ago the rate was last taken down.
    pub fn since_reduced(&self, now: Time) -> Option<Micros> {
        self.reduced.map(|reduced| now.since(reduced))
    }
}

#[cfg(test)]
mod tests;
