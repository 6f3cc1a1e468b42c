//! A subscriber and its sender: frames of what the estimate allows, a pacer, probes, and a receiver that sends feedback
//! as Chromium does.

use std::collections::VecDeque;

use sfu_core::bwe::{BweOptions, Estimator, ProbePlan, SentKind, SentPacket, Update};
use sfu_core::rtcp::{FeedbackFields, TransportFeedback, write_transport_feedback};
use sfu_core::time::Time;
use sfu_core::wire::Writer;

use crate::link::Packet;
use crate::random::Random;

const MTU: u32 = 1_200;
const FRAME_US: u64 = 33_333;
const AUDIO_US: u64 = 20_000;
const AUDIO_BYTES: u32 = 120;
/// The receiver's clock: another epoch.
const EPOCH_US: u64 = 7_000_123_000;
/// Bursts that the pacer lets pass, as time at the estimate.
const BURST_S: f64 = 0.04;

#[derive(Clone, Debug)]
pub enum Source {
    /// An encoder that fills the estimate.
    Elastic,
    /// What layers there are, cumulative.
    Layered(Vec<u64>),
    Nothing,
}

#[derive(Clone, Debug)]
pub struct MediaOptions {
    pub source: Source,
    pub start_bps: u64,
    pub feedback_us: u64,
    pub feedback_loss: f64,
    pub begins_us: u64,
}

impl MediaOptions {
    pub fn new(source: Source) -> Self {
        Self { source, start_bps: 300_000, feedback_us: 50_000, feedback_loss: 0.0, begins_us: 0 }
    }
}

#[derive(Debug)]
struct Probing {
    plan: ProbePlan,
    begun_us: u64,
    bytes: u32,
    packets: u32,
}

#[derive(Debug)]
pub struct Media {
    pub flow: usize,
    pub options: MediaOptions,
    pub estimator: Estimator,
    pub updates: Vec<(u64, Update)>,
    pub layer: usize,
    pub switches: Vec<(u64, usize)>,
    pub probes: Vec<(u64, ProbePlan)>,
    next_seq: u64,
    next_frame_us: u64,
    next_audio_us: u64,
    raise_since_us: Option<u64>,
    waiting: VecDeque<u32>,
    bucket_bytes: f64,
    probing: Option<Probing>,
    random: Random,
    // The receiver.
    arrivals: Vec<(u64, u64)>,
    next_base: Option<u64>,
    next_feedback_us: u64,
    feedback_count: u8,
    /// On the way back: when it arrives, and the message.
    pub feedback: VecDeque<(u64, Vec<u8>)>,
}

impl Media {
    pub fn new(flow: usize, options: MediaOptions, seed: u64) -> Self {
        let bwe = BweOptions { start_bps: options.start_bps, ..BweOptions::default() };
        let mut estimator = Estimator::new(bwe, Time(0));
        match &options.source {
            Source::Elastic => estimator.set_desired(Time(0), bwe.max_bps),
            Source::Layered(layers) => estimator.set_desired(Time(0), layers.last().copied().unwrap_or_default()),
            Source::Nothing => estimator.set_desired(Time(0), 0),
        }
        let begins_us = options.begins_us;
        Self {
            flow,
            options,
            estimator,
            updates: Vec::new(),
            layer: 0,
            switches: Vec::new(),
            probes: Vec::new(),
            next_seq: 65_000,
            next_frame_us: begins_us + 5_000,
            next_audio_us: begins_us,
            raise_since_us: None,
            waiting: VecDeque::new(),
            bucket_bytes: 0.0,
            probing: None,
            random: Random::new(seed ^ 0x55AA),
            arrivals: Vec::new(),
            next_base: None,
            next_feedback_us: begins_us + 50_000,
            feedback_count: 0,
            feedback: VecDeque::new(),
        }
    }

    fn send(&mut self, now_us: u64, size: u32, kind: SentKind, out: &mut Vec<Packet>) {
        let (seq, sent) = (self.next_seq, Time(now_us));
        self.next_seq += 1;
        let probe = self.probing.as_ref().map(|probing| probing.plan.id);
        self.estimator.on_sent(SentPacket { seq, size, sent, kind, probe });
        self.bucket_bytes -= f64::from(size);
        if let Some(probing) = self.probing.as_mut() {
            probing.bytes += size;
            probing.packets += 1;
        }
        out.push(Packet { flow: self.flow, seq, size, sent_us: now_us });
    }

    pub fn step(&mut self, now_us: u64, step_us: u64, out: &mut Vec<Packet>) {
        if now_us < self.options.begins_us {
            return;
        }
        self.receive_feedback(now_us);
        if self.estimator.next_timeout().is_some_and(|at| at <= Time(now_us)) {
            let update = self.estimator.on_timeout(Time(now_us));
            self.updates.extend(update.map(|update| (now_us, update)));
        }
        if self.probing.is_none()
            && let Some(plan) = self.estimator.poll_probe(Time(now_us))
        {
            self.probes.push((now_us, plan));
            self.probing = Some(Probing { plan, begun_us: now_us, bytes: 0, packets: 0 });
        }
        if now_us >= self.next_audio_us {
            self.next_audio_us += AUDIO_US;
            self.send(now_us, AUDIO_BYTES, SentKind::Audio, out);
        }
        if now_us >= self.next_frame_us {
            self.next_frame_us += FRAME_US;
            self.make_frame(now_us);
        }
        self.pace(now_us, step_us, out);
    }

