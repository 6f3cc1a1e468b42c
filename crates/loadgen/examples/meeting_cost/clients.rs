//! The clients: what they send, what they are called, what was agreed with them.

use std::net::SocketAddr;

use sfu_core::command::{Codec, CodecId, ExtensionKind, PayloadType, RtpMap, SrtpKeys, SrtpProfile};
use sfu_core::ids::{ProducerId, Ssrc, TransportId};
use sfu_core::srtp::{SrtpIngress, TrackedEgress};
use sfu_core::time::Time;
use sfu_loadgen::microphone::Hearing;
use sfu_loadgen::sink::Sink;
use sfu_loadgen::source::Source;
use sfu_loadgen::{CameraOptions, EncodingOptions, MicrophoneOptions, StreamOptions};

pub const PASSWORD: &str = "passwordpasswordpassword";
/// Who take turns to talk.
const TALKERS: usize = 5;
/// rid, kbit/s, width, height: as the page asks of a browser.
pub const ENCODINGS: [(&str, u32, u16, u16); 3] =
    [("q", 150, 320, 180), ("h", 500, 640, 360), ("f", 1_800, 1_280, 720)];
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
const VIDEO_PT: u8 = 96;
const AUDIO_PT: u8 = 111;
/// Of a turn, in frames of 20 ms.
const TURN_TICKS: usize = 150;

/// One who is in the meeting.
pub struct Client {
    pub address: SocketAddr,
    pub source: Source,
    pub egress: TrackedEgress,
    pub ingress: SrtpIngress,
    pub sink: Sink,
}

pub fn client(number: usize, has_camera: bool, address: SocketAddr) -> Client {
    let keys = keys();
    let start = Time(1_000_000 + number as u64 * 7_919 % 33_333);
    let camera = has_camera.then(|| CameraOptions {
        mid: "1".to_owned(),
        pt: VIDEO_PT,
        encodings: (0..)
            .zip(ENCODINGS)
            .map(|(index, (rid, kbps, width, height))| EncodingOptions {
                rid: rid.to_owned(),
                ssrc: 0x2000_0000 + number as u32 * 8 + index,
                kbps,
                width,
                height,
            })
            .collect(),
    });
    let stream = StreamOptions { mid: "0".to_owned(), pt: AUDIO_PT, ssrc: audio_ssrc(number).0 };
    let hearing = Hearing::Trace { levels: levels(number).into(), dtx: false };
    let mut source = Source::of_browser(camera, Some(MicrophoneOptions { stream, hearing }), start);
    source.set_peer(number as u32);
    let mut sink = Sink::new(0x7000_0000 | number as u32, number as u32);
    sink.set_rtx_pt(VIDEO_PT + 1);
    Client {
        address,
        source,
        egress: TrackedEgress::new(PROFILE, &keys.receive_key, &keys.receive_salt).expect("keys"),
        ingress: SrtpIngress::new(PROFILE, &keys.send_key, &keys.send_salt).expect("keys"),
        sink,
    }
}

/// Talkers have turns of three seconds; all others have the noise of a room.
fn levels(number: usize) -> Vec<u8> {
    let tick_of = |tick: usize| match (number, tick / TURN_TICKS % TALKERS) {
        (talker, turn) if talker == turn => 28 + (tick % 7) as u8,
        _ => 62 + ((tick * 31 + number * 17) % 9) as u8,
    };
    (0..TURN_TICKS * TALKERS).map(tick_of).collect()
}

/// Whose turn it is.
pub fn talker_at(now: Time) -> usize {
    now.0 as usize / 20_000 / TURN_TICKS % TALKERS
}

pub fn transport(number: usize) -> TransportId {
    TransportId(number as u32 + 1)
}

pub fn microphone_of(number: usize) -> ProducerId {
    ProducerId(number as u32 * 2 + 1)
}

pub fn camera_of(number: usize) -> ProducerId {
    ProducerId(number as u32 * 2 + 2)
}

pub fn audio_ssrc(number: usize) -> Ssrc {
    Ssrc(0x1000_0000 + number as u32)
}

pub fn ufrag(number: usize) -> String {
    format!("u{number:07}")
}

pub fn virtual_address(number: usize) -> SocketAddr {
    let [_, _, high, low] = (number as u32).to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 40_000))
}

pub fn rtp_map() -> RtpMap {
    let payload_type = |pt, codec, clock_rate_hz, rtx_pt| PayloadType {
        pt,
        codec: CodecId { codec, variant: 0 },
        clock_rate_hz,
        rtx_pt,
    };
    RtpMap {
        payload_types: vec![
            payload_type(VIDEO_PT, Codec::Vp8, 90_000, Some(VIDEO_PT + 1)),
            payload_type(AUDIO_PT, Codec::Opus, 48_000, None),
        ],
        extensions: vec![
            (1, ExtensionKind::Mid),
            (2, ExtensionKind::Rid),
            (4, ExtensionKind::AudioLevel),
            (6, ExtensionKind::TransportCc),
        ],
    }
}

pub fn keys() -> SrtpKeys {
    let (send_key, send_salt) = (vec![1; PROFILE.key_len()], vec![2; PROFILE.salt_len()]);
    let (receive_key, receive_salt) = (vec![3; PROFILE.key_len()], vec![4; PROFILE.salt_len()]);
    SrtpKeys { profile: PROFILE, send_key, send_salt, receive_key, receive_salt }
}
