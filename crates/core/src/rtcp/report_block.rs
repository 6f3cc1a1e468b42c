//! A report block: what one receiver saw of one stream (RFC 3550 §6.4.1).

use super::RtcpError;
use crate::wire::{NoRoom, Writer, u8_at, u24_at, u32_at};

pub(super) const BLOCK_LEN: usize = 24;
/// The count field has five bits.
pub const MAX_BLOCKS: usize = 31;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream that is reported on.
    pub ssrc: u32,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative when duplicates came. 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received: cycles and number.
    pub highest_seq: u32,
    /// In units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 when there was none.
    pub lsr: u32,
    /// Time since then, in 1/65,536 s.
    pub dlsr: u32,
}

impl ReportBlock {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: u8_at(bytes, 4)?,
            // Sign-extends the 24 bits.
            cumulative_lost: (u24_at(bytes, 5)? << 8).cast_signed() >> 8,
            highest_seq: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            lsr: u32_at(bytes, 16)?,
            dlsr: u32_at(bytes, 20)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        writer.u32(self.ssrc)?;
        writer.u8(self.fraction_lost)?;
        writer.u24(self.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF).cast_unsigned())?;
        writer.u32(self.highest_seq)?;
        writer.u32(self.jitter)?;
        writer.u32(self.lsr)?;
        writer.u32(self.dlsr)
    }
}

/// The blocks of a report, their number already checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    /// The first `count` blocks of `bytes`; profile-specific extensions may follow.
    pub(super) fn parse(bytes: &'a [u8], count: u8) -> Result<Self, RtcpError> {
        bytes.get(..usize::from(count) * BLOCK_LEN).map(Self).ok_or(RtcpError::Body)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.0.chunks_exact(BLOCK_LEN).filter_map(ReportBlock::parse)
    }
}
