//! One encoding of a camera: frames in packets, keyframes when they are asked for.

use std::collections::VecDeque;

use sfu_core::time::{Micros, Time};

use crate::stream::{Length, Packet, Stream};

/// Length of a video packet before SRTP.
pub const VIDEO_PACKET: usize = 1_200;
pub const FRAMES_PER_SECOND: u64 = 30;
/// From one frame to the next.
pub const FRAME: Micros = Micros(1_000_000 / FRAMES_PER_SECOND);
const TICKS: u32 = 90_000 / FRAMES_PER_SECOND as u32;
/// What libwebrtc puts into a packet at most leaves room for headers in 1,200 bytes.
const MAX_PAYLOAD: usize = 1_150;
/// How much larger than the mean a browser's keyframes are.
const KEYFRAME: usize = 5;
/// Temporal layers of the frames one after the other, as libwebrtc's simulcast VP8 has them, and whether a frame needs
/// only the lowest layer (RFC 7741 §4.2, Y).
const TEMPORAL: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];
const A_SECOND: Micros = Micros::from_secs(1);
/// Requests of one second that are remembered; a server that sends more is counted as one that sends so many.
const MAX_REQUESTS: usize = 1_024;

/// What the frames of an encoding look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As many packets of [`VIDEO_PACKET`] bytes as come nearest to the rate, one layer, keyframes no larger.
    Whole { kbps: u32 },
    /// A browser's: frames of their size in packets of equal length, three temporal layers, large keyframes.
    Browser { kbps: u32, width: u16, height: u16 },
}

impl Shape {
    fn frame_bytes(self) -> usize {
        let (Self::Whole { kbps } | Self::Browser { kbps, .. }) = self;
        (u64::from(kbps) * 1_000 / 8 / FRAMES_PER_SECOND) as usize
    }
}

/// How often a keyframe was asked for.
#[derive(Debug, Default)]
pub struct Requests {
    recent: VecDeque<Time>,
    /// The most within any second.
    pub busiest: u64,
}

impl Requests {
    fn add(&mut self, now: Time) {
        while self.recent.front().is_some_and(|at| now.since(*at) >= A_SECOND) {
            self.recent.pop_front();
        }
        if self.recent.len() < MAX_REQUESTS {
            self.recent.push_back(now);
        }
        self.busiest = self.busiest.max(self.recent.len() as u64);
    }

    /// The busiest second is looked for from here on; it may have begun before.
    pub fn reset(&mut self) {
        self.busiest = 0;
    }
}

#[derive(Debug)]
pub struct Encoding {
    pub stream: Stream,
    pub requests: Requests,
    shape: Shape,
    /// Nobody wants it: its clock runs, and nothing is sent.
    active: bool,
    keyframe_wanted: bool,
    /// Of the next frame, in [`TEMPORAL`].
    place: usize,
    picture_id: u16,
    tl0picidx: u8,
}

impl Encoding {
    pub fn new(stream: Stream, shape: Shape) -> Self {
        Self {
            stream,
            requests: Requests::default(),
            shape,
            active: true,
            keyframe_wanted: true,
            place: 0,
            picture_id: 0,
            tl0picidx: 0,
        }
    }

    /// The next frame starts a picture anew.
    pub fn want_keyframe(&mut self, now: Time) {
        self.keyframe_wanted = true;
        self.requests.add(now);
    }

    /// Whether it is sent. It begins again with a keyframe.
    pub fn set_active(&mut self, active: bool) {
        self.keyframe_wanted |= active && !self.active;
        self.active = active;
    }

    /// Goes on at `now` after a pause in which its clock ran.
    pub fn resume(&mut self, now: Time) {
        while self.stream.next < now {
            self.advance();
        }
        self.keyframe_wanted = true;
    }

    /// Gives the packets of the frame that is due to `send`.
    pub fn poll(&mut self, transport_seq: &mut u16, clock: impl Fn() -> Time, mut send: impl FnMut(&mut Vec<u8>)) {
        if !self.active {
            self.advance();
            return;
        }
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        if keyframe {
            self.place = 0;
        }
        if TEMPORAL[self.place].0 == 0 {
            self.tl0picidx = self.tl0picidx.wrapping_add(1);
        }
        let (packets, length) = self.packets(keyframe);
        let mut buffer = Vec::with_capacity(VIDEO_PACKET + 64);
        for index in 0..packets {
            let (head, head_len) = self.head(index == 0, keyframe);
            let marker = index + 1 == packets;
            let packet = Packet { marker, transport_seq: *transport_seq, head: &head[..head_len], level: None, length };
            self.stream.write(&mut buffer, packet, clock());
            *transport_seq = transport_seq.wrapping_add(1);
            send(&mut buffer);
        }
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        self.place = (self.place + 1) % TEMPORAL.len();
        self.advance();
    }

    fn advance(&mut self) {
        self.stream.timestamp = self.stream.timestamp.wrapping_add(TICKS);
        self.stream.next = self.stream.next + FRAME;
    }

    /// How many a frame has, and how long each is.
    fn packets(&self, keyframe: bool) -> (usize, Length) {
        let bytes = self.shape.frame_bytes();
        match self.shape {
            Shape::Whole { .. } => (((bytes + VIDEO_PACKET / 2) / VIDEO_PACKET).max(1), Length::Packet(VIDEO_PACKET)),
            Shape::Browser { .. } => {
                let bytes = if keyframe { bytes * KEYFRAME } else { bytes };
                let packets = bytes.div_ceil(MAX_PAYLOAD).max(1);
                (packets, Length::Payload(bytes / packets))
            }
        }
    }

    /// Payload descriptor with a 15-bit picture id, and layers where there are some (RFC 7741 §4.2); where a frame starts,
    /// its header (§4.3). Bytes and how many of them count.
    fn head(&self, starts: bool, keyframe: bool) -> ([u8; 16], usize) {
        let mut head = [0; 16];
        let mut len = 0;
        let mut push = |bytes: &[u8]| {
            head[len..len + bytes.len()].copy_from_slice(bytes);
            len += bytes.len();
        };
        let [high, low] = (self.picture_id | 0x8000).to_be_bytes();
        let first = 0x80 | (u8::from(starts) << 4);
        let (width, height) = match self.shape {
            Shape::Whole { .. } => {
                push(&[first, 0x80, high, low]);
                (640, 360)
            }
            Shape::Browser { width, height, .. } => {
                let (layer, sync) = TEMPORAL[self.place];
                push(&[first, 0xE0, high, low, self.tl0picidx, (layer << 6) | (u8::from(sync) << 5)]);
                (width, height)
            }
        };
        let ([width_low, width_high], [height_low, height_high]) = (width.to_le_bytes(), height.to_le_bytes());
        match (starts, keyframe) {
            // show_frame; start code; size.
            (true, true) => {
                push(&[0x10, 0, 0, 0x9D, 0x01, 0x2A, width_low, width_high, height_low, height_high]);
            }
            (true, false) => push(&[0x11, 0, 0]),
            (false, _) => {}
        }
        (head, len)
    }
}
