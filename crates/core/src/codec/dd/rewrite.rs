//! Writes a descriptor for a subscriber: its own frame number, and which decode targets it still gets.

use super::super::CodecError;
use super::super::bits::BitReader;
use super::MANDATORY_LEN;
use crate::wire::{put, u8_at};

/// Longest element of a header extension.
pub const MAX_LEN: usize = 255;
/// `active_decode_targets_present_flag` in the byte behind the mandatory fields.
const HAS_MASK: u8 = 0x40;
/// Of the extended fields, in bits.
const FLAGS_LEN: usize = 5;

/// Where in a descriptor `active_decode_targets_bitmask` stands or would stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskPlace {
    /// In bits, from the start.
    pub at: u16,
    /// Decode targets, a bit each; 0: there is no descriptor.
    pub targets: u8,
    pub is_there: bool,
}

/// Writes `value` with `frame_number` and, unless `active_targets` is 0, with that mask. Returns the length.
pub fn write(
    value: &[u8],
    frame_number: u16,
    active_targets: u32,
    place: MaskPlace,
    out: &mut [u8; MAX_LEN],
) -> Result<usize, CodecError> {
    let masked = if active_targets == 0 { None } else { write_mask(value, active_targets, place, out) };
    if masked.is_none() {
        put(out, 0, value).map_err(|_| CodecError::Truncated)?;
    }
    super::rewrite_frame_number(out, frame_number)?;
    Ok(masked.unwrap_or(value.len()))
}

/// `None` when there is no room for the mask: then the subscriber is not told, which costs it nothing but the knowledge.
fn write_mask(value: &[u8], mask: u32, place: MaskPlace, out: &mut [u8; MAX_LEN]) -> Option<usize> {
    let head = value.get(..MANDATORY_LEN)?;
    out.get_mut(..MANDATORY_LEN)?.copy_from_slice(head);
    let mut bits = BitWriter { out, position: 8 * MANDATORY_LEN };
    let flags = u8_at(value, MANDATORY_LEN).unwrap_or_default() | HAS_MASK;
    bits.push(u32::from(flags >> (8 - FLAGS_LEN)), FLAGS_LEN)?;
    let flags_end = 8 * MANDATORY_LEN + FLAGS_LEN;
    let place_at = usize::from(place.at).max(flags_end);
    let mut source = BitReader::new(value);
    let mut copy = |bits: &mut BitWriter<'_>, from: usize, to: usize| {
        source.seek(from);
        for _ in 0..to.saturating_sub(from) / 8 {
            bits.push(source.bits(8).ok()?, 8)?;
        }
        let rest = to.saturating_sub(from) % 8;
        bits.push(source.bits(rest as u32).ok()?, rest)
    };
    let end = 8 * value.len();
    let behind = place_at + if place.is_there { usize::from(place.targets) } else { 0 };
    if end > flags_end {
        copy(&mut bits, flags_end, place_at)?;
    }
    bits.push(mask, usize::from(place.targets))?;
    copy(&mut bits, behind.min(end), end)?;
    bits.finish()
}

struct BitWriter<'a> {
    out: &'a mut [u8; MAX_LEN],
    position: usize,
}

impl BitWriter<'_> {
    fn push(&mut self, value: u32, count: usize) -> Option<()> {
        for bit in (0..count).rev() {
            let byte = self.out.get_mut(self.position / 8)?;
            let shift = 7 - self.position % 8;
            let is_set = value >> bit & 1;
            *byte = *byte & !(1 << shift) | (is_set as u8) << shift;
            self.position += 1;
        }
        Some(())
    }

    /// Fills the last byte with zeros.
    fn finish(&mut self) -> Option<usize> {
        self.push(0, self.position.next_multiple_of(8) - self.position)?;
        Some(self.position / 8)
    }
}
