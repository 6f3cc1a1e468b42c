//! What to make of the estimate for a client to which no probe can be sent: without retransmissions (RFC 4588) there is no
//! stream for padding, without transport-wide numbers nothing tells of it.
//!
//! Such an estimate cannot rise above what is sent, so it proves harm and never its absence. It counts from the first
//! harm that is seen; before that, and again after a while without any, media itself is the probe.

use crate::bwe::updates::Updates;
use crate::bwe::{BweState, FeedbackKind, Update};
use crate::time::{Micros, Time};

/// So long without harm, and twice as much is allowed: a layer more, which shows within a second or two what it does.
const RAISE_EVERY: Micros = Micros::from_secs(5);
/// The same after raises that did harm; each doubles it.
const RAISE_SELDOM: Micros = Micros::from_secs(60);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Unprobed {
    /// What is allowed at least; `None`: all, for no harm was seen.
    allowed_bps: Option<u64>,
    /// When more is allowed.
    raise_at: Time,
    raise_every: Micros,
    raised: bool,
    updates: Updates,
}

impl Unprobed {
    pub fn new(now: Time) -> Self {
        let updates = Updates::new(1.0, Time(0));
        Self { allowed_bps: None, raise_at: now, raise_every: RAISE_EVERY, raised: false, updates }
    }

    /// What the network is taken to carry.
    pub fn estimate_bps(&self, state: &BweState, max_bps: u64) -> u64 {
        self.allowed_bps.map_or(max_bps, |allowed| allowed.max(state.estimate_bps).min(max_bps))
    }

    /// The rate of the pacer; `None`: harm is long ago, or was never seen.
    pub fn pacing_bps(&self, pacing_bps: u64) -> Option<u64> {
        Some(pacing_bps.max(self.allowed_bps?.saturating_mul(5) / 4))
    }

    /// Takes in what the estimator says now.
    pub fn follow(&mut self, now: Time, state: &BweState, has_harm: bool, max_bps: u64) -> Option<Update> {
        if has_harm {
            if self.raised {
                self.raise_every = Micros(self.raise_every.0 * 2).min(RAISE_SELDOM);
            }
            self.raised = false;
            self.raise_at = now + self.raise_every;
            let carried = match state.feedback {
                Some(FeedbackKind::Reports) => (state.sent_bps as f64 * (1.0 - f64::from(state.loss) / 2.0)) as u64,
                _ => 0,
            };
            self.allowed_bps = Some(carried);
        } else if self.allowed_bps.is_some() && now >= self.raise_at {
            let raised = self.estimate_bps(state, max_bps).saturating_mul(2);
            self.allowed_bps = (raised < max_bps).then_some(raised);
            self.raise_at = now + self.raise_every;
            self.raised = true;
        }
        let estimate_bps = self.estimate_bps(state, max_bps) as f64;
        self.updates.of(now, estimate_bps, has_harm, state.cause)
    }

    /// When [`Unprobed::follow`] has something to do though nothing is said.
    pub fn due(&self) -> Option<Time> {
        self.allowed_bps.map(|_| self.raise_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bwe::Cause;

    const MAX_BPS: u64 = 20_000_000;

    fn state(feedback: FeedbackKind, estimate_bps: u64) -> BweState {
        BweState {
            estimate_bps,
            acked_bps: 0,
            sent_bps: 1_500_000,
            loss: 0.0,
            queue: Micros(0),
            rtt: None,
            feedback: Some(feedback),
            congested: false,
            cause: Cause::Growth,
        }
    }

    #[test]
    fn all_is_allowed_until_harm_is_seen_and_then_ever_more_until_it_is_seen_again() {
        let calm = state(FeedbackKind::TransportCc, 400_000);
        let harm = BweState { congested: true, ..calm };
        let mut unprobed = Unprobed::new(Time(0));
        let mut told = |seconds: u64, state: &BweState| {
            let update = unprobed.follow(Time(seconds * 1_000_000), state, state.congested, MAX_BPS);
            (update.map(|it| it.estimate_bps), unprobed.pacing_bps(500_000))
        };
        assert_eq!(told(1, &calm), (Some(MAX_BPS), None));
        assert_eq!(told(2, &calm), (None, None));
        assert_eq!(told(3, &harm), (Some(400_000), Some(500_000)));
        assert_eq!(told(7, &calm).1, Some(500_000));
        assert_eq!(told(8, &calm), (Some(800_000), Some(1_000_000)));
        assert_eq!(told(13, &calm).0, Some(1_600_000));
        assert_eq!(told(14, &harm).0, Some(400_000));
        assert_eq!(told(20, &calm).0, Some(400_000), "congestion ended; more seldom after a raise that did harm");
        for (at, bps) in [(24, 800_000), (34, 1_600_000), (44, 3_200_000), (54, 6_400_000), (64, 12_800_000)] {
            assert_eq!(told(at, &calm).0, Some(bps));
        }
        assert_eq!(told(74, &calm), (Some(MAX_BPS), None));
    }

    #[test]
    fn after_harm_a_receiver_s_own_estimate_counts_or_what_its_loss_leaves() {
        let mut unprobed = Unprobed::new(Time(0));
        let mut now = Time(0);
        let mut told = |state: &BweState, has_harm| {
            now = now + Micros::from_secs(1);
            unprobed.follow(now, state, has_harm, MAX_BPS).map(|it| it.estimate_bps)
        };
        assert_eq!(told(&state(FeedbackKind::Remb, 700_000), false), Some(MAX_BPS));
        assert_eq!(told(&state(FeedbackKind::Remb, 700_000), true), Some(700_000));
        let lossy = BweState { loss: 0.25, ..state(FeedbackKind::Reports, 300_000) };
        assert_eq!(told(&lossy, true), Some(1_312_500));
    }
}
