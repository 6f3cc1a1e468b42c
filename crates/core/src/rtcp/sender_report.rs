//! Sender report (RFC 3550 §6.4.1).

use super::report_block::{BLOCK_LEN, Blocks, MAX_BLOCKS};
use super::{ReportBlock, RtcpError, begin, packet_type};
use crate::wire::{NoRoom, Writer, u32_at, u64_at};

const INFO_LEN: usize = 24;

/// What a sender says of its own stream: how its RTP clock stands to the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    pub ssrc: u32,
    /// UQ32.32 seconds since 1900.
    pub ntp: u64,
    /// The same instant on the stream's RTP clock.
    pub rtp_ts: u32,
    /// Since the stream began, wrapping.
    pub packet_count: u32,
    /// Payload bytes, headers and padding not counted, wrapping.
    pub octet_count: u32,
}

impl SenderInfo {
    /// What a receiver echoes as `lsr`: the middle 32 bits of the NTP time.
    pub fn compact_ntp(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport<'a> {
    pub info: SenderInfo,
    blocks: Blocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub fn parse(body: &'a [u8], count: u8) -> Result<Self, RtcpError> {
        let info = parse_info(body).ok_or(RtcpError::Body)?;
        let blocks = Blocks::parse(body.get(INFO_LEN..).ok_or(RtcpError::Body)?, count)?;
        Ok(Self { info, blocks })
    }

    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter()
    }
}

fn parse_info(body: &[u8]) -> Option<SenderInfo> {
    Some(SenderInfo {
        ssrc: u32_at(body, 0)?,
        ntp: u64_at(body, 4)?,
        rtp_ts: u32_at(body, 12)?,
        packet_count: u32_at(body, 16)?,
        octet_count: u32_at(body, 20)?,
    })
}

/// Appends a report with at most [`MAX_BLOCKS`] blocks; further ones are left out.
pub fn write_sender_report(writer: &mut Writer<'_>, info: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), NoRoom> {
    let blocks = blocks.get(..blocks.len().min(MAX_BLOCKS)).unwrap_or_default();
    begin(writer, blocks.len() as u8, packet_type::SENDER_REPORT, INFO_LEN + blocks.len() * BLOCK_LEN)?;
    writer.u32(info.ssrc)?;
    writer.u64(info.ntp)?;
    writer.u32(info.rtp_ts)?;
    writer.u32(info.packet_count)?;
    writer.u32(info.octet_count)?;
    blocks.iter().try_for_each(|block| block.write(writer))
}
