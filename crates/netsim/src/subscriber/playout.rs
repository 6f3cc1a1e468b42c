//! When a frame is shown: a jitter buffer after libwebrtc's `VCMTiming` and `JitterEstimator`.
//!
//! Delays are those of whole frames against the fastest of the last ten seconds. The buffer aims at the 95th percentile
//! of what was not retransmitted, adds a round trip once retransmissions are usual (three within a minute), and moves by
//! 100 ms a second; a frame that came late moves it at once, up to what it aims at.

use std::collections::VecDeque;

use sfu_core::rtp::seq::TimestampUnwrapper;
use sfu_core::time::{Micros, Time};

/// Decoding and rendering: 5 ms and libwebrtc's 10 ms.
const RENDER_DELAY: i64 = 15_000;
const BASE_WINDOW: Micros = Micros::from_secs(10);
const DELAYS: usize = 150;
const QUANTILE: f64 = 0.95;
/// `kDelayMaxChangeMsPerS`.
const MAX_CHANGE_PER_S: i64 = 100_000;
/// `kNackLimit`, `kNackCountTimeout`.
const NACKED_FRAMES: usize = 3;
const NACKED_FOR: Micros = Micros::from_secs(60);
const VIDEO_CLOCK_KHZ: u64 = 90;

#[derive(Debug, Default)]
pub struct Playout {
    unwrapper: TimestampUnwrapper,
    /// (when, arrival less media time) with rising values: the first is the least of the window.
    base: VecDeque<(Time, i64)>,
    delays: VecDeque<i64>,
    nacked: VecDeque<Time>,
    rtt: Micros,
    current: Option<i64>,
    target: i64,
    moved: Time,
}

impl Playout {
    pub fn set_rtt(&mut self, rtt: Micros) {
        self.rtt = rtt;
    }

    /// A whole frame came: when it is to be shown.
    pub fn schedule(&mut self, now: Time, rtp_ts: u32, was_retransmitted: bool) -> Time {
        let media = (self.unwrapper.unwrap_timestamp(rtp_ts) * 1_000 / VIDEO_CLOCK_KHZ) as i64;
        let offset = now.0 as i64 - media;
        while self.base.back().is_some_and(|entry| entry.1 >= offset) {
            self.base.pop_back();
        }
        self.base.push_back((now, offset));
        while self.base.front().is_some_and(|entry| now.since(entry.0) > BASE_WINDOW) {
            self.base.pop_front();
        }
        let base = self.base.front().map_or(offset, |entry| entry.1);
        self.observe(now, offset - base, was_retransmitted);
        self.approach(now);
        Time((media + base + self.current.unwrap_or(RENDER_DELAY)).max(0) as u64)
    }

    fn observe(&mut self, now: Time, delay: i64, was_retransmitted: bool) {
        if was_retransmitted {
            self.nacked.push_back(now);
        } else {
            if self.delays.len() == DELAYS {
                self.delays.pop_front();
            }
            self.delays.push_back(delay);
        }
        while self.nacked.front().is_some_and(|&at| now.since(at) > NACKED_FOR) {
            self.nacked.pop_front();
        }
    }

    fn find_target(&self) -> i64 {
        let mut delays: Vec<i64> = self.delays.iter().copied().collect();
        let place = ((delays.len() as f64 * QUANTILE) as usize).min(delays.len().saturating_sub(1));
        let jitter = if delays.is_empty() { 0 } else { *delays.select_nth_unstable(place).1 };
        let repair = if self.nacked.len() >= NACKED_FRAMES { self.rtt.0 as i64 } else { 0 };
        jitter + repair + RENDER_DELAY
    }

    fn approach(&mut self, now: Time) {
        let target = self.find_target();
        self.target = target;
        let room = MAX_CHANGE_PER_S * now.since(self.moved).0.min(1_000_000) as i64 / 1_000_000;
        self.moved = now;
        self.current = Some(match self.current {
            None => target,
            Some(current) => current + (target - current).clamp(-room, room),
        });
    }

    /// A frame could only be shown `late` after its time.
    pub fn was_late(&mut self, late: Micros) {
        let target = self.target;
        if let Some(current) = &mut self.current {
            *current = (*current + late.0 as i64).min(target.max(*current));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_come_steadily_are_shown_soon_and_evenly() {
        let mut playout = Playout::default();
        for frame in 0..300u64 {
            let at = Time(1_000_000 + frame * 33_333);
            let shown = playout.schedule(at, (frame * 3_000) as u32, false);
            assert!(shown.since(at) <= Micros::from_millis(16), "{shown:?} {at:?}");
        }
    }

    #[test]
    fn jitter_is_waited_out() {
        let mut playout = Playout::default();
        let mut late = 0;
        for frame in 0..600u64 {
            // Every tenth frame takes 60 ms longer.
            let at = Time(1_000_000 + frame * 33_333 + if frame % 10 == 0 { 60_000 } else { 0 });
            let shown = playout.schedule(at, (frame * 3_000) as u32, false);
            late += u32::from(frame > 100 && shown < at);
        }
        assert_eq!(late, 0);
    }

    #[test]
    fn retransmissions_add_a_round_trip_once_they_are_usual() {
        let mut playout = Playout::default();
        playout.set_rtt(Micros::from_millis(80));
        let mut waits = Vec::new();
        for frame in 0..200u64 {
            let again = frame % 20 == 19;
            let at = Time(1_000_000 + frame * 33_333 + if again { 80_000 } else { 0 });
            let shown = playout.schedule(at, (frame * 3_000) as u32, again);
            waits.push(shown.0 as i64 - at.0 as i64);
        }
        assert!(waits[30] < 20_000 && waits[19] < 0, "{} {}", waits[30], waits[19]);
        assert!(waits[198] > 80_000 && waits[199] > 0, "{} {}", waits[198], waits[199]);
    }
}
