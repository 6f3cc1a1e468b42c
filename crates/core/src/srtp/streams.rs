//! What an ingress context remembers of each SSRC: replay window, and with it the rollover counter.

use sfu_prefetch::{LINE_BYTES, prefetch};

use super::SrtpError;
use super::replay::ReplayWindow;

/// Most SSRCs that a context keeps state for, RTP and RTCP apart. A participant sends some ten; the
/// bound keeps one that invents SSRCs from growing our memory.
pub const MAX_STREAMS: usize = 64;

const WINDOWS_AHEAD: usize = 2;

/// Windows by SSRC. The SSRCs lie side by side: the search reads a cache line or two.
pub(super) struct Streams<const WORDS: usize> {
    ssrcs: Vec<u32>,
    windows: Vec<ReplayWindow<WORDS>>,
}

impl<const WORDS: usize> Streams<WORDS> {
    pub(super) fn new() -> Self {
        Self { ssrcs: Vec::new(), windows: Vec::new() }
    }

    /// Asks for the first windows: of a sender with few streams, all.
    pub(super) fn prefetch(&self) {
        prefetch(self.ssrcs.as_slice(), LINE_BYTES);
        prefetch(self.windows.as_slice(), WINDOWS_AHEAD * size_of::<ReplayWindow<WORDS>>());
    }

    pub(super) fn len(&self) -> usize {
        self.ssrcs.len()
    }

    pub(super) fn find(&self, ssrc: u32) -> Option<&ReplayWindow<WORDS>> {
        let position = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.windows.get(position)
    }

    /// Whether an authentic packet of this SSRC and index may be let in.
    pub(super) fn check(&self, ssrc: u32, index: u64) -> Result<(), SrtpError> {
        match self.find(ssrc) {
            Some(window) => window.check(index),
            None if self.ssrcs.len() >= MAX_STREAMS => Err(SrtpError::TooManyStreams),
            None => Ok(()),
        }
    }

    /// Remembers a packet that [`Self::check`] allowed and that proved authentic.
    pub(super) fn accept(&mut self, ssrc: u32, index: u64) {
        let position = self.ssrcs.iter().position(|known| *known == ssrc);
        if let Some(window) = position.and_then(|position| self.windows.get_mut(position)) {
            window.accept(index);
        } else {
            self.ssrcs.push(ssrc);
            self.windows.push(ReplayWindow::starting_at(index));
        }
    }
}

/// The 48-bit index that a sequence number most likely stands for (RFC 3711 §3.3.1), `highest` being
/// the largest index so far. Where that would be before index 0, the cycle is the first one: the
/// sender cannot have been earlier, so it jumped ahead.
pub(super) fn estimate_index(highest: Option<u64>, seq: u16) -> u64 {
    let Some(highest) = highest else { return u64::from(seq) };
    let delta = i64::from(seq.wrapping_sub(highest as u16).cast_signed());
    highest.checked_add_signed(delta).unwrap_or(u64::from(seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_follows_wraps_both_ways() {
        assert_eq!(estimate_index(None, 65_535), 65_535);
        assert_eq!(estimate_index(Some(65_535), 0), 65_536);
        assert_eq!(estimate_index(Some(65_537), 65_535), 65_535);
        assert_eq!(estimate_index(Some(3 * 65_536 + 10), 12), 3 * 65_536 + 12);
    }

    #[test]
    fn there_is_no_cycle_before_the_first() {
        assert_eq!(estimate_index(Some(1), 65_535), 65_535);
    }

    #[test]
    fn state_is_bounded() {
        let mut streams = Streams::<2>::new();
        for ssrc in 0..MAX_STREAMS as u32 {
            assert_eq!(streams.check(ssrc, 1), Ok(()));
            streams.accept(ssrc, 1);
        }
        assert_eq!(streams.check(1_000, 1), Err(SrtpError::TooManyStreams));
        assert_eq!(streams.check(0, 2), Ok(()));
        assert_eq!(streams.len(), MAX_STREAMS);
    }
}
