//! `sfu-loadgen`: many WebRTC peers on one thread, each with a UDP socket of its own, as a load that measures servers.
//!
//! Signaling and DTLS are the caller's: [`LoadThread`] does the connectivity checks, hands DTLS datagrams over, and has
//! SRTP, media and RTCP from the keys on. It takes wire formats and ciphers from `sfu-core` and nothing that forwards:
//! loss is told by gaps in sequence numbers, contents by decrypting a sample with the peer's own keys.

pub mod aead;
pub mod camera;
pub mod continuity;
pub mod engine;
pub mod floor;
pub mod histogram;
pub mod ice;
pub mod microphone;
pub mod peer;
pub mod sink;
pub mod source;
pub mod stream;
pub mod thread;

pub use engine::{Event, Report};
pub use peer::{Credentials, Keys};
pub use source::{CameraOptions, EncodingOptions, MicrophoneOptions, VideoOptions};
pub use stream::StreamOptions;
pub use thread::LoadThread;
