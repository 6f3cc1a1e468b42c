//! Source description (RFC 3550 §6.5): of its items the server reads and writes CNAME.

use super::{RtcpError, begin, packet_type};
use crate::wire::{NoRoom, Writer, u8_at, u32_at};

const CNAME: u8 = 1;
const END: u8 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdes<'a> {
    chunks: &'a [u8],
    count: u8,
}

impl<'a> Sdes<'a> {
    pub fn parse(body: &'a [u8], count: u8) -> Result<Self, RtcpError> {
        let mut rest = body;
        for _ in 0..count {
            rest = split_chunk(rest).ok_or(RtcpError::Body)?.2;
        }
        Ok(Self { chunks: body, count })
    }

    /// (SSRC, CNAME) of each chunk that has one.
    pub fn cnames(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut rest = self.chunks;
        (0..self.count).filter_map(move |_| {
            let (ssrc, items, after) = split_chunk(rest)?;
            rest = after;
            Some((ssrc, cname(items)?))
        })
    }
}

/// SSRC, items and what follows the chunk's padding.
fn split_chunk(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let ssrc = u32_at(bytes, 0)?;
    let mut at = 4;
    while u8_at(bytes, at)? != END {
        at += 2 + usize::from(u8_at(bytes, at + 1)?);
    }
    // At least one zero byte ends the items, more fill the word.
    let end = (at + 1).next_multiple_of(4);
    Some((ssrc, bytes.get(4..at)?, bytes.get(end..)?))
}

fn cname(items: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        let item_type = u8_at(items, at)?;
        let len = usize::from(u8_at(items, at + 1)?);
        if item_type == CNAME {
            return items.get(at + 2..at + 2 + len);
        }
        at += 2 + len;
    }
}

/// Appends one chunk with a CNAME, cut to 255 bytes.
pub fn write_cname(writer: &mut Writer<'_>, ssrc: u32, cname: &[u8]) -> Result<(), NoRoom> {
    let cname = cname.get(..cname.len().min(255)).unwrap_or_default();
    let unpadded = 4 + 2 + cname.len();
    let body_len = (unpadded + 1).next_multiple_of(4);
    begin(writer, 1, packet_type::SDES, body_len)?;
    writer.u32(ssrc)?;
    writer.bytes(&[CNAME, cname.len() as u8])?;
    writer.bytes(cname)?;
    (unpadded..body_len).try_for_each(|_| writer.u8(END))
}
