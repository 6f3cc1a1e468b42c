//! What each layer of an encoding costs: bytes by layer and frames, over the last two seconds.
//!
//! Two seconds hold several groups of temporal layers, and a keyframe among them does not double the rate.

use crate::codec::FrameMarks;
use crate::time::Time;

/// Temporal layers told of one spatial layer; higher ones count as the last.
const TEMPORAL: usize = 4;
/// Layers that are told of: four spatial ones with four temporal ones each.
pub const LAYERS: usize = 16;

const BUCKETS: usize = 4;
const BUCKET_US: u64 = 500_000;
/// Less than this says nothing of a rate.
const SHORTEST_US: u64 = 200_000;

/// Cumulative rates and the rate of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Bits per second of everything up to a layer, at `spatial * 4 + temporal`; 0 for layers that do not come.
    pub bitrates_bps: [u64; LAYERS],
    pub frame_rate: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    bytes: [u32; LAYERS],
    frames: u32,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct LayerRates {
    buckets: [Bucket; BUCKETS],
    /// Number of the newest bucket since the epoch.
    newest: u64,
    /// Since when packets have come without a pause.
    since: Time,
    /// Timestamp of the newest frame.
    frame_ts: Option<u32>,
}

impl LayerRates {
    pub fn new(now: Time) -> Self {
        let buckets = [Bucket::default(); BUCKETS];
        Self { buckets, newest: now.0 / BUCKET_US, since: now, frame_ts: None }
    }

    pub fn add(&mut self, now: Time, rtp_ts: u32, marks: &FrameMarks, bytes: usize) {
        self.roll(now);
        let is_newer = self.frame_ts.is_none_or(|newest| rtp_ts.wrapping_sub(newest).cast_signed() > 0);
        if is_newer {
            self.frame_ts = Some(rtp_ts);
        }
        let Some(bucket) = self.buckets.get_mut((self.newest % BUCKETS as u64) as usize) else { return };
        bucket.frames += u32::from(is_newer);
        let layer = usize::from(marks.sid) * TEMPORAL + usize::from(marks.tid).min(TEMPORAL - 1);
        if let Some(sum) = bucket.bytes.get_mut(layer) {
            *sum = sum.saturating_add(bytes as u32);
        }
    }

    /// The sender starts its timestamps anew.
    pub fn restart(&mut self) {
        self.frame_ts = None;
    }

    fn roll(&mut self, now: Time) {
        let current = now.0 / BUCKET_US;
        let steps = current.saturating_sub(self.newest);
        if steps == 0 {
            return;
        }
        if steps > BUCKETS as u64 {
            self.since = now;
        }
        for step in 1..=steps.min(BUCKETS as u64) {
            if let Some(bucket) = self.buckets.get_mut(((self.newest + step) % BUCKETS as u64) as usize) {
                *bucket = Bucket::default();
            }
        }
        self.newest = current;
    }

    /// Bits per second of all layers up to these.
    pub fn up_to(&self, now: Time, sid: u8, tid: u8) -> u64 {
        let measured = self.measured(now).bitrates_bps;
        let layers = measured.iter().enumerate();
        let within =
            layers.filter(|(layer, _)| layer / TEMPORAL <= usize::from(sid) && layer % TEMPORAL <= usize::from(tid));
        within.map(|(_, bps)| *bps).max().unwrap_or_default()
    }

    /// Over the last two seconds, or since the first packet.
    pub fn measured(&self, now: Time) -> Measured {
        let mut copy = *self;
        copy.roll(now);
        let oldest = Time(copy.newest.saturating_sub(BUCKETS as u64 - 1) * BUCKET_US);
        let span_us = now.since(oldest.max(copy.since));
        if span_us.0 < SHORTEST_US {
            return Measured::default();
        }
        let frames: u32 = copy.buckets.iter().map(|bucket| bucket.frames).sum();
        let frame_rate = f64::from(frames) * 1e6 / span_us.0 as f64;
        let bytes = |layer: usize| -> u64 {
            copy.buckets.iter().filter_map(|bucket| bucket.bytes.get(layer)).map(|&bytes| u64::from(bytes)).sum()
        };
        let sums: [u64; LAYERS] = std::array::from_fn(bytes);
        let bitrates_bps = cumulative(&sums).map(|sum| sum * 8_000_000 / span_us.0);
        Measured { bitrates_bps, frame_rate: (frames > 0).then_some(frame_rate) }
    }
}

