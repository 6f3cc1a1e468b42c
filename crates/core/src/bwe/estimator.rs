//! The parts of the estimation put together: what each call of the module's head does.

mod without_feedback;

use super::aimd::{Aimd, Observed, Step};
use super::alr::ApplicationLimit;
use super::arrivals::Arrived;
use super::contention::Contention;
use super::fallback::Fallback;
use super::loss_based::{LossBased, Verdict};
use super::outgoing::Outgoing;
use super::overuse::Usage;
use super::probe::{Probes, Surroundings};
use super::probe_cluster::Outcome;
use super::silence::Silence;
use super::suspicion::Suspicion;
use super::updates::Updates;
use super::{BweOptions, BweState, Cause, FeedbackKind, ProbePlan, SentPacket, Update};
use crate::rate::earlier;
use crate::rtcp::TransportFeedback;
use crate::time::{Micros, Time};

/// Before anything is measured.
const FIRST_RTT: Micros = Micros::from_millis(100);
/// No probe while packets wait longer than this, nor so soon after the rate was taken down.
const CALM_QUEUE_MS: f64 = 15.0;
const CALM_AFTER: Micros = Micros::from_millis(500);
/// A full link that a probe found smaller than this share of the estimate, and more than what arrives, corrects it.
const STALE_SHARE: f64 = 0.85;
/// Who sends more of what it may is elastic and meets others of its kind: its probes' queue counts for it as for them.
const ELASTIC_SHARE: f64 = 0.93;
/// On a network that usually loses less than this, a lost packet means a full queue.
const CLEAN_LOSS: f64 = 0.005;
/// On a full link a probe takes from others; who uses all of its estimate is raised only when it is far from its part.
const CLEARLY_MORE: f64 = 1.15;
/// A rise by less than this is like any growth.
const MUCH_MORE: f64 = 1.2;
/// The pacer empties its queue a little faster than the estimate while nothing waits in the network.
const PACING_GAIN: f64 = 1.25;
/// A network that was not found too narrow for so long may carry anything.
const TRIED: Micros = Micros::from_secs(10);

#[derive(Debug)]
#[repr(C)]
pub struct Estimator {
    /// First, so that it begins a cache line.
    outgoing: Outgoing,
    options: BweOptions,
    arrived: Arrived,
    limit: ApplicationLimit,
    loss: LossBased,
    aimd: Aimd,
    probes: Probes,
    silence: Silence,
    fallback: Fallback,
    updates: Updates,
    feedback: Option<FeedbackKind>,
    rtt: Option<Micros>,
    cause: Cause,
    suspicion: Suspicion,
}

impl Estimator {
    pub fn new(options: BweOptions, now: Time) -> Self {
        let options = options.ordered();
        let start_bps = options.start_bps as f64;
        Self {
            outgoing: Outgoing::default(),
            options,
            arrived: Arrived::default(),
            limit: ApplicationLimit::default(),
            loss: LossBased::default(),
            aimd: Aimd::new(start_bps),
            probes: Probes::default(),
            silence: Silence::default(),
            fallback: Fallback::new(start_bps),
            updates: Updates::new(start_bps, now),
            feedback: None,
            rtt: None,
            cause: Cause::Growth,
            suspicion: Suspicion::default(),
        }
    }

    /// Changes the bounds; the first estimate counts only while there is no feedback.
    pub fn set_options(&mut self, now: Time, options: BweOptions) -> Option<Update> {
        self.options = options.ordered();
        if self.feedback.is_none() {
            let start_bps = self.options.start_bps as f64;
            self.aimd.set_rate(start_bps);
            self.fallback = Fallback::new(start_bps);
        }
        self.tell(now)
    }

    /// See the module's head.
    pub fn on_sent(&mut self, packet: SentPacket) {
        self.on_sent_between_probes(packet.seq, packet.size, packet.sent);
        self.probes.on_sent(packet.seq, packet.size, packet.sent, packet.probe);
    }

