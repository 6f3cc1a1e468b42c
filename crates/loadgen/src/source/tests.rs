use sfu_core::rtp::RtpHeader;

use super::*;
use crate::camera::{FRAME, VIDEO_PACKET};
use crate::stream::{AUDIO_LEVEL_ID, MID_ID, RID_ID, TRANSPORT_CC_ID, stamp_of};

const VIDEO_TICKS: u32 = 3_000;

fn stream(mid: &str, pt: u8, ssrc: u32) -> StreamOptions {
    StreamOptions { mid: mid.to_owned(), pt, ssrc }
}

fn source(kbps: u32) -> Source {
    Source::new(Some(VideoOptions { stream: stream("1", 96, 20), kbps }), Some(stream("0", 111, 10)), Time(0))
}

/// A camera of three encodings, SSRCs 20 to 22, and a microphone, SSRC 10.
fn browser(levels: &[u8], dtx: bool) -> Source {
    let encoding = |(rid, ssrc, kbps, width, height): (&str, u32, u32, u16, u16)| EncodingOptions {
        rid: rid.to_owned(),
        ssrc,
        kbps,
        width,
        height,
    };
    let encodings = [("q", 20, 150, 320, 180), ("h", 21, 500, 640, 360), ("f", 22, 1_800, 1_280, 720)];
    let camera =
        CameraOptions { mid: "1".to_owned(), pt: 96, encodings: encodings.into_iter().map(encoding).collect() };
    let hearing = Hearing::Trace { levels: levels.into(), dtx };
    let microphone = MicrophoneOptions { stream: stream("0", 111, 10), hearing };
    let mut source = Source::of_browser(Some(camera), Some(microphone), Time(0));
    source.set_peer(7);
    source
}

/// What is sent from `from_ms` to `to_ms`.
fn packets(source: &mut Source, from_ms: u64, to_ms: u64) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for ms in from_ms..to_ms {
        let now = Time(ms * 1_000);
        source.poll(now, || now, |packet| packets.push(packet.clone()));
    }
    packets
}

fn header(packet: &[u8]) -> RtpHeader {
    RtpHeader::parse(packet).unwrap()
}

fn of(packets: &[Vec<u8>], ssrc: u32) -> Vec<&Vec<u8>> {
    packets.iter().filter(|packet| header(packet).ssrc == ssrc).collect()
}

/// Whether a VP8 frame starts here, and then whether it is a keyframe. `at`: where the frame's header begins.
fn starts_keyframe(packet: &[u8], at: usize) -> Option<bool> {
    let payload = header(packet).payload(packet);
    (payload[0] & 0x10 != 0).then(|| payload[at] & 1 == 0)
}

#[test]
fn a_second_has_its_frames_of_whole_packets_and_fifty_of_audio() {
    for (kbps, per_frame) in [(1_500, 5), (300, 1), (10, 1), (3_000, 10)] {
        let packets = packets(&mut source(kbps), 0, 1_000);
        let video = of(&packets, 20);
        assert_eq!(video.len(), 30 * per_frame, "{kbps}");
        assert_eq!(video.iter().filter(|packet| header(packet).marker).count(), 30, "{kbps}");
        assert_eq!(of(&packets, 10).len(), 50, "{kbps}");
    }
}

#[test]
fn every_packet_has_its_size_its_mid_and_the_time_of_its_sending() {
    for (index, packet) in packets(&mut source(1_500), 0, 1_000).iter().enumerate() {
        let header = header(packet);
        let mid: &[u8] = if header.ssrc == 20 { b"1" } else { b"0" };
        assert_eq!(header.extension(packet, MID_ID), Some(mid));
        assert_eq!(header.extension(packet, TRANSPORT_CC_ID), Some(&(index as u16).to_be_bytes()[..]));
        assert_eq!(header.extension(packet, AUDIO_LEVEL_ID).is_some(), header.ssrc == 10);
        assert!(stamp_of(header.payload(packet)).is_some_and(|stamp| stamp.at < Time(1_000_000)));
        assert!(header.ssrc == 10 || packet.len() == VIDEO_PACKET);
    }
    assert_eq!(stamp_of(&[0; 40]), None);
    assert_eq!(stamp_of(&[1]), None);
}

#[test]
fn after_a_pause_the_numbers_go_on_and_the_clock_has_run() {
    let mut source = source(300);
    let last_video = |source: &mut Source, now: Time| {
        let mut last = None;
        source.poll(now, || now, |packet| last = Some(header(packet)).filter(|header| header.ssrc == 20));
        last.unwrap()
    };
    let before = last_video(&mut source, Time(0));
    source.resume(Time(10_000_000));
    assert!(source.next() >= Some(Time(10_000_000)));
    let after = last_video(&mut source, Time(10_050_000));
    assert_eq!(after.seq, before.seq + 1);
    assert!(after.timestamp.abs_diff(before.timestamp + 900_000) <= VIDEO_TICKS);
}

#[test]
fn a_keyframe_starts_the_stream_and_comes_again_when_asked_for() {
    let mut source = source(300);
    let mut frames = Vec::new();
    for frame in 0..6 {
        if frame == 4 {
            source.want_keyframe(20, Time(frame * 40_000));
        }
        let now = Time(frame * 40_000);
        source.poll(now, || now, |packet| frames.extend(starts_keyframe(packet, 4).filter(|_| packet.len() > 300)));
    }
    assert_eq!(frames, [true, false, false, false, true, false]);
}

