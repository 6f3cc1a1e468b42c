//! Receiver report (RFC 3550 §6.4.2).

use super::report_block::{BLOCK_LEN, Blocks, MAX_BLOCKS};
use super::{ReportBlock, RtcpError, begin, packet_type};
use crate::wire::{NoRoom, Writer, u32_at};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Of the reporter.
    pub ssrc: u32,
    blocks: Blocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    pub fn parse(body: &'a [u8], count: u8) -> Result<Self, RtcpError> {
        let ssrc = u32_at(body, 0).ok_or(RtcpError::Body)?;
        let blocks = Blocks::parse(body.get(4..).ok_or(RtcpError::Body)?, count)?;
        Ok(Self { ssrc, blocks })
    }

    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter()
    }
}

/// Appends a report with at most [`MAX_BLOCKS`] blocks; further ones are left out.
pub fn write_receiver_report(writer: &mut Writer<'_>, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), NoRoom> {
    let blocks = blocks.get(..blocks.len().min(MAX_BLOCKS)).unwrap_or_default();
    begin(writer, blocks.len() as u8, packet_type::RECEIVER_REPORT, 4 + blocks.len() * BLOCK_LEN)?;
    writer.u32(ssrc)?;
    blocks.iter().try_for_each(|block| block.write(writer))
}
