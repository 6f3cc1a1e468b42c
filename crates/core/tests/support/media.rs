//! Senders: VP8 with temporal layers, Opus. A payload carries the sender, the frame and the packet,
//! so that a test can tell where it came from.

use sfu_core::codec::vp8::Vp8Descriptor;
use sfu_core::command::EncodingOptions;
use sfu_core::ids::{Ssrc, TransportId};
use sfu_core::rtp::HeaderFields;
use sfu_core::time::Micros;

use super::{EXT_MID, EXT_TRANSPORT_CC, Net, OPUS_PT, VP8_PT, rtp};

/// One VP8 stream. Frames are made one after the other; each has `packets` packets.
#[derive(Clone, Debug)]
pub struct Vp8 {
    pub ssrc: u32,
    pub mid: String,
    pub seq: u16,
    pub rtp_ts: u32,
    pub picture_id: u16,
    pub tl0: u8,
    pub frame: u32,
    pub packets: u8,
    /// Bytes of filling behind the mark.
    pub filling: usize,
    /// Extra header extension elements (id, value) of every packet.
    pub extensions: Vec<(u8, Vec<u8>)>,
}

/// What a payload of [`Vp8`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub ssrc: u32,
    pub frame: u32,
    pub packet: u8,
    pub packets: u8,
    pub is_keyframe: bool,
    pub tid: u8,
    pub picture_id: u16,
    pub tl0: u8,
}

/// A packet before protection, with what the model needs to know.
#[derive(Clone, Debug)]
pub struct Sent {
    pub bytes: Vec<u8>,
    pub seq: u16,
    pub rtp_ts: u32,
    pub mark: Mark,
}

impl Vp8 {
    pub fn new(ssrc: u32, mid: &str) -> Self {
        Self {
            ssrc,
            mid: mid.to_owned(),
            seq: (ssrc as u16).wrapping_mul(977),
            rtp_ts: ssrc.wrapping_mul(0x9E37_79B9),
            picture_id: (ssrc as u16).wrapping_mul(131) & 0x7FFF,
            tl0: ssrc as u8,
            frame: 0,
            packets: 3,
            filling: 50,
            extensions: Vec::new(),
        }
    }

    /// The next frame, 30 a second. `tid` 0 raises tl0picidx; higher ones are layer syncs if told so.
    pub fn frame(&mut self, is_keyframe: bool, tid: u8, is_sync: bool) -> Vec<Sent> {
        self.frame += 1;
        self.rtp_ts = self.rtp_ts.wrapping_add(3_000);
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        if tid == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        (0..self.packets).map(|packet| self.packet(packet, is_keyframe, tid, is_sync)).collect()
    }

    fn packet(&mut self, packet: u8, is_keyframe: bool, tid: u8, is_sync: bool) -> Sent {
        let mark = Mark {
            ssrc: self.ssrc,
            frame: self.frame,
            packet,
            packets: self.packets,
            is_keyframe,
            tid,
            picture_id: self.picture_id,
            tl0: self.tl0,
        };
        let start = u8::from(packet == 0) << 4;
        let [high, low] = (0x8000 | self.picture_id).to_be_bytes();
        let layer = (tid << 6) | (u8::from(is_sync) << 5);
        let mut payload = vec![0x80 | start, 0xE0, high, low, self.tl0, layer, u8::from(!is_keyframe)];
        payload.extend_from_slice(&self.ssrc.to_be_bytes());
        payload.extend_from_slice(&self.frame.to_be_bytes());
        payload.extend_from_slice(&[packet, self.packets, u8::from(is_keyframe), tid]);
        payload.extend((0..self.filling).map(|at| (at as u8).wrapping_mul(packet.wrapping_add(3))));
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        let fields = HeaderFields {
            marker: packet + 1 == self.packets,
            pt: VP8_PT,
            seq,
            timestamp: self.rtp_ts,
            ssrc: self.ssrc,
            has_padding: false,
        };
        let mut elements: Vec<(u8, &[u8])> = vec![(EXT_MID, self.mid.as_bytes())];
        elements.extend(self.extensions.iter().map(|(id, value)| (*id, value.as_slice())));
        Sent { bytes: rtp(&fields, &elements, &payload), seq, rtp_ts: self.rtp_ts, mark }
    }

