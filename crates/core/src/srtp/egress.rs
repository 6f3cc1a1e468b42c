//! Protecting what the server sends.

use super::cipher::{Purpose, SessionCipher};
use super::kdf::Derivation;
use super::{SrtpError, SrtpProfile};
use crate::rtp::RtpHeader;
use crate::wire::u32_at;

/// Indices that RFC 3711 §9.2 allows under one key.
const RTP_INDICES: u64 = 1 << 48;
const RTCP_INDICES: u32 = 1 << 31;

/// Session keys of one transport, server to client.
pub struct SrtpEgress {
    rtp: SessionCipher,
    rtcp: SessionCipher,
    /// Of the next RTCP packet. One counter for all our SSRCs: an index may skip values, and the
    /// nonce also holds the SSRC.
    next_rtcp_index: u32,
    profile: SrtpProfile,
}

impl SrtpEgress {
    pub fn new(profile: SrtpProfile, master_key: &[u8], master_salt: &[u8]) -> Result<Self, SrtpError> {
        let derivation = Derivation::new(profile, master_key, master_salt)?;
        Ok(Self {
            rtp: SessionCipher::derive(profile, &derivation, Purpose::Rtp)?,
            rtcp: SessionCipher::derive(profile, &derivation, Purpose::Rtcp)?,
            next_rtcp_index: 1,
            profile,
        })
    }

    pub fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// Protects the packet in `buffer[..len]` in place and returns its new length; the buffer needs
    /// [`SrtpProfile::rtp_overhead`] bytes of room behind it.
    ///
    /// `ext_seq` is the packet's sequence number with the rollover counter above its low 16 bits;
    /// each stream starts below 65,536, or the receiver cannot know its counter. The caller never
    /// gives two different packets of an SSRC the same number: the keystream would repeat.
    pub fn protect_rtp(&self, buffer: &mut [u8], len: usize, ext_seq: u64) -> Result<usize, SrtpError> {
        let packet = buffer.get(..len).ok_or(SrtpError::NoRoom)?;
        let header = RtpHeader::parse_protected(packet).map_err(|_| SrtpError::Malformed)?;
        if header.seq != ext_seq as u16 {
            return Err(SrtpError::Malformed);
        }
        self.protect_written(buffer, header.header_len(), len, header.ssrc, ext_seq)
    }

    /// As [`SrtpEgress::protect_rtp`], for the fan-out, which wrote the header just now and need not read it again:
    /// `header_len` bytes with the low bits of `ext_seq` and this SSRC.
    pub(crate) fn protect_written(
        &self,
        buffer: &mut [u8],
        header_len: usize,
        len: usize,
        ssrc: u32,
        ext_seq: u64,
    ) -> Result<usize, SrtpError> {
        debug_assert_eq!(
            buffer.get(..len).map(|packet| RtpHeader::parse_protected(packet).map(|header| (
                header.header_len(),
                header.ssrc,
                header.seq
            ))),
            Some(Ok((header_len, ssrc, ext_seq as u16))),
        );
        if ext_seq >= RTP_INDICES {
            return Err(SrtpError::KeyExhausted);
        }
        self.rtp.seal_rtp(buffer, header_len, len, ssrc, ext_seq)
    }

    /// Protects the RTCP compound in `buffer[..len]` in place and returns its new length; the buffer
    /// needs [`SrtpProfile::rtcp_overhead`] bytes of room behind it.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..len).ok_or(SrtpError::NoRoom)?;
        let ssrc = u32_at(packet, 4).ok_or(SrtpError::Malformed)?;
        if self.next_rtcp_index >= RTCP_INDICES {
            return Err(SrtpError::KeyExhausted);
        }
        let index = self.next_rtcp_index;
        let protected = self.rtcp.seal_rtcp(buffer, len, ssrc, index)?;
        self.next_rtcp_index += 1;
        Ok(protected)
    }
}

impl std::fmt::Debug for SrtpEgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SrtpEgress({:?}, secrets hidden)", self.profile)
    }
}
