//! Generic NACK (RFC 4585 §6.2.1): a lost sequence number (PID) and a bitmask of the 16 that follow
//! it (BLP), as often as needed.

use super::{RtcpError, begin, feedback_type, packet_type};
use crate::wire::{NoRoom, Writer, u16_at, u32_at};

/// Most items in a message that we write: 4,000 bytes, more than any datagram has room for.
const MAX_ITEMS: u16 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack<'a> {
    pub sender_ssrc: u32,
    /// The stream whose packets are missing.
    pub media_ssrc: u32,
    items: &'a [u8],
}

impl<'a> Nack<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let items = body.get(8..).filter(|items| !items.is_empty()).ok_or(RtcpError::Body)?;
        let sender_ssrc = u32_at(body, 0).ok_or(RtcpError::Body)?;
        let media_ssrc = u32_at(body, 4).ok_or(RtcpError::Body)?;
        Ok(Self { sender_ssrc, media_ssrc, items })
    }

    /// The missing sequence numbers, in the order of the message; up to 17 for every 4 bytes.
    pub fn seqs(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.items.chunks_exact(4).flat_map(|item| {
            let pid = u16_at(item, 0).unwrap_or_default();
            // Bit i of BLP is PID + i + 1; PID itself becomes bit 0 of the joined mask.
            let mask = (u32::from(u16_at(item, 2).unwrap_or_default()) << 1) | 1;
            (0..17u16).filter(move |bit| mask & (1 << bit) != 0).map(move |bit| pid.wrapping_add(bit))
        })
    }
}

/// Appends a NACK of `seqs` (in the order of their circle, oldest first) and returns how many it
/// names: as many as there is room for, at least one.
pub fn write_nack(writer: &mut Writer<'_>, sender_ssrc: u32, media_ssrc: u32, seqs: &[u16]) -> Result<usize, NoRoom> {
    let start = writer.len();
    begin(writer, feedback_type::NACK, packet_type::TRANSPORT_FEEDBACK, 12)?;
    writer.u32(sender_ssrc)?;
    writer.u32(media_ssrc)?;
    let mut rest = seqs;
    let mut items = 0u16;
    while let Some((pid, following)) = rest.split_first() {
        if writer.room() < 4 || items == MAX_ITEMS {
            break;
        }
        let (blp, covered) = mask_after(*pid, following);
        writer.u16(*pid)?;
        writer.u16(blp)?;
        items += 1;
        rest = following.get(covered..).unwrap_or_default();
    }
    if items == 0 {
        writer.truncate(start);
        return Ok(0);
    }
    writer.patch(start + 2, &(2 + items).to_be_bytes())?;
    Ok(seqs.len() - rest.len())
}

/// BLP for `pid`, and how many of the following numbers it covers.
fn mask_after(pid: u16, following: &[u16]) -> (u16, usize) {
    let mut blp = 0;
    let mut covered = 0;
    for seq in following {
        let distance = seq.wrapping_sub(pid);
        if !(1..=16).contains(&distance) {
            break;
        }
        blp |= 1 << (distance - 1);
        covered += 1;
    }
    (blp, covered)
}
