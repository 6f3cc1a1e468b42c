//! What a link carries over time: a rate that is constant in pieces.

use sfu_core::time::{Micros, Time};

use crate::random::Random;

/// Rates from points in time on; the first holds from the beginning, the last for ever. A rate of zero is an outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateTrace {
    /// (from when on, bit/s), ascending, the first at time zero.
    steps: Vec<(Time, u64)>,
}

/// A mobile network's rate: what the scheduler gives changes every 100 ms around a median, and is gone at times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LteOptions {
    pub median_bps: u64,
    /// Deviation of the rate's natural logarithm.
    pub spread: f64,
    /// How fast the rate forgets what it was, seconds.
    pub memory_s: f64,
    /// Mean time between two outages, seconds; 0: none.
    pub between_outages_s: f64,
    pub outage_s: f64,
}

impl Default for LteOptions {
    /// The figures of a moving phone in the public LTE traces: factors of two within seconds.
    fn default() -> Self {
        Self { median_bps: 3_000_000, spread: 0.4, memory_s: 3.0, between_outages_s: 20.0, outage_s: 2.0 }
    }
}

const LTE_STEP: Micros = Micros::from_millis(100);

impl RateTrace {
    pub fn constant(bps: u64) -> Self {
        Self { steps: vec![(Time(0), bps)] }
    }

    /// (from when on, bit/s) in any order; before the first its rate holds too. `None` without a single one.
    pub fn steps(mut steps: Vec<(Time, u64)>) -> Option<Self> {
        steps.sort_by_key(|step| step.0);
        steps.first_mut()?.0 = Time(0);
        Some(Self { steps })
    }

    /// An LTE-like trace until `end`; the last rate holds from there on.
    pub fn lte(options: LteOptions, mut random: Random, end: Time) -> Self {
        let keep = (-(LTE_STEP.0 as f64 / 1e6) / options.memory_s.max(0.001)).exp();
        let noise = options.spread * (1.0 - keep * keep).sqrt();
        let mut deviation = options.spread * random.normal();
        let mut outage = NextOutage::new(options, &mut random);
        let mut steps = Vec::new();
        let mut now = Time(0);
        while now <= end {
            deviation = keep * deviation + noise * random.normal();
            let bps = (options.median_bps as f64 * deviation.clamp(-2.0, 1.2).exp()) as u64;
            steps.push((now, if outage.covers(now, options, &mut random) { 0 } else { bps }));
            now = now + LTE_STEP;
        }
        Self { steps }
    }

    fn index_at(&self, at: Time) -> usize {
        self.steps.partition_point(|step| step.0 <= at).saturating_sub(1)
    }

    pub fn rate_at(&self, at: Time) -> u64 {
        self.steps[self.index_at(at)].1
    }

    /// When `bytes` that begin to leave at `start` have left; `None`: never.
    pub fn finish(&self, start: Time, bytes: usize) -> Option<Time> {
        // In bits times microseconds per second, so that nothing is rounded before the end.
        let mut left = bytes as u64 * 8 * 1_000_000;
        let mut now = start;
        for index in self.index_at(start).. {
            let bps = self.steps[index].1;
            let next = self.steps.get(index + 1).map(|step| step.0);
            let room = next.map_or(u64::MAX, |next| next.since(now).0.saturating_mul(bps));
            if bps > 0 && left <= room {
                return Some(now + Micros(left.div_ceil(bps)));
            }
            left -= room.min(left);
            now = next?;
        }
        None
    }

    /// Bits that the link could carry in a span of time.
    pub fn capacity_bits(&self, from: Time, to: Time) -> u64 {
        let mut bits = 0u128;
        let mut now = from;
        let mut index = self.index_at(from);
        while now < to {
            let next = self.steps.get(index + 1).map_or(to, |step| step.0.min(to));
            bits += u128::from(next.since(now).0) * u128::from(self.steps[index].1);
            now = next;
            index += 1;
        }
        (bits / 1_000_000) as u64
    }

    /// (from when on, bit/s) of every piece.
    pub fn pieces(&self) -> &[(Time, u64)] {
        &self.steps
    }

    /// Ends of outages: when the rate rises from zero.
    pub fn recoveries(&self) -> impl Iterator<Item = Time> + '_ {
        self.steps.windows(2).filter(|pair| pair[0].1 == 0 && pair[1].1 > 0).map(|pair| pair[1].0)
    }
}

/// Draws the next outage when the last one is over.
struct NextOutage {
    from: Time,
    to: Time,
}

impl NextOutage {
    fn new(options: LteOptions, random: &mut Random) -> Self {
        let mut next = Self { from: Time(0), to: Time(0) };
        next.draw(options, random);
        next
    }

    fn draw(&mut self, options: LteOptions, random: &mut Random) {
        if options.between_outages_s <= 0.0 {
            self.from = Time(u64::MAX);
            return;
        }
        // Between half and one and a half of the mean, so that the run between two outages is never too short to judge.
        let wait_s = options.between_outages_s * random.between(0.5, 1.5);
        self.from = self.to + Micros((wait_s * 10.0) as u64 * LTE_STEP.0);
        self.to = self.from + Micros((options.outage_s * 10.0) as u64 * LTE_STEP.0);
    }

    fn covers(&mut self, now: Time, options: LteOptions, random: &mut Random) -> bool {
        if now >= self.to && now >= self.from {
            self.draw(options, random);
        }
        now >= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_leaves_over_several_rates() {
        let trace = RateTrace::steps(vec![(Time(0), 8_000), (Time(1_000_000), 0), (Time(3_000_000), 16_000)]).unwrap();
        assert_eq!(trace.finish(Time(0), 500), Some(Time(500_000)));
        // 500 bytes by the end of the first second, the outage, then 1,500 bytes at 2,000 bytes/s.
        assert_eq!(trace.finish(Time(500_000), 2_000), Some(Time(3_750_000)));
        assert_eq!(trace.rate_at(Time(2_999_999)), 0);
        assert_eq!(trace.capacity_bits(Time(500_000), Time(4_000_000)), 4_000 + 16_000);
        assert_eq!(trace.recoveries().collect::<Vec<_>>(), [Time(3_000_000)]);
    }

    #[test]
    fn nothing_leaves_when_the_link_is_dead_for_good() {
        let trace = RateTrace::steps(vec![(Time(0), 8_000), (Time(1_000_000), 0)]).unwrap();
        assert_eq!(trace.finish(Time(0), 1_001), None);
        assert_eq!(trace.finish(Time(0), 1_000), Some(Time(1_000_000)));
    }

    #[test]
    fn lte_keeps_its_median_and_its_outages_last_as_told() {
        let options = LteOptions::default();
        let end = Time(2_000_000_000);
        let trace = RateTrace::lte(options, Random::new(3), end);
        let mut rates: Vec<u64> = trace.pieces().iter().map(|step| step.1).filter(|&bps| bps > 0).collect();
        rates.sort_unstable();
        let median = rates[rates.len() / 2] as f64;
        assert!((median / 3e6 - 1.0).abs() < 0.15, "{median}");
        let zeros = trace.pieces().iter().filter(|step| step.1 == 0).count();
        let outages = trace.recoveries().count();
        assert!((80..=110).contains(&outages), "{outages}");
        assert!(zeros.abs_diff(outages * 20) <= 20, "{zeros} {outages}");
    }
}
