//! Flows over one bottleneck, and what came of it.

use crate::link::{Link, LinkOptions, Packet};
use crate::media::{Media, MediaOptions};
use crate::tcp::Cubic;

/// Of the virtual clock.
const STEP_US: u64 = 250;
/// Of what is noted.
pub const SAMPLE_MS: u64 = 50;

#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Bytes of each flow, sent and arrived, since the sample before.
    pub sent: Vec<u64>,
    pub arrived: Vec<u64>,
    pub estimate_bps: Vec<u64>,
    /// The longest and the shortest queue.
    pub queue_ms: f64,
    pub standing_ms: f64,
}

#[derive(Debug)]
pub struct Outcome {
    pub samples: Vec<Sample>,
    pub media: Vec<Media>,
}

pub struct Scenario {
    pub link: LinkOptions,
    pub media: Vec<MediaOptions>,
    /// When a download begins.
    pub tcp_at_ms: Option<u64>,
    pub seconds: u64,
}

impl Scenario {
    pub fn new(link: LinkOptions, media: Vec<MediaOptions>, seconds: u64) -> Self {
        Self { link, media, tcp_at_ms: None, seconds }
    }

    pub fn run(&self, seed: u64) -> Outcome {
        let mut link = Link::new(self.link.clone(), seed);
        let mut media: Vec<Media> = self
            .media
            .iter()
            .enumerate()
            .map(|(at, options)| Media::new(at, options.clone(), seed + at as u64))
            .collect();
        let mut tcp = self.tcp_at_ms.map(|ms| Cubic::new(media.len(), ms * 1_000));
        let flows = media.len() + usize::from(tcp.is_some());
        let mut samples = Vec::new();
        let fresh = || Sample { sent: vec![0; flows], arrived: vec![0; flows], standing_ms: 1e5, ..Sample::default() };
        let mut sample = fresh();
        let mut out: Vec<Packet> = Vec::new();
        for now_us in (0..self.seconds * 1_000_000).step_by(STEP_US as usize) {
            for flow in &mut media {
                flow.step(now_us, STEP_US, &mut out);
            }
            if let Some(tcp) = tcp.as_mut() {
                tcp.step(now_us, &mut out);
            }
            for packet in out.drain(..) {
                sample.sent[packet.flow] += u64::from(packet.size);
                link.push(packet);
            }
            let delay_us = self.link.delay_us;
            link.step(now_us, STEP_US, |at_us, packet| {
                sample.arrived[packet.flow] += u64::from(packet.size);
                match media.get_mut(packet.flow) {
                    Some(flow) => flow.arrive(at_us, packet),
                    None => tcp.iter_mut().for_each(|tcp| tcp.arrive(at_us, packet, delay_us)),
                }
            });
            for flow in &mut media {
                flow.send_feedback(now_us, delay_us);
            }
            sample.queue_ms = sample.queue_ms.max(link.queue_ms(now_us).min(1e5));
            sample.standing_ms = sample.standing_ms.min(link.queue_ms(now_us));
            if (now_us + STEP_US).is_multiple_of(SAMPLE_MS * 1_000) {
                sample.estimate_bps = media.iter().map(|flow| flow.estimator.estimate_bps()).collect();
                samples.push(std::mem::replace(&mut sample, fresh()));
            }
        }
        Outcome { samples, media }
    }
}

impl Outcome {
    fn window(&self, from_ms: u64, to_ms: u64) -> &[Sample] {
        let to = (to_ms / SAMPLE_MS) as usize;
        &self.samples[(from_ms / SAMPLE_MS) as usize..to.min(self.samples.len())]
    }

    pub fn arrived_bps(&self, flow: usize, from_ms: u64, to_ms: u64) -> f64 {
        let bytes: u64 = self.window(from_ms, to_ms).iter().map(|sample| sample.arrived[flow]).sum();
        bytes as f64 * 8e3 / (to_ms - from_ms) as f64
    }

    pub fn sent_bps(&self, flow: usize, from_ms: u64, to_ms: u64) -> f64 {
        let bytes: u64 = self.window(from_ms, to_ms).iter().map(|sample| sample.sent[flow]).sum();
        bytes as f64 * 8e3 / (to_ms - from_ms) as f64
    }

    pub fn queue_peak_ms(&self, from_ms: u64, to_ms: u64) -> f64 {
        self.window(from_ms, to_ms).iter().map(|sample| sample.queue_ms).fold(0.0, f64::max)
    }

    /// Median over samples of the shortest queue in each: what stands, frames apart.
    pub fn queue_median_ms(&self, from_ms: u64, to_ms: u64) -> f64 {
        let mut queues: Vec<f64> = self.window(from_ms, to_ms).iter().map(|sample| sample.standing_ms).collect();
        queues.sort_by(f64::total_cmp);
        queues.get(queues.len() / 2).copied().unwrap_or_default()
    }

    /// The first time after `from_ms` at which over 300 ms so much of the flow was sent (`above`) or not more.
    pub fn sent_time_ms(&self, flow: usize, from_ms: u64, bps: f64, above: bool) -> Option<u64> {
        (from_ms..self.samples.len() as u64 * SAMPLE_MS - 200).step_by(SAMPLE_MS as usize).find_map(|ms| {
            let sent = self.sent_bps(flow, ms, ms + 200);
            ((sent >= bps) == above).then_some(ms + 200 - from_ms)
        })
    }

    /// When the queue is below `ms` for good until `to_ms`.
    pub fn drained_after_ms(&self, from_ms: u64, to_ms: u64, limit_ms: f64) -> u64 {
        let window = self.window(from_ms, to_ms);
        let last = window.iter().rposition(|sample| sample.standing_ms > limit_ms);
        last.map_or(0, |at| (at as u64 + 1) * SAMPLE_MS)
    }
}
