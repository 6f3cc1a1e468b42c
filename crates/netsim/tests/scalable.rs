//! Scalable publishers as the packet path reads them, and what a receiver can show of what they send.

use sfu_core::codec::dd::DependencyReader;
use sfu_core::codec::{FrameMarks, vp9};
use sfu_core::rtp::RtpHeader;
use sfu_core::time::{Micros, Time};
use sfu_netsim::mark::Mark;
use sfu_netsim::publisher::{
    CodingOptions, EncodingOptions, Mode, Numbers, Outgoing, ScalableOptions, SpatialLayer, StreamNames, VideoSource,
};
use sfu_netsim::random::Random;
use sfu_netsim::subscriber::{VideoPacket, VideoStream, Wants};

const MODES: [Mode; 3] = [Mode::Vp9 { is_keyed: true }, Mode::Vp9 { is_keyed: false }, Mode::Av1];
const DESCRIPTOR: u8 = 12;
const FRAME: Micros = Micros(33_333);

fn source(mode: Mode) -> VideoSource {
    let layer = |width, height, bps| SpatialLayer { width, height, bps };
    let layers = vec![layer(320, 180, 142_000), layer(640, 360, 418_000), layer(1_280, 720, 1_524_000)];
    let options = ScalableOptions { mode, frame_rate: 30.0, layers };
    let names = StreamNames { ssrc: 1, rtx_ssrc: 2, rid: None };
    let encodings = vec![EncodingOptions { names, coding: CodingOptions::Scalable(options) }];
    let numbers = Numbers {
        opus_pt: 111,
        video_pt: 98,
        video_rtx_pt: 99,
        mid: 1,
        rid: 2,
        repaired_rid: 3,
        transport_cc: 4,
        audio_level: 5,
        dependency_descriptor: DESCRIPTOR,
    };
    VideoSource::new(7, "1", numbers, encodings, Time(1_000_000), Random::new(3))
}

struct Packet {
    seq: u16,
    rtp_ts: u32,
    marker: bool,
    mark: Mark,
    marks: FrameMarks,
}

/// Pictures of a source, a keyframe again at each number in `keyframes`.
fn pictures(mode: Mode, count: u32, keyframes: &[u32]) -> Vec<Vec<Packet>> {
    let mut source = source(mode);
    let mut reader = DependencyReader::default();
    let read = |outgoing: &Outgoing| {
        let header = RtpHeader::parse(&outgoing.bytes).expect("RTP");
        let payload = header.payload(&outgoing.bytes);
        assert_eq!(outgoing.bytes[outgoing.transport_cc_at..][..2], [0xEE; 2]);
        let marks = match header.extension(&outgoing.bytes, DESCRIPTOR) {
            Some(value) => {
                let descriptor = reader.read(value).expect("a descriptor");
                reader.marks(&descriptor)
            }
            None => vp9::marks(payload, header.marker).expect("a VP9 payload"),
        };
        let mark = Mark::read(payload).expect("a mark");
        Packet { seq: header.seq, rtp_ts: header.timestamp, marker: header.marker, mark, marks }
    };
    let mut read = read;
    (0..count)
        .map(|number| {
            if keyframes.contains(&number) {
                source.want_keyframe(1);
            }
            let mut packets = Vec::new();
            source
                .advance(Time(1_000_000 + u64::from(number) * FRAME.0), &mut |outgoing| packets.push(read(&outgoing)));
            packets
        })
        .collect()
}

#[test]
fn the_packet_path_reads_layers_keyframes_and_switching_points_as_they_were_meant() {
    for mode in MODES {
        for (number, picture) in (0..).zip(pictures(mode, 40, &[21])) {
            let is_keyframe = number == 0 || number == 21;
            assert!(picture.iter().all(|packet| packet.rtp_ts == picture[0].rtp_ts));
            for (place, packet) in picture.iter().enumerate() {
                let Packet { mark, marks, .. } = packet;
                assert_eq!((marks.sid, marks.tid), (mark.encoding, mark.tid), "{mode:?} {number}");
                assert_eq!(marks.starts_keyframe, is_keyframe && place == 0, "{mode:?} {number}");
                let is_last = mark.packet + 1 == mark.packets;
                assert_eq!((marks.starts_layer_frame, marks.ends_layer_frame), (mark.packet == 0, is_last));
                assert_eq!(packet.marker, place + 1 == picture.len());
                assert!(mark.tid > 0 || marks.switch_after, "{mode:?} {number}");
            }
        }
    }
}

#[test]
fn the_chains_of_av1_are_the_frames_of_the_lowest_temporal_layer() {
    let mut last_t0 = 0;
    for (number, picture) in (0..).zip(pictures(Mode::Av1, 30, &[13])) {
        for packet in &picture {
            // Of the nearest chain, in frames: three to a picture.
            let sid = u32::from(packet.mark.encoding);
            let expected = match (number, sid, packet.mark.tid) {
                (0 | 13, 0, _) => 0,
                (_, 1.., 0) => 1,
                _ => (number - last_t0) * 3 + sid - 2,
            };
            assert_eq!(packet.marks.chain_distance.map(u32::from), Some(expected), "{number} {sid}");
        }
        if picture[0].mark.tid == 0 {
            last_t0 = number;
        }
    }
}

