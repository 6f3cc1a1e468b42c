//! A scalable encoder: pictures of several spatial layers in one stream (SVC), with the rates that libwebrtc gives them.
//!
//! `L3T3` and its kin of the W3C's scalability modes: temporal layers in the order 0 2 1 2; each spatial layer refers to
//! the one below in every picture, or (`_KEY`, K-SVC) in keyframes alone.

use super::sizes::{Sizes, noise};
use crate::random::Random;

/// Temporal layer and share of a frame against the mean of its spatial layer. libwebrtc's `SvcRateAllocator` gives each
/// next better share 0.55 of the one before: 54 % to the lowest layer, 16 % to the middle one, 30 % to the highest.
pub(super) const GROUP: [(u8, f64); 4] = [(0, 2.16), (2, 0.594), (1, 0.653), (2, 0.594)];
/// Places in the group whose pictures those of each place refer to; the first to the one before.
const REFERENCES: [usize; 4] = [0, 0, 0, 2];
/// A keyframe takes so many mean frames of its spatial layer: the lowest is coded by itself, the others from it.
const KEYFRAME_MEANS: (f64, f64) = (5.0, 8.0);
const UPPER_KEYFRAME_MEANS: (f64, f64) = (2.5, 4.0);

/// How layers are told and what they refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Non-flexible mode (RFC 9628), as Chromium sends cameras; `is_keyed`: K-SVC.
    Vp9 { is_keyed: bool },
    /// By dependency descriptor, with full inter-layer prediction.
    Av1,
}

impl Mode {
    pub(super) fn is_keyed(self) -> bool {
        self == Self::Vp9 { is_keyed: true }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpatialLayer {
    pub width: u16,
    pub height: u16,
    /// Of this layer alone.
    pub bps: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ScalableOptions {
    pub mode: Mode,
    pub frame_rate: f64,
    /// Lowest first, three at most.
    pub layers: Vec<SpatialLayer>,
}

/// One picture: a frame of each spatial layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub number: u32,
    /// Place in the group of four.
    pub place: usize,
    pub tid: u8,
    /// The picture whose frames those of this one refer to, each layer to its own; `None`: a keyframe.
    pub depends_on: Option<u32>,
    /// Bytes of each spatial layer's frame.
    pub bytes: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct ScalableEncoder {
    random: Random,
    sizes: Vec<Sizes>,
    number: u32,
    place: usize,
    /// Numbers of the newest pictures at each place.
    newest: [u32; 4],
    is_keyframe_wanted: bool,
}

impl ScalableEncoder {
    pub fn new(options: &ScalableOptions, random: Random) -> Self {
        let sizes = options.layers.iter().map(|layer| Sizes::new(layer.bps, options.frame_rate)).collect();
        Self { random, sizes, number: 0, place: 0, newest: [0; 4], is_keyframe_wanted: true }
    }

    pub fn want_keyframe(&mut self) {
        self.is_keyframe_wanted = true;
    }

    pub fn next_picture(&mut self) -> Picture {
        self.number += 1;
        let is_keyframe = std::mem::take(&mut self.is_keyframe_wanted);
        let place = if is_keyframe { 0 } else { self.place };
        self.place = (place + 1) % GROUP.len();
        let (tid, weight) = GROUP[place];
        let depends_on = (!is_keyframe).then_some(self.newest[REFERENCES[place]]);
        self.newest[place] = self.number;
        // One picture: what there is to be coded is the same in all sizes.
        let noise = noise(&mut self.random);
        let mut bytes = Vec::with_capacity(self.sizes.len());
        for (sid, sizes) in self.sizes.iter_mut().enumerate() {
            let (from, to) = if sid == 0 { KEYFRAME_MEANS } else { UPPER_KEYFRAME_MEANS };
            bytes.push(if is_keyframe {
                sizes.keyframe(self.random.between(from, to))
            } else {
                sizes.delta(weight, noise)
            });
        }
        Picture { number: self.number, place, tid, depends_on, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder() -> ScalableEncoder {
        let layer = |width, height, bps| SpatialLayer { width, height, bps };
        let layers = vec![layer(320, 180, 142_000), layer(640, 360, 418_000), layer(1_280, 720, 1_524_000)];
        ScalableEncoder::new(&ScalableOptions { mode: Mode::Av1, frame_rate: 30.0, layers }, Random::new(1))
    }

    #[test]
    fn each_layer_keeps_its_rate_over_keyframes() {
        let mut encoder = encoder();
        let pictures: Vec<Picture> = (0..3_000)
            .map(|number| {
                if number % 300 == 299 {
                    encoder.want_keyframe();
                }
                encoder.next_picture()
            })
            .collect();
        let rate = |sid: usize, keep: &dyn Fn(&Picture) -> bool| {
            let bytes: usize = pictures.iter().filter(|picture| keep(picture)).map(|picture| picture.bytes[sid]).sum();
            bytes as f64 * 8.0 / 100.0
        };
        for (sid, bps) in [142e3, 418e3, 1_524e3].into_iter().enumerate() {
            assert!((rate(sid, &|_| true) / bps - 1.0).abs() < 0.05, "{sid}: {}", rate(sid, &|_| true));
            let lower = rate(sid, &|picture| picture.tid <= 1) / bps;
            assert!((0.65..0.75).contains(&lower), "{lower}");
        }
        assert_eq!(pictures.iter().filter(|picture| picture.depends_on.is_none()).count(), 11);
    }

    #[test]
    fn a_picture_refers_to_lower_temporal_layers_and_the_lowest_to_itself() {
        let mut encoder = encoder();
        let pictures: Vec<Picture> = (0..40).map(|_| encoder.next_picture()).collect();
        for picture in &pictures[1..] {
            let reference = &pictures[picture.depends_on.expect("a delta picture") as usize - 1];
            assert!(reference.tid < picture.tid || (reference.tid, picture.tid) == (0, 0));
        }
        let tids: Vec<u8> = pictures[..8].iter().map(|picture| picture.tid).collect();
        assert_eq!(tids, [0, 2, 1, 2, 0, 2, 1, 2]);
    }
}
