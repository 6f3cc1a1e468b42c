//! Scalable streams of one SSRC: VP9 spatial layers, AV1 temporal layers by dependency descriptor;
//! and the header extensions that a subscriber gets.

mod support;

use sfu_core::codec::dd::DependencyReader;
use sfu_core::command::{Codec, CodecId, EncodingOptions, ExtensionKind, Kind, PayloadType, RtpMap};
use sfu_core::event::Event;
use sfu_core::ids::{ConsumerId, Ssrc, TransportId};
use sfu_core::rtp::{ExtensionForm, HeaderFields};
use sfu_core::time::Micros;
use support::bits::Bits;
use support::{Net, VP9_PT, rtp};

const SSRC: u32 = 1_000;
const CONSUMER: ConsumerId = ConsumerId(7);
const AV1_PT: u8 = 45;
const EXT_DESCRIPTOR: u8 = 11;
const EXT_PLAYOUT: u8 = 12;
const EXT_CAPTURE: u8 = 13;

struct Call {
    net: Net,
    publisher: TransportId,
    subscriber: TransportId,
    seq: u16,
    picture: u16,
}

impl Call {
    fn new() -> Self {
        let mut net = Net::new(1);
        let (publisher, subscriber) = (net.join(1), net.join(2));
        net.set_rtp(publisher, with_av1(support::receive_map(), 0), support::send_map());
        net.set_rtp(subscriber, support::receive_map(), with_av1(support::send_map(), 20));
        let encoding = EncodingOptions { ssrc: Some(Ssrc(SSRC)), ..EncodingOptions::default() };
        let producer = net.produce(1, publisher, Kind::Video, "v", vec![encoding]);
        net.consume(CONSUMER.0, subscriber, Kind::Video, producer);
        Self { net, publisher, subscriber, seq: 65_500, picture: 100 }
    }

    fn send(&mut self, pt: u8, marker: bool, elements: &[(u8, &[u8])], payload: &[u8]) {
        self.seq = self.seq.wrapping_add(1);
        let timestamp = u32::from(self.picture) * 3_000;
        let fields = HeaderFields { marker, pt, seq: self.seq, timestamp, ssrc: SSRC, has_padding: false };
        let bytes = self.net.client(self.publisher).protect(&rtp(&fields, elements, payload));
        self.net.send_at(self.net.now, self.publisher, bytes);
        self.net.run_for(Micros(0));
    }

    /// A picture of two spatial layers, a packet each.
    fn vp9_picture(&mut self, is_keyframe: bool) {
        self.picture += 1;
        for sid in 0..2u8 {
            let inter = u8::from(!is_keyframe) << 6;
            let [high, low] = (0x8000 | self.picture).to_be_bytes();
            let payload = [0xAC | inter, high, low, (sid << 1) | u8::from(sid > 0), 9, 1, 2, 3];
            self.send(VP9_PT, sid == 1, &[], &payload);
        }
        self.net.run_for(Micros(33_000));
    }

    /// (sid, marker, picture id) of what the subscriber got.
    fn vp9_received(&mut self) -> Vec<(u8, bool, u16)> {
        let stream = self.net.client(self.subscriber).stream(70);
        assert!(stream.windows(2).all(|pair| pair[1].header.seq == pair[0].header.seq.wrapping_add(1)));
        let read = |payload: &[u8]| ((payload[3] >> 1) & 7, u16::from_be_bytes([payload[1], payload[2]]) & 0x7FFF);
        stream.iter().map(|it| (read(it.payload()).0, it.header.marker, read(it.payload()).1)).collect()
    }
}

fn with_av1(mut map: RtpMap, shift: u8) -> RtpMap {
    let codec = CodecId { codec: Codec::Av1, variant: 0 };
    map.payload_types.push(PayloadType { pt: AV1_PT, codec, clock_rate_hz: 90_000, rtx_pt: None });
    map.extensions.push((EXT_DESCRIPTOR + shift, ExtensionKind::DependencyDescriptor));
    map.extensions.push((EXT_PLAYOUT + shift, ExtensionKind::PlayoutDelay));
    map.extensions.push((EXT_CAPTURE + shift, ExtensionKind::AbsCaptureTime));
    map
}

