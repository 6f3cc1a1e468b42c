//! What was negotiated decides what is forwarded: codecs, payload types, names of streams.

mod support;

use sfu_core::command::{EncodingOptions, Kind};
use sfu_core::event::Event;
use sfu_core::rtp::{HeaderFields, RtpHeader};
use sfu_core::time::Micros;
use support::media::{Vp8, publish_seconds, send_frame, single};
use support::{EXT_MID, Net, RED_PT, VP8};

#[test]
fn a_subscriber_without_the_codec_is_told_of_once_and_gets_nothing() {
    let mut net = Net::new(9);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let mut send = support::send_map();
    send.payload_types.retain(|entry| entry.codec != VP8);
    net.set_rtp(subscriber, support::receive_map(), send);
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 1);
    let told = |event: &&Event| matches!(event, Event::ConsumerCodecUnsupported { codec: VP8, .. });
    assert_eq!(net.events.iter().filter(told).count(), 1);
    assert!(net.client(subscriber).rtp.is_empty());
    net.set_rtp(subscriber, support::receive_map(), support::send_map());
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    assert_eq!(net.client(subscriber).stream(70).len(), 3);
}

#[test]
fn a_new_negotiation_goes_on_without_a_keyframe_under_the_new_numbers() {
    let mut net = Net::new(13);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 1);
    let mut send = support::send_map();
    send.payload_types.iter_mut().filter(|entry| entry.codec == VP8).for_each(|entry| entry.pt = 120);
    net.set_rtp(subscriber, support::receive_map(), send);
    send_frame(&mut net, publisher, &video.frame(false, 0, false));
    let client = net.client(subscriber);
    let stream = client.stream(70);
    assert_eq!((stream.len(), stream[92].header.pt), (93, 120));
    assert_eq!(stream[92].header.seq, stream[0].header.seq.wrapping_add(92));
    assert!(net.client(publisher).plis().is_empty());
}

#[test]
fn a_producer_that_changes_to_a_codec_the_subscriber_has_is_forwarded_again() {
    let mut net = Net::new(14);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let mut send = support::send_map();
    send.payload_types.retain(|entry| entry.codec != support::VP9);
    net.set_rtp(subscriber, support::receive_map(), send);
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, producer);
    let fields = HeaderFields {
        marker: true,
        pt: support::VP9_PT,
        seq: Vp8::new(1_000, "v").seq.wrapping_sub(1),
        timestamp: 5,
        ssrc: 1_000,
        has_padding: false,
    };
    let vp9_keyframe = support::rtp(&fields, &[(EXT_MID, b"v")], &[0x8C, 0x81, 2, 9, 9]);
    let bytes = net.client(publisher).protect(&vp9_keyframe);
    net.send_at(net.now, publisher, bytes);
    net.run_for(Micros(0));
    assert!(net.events.iter().any(|event| matches!(event, Event::ConsumerCodecUnsupported { .. })));
    let mut video = Vp8::new(1_000, "v");
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    assert_eq!(net.client(subscriber).stream(70).len(), 3);
}

#[test]
fn retransmissions_are_known_by_the_repaired_rid() {
    let mut net = Net::new(15);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let encodings = ["q", "h"].map(|rid| EncodingOptions { rid: Some(rid.to_owned()), ..EncodingOptions::default() });
    let producer = net.produce(1, publisher, Kind::Video, "v", encodings.to_vec());
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    video.extensions = vec![(support::EXT_RID, b"h".to_vec())];
    let mut frame = video.frame(true, 0, false);
    let lost = frame.remove(1);
    send_frame(&mut net, publisher, &frame);
    let header = RtpHeader::parse(&lost.bytes).expect("ours");
    let fields = HeaderFields {
        marker: false,
        pt: support::VP8_RTX_PT,
        seq: 1,
        timestamp: lost.rtp_ts,
        ssrc: 77,
        has_padding: false,
    };
    let payload = [&lost.seq.to_be_bytes()[..], header.payload(&lost.bytes)].concat();
    let rtx = support::rtp(&fields, &[(EXT_MID, b"v"), (support::EXT_REPAIRED_RID, b"h")], &payload);
    let bytes = net.client(publisher).protect(&rtx);
    net.send_at(net.now, publisher, bytes);
    net.run_for(Micros(0));
    let snapshot = net.producer(producer);
    assert_eq!((snapshot.encodings[1].rtx_ssrc, snapshot.encodings[1].recovered), (Some(77), 1));
    assert_eq!(net.client(subscriber).stream(70).len(), 3);
}

#[test]
fn redundant_audio_goes_as_its_primary_block_to_who_has_only_opus() {
    let mut net = Net::new(10);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let mut send = support::send_map();
    send.payload_types.retain(|entry| entry.codec != support::RED);
    net.set_rtp(subscriber, support::receive_map(), send);
    let producer = net.produce(1, publisher, Kind::Audio, "a", vec![EncodingOptions::default()]);
    net.consume(5, subscriber, Kind::Audio, producer);
    let fields = HeaderFields { marker: false, pt: RED_PT, seq: 1, timestamp: 1, ssrc: 9, has_padding: false };
    let payload = [0xEF, 0x0F, 0x00, 3, 111, 1, 2, 3, 9, 8, 7, 6];
    let packet = support::rtp(&fields, &[(EXT_MID, b"a")], &payload);
    let bytes = net.client(publisher).protect(&packet);
    net.send_at(net.now, publisher, bytes);
    net.run_for(Micros(0));
    let client = net.client(subscriber);
    let received = client.stream(50)[0];
    assert_eq!((received.header.pt, received.payload()), (support::OPUS_PT, &[9, 8, 7, 6][..]));
}
