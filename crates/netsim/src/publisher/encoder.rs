//! How large the frames of a real-time encoder are: temporal layers, keyframes, noise, and a rate that it keeps.

use super::sizes::{Sizes, noise};
use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderOptions {
    pub bps: u64,
    pub frame_rate: f64,
    /// 1 or 3.
    pub temporal_layers: u8,
}

/// A frame to be packetised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub number: u32,
    pub bytes: usize,
    pub tid: u8,
    /// The frame that it refers to; `None`: a keyframe.
    pub depends_on: Option<u32>,
    /// It refers to the base layer alone (VP8: Y).
    pub is_sync: bool,
}

/// (layer, size against the mean) of the four frames of a period with three layers: 40 %, 20 % and 40 % of the rate, as
/// libvpx shares it out.
const THREE_LAYERS: [(u8, f64); 4] = [(0, 1.6), (2, 0.8), (1, 0.8), (2, 0.8)];
/// A keyframe takes so many mean frames; the encoder's buffer allows no more.
const KEYFRAME_MEANS: (f64, f64) = (5.0, 8.0);

#[derive(Clone, Debug)]
pub struct Encoder {
    options: EncoderOptions,
    random: Random,
    number: u32,
    /// Of the period.
    place: usize,
    last_base: u32,
    last_middle: u32,
    sizes: Sizes,
    is_keyframe_wanted: bool,
}

impl Encoder {
    pub fn new(options: EncoderOptions, random: Random) -> Self {
        let sizes = Sizes::new(options.bps, options.frame_rate);
        Self { options, random, number: 0, place: 0, last_base: 0, last_middle: 0, sizes, is_keyframe_wanted: true }
    }

    pub fn options(&self) -> EncoderOptions {
        self.options
    }

    pub fn want_keyframe(&mut self) {
        self.is_keyframe_wanted = true;
    }

    pub fn next_frame(&mut self) -> Frame {
        self.number += 1;
        let is_keyframe = std::mem::take(&mut self.is_keyframe_wanted);
        if is_keyframe {
            self.place = 0;
        }
        let (tid, weight) = if self.options.temporal_layers == 3 { THREE_LAYERS[self.place] } else { (0, 1.0) };
        // The last frame of a period refers to the middle one, all others to the base.
        let (refers_to, is_sync) = if self.place == 3 { (self.last_middle, false) } else { (self.last_base, tid > 0) };
        self.place = if self.options.temporal_layers == 3 { (self.place + 1) % 4 } else { 0 };
        match tid {
            0 => self.last_base = self.number,
            1 => self.last_middle = self.number,
            _ => {}
        }
        let bytes = self.size(is_keyframe, weight);
        let depends_on = (!is_keyframe).then_some(refers_to);
        Frame { number: self.number, bytes, tid, depends_on, is_sync }
    }

    fn size(&mut self, is_keyframe: bool, weight: f64) -> usize {
        let noise = noise(&mut self.random);
        if is_keyframe {
            self.sizes.keyframe(self.random.between(KEYFRAME_MEANS.0, KEYFRAME_MEANS.1))
        } else {
            self.sizes.delta(weight, noise)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(temporal_layers: u8, count: usize) -> Vec<Frame> {
        let options = EncoderOptions { bps: 900_000, frame_rate: 30.0, temporal_layers };
        let mut encoder = Encoder::new(options, Random::new(1));
        (0..count).map(|_| encoder.next_frame()).collect()
    }

    fn rate(frames: &[Frame], keep: impl Fn(&Frame) -> bool) -> f64 {
        let bytes: usize = frames.iter().filter(|frame| keep(frame)).map(|frame| frame.bytes).sum();
        bytes as f64 * 8.0 / (frames.len() as f64 / 30.0)
    }

    #[test]
    fn the_rate_is_kept_over_keyframes_and_shared_out_to_layers() {
        let frames = frames(3, 3_000);
        assert!((rate(&frames, |_| true) / 900e3 - 1.0).abs() < 0.03);
        assert!((rate(&frames, |frame| frame.tid == 0) / 360e3 - 1.0).abs() < 0.05);
        assert!((rate(&frames, |frame| frame.tid <= 1) / 540e3 - 1.0).abs() < 0.05);
        let key = frames[0];
        assert!(key.depends_on.is_none() && (5 * 3_750..=8 * 3_750).contains(&key.bytes), "{key:?}");
    }

    #[test]
    fn a_layer_refers_to_lower_layers_and_itself_only() {
        let frames = frames(3, 400);
        for frame in &frames[1..] {
            let reference = frames[frame.depends_on.expect("a delta frame") as usize - 1];
            assert!(reference.tid <= frame.tid, "{frame:?} {reference:?}");
            assert!(!frame.is_sync || reference.tid == 0);
        }
    }

    #[test]
    fn one_layer_is_a_chain() {
        let frames = frames(1, 50);
        assert!(frames[1..].iter().all(|frame| frame.tid == 0 && frame.depends_on == Some(frame.number - 1)));
        assert!((rate(&frames[1..], |_| true) / 900e3 - 1.0).abs() < 0.3);
    }
}