/// Sums over all layers up to each one; 0 above the highest that came.
fn cumulative(sums: &[u64; LAYERS]) -> [u64; LAYERS] {
    let came = || sums.iter().enumerate().filter(|(_, sum)| **sum > 0).map(|(layer, _)| layer);
    let Some(top_sid) = came().map(|layer| layer / TEMPORAL).max() else { return [0; LAYERS] };
    let top_tid = came().map(|layer| layer % TEMPORAL).max().unwrap_or_default();
    std::array::from_fn(|layer| {
        let (sid, tid) = (layer / TEMPORAL, layer % TEMPORAL);
        if sid > top_sid || tid > top_tid {
            return 0;
        }
        let within = |of: usize| of / TEMPORAL <= sid && of % TEMPORAL <= tid;
        sums.iter().enumerate().filter(|(of, _)| within(*of)).map(|(_, sum)| sum).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(value: u64) -> Time {
        Time(10_000_000 + value * 1_000)
    }

    fn layer(sid: u8, tid: u8) -> FrameMarks {
        FrameMarks { sid, tid, ..FrameMarks::default() }
    }

    /// 50 frames a second, T0 and T1 in turn, two spatial layers of 100 and 300 bytes.
    fn run(rates: &mut LayerRates, from_ms: u64, to_ms: u64) {
        for index in from_ms / 20..to_ms / 20 {
            let tid = (index % 2) as u8;
            for (sid, bytes) in [(0, 100), (1, 300)] {
                rates.add(ms(index * 20), index as u32 * 1_800, &layer(sid, tid), bytes);
            }
        }
    }

    fn is_near(value: u64, expected: u64) -> bool {
        value.abs_diff(expected) * 10 <= expected
    }

    #[test]
    fn a_layer_s_rate_holds_all_that_it_needs() {
        let mut rates = LayerRates::new(ms(0));
        run(&mut rates, 0, 5_000);
        let measured = rates.measured(ms(5_000));
        for (at, expected) in [(0, 20_000), (1, 40_000), (4, 80_000), (5, 160_000)] {
            assert!(is_near(measured.bitrates_bps[at], expected), "{at}: {:?}", measured.bitrates_bps);
        }
        assert_eq!(measured.bitrates_bps[2..4], [0, 0]);
        assert_eq!(measured.bitrates_bps[6..], [0; 10]);
        assert!((measured.frame_rate.unwrap() - 50.0).abs() < 3.0);
    }

    #[test]
    fn the_rate_is_known_soon_after_the_first_packet_and_gone_after_the_last() {
        let mut rates = LayerRates::new(ms(0));
        run(&mut rates, 0, 100);
        assert_eq!(rates.measured(ms(100)), Measured::default());
        run(&mut rates, 100, 400);
        assert!(is_near(rates.measured(ms(400)).bitrates_bps[5], 160_000));
        assert_eq!(rates.measured(ms(3_000)).bitrates_bps, [0; LAYERS]);
        assert_eq!(rates.measured(ms(3_000)).frame_rate, None);
        run(&mut rates, 3_000, 3_600);
        assert!(is_near(rates.measured(ms(3_600)).bitrates_bps[5], 160_000));
    }

    #[test]
    fn a_layer_that_ends_is_no_longer_told() {
        let mut rates = LayerRates::new(ms(0));
        run(&mut rates, 0, 1_000);
        for index in 50..200 {
            rates.add(ms(index * 20), index as u32 * 1_800, &layer(0, 0), 100);
        }
        let measured = rates.measured(ms(4_000));
        assert!(is_near(measured.bitrates_bps[0], 40_000));
        assert_eq!(measured.bitrates_bps[1..], [0; LAYERS - 1]);
    }

    #[test]
    fn late_packets_are_no_new_frames_and_layers_beyond_the_table_are_left_out() {
        let mut rates = LayerRates::new(ms(0));
        for index in [0, 1, 3, 2, 3, 4] {
            rates.add(ms(index * 100), index as u32 * 9_000, &layer(7, 7), 100);
        }
        let measured = rates.measured(ms(500));
        assert!((measured.frame_rate.unwrap() - 8.0).abs() < 0.1);
        assert_eq!(measured.bitrates_bps, [0; LAYERS]);
    }
}
