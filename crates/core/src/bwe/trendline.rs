//! Does the delay grow? The slope of a line through the smoothed delays of the last bursts (GCC draft §5.4, as the
//! trendline filter that took the Kalman filter's place).

use super::inter_arrival::Delta;

const WINDOW: usize = 20;
/// Share of the old value in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// So many bursts at most speak for a slope, and each so loudly: the threshold of the detector is made for these two.
const MAX_WEIGHT: u32 = 60;
const GAIN: f64 = 4.0;

#[derive(Clone, Debug, Default)]
pub struct Trendline {
    /// Arrival and smoothed delay, milliseconds.
    samples: [(f64, f64); WINDOW],
    count: u32,
    first_ms: f64,
    accumulated_ms: f64,
    smoothed_ms: f64,
}

impl Trendline {
    /// The weighted slope after a burst: milliseconds of delay, comparable with the detector's threshold.
    pub fn on_burst(&mut self, delta: Delta) -> f64 {
        if self.count == 0 {
            self.first_ms = delta.at_ms;
        }
        self.accumulated_ms += delta.arrival_ms - delta.sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        if let Some(place) = self.samples.get_mut(self.count as usize % WINDOW) {
            *place = (delta.at_ms - self.first_ms, self.smoothed_ms);
        }
        self.count = self.count.saturating_add(1);
        self.slope() * f64::from(self.count.min(MAX_WEIGHT)) * GAIN
    }

    /// Least squares; zero until the window is full.
    fn slope(&self) -> f64 {
        if (self.count as usize) < WINDOW {
            return 0.0;
        }
        let n = WINDOW as f64;
        let (sum_x, sum_y) = self.samples.iter().fold((0.0, 0.0), |(x, y), sample| (x + sample.0, y + sample.1));
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let (mut above, mut below) = (0.0, 0.0);
        for (x, y) in &self.samples {
            above += (x - mean_x) * (y - mean_y);
            below += (x - mean_x) * (x - mean_x);
        }
        if below > 0.0 { above / below } else { 0.0 }
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(growth_ms: f64, bursts: u32) -> f64 {
        let mut line = Trendline::default();
        let mut trend = 0.0;
        for burst in 0..bursts {
            let arrival_ms = 20.0 + growth_ms;
            trend = line.on_burst(Delta { sent_ms: 20.0, arrival_ms, at_ms: f64::from(burst) * arrival_ms });
        }
        trend
    }

    #[test]
    fn a_constant_delay_has_no_trend() {
        assert!(trend(0.0, 100).abs() < 1e-9);
    }

    #[test]
    fn a_growing_delay_has_a_positive_trend_and_a_falling_one_a_negative() {
        // 1 ms of 20: 5 % too much.
        assert!(trend(1.0, 100) > 10.0);
        assert!(trend(-1.0, 100) < -10.0);
    }

    #[test]
    fn a_few_bursts_say_nothing() {
        assert!(trend(5.0, WINDOW as u32 - 1).abs() < 1e-9);
    }
}
