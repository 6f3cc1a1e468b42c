//! The last resort of the data plane when too much waits for a client and nobody else does something about it: whole layers
//! are left out, ahead of numbering, so that no gap shows. Temporal layers first, then a lower encoding or spatial layer, at
//! last all of it. What the control plane says ends it.

use crate::command::{Kind, LayerLimit};
use crate::egress::consumer::Consumer;
use crate::time::{Micros, Time};

/// More must wait, for so long: a large keyframe alone is no reason.
const BOUND: Micros = Micros::from_millis(250);
const PATIENCE: Micros = Micros::from_millis(200);
/// The same while nothing shows that the network does not carry it: probes find out meanwhile.
const UNTRIED_PATIENCE: Micros = Micros::from_secs(1);
/// With so much waiting, a switch to a lower encoding is not awaited: what there is stops now.
const URGENT: Micros = Micros::from_millis(500);
/// Between two steps, so that one shows before the next.
const STEP: Micros = Micros::from_millis(250);
/// What was stopped is tried again after this, at its lowest layer.
const PAUSE: Micros = Micros::from_secs(2);
/// So much waiting is more than what one frame leaves: the estimate may be too low.
const NEED: Micros = Micros::from_millis(60);
/// All is let go again after this, if the estimate then carries what was sent before.
const RECOVERY: Micros = Micros::from_secs(5);

/// What is to be done about a transport's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    Shed {
        is_urgent: bool,
    },
    /// Nothing waits any more: what was stopped may be tried again, and `all` may be let go.
    Recover {
        all: bool,
    },
}

/// A transport's queue over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overload {
    /// More than the bound waits since.
    since: Option<Time>,
    stepped_at: Option<Time>,
    /// What was sent when shedding began; 0: nothing is shed.
    demand_bps: u64,
}

impl Overload {
    /// Something is left out.
    pub fn is_relieved(&self) -> bool {
        self.demand_bps > 0
    }

    /// What is to be found room for, because it waits or was left out; `None`: all there is goes out in time.
    pub fn need_bps(&self, wait: Micros, estimate_bps: u64, demand_bps: impl FnOnce() -> u64) -> Option<u64> {
        if wait > BOUND {
            // What came in the last second says little of what comes now.
            return Some(demand_bps().max(estimate_bps * 2));
        }
        if wait > NEED {
            return Some(demand_bps());
        }
        Some(self.demand_bps).filter(|bps| *bps > 0)
    }

    /// `wait`: of the pacer's queue. `is_untried`: the estimate is low because no more was sent. `demand_bps`: what is
    /// being sent.
    pub fn judge(
        &mut self,
        now: Time,
        wait: Micros,
        estimate_bps: u64,
        is_untried: bool,
        demand_bps: impl FnOnce() -> u64,
    ) -> Option<Remedy> {
        if wait <= BOUND {
            self.since = None;
            let passed = now.since(self.stepped_at.filter(|_| self.demand_bps > 0)?);
            let all = passed >= RECOVERY && estimate_bps >= self.demand_bps;
            if all {
                *self = Self::default();
            }
            return (all || (passed >= PAUSE && wait.0 == 0)).then_some(Remedy::Recover { all });
        }
        let since = *self.since.get_or_insert(now);
        let is_urgent = wait > URGENT;
        let is_step_due = self.stepped_at.is_none_or(|at| now.since(at) >= STEP);
        let patience = if is_untried { UNTRIED_PATIENCE } else { PATIENCE };
        if !is_step_due || now.since(since) < patience {
            return None;
        }
        self.stepped_at = Some(now);
        if self.demand_bps == 0 {
            self.demand_bps = demand_bps().max(1);
        }
        Some(Remedy::Shed { is_urgent })
    }
}

/// How far a consumer was lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shed {
    pub limit: LayerLimit,
    pub is_stopped: bool,
}

impl Consumer {
    /// Whether there is something to leave out.
    pub fn can_shed(&self) -> bool {
        self.kind == Kind::Video
            && !self.paused
            && self.target.is_some()
            && !self.shed.is_some_and(|shed| shed.is_stopped)
    }

