//! An egress context that works out the rollover counter itself, for callers that send each stream
//! in order and keep no extended sequence numbers: the binding, tests.

use super::streams::{MAX_STREAMS, estimate_index};
use super::{SrtpEgress, SrtpError, SrtpProfile};
use crate::rtp::RtpHeader;

pub struct TrackedEgress {
    egress: SrtpEgress,
    /// (SSRC, highest index sent); at most [`MAX_STREAMS`].
    highest: Vec<(u32, u64)>,
}

impl TrackedEgress {
    pub fn new(profile: SrtpProfile, master_key: &[u8], master_salt: &[u8]) -> Result<Self, SrtpError> {
        Ok(Self { egress: SrtpEgress::new(profile, master_key, master_salt)?, highest: Vec::new() })
    }

    /// As [`SrtpEgress::protect_rtp`], with the index estimated as a receiver would.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..len).ok_or(SrtpError::NoRoom)?;
        let header = RtpHeader::parse_protected(packet).map_err(|_| SrtpError::Malformed)?;
        let known = self.highest.iter().position(|(ssrc, _)| *ssrc == header.ssrc);
        if known.is_none() && self.highest.len() >= MAX_STREAMS {
            return Err(SrtpError::TooManyStreams);
        }
        let entry = known.and_then(|position| self.highest.get_mut(position));
        let index = estimate_index(entry.as_ref().map(|(_, highest)| *highest), header.seq);
        let protected = self.egress.protect_rtp(buffer, len, index)?;
        match entry {
            Some((_, highest)) => *highest = index.max(*highest),
            None => self.highest.push((header.ssrc, index)),
        }
        Ok(protected)
    }

    /// As [`SrtpEgress::protect_rtcp`].
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.egress.protect_rtcp(buffer, len)
    }
}
