//! The audio frame before in front of each one (RFC 2198), for subscribers who speak it and lose packets: what is lost alone
//! comes back with the next packet, 20 ms later and without being asked for.

use crate::cache::{Cached, PacketMeta};
use crate::command::Codec;
use crate::egress::consumer::Consumer;
use crate::ingress::encoding::Encoding;
use crate::rewrite::Mapping;
use crate::transport::maps::{Outgoing, SendMap};

/// Reported loss, of 256, that switches it on: 3 %, from where on concealment is heard.
const ON_FROM: u8 = 8;
/// And off: so many reports in a row below 1.2 %. A browser reports on audio about every 5 s.
const OFF_BELOW: u8 = 3;
const CALM_REPORTS: u8 = 3;
/// What the header of a block has room for: 10 bits of length, 14 of distance in time (340 ms).
const MAX_BLOCK: usize = 0x3FF;
const MAX_OFFSET: u32 = 0x3FFF;
/// Both frames together; longer ones are music, where one packet more would be cheaper than a fragment.
const MAX_PAYLOAD: usize = 1_100;
/// Block headers of the frame before and of the present one.
pub const HEAD_LEN: usize = 5;

/// Whether a subscriber gets it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redundancy {
    is_on: bool,
    /// Reports in a row with hardly any loss.
    calm: u8,
}

impl Redundancy {
    /// The subscriber reported this loss, of 256, since its last report.
    pub fn on_report(&mut self, fraction_lost: u8) {
        self.calm = if fraction_lost < OFF_BELOW { self.calm.saturating_add(1) } else { 0 };
        self.is_on = fraction_lost >= ON_FROM || (self.is_on && self.calm < CALM_REPORTS);
    }

    pub fn is_on(self) -> bool {
        self.is_on
    }
}

/// What stands in front of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    pub head: [u8; HEAD_LEN],
    pub bytes: &'a [u8],
}

impl<'a> Earlier<'a> {
    /// Of two frames of Opus, and the payload type that both together go out under; `None`: they do not go together, or
    /// the subscriber has no word for it.
    pub fn of(earlier: &Cached<'a>, cached: &Cached<'_>, outgoing: Outgoing, send_map: &SendMap) -> Option<(Self, u8)> {
        let is_opus = |meta: &PacketMeta| meta.codec.codec == Codec::Opus;
        let bytes = earlier.payload();
        let offset = cached.meta.rtp_ts.wrapping_sub(earlier.meta.rtp_ts);
        let fits = (1..=MAX_BLOCK).contains(&bytes.len())
            && (1..=MAX_OFFSET).contains(&offset)
            && bytes.len() + usize::from(cached.meta.payload_len) <= MAX_PAYLOAD;
        if !fits || !is_opus(earlier.meta) || !is_opus(cached.meta) {
            return None;
        }
        let block = 1 << 31 | u32::from(outgoing.pt) << 24 | offset << 10 | bytes.len() as u32;
        let [first, second, third, fourth] = block.to_be_bytes();
        Some((Self { head: [first, second, third, fourth, outgoing.pt], bytes }, send_map.red_pt()?))
    }
}

impl Consumer {
    /// The frame before this one, if it is what the subscriber was sent last.
    pub(super) fn earlier<'a>(
        &self,
        encoding: &'a Encoding,
        meta: &PacketMeta,
        mapping: &Mapping,
    ) -> Option<Cached<'a>> {
        let earlier = encoding.ring.get(meta.ext_seq.checked_sub(1)?)?;
        // After a change of speakers the timestamps go on where the former one's ended.
        let (rtp_ts, out_ts) = (earlier.meta.rtp_ts, earlier.meta.rtp_ts.wrapping_add(mapping.ts_offset));
        self.last.is_some_and(|last| (last.rtp_ts, last.out_ts) == (rtp_ts, out_ts)).then_some(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_switches_it_on_at_once_and_calm_off_after_a_while() {
        let mut redundancy = Redundancy::default();
        let mut after = |fraction_lost| {
            redundancy.on_report(fraction_lost);
            redundancy.is_on()
        };
        assert!(!after(0) && !after(ON_FROM - 1));
        assert!(after(ON_FROM));
        assert!(after(0) && after(0) && after(OFF_BELOW), "two calm reports, then loss");
        assert!(after(0) && after(0) && !after(0));
        assert!(!after(OFF_BELOW));
    }
}
