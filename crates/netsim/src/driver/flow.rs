//! One flow: estimator, a plain pacer, a source, and the receiver's feedback.

use std::collections::VecDeque;

use sfu_core::bwe::{Estimator, ProbeId, ProbePlan, SentKind, SentPacket};
use sfu_core::rtcp::{Compound, Packet};
use sfu_core::time::{Micros, Time};

use super::{FlowOptions, FlowSample, Source};
use crate::UDP_OVERHEAD;
use crate::feedback::FeedbackLog;
use crate::random::Random;

/// A full media packet and a packet of Opus at 32 kbit/s, both with headers.
const VIDEO_PACKET: usize = 1_200 + UDP_OVERHEAD;
const AUDIO_PACKET: usize = 80 + 36 + UDP_OVERHEAD;
const AUDIO_BPS: u64 = AUDIO_PACKET as u64 * 8 * 50;
const AUDIO_INTERVAL: Micros = Micros::from_millis(20);
const FRAME_INTERVAL: Micros = Micros(33_333);
/// What the pacer lets through at once: as much as the estimate drains in this time.
const BURST: Micros = Micros::from_millis(40);
/// More than this does not wait in the pacer: a source that is asked for less sheds it.
const MAX_WAIT: Micros = Micros::from_millis(500);
const REPORT_INTERVAL: Micros = Micros::from_secs(1);

#[derive(Debug)]
struct Probe {
    plan: ProbePlan,
    bytes: u32,
    packets: u32,
    next: Time,
}

#[derive(Debug)]
pub(super) struct Flow {
    start: Time,
    source: Source,
    random: Random,
    estimator: Estimator,
    seq: u64,
    /// Sizes of what waits.
    waiting: VecDeque<usize>,
    /// When the next paced packet may go.
    paced: Time,
    probe: Option<Probe>,
    next_audio: Time,
    next_frame: Time,
    next_report: Time,
    log: FeedbackLog,
    return_delay: Micros,
    /// Feedback on its way back.
    returning: VecDeque<(Time, Vec<u8>)>,
    /// Send times by number, for the round trip; the oldest has number `sent_from`.
    sent_at: VecDeque<Time>,
    sent_from: u64,
    forward_delay: Micros,
    now: FlowSample,
}

impl Flow {
    pub(super) fn new(options: &FlowOptions, uplink_bps: Option<u64>, return_delay: Micros, random: Random) -> Self {
        let start = options.start;
        let mut estimator = Estimator::new(options.bwe, start);
        let desired = match &options.source {
            Source::Elastic => options.bwe.max_bps,
            Source::Layered(rates) => rates.last().copied().unwrap_or_default() + AUDIO_BPS,
        };
        estimator.set_desired(start, desired);
        Self {
            start,
            source: options.source.clone(),
            random,
            estimator,
            seq: 0,
            waiting: VecDeque::new(),
            paced: start,
            probe: None,
            next_audio: start,
            next_frame: start,
            next_report: start + REPORT_INTERVAL,
            log: FeedbackLog::new(start, uplink_bps),
            return_delay,
            returning: VecDeque::new(),
            sent_at: VecDeque::new(),
            sent_from: 0,
            forward_delay: Micros(0),
            now: FlowSample::default(),
        }
    }

    pub(super) fn next_time(&self, now: Time) -> Option<Time> {
        if now < self.start {
            return Some(self.start);
        }
        let sending = match (&self.probe, &self.source) {
            (Some(probe), _) => Some(probe.next),
            (None, Source::Elastic) => Some(self.paced),
            (None, Source::Layered(_)) => (!self.waiting.is_empty()).then_some(self.paced),
        };
        let sources = matches!(self.source, Source::Layered(_)).then(|| self.next_audio.min(self.next_frame));
        let returned = self.returning.front().map(|entry| entry.0);
        let timers = [self.next_report, self.log.next_timeout()];
        [sending, sources, returned, self.estimator.next_timeout()].into_iter().flatten().chain(timers).min()
    }

    pub(super) fn on_arrival(&mut self, at: Time, size: usize, seq: u64) {
        self.now.delivered_bps += size as u64 * 80;
        self.log.on_packet(at, seq as u16);
        if let Some(sent) = seq.checked_sub(self.sent_from).and_then(|place| self.sent_at.get(place as usize)) {
            self.forward_delay = at.since(*sent);
        }
    }

