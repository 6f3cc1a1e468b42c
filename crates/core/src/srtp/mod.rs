//! SRTP and SRTCP (RFC 3711, RFC 7714), in place, one context per direction and transport.
//!
//! [`SrtpEgress`] protects what the server sends; the caller names each packet's extended sequence
//! number, because retransmissions and late-filled gaps leave out of order around the wrap.
//! [`SrtpIngress`] estimates the rollover counter per SSRC and refuses replays; nothing of its state
//! comes from a packet that failed authentication. Stop `srtp` on a media packet's way.
//!
//! Memory: a context is two session ciphers. With AES-GCM each is a small handle here and one heap
//! block of AES round keys and hash table (592 bytes) in the crypto library, written once and only
//! read then; with AES-CM it is one box of 1.7 kB. An egress context is 88 bytes beside these and
//! holds no other state; an ingress context is 184 bytes, and 140 more for each RTP SSRC and 28 for
//! each RTCP SSRC seen, of at most [`MAX_STREAMS`] each. No call but `new` allocates, except for the
//! first packet of an SSRC.

mod cipher;
mod egress;
mod ingress;
mod kdf;
mod replay;
mod streams;
mod tracked;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use egress::SrtpEgress;
pub use ingress::SrtpIngress;
pub use streams::MAX_STREAMS;
pub use tracked::TrackedEgress;

/// Protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    AeadAes128Gcm,
    AeadAes256Gcm,
    Aes128CmHmacSha1_80,
}

impl SrtpProfile {
    /// Bytes of a master key (RFC 7714 §12, RFC 3711 §8.2).
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes that protection adds to an RTP packet.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }

    /// Bytes that protection adds to an RTCP compound packet: tag, E flag and index.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }
}

/// Most bytes that protection adds to any packet.
pub const MAX_OVERHEAD: usize = 20;

/// Why a packet was not protected, or not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpError {
    /// The master key or salt has the wrong length for the profile.
    KeyLength,
    /// Not an RTP or RTCP packet, or shorter than header and trailer.
    Malformed,
    /// The tag does not match.
    Authentication,
    /// This index was seen before.
    Replayed,
    /// Further behind the newest packet than the replay window reaches.
    TooOld,
    /// The packet is authentic but of one SSRC more than a context keeps state for.
    TooManyStreams,
    /// An SRTCP packet without encryption; every profile here encrypts.
    Unencrypted,
    /// 2^48 RTP or 2^31 RTCP packets were sent under this key (RFC 3711 §9.2).
    KeyExhausted,
    /// The output buffer has no room for the trailer.
    NoRoom,
}
