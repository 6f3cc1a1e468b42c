//! The receiver's clock in transport-wide feedback wraps after 12 days; this one does not.

/// 24 bits of 64 ms, microseconds.
const PERIOD_US: i64 = (1 << 24) * 64_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct ArrivalClock {
    last_us: Option<i64>,
    offset_us: i64,
}

impl ArrivalClock {
    /// The reference time of a feedback message, microseconds, to what is to be added to its arrivals.
    pub fn on_reference(&mut self, reference_us: i64) -> i64 {
        let last_us = self.last_us.replace(reference_us).unwrap_or(reference_us);
        if reference_us < last_us - PERIOD_US / 2 {
            self.offset_us = self.offset_us.saturating_add(PERIOD_US);
        } else if reference_us > last_us + PERIOD_US / 2 {
            self.offset_us = self.offset_us.saturating_sub(PERIOD_US);
        }
        self.offset_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_through_the_wrap_and_back() {
        let mut clock = ArrivalClock::default();
        let before = PERIOD_US / 2 - 64_000;
        let after = -PERIOD_US / 2;
        let first = before + clock.on_reference(before);
        let second = after + clock.on_reference(after);
        assert_eq!(second - first, 64_000);
        assert_eq!(before + clock.on_reference(before), first);
    }
}
