//! The course of a run, and the figures taken from it.

use sfu_core::time::{Micros, Time};

use crate::link::LinkCounts;
use crate::trace::RateTrace;

/// One flow over 100 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowSample {
    pub estimate_bps: u64,
    pub sent_bps: u64,
    pub delivered_bps: u64,
}

/// 100 ms that end at `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub at: Time,
    pub capacity_bps: u64,
    /// How long what leaves at the end has waited.
    pub queue: Micros,
    pub flows: Vec<FlowSample>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub samples: Vec<Sample>,
    pub trace: RateTrace,
    pub counts: LinkCounts,
    pub tcp_bytes: Vec<u64>,
}

impl Outcome {
    fn between(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = &Sample> {
        let time = |seconds: f64| Time((seconds * 1e6) as u64);
        let (from, to) = (time(from_s), time(to_s));
        self.samples.iter().filter(move |sample| sample.at > from && sample.at <= to)
    }

    /// Share of the capacity that all flows got between two times.
    pub fn utilisation(&self, from_s: f64, to_s: f64) -> f64 {
        let (mut got, mut capacity) = (0, 0);
        for sample in self.between(from_s, to_s) {
            got += sample.flows.iter().map(|flow| flow.delivered_bps).sum::<u64>();
            capacity += sample.capacity_bps;
        }
        got as f64 / capacity.max(1) as f64
    }

    /// What one flow got, bit/s.
    pub fn delivered_bps(&self, flow: usize, from_s: f64, to_s: f64) -> f64 {
        let got: Vec<u64> = self.between(from_s, to_s).map(|sample| sample.flows[flow].delivered_bps).collect();
        got.iter().sum::<u64>() as f64 / got.len().max(1) as f64
    }

    /// A quantile (0..=1) of the bottleneck's queueing delay, ms; 1 is the longest.
    pub fn queue_ms(&self, quantile: f64, from_s: f64, to_s: f64) -> f64 {
        let mut delays: Vec<u64> = self.between(from_s, to_s).map(|sample| sample.queue.0).collect();
        delays.sort_unstable();
        let place = ((delays.len().max(1) - 1) as f64 * quantile).round() as usize;
        delays.get(place).copied().unwrap_or_default() as f64 / 1e3
    }

    /// Seconds from `from_s` until one flow's estimate has reached `bps`.
    pub fn estimate_reaches(&self, flow: usize, bps: u64, from_s: f64) -> Option<f64> {
        let sample = self.between(from_s, f64::MAX).find(|sample| sample.flows[flow].estimate_bps >= bps)?;
        Some(sample.at.0 as f64 / 1e6 - from_s)
    }

    /// Seconds from `from_s` until what the flow sends stays at or below `bps` for half a second.
    pub fn sent_falls_to(&self, flow: usize, bps: u64, from_s: f64) -> Option<f64> {
        let samples: Vec<&Sample> = self.between(from_s, f64::MAX).collect();
        let window =
            samples.windows(5).find(|window| window.iter().all(|sample| sample.flows[flow].sent_bps <= bps))?;
        Some(window[0].at.0 as f64 / 1e6 - from_s)
    }

    /// Jain's index of what the flows got: 1 is equal shares.
    pub fn fairness(&self, from_s: f64, to_s: f64) -> f64 {
        let flows = self.samples.first().map_or(0, |sample| sample.flows.len());
        jain(&(0..flows).map(|flow| self.delivered_bps(flow, from_s, to_s)).collect::<Vec<_>>())
    }

    /// The course as text: `time estimate sent delivered capacity queue`, one line each 100 ms.
    pub fn table(&self, flow: usize) -> String {
        let mut text = String::from("    s   kbit/s: estimate     sent delivered capacity   queue ms\n");
        for sample in &self.samples {
            let FlowSample { estimate_bps, sent_bps, delivered_bps } = sample.flows[flow];
            let rates = [estimate_bps, sent_bps, delivered_bps, sample.capacity_bps].map(|bps| bps / 1_000);
            let [estimate, sent, delivered, capacity] = rates;
            let (seconds, queue) = (sample.at.0 as f64 / 1e6, sample.queue.0 as f64 / 1e3);
            let line = format!("{seconds:5.1} {estimate:17} {sent:8} {delivered:9} {capacity:8} {queue:10.1}\n");
            text.push_str(&line);
        }
        text
    }
}

/// Jain's fairness index.
pub fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares > 0.0 { sum * sum / (shares.len() as f64 * squares) } else { 1.0 }
}
