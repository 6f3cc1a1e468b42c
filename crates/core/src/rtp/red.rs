//! Redundant audio data (RFC 2198 §3): blocks of earlier frames in front of the current one.
//!
//! ```text
//!  0                   1                    2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |F=1| block PT  |  timestamp offset         |   block length    |  redundant block
//! |F=0| block PT  |                                                   the primary, last
//! ```

use crate::wire::{u8_at, u32_at};

/// Most blocks that a packet may carry; browsers send 1 or 2 redundant ones, and libwebrtc reads 32.
pub const MAX_BLOCKS: usize = 32;

/// Why a payload is not RED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedError {
    /// Ends within the block headers, or before the redundant blocks do.
    Truncated,
    /// More than [`MAX_BLOCKS`].
    TooManyBlocks,
}

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedBlock<'a> {
    pub pt: u8,
    /// How far before the packet's timestamp this block's lies; 0 for the primary.
    pub timestamp_offset: u16,
    pub bytes: &'a [u8],
}

/// A checked RED payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedPayload<'a> {
    headers: &'a [u8],
    blocks: &'a [u8],
    primary: RedBlock<'a>,
}

impl<'a> RedPayload<'a> {
    pub fn parse(payload: &'a [u8]) -> Result<Self, RedError> {
        let mut headers_len = 0;
        let mut blocks_len = 0;
        for _ in 0..MAX_BLOCKS {
            let first = u8_at(payload, headers_len).ok_or(RedError::Truncated)?;
            if first & 0x80 != 0 {
                let word = u32_at(payload, headers_len).ok_or(RedError::Truncated)?;
                headers_len += 4;
                blocks_len += (word & 0x3FF) as usize;
                continue;
            }
            let headers = payload.get(..headers_len).ok_or(RedError::Truncated)?;
            let data = payload.get(headers_len + 1..).ok_or(RedError::Truncated)?;
            let (blocks, bytes) = data.split_at_checked(blocks_len).ok_or(RedError::Truncated)?;
            return Ok(Self { headers, blocks, primary: RedBlock { pt: first, timestamp_offset: 0, bytes } });
        }
        Err(RedError::TooManyBlocks)
    }

    /// The current frame.
    pub fn primary(&self) -> RedBlock<'a> {
        self.primary
    }

    /// Redundant blocks, oldest first as sent.
    pub fn redundant(&self) -> impl Iterator<Item = RedBlock<'a>> + use<'a> {
        let mut blocks = self.blocks;
        self.headers.chunks_exact(4).filter_map(move |head| {
            let word = u32_at(head, 0)?;
            let (bytes, rest) = blocks.split_at_checked((word & 0x3FF) as usize)?;
            blocks = rest;
            let timestamp_offset = ((word >> 10) & 0x3FFF) as u16;
            Some(RedBlock { pt: ((word >> 24) & 0x7F) as u8, timestamp_offset, bytes })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_primary_alone_has_one_byte_of_header() {
        let red = RedPayload::parse(&[111, 1, 2]).unwrap();
        assert_eq!(red.primary(), RedBlock { pt: 111, timestamp_offset: 0, bytes: &[1, 2] });
        assert_eq!(red.redundant().count(), 0);
    }

    #[test]
    fn redundant_blocks_come_with_their_offsets() {
        // 1,920 and 960 ticks back, two and three bytes.
        let bytes = [0xEF, 0x1E, 0x00, 2, 0xEF, 0x0F, 0x00, 3, 111, 1, 2, 3, 4, 5, 6];
        let red = RedPayload::parse(&bytes).unwrap();
        let blocks: Vec<_> = red.redundant().map(|b| (b.pt, b.timestamp_offset, b.bytes)).collect();
        assert_eq!(blocks, vec![(111, 1920, &[1, 2][..]), (111, 960, &[3, 4, 5][..])]);
        assert_eq!(red.primary().bytes, &[6]);
    }

    #[test]
    fn every_malformation_has_its_error() {
        assert_eq!(RedPayload::parse(&[]), Err(RedError::Truncated));
        assert_eq!(RedPayload::parse(&[0x80, 0, 0]), Err(RedError::Truncated));
        assert_eq!(RedPayload::parse(&[0x80, 0, 0, 2, 0, 9]), Err(RedError::Truncated));
        assert_eq!(RedPayload::parse(&[0x80; 4 * MAX_BLOCKS]), Err(RedError::TooManyBlocks));
    }

    proptest! {
        #[test]
        fn blocks_and_headers_add_up_to_the_payload(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(red) = RedPayload::parse(&bytes) {
                let redundant: usize = red.redundant().map(|b| b.bytes.len() + 4).sum();
                prop_assert_eq!(redundant + 1 + red.primary().bytes.len(), bytes.len());
            }
        }
    }
}
