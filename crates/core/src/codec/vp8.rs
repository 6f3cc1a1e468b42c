//! VP8 payload descriptor (RFC 7741 §4.2) and the first byte of the payload header (§4.3).
//!
//! ```text
//!      0 1 2 3 4 5 6 7
//!     |X|R|N|S|R| PID |  required
//! X:  |I|L|T|K|  RSV  |
//! I:  |M| picture id  |  7 bits, or 15 with M
//! L:  |   tl0picidx   |
//! T/K:|tid|Y| keyidx  |
//! ```

use super::{CodecError, FrameMarks, PictureId, Tl0, picture_id};
use crate::wire::u8_at;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Descriptor {
    /// N: no other frame refers to this one.
    pub is_discardable: bool,
    /// S: this packet starts a partition.
    pub starts_partition: bool,
    pub partition: u8,
    pub picture: Option<PictureId>,
    pub tl0: Option<Tl0>,
    /// Temporal layer.
    pub tid: Option<u8>,
    /// Y: refers to frames of the base layer only.
    pub is_layer_sync: bool,
    pub keyidx: Option<u8>,
    /// Bytes of this descriptor.
    pub len: usize,
    /// First packet of a keyframe.
    pub starts_keyframe: bool,
}

impl Vp8Descriptor {
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let first = u8_at(payload, 0).ok_or(CodecError::Truncated)?;
        let mut descriptor = Self {
            is_discardable: first & 0x20 != 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            picture: None,
            tl0: None,
            tid: None,
            is_layer_sync: false,
            keyidx: None,
            len: 1,
            starts_keyframe: false,
        };
        if first & 0x80 != 0 {
            descriptor.parse_extension(payload)?;
        }
        let header = u8_at(payload, descriptor.len).ok_or(CodecError::Truncated)?;
        // P of the payload header is an inverse keyframe flag.
        descriptor.starts_keyframe = descriptor.starts_frame() && header & 1 == 0;
        Ok(descriptor)
    }

    fn parse_extension(&mut self, payload: &[u8]) -> Result<(), CodecError> {
        let present = u8_at(payload, 1).ok_or(CodecError::Truncated)?;
        self.len = 2;
        if present & 0x80 != 0 {
            let picture = picture_id(payload, self.len)?;
            self.picture = Some(picture);
            self.len += 1 + usize::from(picture.is_long);
        }
        if present & 0x40 != 0 {
            let value = u8_at(payload, self.len).ok_or(CodecError::Truncated)?;
            self.tl0 = Some(Tl0 { value, at: self.len as u8 });
            self.len += 1;
        }
        if present & 0x30 != 0 {
            let byte = u8_at(payload, self.len).ok_or(CodecError::Truncated)?;
            self.len += 1;
            if present & 0x20 != 0 {
                self.tid = Some(byte >> 6);
                self.is_layer_sync = byte & 0x20 != 0;
            }
            if present & 0x10 != 0 {
                self.keyidx = Some(byte & 0x1F);
            }
        }
        Ok(())
    }

    pub fn starts_frame(&self) -> bool {
        self.starts_partition && self.partition == 0
    }
}

/// `marker` is the RTP header's: it ends a frame.
pub fn marks(payload: &[u8], marker: bool) -> Result<FrameMarks, CodecError> {
    let descriptor = Vp8Descriptor::parse(payload)?;
    Ok(FrameMarks {
        starts_keyframe: descriptor.starts_keyframe,
        starts_layer_frame: descriptor.starts_frame(),
        ends_layer_frame: marker,
        switch_here: descriptor.is_layer_sync,
        is_discardable: descriptor.is_discardable,
        tid: descriptor.tid.unwrap_or_default(),
        picture: descriptor.picture,
        tl0: descriptor.tl0,
        ..FrameMarks::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All extensions, 15-bit picture id 0x1234, tl0picidx 7, tid 2, Y, keyidx 3, then `header`.
    fn full(header: u8) -> Vec<u8> {
        vec![0x90, 0xF0, 0x92, 0x34, 7, 0xA3, header, 1, 2]
    }

    #[test]
    fn a_full_descriptor_reads_field_by_field() {
        let descriptor = Vp8Descriptor::parse(&full(0)).unwrap();
        assert_eq!(descriptor.picture, Some(PictureId { value: 0x1234, at: 2, is_long: true }));
        assert_eq!(descriptor.tl0, Some(Tl0 { value: 7, at: 4 }));
        assert_eq!((descriptor.tid, descriptor.is_layer_sync, descriptor.keyidx), (Some(2), true, Some(3)));
        assert_eq!((descriptor.len, descriptor.starts_keyframe, descriptor.is_discardable), (6, true, false));
    }

    #[test]
    fn a_keyframe_starts_with_the_first_packet_of_partition_0() {
        assert!(marks(&[0x10, 0x00], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x10, 0x01], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x00, 0x00], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x11, 0x00], false).unwrap().starts_keyframe);
    }

    #[test]
    fn picture_id_and_tl0picidx_are_rewritten_in_their_width() {
        let mut payload = full(0);
        let before = Vp8Descriptor::parse(&payload).unwrap();
        before.picture.unwrap().rewrite(&mut payload, 0xFFFF).unwrap();
        before.tl0.unwrap().rewrite(&mut payload, 200).unwrap();
        let after = Vp8Descriptor::parse(&payload).unwrap();
        assert_eq!((after.picture.unwrap().value, after.tl0.unwrap().value), (0x7FFF, 200));
        assert_eq!((after.tid, after.keyidx, after.len), (before.tid, before.keyidx, before.len));
        let mut short = vec![0x90, 0x80, 0x05, 0x01];
        let picture = Vp8Descriptor::parse(&short).unwrap().picture.unwrap();
        picture.rewrite(&mut short, 0x1FF).unwrap();
        assert_eq!(short, vec![0x90, 0x80, 0x7F, 0x01]);
        assert_eq!(picture.rewrite(&mut [0; 2], 1), Err(CodecError::Truncated));
    }

    #[test]
    fn the_marker_ends_a_frame_and_y_lets_layers_in() {
        let marks = marks(&full(1), true).unwrap();
        assert!(marks.ends_layer_frame && marks.switch_here && !marks.switch_after);
        assert_eq!((marks.tid, marks.sid), (2, 0));
    }

    #[test]
    fn every_cut_is_an_error() {
        for len in 0..7 {
            assert_eq!(Vp8Descriptor::parse(&full(0)[..len]), Err(CodecError::Truncated), "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_descriptor_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(descriptor) = Vp8Descriptor::parse(&bytes) {
                prop_assert!(descriptor.len < bytes.len());
                let mut copy = bytes.clone();
                if let Some(picture) = descriptor.picture {
                    picture.rewrite(&mut copy, picture.value).unwrap();
                }
                if let Some(tl0) = descriptor.tl0 {
                    tl0.rewrite(&mut copy, tl0.value).unwrap();
                }
                prop_assert_eq!(copy, bytes);
            }
        }
    }
}