    /// A packet of padding alone.
    pub fn padding(&mut self) -> Vec<u8> {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        let (timestamp, ssrc) = (self.rtp_ts, self.ssrc);
        let fields = HeaderFields { marker: false, pt: VP8_PT, seq, timestamp, ssrc, has_padding: true };
        rtp(&fields, &[(EXT_MID, self.mid.as_bytes())], &[0, 0, 0, 4])
    }
}

/// Reads a payload made by [`Vp8`], as rewritten for a subscriber.
pub fn read_mark(payload: &[u8]) -> Mark {
    let descriptor = Vp8Descriptor::parse(payload).expect("a VP8 payload");
    let body = &payload[descriptor.len + 1..];
    let word = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().expect("four bytes"));
    Mark {
        ssrc: word(0),
        frame: word(4),
        packet: body[8],
        packets: body[9],
        is_keyframe: body[10] != 0,
        tid: body[11],
        picture_id: descriptor.picture.expect("a picture id").value,
        tl0: descriptor.tl0.expect("a tl0picidx").value,
    }
}

/// One Opus stream, 20 ms packets.
#[derive(Clone, Debug)]
pub struct Opus {
    pub ssrc: u32,
    pub mid: String,
    pub seq: u16,
    pub rtp_ts: u32,
    /// RFC 6464: 0 is the loudest, 127 silence.
    pub level: u8,
}

impl Opus {
    pub fn new(ssrc: u32, mid: &str) -> Self {
        Self { ssrc, mid: mid.to_owned(), seq: ssrc as u16, rtp_ts: ssrc.wrapping_mul(77), level: 5 }
    }

    pub fn packet(&mut self, transport_cc: u16) -> Vec<u8> {
        self.seq = self.seq.wrapping_add(1);
        self.rtp_ts = self.rtp_ts.wrapping_add(960);
        let mut payload = self.ssrc.to_be_bytes().to_vec();
        payload.extend_from_slice(&self.seq.to_be_bytes());
        let fields = HeaderFields {
            marker: false,
            pt: OPUS_PT,
            seq: self.seq,
            timestamp: self.rtp_ts,
            ssrc: self.ssrc,
            has_padding: false,
        };
        let number = transport_cc.to_be_bytes();
        let elements: [(u8, &[u8]); 3] = [
            (EXT_MID, self.mid.as_bytes()),
            (EXT_TRANSPORT_CC, &number),
            (super::EXT_AUDIO_LEVEL, &[0x80 | self.level]),
        ];
        rtp(&fields, &elements, &payload)
    }
}

/// One encoding, known by its SSRC; retransmissions under the next.
pub fn single(ssrc: u32) -> Vec<EncodingOptions> {
    vec![EncodingOptions { ssrc: Some(Ssrc(ssrc)), rtx_ssrc: Some(Ssrc(ssrc + 1)), ..EncodingOptions::default() }]
}

/// Sends a frame now, as one batch.
pub fn send_frame(net: &mut Net, from: TransportId, frame: &[Sent]) {
    for sent in frame {
        let bytes = net.client(from).protect(&sent.bytes);
        net.send_at(net.now, from, bytes);
    }
    net.run_for(Micros(0));
}

/// Thirty frames a second, the first a keyframe.
pub fn publish_seconds(net: &mut Net, from: TransportId, video: &mut Vp8, seconds: u32) {
    for number in 0..seconds * 30 {
        let frame = video.frame(number == 0, 0, false);
        send_frame(net, from, &frame);
        net.run_for(Micros(33_333));
    }
}
