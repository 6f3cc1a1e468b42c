//! VP9's payload descriptor in non-flexible mode (RFC 9628 §4.2), as Chromium writes it for cameras.

use super::layered::Place;
use super::scalable::{GROUP, ScalableOptions};

/// I, L: picture id of two bytes, layer, tl0picidx.
pub(super) const DESCRIPTOR_LEN: usize = 5;

/// References of the pictures of a group, as distances in pictures (`P_DIFF`).
const DISTANCES: [u8; 4] = [4, 1, 2, 1];

/// Numbers that VP9 has of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbering {
    pub(super) picture_id: u16,
    pub(super) tl0: u8,
}

/// The descriptor of one packet.
pub(super) fn descriptor(options: &ScalableOptions, place: &Place, numbers: Numbering) -> Vec<u8> {
    let bit = |is_set: bool, at: u8| u8::from(is_set) << at;
    let is_keyed = options.mode.is_keyed();
    // P and D: refers to earlier pictures, to the layer below in this one. U: all structures of Chromium's let any
    // temporal layer follow any picture.
    let is_dependent = place.sid > 0 && (place.is_keyframe() || !is_keyed);
    let is_not_reference = place.is_top || (is_keyed && !place.is_keyframe());
    let has_structure = place.begins_keyframe();
    let first = 0x80
        | bit(!place.is_keyframe(), 6)
        | 0x20
        | bit(place.is_first, 3)
        | bit(place.is_last, 2)
        | bit(has_structure, 1)
        | bit(is_not_reference, 0);
    let [high, low] = (0x8000 | numbers.picture_id).to_be_bytes();
    let layer = place.tid << 5 | 0x10 | place.sid << 1 | bit(is_dependent, 0);
    let mut bytes = vec![first, high, low, layer, numbers.tl0];
    if has_structure {
        write_structure(&mut bytes, options);
    }
    bytes
}

/// `N_S`, Y and G: the sizes, and the group of pictures that repeats.
fn write_structure(bytes: &mut Vec<u8>, options: &ScalableOptions) {
    bytes.push((options.layers.len() as u8 - 1) << 5 | 0x18);
    for layer in &options.layers {
        bytes.extend(layer.width.to_be_bytes());
        bytes.extend(layer.height.to_be_bytes());
    }
    bytes.push(GROUP.len() as u8);
    for ((tid, _), distance) in GROUP.iter().zip(DISTANCES) {
        bytes.extend([tid << 5 | 0x10 | 1 << 2, distance]);
    }
}
