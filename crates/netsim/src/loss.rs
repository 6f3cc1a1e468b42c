//! Loss that has nothing to do with queues: radio.

use crate::random::Random;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LossModel {
    #[default]
    None,
    /// Each packet by itself.
    Random { p: f64 },
    /// Bursts: two states with a share of loss each, left with a probability at each packet (Gilbert, Elliott).
    GilbertElliott { to_bad: f64, to_good: f64, loss_in_good: f64, loss_in_bad: f64 },
}

impl LossModel {
    /// Bursts of `burst` packets on average in which everything is lost, `mean` of all packets in the long run.
    pub fn bursts(mean: f64, burst: f64) -> Self {
        let to_good = 1.0 / burst.max(1.0);
        let to_bad = (to_good * mean / (1.0 - mean).max(1e-9)).min(1.0);
        Self::GilbertElliott { to_bad, to_good, loss_in_good: 0.0, loss_in_bad: 1.0 }
    }
}

/// Says of packet after packet whether it is lost.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    model: LossModel,
    is_bad: bool,
    random: Random,
}

impl Loss {
    pub fn new(model: LossModel, random: Random) -> Self {
        Self { model, is_bad: false, random }
    }

    pub fn takes(&mut self) -> bool {
        match self.model {
            LossModel::None => false,
            LossModel::Random { p } => self.random.chance(p),
            LossModel::GilbertElliott { to_bad, to_good, loss_in_good, loss_in_bad } => {
                self.is_bad = if self.is_bad { !self.random.chance(to_good) } else { self.random.chance(to_bad) };
                self.random.chance(if self.is_bad { loss_in_bad } else { loss_in_good })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: usize = 400_000;

    /// Share of loss and mean length of its runs.
    fn statistics(model: LossModel) -> (f64, f64) {
        let mut loss = Loss::new(model, Random::new(11));
        let lost: Vec<bool> = (0..PACKETS).map(|_| loss.takes()).collect();
        let total = lost.iter().filter(|&&lost| lost).count();
        let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        (total as f64 / PACKETS as f64, total as f64 / runs.max(1) as f64)
    }

    #[test]
    fn random_loss_comes_alone() {
        let (share, run) = statistics(LossModel::Random { p: 0.02 });
        assert!((share - 0.02).abs() < 0.001, "{share}");
        assert!((run - 1.0 / 0.98).abs() < 0.02, "{run}");
    }

    #[test]
    fn bursts_have_the_mean_and_the_length_that_they_should_have() {
        let (share, run) = statistics(LossModel::bursts(0.05, 8.0));
        assert!((share - 0.05).abs() < 0.004, "{share}");
        assert!((run - 8.0).abs() < 0.4, "{run}");
    }

    #[test]
    fn both_states_lose_their_share() {
        let model = LossModel::GilbertElliott { to_bad: 0.01, to_good: 0.03, loss_in_good: 0.001, loss_in_bad: 0.3 };
        let (share, _) = statistics(model);
        // A quarter of the time is bad.
        assert!((share - (0.75 * 0.001 + 0.25 * 0.3)).abs() < 0.006, "{share}");
    }
}
