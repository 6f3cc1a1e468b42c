//! What a client sends: Opus, and simulcast VP8 or one scalable stream of VP9 or AV1, as libwebrtc packetises them.

mod av1;
mod bits;
mod encoder;
mod layered;
mod scalable;
mod sizes;
mod stream;
mod video;
mod vp8;
mod vp9;

mod audio;

pub use audio::AudioSource;
pub use encoder::{Encoder, EncoderOptions, Frame};
pub use scalable::{Mode, Picture, ScalableEncoder, ScalableOptions, SpatialLayer};
pub use stream::StreamNames;
pub use video::{CodingOptions, EncodingOptions, VideoSource};
pub use vp8::Vp8Options;

/// Payload types and extension ids that were negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub opus_pt: u8,
    pub video_pt: u8,
    pub video_rtx_pt: u8,
    pub mid: u8,
    pub rid: u8,
    pub repaired_rid: u8,
    pub transport_cc: u8,
    pub audio_level: u8,
    pub dependency_descriptor: u8,
}

/// A plaintext packet before it has a transport-wide number, which goes to offset `transport_cc_at`.
#[derive(Debug)]
pub struct Outgoing {
    pub bytes: Vec<u8>,
    pub transport_cc_at: usize,
}
