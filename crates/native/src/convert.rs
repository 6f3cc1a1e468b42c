//! Python's words for the values of `sfu-core`, both ways. Whatever is not one of them is a `ValueError` that says what
//! is accepted.

use std::net::{IpAddr, SocketAddr};

use pyo3::prelude::*;
use sfu_core::command::{Codec, CodecId, EncodingOptions, ExtensionKind, Kind, PayloadType, RtpMap, SrtpProfile};
use sfu_core::ids::Ssrc;

use crate::error::value_error;

pub type Address = (String, u16);
type PyCodec = (String, u8);
type PyPayloadType = (u8, PyCodec, u32, Option<u8>);
pub type PyRtpMap = (Vec<PyPayloadType>, Vec<(u8, String)>);
pub type PyEncoding = (Option<String>, Option<u32>, Option<u32>);

/// More payload types than RTP has, more extensions than ids.
const MAX_PAYLOAD_TYPES: usize = 128;
const MAX_EXTENSIONS: usize = 255;

const KINDS: [(&str, Kind); 2] = [("audio", Kind::Audio), ("video", Kind::Video)];

const CODECS: [(&str, Codec); 6] = [
    ("opus", Codec::Opus),
    ("red", Codec::Red),
    ("vp8", Codec::Vp8),
    ("vp9", Codec::Vp9),
    ("h264", Codec::H264),
    ("av1", Codec::Av1),
];

const EXTENSIONS: [(&str, ExtensionKind); 10] = [
    ("mid", ExtensionKind::Mid),
    ("rid", ExtensionKind::Rid),
    ("repaired_rid", ExtensionKind::RepairedRid),
    ("audio_level", ExtensionKind::AudioLevel),
    ("abs_send_time", ExtensionKind::AbsSendTime),
    ("transport_cc", ExtensionKind::TransportCc),
    ("video_orientation", ExtensionKind::VideoOrientation),
    ("playout_delay", ExtensionKind::PlayoutDelay),
    ("dependency_descriptor", ExtensionKind::DependencyDescriptor),
    ("abs_capture_time", ExtensionKind::AbsCaptureTime),
];

const PROFILES: [(&str, SrtpProfile); 3] = [
    ("AEAD_AES_128_GCM", SrtpProfile::AeadAes128Gcm),
    ("AEAD_AES_256_GCM", SrtpProfile::AeadAes256Gcm),
    ("AES128_CM_HMAC_SHA1_80", SrtpProfile::Aes128CmHmacSha1_80),
];

fn by_name<T: Copy>(table: &[(&'static str, T)], what: &str, name: &str) -> PyResult<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let accepted: Vec<_> = table.iter().map(|(known, _)| *known).collect();
        value_error(format!("{what} is {name:?}, accepted are {}", accepted.join(", ")))
    })
}

pub fn kind(name: &str) -> PyResult<Kind> {
    by_name(&KINDS, "kind", name)
}

pub fn profile(name: &str) -> PyResult<SrtpProfile> {
    by_name(&PROFILES, "SRTP profile", name)
}

pub fn codec(codec: &PyCodec) -> PyResult<CodecId> {
    Ok(CodecId { codec: by_name(&CODECS, "codec", &codec.0)?, variant: codec.1 })
}

pub fn codec_name(codec: CodecId) -> (&'static str, u8) {
    let name = CODECS.iter().find(|(_, known)| *known == codec.codec).map_or("", |(name, _)| name);
    (name, codec.variant)
}

/// Ids are chosen by the caller; zero is no id.
pub fn id<T>(what: &str, id: u32, make: impl Fn(u32) -> T) -> PyResult<T> {
    if id == 0 { Err(value_error(format!("{what} is 0, accepted are 1..4294967295"))) } else { Ok(make(id)) }
}

pub fn rtp_map((payload_types, extensions): &PyRtpMap) -> PyResult<RtpMap> {
    if payload_types.len() > MAX_PAYLOAD_TYPES || extensions.len() > MAX_EXTENSIONS {
        return Err(value_error("more payload types or extensions than RTP can have"));
    }
    Ok(RtpMap {
        payload_types: payload_types.iter().map(payload_type).collect::<PyResult<_>>()?,
        extensions: extensions
            .iter()
            .map(|(id, name)| match id {
                0 => Err(value_error("extension id is 0, accepted are 1..255")),
                _ => Ok((*id, by_name(&EXTENSIONS, "extension", name)?)),
            })
            .collect::<PyResult<_>>()?,
    })
}

fn payload_type((pt, codec_name, clock_rate_hz, rtx_pt): &PyPayloadType) -> PyResult<PayloadType> {
    for number in std::iter::once(pt).chain(rtx_pt) {
        if *number > 127 {
            return Err(value_error(format!("payload type is {number}, accepted are 0..127")));
        }
    }
    if *clock_rate_hz == 0 {
        return Err(value_error("clock rate is 0"));
    }
    Ok(PayloadType { pt: *pt, codec: codec(codec_name)?, clock_rate_hz: *clock_rate_hz, rtx_pt: *rtx_pt })
}

pub fn encoding((rid, ssrc, rtx_ssrc): PyEncoding) -> EncodingOptions {
    EncodingOptions { rid, ssrc: ssrc.map(Ssrc), rtx_ssrc: rtx_ssrc.map(Ssrc) }
}

pub fn address((ip, port): &Address) -> PyResult<SocketAddr> {
    let ip: IpAddr = ip
        .parse()
        .map_err(|_| value_error(format!("address is {ip:?}, accepted is an IPv4 or IPv6 address, not a name")))?;
    Ok(SocketAddr::new(ip, *port))
}

pub fn address_name(address: SocketAddr) -> Address {
    (address.ip().to_string(), address.port())
}
