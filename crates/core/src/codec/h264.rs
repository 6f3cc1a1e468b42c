//! H264 payloads in packetization mode 1 (RFC 6184 §5.6, §5.7.1, §5.8): single NAL units, STAP-A,
//! FU-A.
//!
//! A keyframe starts where a sequence parameter set (SPS) is: browsers send SPS, PPS and the IDR
//! picture together, and a decoder that joins cannot begin with an IDR slice alone. Senders that
//! send the SPS once, at their very beginning, cannot be joined later by anybody.

use super::{CodecError, FrameMarks};
use crate::wire::{u8_at, u16_at};

const IDR_SLICE: u8 = 5;
const SPS: u8 = 7;
const LAST_SINGLE: u8 = 23;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Which NAL units begin in a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct H264Payload {
    pub has_sps: bool,
    pub has_idr: bool,
    /// `nal_ref_idc` is 0 throughout: no other picture refers to this one.
    pub is_discardable: bool,
}

impl H264Payload {
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let head = u8_at(payload, 0).ok_or(CodecError::Truncated)?;
        let mut parsed = Self { is_discardable: head & 0x60 == 0, ..Self::default() };
        match head & 0x1F {
            nal_type @ 1..=LAST_SINGLE => parsed.note(nal_type),
            STAP_A => parsed.walk_aggregate(payload)?,
            FU_A => {
                let fragment = u8_at(payload, 1).ok_or(CodecError::Truncated)?;
                // Only the first fragment begins a NAL unit.
                if fragment & 0x80 != 0 {
                    parsed.note(fragment & 0x1F);
                }
            }
            _ => return Err(CodecError::Unsupported),
        }
        Ok(parsed)
    }

    fn note(&mut self, nal_type: u8) {
        self.has_sps |= nal_type == SPS;
        self.has_idr |= nal_type == IDR_SLICE;
    }

    fn walk_aggregate(&mut self, payload: &[u8]) -> Result<(), CodecError> {
        let mut at = 1;
        while at < payload.len() {
            let len = usize::from(u16_at(payload, at).ok_or(CodecError::Truncated)?);
            let unit = payload.get(at + 2..at + 2 + len).ok_or(CodecError::Truncated)?;
            // An empty unit is forbidden, and harmless.
            if let Some(head) = unit.first() {
                self.note(head & 0x1F);
            }
            at += 2 + len;
        }
        Ok(())
    }
}

/// The sequence parameter set in a packet that holds it whole, behind its header byte.
pub(super) fn parameter_set(payload: &[u8]) -> Result<&[u8], CodecError> {
    let head = u8_at(payload, 0).ok_or(CodecError::Truncated)?;
    if head & 0x1F == SPS {
        return Ok(payload.get(1..).unwrap_or_default());
    }
    if head & 0x1F != STAP_A {
        return Err(CodecError::Unsupported);
    }
    let mut rest = payload.get(1..).unwrap_or_default();
    while let Some((len, units)) = rest.split_first_chunk() {
        let (unit, others) =
            units.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or(CodecError::Truncated)?;
        if let [head, data @ ..] = unit
            && head & 0x1F == SPS
        {
            return Ok(data);
        }
        rest = others;
    }
    Err(CodecError::Truncated)
}

/// `marker` is the RTP header's: it ends an access unit.
pub fn marks(payload: &[u8], marker: bool) -> Result<FrameMarks, CodecError> {
    let parsed = H264Payload::parse(payload)?;
    Ok(FrameMarks {
        starts_keyframe: parsed.has_sps,
        ends_layer_frame: marker,
        is_discardable: parsed.is_discardable,
        ..FrameMarks::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameter_sets_start_a_keyframe_however_they_are_packed() {
        assert!(marks(&[0x67, 1, 2], false).unwrap().starts_keyframe);
        assert!(marks(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], false).unwrap().starts_keyframe);
        assert!(marks(&[0x7C, 0x87, 1], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x7C, 0x07, 1], false).unwrap().starts_keyframe);
    }

    #[test]
    fn an_idr_slice_alone_is_seen_but_starts_nothing() {
        let payload = H264Payload::parse(&[0x7C, 0x85, 1]).unwrap();
        assert!(payload.has_idr && !payload.has_sps);
        assert!(!marks(&[0x65, 1], true).unwrap().starts_keyframe);
    }

    #[test]
    fn a_slice_that_nothing_refers_to_is_discardable() {
        assert!(marks(&[0x01, 1], true).unwrap().is_discardable);
        assert!(!marks(&[0x41, 1], true).unwrap().is_discardable);
    }

    #[test]
    fn every_malformation_has_its_error() {
        assert_eq!(H264Payload::parse(&[]), Err(CodecError::Truncated));
        assert_eq!(H264Payload::parse(&[0x7C]), Err(CodecError::Truncated));
        assert_eq!(H264Payload::parse(&[0x78, 0]), Err(CodecError::Truncated));
        assert_eq!(H264Payload::parse(&[0x78, 0, 3, 0x67]), Err(CodecError::Truncated));
        for unsupported in [0x60, 0x79, 0x7D, 0x7F] {
            assert_eq!(H264Payload::parse(&[unsupported, 0, 0]), Err(CodecError::Unsupported));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_payload_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = H264Payload::parse(&bytes);
            let _ = H264Payload::parse(&[&[0x78], &bytes[..]].concat());
        }
    }
}
