//! Feedback stops: the path is down, or only its way back is. The rate falls gently, and comes back with the feedback.

use crate::time::{Micros, Time};

/// Chromium sends feedback at least every 250 ms; so long without any, and two round trips, is an interruption.
const PATIENCE: Micros = Micros::from_millis(500);
const MAX_RTT: Micros = Micros::from_millis(500);
/// Then the rate falls by so much, every so often: to a quarter in 2 s.
const STEP: Micros = Micros::from_millis(400);
const STEP_SHARE: f64 = 0.75;
/// Never below this share: audio and a thumbnail go on, so that the end of the interruption shows.
const LEAST_SHARE: f64 = 0.1;
/// After it, of what the rate was before.
const RESTORED_SHARE: f64 = 0.9;

#[derive(Clone, Copy, Debug, Default)]
pub struct Silence {
    before_bps: Option<f64>,
    next_step: Time,
}

impl Silence {
    /// `unanswered`: when the first packet after the last feedback was sent.
    pub fn deadline(&self, unanswered: Option<Time>, rtt: Micros) -> Option<Time> {
        let unanswered = unanswered?;
        Some(if self.before_bps.is_some() {
            self.next_step
        } else {
            unanswered + PATIENCE + Micros(rtt.min(MAX_RTT).0 * 2)
        })
    }

    /// The rate from now on, when the deadline has passed.
    pub fn on_timeout(&mut self, now: Time, unanswered: Option<Time>, rtt: Micros, rate_bps: f64) -> Option<f64> {
        if self.deadline(unanswered, rtt).is_none_or(|deadline| now < deadline) {
            return None;
        }
        let before_bps = *self.before_bps.get_or_insert(rate_bps);
        self.next_step = now + STEP;
        Some((rate_bps * STEP_SHARE).max(before_bps * LEAST_SHARE))
    }

    /// The rate to go back to, when this feedback ends a silence.
    pub fn on_feedback(&mut self) -> Option<f64> {
        self.before_bps.take().map(|before| before * RESTORED_SHARE)
    }

    pub fn is_silent(&self) -> bool {
        self.before_bps.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Micros = Micros::from_millis(50);

    #[test]
    fn the_rate_falls_step_by_step_and_comes_back_with_the_feedback() {
        let mut silence = Silence::default();
        let sent = Some(Time(1_000_000));
        assert_eq!(silence.deadline(sent, RTT), Some(Time(1_600_000)));
        assert_eq!(silence.on_timeout(Time(1_500_000), sent, RTT, 2e6), None);
        let mut rate = 2e6;
        for step in 0..4 {
            rate = silence.on_timeout(Time(1_600_000 + step * STEP.0), sent, RTT, rate).unwrap();
        }
        assert!(rate > 5e5 && rate < 7e5, "{rate}");
        assert!(silence.is_silent());
        assert_eq!(silence.on_feedback(), Some(1.8e6));
        assert_eq!(silence.on_feedback(), None);
    }

    #[test]
    fn who_sends_nothing_waits_for_nothing() {
        let mut silence = Silence::default();
        assert_eq!(silence.on_feedback(), None);
        assert_eq!(silence.deadline(None, RTT), None);
        assert_eq!(silence.on_timeout(Time(100_000_000), None, RTT, 1e6), None);
    }
}
