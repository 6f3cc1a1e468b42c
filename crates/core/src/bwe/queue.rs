//! How long packets wait in the network: their delay above the least one seen lately.
//!
//! The clocks of the two ends differ by a constant that falls out. Of each feedback the packet that waited least counts:
//! it found what was left in the queue by others, not the frame that it belongs to.

use crate::time::{Micros, Time};

/// The least delay is remembered for 15 to 20 s: longer than a queue is let stand, shorter than clocks drift apart
/// (100 parts in a million are 2 ms in 20 s).
const SPAN: Micros = Micros::from_secs(5);
const SPANS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub struct QueueDelay {
    /// Least delay of each span, microseconds, with an unknown constant.
    least_us: [i64; SPANS],
    span_number: u64,
    feedback_least_us: Option<i64>,
    queue: Micros,
}

impl Default for QueueDelay {
    fn default() -> Self {
        Self { least_us: [i64::MAX; SPANS], span_number: 0, feedback_least_us: None, queue: Micros(0) }
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
        let number = now.0 / SPAN.0;
        for passed in self.span_number + 1..=number.min(self.span_number + SPANS as u64) {
            if let Some(least) = self.least_us.get_mut((passed % SPANS as u64) as usize) {
                *least = i64::MAX;
            }
        }
        self.span_number = self.span_number.max(number);
        if let Some(least) = self.least_us.get_mut((self.span_number % SPANS as u64) as usize) {
            *least = (*least).min(delay_us);
        }
        let base_us = self.least_us.iter().copied().min().unwrap_or(delay_us);
        self.queue = Micros(delay_us.saturating_sub(base_us).max(0).cast_unsigned());
    }

    /// As of the last feedback.
    pub fn queue(&self) -> Micros {
        self.queue
    }

    pub fn ms(&self) -> f64 {
        self.queue.0 as f64 / 1e3
    }

    pub fn reset(&mut self) {
        *self = Self::default();
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
}