    /// One step down; `active`: encodings that come, by bit, of a simulcast producer. `None`: it has to wait for a step taken
    /// before.
    pub fn shed_step(&mut self, active: Option<u8>, is_urgent: bool) -> Option<Shed> {
        let is_switching = self.current.is_some() && self.current != self.target;
        if is_switching {
            // The lower encoding's keyframe is on its way; the higher one goes on until then, unless there is no time.
            if is_urgent {
                self.current = None;
            }
            return None;
        }
        let (spatial, temporal) = self.current_layers().unwrap_or_default();
        let has_lower = spatial > 0 && active.is_none_or(|active| active & ((1 << spatial.min(7)) - 1) != 0);
        let limit = |spatial, temporal| Shed { limit: LayerLimit { spatial, temporal }, is_stopped: false };
        let shed = if temporal > 0 && self.current.is_some() {
            limit(spatial, temporal - 1)
        } else if has_lower && self.current.is_some() {
            limit(spatial - 1, u8::MAX)
        } else {
            Shed { is_stopped: true, ..limit(0, 0) }
        };
        self.shed = Some(shed);
        Some(shed)
    }

    /// Ends a stop, or all of it; true when that changes something.
    pub fn recover(&mut self, all: bool) -> bool {
        let before = self.shed;
        self.shed = if all { None } else { before.map(|shed| Shed { is_stopped: false, ..shed }) };
        self.shed != before
    }

    /// The layers that it may get: as the control plane says, and not above what was shed.
    pub(super) fn allowed(&self) -> LayerLimit {
        self.shed.map_or(self.limit, |Shed { limit, .. }| LayerLimit {
            spatial: self.limit.spatial.min(limit.spatial),
            temporal: self.limit.temporal.min(limit.temporal),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(overload: &mut Overload, ms: u64, wait_ms: u64, estimate_bps: u64) -> Option<Remedy> {
        overload.judge(Time(ms * 1_000), Micros::from_millis(wait_ms), estimate_bps, false, || 2_000_000)
    }

    #[test]
    fn a_queue_over_its_bound_is_shed_step_by_step_and_a_short_one_is_not() {
        let mut overload = Overload::default();
        assert_eq!(judge(&mut overload, 0, 400, 500_000), None);
        assert_eq!(judge(&mut overload, 100, 200, 500_000), None);
        assert_eq!(judge(&mut overload, 150, 300, 500_000), None);
        assert_eq!(judge(&mut overload, 350, 300, 500_000), Some(Remedy::Shed { is_urgent: false }));
        assert_eq!(judge(&mut overload, 400, 600, 500_000), None);
        assert_eq!(judge(&mut overload, 600, 600, 500_000), Some(Remedy::Shed { is_urgent: true }));
    }

    #[test]
    fn where_nothing_was_ever_too_much_it_is_first_looked_for_room() {
        let mut overload = Overload::default();
        let wait = Micros::from_millis(300);
        let mut judged = |ms: u64| overload.judge(Time(ms * 1_000), wait, 500_000, true, || 2_000_000);
        assert_eq!([judged(0), judged(500), judged(999)], [None; 3]);
        assert_eq!(judged(1_000), Some(Remedy::Shed { is_urgent: false }));
        let need = |wait_ms| overload.need_bps(Micros::from_millis(wait_ms), 500_000, || 800_000);
        assert_eq!([need(0), need(100), need(300)], [Some(2_000_000), Some(800_000), Some(1_000_000)]);
        assert_eq!(Overload::default().need_bps(Micros(0), 500_000, || 800_000), None);
    }

    #[test]
    fn it_recovers_when_the_network_carries_what_was_sent() {
        let mut overload = Overload::default();
        judge(&mut overload, 0, 300, 500_000);
        judge(&mut overload, 300, 300, 500_000);
        assert_eq!(judge(&mut overload, 1_000, 0, 5_000_000), None);
        assert_eq!(judge(&mut overload, 2_300, 0, 500_000), Some(Remedy::Recover { all: false }));
        assert_eq!(judge(&mut overload, 2_300, 100, 500_000), None);
        assert_eq!(judge(&mut overload, 5_300, 100, 2_000_000), Some(Remedy::Recover { all: true }));
        assert_eq!(judge(&mut overload, 6_000, 0, 2_000_000), None);
    }
}
