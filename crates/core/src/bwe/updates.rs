//! Which changes of the estimate are worth telling the control plane.

use super::{Cause, Update};
use crate::time::{Micros, Time};

/// Changes smaller than this share are kept to oneself.
const LEAST_CHANGE: f64 = 0.03;
/// Rises are told this often at most; falls, and the begin and end of congestion, at once.
const LEAST_INTERVAL: Micros = Micros::from_millis(100);

#[derive(Clone, Copy, Debug)]
pub struct Updates {
    /// What was told last, and when.
    bps: f64,
    congested: bool,
    at: Time,
}

impl Updates {
    pub fn new(start_bps: f64, now: Time) -> Self {
        Self { bps: start_bps, congested: false, at: now }
    }

    pub fn of(&mut self, now: Time, estimate_bps: f64, congested: bool, cause: Cause) -> Option<Update> {
        let has_changed = (estimate_bps - self.bps).abs() >= LEAST_CHANGE * self.bps;
        let is_urgent = estimate_bps < self.bps || now.since(self.at) >= LEAST_INTERVAL;
        if !(has_changed && is_urgent || congested != self.congested) {
            return None;
        }
        *self = Self { bps: estimate_bps, congested, at: now };
        Some(Update { estimate_bps: estimate_bps as u64, congested, cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_changes_wait_rises_are_spaced_and_falls_are_at_once() {
        let mut updates = Updates::new(1e6, Time(0));
        let mut tells = |ms: u64, bps, congested| updates.of(Time(ms * 1_000), bps, congested, Cause::Growth).is_some();
        assert!(!tells(1_000, 1.02e6, false));
        assert!(tells(1_000, 1.05e6, false));
        assert!(!tells(1_050, 1.2e6, false));
        assert!(tells(1_051, 0.9e6, false));
        assert!(!tells(1_100, 1.2e6, false));
        assert!(tells(1_151, 1.2e6, false));
        assert!(tells(1_152, 1.2e6, true));
        assert!(!tells(1_153, 1.2e6, true));
    }
}
