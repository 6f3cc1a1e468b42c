//! The packets of a scalable stream: pictures of several spatial layers that share a timestamp, one RTP stream.

use sfu_core::time::Time;

use super::Outgoing;
use super::av1;
use super::scalable::{Mode, Picture, ScalableEncoder, ScalableOptions};
use super::stream::{Beginning, Stream, cut};
use super::video::MAX_PAYLOAD;
use super::vp9::{self, Numbering};
use crate::mark::{MARK_LEN, Mark};
use crate::random::Random;

/// Where in its picture a packet is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) sid: u8,
    pub(super) tid: u8,
    /// Its picture's place in the group; `None`: a keyframe.
    pub(super) in_group: Option<usize>,
    /// Of the highest spatial layer.
    pub(super) is_top: bool,
    /// First and last packet of its layer's frame.
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

impl Place {
    pub(super) fn is_keyframe(&self) -> bool {
        self.in_group.is_none()
    }

    /// The first packet of a keyframe: it tells of the stream's structure.
    pub(super) fn begins_keyframe(&self) -> bool {
        self.is_keyframe() && self.sid == 0 && self.is_first
    }
}

#[derive(Debug)]
pub(super) struct Layered {
    options: ScalableOptions,
    encoder: ScalableEncoder,
    numbers: Numbering,
    pub(super) keyframes: u64,
}

impl Layered {
    pub(super) fn new(options: ScalableOptions, random: Random, beginning: Beginning) -> Self {
        let Beginning { picture_id, tl0, .. } = beginning;
        let encoder = ScalableEncoder::new(&options, random);
        Self { options, encoder, numbers: Numbering { picture_id, tl0 }, keyframes: 0 }
    }

    pub(super) fn want_keyframe(&mut self) {
        self.encoder.want_keyframe();
    }

    /// The next picture; `mark` has what all of the stream's packets have in common.
    pub(super) fn send_picture(&mut self, stream: &mut Stream, mark: Mark, send: &mut impl FnMut(Outgoing)) {
        let picture = self.encoder.next_picture();
        self.numbers.picture_id = (self.numbers.picture_id + 1) & 0x7FFF;
        self.numbers.tl0 = self.numbers.tl0.wrapping_add(u8::from(picture.tid == 0));
        self.keyframes += u64::from(picture.depends_on.is_none());
        for (sid, &bytes) in (0..).zip(&picture.bytes) {
            self.send_layer(stream, mark, &picture, sid, bytes, send);
        }
    }

    fn send_layer(
        &self,
        stream: &mut Stream,
        mark: Mark,
        picture: &Picture,
        sid: u8,
        bytes: usize,
        send: &mut impl FnMut(Outgoing),
    ) {
        let is_keyframe = picture.depends_on.is_none();
        let bodies = cut(bytes, MAX_PAYLOAD - vp9::DESCRIPTOR_LEN.max(av1::HEAD_LEN) - MARK_LEN);
        let packets = bodies.len() as u16;
        for (packet, body) in (0..).zip(bodies) {
            let place = Place {
                sid,
                tid: picture.tid,
                in_group: (!is_keyframe).then_some(picture.place),
                is_top: usize::from(sid) + 1 == self.options.layers.len(),
                is_first: packet == 0,
                is_last: packet + 1 == packets,
            };
            let mark = Mark {
                encoding: sid,
                tid: picture.tid,
                frame: picture.number,
                depends_on: picture.depends_on,
                needs_lower: sid > 0 && (is_keyframe || !self.options.mode.is_keyed()),
                is_layer: true,
                packet,
                packets,
                ..mark
            };
            let (mut payload, descriptor) = match self.options.mode {
                Mode::Vp9 { .. } => (vp9::descriptor(&self.options, &place, self.numbers), Vec::new()),
                Mode::Av1 => (av1::payload_head(&place), av1::descriptor(&self.options, &place, picture.number)),
            };
            payload.resize(payload.len() + body, 0x55);
            payload.extend_from_slice(&mark.to_bytes());
            stream.send(Time(mark.captured_us), place.is_last && place.is_top, &descriptor, &payload, send);
        }
    }
}
