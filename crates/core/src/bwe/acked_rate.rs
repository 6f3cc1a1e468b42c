//! The rate at which packets arrive, by the receiver's clock: however feedback bunches, the answer is the same.

/// Bytes are summed over slices of the receiver's time: 16.4 ms, a power of two.
const SLICE_BITS: u32 = 14;
const SLICE_US: i64 = 1 << SLICE_BITS;
const SLICES: usize = 64;
/// Over which the rate is taken: long enough for fifteen frames at 30 per second, so that one more or less matters little.
const WINDOW_SLICES: i64 = 32;
/// Before so much time has passed there is no rate; a recent one is asked for over half of that at least.
const LEAST_SLICES: i64 = 8;
const LEAST_RECENT_SLICES: i64 = 4;

#[derive(Clone, Debug)]
pub struct AckedRate {
    bytes: [u32; SLICES],
    /// Slice numbers since the receiver's epoch: of the first packet after a break, and of the newest.
    first: Option<i64>,
    newest: i64,
    /// Of the slices of the window before the newest: asked for at each feedback.
    in_window: u64,
}

/// Where a slice is kept.
fn place(slice: i64) -> usize {
    slice as usize & (SLICES - 1)
}

impl Default for AckedRate {
    fn default() -> Self {
        Self { bytes: [0; SLICES], first: None, newest: 0, in_window: 0 }
    }
}

impl AckedRate {
    /// A packet arrived. One that is older than what is kept is ignored.
    #[inline]
    pub fn add(&mut self, arrival_us: i64, bytes: u32) {
        let slice = arrival_us >> SLICE_BITS;
        if self.first.is_none() {
            (self.first, self.newest) = (Some(slice), slice);
        }
        if slice > self.newest {
            self.roll(slice);
        }
        if self.newest - slice < SLICES as i64
            && let Some(sum) = self.bytes.get_mut(place(slice))
        {
            let room = u32::MAX - *sum;
            *sum += bytes.min(room);
            if slice < self.newest && self.newest - slice <= WINDOW_SLICES {
                self.in_window += u64::from(bytes.min(room));
            }
        }
    }

    fn at(&self, slice: i64) -> u64 {
        u64::from(self.bytes.get(place(slice)).copied().unwrap_or_default())
    }

    fn roll(&mut self, slice: i64) {
        if slice - self.newest >= SLICES as i64 {
            *self = Self { first: Some(slice), newest: slice, ..Self::default() };
            return;
        }
        for passed in self.newest + 1..=slice {
            self.in_window = self.in_window + self.at(passed - 1) - self.at(passed - 1 - WINDOW_SLICES);
            if let Some(sum) = self.bytes.get_mut(place(passed)) {
                *sum = 0;
            }
        }
        self.newest = slice;
    }

    /// Bits per second over the last half second.
    pub fn bps(&self) -> Option<f64> {
        self.over(WINDOW_SLICES)
    }

    /// Bits per second over about the last `window_ms`, at most a second; the slice that is not over yet is left out.
    pub fn recent_bps(&self, window_ms: i64) -> Option<f64> {
        self.bps()?;
        self.over((window_ms * 1_000 / SLICE_US).clamp(LEAST_RECENT_SLICES, SLICES as i64 - 1))
    }

    fn over(&self, slices: i64) -> Option<f64> {
        let first = self.first?;
        let slices = slices.min(self.newest - first);
        if slices < LEAST_SLICES.min(WINDOW_SLICES) && self.newest - first < LEAST_SLICES {
            return None;
        }
        let window = self.newest - slices..self.newest;
        let sum: u64 = if slices == WINDOW_SLICES { self.in_window } else { window.map(|slice| self.at(slice)).sum() };
        Some(sum as f64 * 8.0 * 1e6 / (slices * SLICE_US) as f64)
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 Mbit/s: 125 bytes a millisecond.
    fn steady(from_ms: i64, to_ms: i64, rate: &mut AckedRate) {
        for ms in from_ms..to_ms {
            rate.add(ms * 1_000, 125);
        }
    }

    #[test]
    fn a_steady_stream_reads_as_its_rate_whatever_the_epoch() {
        for epoch_ms in [0, -5_000_000, 7] {
            let mut rate = AckedRate::default();
            steady(epoch_ms, epoch_ms + 900, &mut rate);
            let bps = rate.bps().unwrap();
            assert!((bps - 1e6).abs() < 2e3, "{bps} at {epoch_ms}");
        }
    }

    #[test]
    fn the_window_is_the_sum_of_its_slices_whatever_comes_late_or_is_skipped() {
        let mut rate = AckedRate::default();
        let mut random = 7u64;
        for step in 0..5_000i64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (late_us, bytes) = ((random >> 40) as i64 % 900_000, (random >> 20) as u32 % 1_500);
            let leap_us = if step % 400 == 399 { 700_000 } else { 0 };
            rate.add(step * 9_000 + (step / 400) * 700_000 + leap_us - if step % 3 == 0 { late_us } else { 0 }, bytes);
            let slices: u64 = (rate.newest - WINDOW_SLICES..rate.newest).map(|slice| rate.at(slice)).sum();
            assert_eq!(rate.in_window, slices, "at step {step}");
        }
    }

    #[test]
    fn there_is_no_rate_before_an_eighth_of_a_second() {
        let mut rate = AckedRate::default();
        steady(0, 120, &mut rate);
        assert_eq!(rate.bps(), None);
        steady(120, 180, &mut rate);
        assert!(rate.bps().is_some());
    }

    #[test]
    fn the_recent_rate_follows_a_step_within_its_window() {
        let mut rate = AckedRate::default();
        steady(0, 1_000, &mut rate);
        for ms in (1_000..1_300).step_by(4) {
            rate.add(ms * 1_000, 125);
        }
        assert!((rate.recent_bps(200).unwrap() - 250_000.0).abs() < 20_000.0);
        assert!(rate.bps().unwrap() > 500_000.0);
    }

    #[test]
    fn after_a_break_the_rate_begins_anew() {
        let mut rate = AckedRate::default();
        steady(0, 1_000, &mut rate);
        rate.add(5_000_000, 125);
        assert_eq!(rate.bps(), None);
    }

    #[test]
    fn a_late_packet_counts_where_it_arrived_and_an_ancient_one_not_at_all() {
        let mut rate = AckedRate::default();
        steady(0, 1_000, &mut rate);
        let before = rate.bps().unwrap();
        rate.add(-10_000_000, 60_000);
        assert!((rate.bps().unwrap() - before).abs() < f64::EPSILON);
        rate.add(900_000, 1_250);
        assert!(rate.bps().unwrap() > before);
    }
}
