//! RTP packets (RFC 3550 §5) and their header extensions (RFC 8285): views over bytes, a header
//! writer, sequence arithmetic, retransmission (RFC 4588) and redundancy (RFC 2198) formats.
//! Knows nothing of streams, producers or time. Stop `rtp/header` on a media packet's way.

pub mod extension;
pub mod header;
pub mod red;
pub mod rtx;
pub mod seq;
pub mod writer;

pub use extension::Extensions;
pub use header::{RtpError, RtpHeader};
pub use writer::{ExtensionForm, HeaderFields, HeaderWriter};
