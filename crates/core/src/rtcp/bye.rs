//! Goodbye (RFC 3550 §6.6).

use super::{RtcpError, begin, packet_type};
use crate::wire::{NoRoom, Writer, u32_at};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bye<'a> {
    ssrcs: &'a [u8],
}

impl<'a> Bye<'a> {
    /// The reason, if any, is not looked at.
    pub fn parse(body: &'a [u8], count: u8) -> Result<Self, RtcpError> {
        body.get(..4 * usize::from(count)).map(|ssrcs| Self { ssrcs }).ok_or(RtcpError::Body)
    }

    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ssrcs.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0))
    }
}

/// Appends a goodbye of at most 31 streams; further ones are left out.
pub fn write_bye(writer: &mut Writer<'_>, ssrcs: &[u32]) -> Result<(), NoRoom> {
    let ssrcs = ssrcs.get(..ssrcs.len().min(31)).unwrap_or_default();
    begin(writer, ssrcs.len() as u8, packet_type::BYE, 4 * ssrcs.len())?;
    ssrcs.iter().try_for_each(|ssrc| writer.u32(*ssrc))
}
