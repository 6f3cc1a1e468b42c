//! What the link carried when its queue began to grow: a mean and how much it varies (GCC draft §5.5, near convergence).

/// Weight of a new value: what a growing queue showed, what a probe showed.
const OVERUSE_WEIGHT: f64 = 0.05;
const PROBE_WEIGHT: f64 = 0.5;
/// Variance relative to the mean, kbit/s: the first value and bounds; 0.4 is about 14 kbit/s at 500 kbit/s.
const LEAST_VARIANCE: f64 = 0.4;
const MOST_VARIANCE: f64 = 2.5;
/// What lies further from the mean than so many deviations belongs to another capacity.
const DEVIATIONS: f64 = 3.0;

#[derive(Clone, Copy, Debug, Default)]
pub struct LinkCapacity {
    mean_kbps: Option<f64>,
    variance: f64,
}

impl LinkCapacity {
    /// The queue grew while so much arrived.
    pub fn on_overuse(&mut self, acked_bps: f64) {
        if !self.contains(acked_bps) {
            self.mean_kbps = None;
        }
        self.update(acked_bps / 1e3, OVERUSE_WEIGHT);
    }

    /// A probe arrived at less than its rate, so at the link's.
    pub fn on_probe(&mut self, bps: f64) {
        self.update(bps / 1e3, PROBE_WEIGHT);
    }

    fn update(&mut self, kbps: f64, weight: f64) {
        let Some(mean) = self.mean_kbps else {
            (self.mean_kbps, self.variance) = (Some(kbps), LEAST_VARIANCE);
            return;
        };
        let error = kbps - mean;
        let mean = mean + weight * error;
        let variance = self.variance + weight * (error * error / mean.max(1.0) - self.variance);
        (self.mean_kbps, self.variance) = (Some(mean), variance.clamp(LEAST_VARIANCE, MOST_VARIANCE));
    }

    /// Within what is usual for this link, or nothing is known of it.
    pub fn contains(&self, bps: f64) -> bool {
        let kbps = bps / 1e3;
        self.mean_kbps.is_none_or(|mean| (kbps - mean).abs() <= DEVIATIONS * (self.variance * mean).sqrt())
    }

    /// More arrives than the link is known to carry: it is another one.
    pub fn is_exceeded_by(&self, bps: f64) -> bool {
        self.mean_kbps.is_some_and(|mean| bps / 1e3 > mean && !self.contains(bps))
    }

    pub fn bps(&self) -> Option<f64> {
        self.mean_kbps.map(|mean| mean * 1e3)
    }

    pub fn forget(&mut self) {
        self.mean_kbps = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_near_the_mean_move_it_and_far_ones_replace_it() {
        let mut capacity = LinkCapacity::default();
        assert!(capacity.contains(5e6));
        capacity.on_overuse(1e6);
        capacity.on_overuse(1.02e6);
        assert!((capacity.bps().unwrap() - 1.001e6).abs() < 1.0);
        assert!(!capacity.is_exceeded_by(1.03e6));
        assert!(capacity.is_exceeded_by(1.3e6));
        capacity.on_overuse(4e5);
        assert!((capacity.bps().unwrap() - 4e5).abs() < 1.0);
    }

    #[test]
    fn a_probe_weighs_more() {
        let mut capacity = LinkCapacity::default();
        capacity.on_overuse(1e6);
        capacity.on_probe(2e6);
        assert!((capacity.bps().unwrap() - 1.5e6).abs() < 1.0);
    }
}
