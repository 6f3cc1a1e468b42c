//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104, RFC 3611, transport-wide-cc): one file per packet type,
//! each with its reader and, where the server sends it, its writer. [`Compound`] checks a datagram
//! and walks through it. Readers borrow; writers append to a [`Writer`] whole or not at all.

pub mod bye;
pub mod compound;
pub mod fir;
pub mod nack;
pub mod pli;
pub mod receiver_report;
pub mod remb;
pub mod report_block;
pub mod sdes;
pub mod sender_report;
pub mod transport_cc;
pub mod xr;

#[cfg(test)]
mod tests;

pub use bye::{Bye, write_bye};
pub use compound::{Compound, Packet, RawPacket};
pub use fir::{Fir, write_fir};
pub use nack::{Nack, write_nack};
pub use pli::{Pli, write_pli};
pub use receiver_report::{ReceiverReport, write_receiver_report};
pub use remb::Remb;
pub use report_block::ReportBlock;
pub use sdes::{Sdes, write_cname};
pub use sender_report::{SenderInfo, SenderReport, write_sender_report};
pub use transport_cc::{FeedbackFields, TransportFeedback, write_transport_feedback};
pub use xr::{ExtendedReport, XrBlock};

use crate::wire::{NoRoom, Writer};

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2).
pub(crate) mod packet_type {
    pub(crate) const SENDER_REPORT: u8 = 200;
    pub(crate) const RECEIVER_REPORT: u8 = 201;
    pub(crate) const SDES: u8 = 202;
    pub(crate) const BYE: u8 = 203;
    pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;
    pub(crate) const EXTENDED_REPORT: u8 = 207;
}

/// Feedback message types: the count field of types 205 and 206.
pub(crate) mod feedback_type {
    pub(crate) const NACK: u8 = 1;
    pub(crate) const TRANSPORT_CC: u8 = 15;
    pub(crate) const PLI: u8 = 1;
    pub(crate) const FIR: u8 = 4;
    pub(crate) const APPLICATION: u8 = 15;
}

/// Why bytes are not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtcpError {
    /// A packet's length field runs over the end of the datagram, or there is no packet at all.
    Truncated,
    Version,
    /// Padding on another packet than the last, or of an impossible size.
    Padding,
    /// The body does not have the shape that its type and count announce.
    Body,
}

/// Writes a packet's header; refuses unless the whole packet of `body_len` bytes more will fit.
fn begin(writer: &mut Writer<'_>, count: u8, packet_type: u8, body_len: usize) -> Result<(), NoRoom> {
    if writer.room() < 4 + body_len {
        return Err(NoRoom);
    }
    writer.bytes(&[0x80 | (count & 0x1F), packet_type])?;
    writer.u16(u16::try_from(body_len / 4).map_err(|_| NoRoom)?)
}