    /// The same for a packet while [`Self::is_sending_probe`] is false: one cache line less, or three.
    #[inline]
    pub fn on_sent_between_probes(&mut self, seq: u64, size: u32, sent: Time) {
        self.outgoing.on_sent(seq, size, sent);
    }

    /// From planning a probe until all of it was sent.
    pub fn is_sending_probe(&self) -> bool {
        self.probes.is_sending()
    }

    /// A packet is sent once more under its transport-wide number (the lower bits of it): what feedback tells of that number
    /// may be of either, and counts no more.
    pub fn forget(&mut self, number: u16) {
        self.outgoing.history.forget(number);
    }

    pub fn on_feedback(&mut self, now: Time, feedback: &TransportFeedback<'_>) -> Option<Update> {
        self.outgoing.unanswered = None;
        let restored_bps = self.silence.on_feedback();
        if restored_bps.is_some() {
            self.arrived.on_silence_end();
            self.loss.forget_before(now);
        }
        self.arrived.on_feedback(now, feedback, &mut self.outgoing.history, &mut self.loss, &mut self.probes)?;
        self.feedback = Some(FeedbackKind::TransportCc);
        self.limit.update(now, self.outgoing.bytes, self.aimd.rate_bps());
        if let Some(bps) = restored_bps {
            self.set_rate(bps.max(self.aimd.rate_bps()), Cause::Timeout);
        }
        self.follow_probes(now);
        self.follow_delay(now);
        self.follow_loss(now);
        self.suspect(now);
        self.tick(now);
        self.tell(now)
    }

    fn follow_delay(&mut self, now: Time) {
        let usage = self.arrived.usage();
        // What a growing queue shows is asked for only while one grows.
        let recent_bps = if usage == Usage::Over { self.arrived.recent_bps() } else { None };
        let observed = Observed {
            usage,
            queue_ms: self.arrived.queue_ms(),
            floor_ms: self.arrived.floor_ms(),
            has_lost: self.arrived.lost() > 0 && self.loss.inherent() < CLEAN_LOSS,
            acked_bps: self.arrived.acked_bps().map(|bps| self.carried(bps)),
            recent_bps: recent_bps.map(|bps| self.carried(bps)),
            rtt: self.rtt(),
            is_limited: self.limit.is_limited(),
            is_probed: self.probes.disturbs(now) && !self.is_elastic(),
            fallen_to_bps: self.arrived.fallen_to_bps(self.suspicion.has_waited()).map(|bps| self.carried(bps)),
        };
        let (before_bps, was_congested) = (self.aimd.rate_bps(), self.aimd.is_congested());
        let step = self.aimd.update(now, &observed);
        if let Some(ahead) = self.ahead() {
            self.aimd.set_excess_ms(ahead.0 as f64 / 1e3);
        }
        self.arrived.hold_base(self.aimd.contention().holds_base(now));
        match step {
            Step::Reduced => {
                self.set_rate(self.aimd.rate_bps(), Cause::Delay);
                self.probes.on_congestion(now, before_bps, self.aimd.rate_bps());
            }
            Step::Grown => self.set_rate(self.aimd.rate_bps(), Cause::Growth),
            Step::Held => {}
        }
        if was_congested && !self.aimd.is_congested() {
            self.probes.on_recovery(now);
        }
    }

    /// After the link's rate fell: how long what is on its way keeps it busy. What is sent earlier waits in the network.
    pub fn ahead(&self) -> Option<Micros> {
        let bps = self.aimd.fallen_to_bps()?;
        Some(Micros((self.arrived.ahead_ms(bps) * 1e3) as u64))
    }

    /// For how long media had better wait, because the feedback of this moment raises a suspicion.
    pub fn suspense(&self, now: Time) -> Option<Micros> {
        self.suspicion.pause(now)
    }

    fn suspect(&mut self, now: Time) {
        let is_free = !self.aimd.is_congested() && self.aimd.contention() == Contention::Free;
        self.suspicion.on_feedback(now, is_free && self.arrived.seems_fallen());
    }

