//! A camera: the encodings of a simulcast VP8 sender, their packets and their retransmissions.

use std::collections::VecDeque;

use sfu_core::rtp::{HeaderFields, HeaderWriter};
use sfu_core::time::{Micros, Time};

use super::encoder::{Encoder, EncoderOptions, Frame};
use super::{Numbers, Outgoing};
use crate::mark::{MARK_LEN, Mark};
use crate::random::Random;

/// Payload of a full packet, as libwebrtc cuts them: 1,200 bytes with headers.
const MAX_PAYLOAD: usize = 1_140;
/// X, I, L and T: picture id of two bytes, tl0picidx, tid (RFC 7741 §4.2).
const DESCRIPTOR_LEN: usize = 6;
const KEYFRAME_HEAD: usize = 10;
const VIDEO_CLOCK_HZ: u64 = 90_000;
/// Packets that can be sent again: libwebrtc keeps those of the last second, 600 at least.
const HISTORY: usize = 600;

#[derive(Clone, Debug, PartialEq)]
pub struct EncodingOptions {
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub rid: Option<String>,
    pub width: u16,
    pub height: u16,
    pub encoder: EncoderOptions,
}

#[derive(Debug)]
struct Encoding {
    options: EncodingOptions,
    encoder: Encoder,
    is_active: bool,
    seq: u16,
    rtx_seq: u16,
    picture_id: u16,
    tl0: u8,
    timestamp_base: u32,
    history: VecDeque<(u16, Vec<u8>)>,
    packets: u32,
    octets: u32,
    keyframes: u64,
}

#[derive(Debug)]
pub struct VideoSource {
    publisher: u16,
    mid: String,
    numbers: Numbers,
    frame_interval: Micros,
    next_frame: Time,
    encodings: Vec<Encoding>,
}

impl VideoSource {
    pub fn new(
        publisher: u16,
        mid: String,
        numbers: Numbers,
        encodings: Vec<EncodingOptions>,
        start: Time,
        mut random: Random,
    ) -> Self {
        let frame_rate = encodings.first().map_or(30.0, |encoding| encoding.encoder.frame_rate);
        let made = encodings.into_iter().zip(0..).map(|(options, index)| Encoding {
            encoder: Encoder::new(options.encoder, random.fork(index)),
            is_active: true,
            // In the lower half, so that a lost first packet does not confuse the rollover counter.
            seq: random.next_u64() as u16 & 0x7FFF,
            rtx_seq: random.next_u64() as u16 & 0x7FFF,
            picture_id: random.next_u64() as u16 & 0x7FFF,
            tl0: random.next_u64() as u8,
            timestamp_base: random.next_u64() as u32,
            history: VecDeque::new(),
            packets: 0,
            octets: 0,
            keyframes: 0,
            options,
        });
        let encodings = made.collect();
        let frame_interval = Micros((1e6 / frame_rate) as u64);
        Self { publisher, mid, numbers, frame_interval, next_frame: start, encodings }
    }

    pub fn next_time(&self) -> Time {
        self.next_frame
    }

    /// Switches an encoding on or off; one that comes back starts with a keyframe.
    pub fn set_active(&mut self, encoding: usize, is_active: bool) {
        let Some(encoding) = self.encodings.get_mut(encoding).filter(|it| it.is_active != is_active) else { return };
        encoding.is_active = is_active;
        encoding.encoder.want_keyframe();
    }

    pub fn want_keyframe(&mut self, ssrc: u32) {
        for encoding in self.encodings.iter_mut().filter(|encoding| encoding.options.ssrc == ssrc) {
            encoding.encoder.want_keyframe();
        }
    }

    /// The frames that are due.
    pub fn advance(&mut self, now: Time, send: &mut impl FnMut(Outgoing)) {
        while self.next_frame <= now {
            let captured = self.next_frame;
            self.next_frame = captured + self.frame_interval;
            for (index, encoding) in self.encodings.iter_mut().enumerate().filter(|(_, it)| it.is_active) {
                let frame = encoding.encoder.next_frame();
                encoding.packetise(self.publisher, index as u8, &self.mid, self.numbers, captured, &frame, send);
            }
        }
    }

    /// Answers a NACK.
    pub fn retransmit(&mut self, ssrc: u32, seq: u16, send: &mut impl FnMut(Outgoing)) {
        let numbers = self.numbers;
        let Some(encoding) = self.encodings.iter_mut().find(|it| it.options.ssrc == ssrc) else { return };
        encoding.retransmit(seq, &self.mid, numbers, send);
    }

    /// (SSRC, RTP timestamp at `now`, packets, octets) of each encoding, for sender reports.
    pub fn reports(&self, now: Time) -> impl Iterator<Item = (u32, u32, u32, u32)> + '_ {
        let active = self.encodings.iter().filter(|encoding| encoding.packets > 0);
        active.map(move |it| (it.options.ssrc, it.timestamp(now), it.packets, it.octets))
    }

    pub fn keyframes(&self) -> u64 {
        self.encodings.iter().map(|encoding| encoding.keyframes).sum()
    }
}

