//! What a sender's clocks say in terms of ours (RFC 3550 §6.4.1: a sender report pairs the RTP
//! timestamp with NTP time).
//!
//! All encodings and producers of one transport share the sender's NTP clock, so one offset for all
//! keeps its audio and video together exactly, whatever the network delays.

use crate::time::Time;

/// Samples of the offset that differ more are a step of the sender's clock, not delay.
const STEP_US: i64 = 1_000_000;
/// The offset follows a slower clock by this fraction per report.
const LEAK_SHIFT: i64 = 6;

/// 64-bit NTP time (RFC 5905 §6) in microseconds since 1900.
pub fn ntp_to_us(ntp: u64) -> i64 {
    let seconds = (ntp >> 32) as i64;
    let fraction = ((ntp & 0xFFFF_FFFF) * 1_000_000) >> 32;
    seconds * 1_000_000 + fraction as i64
}

/// Microseconds since 1900 as 64-bit NTP time.
pub fn us_to_ntp(us: i64) -> u64 {
    let us = us.max(0).cast_unsigned();
    let fraction = ((u128::from(us % 1_000_000)) << 32) / 1_000_000;
    ((us / 1_000_000) << 32) | fraction as u64
}

/// Signed ticks from `from` to `to` on the 32-bit circle, in microseconds.
fn ticks_to_us(from: u32, to: u32, clock_rate_hz: u32) -> i64 {
    let ticks = i64::from(to.wrapping_sub(from).cast_signed());
    ticks * 1_000_000 / i64::from(clock_rate_hz.max(1))
}

/// Microseconds as RTP ticks, wrapping.
pub fn us_to_ticks(us: i64, clock_rate_hz: u32) -> u32 {
    (i128::from(us) * i128::from(clock_rate_hz) / 1_000_000) as u32
}

/// Our clock minus a sender's NTP clock, by its reports: the smallest of late, which had the
/// shortest way.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockOffset {
    offset_us: Option<i64>,
}

impl ClockOffset {
    pub fn on_report(&mut self, ntp: u64, arrival: Time) {
        let sample = arrival.0.cast_signed().saturating_sub(ntp_to_us(ntp));
        self.offset_us = Some(match self.offset_us {
            Some(offset) if sample > offset && sample - offset < STEP_US => offset + ((sample - offset) >> LEAK_SHIFT),
            _ => sample,
        });
    }

    pub fn us(&self) -> Option<i64> {
        self.offset_us
    }
}

/// RTP timestamps of one encoding against its sender's NTP clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SenderClock {
    report: Option<Report>,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    ntp: u64,
    rtp_ts: u32,
    arrival: Time,
}

impl SenderClock {
    pub fn on_report(&mut self, ntp: u64, rtp_ts: u32, arrival: Time) {
        self.report = Some(Report { ntp, rtp_ts, arrival });
    }

    /// The sender starts anew: what it reported before means nothing.
    pub fn reset(&mut self) {
        self.report = None;
    }

    /// When by our clock the sender sampled `rtp_ts` (plus the shortest network delay).
    pub fn sampled_at_us(&self, rtp_ts: u32, clock_rate_hz: u32, offset: &ClockOffset) -> Option<i64> {
        let report = self.report?;
        let ntp_us = ntp_to_us(report.ntp).saturating_add(ticks_to_us(report.rtp_ts, rtp_ts, clock_rate_hz));
        Some(ntp_us.saturating_add(offset.us()?))
    }

    /// The middle of the last report's NTP time and how long ago it came, in 1/65536 s: the fields
    /// LSR and DLSR of our reports. Zeros when none came.
    pub fn last_report(&self, now: Time) -> (u32, u32) {
        self.report.map_or((0, 0), |report| {
            let delay = u128::from(now.since(report.arrival).0) * 65_536 / 1_000_000;
            ((report.ntp >> 16) as u32, u32::try_from(delay).unwrap_or(u32::MAX))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NTP_2026_US: i64 = 3_976_000_000_000_000;

    #[test]
    fn ntp_time_goes_both_ways_within_a_microsecond() {
        for us in [0, 1, 999_999, NTP_2026_US + 123_456] {
            assert!((ntp_to_us(us_to_ntp(us)) - us).abs() <= 1);
        }
    }

    #[test]
    fn the_offset_is_that_of_the_report_with_the_shortest_way() {
        let mut offset = ClockOffset::default();
        offset.on_report(us_to_ntp(NTP_2026_US), Time(50_000));
        offset.on_report(us_to_ntp(NTP_2026_US + 1_000_000), Time(1_020_000));
        let best = offset.us().expect("two reports");
        offset.on_report(us_to_ntp(NTP_2026_US + 2_000_000), Time(2_084_000));
        assert!((offset.us().expect("three reports") - best - 1_000).abs() <= 2);
        offset.on_report(us_to_ntp(NTP_2026_US + 90_000_000), Time(3_000_000));
        assert!((offset.us().expect("a step") - (3_000_000 - NTP_2026_US - 90_000_000)).abs() <= 2);
    }

    #[test]
    fn timestamps_before_and_after_a_report_map_around_it() {
        let mut offset = ClockOffset::default();
        let mut clock = SenderClock::default();
        assert_eq!(clock.sampled_at_us(0, 90_000, &offset), None);
        offset.on_report(us_to_ntp(NTP_2026_US), Time(5_000_000));
        clock.on_report(us_to_ntp(NTP_2026_US), 1_000, Time(5_000_000));
        for (rtp_ts, expected) in [(1_000, 5_000_000), (91_000, 6_000_000), (1_000u32.wrapping_sub(45_000), 4_500_000)]
        {
            let at = clock.sampled_at_us(rtp_ts, 90_000, &offset).expect("reported");
            assert!((at - expected).abs() <= 2, "{rtp_ts}: {at}");
        }
        assert_eq!(clock.last_report(Time(5_500_000)).1, 32_768);
    }
}
