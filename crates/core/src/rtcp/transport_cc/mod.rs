//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |                     SSRC of packet sender                     |
//! |                      SSRC of media source                     |
//! |      base sequence number     |      packet status count      |
//! |                 reference time                | fb pkt. count |
//! |          packet chunk         |         packet chunk ...      |
//! |         recv delta ...        |            padding            |
//! ```
//!
//! Run length chunk: `0`, status (2 bits), length (13 bits). Status vector chunk: `1`, `0`, 14 statuses
//! of one bit; or `1`, `1`, 7 statuses of two bits.

mod build;
mod chunk;
mod parse;

pub use build::{FeedbackFields, write_transport_feedback};
pub use parse::{Arrivals, TransportFeedback};

/// Bytes in front of the chunks.
const HEAD_LEN: usize = 16;
/// Receive deltas count in units of 250 us.
const TICK_US: u64 = 250;
/// The reference time counts in units of 64 ms, 256 ticks.
const REFERENCE_TICKS: u64 = 256;

/// What a chunk says of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Status {
    #[default]
    NotReceived = 0,
    /// A delta of one byte: 0 to 63.75 ms.
    SmallDelta = 1,
    /// A delta of two bytes, signed: up to 8.19 s, or out of order.
    LargeDelta = 2,
}

impl Status {
    fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            0 => Some(Self::NotReceived),
            1 => Some(Self::SmallDelta),
            2 => Some(Self::LargeDelta),
            _ => None,
        }
    }

    fn delta_len(self) -> usize {
        self as usize
    }
}
