//! Full intra request (RFC 5104 §4.3.1): a keyframe request with a number, so that a repetition is
//! told from a new one.

use super::{RtcpError, begin, feedback_type, packet_type};
use crate::wire::{NoRoom, Writer, u8_at, u32_at};

const ENTRY_LEN: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fir<'a> {
    pub sender_ssrc: u32,
    entries: &'a [u8],
}

impl<'a> Fir<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let sender_ssrc = u32_at(body, 0).ok_or(RtcpError::Body)?;
        let entries = body.get(8..).filter(|entries| entries.len() >= ENTRY_LEN).ok_or(RtcpError::Body)?;
        Ok(Self { sender_ssrc, entries })
    }

    /// (SSRC that is to send a keyframe, command number). The media SSRC of the message's head is 0.
    pub fn entries(&self) -> impl Iterator<Item = (u32, u8)> + use<'a> {
        self.entries.chunks_exact(ENTRY_LEN).filter_map(|entry| Some((u32_at(entry, 0)?, u8_at(entry, 4)?)))
    }
}

/// Appends a request to one stream. `number` goes up by one (mod 256) for each new request.
pub fn write_fir(writer: &mut Writer<'_>, sender_ssrc: u32, media_ssrc: u32, number: u8) -> Result<(), NoRoom> {
    begin(writer, feedback_type::FIR, packet_type::PAYLOAD_FEEDBACK, 8 + ENTRY_LEN)?;
    writer.u32(sender_ssrc)?;
    writer.u32(0)?;
    writer.u32(media_ssrc)?;
    writer.bytes(&[number, 0, 0, 0])
}
