//! Picture loss indication (RFC 4585 §6.3.1): "send a keyframe".

use super::{RtcpError, begin, feedback_type, packet_type};
use crate::wire::{NoRoom, Writer, u32_at};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pli {
    pub sender_ssrc: u32,
    pub media_ssrc: u32,
}

impl Pli {
    pub fn parse(body: &[u8]) -> Result<Self, RtcpError> {
        let sender_ssrc = u32_at(body, 0).ok_or(RtcpError::Body)?;
        let media_ssrc = u32_at(body, 4).ok_or(RtcpError::Body)?;
        Ok(Self { sender_ssrc, media_ssrc })
    }
}

pub fn write_pli(writer: &mut Writer<'_>, pli: Pli) -> Result<(), NoRoom> {
    begin(writer, feedback_type::PLI, packet_type::PAYLOAD_FEEDBACK, 8)?;
    writer.u32(pli.sender_ssrc)?;
    writer.u32(pli.media_ssrc)
}