impl Encoding {
    fn timestamp(&self, at: Time) -> u32 {
        self.timestamp_base.wrapping_add((at.0 * VIDEO_CLOCK_HZ / 1_000_000) as u32)
    }

    #[expect(clippy::too_many_arguments, reason = "what all encodings of a source share is lent to one")]
    fn packetise(
        &mut self,
        publisher: u16,
        index: u8,
        mid: &str,
        numbers: Numbers,
        captured: Time,
        frame: &Frame,
        send: &mut impl FnMut(Outgoing),
    ) {
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        self.tl0 = self.tl0.wrapping_add(u8::from(frame.tid == 0));
        self.keyframes += u64::from(frame.depends_on.is_none());
        let content = frame.bytes.max(KEYFRAME_HEAD + MARK_LEN);
        let packets = content.div_ceil(MAX_PAYLOAD - DESCRIPTOR_LEN - MARK_LEN) as u16;
        let mut left = content;
        for packet in 0..packets {
            // Equal sizes, as libwebrtc cuts frames.
            let body = left.div_ceil(usize::from(packets - packet));
            left -= body;
            let mark = Mark {
                publisher,
                encoding: index,
                tid: frame.tid,
                frame: frame.number,
                depends_on: frame.depends_on,
                packet,
                packets,
                captured_us: captured.0,
            };
            let fields = HeaderFields {
                marker: packet + 1 == packets,
                pt: numbers.vp8_pt,
                seq: self.seq,
                timestamp: self.timestamp(captured),
                ssrc: self.options.ssrc,
                has_padding: false,
            };
            let mut outgoing = self.header(&fields, numbers.rid, mid, numbers);
            self.write_payload(&mut outgoing.bytes, frame, packet == 0, body, mark);
            self.keep(&outgoing.bytes);
            self.packets += 1;
            self.octets = self.octets.wrapping_add(body as u32);
            self.seq = self.seq.wrapping_add(1);
            send(outgoing);
        }
    }

    /// Header with mid, transport-wide number and, for simulcast, the rid in the extension given.
    fn header(&self, fields: &HeaderFields, rid_extension: u8, mid: &str, numbers: Numbers) -> Outgoing {
        let mut bytes = vec![0; 1_500];
        let rid = self.options.rid.as_deref().unwrap_or_default().as_bytes();
        let number = [0xEE; 2];
        let all: [(u8, &[u8]); 3] =
            [(numbers.transport_cc, &number), (numbers.mid, mid.as_bytes()), (rid_extension, rid)];
        let elements = if rid.is_empty() { &all[..2] } else { &all[..] };
        let len = HeaderWriter::write(&mut bytes, fields, elements).unwrap_or_default();
        bytes.truncate(len);
        // Fixed header, extension header, and the element's head.
        Outgoing { bytes, transport_cc_at: 12 + 4 + 1 }
    }

    fn write_payload(&self, bytes: &mut Vec<u8>, frame: &Frame, is_first: bool, body: usize, mark: Mark) {
        let [high, low] = (0x8000 | self.picture_id).to_be_bytes();
        let layer = frame.tid << 6 | u8::from(frame.is_sync) << 5;
        bytes.extend_from_slice(&[0x80 | u8::from(is_first) << 4, 0xE0, high, low, self.tl0, layer]);
        let start = bytes.len();
        if is_first {
            bytes.extend_from_slice(&[0x10 | u8::from(frame.depends_on.is_some()), 0, 0]);
            if frame.depends_on.is_none() {
                // Start code and size (RFC 6386 §9.1).
                bytes.extend_from_slice(&[0x9D, 0x01, 0x2A]);
                bytes.extend_from_slice(&self.options.width.to_le_bytes());
                bytes.extend_from_slice(&self.options.height.to_le_bytes());
            }
        }
        let end = start + body.max(bytes.len() - start);
        bytes.resize(end, 0x55);
        bytes.extend_from_slice(&mark.to_bytes());
    }

    fn keep(&mut self, packet: &[u8]) {
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.seq, packet.to_vec()));
    }

    fn retransmit(&mut self, seq: u16, mid: &str, numbers: Numbers, send: &mut impl FnMut(Outgoing)) {
        let Some((_, original)) = self.history.iter().rev().find(|entry| entry.0 == seq) else { return };
        let Ok(header) = sfu_core::rtp::RtpHeader::parse(original) else { return };
        let payload = header.payload(original).to_vec();
        let fields = HeaderFields {
            marker: header.marker,
            pt: numbers.vp8_rtx_pt,
            seq: self.rtx_seq,
            timestamp: header.timestamp,
            ssrc: self.options.rtx_ssrc,
            has_padding: false,
        };
        self.rtx_seq = self.rtx_seq.wrapping_add(1);
        let mut outgoing = self.header(&fields, numbers.repaired_rid, mid, numbers);
        outgoing.bytes.extend_from_slice(&seq.to_be_bytes());
        outgoing.bytes.extend_from_slice(&payload);
        send(outgoing);
    }
}
