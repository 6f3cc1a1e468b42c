//! Reception statistics of one encoding (RFC 3550 §6.4.1, A.3, A.8).

use crate::rate::RateMeter;
use crate::rtcp::ReportBlock;
use crate::time::Time;

/// See the module. Packets that came by retransmission count as received.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    first: Option<u64>,
    highest: u64,
    pub packets: u64,
    pub bytes: u64,
    pub duplicates: u64,
    pub recovered: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Sixteen times the jitter, as in RFC 3550 A.8.
    jitter_x16: u64,
    transit: Option<i64>,
    rate: RateMeter,
}

impl Reception {
    /// A packet that was not here before. `clock_rate_hz` as negotiated for its payload type.
    pub fn on_packet(&mut self, arrival: Time, ext_seq: u64, rtp_ts: u32, clock_rate_hz: u32, bytes: usize) {
        self.count(arrival, ext_seq, bytes);
        let arrival_ticks = u128::from(arrival.0) * u128::from(clock_rate_hz) / 1_000_000;
        let transit = i64::from((arrival_ticks as u32).wrapping_sub(rtp_ts));
        if let Some(last) = self.transit.replace(transit) {
            // Differences of wrapping 32-bit numbers: the short way round.
            let difference = u64::from(((transit - last) as i32).unsigned_abs());
            self.jitter_x16 = self.jitter_x16.saturating_add(difference).saturating_sub((self.jitter_x16 + 8) >> 4);
        }
    }

    /// A packet that came by retransmission: it tells nothing of jitter.
    pub fn on_recovered(&mut self, arrival: Time, ext_seq: u64, bytes: usize) {
        self.recovered += 1;
        self.count(arrival, ext_seq, bytes);
    }

    fn count(&mut self, arrival: Time, ext_seq: u64, bytes: usize) {
        let first = self.first.get_or_insert(ext_seq);
        *first = ext_seq.min(*first);
        self.highest = self.highest.max(ext_seq);
        self.packets += 1;
        self.bytes += bytes as u64;
        self.rate.add(arrival, bytes);
    }

    /// The source starts a new sequence: nothing of the jump is loss.
    pub fn on_restart(&mut self, ext_seq: u64) {
        let lost = self.lost();
        self.first = Some(ext_seq.saturating_sub(self.packets).saturating_sub(lost));
        self.highest = self.highest.max(ext_seq.saturating_sub(1));
        self.transit = None;
    }

    fn expected(&self) -> u64 {
        self.first.map_or(0, |first| self.highest + 1 - first)
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.packets)
    }

    pub fn bits_per_second(&self, now: Time) -> u64 {
        self.rate.bits_per_second(now)
    }

    /// Interarrival jitter in timestamp units.
    pub fn jitter(&self) -> u32 {
        u32::try_from(self.jitter_x16 >> 4).unwrap_or(u32::MAX)
    }

    /// The next report (without SSRC, LSR and DLSR); starts a new interval. `None` before the first packet.
    pub fn report(&mut self) -> Option<ReportBlock> {
        self.first?;
        let expected = self.expected();
        let expected_interval = expected.saturating_sub(self.expected_prior);
        let received_interval = self.packets.saturating_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.packets;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction = (lost_interval << 8).checked_div(expected_interval).unwrap_or(0).min(255);
        let difference = expected.cast_signed().saturating_sub(self.packets.cast_signed());
        Some(ReportBlock {
            fraction_lost: fraction as u8,
            cumulative_lost: difference.clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest_seq: self.highest as u32,
            jitter: self.jitter(),
            ..ReportBlock::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(numbers: impl IntoIterator<Item = u64>) -> Reception {
        let mut reception = Reception::default();
        for number in numbers {
            reception.on_packet(Time(number * 20_000), number, (number * 960) as u32, 48_000, 100);
        }
        reception
    }

    #[test]
    fn a_quarter_lost_is_64_of_256_and_the_next_interval_starts_anew() {
        let mut reception = received((0..400).filter(|n| n % 4 != 1));
        let block = reception.report().expect("packets came");
        assert_eq!((block.fraction_lost, block.cumulative_lost, block.highest_seq), (64, 100, 399));
        assert_eq!(reception.report().expect("packets came").fraction_lost, 0);
        assert_eq!(reception.lost(), 100);
    }

    #[test]
    fn a_steady_stream_has_no_jitter_and_a_delayed_packet_has() {
        let mut reception = received(0..100);
        assert_eq!(reception.jitter(), 0);
        reception.on_packet(Time(100 * 20_000 + 16_000), 100, 100 * 960, 48_000, 100);
        assert_eq!(reception.jitter(), 768 / 16);
    }

    #[test]
    fn what_was_recovered_is_not_lost() {
        let mut reception = received([0, 1, 3]);
        assert_eq!(reception.lost(), 1);
        reception.on_recovered(Time(90_000), 2, 100);
        assert_eq!((reception.lost(), reception.recovered), (0, 1));
    }

    #[test]
    fn a_restart_of_the_sequence_is_not_loss() {
        let mut reception = received([0, 1, 3]);
        reception.on_restart(1_000_000);
        reception.on_packet(Time(0), 1_000_000, 0, 48_000, 100);
        assert_eq!(reception.lost(), 1);
    }
}
