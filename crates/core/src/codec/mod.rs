//! What a payload says of its frame, codec by codec, and the fields that a forwarder rewrites in
//! place. Each codec has one file; its `marks` gives the same small [`FrameMarks`], so that the stops
//! after `ingress` need not know codecs. Reads the payload (or the dependency descriptor) of one
//! packet only, never allocates, keeps no state but the descriptor's template structure.

#![expect(clippy::struct_excessive_bools, reason = "flags on the wire, independent of each other")]

pub mod av1;
mod bits;
pub mod dd;
pub mod h264;
pub mod size;
pub mod vp8;
pub mod vp9;

use crate::wire::put;

/// Why a payload cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecError {
    /// Ends within what its first bytes announce.
    Truncated,
    /// A packetization that was not negotiated (H264 modes 0 and 2).
    Unsupported,
    /// A value that the format forbids, or a descriptor that needs a structure not seen yet.
    Malformed,
}

/// Layer, frame boundaries and the places of rewritable fields of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMarks {
    /// This packet starts a frame from which decoding can start.
    pub starts_keyframe: bool,
    /// First packet of a frame of its spatial layer, as far as the payload alone tells (not for H264).
    pub starts_layer_frame: bool,
    /// Last packet of a frame of its spatial layer.
    pub ends_layer_frame: bool,
    /// A decoder of lower temporal layers can go on with this frame (VP8 Y, dependency descriptor S).
    pub switch_here: bool,
    /// It can go on with any higher temporal layer after this frame (VP9 U, dependency descriptor S of
    /// the higher targets).
    pub switch_after: bool,
    /// A decoder of the spatial layer below can go on with this one from this frame on: it refers to no
    /// other picture (VP9 P, dependency descriptor S).
    pub opens_layer: bool,
    /// How many frame numbers back the last frame is that belongs to a chain of an active decode target (dependency
    /// descriptor); 0: all chains start here; `None`: there are no chains.
    pub chain_distance: Option<u8>,
    /// No other frame refers to this one.
    pub is_discardable: bool,
    /// Where its dependency descriptor tells of decode targets.
    pub targets: dd::MaskPlace,
    /// Spatial and temporal layer; 0 when the payload does not tell.
    pub sid: u8,
    pub tid: u8,
    pub picture: Option<PictureId>,
    pub tl0: Option<Tl0>,
}

/// A picture id (VP8, VP9) and where in the payload it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    pub value: u16,
    /// Offset in the payload.
    pub at: u8,
    /// Two bytes with 15 bits, else one byte with 7.
    pub is_long: bool,
}

impl PictureId {
    /// Writes another value in the same place and width; higher bits are cut.
    pub fn rewrite(self, payload: &mut [u8], value: u16) -> Result<(), CodecError> {
        let at = usize::from(self.at);
        let written = if self.is_long {
            put(payload, at, &(0x8000 | value).to_be_bytes())
        } else {
            put(payload, at, &[(value & 0x7F) as u8])
        };
        written.map_err(|_| CodecError::Truncated)
    }
}

/// A running number of base layer frames (tl0picidx of VP8, VP9) and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tl0 {
    pub value: u8,
    /// Offset in the payload.
    pub at: u8,
}

impl Tl0 {
    /// Writes another value in the same place.
    pub fn rewrite(self, payload: &mut [u8], value: u8) -> Result<(), CodecError> {
        put(payload, usize::from(self.at), &[value]).map_err(|_| CodecError::Truncated)
    }
}

/// Reads the picture id at `at`: its M bit tells the width. VP8 and VP9 share the form.
fn picture_id(payload: &[u8], at: usize) -> Result<PictureId, CodecError> {
    let first = crate::wire::u8_at(payload, at).ok_or(CodecError::Truncated)?;
    let is_long = first & 0x80 != 0;
    let value = if is_long {
        crate::wire::u16_at(payload, at).ok_or(CodecError::Truncated)? & 0x7FFF
    } else {
        u16::from(first)
    };
    Ok(PictureId { value, at: at as u8, is_long })
}
