//! A datagram of RTCP: one packet after the other (RFC 3550 §6.1, A.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |V=2|P|  count  |      PT       |   length in words, minus one  |
//! ```

use super::{Bye, ExtendedReport, Fir, Nack, Pli, ReceiverReport, Remb, RtcpError, Sdes, SenderReport};
use super::{TransportFeedback, feedback_type, packet_type};
use crate::wire::{u8_at, u16_at};

/// A datagram whose packets' headers and lengths fit together. Reduced-size RTCP (RFC 5506) is let
/// in whether it was negotiated or not: a receiver has nothing to lose.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = bytes;
        loop {
            let (packet, after) = split_packet(rest)?;
            padding_len(packet).ok_or(RtcpError::Padding)?;
            if after.is_empty() {
                return Ok(Self { bytes });
            }
            rest = after;
        }
    }

    /// The packets as they come, unread.
    pub fn raw_packets(&self) -> impl Iterator<Item = RawPacket<'a>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (packet, after) = split_packet(rest).ok()?;
            rest = after;
            let body = packet.get(4..packet.len().saturating_sub(padding_len(packet)?)).unwrap_or_default();
            Some(RawPacket { count: u8_at(packet, 0)? & 0x1F, packet_type: u8_at(packet, 1)?, body })
        })
    }

    /// The packets, read. One with a bad body does not spoil the others.
    pub fn packets(&self) -> impl Iterator<Item = Result<Packet<'a>, RtcpError>> + use<'a> {
        self.raw_packets().map(|raw| Packet::parse(&raw))
    }
}

fn split_packet(bytes: &[u8]) -> Result<(&[u8], &[u8]), RtcpError> {
    let first = u8_at(bytes, 0).ok_or(RtcpError::Truncated)?;
    if first >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    let words = u16_at(bytes, 2).ok_or(RtcpError::Truncated)?;
    bytes.split_at_checked(4 + 4 * usize::from(words)).ok_or(RtcpError::Truncated)
}

/// Padding at the end of a packet; `None` when it does not fit.
///
/// RFC 3550 §6.4.1: "the padding would be a multiple of four", and on the last packet alone. libwebrtc pads
/// transport-wide feedback, which comes in any number of bytes, by one to three, and may put several into a datagram.
fn padding_len(packet: &[u8]) -> Option<usize> {
    if u8_at(packet, 0).unwrap_or_default() & 0x20 == 0 {
        return Some(0);
    }
    let len = usize::from(packet.last().copied().unwrap_or_default());
    (len != 0 && len + 4 <= packet.len()).then_some(len)
}

/// Header fields and body (without padding) of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPacket<'a> {
    /// Number of items, or feedback message type: five bits.
    pub count: u8,
    pub packet_type: u8,
    pub body: &'a [u8],
}

/// One packet of a type that the server understands.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    SenderReport(SenderReport<'a>),
    ReceiverReport(ReceiverReport<'a>),
    Sdes(Sdes<'a>),
    Bye(Bye<'a>),
    Nack(Nack<'a>),
    TransportFeedback(TransportFeedback<'a>),
    Pli(Pli),
    Fir(Fir<'a>),
    Remb(Remb<'a>),
    ExtendedReport(ExtendedReport<'a>),
    /// Well-formed, of another type.
    Other(RawPacket<'a>),
}

impl<'a> Packet<'a> {
    pub fn parse(raw: &RawPacket<'a>) -> Result<Self, RtcpError> {
        match (raw.packet_type, raw.count) {
            (packet_type::SENDER_REPORT, count) => SenderReport::parse(raw.body, count).map(Self::SenderReport),
            (packet_type::RECEIVER_REPORT, count) => ReceiverReport::parse(raw.body, count).map(Self::ReceiverReport),
            (packet_type::SDES, count) => Sdes::parse(raw.body, count).map(Self::Sdes),
            (packet_type::BYE, count) => Bye::parse(raw.body, count).map(Self::Bye),
            (packet_type::TRANSPORT_FEEDBACK, feedback_type::NACK) => Nack::parse(raw.body).map(Self::Nack),
            (packet_type::TRANSPORT_FEEDBACK, feedback_type::TRANSPORT_CC) => {
                TransportFeedback::parse(raw.body).map(Self::TransportFeedback)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::PLI) => Pli::parse(raw.body).map(Self::Pli),
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::FIR) => Fir::parse(raw.body).map(Self::Fir),
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::APPLICATION) if Remb::is_remb(raw.body) => {
                Remb::parse(raw.body).map(Self::Remb)
            }
            (packet_type::EXTENDED_REPORT, _) => ExtendedReport::parse(raw.body).map(Self::ExtendedReport),
            _ => Ok(Self::Other(*raw)),
        }
    }
}
