//! How long packets wait in the network: their delay above the least one seen lately.
//!
//! The clocks of the two ends differ by a constant that falls out. Of each feedback the packet that waited least counts:
//! it found what was left in the queue by others, not the frame that it belongs to.

use crate::time::{Micros, Time};

/// The least delay is remembered for 15 to 20 s: longer than a queue is let stand, shorter than clocks drift apart
/// (100 parts in a million are 2 ms in 20 s).
const SPAN: Micros = Micros::from_secs(5);
const SPANS: usize = 4;
/// A queue stands when it was never shorter for 3 to 3.5 s.
const FLOOR_SPAN: Micros = Micros::from_millis(500);
const FLOOR_SPANS: usize = 7;
/// A queue that is so long and grew so much since the feedback before, or less but twice running, is building up: no
/// need to wait for a trend.
const LONG_MS: f64 = 20.0;
const LEAP_MS: f64 = 15.0;
const RISE_MS: f64 = 8.0;

/// How much the least delay differs from feedback to feedback is jitter: so many times its mean is no queue. A leap
/// counts as no more than this, and each feedback by this weight.
const NOISE_SHARE: f64 = 2.0;
const MAX_NOISE_MS: f64 = 15.0;
const NOISE_WEIGHT: f64 = 0.04;

/// The least value of each of the last spans of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least<const N: usize> {
    values: [i64; N],
    span: Micros,
    number: u64,
}

impl<const N: usize> Least<N> {
    pub(super) fn new(span: Micros) -> Self {
        Self { values: [i64::MAX; N], span, number: 0 }
    }

    /// Takes a value in and returns the least. Spans that begin now start with `first`.
    pub(super) fn add(&mut self, now: Time, value: i64, first: i64) -> i64 {
        let number = (now.0 / self.span.0).max(self.number);
        for passed in self.number + 1..=number.min(self.number + N as u64) {
            if let Some(least) = self.values.get_mut((passed % N as u64) as usize) {
                *least = first;
            }
        }
        self.number = number;
        if let Some(least) = self.values.get_mut((number % N as u64) as usize) {
            *least = (*least).min(value);
        }
        self.get().unwrap_or(value)
    }