    fn pace(&mut self, now_us: u64, step_us: u64, out: &mut Vec<Packet>) {
        let rate_bps = self.estimator.pacing_bps() as f64;
        let burst_bytes = self.estimator.estimate_bps() as f64 * BURST_S / 8.0;
        self.bucket_bytes = (self.bucket_bytes + rate_bps * step_us as f64 / 8e6).min(burst_bytes);
        if let Some(probing) = &self.probing {
            let due = probing.plan.rate_bps as f64 * (now_us - probing.begun_us) as f64 / 8e6;
            let is_over = probing.bytes >= probing.plan.bytes && probing.packets >= probing.plan.min_packets;
            if is_over {
                self.probing = None;
            } else if f64::from(probing.bytes) <= due {
                let size = (probing.plan.bytes / probing.plan.min_packets).clamp(100, MTU);
                let (size, kind) =
                    self.waiting.pop_front().map_or((size, SentKind::Padding), |size| (size, SentKind::Video));
                self.send(now_us, size, kind, out);
            }
            return;
        }
        while self.bucket_bytes > 0.0 {
            let Some(size) = self.waiting.pop_front() else { break };
            self.send(now_us, size, SentKind::Video, out);
        }
    }

    /// 50 packets of audio a second.
    pub fn audio_bps() -> u64 {
        u64::from(AUDIO_BYTES) * 8 * 1_000_000 / AUDIO_US
    }

    fn make_frame(&mut self, now_us: u64) {
        let estimate_bps = self.estimator.estimate_bps();
        let for_video = estimate_bps.saturating_sub(Self::audio_bps());
        let bps = match self.options.source.clone() {
            Source::Elastic => for_video,
            Source::Layered(layers) => self.choose_layer(now_us, for_video, &layers),
            Source::Nothing => 0,
        };
        // An encoder that is to fill the estimate waits while its pacer is full.
        if matches!(self.options.source, Source::Elastic) && self.waiting.len() > 40 {
            return;
        }
        let mut bytes = (bps as f64 * FRAME_US as f64 / 8e6 * self.random.between(0.75, 1.25)) as u32;
        let packets = bytes.div_ceil(MTU).max(1);
        let size = bytes.div_ceil(packets);
        while bytes > 0 {
            let size = bytes.min(size);
            self.waiting.push_back(size);
            bytes -= size;
        }
        if self.waiting.len() > 400 {
            self.waiting.clear();
        }
    }

    /// Down at once, up when it has fitted for 300 ms with some room. Returns the rate of the layer.
    fn choose_layer(&mut self, now_us: u64, for_video: u64, layers: &[u64]) -> u64 {
        let fits = |share: f64| layers.iter().filter(|bps| **bps as f64 <= for_video as f64 * share).count();
        let before = self.layer;
        if fits(1.0) < self.layer {
            self.layer = fits(1.0);
        }
        if fits(0.93) > self.layer {
            let since_us = *self.raise_since_us.get_or_insert(now_us);
            if now_us - since_us >= 300_000 || self.switches.is_empty() {
                self.layer = fits(0.93);
            }
        } else {
            self.raise_since_us = None;
        }
        if self.layer != before {
            self.switches.push((now_us, self.layer));
        }
        self.layer.checked_sub(1).map_or(0, |at| layers[at])
    }

    /// A packet came out of the link.
    pub fn arrive(&mut self, at_us: u64, packet: Packet) {
        self.arrivals.push((packet.seq, EPOCH_US + at_us));
    }

    /// The receiver's side: feedback when it is time; `delay_us` is the way back.
    pub fn send_feedback(&mut self, now_us: u64, delay_us: u64) {
        if now_us < self.next_feedback_us {
            return;
        }
        self.next_feedback_us = now_us + self.options.feedback_us;
        self.arrivals.sort_unstable();
        let (Some(first), Some(last)) = (self.arrivals.first(), self.arrivals.last().copied()) else { return };
        let base = self.next_base.unwrap_or(first.0).min(first.0);
        let mut buffer = vec![0; 2_000];
        let mut writer = Writer::new(&mut buffer);
        let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: 2, feedback_count: self.feedback_count };
        let told = write_transport_feedback(&mut writer, fields, base, &self.arrivals).expect("room");
        let len = writer.len();
        assert!(told > 0);
        buffer.truncate(len);
        self.next_base = Some(if told == self.arrivals.len() { last.0 + 1 } else { self.arrivals[told].0 });
        self.arrivals.drain(..told);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        if self.random.share() >= self.options.feedback_loss {
            self.feedback.push_back((now_us + delay_us, buffer));
        }
    }

    fn receive_feedback(&mut self, now_us: u64) {
        while self.feedback.front().is_some_and(|(at, _)| *at <= now_us) {
            let Some((_, message)) = self.feedback.pop_front() else { return };
            let feedback = TransportFeedback::parse(&message[4..]).expect("our own feedback");
            let update = self.estimator.on_feedback(Time(now_us), &feedback);
            self.updates.extend(update.map(|update| (now_us, update)));
        }
    }
}
