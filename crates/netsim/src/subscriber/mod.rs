//! What a client receives, and what its user gets of it: loss recovery, frame assembly, jitter buffer, freezes and
//! concealed audio, with libwebrtc's constants.

mod assembler;
mod audio;
mod freeze;
mod nack;
mod pictures;
mod playout;
mod reception;
mod video;

pub use assembler::{AssembledFrame, Assembler};
pub use audio::{AudioCounts, AudioPlayout};
pub use freeze::{FreezeCounts, FreezeObserver};
pub use nack::NackList;
pub use pictures::{Picture, Pictures};
pub use playout::Playout;
pub use reception::Reception;
pub use video::{VideoCounts, VideoPacket, VideoStream, Wants};