#[test]
fn a_lower_spatial_layer_ends_its_pictures_itself_and_the_higher_enters_with_a_keyframe() {
    let mut call = Call::new();
    call.net.set_layers(CONSUMER, 0, 255);
    call.vp9_picture(true);
    (0..3).for_each(|_| call.vp9_picture(false));
    assert_eq!(call.vp9_received(), [(0, true, 1), (0, true, 2), (0, true, 3), (0, true, 4)]);
    call.net.set_layers(CONSUMER, 1, 255);
    assert_eq!(call.net.client(call.publisher).plis(), [SSRC]);
    call.vp9_picture(false);
    call.vp9_picture(true);
    call.vp9_picture(false);
    let received = call.vp9_received();
    // The fifth has its end, though a higher layer is awaited: without one libwebrtc shows nothing up to the keyframe.
    assert_eq!(received[4..], [(0, true, 5), (0, false, 6), (1, true, 6), (0, false, 7), (1, true, 7)]);
    call.net.set_layers(CONSUMER, 0, 255);
    call.vp9_picture(false);
    assert_eq!(call.vp9_received()[9..], [(0, true, 8)]);
    let told: Vec<u8> = call
        .net
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ConsumerLayers { spatial, .. } => Some(*spatial),
            _ => None,
        })
        .collect();
    assert_eq!(told, [0, 1, 0]);
}

#[test]
fn what_each_layer_costs_is_in_the_snapshot() {
    let mut call = Call::new();
    // The scalability structure of the keyframe tells the sizes of both layers.
    let structure = [0xAE, 0x80, 100, 0x00, 9, 0x38, 1, 64, 0, 180, 2, 128, 1, 104, 0, 1, 2, 3];
    call.send(VP9_PT, false, &[], &structure);
    (0..60).for_each(|_| call.vp9_picture(false));
    let snapshot = call.net.shard.snapshot(call.net.now);
    let encoding = &snapshot.producers[0].encodings[0];
    let rates = encoding.layer_bitrates_bps;
    assert!(rates[0] > 0 && rates[4] > rates[0] && rates[5..].iter().all(|rate| *rate == 0), "{rates:?}");
    assert_eq!((encoding.width, encoding.height), (Some(640), Some(360)));
    assert!((encoding.frame_rate.expect("frames") - 30.0).abs() < 2.0, "{:?}", encoding.frame_rate);
}

/// L1T2: templates 0 (T0 key), 1 (T0), 2 (T1); targets T1 and T0; no chains; a resolution, so that the
/// descriptor is longer than a one-byte element may be.
fn structure(frame_number: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    let head = bits.put(0b11, 2).put(0, 6).put(frame_number, 16).put(0b10000, 5);
    let layers = head.put(0, 6).put(1, 5).put(0, 2).put(1, 2).put(3, 2);
    let dtis = layers.put(0b10_10, 4).put(0b11_11, 4).put(0b01_00, 4);
    let references = dtis.put(0, 1).put(1, 1).put(1, 4).put(0, 1).put(1, 1).put(0, 4).put(0, 1);
    let mut bytes = references.put(0, 2).put(1, 1).put(639, 16).put(359, 16).bytes();
    bytes.resize(18, 0);
    bytes
}

