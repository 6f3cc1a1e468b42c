//! What one client sends: the encodings of a camera, a microphone in between.

use sfu_core::time::{Micros, Time};
use sfu_core::wire::{NoRoom, Writer};

use crate::camera::{Encoding, Shape};
use crate::microphone::{Hearing, Microphone};
use crate::stream::{Origin, Stream, StreamOptions};

/// Microseconds between the frames of a camera's encodings: one encoder makes them one after the other.
const BETWEEN_ENCODINGS: Micros = Micros::from_millis(2);

#[derive(Clone, Debug)]
pub struct VideoOptions {
    pub stream: StreamOptions,
    pub kbps: u32,
}

/// One of the encodings of a browser's camera.
#[derive(Clone, Debug)]
pub struct EncodingOptions {
    pub rid: String,
    pub ssrc: u32,
    pub kbps: u32,
    pub width: u16,
    pub height: u16,
}

/// A camera with several encodings on one m-line, from the smallest to the largest.
#[derive(Clone, Debug)]
pub struct CameraOptions {
    pub mid: String,
    pub pt: u8,
    pub encodings: Vec<EncodingOptions>,
}

#[derive(Clone, Debug)]
pub struct MicrophoneOptions {
    pub stream: StreamOptions,
    pub hearing: Hearing,
}

/// The streams of one publisher.
#[derive(Debug, Default)]
pub struct Source {
    video: Vec<Encoding>,
    audio: Option<Microphone>,
    transport_seq: u16,
    /// The longest that a frame went out behind its time: how far the generator itself is from keeping up.
    pub late_us: u64,
}

impl Source {
    /// Video in whole packets, one encoding; audio always the same.
    pub fn new(video: Option<VideoOptions>, audio: Option<StreamOptions>, now: Time) -> Self {
        let encoding = |video: VideoOptions| {
            let stream = Stream::new(video.stream, None, Origin::default(), now);
            Encoding::new(stream, Shape::Whole { kbps: video.kbps })
        };
        let microphone = |stream| {
            let origin = Origin { peer: 0, stream: Origin::AUDIO };
            Microphone::new(Stream::new(stream, None, origin, now), Hearing::Steady)
        };
        Self { video: video.map(encoding).into_iter().collect(), audio: audio.map(microphone), ..Self::default() }
    }

    /// What a browser in a meeting sends.
    pub fn of_browser(camera: Option<CameraOptions>, microphone: Option<MicrophoneOptions>, now: Time) -> Self {
        let encodings = camera.into_iter().flat_map(|camera| {
            let CameraOptions { mid, pt, encodings } = camera;
            encodings.into_iter().zip(0u8..).map(move |(options, index)| {
                let origin = Origin { peer: 0, stream: index };
                let EncodingOptions { rid, ssrc, kbps, width, height } = options;
                let stream = StreamOptions { mid: mid.clone(), pt, ssrc };
                let start = now + Micros(BETWEEN_ENCODINGS.0 * u64::from(index));
                Encoding::new(Stream::new(stream, Some(rid), origin, start), Shape::Browser { kbps, width, height })
            })
        });
        let audio = microphone.map(|options| {
            let origin = Origin { peer: 0, stream: Origin::AUDIO };
            Microphone::new(Stream::new(options.stream, None, origin, now), options.hearing)
        });
        Self { video: encodings.collect(), audio, ..Self::default() }
    }

    /// Whose packets these are, as their stamps say.
    pub fn set_peer(&mut self, number: u32) {
        self.video.iter_mut().for_each(|encoding| encoding.stream.origin.peer = number as u16);
        self.audio.iter_mut().for_each(|microphone| microphone.stream.origin.peer = number as u16);
    }

    pub fn has_video(&self) -> bool {
        !self.video.is_empty()
    }

    /// A keyframe is asked for, of the encoding with this SSRC; of one that there is not: of all.
    pub fn want_keyframe(&mut self, ssrc: u32, now: Time) {
        let known = self.video.iter().any(|encoding| encoding.stream.options.ssrc == ssrc);
        let meant = self.video.iter_mut().filter(|encoding| !known || encoding.stream.options.ssrc == ssrc);
        meant.for_each(|encoding| encoding.want_keyframe(now));
    }

    /// Which encodings are sent: bit 0 is the smallest.
    pub fn set_active(&mut self, mask: u32) {
        for (index, encoding) in self.video.iter_mut().enumerate() {
            encoding.set_active(mask.checked_shr(index as u32).unwrap_or(0) & 1 == 1);
        }
    }

    /// The most keyframes that one encoding was asked for within a second.
    pub fn busiest_requests(&self) -> u64 {
        self.video.iter().map(|encoding| encoding.requests.busiest).max().unwrap_or(0)
    }

    /// Counts from here on.
    pub fn reset(&mut self) {
        self.late_us = 0;
        self.video.iter_mut().for_each(|encoding| encoding.requests.reset());
    }

    /// Goes on at `now` after a pause in which the streams' clocks ran and nothing was sent.
    pub fn resume(&mut self, now: Time) {
        self.video.iter_mut().for_each(|encoding| encoding.resume(now));
        self.audio.iter_mut().for_each(|microphone| microphone.resume(now));
    }

    /// When the next packet is due.
    pub fn next(&self) -> Option<Time> {
        let video = self.video.iter().map(|encoding| encoding.stream.next);
        video.chain(self.audio.iter().map(|microphone| microphone.stream.next)).min()
    }

    /// Gives the packets that are due to `send`, one after the other; `clock` stamps them.
    pub fn poll(&mut self, now: Time, clock: impl Fn() -> Time, mut send: impl FnMut(&mut Vec<u8>)) {
        if let Some(audio) = self.audio.as_mut().filter(|audio| audio.stream.next <= now) {
            self.late_us = self.late_us.max(now.since(audio.stream.next).0);
            audio.poll(&mut self.transport_seq, &clock, &mut send);
        }
        for encoding in self.video.iter_mut().filter(|encoding| encoding.stream.next <= now) {
            self.late_us = self.late_us.max(now.since(encoding.stream.next).0);
            encoding.poll(&mut self.transport_seq, &clock, &mut send);
        }
    }

    /// Writes a compound of sender reports; its length.
    pub fn report(&self, buffer: &mut [u8], now: Time, unix_us: u64) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(buffer);
        for encoding in &self.video {
            encoding.stream.report(&mut writer, now, unix_us, 90)?;
        }
        if let Some(audio) = &self.audio {
            audio.stream.report(&mut writer, now, unix_us, 48)?;
        }
        Ok(writer.len())
    }
}

#[cfg(test)]
mod tests;
