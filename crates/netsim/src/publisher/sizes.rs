//! How large the frames of one layer are: a mean, noise around it, keyframes, and a rate that is kept over them.

use crate::random::Random;

/// Deviation of a frame's size from its mean, of the natural logarithm.
const SPREAD: f64 = 0.2;
/// Share by which frames shrink while the encoder has spent too much.
const REPAYMENT: f64 = 0.25;
const MIN_FRAME: usize = 60;

/// A factor for a frame's size, with the mean 1: how much there is to be coded in this picture.
pub(super) fn noise(random: &mut Random) -> f64 {
    // A log-normal variable has the mean 1 when it is shifted by half its variance.
    (SPREAD * random.normal() - SPREAD * SPREAD / 2.0).exp()
}

#[derive(Clone, Debug)]
pub(super) struct Sizes {
    /// Bytes of a frame, on average.
    mean: f64,
    /// Bytes spent above the rate.
    debt: f64,
}

impl Sizes {
    pub(super) fn new(bps: u64, frame_rate: f64) -> Self {
        Self { mean: bps as f64 / 8.0 / frame_rate, debt: 0.0 }
    }

    /// Bytes of a frame that gets `weight` means of the rate.
    pub(super) fn delta(&mut self, weight: f64, noise: f64) -> usize {
        let repayment = (self.debt / (4.0 * self.mean)).clamp(-REPAYMENT, REPAYMENT);
        self.spend(self.mean * weight * noise * (1.0 - repayment), weight)
    }

    /// Bytes of a keyframe of so many means.
    pub(super) fn keyframe(&mut self, means: f64) -> usize {
        self.spend(self.mean * means, 1.0)
    }

    fn spend(&mut self, wanted: f64, share: f64) -> usize {
        let bytes = (wanted as usize).max(MIN_FRAME);
        self.debt += bytes as f64 - self.mean * share;
        bytes
    }
}
