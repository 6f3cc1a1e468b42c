//! Reading feedback: one pass checks that chunks and deltas are all there, a second one, lazily,
//! tells of packet after packet.

use super::chunk::{capacity, status_at};
use super::{HEAD_LEN, REFERENCE_TICKS, Status, TICK_US};
use crate::rtcp::RtcpError;
use crate::wire::{u8_at, u16_at, u24_at, u32_at};

/// A checked feedback message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    pub sender_ssrc: u32,
    pub media_ssrc: u32,
    pub base_seq: u16,
    /// Numbers told of, received or not.
    pub status_count: u16,
    /// Units of 64 ms of the receiver's epoch; 24 bits signed, wraps.
    pub reference_time: i32,
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, RtcpError> {
        let content = body.get(HEAD_LEN..).ok_or(RtcpError::Body)?;
        let status_count = u16_at(body, 10).ok_or(RtcpError::Body)?;
        let (chunks_len, deltas_len) = measure(content, status_count)?;
        let (chunks, rest) = content.split_at_checked(chunks_len).ok_or(RtcpError::Body)?;
        let deltas = rest.get(..deltas_len).ok_or(RtcpError::Body)?;
        Ok(Self {
            sender_ssrc: u32_at(body, 0).ok_or(RtcpError::Body)?,
            media_ssrc: u32_at(body, 4).ok_or(RtcpError::Body)?,
            base_seq: u16_at(body, 8).ok_or(RtcpError::Body)?,
            status_count,
            // Sign-extends the 24 bits.
            reference_time: (u24_at(body, 12).ok_or(RtcpError::Body)? << 8).cast_signed() >> 8,
            feedback_count: u8_at(body, 15).ok_or(RtcpError::Body)?,
            chunks,
            deltas,
        })
    }

    /// Each number told of, in order: when it arrived, in microseconds of the receiver's epoch (that
    /// of `reference_time`), or `None` when it did not.
    pub fn arrivals(&self) -> Arrivals<'a> {
        let ticks = i64::from(self.reference_time) * REFERENCE_TICKS.cast_signed();
        Arrivals {
            seq: self.base_seq,
            left: self.status_count,
            chunk: 0,
            position: 0,
            ticks,
            chunks: self.chunks,
            deltas: self.deltas,
        }
    }
}

/// Bytes of chunks and of deltas for `status_count` packets.
fn measure(content: &[u8], status_count: u16) -> Result<(usize, usize), RtcpError> {
    let mut left = usize::from(status_count);
    let mut at = 0;
    let mut deltas_len = 0;
    while left > 0 {
        let chunk = u16_at(content, at).ok_or(RtcpError::Body)?;
        at += 2;
        let told = capacity(chunk).min(left);
        for position in 0..told {
            deltas_len += status_at(chunk, position).ok_or(RtcpError::Body)?.delta_len();
        }
        left -= told;
    }
    Ok((at, deltas_len))
}

/// See [`TransportFeedback::arrivals`].
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    seq: u16,
    left: u16,
    /// The chunk that is being read, and how many of its statuses were; at first an empty run.
    chunk: u16,
    position: usize,
    ticks: i64,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl Arrivals<'_> {
    fn next_status(&mut self) -> Option<Status> {
        while self.position >= capacity(self.chunk) {
            let (chunk, rest) = self.chunks.split_first_chunk()?;
            self.chunk = u16::from_be_bytes(*chunk);
            self.chunks = rest;
            self.position = 0;
        }
        let status = status_at(self.chunk, self.position);
        self.position += 1;
        status
    }

    fn next_delta(&mut self, status: Status) -> Option<i64> {
        if status == Status::SmallDelta {
            let (delta, rest) = self.deltas.split_first()?;
            self.deltas = rest;
            return Some(i64::from(*delta));
        }
        let (delta, rest) = self.deltas.split_first_chunk()?;
        self.deltas = rest;
        Some(i64::from(i16::from_be_bytes(*delta)))
    }
}

impl Iterator for Arrivals<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let status = self.next_status()?;
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        if status == Status::NotReceived {
            return Some((seq, None));
        }
        self.ticks += self.next_delta(status)?;
        Some((seq, Some(self.ticks * TICK_US.cast_signed())))
    }
}
