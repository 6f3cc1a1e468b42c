//! What a client sends: simulcast VP8 and Opus, as libwebrtc packetises them.

mod encoder;
mod video;

mod audio;

pub use audio::AudioSource;
pub use encoder::{Encoder, EncoderOptions, Frame};
pub use video::{EncodingOptions, VideoSource};

/// Payload types and extension ids that were negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub opus_pt: u8,
    pub vp8_pt: u8,
    pub vp8_rtx_pt: u8,
    pub mid: u8,
    pub rid: u8,
    pub repaired_rid: u8,
    pub transport_cc: u8,
    pub audio_level: u8,
}

/// A plaintext packet before it has a transport-wide number, which goes to offset `transport_cc_at`.
#[derive(Debug)]
pub struct Outgoing {
    pub bytes: Vec<u8>,
    pub transport_cc_at: usize,
}