    /// Nearly all of the estimate is used.
    fn is_elastic(&self) -> bool {
        self.limit.share() >= ELASTIC_SHARE
    }

    /// What goes through the bottleneck when so much arrives: radio loses behind it.
    fn carried(&self, arrived_bps: f64) -> f64 {
        arrived_bps / (1.0 - self.loss.inherent())
    }

    fn follow_loss(&mut self, now: Time) {
        let rate_bps = self.aimd.rate_bps();
        let excess_ms = self.aimd.excess_ms();
        let has_queue = excess_ms >= CALM_QUEUE_MS;
        let acked_bps = if has_queue { self.arrived.recent_bps() } else { self.arrived.acked_bps() };
        let verdict = self.loss.judge(now, rate_bps, acked_bps, excess_ms);
        match verdict {
            Some(Verdict::Reduce(bps)) => {
                self.set_rate(bps, Cause::Loss);
                self.aimd.set_congested(now);
                self.probes.on_congestion(now, rate_bps, bps);
            }
            Some(Verdict::Restore(bps)) => self.set_rate(bps.max(rate_bps), Cause::Growth),
            None => {}
        }
    }

    fn follow_probes(&mut self, now: Time) {
        while let Some(outcome) = self.probes.take_outcome(now, self.arrived.told_end()) {
            let has_raised = self.apply(now, outcome);
            self.probes.follow_up(outcome, has_raised, &self.surroundings(now));
        }
    }

    /// Whether the estimate rose by much.
    fn apply(&mut self, now: Time, outcome: Outcome) -> bool {
        let (Some(bps), rate_bps) = (outcome.bps, self.aimd.rate_bps()) else { return false };
        let bps = self.carried(bps).min(outcome.asked_bps);
        if outcome.is_saturated {
            self.aimd.capacity_mut().on_probe(bps);
        }
        let acked_bps = self.arrived.acked_bps().unwrap_or_default();
        let least_bps = if outcome.is_saturated && self.is_elastic() { rate_bps * CLEARLY_MORE } else { rate_bps };
        if bps > least_bps && !self.aimd.is_congested() {
            let around = self.surroundings(now);
            let Some(bps) = self.probes.confirm(bps, outcome.asked_bps, &around) else { return false };
            self.set_rate(bps.max(rate_bps), Cause::Probe);
            return bps > MUCH_MORE * rate_bps;
        }
        if outcome.is_saturated && bps < STALE_SHARE * rate_bps && acked_bps < STALE_SHARE * rate_bps {
            self.set_rate(bps.max(acked_bps), Cause::Probe);
        }
        false
    }

    fn surroundings(&self, now: Time) -> Surroundings {
        let is_settled = self.aimd.since_reduced(now).is_none_or(|passed| passed >= CALM_AFTER);
        let is_calm = is_settled
            && !self.aimd.is_congested()
            && !self.silence.is_silent()
            && self.aimd.excess_ms() < CALM_QUEUE_MS;
        let max_bps = self.options.max_bps as f64;
        let noise_ms = self.arrived.noise_ms();
        Surroundings {
            now,
            estimate_bps: self.aimd.rate_bps(),
            max_bps,
            is_calm,
            noise_ms,
            is_elastic: self.is_elastic() && !self.is_untried(now),
        }
    }

    fn set_rate(&mut self, bps: f64, cause: Cause) {
        self.aimd.set_rate(bps.clamp(self.options.min_bps as f64, self.options.max_bps as f64));
        self.cause = cause;
    }

    pub fn on_rtt(&mut self, _now: Time, rtt: Micros) {
        self.rtt = Some(rtt);
    }

    /// Reports tell of it seldom, and smoothed; feedback of the present one and of what waits in queues.
    fn rtt(&self) -> Micros {
        self.rtt.max(self.arrived.rtt()).unwrap_or(FIRST_RTT)
    }

    /// What the allocation would send if the network carried it; zero: nothing.
    pub fn set_desired(&mut self, now: Time, bps: u64) {
        self.probes.set_desired(now, bps as f64);
        self.tick(now);
    }

