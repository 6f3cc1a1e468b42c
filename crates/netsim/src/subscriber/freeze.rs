//! Freezes as getStats counts them (W3C webrtc-stats `freezeCount`; libwebrtc's `VideoQualityObserver`).

use std::collections::VecDeque;

use sfu_core::time::{Micros, Time};

const WINDOW: usize = 30;
const MIN_SAMPLES: usize = 5;
const MIN_INCREASE: Micros = Micros::from_millis(150);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreezeCounts {
    pub frames: u64,
    pub freezes: u64,
    pub frozen: Micros,
    pub longest: Micros,
}

/// Looks at the times at which frames are shown.
#[derive(Debug, Default)]
pub struct FreezeObserver {
    last: Option<Time>,
    gaps: VecDeque<u64>,
    counts: FreezeCounts,
}

impl FreezeObserver {
    /// A frame is shown; the freeze that it ends, if it does.
    pub fn on_shown(&mut self, now: Time) -> Option<Micros> {
        self.counts.frames += 1;
        let gap = now.since(self.last.replace(now)?);
        let is_freeze = self.is_freeze(gap);
        if self.gaps.len() == WINDOW {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap.0);
        if !is_freeze {
            return None;
        }
        self.count(gap);
        Some(gap)
    }

    /// The gap must exceed three times the average, and the average by 150 ms.
    fn is_freeze(&self, gap: Micros) -> bool {
        if self.gaps.len() < MIN_SAMPLES {
            return false;
        }
        let average = self.gaps.iter().sum::<u64>() / self.gaps.len() as u64;
        gap.0 >= (3 * average).max(average + MIN_INCREASE.0)
    }

    fn count(&mut self, gap: Micros) {
        self.counts.freezes += 1;
        self.counts.frozen.0 += gap.0;
        self.counts.longest = self.counts.longest.max(gap);
    }

    /// Nothing is to be shown from now on, and the user knows it: what stood until now still counts.
    pub fn pause(&mut self, now: Time) {
        self.finish(now);
        self.last = None;
    }

    /// The user expects a picture from now on.
    pub fn resume(&mut self, now: Time) {
        self.last.get_or_insert(now);
    }

    /// The end of the observation: a freeze that lasts counts as far as it went.
    pub fn finish(&mut self, now: Time) {
        if let Some(last) = self.last
            && self.is_freeze(now.since(last))
        {
            self.count(now.since(last));
            self.last = Some(now);
        }
    }

    pub fn counts(&self) -> FreezeCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows frames at these times, ms.
    fn observe(times: impl IntoIterator<Item = u64>) -> FreezeCounts {
        let mut observer = FreezeObserver::default();
        for at in times {
            observer.on_shown(Time(at * 1_000));
        }
        observer.counts()
    }

    #[test]
    fn a_steady_picture_never_freezes() {
        assert_eq!(observe((0..300).map(|frame| frame * 33)).freezes, 0);
        assert_eq!(observe((0..40).map(|frame| frame * 133)).freezes, 0);
    }

    #[test]
    fn a_gap_of_the_average_and_150_ms_is_a_freeze_and_one_less_is_not() {
        let with_gap = |gap: u64| observe((0..30).map(|it| it * 40).chain((0..30).map(|it| 29 * 40 + gap + it * 40)));
        assert_eq!(with_gap(189).freezes, 0);
        let counts = with_gap(190);
        assert_eq!((counts.freezes, counts.longest), (1, Micros::from_millis(190)));
    }

    #[test]
    fn at_a_low_frame_rate_it_takes_three_times_the_average() {
        let with_gap = |gap: u64| observe((0..30).map(|it| it * 200).chain([29 * 200 + gap]));
        assert_eq!(with_gap(599).freezes, 0);
        assert_eq!(with_gap(600).freezes, 1);
    }

    #[test]
    fn the_first_five_gaps_are_no_freezes() {
        assert_eq!(observe([0, 1_000, 1_030, 1_060, 1_090, 1_120]).freezes, 0);
    }

    #[test]
    fn an_announced_pause_is_no_freeze_but_what_came_before_it_is() {
        let mut observer = FreezeObserver::default();
        (0..30).for_each(|it| _ = observer.on_shown(Time(it * 33_000)));
        observer.pause(Time(29 * 33_000 + 400_000));
        observer.resume(Time(9_000_000));
        observer.on_shown(Time(9_100_000));
        let counts = observer.counts();
        assert_eq!((counts.freezes, counts.frozen), (1, Micros::from_millis(400)));
        observer.finish(Time(12_100_000));
        assert_eq!(observer.counts().longest, Micros::from_secs(3));
    }
}