#[test]
fn a_browsers_camera_has_the_rates_rids_and_layers_of_its_encodings() {
    let mut source = browser(&[127], false);
    packets(&mut source, 0, 1_000);
    let second = packets(&mut source, 1_000, 2_000);
    for (ssrc, rid, kbps, per_frame) in [(20, b"q", 150, 1), (21, b"h", 500, 2), (22, b"f", 1_800, 7)] {
        let video = of(&second, ssrc);
        assert_eq!(video.len(), 30 * per_frame, "{ssrc}");
        let bytes: usize = video.iter().map(|packet| header(packet).payload(packet).len()).sum();
        assert!((bytes * 8 / 1_000).abs_diff(kbps) <= kbps / 50, "{ssrc}: {bytes}");
        for packet in &video {
            assert_eq!(header(packet).extension(packet, RID_ID), Some(&rid[..]));
            let stamp = stamp_of(header(packet).payload(packet)).unwrap();
            assert_eq!(stamp.origin, Origin { peer: 7, stream: (ssrc - 20) as u8 });
        }
        let starts = video.iter().filter(|packet| starts_keyframe(packet, 6).is_some());
        let layers: Vec<u8> = starts.map(|packet| header(packet).payload(packet)[5] >> 6).collect();
        let start = layers.iter().position(|layer| *layer == 0).unwrap();
        assert_eq!(layers[start..start + 8], [0, 2, 1, 2, 0, 2, 1, 2], "{ssrc}");
    }
}

#[test]
fn a_keyframe_comes_on_the_encoding_that_was_asked_for_it_and_is_larger() {
    let mut source = browser(&[127], false);
    packets(&mut source, 0, 100);
    source.want_keyframe(21, Time(100_000));
    source.want_keyframe(21, Time(150_000));
    let sent = packets(&mut source, 100, 160);
    let keyframes = |ssrc| of(&sent, ssrc).iter().filter(|packet| starts_keyframe(packet, 6) == Some(true)).count();
    assert_eq!([20, 21, 22].map(keyframes), [0, 1, 0]);
    assert!(of(&sent, 21).len() >= 10 + 2);
    assert_eq!(source.busiest_requests(), 2);
    source.want_keyframe(21, Time(1_100_001));
    assert_eq!(source.busiest_requests(), 2);
    source.reset();
    assert_eq!(source.busiest_requests(), 0);
}

#[test]
fn an_encoding_that_nobody_wants_is_silent_and_begins_again_with_a_keyframe() {
    let mut source = browser(&[127], false);
    packets(&mut source, 0, 100);
    source.set_active(0b001);
    let sent = packets(&mut source, 100, 300);
    assert!(of(&sent, 21).is_empty() && of(&sent, 22).is_empty() && of(&sent, 20).len() >= 5);
    source.set_active(0b011);
    let sent = packets(&mut source, 300, 400);
    assert_eq!(of(&sent, 21).first().map(|packet| starts_keyframe(packet, 6)), Some(Some(true)));
    // No number was skipped meanwhile, and the clock has run.
    assert!(of(&sent, 22).is_empty());
    assert!(header(of(&sent, 21)[0]).timestamp >= 9 * VIDEO_TICKS);
    assert!(header(of(&sent, 21)[0]).seq < 20);
}

#[test]
fn a_microphone_sends_the_level_that_it_hears_and_marks_what_is_spoken() {
    let mut source = browser(&[30, 70], false);
    let sent = packets(&mut source, 0, 200);
    let levels: Vec<u8> =
        of(&sent, 10).iter().map(|packet| header(packet).extension(packet, AUDIO_LEVEL_ID).unwrap()[0]).collect();
    assert_eq!(levels, [128 + 30, 70].repeat(5));
    assert!(of(&sent, 10)[0].len() > of(&sent, 10)[1].len());
    assert!(stamp_of(header(of(&sent, 10)[1]).payload(of(&sent, 10)[1])).unwrap().origin.is_audio());
}

#[test]
fn in_silence_dtx_sends_little_and_the_next_talk_spurt_is_marked() {
    let mut levels = vec![127; 50];
    levels.extend([30; 50]);
    let all = packets(&mut browser(&levels, false), 0, 2_000);
    assert_eq!(of(&all, 10).len(), 100);
    let sent = packets(&mut browser(&levels, true), 0, 2_000);
    let audio: Vec<RtpHeader> = of(&sent, 10).iter().map(|packet| header(packet)).collect();
    // At once, and after 400 and 800 ms; then all that is spoken.
    assert_eq!(audio.len(), 3 + 50);
    assert_eq!(audio.iter().map(|header| header.seq).collect::<Vec<_>>(), (0..53).collect::<Vec<_>>());
    assert_eq!(audio.iter().position(|header| header.marker), Some(3));
    assert_eq!(audio.iter().filter(|header| header.marker).count(), 1);
    assert_eq!((audio[1].timestamp, audio[3].timestamp), (20 * 960, 50 * 960));
}

#[test]
fn the_encodings_of_a_camera_do_not_fall_together() {
    let source = browser(&[127], false);
    let starts: Vec<Time> = source.video.iter().map(|encoding| encoding.stream.next).collect();
    assert!(starts.is_sorted_by(|one, other| one < other) && starts[2] < Time(FRAME.0));
}