#[test]
fn temporal_layers_of_av1_are_known_by_the_dependency_descriptor() {
    let mut call = Call::new();
    call.net.set_layers(CONSUMER, 0, 0);
    let key = structure(500);
    call.send(AV1_PT, true, &[(EXT_DESCRIPTOR, &key)], &[0x18, 0x08, 1, 2]);
    for (number, template) in [(501u16, 2u8), (502, 1), (503, 2), (504, 1)] {
        call.picture += 1;
        let [high, low] = number.to_be_bytes();
        call.send(AV1_PT, true, &[(EXT_DESCRIPTOR, &[0xC0 | template, high, low])], &[0x10, 0x30, 7]);
    }
    let id = EXT_DESCRIPTOR + 20;
    let stream = call.net.client(call.subscriber).stream(70);
    let numbers: Vec<u16> = stream
        .iter()
        .map(|it| it.extension(id).expect("a descriptor"))
        .map(|value| u16::from_be_bytes([value[1], value[2]]))
        .collect();
    // Frames refer to others by distance: what was taken out leaves a gap in the numbers.
    assert_eq!(numbers, [1, 3, 5]);
    // Each tells that only the lower decode target is left; the structure is as it was.
    let mut told = DependencyReader::default();
    for it in &stream {
        told.read(it.extension(id).expect("a descriptor")).expect("well formed");
        assert_eq!(told.active_decode_targets(), 0b10);
    }
    let mut original = DependencyReader::default();
    original.read(&key).expect("well formed");
    assert_eq!(told.structure(), original.structure());
    assert!(stream.windows(2).all(|pair| pair[1].header.seq == pair[0].header.seq.wrapping_add(1)));
    let told = call.net.events.iter().any(|event| matches!(event, Event::ConsumerLayers { temporal: 0, .. }));
    assert!(told);
}

#[test]
fn extensions_are_passed_on_under_the_subscriber_s_ids() {
    let mut call = Call::new();
    let capture = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let elements: [(u8, &[u8]); 4] = [
        (support::EXT_ORIENTATION, &[3]),
        (EXT_PLAYOUT, &[1, 2, 3]),
        (EXT_CAPTURE, &capture),
        (support::EXT_RID, b"q"),
    ];
    call.send(VP9_PT, true, &elements, &[0x8C, 0x80, 1, 5]);
    let stream = call.net.client(call.subscriber).stream(70);
    let received = stream[0];
    // Ids above 14 need the two-byte form.
    assert_eq!(received.header.extension_form(), Some(ExtensionForm::TwoByte));
    let shift = support::OUT_EXT_SHIFT;
    assert_eq!(received.extension(support::EXT_ORIENTATION + shift), Some(&[3][..]));
    assert_eq!(received.extension(EXT_PLAYOUT + 20), Some(&[1, 2, 3][..]));
    assert_eq!(received.extension(EXT_CAPTURE + 20), Some(&capture[..]));
    assert_eq!(received.extension(support::EXT_RID + shift), None);
}

#[test]
fn each_packet_to_a_client_has_the_next_transport_wide_number_whatever_its_stream() {
    let mut net = Net::new(2);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let encoding = |ssrc| vec![EncodingOptions { ssrc: Some(Ssrc(ssrc)), ..EncodingOptions::default() }];
    let video = net.produce(1, publisher, Kind::Video, "v", encoding(1_000));
    let audio = net.produce(2, publisher, Kind::Audio, "a", encoding(2_000));
    net.consume(7, subscriber, Kind::Video, video);
    net.consume(8, subscriber, Kind::Audio, audio);
    let mut source = support::media::Vp8::new(1_000, "v");
    let mut microphone = support::media::Opus::new(2_000, "a");
    for number in 0..20 {
        let mut packets: Vec<Vec<u8>> =
            source.frame(number == 0, 0, false).into_iter().map(|sent| sent.bytes).collect();
        packets.push(microphone.packet(number));
        for packet in packets {
            let bytes = net.client(publisher).protect(&packet);
            net.send_at(net.now, publisher, bytes);
        }
        net.run_for(Micros(33_333));
    }
    let asked = net.client(subscriber).stream(70)[30].header.seq;
    net.nack(subscriber, 70, &[asked]);
    let client = net.client(subscriber);
    let id = support::EXT_TRANSPORT_CC + support::OUT_EXT_SHIFT;
    let number = |it: &support::Received| {
        let value = it.extension(id).expect("a transport-wide number");
        u16::from_be_bytes([value[0], value[1]])
    };
    let numbers: Vec<u16> = client.rtp.iter().map(number).collect();
    assert_eq!(numbers.len(), 81);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
}
