//! VP9 payload descriptor (RFC 9628 §4.2).
//!
//! ```text
//!      0 1 2 3 4 5 6 7
//!     |I|P|L|F|B|E|V|Z|  required
//! I:  |M| picture id  |  7 bits, or 15 with M
//! L:  | tid |U| sid |D|
//!     |   tl0picidx   |  L and not F
//! P,F:| P_DIFF      |N|  up to three
//! V:  |N_S  |Y|G|-|-|-|  scalability structure
//! ```

use super::{CodecError, FrameMarks, PictureId, Tl0, picture_id};
use crate::wire::{u8_at, u16_at};

/// RFC 9628 §4.2: `P_DIFF` comes at most three times.
const MAX_REFERENCES: usize = 3;
const MAX_SPATIAL_LAYERS: usize = 8;

/// Spatial layers of the stream, lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScalabilityStructure {
    pub spatial_layers: u8,
    /// (width, height) in pixels of each layer; zeros when not told.
    pub resolutions: [(u16, u16); MAX_SPATIAL_LAYERS],
    /// Pictures in the group that repeats; 0 when not told.
    pub group_len: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Descriptor {
    pub picture: Option<PictureId>,
    /// P: refers to earlier pictures.
    pub is_inter_predicted: bool,
    /// L: the layer fields below were there.
    pub has_layers: bool,
    /// F: references are listed instead of given by the structure.
    pub is_flexible: bool,
    /// B, E: first and last packet of a layer frame.
    pub starts_layer_frame: bool,
    pub ends_layer_frame: bool,
    /// Z: no higher spatial layer refers to this frame.
    pub is_not_reference_for_upper: bool,
    pub tid: u8,
    /// U: after this picture any higher temporal layer can be decoded.
    pub is_switching_up_point: bool,
    pub sid: u8,
    /// D: refers to the next lower spatial layer of the picture.
    pub is_inter_layer_predicted: bool,
    pub tl0: Option<Tl0>,
    pub structure: Option<ScalabilityStructure>,
    /// Bytes of this descriptor.
    pub len: usize,
}

impl Vp9Descriptor {
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let mut at = Cursor { payload, at: 0 };
        let first = at.byte()?;
        let has = |bit: u8| first & bit != 0;
        let mut descriptor = Self {
            picture: None,
            is_inter_predicted: has(0x40),
            has_layers: has(0x20),
            is_flexible: has(0x10),
            starts_layer_frame: has(0x08),
            ends_layer_frame: has(0x04),
            is_not_reference_for_upper: has(0x01),
            tid: 0,
            is_switching_up_point: false,
            sid: 0,
            is_inter_layer_predicted: false,
            tl0: None,
            structure: None,
            len: 0,
        };
        if has(0x80) {
            let picture = picture_id(payload, at.at)?;
            at.at += 1 + usize::from(picture.is_long);
            descriptor.picture = Some(picture);
        }
        if descriptor.has_layers {
            descriptor.parse_layers(&mut at)?;
        }
        if descriptor.is_flexible && descriptor.is_inter_predicted {
            skip_references(&mut at)?;
        }
        if has(0x02) {
            descriptor.structure = Some(parse_structure(&mut at)?);
        }
        descriptor.len = at.at;
        Ok(descriptor)
    }

    fn parse_layers(&mut self, at: &mut Cursor<'_>) -> Result<(), CodecError> {
        let layers = at.byte()?;
        self.tid = layers >> 5;
        self.is_switching_up_point = layers & 0x10 != 0;
        self.sid = (layers >> 1) & 7;
        self.is_inter_layer_predicted = layers & 1 != 0;
        if !self.is_flexible {
            let place = at.at as u8;
            self.tl0 = Some(Tl0 { value: at.byte()?, at: place });
        }
        Ok(())
    }

    /// The lowest layer's first packet of a picture that refers to no other.
    pub fn starts_keyframe(&self) -> bool {
        self.starts_layer_frame && !self.is_inter_predicted && self.sid == 0
    }
}

