//! Compares the trend of the delay with a threshold that follows it (GCC draft §5.4).
//!
//! The threshold adapts so that a flow that fills the queue for its own sake (TCP) does not starve ours: while trends
//! are large for a long time, they count less.

use super::inter_arrival::Delta;

const FIRST_THRESHOLD_MS: f64 = 12.5;
const LEAST_THRESHOLD_MS: f64 = 6.0;
const MOST_THRESHOLD_MS: f64 = 600.0;
/// Per millisecond: how fast the threshold rises and falls towards the trend.
const RISE: f64 = 0.0087;
const FALL: f64 = 0.039;
/// A trend so far above the threshold is a sudden event and does not move it.
const MAX_DISTANCE_MS: f64 = 15.0;
/// After a break the threshold does not move by more than it would in so long.
const MAX_STEP_MS: f64 = 100.0;
/// A trend must last so long, over more than one burst, and not fall meanwhile.
const OVERUSE_MS: f64 = 10.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    #[default]
    Normal,
    /// The queue grows.
    Over,
    /// The queue drains.
    Under,
}

#[derive(Clone, Copy, Debug)]
pub struct OveruseDetector {
    threshold_ms: f64,
    over_ms: f64,
    over_bursts: u32,
    last_trend_ms: f64,
    last_at_ms: Option<f64>,
    usage: Usage,
}

impl Default for OveruseDetector {
    fn default() -> Self {
        Self {
            threshold_ms: FIRST_THRESHOLD_MS,
            over_ms: 0.0,
            over_bursts: 0,
            last_trend_ms: 0.0,
            last_at_ms: None,
            usage: Usage::Normal,
        }
    }
}

impl OveruseDetector {
    pub fn on_trend(&mut self, trend_ms: f64, delta: Delta) -> Usage {
        if trend_ms > self.threshold_ms {
            self.over_ms += if self.over_bursts == 0 { delta.sent_ms / 2.0 } else { delta.sent_ms };
            self.over_bursts += 1;
            if self.over_ms > OVERUSE_MS && self.over_bursts > 1 && trend_ms >= self.last_trend_ms {
                (self.over_ms, self.over_bursts, self.usage) = (0.0, 0, Usage::Over);
            }
        } else {
            (self.over_ms, self.over_bursts) = (0.0, 0);
            self.usage = if trend_ms < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.last_trend_ms = trend_ms;
        self.adapt(trend_ms, delta.at_ms);
        self.usage
    }

    fn adapt(&mut self, trend_ms: f64, at_ms: f64) {
        let passed = (at_ms - self.last_at_ms.unwrap_or(at_ms)).clamp(0.0, MAX_STEP_MS);
        self.last_at_ms = Some(at_ms);
        let distance = trend_ms.abs() - self.threshold_ms;
        if distance > MAX_DISTANCE_MS {
            return;
        }
        let speed = if distance < 0.0 { FALL } else { RISE };
        let moved = self.threshold_ms + speed * distance * passed;
        self.threshold_ms = moved.clamp(LEAST_THRESHOLD_MS, MOST_THRESHOLD_MS);
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Forgets what it saw but not how high the threshold was.
    pub fn reset(&mut self) {
        *self = Self { threshold_ms: self.threshold_ms, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(detector: &mut OveruseDetector, from: u32, trends: &[f64]) -> Usage {
        for (burst, trend) in (from..).zip(trends) {
            let at_ms = f64::from(burst) * 20.0;
            detector.on_trend(*trend, Delta { sent_ms: 20.0, arrival_ms: 20.0, at_ms });
        }
        detector.usage()
    }

    #[test]
    fn one_burst_above_the_threshold_is_not_overuse_but_two_are() {
        let mut detector = OveruseDetector::default();
        assert_eq!(run(&mut detector, 0, &[0.0, 40.0]), Usage::Normal);
        assert_eq!(run(&mut detector, 2, &[41.0]), Usage::Over);
    }

    #[test]
    fn a_trend_that_falls_again_is_not_overuse() {
        assert_eq!(run(&mut OveruseDetector::default(), 0, &[40.0, 39.0, 38.0, 37.0]), Usage::Normal);
    }

    #[test]
    fn a_draining_queue_is_underuse_and_then_normal() {
        let mut detector = OveruseDetector::default();
        assert_eq!(run(&mut detector, 0, &[-40.0]), Usage::Under);
        assert_eq!(run(&mut detector, 1, &[0.0]), Usage::Normal);
    }

    #[test]
    fn trends_just_above_the_threshold_for_long_raise_it() {
        let mut detector = OveruseDetector::default();
        for round in 0..20 {
            run(&mut detector, round * 20, &[20.0; 20]);
        }
        assert!(detector.threshold_ms > 19.0, "{}", detector.threshold_ms);
        assert_eq!(run(&mut detector, 400, &[18.0, 18.0]), Usage::Normal);
    }
}
