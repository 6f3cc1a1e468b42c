//! A camera: the encodings of a simulcast sender or one scalable stream, their packets and their retransmissions.

use sfu_core::time::{Micros, Time};

use super::layered::Layered;
use super::scalable::ScalableOptions;
use super::stream::{Beginning, Stream, StreamNames};
use super::vp8::{Vp8, Vp8Options};
use super::{Numbers, Outgoing};
use crate::mark::Mark;
use crate::random::Random;

/// Payload of a full packet, as libwebrtc cuts them: 1,200 bytes with headers.
pub(super) const MAX_PAYLOAD: usize = 1_140;

#[derive(Clone, Debug, PartialEq)]
pub struct EncodingOptions {
    pub names: StreamNames,
    pub coding: CodingOptions,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CodingOptions {
    Vp8(Vp8Options),
    Scalable(ScalableOptions),
}

impl CodingOptions {
    fn frame_rate(&self) -> f64 {
        match self {
            Self::Vp8(options) => options.encoder.frame_rate,
            Self::Scalable(options) => options.frame_rate,
        }
    }
}

#[derive(Debug)]
enum Coding {
    Vp8(Vp8),
    Scalable(Layered),
}

#[derive(Debug)]
struct Encoding {
    stream: Stream,
    coding: Coding,
    is_active: bool,
}

#[derive(Debug)]
pub struct VideoSource {
    publisher: u16,
    frame_interval: Micros,
    next_frame: Time,
    encodings: Vec<Encoding>,
}

impl VideoSource {
    pub fn new(
        publisher: u16,
        mid: &str,
        numbers: Numbers,
        encodings: Vec<EncodingOptions>,
        start: Time,
        mut random: Random,
    ) -> Self {
        let frame_rate = encodings.first().map_or(30.0, |encoding| encoding.coding.frame_rate());
        let made = encodings.into_iter().zip(0..).map(|(options, index)| {
            let own = random.fork(index);
            let beginning = Beginning::random(&mut random);
            let coding = match options.coding {
                CodingOptions::Vp8(options) => Coding::Vp8(Vp8::new(options, own, beginning)),
                CodingOptions::Scalable(options) => Coding::Scalable(Layered::new(options, own, beginning)),
            };
            Encoding { stream: Stream::new(options.names, mid.to_owned(), numbers, beginning), coding, is_active: true }
        });
        let encodings = made.collect();
        let frame_interval = Micros((1e6 / frame_rate) as u64);
        Self { publisher, frame_interval, next_frame: start, encodings }
    }

    pub fn next_time(&self) -> Time {
        self.next_frame
    }

    /// Switches an encoding on or off; one that comes back starts with a keyframe.
    pub fn set_active(&mut self, encoding: usize, is_active: bool) {
        let Some(encoding) = self.encodings.get_mut(encoding).filter(|it| it.is_active != is_active) else { return };
        encoding.is_active = is_active;
        encoding.want_keyframe();
    }

    pub fn want_keyframe(&mut self, ssrc: u32) {
        self.encodings.iter_mut().filter(|encoding| encoding.stream.ssrc() == ssrc).for_each(Encoding::want_keyframe);
    }

    /// The frames that are due.
    pub fn advance(&mut self, now: Time, send: &mut impl FnMut(Outgoing)) {
        while self.next_frame <= now {
            let captured = self.next_frame;
            self.next_frame = captured + self.frame_interval;
            for (index, encoding) in self.encodings.iter_mut().enumerate().filter(|(_, it)| it.is_active) {
                let mark = Mark::of_picture(self.publisher, index as u8, captured);
                match &mut encoding.coding {
                    Coding::Vp8(coding) => coding.send_frame(&mut encoding.stream, mark, send),
                    Coding::Scalable(coding) => coding.send_picture(&mut encoding.stream, mark, send),
                }
            }
        }
    }

    /// Answers a NACK.
    pub fn retransmit(&mut self, ssrc: u32, seq: u16, send: &mut impl FnMut(Outgoing)) {
        let Some(encoding) = self.encodings.iter_mut().find(|it| it.stream.ssrc() == ssrc) else { return };
        encoding.stream.retransmit(seq, send);
    }

    /// (SSRC, RTP timestamp at `now`, packets, octets) of each encoding, for sender reports.
    pub fn reports(&self, now: Time) -> impl Iterator<Item = (u32, u32, u32, u32)> + '_ {
        self.encodings.iter().filter_map(move |encoding| encoding.stream.report(now))
    }

    pub fn keyframes(&self) -> u64 {
        let count = |encoding: &Encoding| match &encoding.coding {
            Coding::Vp8(coding) => coding.keyframes,
            Coding::Scalable(coding) => coding.keyframes,
        };
        self.encodings.iter().map(count).sum()
    }
}

impl Encoding {
    fn want_keyframe(&mut self) {
        match &mut self.coding {
            Coding::Vp8(coding) => coding.want_keyframe(),
            Coding::Scalable(coding) => coding.want_keyframe(),
        }
    }
}
