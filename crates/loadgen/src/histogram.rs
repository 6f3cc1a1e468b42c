//! Counts of microseconds in buckets no wider than 1/32 of their value: percentiles to 3 %, the largest exactly.

/// Buckets of each power of two.
const STEPS: u64 = 32;
/// 2^5 .. 2^26 µs, a minute: more is counted in the last bucket.
const BUCKETS: usize = 22 * STEPS as usize;

#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, max_us: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, us: u64) {
        let last = self.counts.len() - 1;
        self.counts[bucket_of(us).min(last)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds all that another counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The buckets that are not empty: (largest value, count), values rising. The last bucket's value is the largest.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(bucket, count)| (top_of(bucket).min(self.max_us), *count))
    }

    /// The value that `share` (0 to 1) of what was added does not exceed; 0 when nothing was.
    pub fn percentile_us(&self, share: f64) -> u64 {
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return top_of(bucket).min(self.max_us);
            }
        }
        self.max_us
    }
}

/// Values below 32 have a bucket each; from there on the five bits behind the highest choose.
fn bucket_of(us: u64) -> usize {
    let octave = u64::from(us.max(STEPS).ilog2()) - 5;
    (octave * STEPS + (us >> octave)) as usize
}

/// The largest value in a bucket.
fn top_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let octave = (bucket / STEPS).saturating_sub(1);
    ((bucket - octave * STEPS + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_whose_top_is_at_most_a_32nd_above_it() {
        for us in (0..100_000).chain([1 << 20, (1 << 24) + 12_345]) {
            let top = top_of(bucket_of(us));
            assert!((us..=us + us / STEPS).contains(&top), "{us} in a bucket up to {top}");
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let mut histogram = Histogram::default();
        (1..=10_000).for_each(|us| histogram.add(us));
        for (share, expected) in [(0.5, 5_000), (0.9, 9_000), (0.999, 9_990), (1.0, 10_000)] {
            let value = histogram.percentile_us(share);
            assert!((expected..=expected + expected / STEPS).contains(&value), "{share}: {value}");
        }
        assert_eq!((histogram.count(), histogram.max_us()), (10_000, 10_000));
    }

    #[test]
    fn the_buckets_hold_all_that_was_added_in_rising_order() {
        let mut histogram = Histogram::default();
        for us in [3, 3, 70, 5_000, 71] {
            histogram.add(us);
        }
        let buckets: Vec<_> = histogram.buckets().collect();
        assert!(buckets.is_sorted());
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 5);
        assert_eq!((buckets[0], buckets[buckets.len() - 1]), ((3, 2), (5_000, 1)));
    }

    #[test]
    fn two_together_are_as_if_all_had_been_added_to_one() {
        let (mut one, mut other, mut all) = (Histogram::default(), Histogram::default(), Histogram::default());
        for us in 1..2_000 {
            let half = if us % 3 == 0 { &mut one } else { &mut other };
            half.add(us);
            all.add(us);
        }
        one.merge(&other);
        assert!(one.buckets().eq(all.buckets()));
        assert_eq!((one.count(), one.max_us()), (all.count(), all.max_us()));
    }

    #[test]
    fn what_is_too_large_is_counted_and_known_as_the_largest() {
        let mut histogram = Histogram::default();
        histogram.add(u64::MAX);
        assert_eq!((histogram.count(), histogram.max_us()), (1, u64::MAX));
        assert_eq!(Histogram::default().percentile_us(0.5), 0);
    }
}
