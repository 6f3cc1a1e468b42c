//! The bandwidth estimator alone over a simulated path: no shard, no client, a sender that is as simple as can be.
//!
//! For work on the estimator: what [`run`] gives is what the estimator itself is worth, before pacing, layers and
//! policy have their say. [`Outcome`] has the course in steps of 100 ms and the figures that matter.

mod flow;
mod outcome;

use sfu_core::bwe::BweOptions;
use sfu_core::time::{Micros, Time};

use crate::bottleneck::{Bottleneck, TcpOptions};
use crate::link::LinkOptions;
use crate::random::Random;

use flow::Flow;
pub use outcome::{FlowSample, Outcome, Sample};

/// What a flow has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// As much as the estimate, always.
    Elastic,
    /// Opus, and video of the highest of these rates (ascending, bit/s) that fits into the estimate; none if none does.
    Layered(Vec<u64>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOptions {
    pub bwe: BweOptions,
    pub source: Source,
    pub start: Time,
}

impl FlowOptions {
    pub fn new(source: Source) -> Self {
        Self { bwe: BweOptions::default(), source, start: Time(0) }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct DriverOptions {
    pub seed: u64,
    pub length: Micros,
    pub link: LinkOptions,
    /// Of feedback, whose way is not congested.
    pub return_delay: Micros,
    pub flows: Vec<FlowOptions>,
    pub tcp: Vec<TcpOptions>,
    /// Of the receivers, which sets how often they send feedback.
    pub uplink_bps: Option<u64>,
}

impl DriverOptions {
    /// One flow; half of the round trip in each direction.
    pub fn new(seed: u64, length: Micros, link: LinkOptions, source: Source) -> Self {
        let return_delay = link.delay;
        let flows = vec![FlowOptions::new(source)];
        Self { seed, length, link, return_delay, flows, tcp: Vec::new(), uplink_bps: Some(1_000_000) }
    }
}

const SAMPLE: Micros = Micros::from_millis(100);

/// Lets the flows run to the end.
pub fn run(options: &DriverOptions) -> Outcome {
    let random = Random::new(options.seed);
    let mut path: Bottleneck<(usize, u64)> = Bottleneck::new(options.link.clone(), &options.tcp, random.fork(0));
    let mut flows: Vec<Flow> = (options.flows.iter().zip(1..))
        .map(|(flow, label)| Flow::new(flow, options.uplink_bps, options.return_delay, random.fork(label)))
        .collect();
    let mut samples = Vec::new();
    let end = Time(0) + options.length;
    let mut next_sample = Time(0) + SAMPLE;
    let mut arrived = Vec::new();
    while next_sample <= end {
        let flows_next = flows.iter().filter_map(|flow| flow.next_time(path.now())).min();
        let next = flows_next.into_iter().chain(path.next_time()).chain([next_sample]).min().unwrap_or(next_sample);
        path.advance(next, |at, size, (flow, seq)| arrived.push((at, size, flow, seq)));
        for (at, size, flow, seq) in arrived.drain(..) {
            flows[flow].on_arrival(at, size, seq);
        }
        for (index, flow) in flows.iter_mut().enumerate() {
            flow.advance(next, |size, seq| path.send(next, size, (index, seq)));
        }
        if next == next_sample {
            samples.push(sample(next, &path, &mut flows));
            next_sample = next_sample + SAMPLE;
        }
    }
    Outcome { samples, trace: options.link.trace.clone(), counts: path.counts(), tcp_bytes: path.tcp_bytes().collect() }
}

fn sample(now: Time, path: &Bottleneck<(usize, u64)>, flows: &mut [Flow]) -> Sample {
    let before = now - SAMPLE;
    Sample {
        at: now,
        capacity_bps: path.options().trace.capacity_bits(before, now) * 10,
        queue: path.queue_delay(now),
        flows: flows.iter_mut().map(Flow::sample).collect(),
    }
}
