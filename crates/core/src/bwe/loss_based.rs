//! Which loss is congestion, and which is the network's usual one?
//!
//! Wi-Fi and radio lose packets whatever is sent; sending less then helps nobody. A full queue or a policer loses what is
//! too much. So loss above the network's *inherent* share takes the rate down once, to what arrived; when the loss stays
//! although less is sent, it is inherent: it is remembered, and the rate goes back to where it was. While nothing waits in
//! a queue, moderate loss is taken for inherent without such a trial.

use super::seconds;
use crate::time::{Micros, Time};

/// Loss is judged over at least so long and so many packets, or, when little is sent, over this much longer.
const WINDOW_S: f64 = 0.5;
const WINDOW_PACKETS: u32 = 40;
const LONG_WINDOW_S: f64 = 1.5;
const LONG_WINDOW_PACKETS: u32 = 12;
/// So much loss is judged at once; less, while no packet waits in a queue, must be seen in two windows running.
const HEAVY_LOSS: f64 = 0.4;
const HEAVY_PACKETS: u32 = 30;
/// Above the inherent loss: what is tolerated while packets wait in a queue, and while none do.
const MARGIN_WITH_QUEUE: f64 = 0.03;
const MARGIN: f64 = 0.05;
/// Without a queue loss below this is never congestion: what retransmission makes good at little cost.
const TOLERATED: f64 = 0.10;
const QUEUE_MS: f64 = 30.0;
/// More than this is never taken for inherent: nothing useful gets through.
const MOST_INHERENT: f64 = 0.25;
/// Without a trial not more than this.
const MOST_UNTRIED: f64 = 0.12;
/// Weight of a new window in the inherent loss: up slowly, down fast.
const LEARN: f64 = 0.1;
const UNLEARN: f64 = 0.25;
/// Of what the share of a window may differ from the truth by chance: twice the standard deviation, but never more.
const MOST_UNCERTAINTY: f64 = 0.2;
/// How much a lost packet says of the next: at most this, learned with this weight, from so many lost ones at least.
const MOST_CORRELATION: f64 = 0.75;
const CORRELATION_WEIGHT: f64 = 0.4;
const CORRELATION_PACKETS: u32 = 5;
/// A trial shows inherent loss when at least this share of the loss stays.
const STAYS: f64 = 0.65;
/// What was sent before the smaller rate took effect is no part of the trial.
const TRIAL_DELAY: Micros = Micros::from_millis(150);
/// After loss the rate is what arrived, a little less.
const BACKOFF: f64 = 0.95;

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    packets: u32,
    lost: u32,
    /// Lost right after a lost one.
    lost_again: u32,
    first: Option<Time>,
    last: Time,
}

impl Window {
    fn share(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.packets.max(1))
    }

    fn is_complete(&self) -> bool {
        let span_s = self.first.map_or(0.0, |first| seconds(self.last, first));
        (span_s >= WINDOW_S && self.packets >= WINDOW_PACKETS)
            || (span_s >= LONG_WINDOW_S && self.packets >= LONG_WINDOW_PACKETS)
    }

    fn is_heavy(&self) -> bool {
        self.packets >= HEAVY_PACKETS && self.share() >= HEAVY_LOSS
    }

    /// Of the share, if packets were lost each for itself.
    fn variance(&self) -> f64 {
        let share = self.share().max(0.01);
        share * (1.0 - share) / f64::from(self.packets.max(1))
    }
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    loss: f64,
    rate_before_bps: f64,
}

/// What the rate is to become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// To this, because of congestion.
    Reduce(f64),
    /// Back to this: the loss was inherent.
    Restore(f64),
}

#[derive(Clone, Debug)]
pub struct LossBased {
    window: Window,
    inherent: f64,
    trial: Option<Trial>,
    was_lost: bool,
    /// The window before had too much loss.
    is_suspected: bool,
    /// Of the loss of one packet and of the next, 0..1: radio loses packets in bursts.
    correlation: f64,
    /// Smoothed over a few windows, for those who look.
    shown: f64,
    /// Packets sent earlier than this count for nothing.
    counts_from: Time,
}

impl Default for LossBased {
    fn default() -> Self {
        Self {
            window: Window::default(),
            inherent: 0.0,
            trial: None,
            was_lost: false,
            is_suspected: false,
            correlation: 0.0,
            shown: 0.0,
            counts_from: Time::default(),
        }
    }
}

impl LossBased {
    #[inline]
    pub fn on_packet(&mut self, sent: Time, is_lost: bool) {
        if sent < self.counts_from {
            return;
        }
        self.window.packets += 1;
        self.window.lost += u32::from(is_lost);
        self.window.lost_again += u32::from(is_lost && self.was_lost);
        self.was_lost = is_lost;
        self.window.first.get_or_insert(sent);
        self.window.last = self.window.last.max(sent);
    }

    /// What was called lost came after all.
    pub fn on_late(&mut self, sent: Time) {
        if sent >= self.counts_from {
            self.window.lost = self.window.lost.saturating_sub(1);
        }
    }