    /// What is to be sent in any case while more of it waits than the estimate carries; `None`: nothing waits.
    pub fn set_needed(&mut self, now: Time, bps: Option<u64>) {
        if bps.is_none() && !self.probes.is_needed() {
            return;
        }
        let is_urgent = self.is_untried(now);
        self.probes.set_needed(now, bps.map(|bps| bps as f64), is_urgent);
        self.tick(now);
    }

    /// The estimate is what was tried, not what the network was found to carry: nothing was too much lately.
    pub fn is_untried(&self, now: Time) -> bool {
        let is_calm = !self.aimd.is_congested() && !self.silence.is_silent();
        self.has_transport_cc() && is_calm && self.aimd.since_reduced(now).is_none_or(|passed| passed >= TRIED)
    }

    /// A probe to be sent now, each once.
    pub fn poll_probe(&mut self, now: Time) -> Option<ProbePlan> {
        if self.may_start() {
            self.start(now);
        }
        self.probes.take_plan()
    }

    /// Whether [`Self::poll_probe`] has one.
    pub fn has_probe(&self) -> bool {
        self.probes.has_plan() || self.may_start()
    }

    /// Something was sent for the first time.
    fn may_start(&self) -> bool {
        !self.probes.has_started() && !self.outgoing.history.is_empty() && self.feedback != Some(FeedbackKind::Remb)
    }

    fn start(&mut self, now: Time) {
        self.probes.start(&self.surroundings(now));
        self.tick(now);
    }

    fn tick(&mut self, now: Time) {
        self.probes.tick(&self.surroundings(now));
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let silence = self.silence.deadline(self.outgoing.unanswered, self.rtt()).filter(|_| self.has_transport_cc());
        let start = self.outgoing.unanswered.filter(|_| self.may_start());
        earlier(earlier(silence, self.probes.next_timeout()), start)
    }

    fn has_transport_cc(&self) -> bool {
        self.feedback == Some(FeedbackKind::TransportCc)
    }

    pub fn on_timeout(&mut self, now: Time) -> Option<Update> {
        if self.has_transport_cc()
            && let Some(bps) = self.silence.on_timeout(now, self.outgoing.unanswered, self.rtt(), self.aimd.rate_bps())
        {
            self.set_rate(bps, Cause::Timeout);
        }
        self.limit.update(now, self.outgoing.bytes, self.aimd.rate_bps());
        self.follow_probes(now);
        if self.may_start() {
            self.start(now);
        }
        self.tick(now);
        self.tell(now)
    }

    fn tell(&mut self, now: Time) -> Option<Update> {
        self.updates.of(now, self.estimate_bps() as f64, self.aimd.is_congested(), self.cause)
    }

    pub fn feedback(&self) -> Option<FeedbackKind> {
        self.feedback
    }

    pub fn estimate_bps(&self) -> u64 {
        (self.aimd.target_bps() as u64).clamp(self.options.min_bps, self.options.max_bps)
    }

    /// The rate at which a queue of the pacer is emptied.
    pub fn pacing_bps(&self) -> u64 {
        let gain = if self.aimd.is_congested() { 1.0 } else { PACING_GAIN };
        (self.estimate_bps() as f64 * gain) as u64
    }

    pub fn state(&self) -> BweState {
        let loss = if self.has_transport_cc() { self.loss.loss() } else { self.fallback.loss() };
        BweState {
            estimate_bps: self.estimate_bps(),
            acked_bps: self.arrived.acked_bps().unwrap_or_default() as u64,
            sent_bps: self.limit.sent_bps() as u64,
            loss: loss as f32,
            queue: self.arrived.queue(),
            rtt: self.rtt.or(self.arrived.rtt()),
            feedback: self.feedback,
            congested: self.aimd.is_congested(),
            cause: self.cause,
        }
    }

    /// Bytes that it holds on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.outgoing.history.memory_bytes()
    }
}
