//! Receivers without transport-wide feedback: their own estimate (REMB) where they send one, and the loss that their
//! reports tell of, by the rule of old: more than a tenth lost takes half of that share off, next to none lets the rate
//! grow (GCC draft §6).
//!
//! A REMB counts the payload of the streams that it names. It begins as what came lately and then grows slowly, so one
//! that is less than what is sent proves nothing as long as it grows; one that falls, or stands, says that too much is sent.

use super::{Covered, seconds};
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
/// A REMB below this share of what it covers may say that this is too much: a receiver that finds a queue takes 15 % off.
const EXCEEDED_BELOW: f64 = 0.9;
/// And does when it is less than this share of the one before, or has not risen for so long. Receivers send one each half
/// or whole second, and raise each unless there is a queue.
const FALLEN_BELOW: f64 = 0.97;
const STANDS_AFTER: Micros = Micros::from_millis(1_200);
/// Harm is over so long after it was last told of. What was stopped for it gets no further word of it.
const HARM_LASTS: Micros = Micros::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub struct Fallback {
    /// What the loss allows.
    loss_bps: f64,
    remb: Option<Remb>,
    updated: Option<Time>,
    reduced: Option<Time>,
    loss: f64,
    harmed: Option<Time>,
}

/// The receiver's last estimate.
#[derive(Clone, Copy, Debug)]
struct Remb {
    told_bps: f64,
    /// What that means for all that is sent.
    bps: f64,
    risen: Time,
}

impl Fallback {
    pub fn new(start_bps: f64) -> Self {
        Self { loss_bps: start_bps, remb: None, updated: None, reduced: None, loss: 0.0, harmed: None }
    }

    /// The receiver's estimate is believed up and down: it sees every packet's arrival.
    pub fn on_remb(&mut self, now: Time, told_bps: f64, covered: Covered) {
        let bps = told_bps + covered.beside_bps as f64;
        let last = self.remb.filter(|last| told_bps <= last.told_bps);
        let risen = last.map_or(now, |last| last.risen);
        let falls = last.is_some_and(|last| told_bps < FALLEN_BELOW * last.told_bps);
        let is_less = told_bps < EXCEEDED_BELOW * covered.payload_bps as f64;
        if is_less && (falls || now.since(risen) >= STANDS_AFTER) {
            self.harmed = Some(now);
        }
        self.remb = Some(Remb { told_bps, bps, risen });
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
            self.harmed = Some(now);
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
        self.remb.map_or(self.loss_bps, |remb| remb.bps.min(self.loss_bps))
    }

    pub fn loss(&self) -> f64 {
        self.loss
    }

    pub fn is_reduced_by_loss(&self) -> bool {
        self.loss > HIGH_LOSS
    }

    /// What is sent is evidently too much.
    pub fn has_harm(&self, now: Time) -> bool {
        self.harmed.is_some_and(|harmed| now.since(harmed) < HARM_LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    fn covered(payload_bps: u64) -> Covered {
        Covered { payload_bps, beside_bps: 60_000 }
    }

    #[test]
    fn the_receiver_s_estimate_is_taken_and_what_it_does_not_cover_comes_on_top() {
        let mut fallback = Fallback::new(3e5);
        fallback.on_remb(Time(0), 2e6, covered(1_000_000));
        assert!((fallback.bps() - 2.06e6).abs() < 1.0);
        fallback.on_remb(Time(0), 4e5, covered(1_000_000));
        assert!((fallback.bps() - 4.6e5).abs() < 1.0);
    }

    /// Whether harm is seen after each of some REMBs, one every 500 ms, while 1 Mbit/s is sent.
    fn harm(rembs: &[f64]) -> Vec<bool> {
        let mut fallback = Fallback::new(3e5);
        let at = (0..).map(|step| Time(step * 500 * MS));
        let told = at.zip(rembs).map(|(now, &bps)| {
            fallback.on_remb(now, bps, covered(1_000_000));
            fallback.has_harm(now)
        });
        told.collect()
    }

    #[test]
    fn an_estimate_that_grows_from_what_came_in_a_quiet_second_is_no_harm() {
        assert_eq!(harm(&[3e5, 3.1e5, 3.2e5, 3.3e5, 3.3e5, 3.4e5, 3.5e5]), [false; 7]);
    }

    #[test]
    fn one_that_falls_or_stands_below_what_is_sent_is() {
        assert_eq!(harm(&[2e6, 1.2e6, 8.5e5, 8.6e5]), [false, false, true, true]);
        assert_eq!(harm(&[8.5e5, 8.5e5, 8.5e5, 8.5e5]), [false, false, false, true]);
        assert_eq!(harm(&[1.5e6, 9.5e5, 9.5e5, 9.5e5, 9.5e5]), [false; 5]);
    }

    #[test]
    fn harm_is_over_when_no_more_is_told_of_it() {
        let mut fallback = Fallback::new(1e6);
        fallback.on_report(Time(0), 64, 1e6);
        assert!(fallback.has_harm(Time(1_999 * MS)) && !fallback.has_harm(Time(2_000 * MS)));
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
