//! AV1 payloads (AV1 RTP payload format 1.0, §4.3, §4.4): aggregation header and OBU elements.
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! |Z|Y| W |N|-|-|-|   Z, Y: first, last element is a fragment that goes on; W: elements, 0: all have
//!                     a length; N: first packet of a coded video sequence
//! ```
//!
//! Layers come from the dependency descriptor ([`super::dd`]), not from here.

use super::{CodecError, FrameMarks};
use crate::wire::u8_at;

const SEQUENCE_HEADER: u8 = 1;
/// `leb128()` of the AV1 specification, 4.10.5, has at most eight bytes.
const MAX_LEB128_LEN: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Av1Payload {
    /// Z: continues an OBU of the packet before.
    pub starts_with_fragment: bool,
    /// Y: its last OBU goes on in the next packet.
    pub ends_with_fragment: bool,
    /// N: first packet of a coded video sequence.
    pub starts_sequence: bool,
    /// A sequence header OBU begins in this packet.
    pub has_sequence_header: bool,
}

impl Av1Payload {
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let head = u8_at(payload, 0).ok_or(CodecError::Truncated)?;
        let mut parsed = Self {
            starts_with_fragment: head & 0x80 != 0,
            ends_with_fragment: head & 0x40 != 0,
            starts_sequence: head & 0x08 != 0,
            has_sequence_header: false,
        };
        // §4.4: a coded video sequence does not start with the rest of an OBU.
        if parsed.starts_sequence && parsed.starts_with_fragment {
            return Err(CodecError::Malformed);
        }
        parsed.walk_elements(payload, (head >> 4) & 3)?;
        Ok(parsed)
    }

    /// `announced` is W: so many elements, the last without a length; 0 means lengths throughout.
    fn walk_elements(&mut self, payload: &[u8], announced: u8) -> Result<(), CodecError> {
        let mut rest = payload.get(1..).unwrap_or_default();
        let mut index = 0;
        while !rest.is_empty() {
            let element;
            (element, rest) =
                if announced != 0 && index + 1 >= announced { (rest, &[][..]) } else { split_element(rest)? };
            let is_continuation = index == 0 && self.starts_with_fragment;
            if let Some(obu_header) = element.first().filter(|_| !is_continuation) {
                self.has_sequence_header |= (obu_header >> 3) & 0x0F == SEQUENCE_HEADER;
            }
            index = index.saturating_add(1);
        }
        // The last of the announced elements has at least its OBU header, the others may be empty.
        if index == 0 || index < announced { Err(CodecError::Truncated) } else { Ok(()) }
    }

    pub fn starts_keyframe(&self) -> bool {
        self.starts_sequence && self.has_sequence_header
    }
}

/// The sequence header OBU that begins in a packet, behind its header.
pub(super) fn sequence_header(payload: &[u8]) -> Result<&[u8], CodecError> {
    let head = u8_at(payload, 0).ok_or(CodecError::Truncated)?;
    let announced = (head >> 4) & 3;
    let mut rest = payload.get(1..).unwrap_or_default();
    let mut index = 0u8;
    while !rest.is_empty() {
        let element;
        index = index.saturating_add(1);
        (element, rest) = if announced != 0 && index >= announced { (rest, &[][..]) } else { split_element(rest)? };
        let is_continuation = index == 1 && head & 0x80 != 0;
        if let Some(obu_header) = element.first().filter(|_| !is_continuation)
            && (obu_header >> 3) & 0x0F == SEQUENCE_HEADER
        {
            // AV1 specification 5.3.2: bit 2 announces an extension byte, bit 1 a length.
            let behind = element.get(1 + usize::from(obu_header >> 2 & 1)..).unwrap_or_default();
            return if obu_header & 2 != 0 { split_element(behind).map(|(obu, _)| obu) } else { Ok(behind) };
        }
    }
    Err(CodecError::Truncated)
}

/// Takes an element with its leading length off the front.
fn split_element(bytes: &[u8]) -> Result<(&[u8], &[u8]), CodecError> {
    let mut len = 0u64;
    for index in 0..MAX_LEB128_LEN {
        let byte = u8_at(bytes, index).ok_or(CodecError::Truncated)?;
        len |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let len = usize::try_from(len).map_err(|_| CodecError::Truncated)?;
            let rest = bytes.get(index + 1..).ok_or(CodecError::Truncated)?;
            return rest.split_at_checked(len).ok_or(CodecError::Truncated);
        }
    }
    Err(CodecError::Malformed)
}

/// `marker` is the RTP header's: it ends a temporal unit.
pub fn marks(payload: &[u8], marker: bool) -> Result<FrameMarks, CodecError> {
    let parsed = Av1Payload::parse(payload)?;
    Ok(FrameMarks {
        starts_keyframe: parsed.starts_keyframe(),
        starts_layer_frame: !parsed.starts_with_fragment,
        ends_layer_frame: marker,
        ..FrameMarks::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEQUENCE: u8 = SEQUENCE_HEADER << 3;
    const FRAME: u8 = 6 << 3;

    #[test]
    fn a_new_sequence_with_its_header_starts_a_keyframe() {
        // W = 1, W = 2 (first with a length), W = 0 (both with one).
        assert!(marks(&[0x18, SEQUENCE, 1], false).unwrap().starts_keyframe);
        assert!(marks(&[0x28, 2, SEQUENCE, 1, FRAME, 1], false).unwrap().starts_keyframe);
        assert!(marks(&[0x08, 2, SEQUENCE, 1, 2, FRAME, 1], false).unwrap().starts_keyframe);
    }

    #[test]
    fn the_bit_or_the_header_alone_do_not() {
        assert!(!marks(&[0x18, FRAME, 1], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x10, SEQUENCE, 1], false).unwrap().starts_keyframe);
    }

    #[test]
    fn a_continued_obu_has_no_header_to_read() {
        let payload = Av1Payload::parse(&[0x90, SEQUENCE, 1]).unwrap();
        assert!(payload.starts_with_fragment && !payload.has_sequence_header);
    }

    #[test]
    fn every_malformation_has_its_error() {
        assert_eq!(Av1Payload::parse(&[]), Err(CodecError::Truncated));
        assert_eq!(Av1Payload::parse(&[0x10]), Err(CodecError::Truncated));
        assert_eq!(Av1Payload::parse(&[0x98, 1]), Err(CodecError::Malformed));
        assert_eq!(Av1Payload::parse(&[0x00, 3, 1, 2]), Err(CodecError::Truncated));
        assert_eq!(Av1Payload::parse(&[0x20, 1, FRAME]), Err(CodecError::Truncated));
        assert_eq!(
            Av1Payload::parse(&[0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
            Err(CodecError::Malformed)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_payload_or_an_error(
            head in any::<u8>(), bytes in proptest::collection::vec(0u8..40, 0..40),
        ) {
            let _ = Av1Payload::parse(&[&[head], &bytes[..]].concat());
        }
    }
}
