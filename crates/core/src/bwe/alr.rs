//! Is the application limited, that is, does it send less than it may? Then what arrives says little of the network.
//!
//! A server's media is not elastic: what is sent is what layers there are, so this is the usual case. The estimate is
//! held meanwhile, and only probes raise it.

use super::seconds;
use crate::time::{Micros, Time};

/// The rate of sending is smoothed over about half a second, so that a frame more or less matters little.
const SMOOTHING_S: f64 = 0.5;
const LEAST_STEP: Micros = Micros::from_millis(50);
/// Limited below, and no more above this share of the estimate; between the two it stays what it was.
const LIMITED_BELOW: f64 = 0.80;
const FULL_ABOVE: f64 = 0.88;

#[derive(Clone, Copy, Debug, Default)]
pub struct ApplicationLimit {
    /// Of the bytes that were sent, those that are taken in.
    counted: u64,
    since: Option<Time>,
    sent_bps: f64,
    share: f64,
    is_limited: bool,
}

impl ApplicationLimit {
    /// At each feedback and time-out; `bytes`: all that were ever sent.
    pub fn update(&mut self, now: Time, bytes: u64, estimate_bps: f64) {
        let Some(since) = self.since else {
            self.since = Some(now);
            return;
        };
        if now.since(since) < LEAST_STEP {
            return;
        }
        let passed_s = seconds(now, since);
        let bps = (bytes - self.counted) as f64 * 8.0 / passed_s;
        let weight = 1.0 - (-passed_s / SMOOTHING_S).exp();
        self.sent_bps += weight * (bps - self.sent_bps);
        (self.since, self.counted) = (Some(now), bytes);
        self.share = self.sent_bps / estimate_bps.max(1.0);
        self.is_limited = self.share < LIMITED_BELOW || (self.is_limited && self.share < FULL_ABOVE);
    }

    pub fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Of the estimate, what is sent.
    pub fn share(&self) -> f64 {
        self.share
    }

    pub fn sent_bps(&self) -> f64 {
        self.sent_bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends 1 Mbit/s for two seconds with feedback every 50 ms.
    fn send(alr: &mut ApplicationLimit, from_ms: u64, bytes_per_ms: u64, estimate_bps: f64) -> bool {
        for ms in from_ms..from_ms + 2_000 {
            if ms % 50 == 0 {
                alr.update(Time(ms * 1_000), ms * bytes_per_ms, estimate_bps);
            }
        }
        alr.is_limited()
    }

    #[test]
    fn sending_much_less_than_the_estimate_is_limited_and_nearly_all_of_it_is_not() {
        let mut alr = ApplicationLimit::default();
        assert!(send(&mut alr, 0, 125, 1.5e6));
        assert!((alr.sent_bps() - 1e6).abs() < 3e4, "{}", alr.sent_bps());
        assert!(!send(&mut alr, 2_000, 125, 1.05e6));
        // Between the two bounds it stays what it was.
        assert!(!send(&mut alr, 4_000, 125, 1.2e6));
        assert!(send(&mut alr, 6_000, 125, 1.5e6));
        assert!(send(&mut alr, 8_000, 125, 1.2e6));
    }
}
