//! One encoding of a simulcast VP8 sender: its frames as packets (RFC 7741).

use sfu_core::time::Time;

use super::Outgoing;
use super::encoder::{Encoder, EncoderOptions, Frame};
use super::stream::{Beginning, Stream, cut};
use super::video::MAX_PAYLOAD;
use crate::mark::{MARK_LEN, Mark};
use crate::random::Random;

/// X, I, L and T: picture id of two bytes, tl0picidx, tid (RFC 7741 §4.2).
const DESCRIPTOR_LEN: usize = 6;
const KEYFRAME_HEAD: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vp8Options {
    pub width: u16,
    pub height: u16,
    pub encoder: EncoderOptions,
}

#[derive(Debug)]
pub(super) struct Vp8 {
    options: Vp8Options,
    encoder: Encoder,
    picture_id: u16,
    tl0: u8,
    pub(super) keyframes: u64,
}

impl Vp8 {
    pub(super) fn new(options: Vp8Options, random: Random, beginning: Beginning) -> Self {
        let Beginning { picture_id, tl0, .. } = beginning;
        Self { encoder: Encoder::new(options.encoder, random), options, picture_id, tl0, keyframes: 0 }
    }

    pub(super) fn want_keyframe(&mut self) {
        self.encoder.want_keyframe();
    }

    /// The next frame; `mark` has what all of the encoding's packets have in common.
    pub(super) fn send_frame(&mut self, stream: &mut Stream, mark: Mark, send: &mut impl FnMut(Outgoing)) {
        let frame = self.encoder.next_frame();
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        self.tl0 = self.tl0.wrapping_add(u8::from(frame.tid == 0));
        self.keyframes += u64::from(frame.depends_on.is_none());
        let bodies = cut(frame.bytes.max(KEYFRAME_HEAD + MARK_LEN), MAX_PAYLOAD - DESCRIPTOR_LEN - MARK_LEN);
        let packets = bodies.len() as u16;
        for (packet, body) in (0..).zip(bodies) {
            let mark =
                Mark { tid: frame.tid, frame: frame.number, depends_on: frame.depends_on, packet, packets, ..mark };
            let payload = self.payload(&frame, packet == 0, body, mark);
            stream.send(Time(mark.captured_us), packet + 1 == packets, &[], &payload, send);
        }
    }

    fn payload(&self, frame: &Frame, is_first: bool, body: usize, mark: Mark) -> Vec<u8> {
        let [high, low] = (0x8000 | self.picture_id).to_be_bytes();
        let layer = frame.tid << 6 | u8::from(frame.is_sync) << 5;
        let mut bytes = vec![0x80 | u8::from(is_first) << 4, 0xE0, high, low, self.tl0, layer];
        if is_first {
            bytes.extend_from_slice(&[0x10 | u8::from(frame.depends_on.is_some()), 0, 0]);
            if frame.depends_on.is_none() {
                // Start code and size (RFC 6386 §9.1).
                bytes.extend_from_slice(&[0x9D, 0x01, 0x2A]);
                bytes.extend_from_slice(&self.options.width.to_le_bytes());
                bytes.extend_from_slice(&self.options.height.to_le_bytes());
            }
        }
        bytes.resize(DESCRIPTOR_LEN + body.max(bytes.len() - DESCRIPTOR_LEN), 0x55);
        bytes.extend_from_slice(&mark.to_bytes());
        bytes
    }
}