/// What a receiver shows of the packets that `keep` lets pass, with a marker where `ends` says so, without repair:
/// (frames, layer in the end).
fn shown(
    pictures: &[Vec<Packet>],
    keep: impl Fn(u32, &Packet) -> bool,
    ends: impl Fn(u32, &Packet) -> bool,
) -> (u64, Option<(u8, u8)>) {
    let mut stream = VideoStream::new(1, 2, Time(1_000_000));
    let (mut seq, mut now) = (100, Time(1_000_000));
    for (number, picture) in (0..).zip(pictures) {
        now = Time(1_000_000 + u64::from(number) * FRAME.0);
        for packet in picture {
            // Numbers have holes where packets were lost, and none where layers were left out.
            seq = if keep(number, packet) { seq + 1 } else { continue };
            let packet = VideoPacket {
                seq,
                rtp_ts: packet.rtp_ts,
                marker: ends(number, packet),
                mark: Some(packet.mark),
                was_retransmitted: false,
            };
            stream.on_packet(now, &packet, &mut Wants::default());
        }
        now = now + Micros(30_000);
        stream.on_timeout(now, &mut Wants::default());
    }
    (stream.counts().freeze.frames, stream.layer(now))
}

fn ends_layer(packet: &Packet, sid: u8) -> bool {
    packet.mark.encoding == sid && packet.marks.ends_layer_frame
}

#[test]
fn every_spatial_layer_can_be_shown_without_those_above_it() {
    for mode in MODES {
        let sent = pictures(mode, 40, &[]);
        for top in 0..3 {
            let (frames, layer) =
                shown(&sent, |_, packet| packet.mark.encoding <= top, |_, packet| ends_layer(packet, top));
            assert!(frames >= 38, "{mode:?} {top}: {frames}");
            assert_eq!(layer, Some((top, 2)), "{mode:?}");
        }
    }
}

#[test]
fn a_spatial_layer_that_enters_between_keyframes_stops_the_picture_until_the_next() {
    for mode in MODES {
        let top = |number: u32| if number < 12 { 0 } else { 2 };
        let run = |keyframes: &[u32]| {
            let sent = pictures(mode, 60, keyframes);
            shown(
                &sent,
                |number, packet| packet.mark.encoding <= top(number),
                |number, packet| ends_layer(packet, top(number)),
            )
        };
        let (frames, _) = run(&[]);
        assert!(frames <= 12, "{mode:?}: {frames}");
        let (frames, layer) = run(&[12]);
        assert!(frames >= 58 && layer == Some((2, 2)), "{mode:?}: {frames}");
        let (frames, layer) = run(&[30]);
        assert!((38..=43).contains(&frames) && layer == Some((2, 2)), "{mode:?}: {frames}");
    }
}

#[test]
fn a_picture_without_its_end_is_not_shown_nor_what_refers_to_it() {
    for mode in MODES {
        let sent = pictures(mode, 40, &[]);
        let run = |lost: u32| {
            shown(
                &sent,
                |_, packet| packet.mark.encoding == 0,
                |number, packet| number != lost && ends_layer(packet, 0),
            )
        };
        // Number 8 is of the lowest temporal layer, 9 of the highest.
        assert!(run(8).0 <= 8, "{mode:?}: {}", run(8).0);
        assert!(run(9).0 >= 37, "{mode:?}: {}", run(9).0);
    }
}

#[test]
fn a_temporal_layer_that_is_left_out_costs_its_pictures_and_no_others() {
    for mode in MODES {
        let sent = pictures(mode, 80, &[]);
        let run = |top: u8| shown(&sent, |_, packet| packet.mark.tid <= top, |_, packet| packet.marker);
        let [(lowest, base), (half, middle)] = [run(0), run(1)];
        assert!((18..=20).contains(&lowest) && (38..=40).contains(&half), "{mode:?}: {lowest} {half}");
        assert_eq!((base, middle), (Some((2, 0)), Some((2, 1))));
    }
}

#[test]
fn a_lost_packet_of_any_layer_stops_what_depends_on_it() {
    for mode in MODES {
        let sent = pictures(mode, 60, &[32]);
        for sid in 0..3 {
            let is_lost =
                |number: u32, packet: &Packet| number == 8 && packet.mark.encoding == sid && packet.mark.packet == 0;
            let (frames, layer) = shown(&sent, |number, packet| !is_lost(number, packet), |_, packet| packet.marker);
            assert!((34..=36).contains(&frames) && layer == Some((2, 2)), "{mode:?} {sid}: {frames}");
        }
    }
}

#[test]
fn numbers_follow_one_another_over_all_layers() {
    let sent = pictures(Mode::Av1, 20, &[]);
    let seqs: Vec<u16> = sent.iter().flatten().map(|packet| packet.seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
}