    fn get(&self) -> Option<i64> {
        self.values.iter().copied().min().filter(|least| *least != i64::MAX)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct QueueDelay {
    /// Delays, microseconds, with an unknown constant.
    base: Least<SPANS>,
    floor: Least<FLOOR_SPANS>,
    feedback_least_us: Option<i64>,
    queue: Micros,
    floor_ms: f64,
    raw_ms: f64,
    noise_ms: f64,
    rises: u32,
    is_building: bool,
    /// The base does not expire: somebody else keeps the queue from emptying.
    pub is_held: bool,
}

impl Default for QueueDelay {
    fn default() -> Self {
        Self {
            base: Least::new(SPAN),
            floor: Least::new(FLOOR_SPAN),
            feedback_least_us: None,
            queue: Micros(0),
            floor_ms: 0.0,
            raw_ms: 0.0,
            noise_ms: 0.0,
            rises: 0,
            is_building: false,
            is_held: false,
        }
    }
}

impl QueueDelay {
    #[inline]
    pub fn on_packet(&mut self, sent: Time, arrival_us: i64) {
        let delay_us = arrival_us.saturating_sub(sent.0.cast_signed());
        self.feedback_least_us = Some(self.feedback_least_us.map_or(delay_us, |least| least.min(delay_us)));
    }

    /// All packets of a feedback were seen.
    pub fn on_feedback_end(&mut self, now: Time) {
        let Some(delay_us) = self.feedback_least_us.take() else { return };
        let first = self.base.get().filter(|_| self.is_held).unwrap_or(i64::MAX);
        let base_us = self.base.add(now, delay_us, first);
        let floor_us = self.floor.add(now, delay_us, i64::MAX);
        let above_base = |us: i64| us.saturating_sub(base_us).max(0).cast_unsigned();
        let raw_ms = above_base(delay_us) as f64 / 1e3;
        let rise_ms = raw_ms - std::mem::replace(&mut self.raw_ms, raw_ms);
        let allowed_ms = NOISE_SHARE * self.noise_ms;
        self.noise_ms += NOISE_WEIGHT * (rise_ms.abs().min(MAX_NOISE_MS) - self.noise_ms);
        self.queue = Micros(((raw_ms - allowed_ms).max(0.0) * 1e3) as u64);
        self.floor_ms = (above_base(floor_us) as f64 / 1e3 - allowed_ms).max(0.0);
        self.rises = if rise_ms >= RISE_MS + allowed_ms { self.rises + 1 } else { 0 };
        let is_long = self.ms() - self.floor_ms >= LONG_MS;
        self.is_building = is_long && (rise_ms >= LEAP_MS + allowed_ms || self.rises >= 2);
    }

    /// The delay of an empty queue, microseconds, with an unknown constant.
    pub fn base_us(&self) -> Option<i64> {
        self.base.get()
    }

    /// As of the last feedback.
    pub fn queue(&self) -> Micros {
        self.queue
    }

    pub fn ms(&self) -> f64 {
        self.queue.0 as f64 / 1e3
    }

    /// The least of the last three seconds.
    pub fn floor_ms(&self) -> f64 {
        self.floor_ms
    }

    /// By how much delays usually differ from feedback to feedback.
    pub fn noise_ms(&self) -> f64 {
        self.noise_ms
    }

    /// It grows fast.
    pub fn is_building(&self) -> bool {
        self.is_building
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feedback(queue: &mut QueueDelay, now_ms: u64, delays_ms: &[i64]) -> u64 {
        for delay in delays_ms {
            queue.on_packet(Time(now_ms * 1_000), (now_ms.cast_signed() + delay) * 1_000);
        }
        queue.on_feedback_end(Time(now_ms * 1_000));
        // Nothing of it is taken for jitter here.
        queue.noise_ms = 0.0;
        queue.queue().as_millis()
    }

    #[test]
    fn the_packet_that_waited_least_counts_above_the_least_delay_ever() {
        let mut queue = QueueDelay::default();
        assert_eq!(feedback(&mut queue, 100, &[-500, -480]), 0);
        assert_eq!(feedback(&mut queue, 200, &[-400, -460, -380]), 40);
        assert_eq!(feedback(&mut queue, 300, &[-510]), 0);
        assert_eq!(feedback(&mut queue, 400, &[-500]), 10);
    }

    #[test]
    fn a_longer_path_is_the_new_base_after_a_while() {
        let mut queue = QueueDelay::default();
        feedback(&mut queue, 0, &[20]);
        assert_eq!(feedback(&mut queue, 1_000, &[70]), 50);
        assert_eq!(feedback(&mut queue, 14_000, &[70]), 50);
        assert_eq!(feedback(&mut queue, 21_000, &[70]), 0);
        assert_eq!(feedback(&mut queue, 2_000_000, &[90]), 0);
    }

    #[test]
    fn what_differs_from_feedback_to_feedback_is_jitter_and_no_queue() {
        let mut queue = QueueDelay::default();
        for round in 0..400 {
            queue.on_packet(Time(round * 50_000), (round * 50_000).cast_signed() + (round % 2).cast_signed() * 10_000);
            queue.on_feedback_end(Time(round * 50_000));
        }
        assert!((queue.noise_ms() - 10.0).abs() < 0.1, "{}", queue.noise_ms());
        assert_eq!(queue.queue(), Micros(0));
    }

    #[test]
    fn a_held_base_stays() {
        let mut queue = QueueDelay::default();
        feedback(&mut queue, 0, &[20]);
        queue.is_held = true;
        for ms in (1_000..60_000).step_by(1_000) {
            assert_eq!(feedback(&mut queue, ms, &[70]), 50);
        }
        assert!((queue.floor_ms() - 50.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_leap_or_two_rises_to_a_long_queue_are_building_up_and_a_short_stall_is_not() {
        let mut queue = QueueDelay::default();
        let mut builds = |now_ms, delays_ms: &[i64]| {
            feedback(&mut queue, now_ms, delays_ms);
            queue.is_building()
        };
        assert!(!builds(0, &[20, 25]));
        assert!(!builds(50, &[120, 80, 22]), "the stall was over when feedback was sent");
        assert!(builds(100, &[60, 90]));
        assert!(!builds(150, &[45, 30]));
        assert!(!builds(200, &[22]));
        assert!(!builds(250, &[32]));
        assert!(builds(300, &[42]));
    }
}