    /// After each feedback.
    pub fn judge(&mut self, now: Time, rate_bps: f64, recent_bps: Option<f64>, queue_ms: f64) -> Option<Verdict> {
        let window = self.window;
        if !window.is_complete() && !window.is_heavy() {
            return None;
        }
        self.window = Window::default();
        let loss = window.share();
        self.shown += 0.4 * (loss - self.shown);
        self.learn_correlation(&window);
        let uncertainty = self.uncertainty(&window);
        if let Some(trial) = self.trial.take()
            && loss <= MOST_INHERENT + uncertainty
            && loss >= STAYS * trial.loss
            && queue_ms < QUEUE_MS
        {
            self.inherent = self.inherent.max(loss.min(MOST_INHERENT));
            return Some(Verdict::Restore(trial.rate_before_bps));
        }
        if loss <= self.tolerated(queue_ms) + uncertainty {
            self.is_suspected = false;
            self.learn(loss, queue_ms);
            return None;
        }
        if !std::mem::replace(&mut self.is_suspected, true) && loss < HEAVY_LOSS && queue_ms < QUEUE_MS {
            return None;
        }
        self.is_suspected = false;
        self.counts_from = now + TRIAL_DELAY;
        self.trial = Some(Trial { loss, rate_before_bps: rate_bps });
        Some(Verdict::Reduce(recent_bps.map_or(rate_bps * (1.0 - loss / 2.0), |bps| bps * BACKOFF).min(rate_bps)))
    }

    /// Losses that come in bursts make the share of a window vary more: by (1 + c) / (1 - c).
    fn uncertainty(&self, window: &Window) -> f64 {
        let dispersion = (1.0 + self.correlation) / (1.0 - self.correlation);
        (2.0 * (dispersion * window.variance()).sqrt()).min(MOST_UNCERTAINTY)
    }

    fn learn_correlation(&mut self, window: &Window) {
        if window.lost >= CORRELATION_PACKETS {
            let share = window.share();
            let again = f64::from(window.lost_again) / f64::from(window.lost);
            let correlation = ((again - share) / (1.0 - share).max(0.01)).clamp(0.0, MOST_CORRELATION);
            self.correlation += CORRELATION_WEIGHT * (correlation - self.correlation);
        }
    }

    fn tolerated(&self, queue_ms: f64) -> f64 {
        if queue_ms >= QUEUE_MS { self.inherent + MARGIN_WITH_QUEUE } else { (self.inherent + MARGIN).max(TOLERATED) }
    }

    fn learn(&mut self, loss: f64, queue_ms: f64) {
        if loss < self.inherent {
            self.inherent += UNLEARN * (loss - self.inherent);
        } else if queue_ms < QUEUE_MS {
            let towards = loss.min(MOST_UNTRIED.max(self.inherent));
            self.inherent += LEARN * (towards - self.inherent);
        }
    }

    /// What was sent before `from` says nothing: the path was down.
    pub fn forget_before(&mut self, from: Time) {
        self.counts_from = self.counts_from.max(from);
        (self.window, self.trial) = (Window::default(), None);
    }

    /// Share of packets lost, 0..1, over about the last two seconds.
    pub fn loss(&self) -> f64 {
        self.shown
    }

    pub fn inherent(&self) -> f64 {
        self.inherent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 packets a second, of which `lost` of each 100 are lost, evenly.
    fn run(loss: &mut LossBased, from_ms: u64, to_ms: u64, lost: u64, queue_ms: f64) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for ms in (from_ms..to_ms).step_by(10) {
            let number = ms / 10;
            let is_lost = (number + 1) * lost / 100 > number * lost / 100;
            loss.on_packet(Time(ms * 1_000), is_lost);
            if ms % 50 == 0 {
                verdicts.extend(loss.judge(Time(ms * 1_000), 1e6, Some(9e5), queue_ms));
            }
        }
        verdicts
    }

    #[test]
    fn a_tenth_lost_at_random_is_learned_and_takes_nothing_off() {
        let mut loss = LossBased::default();
        assert_eq!(run(&mut loss, 0, 30_000, 10, 0.0), []);
        assert!((loss.inherent() - 0.1).abs() < 0.02, "{}", loss.inherent());
        assert!((loss.loss() - 0.1).abs() < 0.02);
    }

    #[test]
    fn loss_from_a_full_queue_takes_the_rate_to_what_arrives() {
        let mut loss = LossBased::default();
        run(&mut loss, 0, 5_000, 0, 0.0);
        assert_eq!(run(&mut loss, 5_000, 5_700, 20, 150.0), [Verdict::Reduce(9e5 * BACKOFF)]);
    }

    #[test]
    fn heavy_loss_is_judged_at_once() {
        let mut loss = LossBased::default();
        run(&mut loss, 0, 5_000, 0, 0.0);
        assert_eq!(run(&mut loss, 5_000, 5_500, 60, 0.0).len(), 1);
    }

    #[test]
    fn loss_that_stays_when_less_is_sent_is_inherent_and_the_rate_comes_back() {
        let mut loss = LossBased::default();
        run(&mut loss, 0, 5_000, 0, 0.0);
        let verdicts = run(&mut loss, 5_000, 12_000, 24, 0.0);
        assert_eq!(verdicts, [Verdict::Reduce(9e5 * BACKOFF), Verdict::Restore(1e6)]);
    }

    #[test]
    fn loss_that_goes_when_less_is_sent_was_congestion() {
        let mut loss = LossBased::default();
        assert_eq!(run(&mut loss, 0, 1_200, 24, 0.0).len(), 1);
        assert_eq!(run(&mut loss, 1_200, 10_000, 0, 0.0), []);
        assert!(loss.inherent() < 0.01);
    }

    #[test]
    fn more_than_a_quarter_is_never_inherent() {
        let mut loss = LossBased::default();
        let verdicts = run(&mut loss, 0, 10_000, 50, 0.0);
        assert!(verdicts.len() > 3 && verdicts.iter().all(|verdict| matches!(verdict, Verdict::Reduce(_))));
    }

    #[test]
    fn what_was_sent_while_the_path_was_down_does_not_count() {
        let mut loss = LossBased::default();
        loss.forget_before(Time(3_000_000));
        assert_eq!(run(&mut loss, 0, 3_000, 100, 0.0), []);
    }
}
