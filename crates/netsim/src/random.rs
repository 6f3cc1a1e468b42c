//! Seeded randomness with the distributions that the models need.

use sfu_core::hash::next_random;

/// A sequence of random numbers. Each model has its own, so that one model's draws do not shift another's.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence for a part, `label` tells parts apart.
    #[must_use]
    pub fn fork(self, label: u64) -> Self {
        let mut state = self.0 ^ label.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        Self(next_random(&mut state))
    }

    pub fn next_u64(&mut self) -> u64 {
        next_random(&mut self.0)
    }

    /// Uniform in 0..1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`. Draws nothing when `p` is zero.
    pub fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.unit() < p
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Of mean 0 and deviation 1 (Box and Muller's transform).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..100_000).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn distributions_have_the_mean_and_deviation_that_they_should_have() {
        let mut random = Random::new(1);
        let (mean, deviation) = moments(|| random.normal());
        assert!(mean.abs() < 0.02 && (deviation - 1.0).abs() < 0.02, "{mean} {deviation}");
        let (mean, deviation) = moments(|| random.exponential(3.0));
        assert!((mean - 3.0).abs() < 0.06 && (deviation - 3.0).abs() < 0.06, "{mean} {deviation}");
        let (mean, deviation) = moments(|| random.between(2.0, 4.0));
        assert!((mean - 3.0).abs() < 0.02 && (deviation - 2.0 / 12f64.sqrt()).abs() < 0.02, "{mean} {deviation}");
    }

    #[test]
    fn forks_differ_and_repeat() {
        let parent = Random::new(7);
        assert_eq!(parent.fork(1).next_u64(), parent.fork(1).next_u64());
        assert_ne!(parent.fork(1).next_u64(), parent.fork(2).next_u64());
    }
}
