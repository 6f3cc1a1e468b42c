//! One RTP stream of a sender: numbers, header, what can be sent again.

use std::collections::VecDeque;

use sfu_core::rtp::{ExtensionForm, HeaderFields, HeaderWriter, RtpHeader};
use sfu_core::time::Time;

use super::{Numbers, Outgoing};
use crate::random::Random;

const VIDEO_CLOCK_HZ: u64 = 90_000;
/// Packets that can be sent again: libwebrtc keeps those of the last second, 600 at least.
const HISTORY: usize = 600;
/// Of a dependency descriptor too long for the one-byte form: with the structure of its templates.
const LONG_VALUE: usize = 17;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamNames {
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub rid: Option<String>,
}

/// The numbers that a sender chooses at random.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    seq: u16,
    rtx_seq: u16,
    pub(super) picture_id: u16,
    pub(super) tl0: u8,
    timestamp: u32,
}

impl Beginning {
    pub(super) fn random(random: &mut Random) -> Self {
        Self {
            // In the lower half, so that a lost first packet does not confuse the rollover counter.
            seq: random.next_u64() as u16 & 0x7FFF,
            rtx_seq: random.next_u64() as u16 & 0x7FFF,
            picture_id: random.next_u64() as u16 & 0x7FFF,
            tl0: random.next_u64() as u8,
            timestamp: random.next_u64() as u32,
        }
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    names: StreamNames,
    mid: String,
    numbers: Numbers,
    beginning: Beginning,
    seq: u16,
    rtx_seq: u16,
    history: VecDeque<(u16, Vec<u8>)>,
    packets: u32,
    octets: u32,
}

impl Stream {
    pub(super) fn new(names: StreamNames, mid: String, numbers: Numbers, beginning: Beginning) -> Self {
        let Beginning { seq, rtx_seq, .. } = beginning;
        Self { names, mid, numbers, beginning, seq, rtx_seq, history: VecDeque::new(), packets: 0, octets: 0 }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.names.ssrc
    }

    fn timestamp(&self, at: Time) -> u32 {
        self.beginning.timestamp.wrapping_add((at.0 * VIDEO_CLOCK_HZ / 1_000_000) as u32)
    }

    /// (SSRC, RTP timestamp at `now`, packets, octets) for a sender report; `None` before the first packet.
    pub(super) fn report(&self, now: Time) -> Option<(u32, u32, u32, u32)> {
        (self.packets > 0).then(|| (self.names.ssrc, self.timestamp(now), self.packets, self.octets))
    }

    /// The next packet; `descriptor`: the dependency descriptor, empty for none.
    pub(super) fn send(
        &mut self,
        captured: Time,
        marker: bool,
        descriptor: &[u8],
        payload: &[u8],
        send: &mut impl FnMut(Outgoing),
    ) {
        let fields = HeaderFields {
            marker,
            pt: self.numbers.video_pt,
            seq: self.seq,
            timestamp: self.timestamp(captured),
            ssrc: self.names.ssrc,
            has_padding: false,
        };
        let mut outgoing = self.header(&fields, self.numbers.rid, descriptor);
        outgoing.bytes.extend_from_slice(payload);
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.seq, outgoing.bytes.clone()));
        self.packets += 1;
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        self.seq = self.seq.wrapping_add(1);
        send(outgoing);
    }

    /// Header with transport-wide number, mid and, where they are, the rid in the extension given and the descriptor.
    fn header(&self, fields: &HeaderFields, rid_extension: u8, descriptor: &[u8]) -> Outgoing {
        let mut bytes = vec![0; 1_500];
        let rid = self.names.rid.as_deref().unwrap_or_default().as_bytes();
        let all: [(u8, &[u8]); 4] = [
            (self.numbers.transport_cc, &[0xEE; 2]),
            (self.numbers.mid, self.mid.as_bytes()),
            (rid_extension, rid),
            (self.numbers.dependency_descriptor, descriptor),
        ];
        let form = if descriptor.len() < LONG_VALUE { ExtensionForm::OneByte } else { ExtensionForm::TwoByte };
        let mut transport_cc_at = 0;
        let mut written = HeaderWriter::new(&mut bytes, fields, form);
        for (id, value) in all.into_iter().filter(|(_, value)| !value.is_empty()) {
            written = written.and_then(|mut writer| {
                let place = writer.push(id, value)?;
                transport_cc_at = if id == self.numbers.transport_cc { place.start } else { transport_cc_at };
                Ok(writer)
            });
        }
        let len = written.and_then(HeaderWriter::finish).unwrap_or_default();
        bytes.truncate(len);
        Outgoing { bytes, transport_cc_at }
    }

    /// Answers a NACK.
    pub(super) fn retransmit(&mut self, seq: u16, send: &mut impl FnMut(Outgoing)) {
        let Some((_, original)) = self.history.iter().rev().find(|entry| entry.0 == seq) else { return };
        let Ok(header) = RtpHeader::parse(original) else { return };
        let payload = header.payload(original).to_vec();
        let descriptor =
            header.extension(original, self.numbers.dependency_descriptor).map(<[u8]>::to_vec).unwrap_or_default();
        let fields = HeaderFields {
            marker: header.marker,
            pt: self.numbers.video_rtx_pt,
            seq: self.rtx_seq,
            timestamp: header.timestamp,
            ssrc: self.names.rtx_ssrc,
            has_padding: false,
        };
        self.rtx_seq = self.rtx_seq.wrapping_add(1);
        let mut outgoing = self.header(&fields, self.numbers.repaired_rid, &descriptor);
        outgoing.bytes.extend_from_slice(&seq.to_be_bytes());
        outgoing.bytes.extend_from_slice(&payload);
        send(outgoing);
    }
}

/// Sizes of the packets of a frame: as equal as can be, as libwebrtc cuts frames.
pub(super) fn cut(content: usize, room: usize) -> impl ExactSizeIterator<Item = usize> {
    let packets = content.div_ceil(room);
    (0..packets).map(move |packet| content / packets + usize::from(packet < content % packets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_cut_into_packets_of_equal_size_that_have_room() {
        let sizes: Vec<usize> = cut(2_500, 1_000).collect();
        assert_eq!(sizes, [834, 833, 833]);
        assert_eq!(cut(1_000, 1_000).collect::<Vec<_>>(), [1_000]);
    }
}
