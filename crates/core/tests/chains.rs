//! Loss on the way to the server costs a keyframe only where a chain of the dependency descriptor breaks.

mod support;

use sfu_core::command::{Codec, CodecId, ExtensionKind, Kind, PayloadType, RtpMap};
use sfu_core::ids::TransportId;
use sfu_core::rtp::HeaderFields;
use sfu_core::time::Micros;
use support::{Net, rtp};

const SSRC: u32 = 1_000;
const AV1_PT: u8 = 45;
const EXT_DESCRIPTOR: u8 = 11;
const FRAME: Micros = Micros(33_333);
/// Longer than a packet is asked for again.
const PATIENCE: u32 = 200;

/// (value, bits) in turn.
fn bits(fields: &[(u32, u32)]) -> Vec<u8> {
    let all: Vec<bool> =
        fields.iter().flat_map(|&(value, count)| (0..count).rev().map(move |bit| value >> bit & 1 == 1)).collect();
    let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at));
    all.chunks(8).map(byte).collect()
}

/// L1T2: templates 0 (T0 of a keyframe), 1 (T0), 2 (T1); targets T1 and T0; one chain, that of T0, if any.
fn structure(has_chain: bool) -> Vec<(u32, u32)> {
    let mut fields = vec![(0, 6), (1, 5), (0, 2), (1, 2), (3, 2), (0b10_10, 4), (0b11_11, 4), (0b01_00, 4)];
    fields.extend([(0, 1), (1, 1), (1, 4), (0, 1), (1, 1), (0, 4), (0, 1)]);
    // ns(3): of one chain the bits 10, of none 0.
    fields.extend(if has_chain { vec![(0b10, 2), (0, 4), (2, 4), (1, 4)] } else { vec![(0, 1)] });
    fields.push((0, 1));
    fields
}

struct Call {
    net: Net,
    publisher: TransportId,
    has_chain: bool,
    seq: u16,
    number: u32,
}

impl Call {
    fn new(has_chain: bool) -> Self {
        let mut net = Net::new(4);
        let (publisher, subscriber) = (net.join(1), net.join(2));
        net.set_rtp(publisher, with_av1(support::receive_map()), support::send_map());
        net.set_rtp(subscriber, support::receive_map(), with_av1(support::send_map()));
        let producer = net.produce(1, publisher, Kind::Video, "v", support::media::single(SSRC));
        net.consume(7, subscriber, Kind::Video, producer);
        let mut call = Self { net, publisher, has_chain, seq: 500, number: 0 };
        call.frame(0);
        call.net.clients.get_mut(&publisher).expect("it joined").rtcp.clear();
        call
    }

    /// A frame of two packets, of which some (by bit) are lost; T0 has even numbers.
    fn frame(&mut self, lost: u8) {
        let is_keyframe = self.number == 0;
        let template = if is_keyframe { 0 } else { 1 + self.number % 2 };
        for packet in 0..2 {
            let (starts, ends) = (u32::from(packet == 0), u32::from(packet == 1));
            let mut fields = vec![(starts, 1), (ends, 1), (template, 6), (self.number, 16)];
            if is_keyframe && packet == 0 {
                fields.push((0b10000, 5));
                fields.extend(structure(self.has_chain));
            }
            self.seq += 1;
            let header = HeaderFields {
                marker: ends == 1,
                pt: AV1_PT,
                seq: self.seq,
                timestamp: self.number * 3_000,
                ssrc: SSRC,
                has_padding: false,
            };
            let packet_bytes = rtp(&header, &[(support::EXT_MID, b"v"), (EXT_DESCRIPTOR, &bits(&fields))], &[7; 50]);
            let bytes = self.net.client(self.publisher).protect(&packet_bytes);
            if lost & 1 << packet == 0 {
                self.net.send_at(self.net.now, self.publisher, bytes);
            }
        }
        self.number += 1;
        self.net.run_for(FRAME);
    }

    /// Goes on until what was lost has been asked for in vain; whether a keyframe was asked for then.
    fn is_keyframe_wanted(&mut self) -> bool {
        (0..PATIENCE).for_each(|_| self.frame(0));
        !self.net.clients[&self.publisher].plis().is_empty()
    }
}

fn with_av1(mut map: RtpMap) -> RtpMap {
    let codec = CodecId { codec: Codec::Av1, variant: 0 };
    map.payload_types.push(PayloadType { pt: AV1_PT, codec, clock_rate_hz: 90_000, rtx_pt: None });
    map.extensions.push((EXT_DESCRIPTOR, ExtensionKind::DependencyDescriptor));
    map
}

#[test]
fn a_frame_in_no_chain_may_be_missing_in_part_or_whole() {
    for lost in [0b01, 0b10, 0b11] {
        let mut call = Call::new(true);
        (0..4).for_each(|_| call.frame(0));
        call.frame(lost);
        assert!(!call.is_keyframe_wanted(), "{lost:02b}");
    }
}

#[test]
fn a_broken_chain_needs_a_keyframe() {
    for lost in [0b01, 0b10, 0b11] {
        let mut call = Call::new(true);
        (0..5).for_each(|_| call.frame(0));
        call.frame(lost);
        assert!(call.is_keyframe_wanted(), "{lost:02b}");
    }
}

#[test]
fn without_chains_any_loss_needs_one() {
    let mut call = Call::new(false);
    (0..4).for_each(|_| call.frame(0));
    call.frame(0b11);
    assert!(call.is_keyframe_wanted());
}

#[test]
fn a_loss_that_reaches_into_a_chain_breaks_it_wherever_it_begins() {
    let mut call = Call::new(true);
    (0..4).for_each(|_| call.frame(0));
    // The end of a frame of T1 and the whole of the next, which is of T0.
    call.frame(0b10);
    call.frame(0b11);
    assert!(call.is_keyframe_wanted());
}
