//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2).

use super::RtcpError;
use crate::wire::{u8_at, u24_at, u32_at};

const IDENTIFIER: [u8; 4] = *b"REMB";
const HEAD_LEN: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remb<'a> {
    pub sender_ssrc: u32,
    /// Saturates: the wire has 18 bits of mantissa and 6 of exponent.
    pub bitrate_bps: u64,
    ssrcs: &'a [u8],
}

impl<'a> Remb<'a> {
    pub(super) fn is_remb(body: &[u8]) -> bool {
        body.get(8..12) == Some(&IDENTIFIER)
    }

    pub fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let count = usize::from(u8_at(body, 12).ok_or(RtcpError::Body)?);
        let bits = u24_at(body, 13).ok_or(RtcpError::Body)?;
        let mantissa = u64::from(bits & 0x3_FFFF);
        let exponent = bits >> 18;
        let bitrate_bps = if mantissa.leading_zeros() < exponent { u64::MAX } else { mantissa << exponent };
        let ssrcs = body.get(HEAD_LEN..HEAD_LEN + 4 * count).ok_or(RtcpError::Body)?;
        Ok(Self { sender_ssrc: u32_at(body, 0).ok_or(RtcpError::Body)?, bitrate_bps, ssrcs })
    }

    /// Streams that the estimate covers.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ssrcs.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0))
    }
}
