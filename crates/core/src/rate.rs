//! Meters and limits over time: bit rates, token buckets.

use crate::time::{Micros, Time};

const BUCKETS: usize = 8;
const BUCKET_US: u64 = 125_000;

/// Bytes over the last second, in eight buckets.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateMeter {
    buckets: [u32; BUCKETS],
    /// Number of the newest bucket since the epoch.
    newest: u64,
}

impl RateMeter {
    pub fn add(&mut self, now: Time, bytes: usize) {
        self.roll(now);
        if let Some(bucket) = self.buckets.get_mut((self.newest % BUCKETS as u64) as usize) {
            *bucket = bucket.saturating_add(bytes as u32);
        }
    }

    fn roll(&mut self, now: Time) {
        let current = now.0 / BUCKET_US;
        let steps = current.saturating_sub(self.newest);
        for step in 1..=steps.min(BUCKETS as u64) {
            if let Some(bucket) = self.buckets.get_mut(((self.newest + step) % BUCKETS as u64) as usize) {
                *bucket = 0;
            }
        }
        self.newest = self.newest.max(current);
    }

    /// Bytes of the last second (seven to eight eighths of it, to be exact).
    pub fn bytes_per_second(&self, now: Time) -> u64 {
        let mut copy = *self;
        copy.roll(now);
        copy.buckets.iter().map(|&bytes| u64::from(bytes)).sum()
    }

    pub fn bits_per_second(&self, now: Time) -> u64 {
        self.bytes_per_second(now) * 8
    }
}

/// Lets `burst` pass at once and `per_second` in the long run.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// In millionths of a token.
    tokens: u64,
    burst: u32,
    per_second: u32,
    filled_at: Time,
}

impl TokenBucket {
    pub fn new(burst: u32, per_second: u32) -> Self {
        Self { tokens: u64::from(burst) * 1_000_000, burst, per_second, filled_at: Time(0) }
    }

    /// Takes one token if there is one.
    pub fn take(&mut self, now: Time) -> bool {
        let gained = now.since(self.filled_at).0.saturating_mul(u64::from(self.per_second));
        self.filled_at = self.filled_at.max(now);
        self.tokens = self.tokens.saturating_add(gained).min(u64::from(self.burst) * 1_000_000);
        let Some(rest) = self.tokens.checked_sub(1_000_000) else { return false };
        self.tokens = rest;
        true
    }
}

/// The earlier of two times where `None` is never.
pub fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// `a * b / c` without overflow in between; saturates.
pub fn scale(value: Micros, numerator: u64, denominator: u64) -> Micros {
    let product = u128::from(value.0) * u128::from(numerator) / u128::from(denominator.max(1));
    Micros(u64::try_from(product).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_reads_as_its_rate_and_a_stopped_one_as_nothing() {
        let mut meter = RateMeter::default();
        for packet in 0..200u64 {
            meter.add(Time(packet * 10_000), 125);
        }
        let rate = meter.bits_per_second(Time(1_999_999));
        assert_eq!(rate, 100_000);
        assert_eq!(meter.bits_per_second(Time(4_000_000)), 0);
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let mut bucket = TokenBucket::new(3, 10);
        let at_once = (0..10).filter(|_| bucket.take(Time(1_000_000))).count();
        let later = (0..10).filter(|_| bucket.take(Time(1_200_000))).count();
        assert_eq!((at_once, later), (3, 2));
    }
}
