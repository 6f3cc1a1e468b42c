//! AV1 packets (AV1 RTP payload format 1.0): aggregation header and dependency descriptor, as libwebrtc's full scalability
//! structures tell of their layers.
//!
//! There is a decode target for each spatial and temporal layer and a chain for each spatial layer: the frames of the
//! lowest temporal layer up to it. Frame numbers count layer frames, so what lies how far back is the same in each group.

use super::bits::BitWriter;
use super::layered::Place;
use super::scalable::{GROUP, ScalableOptions};

/// Aggregation header and the header of the OBU.
pub(super) const HEAD_LEN: usize = 2;
const TEMPORAL: u8 = 3;
/// Of each spatial layer: one for each place in the group, and one for keyframes.
const TEMPLATES: usize = GROUP.len() + 1;
const KEYFRAME: usize = GROUP.len();
/// Templates of a spatial layer in the order of temporal layers, as the format wants them: places in the group.
const ORDER: [usize; TEMPLATES] = [0, KEYFRAME, 2, 1, 3];
/// How many pictures back the reference of each place is.
const PICTURES_BACK: [u32; GROUP.len()] = [4, 1, 2, 1];

const SEQUENCE_HEADER: u8 = 1 << 3;
const FRAME: u8 = 6 << 3;

/// Decode target indications (A.8.1.2).
const NOT_PRESENT: u32 = 0;
const DISCARDABLE: u32 = 1;
const SWITCH: u32 = 2;
const REQUIRED: u32 = 3;

/// What stands in front of a packet's part of the frame; continued parts have no OBU header.
pub(super) fn payload_head(place: &Place) -> Vec<u8> {
    let (continues, goes_on) = (u8::from(!place.is_first) << 7, u8::from(!place.is_last) << 6);
    if place.begins_keyframe() {
        // N, two elements: a sequence header of one byte, the frame.
        return vec![goes_on | 0x28, 2, SEQUENCE_HEADER, 0, FRAME];
    }
    let mut head = vec![continues | goes_on | 0x10];
    head.extend(place.is_first.then_some(FRAME));
    head
}

/// The descriptor of one packet; with the structure on a keyframe's first.
pub(super) fn descriptor(options: &ScalableOptions, place: &Place, picture: u32) -> Vec<u8> {
    let layers = options.layers.len() as u32;
    let kind = place.in_group.unwrap_or(KEYFRAME);
    let template = usize::from(place.sid) * TEMPLATES + ORDER.iter().position(|&it| it == kind).unwrap_or_default();
    let mut bits = BitWriter::default();
    bits.put(u32::from(place.is_first), 1);
    bits.put(u32::from(place.is_last), 1);
    bits.put(template as u32, 6);
    bits.put(picture.wrapping_mul(layers).wrapping_add(u32::from(place.sid)) & 0xFFFF, 16);
    if place.begins_keyframe() {
        // A structure, and nothing that differs from its templates.
        bits.put(0b1_0000, 5);
        write_structure(&mut bits, options);
    }
    bits.into_bytes()
}

fn write_structure(bits: &mut BitWriter, options: &ScalableOptions) {
    let layers = options.layers.len() as u8;
    let templates = || (0..layers).flat_map(|sid| ORDER.into_iter().map(move |kind| (sid, kind)));
    let targets = || (0..layers).flat_map(|sid| (0..TEMPORAL).map(move |tid| (sid, tid)));
    bits.put(0, 6);
    bits.put(u32::from(layers * TEMPORAL) - 1, 5);
    let next = templates().skip(1).map(Some).chain([None]);
    for ((sid, kind), next) in templates().zip(next) {
        bits.put(
            next.map_or(3, |(next_sid, next)| if next_sid > sid { 2 } else { tid_of(next) - tid_of(kind) }.into()),
            2,
        );
    }
    for (sid, kind) in templates() {
        targets().for_each(|target| bits.put(indication(sid, tid_of(kind), target), 2));
    }
    for (sid, kind) in templates() {
        for distance in references(sid, kind, u32::from(layers)) {
            bits.put(1, 1);
            bits.put(distance - 1, 4);
        }
        bits.put(0, 1);
    }
    write_chains(bits, layers);
    bits.put(1, 1);
    for layer in &options.layers {
        bits.put(u32::from(layer.width) - 1, 16);
        bits.put(u32::from(layer.height) - 1, 16);
    }
}

fn write_chains(bits: &mut BitWriter, layers: u8) {
    bits.put_below(layers.into(), u32::from(layers * TEMPORAL) + 1);
    for sid in (0..layers).flat_map(|sid| [sid; TEMPORAL as usize]) {
        bits.put_below(sid.into(), layers.into());
    }
    for sid in 0..layers {
        for kind in ORDER {
            (0..layers).for_each(|chain| bits.put(chain_distance(sid, kind, chain, layers), 4));
        }
    }
}

fn tid_of(kind: usize) -> u8 {
    if kind == KEYFRAME { 0 } else { GROUP[kind].0 }
}

/// What a frame is to a decode target.
fn indication(sid: u8, tid: u8, target: (u8, u8)) -> u32 {
    if sid > target.0 || tid > target.1 {
        NOT_PRESENT
    } else if tid == 0 {
        SWITCH
    } else if sid < target.0 {
        REQUIRED
    } else if tid == target.1 {
        DISCARDABLE
    } else {
        SWITCH
    }
}

/// Distances to the frames that a frame refers to: its own layer's of an earlier picture, the one below in its own.
fn references(sid: u8, kind: usize, layers: u32) -> impl Iterator<Item = u32> {
    let farther = PICTURES_BACK.get(kind).map(|pictures| pictures * layers);
    farther.into_iter().chain((sid > 0).then_some(1))
}

/// How far back the chain's last frame is.
fn chain_distance(sid: u8, kind: usize, chain: u8, layers: u8) -> u32 {
    match (kind, sid) {
        (KEYFRAME, 0) => 0,
        // The last picture of the lowest temporal layer is that of the group before.
        (0, 0) => u32::from(layers) * GROUP.len() as u32 - u32::from(chain),
        (0 | KEYFRAME, _) => u32::from(sid - chain.min(sid - 1)),
        _ => kind as u32 * u32::from(layers) + u32::from(sid) - u32::from(chain),
    }
}
