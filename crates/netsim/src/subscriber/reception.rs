//! Statistics of one received stream for receiver reports (RFC 3550 §6.4.1, A.3).

use sfu_core::rtcp::ReportBlock;
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::time::Time;

#[derive(Debug, Default)]
pub struct Reception {
    unwrapper: SeqUnwrapper,
    first: Option<u64>,
    received: u64,
    prior_expected: u64,
    prior_received: u64,
    /// Middle bits of the last sender report's NTP time, and when it came.
    last_report: Option<(u32, Time)>,
}

impl Reception {
    /// The extended number of a packet that came.
    pub fn on_packet(&mut self, seq: u16) -> u64 {
        let ext_seq = self.unwrapper.unwrap_seq(seq);
        self.first.get_or_insert(ext_seq);
        self.received += 1;
        ext_seq
    }

    /// The extended number of one that is not counted: a retransmission's original.
    pub fn peek(&self, seq: u16) -> u64 {
        self.unwrapper.peek(seq)
    }

    pub fn on_sender_report(&mut self, now: Time, compact_ntp: u32) {
        self.last_report = Some((compact_ntp, now));
    }

    /// `None` before the first packet.
    pub fn block(&mut self, now: Time, ssrc: u32) -> Option<ReportBlock> {
        let highest = self.unwrapper.highest()?;
        let expected = highest + 1 - self.first?;
        let interval = expected - self.prior_expected;
        let lost = interval.saturating_sub(self.received - self.prior_received);
        self.prior_expected = expected;
        self.prior_received = self.received;
        let (lsr, dlsr) =
            self.last_report.map_or((0, 0), |(ntp, at)| (ntp, (now.since(at).0 * 65_536 / 1_000_000) as u32));
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost * 256).checked_div(interval).unwrap_or_default().min(255) as u8,
            cumulative_lost: (expected as i64 - self.received as i64) as i32,
            highest_seq: self.unwrapper.highest_for_report(),
            jitter: 0,
            lsr,
            dlsr,
        })
    }
}
