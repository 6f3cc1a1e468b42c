//! What is heard: a playout after `NetEq`. 20 ms each tick; what is not there is concealed; speech is stretched or
//! compressed by at most a packet in five to keep as much in the buffer as arrivals vary.

use std::collections::{BTreeSet, VecDeque};

use sfu_core::time::{Micros, Time};

const TICK: Micros = Micros::from_millis(20);
const SAMPLES: u64 = 960;
/// Arrivals that the target is taken from, and which quantile of them: `NetEq`'s histogram forgets in about 5 s.
const HISTORY: usize = 250;
const QUANTILE: f64 = 0.97;
/// `NetEq` compares with the fastest of the last 2 s.
const BASE_PACKETS: usize = 100;
const START_LEVEL: usize = 4;
const TIME_STRETCH_EVERY: u32 = 5;
/// Ticks: libwebrtc's `kInterruptionLenMs`.
const INTERRUPTION: u64 = 8;
/// The target is looked at anew once in so many packets.
const MEASURE_EVERY: u32 = 5;
/// More than this in the buffer is thrown away at once (`NetEq`'s `max_packets_in_buffer`).
const MAX_BUFFERED: usize = 200;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioCounts {
    pub ticks: u64,
    pub concealed: u64,
    /// Longest run of concealed ticks.
    pub longest_gap: u64,
    /// Runs of at least 150 ms, which libwebrtc calls interruptions.
    pub interruptions: u64,
    pub late: u64,
}

#[derive(Debug)]
pub struct AudioPlayout {
    next_tick: Option<Time>,
    /// Packet numbers that wait.
    buffer: BTreeSet<u64>,
    next: u64,
    offsets: VecDeque<i64>,
    target: usize,
    unmeasured: u32,
    since_stretch: u32,
    run: u64,
    counts: AudioCounts,
}

impl Default for AudioPlayout {
    fn default() -> Self {
        Self {
            next_tick: None,
            buffer: BTreeSet::new(),
            next: 0,
            offsets: VecDeque::new(),
            target: START_LEVEL,
            unmeasured: 0,
            since_stretch: 0,
            run: 0,
            counts: AudioCounts::default(),
        }
    }
}

impl AudioPlayout {
    /// A packet came; `timestamp` is unwrapped, in samples at 48 kHz.
    pub fn on_packet(&mut self, now: Time, timestamp: u64) {
        let number = timestamp / SAMPLES;
        self.measure(now.0 as i64 - (number * TICK.0) as i64);
        if self.next_tick.is_none() {
            self.next_tick = Some(now + TICK);
            self.next = number;
        }
        if number < self.next {
            self.counts.late += 1;
            return;
        }
        self.buffer.insert(number);
        while self.buffer.len() > MAX_BUFFERED {
            self.buffer.pop_first();
            self.next = self.buffer.first().copied().unwrap_or(self.next);
        }
    }

    fn measure(&mut self, offset: i64) {
        if self.offsets.len() == HISTORY {
            self.offsets.pop_front();
        }
        self.offsets.push_back(offset);
        self.unmeasured += 1;
        if self.unmeasured < MEASURE_EVERY {
            return;
        }
        self.unmeasured = 0;
        let base = self.offsets.iter().rev().take(BASE_PACKETS).min().copied().unwrap_or(offset);
        let mut relative: Vec<i64> = self.offsets.iter().map(|offset| offset - base).collect();
        let place = ((relative.len() - 1) as f64 * QUANTILE) as usize;
        let (_, &mut delay, _) = relative.select_nth_unstable(place);
        self.target = (delay.max(0) as u64).div_ceil(TICK.0).max(1) as usize;
    }

    pub fn next_timeout(&self) -> Option<Time> {
        self.next_tick
    }

    pub fn on_timeout(&mut self, now: Time) {
        while let Some(tick) = self.next_tick.filter(|&tick| tick <= now) {
            self.next_tick = Some(tick + TICK);
            self.play();
        }
    }

    fn play(&mut self) {
        self.counts.ticks += 1;
        self.since_stretch += 1;
        let may_stretch = self.since_stretch >= TIME_STRETCH_EVERY;
        if may_stretch && self.buffer.len() < self.target && self.buffer.contains(&self.next) {
            // Preemptive expand: the present packet lasts a tick longer.
            self.since_stretch = 0;
            self.run = 0;
            return;
        }
        if self.buffer.remove(&self.next) {
            self.next += 1;
            self.run = 0;
            if may_stretch && self.buffer.len() > self.target + 1 {
                // Accelerate: two packets in the time of one.
                self.since_stretch = 0;
                self.buffer.remove(&self.next);
                self.next += 1;
            }
            return;
        }
        self.conceal();
    }

    /// With later packets at hand the missing one is given up; else playing stands still.
    fn conceal(&mut self) {
        self.counts.concealed += 1;
        self.run += 1;
        self.counts.longest_gap = self.counts.longest_gap.max(self.run);
        self.counts.interruptions += u64::from(self.run == INTERRUPTION);
        if !self.buffer.is_empty() {
            self.next += 1;
        }
    }

    pub fn counts(&self) -> AudioCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets sent every 20 ms that take `delay(number)`, ms, or are lost.
    fn listen(packets: u64, delay: impl Fn(u64) -> Option<u64>) -> AudioCounts {
        let mut arrivals: Vec<(u64, u64)> =
            (0..packets).filter_map(|number| Some((number * 20_000 + delay(number)? * 1_000, number))).collect();
        arrivals.sort_unstable();
        let mut audio = AudioPlayout::default();
        for (at, number) in arrivals {
            audio.on_timeout(Time(at));
            audio.on_packet(Time(at), number * SAMPLES);
        }
        audio.counts()
    }

    #[test]
    fn a_steady_stream_is_heard_whole() {
        assert_eq!(listen(1_000, |_| Some(30)).concealed, 0);
    }

    #[test]
    fn each_lost_packet_is_concealed_once() {
        let counts = listen(1_001, |number| (number % 50 != 49).then_some(30));
        // The first one empties the buffer, which is why it takes a tick more.
        assert!((20..=21).contains(&counts.concealed) && counts.longest_gap <= 2, "{counts:?}");
    }

    #[test]
    fn usual_jitter_is_waited_out_and_a_rare_outage_is_a_gap() {
        let counts = listen(2_000, |number| Some(30 + number * 7 % 40));
        assert!(counts.concealed <= 2, "{counts:?}");
        // Nothing for 500 ms, then all at once.
        let counts = listen(2_000, |number| {
            Some(if (1_000..1_025).contains(&number) { 30 + (1_025 - number) * 20 } else { 30 })
        });
        assert!((20..=26).contains(&counts.longest_gap) && counts.interruptions == 1, "{counts:?}");
        assert!(counts.concealed <= 27, "{counts:?}");
    }
}