    /// Does all that is due; gives what is sent, its size on the wire and its number, to `send`.
    pub(super) fn advance(&mut self, now: Time, mut send: impl FnMut(usize, u64)) {
        if now < self.start {
            return;
        }
        let returning = &mut self.returning;
        let arrives = now + self.return_delay;
        self.log.on_timeout(now, 1, 2, |bytes| returning.push_back((arrives, bytes.to_vec())));
        while self.returning.front().is_some_and(|entry| entry.0 <= now) {
            let Some((_, bytes)) = self.returning.pop_front() else { break };
            self.take_feedback(now, &bytes);
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.estimator.on_rtt(now, Micros(self.forward_delay.0 + self.return_delay.0));
        }
        if self.estimator.next_timeout().is_some_and(|at| at <= now) {
            self.estimator.on_timeout(now);
        }
        self.take_probe(now);
        self.make_media(now, &mut send);
        self.drain(now, &mut send);
    }

    fn take_feedback(&mut self, now: Time, bytes: &[u8]) {
        let Ok(compound) = Compound::parse(bytes) else { return };
        for packet in compound.packets() {
            if let Ok(Packet::TransportFeedback(feedback)) = packet {
                self.estimator.on_feedback(now, &feedback);
                self.take_probe(now);
            }
        }
    }

    fn take_probe(&mut self, now: Time) {
        if let Some(plan) = self.estimator.poll_probe(now) {
            self.probe = Some(Probe { plan, bytes: 0, packets: 0, next: now });
        }
    }

    fn make_media(&mut self, now: Time, send: &mut impl FnMut(usize, u64)) {
        let Source::Layered(rates) = &self.source else { return };
        let budget = self.estimator.estimate_bps().saturating_sub(AUDIO_BPS);
        let rate = rates.iter().copied().filter(|&rate| rate <= budget).max().unwrap_or_default();
        while self.next_frame <= now {
            self.next_frame = self.next_frame + FRAME_INTERVAL;
            let mean = rate as f64 / 8.0 * FRAME_INTERVAL.0 as f64 / 1e6;
            // Log-normal with this deviation has the mean 1 when shifted by half its square.
            let mut left = (mean * (0.25 * self.random.normal() - 0.03).exp()) as usize;
            while left > 0 {
                self.waiting.push_back(left.min(VIDEO_PACKET));
                left -= left.min(VIDEO_PACKET);
            }
        }
        let limit = (self.estimator.pacing_bps() as f64 / 8.0 * MAX_WAIT.0 as f64 / 1e6) as usize;
        while self.waiting.iter().sum::<usize>() > limit {
            self.waiting.pop_front();
        }
        while self.next_audio <= now {
            self.next_audio = self.next_audio + AUDIO_INTERVAL;
            self.put(now, AUDIO_PACKET, SentKind::Audio, send);
        }
    }

    fn drain(&mut self, now: Time, send: &mut impl FnMut(usize, u64)) {
        while let Some(probe) = &mut self.probe
            && probe.next <= now
        {
            let (size, kind) =
                self.waiting.pop_front().map_or((VIDEO_PACKET, SentKind::Padding), |size| (size, SentKind::Video));
            let rate = probe.plan.rate_bps.max(1);
            probe.next = probe.next + Micros(size as u64 * 8_000_000 / rate);
            self.put(now, size, kind, send);
        }
        if self.probe.is_some() {
            self.paced = self.paced.max(now);
            return;
        }
        let is_elastic = matches!(self.source, Source::Elastic);
        let rate = if is_elastic { self.estimator.estimate_bps() } else { self.estimator.pacing_bps() }.max(1);
        while self.paced <= now {
            let size = match self.waiting.pop_front() {
                Some(size) => size,
                None if is_elastic => VIDEO_PACKET,
                None => break,
            };
            let credit = if is_elastic { Micros(0) } else { BURST };
            self.paced = self.paced.max(now - credit) + Micros(size as u64 * 8_000_000 / rate);
            self.put(now, size, SentKind::Video, send);
        }
    }

    fn put(&mut self, now: Time, size: usize, kind: SentKind, send: &mut impl FnMut(usize, u64)) {
        let seq = self.seq;
        self.seq += 1;
        let probe = self.count_probe(size);
        self.estimator.on_sent(SentPacket { seq, size: size as u32, sent: now, kind, probe });
        self.sent_at.push_back(now);
        if self.sent_at.len() > 4_096 {
            self.sent_at.pop_front();
            self.sent_from += 1;
        }
        self.now.sent_bps += size as u64 * 80;
        send(size, seq);
    }

    /// Whatever goes out while a probe is sent is part of it.
    fn count_probe(&mut self, size: usize) -> Option<ProbeId> {
        let probe = self.probe.as_mut()?;
        probe.bytes += size as u32;
        probe.packets += 1;
        let id = probe.plan.id;
        if probe.bytes >= probe.plan.bytes && probe.packets >= probe.plan.min_packets {
            self.probe = None;
        }
        Some(id)
    }

    /// What happened since the last sample.
    pub(super) fn sample(&mut self) -> FlowSample {
        let estimate_bps = self.estimator.estimate_bps();
        FlowSample { estimate_bps, ..std::mem::take(&mut self.now) }
    }
}
