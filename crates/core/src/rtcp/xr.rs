//! Extended reports (RFC 3611): receiver reference time (§4.4) and its answer DLRR (§4.5), by which
//! a pure receiver measures the round trip.

use super::RtcpError;
use crate::wire::{u8_at, u16_at, u32_at, u64_at};

const RECEIVER_REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    pub ssrc: u32,
    blocks: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XrBlock<'a> {
    /// UQ32.32 seconds since 1900 at the reporter.
    ReceiverReferenceTime {
        ntp: u64,
    },
    Dlrr(Dlrr<'a>),
    /// Another block type.
    Other(u8),
}

/// Answers to receiver reference times, one for each receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dlrr<'a>(&'a [u8]);

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DlrrEntry {
    /// Of the receiver that sent the reference time.
    pub ssrc: u32,
    /// Middle 32 bits of that time.
    pub last_rr: u32,
    /// Delay since it arrived, in 1/65,536 s.
    pub delay: u32,
}

impl<'a> Dlrr<'a> {
    pub fn entries(&self) -> impl Iterator<Item = DlrrEntry> + use<'a> {
        self.0.chunks_exact(12).filter_map(|entry| {
            Some(DlrrEntry { ssrc: u32_at(entry, 0)?, last_rr: u32_at(entry, 4)?, delay: u32_at(entry, 8)? })
        })
    }
}

impl<'a> ExtendedReport<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let ssrc = u32_at(body, 0).ok_or(RtcpError::Body)?;
        let blocks = body.get(4..).ok_or(RtcpError::Body)?;
        let mut rest = blocks;
        while !rest.is_empty() {
            rest = split_block(rest).ok_or(RtcpError::Body)?.1;
        }
        Ok(Self { ssrc, blocks })
    }

    pub fn blocks(&self) -> impl Iterator<Item = XrBlock<'a>> + use<'a> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let (block, after) = split_block(rest)?;
            rest = after;
            Some(block)
        })
    }
}

fn split_block(bytes: &[u8]) -> Option<(XrBlock<'_>, &[u8])> {
    let block_type = u8_at(bytes, 0)?;
    let end = 4 + 4 * usize::from(u16_at(bytes, 2)?);
    let (block, rest) = bytes.split_at_checked(end)?;
    let content = block.get(4..)?;
    let block = match block_type {
        RECEIVER_REFERENCE_TIME => XrBlock::ReceiverReferenceTime { ntp: u64_at(content, 0)? },
        DLRR => XrBlock::Dlrr(Dlrr(content)),
        other => XrBlock::Other(other),
    };
    Some((block, rest))
}
