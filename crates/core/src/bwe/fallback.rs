//! Receivers without transport-wide feedback: their own estimate (REMB) where they send one, and the loss that their
//! reports tell of, by the rule of old: more than a tenth lost takes half of that share off, next to none lets the rate
//! grow (GCC draft §6).

use super::seconds;
use crate::time::{Micros, Time};

const HIGH_LOSS: f64 = 0.10;
const LOW_LOSS: f64 = 0.02;
const GROWTH_PER_S: f64 = 1.08;
/// A reduction takes a round trip and a report to show; less often than this.
const REDUCE_EVERY: Micros = Micros::from_millis(300);
/// Not more than this above what is sent, unless the receiver says that there is room.
const AHEAD: f64 = 1.5;
const AHEAD_SLACK_BPS: f64 = 10_000.0;
const MAX_STEP_S: f64 = 5.0;

#[derive(Clone, Copy, Debug)]
pub struct Fallback {
    /// What the loss allows.
    loss_bps: f64,
    remb_bps: Option<f64>,
    updated: Option<Time>,
    reduced: Option<Time>,
    loss: f64,
}

impl Fallback {
    pub fn new(start_bps: f64) -> Self {
        Self { loss_bps: start_bps, remb_bps: None, updated: None, reduced: None, loss: 0.0 }
    }

    /// The receiver's estimate is believed up and down: it sees every packet's arrival.
    pub fn on_remb(&mut self, bps: f64) {
        self.remb_bps = Some(bps);
        if self.loss < HIGH_LOSS {
            self.loss_bps = self.loss_bps.max(bps);
        }
    }

    /// `fraction_lost`: of 256. `sent_bps`: what is sent to this subscriber.
    pub fn on_report(&mut self, now: Time, fraction_lost: u8, sent_bps: f64) {
        self.loss = f64::from(fraction_lost) / 256.0;
        let passed_s = self.updated.map_or(0.0, |updated| seconds(now, updated)).min(MAX_STEP_S);
        self.updated = Some(now);
        if self.loss > HIGH_LOSS {
            if self.reduced.is_none_or(|reduced| now.since(reduced) >= REDUCE_EVERY) {
                self.reduced = Some(now);
                self.loss_bps = self.bps() * (1.0 - self.loss / 2.0);
            }
        } else if self.loss < LOW_LOSS {
            let ceiling = sent_bps * AHEAD + AHEAD_SLACK_BPS;
            let grown = self.loss_bps * GROWTH_PER_S.powf(passed_s);
            self.loss_bps = self.loss_bps.max(grown.min(ceiling));
        }
    }

    pub fn bps(&self) -> f64 {
        self.remb_bps.map_or(self.loss_bps, |remb| remb.min(self.loss_bps))
    }

    pub fn loss(&self) -> f64 {
        self.loss
    }

    pub fn is_reduced_by_loss(&self) -> bool {
        self.loss > HIGH_LOSS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receiver_s_estimate_is_taken() {
        let mut fallback = Fallback::new(3e5);
        fallback.on_remb(2e6);
        assert!((fallback.bps() - 2e6).abs() < 1.0);
        fallback.on_remb(4e5);
        assert!((fallback.bps() - 4e5).abs() < 1.0);
    }

    #[test]
    fn reported_loss_takes_half_of_its_share_off_and_not_again_at_once() {
        let mut fallback = Fallback::new(1e6);
        fallback.on_report(Time(0), 64, 1e6);
        fallback.on_report(Time(100_000), 64, 1e6);
        assert!((fallback.bps() - 8.75e5).abs() < 1.0);
        fallback.on_report(Time(400_000), 12, 1e6);
        assert!((fallback.bps() - 8.75e5).abs() < 1.0);
    }

    #[test]
    fn without_loss_the_rate_grows_as_far_as_what_is_sent_shows() {
        let mut fallback = Fallback::new(1e6);
        for second in 0..60 {
            fallback.on_report(Time(second * 1_000_000), 0, 1e6);
        }
        assert!((fallback.bps() - 1.51e6).abs() < 1.0);
    }
}
