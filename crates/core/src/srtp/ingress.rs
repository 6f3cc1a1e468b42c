//! Letting in what a client sends: estimate the index, refuse replays, authenticate, decrypt,
//! remember; in this order (RFC 3711 §3.3).

use super::cipher::{ENCRYPTED, Purpose, SessionCipher};
use super::kdf::Derivation;
use super::replay::ReplayWindow;
use super::streams::{Streams, estimate_index};
use super::{SrtpError, SrtpProfile};
use crate::rtp::RtpHeader;
use crate::wire::u32_at;

/// 1,024 packets: at 4,000 packets a second still a quarter of a second of reordering.
const RTP_WINDOW_WORDS: usize = 16;
/// 128 compounds; no client sends more than some tens a second.
const RTCP_WINDOW_WORDS: usize = 2;

/// Session keys of one transport, client to server, and what was let in so far.
pub struct SrtpIngress {
    rtp: SessionCipher,
    rtcp: SessionCipher,
    rtp_streams: Streams<RTP_WINDOW_WORDS>,
    rtcp_streams: Streams<RTCP_WINDOW_WORDS>,
    profile: SrtpProfile,
}

impl SrtpIngress {
    pub fn new(profile: SrtpProfile, master_key: &[u8], master_salt: &[u8]) -> Result<Self, SrtpError> {
        let derivation = Derivation::new(profile, master_key, master_salt)?;
        Ok(Self {
            rtp: SessionCipher::derive(profile, &derivation, Purpose::Rtp)?,
            rtcp: SessionCipher::derive(profile, &derivation, Purpose::Rtcp)?,
            rtp_streams: Streams::new(),
            rtcp_streams: Streams::new(),
            profile,
        })
    }

    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Asks for what the next packet of RTP is checked against.
    pub fn prefetch(&self) {
        self.rtp_streams.prefetch();
    }

    /// SSRCs with state: (RTP, RTCP).
    pub fn stream_counts(&self) -> (usize, usize) {
        (self.rtp_streams.len(), self.rtcp_streams.len())
    }

    /// Authenticates and decrypts in place; returns the length of the plain packet at the start of
    /// `packet`. After an error the packet's bytes are worthless.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header = RtpHeader::parse_protected(packet).map_err(|_| SrtpError::Malformed)?;
        let highest = self.rtp_streams.find(header.ssrc).map(ReplayWindow::highest);
        let index = estimate_index(highest, header.seq);
        self.rtp_streams.check(header.ssrc, index)?;
        let len = self.rtp.open_rtp(packet, header.header_len(), header.ssrc, index)?;
        self.rtp_streams.accept(header.ssrc, index);
        Ok(len)
    }

    /// The same for an RTCP compound.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = u32_at(packet, 4).ok_or(SrtpError::Malformed)?;
        let word = self.rtcp.rtcp_index_word(packet).ok_or(SrtpError::Malformed)?;
        if word & ENCRYPTED == 0 {
            return Err(SrtpError::Unencrypted);
        }
        let index = u64::from(word & !ENCRYPTED);
        self.rtcp_streams.check(ssrc, index)?;
        let len = self.rtcp.open_rtcp(packet, ssrc, word)?;
        self.rtcp_streams.accept(ssrc, index);
        Ok(len)
    }
}

impl std::fmt::Debug for SrtpIngress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SrtpIngress({:?}, {:?} streams, secrets hidden)", self.profile, self.stream_counts())
    }
}
