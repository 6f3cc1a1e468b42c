//! Congestion windows in segments: Reno (RFC 5681) and CUBIC (RFC 9438).

use sfu_core::time::{Micros, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Reno,
    Cubic,
}

/// RFC 6928.
const INITIAL: f64 = 10.0;
const MINIMUM: f64 = 2.0;
/// RFC 9438 §5: C, and the factor of multiplicative decrease.
const C: f64 = 0.4;
const BETA_CUBIC: f64 = 0.7;
/// Of the window that Reno would have, in segments per window (RFC 9438 §4.3).
const ALPHA_CUBIC: f64 = 3.0 * (1.0 - BETA_CUBIC) / (1.0 + BETA_CUBIC);

#[derive(Clone, Copy, Debug)]
pub struct Window {
    algorithm: Algorithm,
    segments: f64,
    threshold: f64,
    /// Window before the last reduction.
    max: f64,
    /// When congestion avoidance began after the last reduction.
    epoch: Option<Time>,
    /// Window at that time.
    at_epoch: f64,
    /// What Reno would have.
    reno: f64,
}

impl Window {
    pub fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, segments: INITIAL, threshold: f64::MAX, max: 0.0, epoch: None, at_epoch: 0.0, reno: 0.0 }
    }

    pub fn segments(&self) -> f64 {
        self.segments
    }

    /// One segment was acknowledged.
    pub fn on_ack(&mut self, now: Time, srtt: Micros) {
        if self.segments < self.threshold {
            self.segments += 1.0;
            return;
        }
        match self.algorithm {
            Algorithm::Reno => self.segments += 1.0 / self.segments,
            Algorithm::Cubic => self.grow_cubic(now, srtt),
        }
    }

    /// RFC 9438 §4.2 to §4.5.
    fn grow_cubic(&mut self, now: Time, srtt: Micros) {
        if self.epoch.is_none() {
            self.epoch = Some(now);
            self.at_epoch = self.segments;
            self.reno = self.segments;
            self.max = self.max.max(self.segments);
        }
        let elapsed_s = now.since(self.epoch.unwrap_or(now)).0 as f64 / 1e6;
        let alpha = if self.reno < self.max { ALPHA_CUBIC } else { 1.0 };
        self.reno += alpha / self.segments;
        if self.cubic(elapsed_s) < self.reno {
            self.segments = self.reno;
            return;
        }
        let target = self.cubic(elapsed_s + srtt.0 as f64 / 1e6).clamp(self.segments, 1.5 * self.segments);
        self.segments += (target - self.segments) / self.segments;
    }

    /// `W_cubic(t)`.
    fn cubic(&self, elapsed_s: f64) -> f64 {
        let k = ((self.max - self.at_epoch) / C).cbrt();
        C * (elapsed_s - k).powi(3) + self.max
    }

    pub fn on_loss(&mut self, _now: Time) {
        match self.algorithm {
            Algorithm::Reno => self.segments /= 2.0,
            Algorithm::Cubic => {
                // Fast convergence (RFC 9438 §4.7): leave room for those who came later.
                let is_lower = self.segments < self.max;
                self.max = if is_lower { self.segments * (1.0 + BETA_CUBIC) / 2.0 } else { self.segments };
                self.segments *= BETA_CUBIC;
            }
        }
        self.segments = self.segments.max(MINIMUM);
        self.threshold = self.segments;
        self.epoch = None;
    }

    pub fn on_timeout(&mut self) {
        self.max = self.segments;
        self.threshold = (self.segments / 2.0).max(MINIMUM);
        self.segments = 1.0;
        self.epoch = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Acknowledges whole windows, one each round trip, and gives the window after each.
    fn rounds(window: &mut Window, start: Time, rtt: Micros, count: usize) -> Vec<f64> {
        let mut now = start;
        (0..count)
            .map(|_| {
                now = now + rtt;
                (0..window.segments() as usize).for_each(|_| window.on_ack(now, rtt));
                window.segments()
            })
            .collect()
    }

    #[test]
    fn slow_start_doubles_each_round_trip() {
        let mut window = Window::new(Algorithm::Reno);
        let sizes = rounds(&mut window, Time(0), Micros::from_millis(50), 4);
        assert_eq!(sizes, [20.0, 40.0, 80.0, 160.0]);
    }

    #[test]
    fn reno_adds_a_segment_each_round_trip_after_halving() {
        let mut window = Window::new(Algorithm::Reno);
        rounds(&mut window, Time(0), Micros::from_millis(50), 3);
        window.on_loss(Time(0));
        assert!((window.segments() - 40.0).abs() < 1e-9);
        let sizes = rounds(&mut window, Time(0), Micros::from_millis(50), 10);
        assert!((sizes[9] - 50.0).abs() < 0.5, "{sizes:?}");
    }

    #[test]
    fn cubic_grows_along_its_curve() {
        let mut window = Window::new(Algorithm::Cubic);
        rounds(&mut window, Time(0), Micros::from_millis(100), 5);
        let before = window.segments();
        window.on_loss(Time(0));
        let rtt = Micros::from_millis(100);
        let sizes = rounds(&mut window, Time(0), rtt, 120);
        // K = cbrt(W_max (1 - beta) / C): the plateau (RFC 9438, figure 2).
        let k = (before * (1.0 - BETA_CUBIC) / C).cbrt();
        let expected = |t: f64| C * (t - k).powi(3) + before;
        for (round, size) in sizes.iter().enumerate().skip(3) {
            let t = (round as f64) * 0.1;
            assert!((size / expected(t) - 1.0).abs() < 0.06, "{t} {size} {}", expected(t));
        }
    }

    #[test]
    fn cubic_is_no_slower_than_reno_on_short_paths() {
        let rtt = Micros::from_millis(10);
        let mut window = Window::new(Algorithm::Cubic);
        window.on_loss(Time(0));
        let before = window.segments();
        let sizes = rounds(&mut window, Time(0), rtt, 100);
        assert!(sizes[99] > before + 0.9 * ALPHA_CUBIC * 100.0, "{}", sizes[99]);
    }
}