struct Cursor<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, CodecError> {
        let byte = u8_at(self.payload, self.at).ok_or(CodecError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn word(&mut self) -> Result<u16, CodecError> {
        let word = u16_at(self.payload, self.at).ok_or(CodecError::Truncated)?;
        self.at += 2;
        Ok(word)
    }

    fn skip(&mut self, len: usize) -> Result<(), CodecError> {
        self.at += len;
        if self.at > self.payload.len() { Err(CodecError::Truncated) } else { Ok(()) }
    }
}

fn skip_references(at: &mut Cursor<'_>) -> Result<(), CodecError> {
    for _ in 0..MAX_REFERENCES {
        if at.byte()? & 1 == 0 {
            return Ok(());
        }
    }
    Err(CodecError::Malformed)
}

fn parse_structure(at: &mut Cursor<'_>) -> Result<ScalabilityStructure, CodecError> {
    let head = at.byte()?;
    let mut structure = ScalabilityStructure { spatial_layers: (head >> 5) + 1, ..ScalabilityStructure::default() };
    if head & 0x10 != 0 {
        for resolution in structure.resolutions.iter_mut().take(usize::from(structure.spatial_layers)) {
            *resolution = (at.word()?, at.word()?);
        }
    }
    if head & 0x08 != 0 {
        structure.group_len = at.byte()?;
        for _ in 0..structure.group_len {
            let references = (at.byte()? >> 2) & 3;
            at.skip(usize::from(references))?;
        }
    }
    Ok(structure)
}

/// `marker` is the RTP header's: it ends a picture, and with it the layer frame.
pub fn marks(payload: &[u8], marker: bool) -> Result<FrameMarks, CodecError> {
    let descriptor = Vp9Descriptor::parse(payload)?;
    Ok(FrameMarks {
        starts_keyframe: descriptor.starts_keyframe(),
        starts_layer_frame: descriptor.starts_layer_frame,
        ends_layer_frame: descriptor.ends_layer_frame || marker,
        switch_after: descriptor.is_switching_up_point,
        opens_layer: !descriptor.is_inter_predicted && descriptor.sid > 0,
        sid: descriptor.sid,
        tid: descriptor.tid,
        picture: descriptor.picture,
        tl0: descriptor.tl0,
        ..FrameMarks::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_keyframe_with_its_structure_reads_field_by_field() {
        // I, L, B, V; long picture id; tid 0, U, sid 0; tl0picidx; two layers with sizes, group of two.
        let payload = [0xAA, 0x81, 0x02, 0x10, 9, 0x38, 1, 64, 0, 180, 2, 128, 1, 104, 2, 0x10, 0x34, 1, 0xAB, 0xFF];
        let descriptor = Vp9Descriptor::parse(&payload).unwrap();
        assert_eq!(descriptor.picture, Some(PictureId { value: 0x102, at: 1, is_long: true }));
        assert_eq!(descriptor.tl0, Some(Tl0 { value: 9, at: 4 }));
        let structure = descriptor.structure.unwrap();
        assert_eq!((structure.spatial_layers, structure.group_len), (2, 2));
        assert_eq!(structure.resolutions[..2], [(320, 180), (640, 360)]);
        assert!(descriptor.starts_keyframe() && descriptor.is_switching_up_point);
        assert_eq!(descriptor.len, 18);
    }

    #[test]
    fn only_the_lowest_layer_s_first_packet_starts_a_keyframe() {
        assert!(marks(&[0x28, 0x00, 0], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x20, 0x00, 0], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x28, 0x03, 0], false).unwrap().starts_keyframe);
        assert!(!marks(&[0x68, 0x00, 0], false).unwrap().starts_keyframe);
        assert!(marks(&[0x08], false).unwrap().starts_keyframe);
    }

    #[test]
    fn layers_and_boundaries_become_marks() {
        let marks = marks(&[0x6C, 0x55, 4], false).unwrap();
        assert!(marks.starts_layer_frame && marks.ends_layer_frame && marks.switch_after);
        assert_eq!((marks.tid, marks.sid, marks.tl0), (2, 2, Some(Tl0 { value: 4, at: 2 })));
    }

    #[test]
    fn flexible_mode_lists_at_most_three_references() {
        assert_eq!(Vp9Descriptor::parse(&[0x50, 3, 5, 6, 0]).unwrap().len, 4);
        assert_eq!(Vp9Descriptor::parse(&[0x50, 3, 5, 7, 0]), Err(CodecError::Malformed));
        assert_eq!(Vp9Descriptor::parse(&[0x50, 3]), Err(CodecError::Truncated));
        let flexible = Vp9Descriptor::parse(&[0x30, 0x00]).unwrap();
        assert!(flexible.is_flexible && flexible.tl0.is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_descriptor_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(descriptor) = Vp9Descriptor::parse(&bytes) {
                prop_assert!(descriptor.len <= bytes.len());
            }
        }
    }
}
