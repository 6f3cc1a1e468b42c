//! Arithmetic of numbers that wrap: sequence numbers and RTP timestamps (RFC 1982, RFC 3550 A.1).

/// `a` lies ahead of `b` on the circle. Of two numbers exactly half a circle apart the larger one
/// counts as newer, so that of `(a, b)` and `(b, a)` one is true (RFC 1982 leaves that undefined).
pub const fn is_newer(a: u16, b: u16) -> bool {
    let ahead = a.wrapping_sub(b);
    if ahead == 0x8000 { a > b } else { ahead != 0 && ahead < 0x8000 }
}

/// Signed distance from `b` to `a`, -32,768..=32,767.
pub const fn distance(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b).cast_signed()
}

/// `a` lies ahead of `b` on the 32-bit circle of RTP timestamps.
pub const fn is_newer_timestamp(a: u32, b: u32) -> bool {
    let ahead = a.wrapping_sub(b);
    if ahead == 0x8000_0000 { a > b } else { ahead != 0 && ahead < 0x8000_0000 }
}

/// Extends 16-bit sequence numbers to 64 bits, through wraps and reordering of up to half a circle.
///
/// The first number `s` becomes `0x1_0000 + s`, one cycle up, so that packets which were sent before
/// it but arrive later still have a number of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeqUnwrapper {
    highest: Option<u64>,
}

impl SeqUnwrapper {
    /// The extended number, without moving the state.
    pub fn peek(&self, seq: u16) -> u64 {
        let Some(highest) = self.highest else { return 0x1_0000 + u64::from(seq) };
        let delta = i64::from(distance(seq, highest as u16));
        highest.saturating_add_signed(delta)
    }

    /// The extended number; the highest one moves up to it when it is newer.
    pub fn unwrap_seq(&mut self, seq: u16) -> u64 {
        let extended = self.peek(seq);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// The highest extended number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// RFC 3550 §6.4.1 "extended highest sequence number received": cycles counted from 0.
    pub fn highest_for_report(&self) -> u32 {
        self.highest.unwrap_or_default().wrapping_sub(0x1_0000) as u32
    }
}

/// Extends 32-bit RTP timestamps to 64 bits in the same way; the first `t` becomes `2^32 + t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimestampUnwrapper {
    highest: Option<u64>,
}

impl TimestampUnwrapper {
    pub fn peek(&self, timestamp: u32) -> u64 {
        let Some(highest) = self.highest else { return (1 << 32) + u64::from(timestamp) };
        let delta = timestamp.wrapping_sub(highest as u32).cast_signed();
        highest.saturating_add_signed(i64::from(delta))
    }

    pub fn unwrap_timestamp(&mut self, timestamp: u32) -> u64 {
        let extended = self.peek(timestamp);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wrap_goes_up() {
        let mut unwrapper = SeqUnwrapper::default();
        assert_eq!(unwrapper.unwrap_seq(0xFFFF), 0x1_FFFF);
        assert_eq!(unwrapper.unwrap_seq(1), 0x2_0001);
        assert_eq!(unwrapper.unwrap_seq(0), 0x2_0000);
        assert_eq!(unwrapper.highest(), Some(0x2_0001));
        assert_eq!(unwrapper.highest_for_report(), 0x1_0001);
    }

    #[test]
    fn what_was_sent_before_the_first_arrival_has_its_own_number() {
        let mut unwrapper = SeqUnwrapper::default();
        assert_eq!(unwrapper.unwrap_seq(2), 0x1_0002);
        assert_eq!(unwrapper.unwrap_seq(0xFFFE), 0xFFFE);
        assert_eq!(unwrapper.highest(), Some(0x1_0002));
    }

    #[test]
    fn a_timestamp_wrap_goes_up() {
        let mut unwrapper = TimestampUnwrapper::default();
        assert_eq!(unwrapper.unwrap_timestamp(u32::MAX), (1 << 32) + u64::from(u32::MAX));
        assert_eq!(unwrapper.unwrap_timestamp(2999), (2 << 32) + 2999);
        assert_eq!(unwrapper.peek(u32::MAX), (1 << 32) + u64::from(u32::MAX));
    }

    proptest! {
        #[test]
        fn of_two_different_numbers_exactly_one_is_newer(a in any::<u16>(), b in any::<u16>()) {
            prop_assert_eq!(is_newer(a, b) || is_newer(b, a), a != b);
            prop_assert!(!(is_newer(a, b) && is_newer(b, a)));
        }

        #[test]
        fn of_two_different_timestamps_exactly_one_is_newer(a in any::<u32>(), b in any::<u32>()) {
            prop_assert_eq!(is_newer_timestamp(a, b) || is_newer_timestamp(b, a), a != b);
            prop_assert!(!(is_newer_timestamp(a, b) && is_newer_timestamp(b, a)));
        }

        #[test]
        fn any_walk_of_less_than_half_a_circle_per_step_is_followed(
            start in any::<u16>(), steps in proptest::collection::vec(-1_000i64..30_000, 0..200),
        ) {
            let mut unwrapper = SeqUnwrapper::default();
            let mut truth = unwrapper.unwrap_seq(start);
            for step in steps {
                let next = truth.saturating_add_signed(step).max(0x1_0000);
                prop_assume!(next.abs_diff(unwrapper.highest().unwrap()) < 0x7FFF);
                prop_assert_eq!(unwrapper.unwrap_seq(next as u16), next);
                truth = next;
            }
        }
    }
}
