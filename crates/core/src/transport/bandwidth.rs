//! What one client's network carries, and what that means for what we send: estimator, pacer, the probe that is being sent.

use std::mem::offset_of;

use crate::bwe::{BweOptions, Covered, Estimator, FeedbackKind, ProbePlan, SentKind, SentPacket, Update};
use crate::egress::shed::Overload;
use crate::pacer::Pacer;
use crate::rate::earlier;
use crate::rtcp::TransportFeedback;
use crate::time::{Micros, Time};
use crate::transport::maps::SendMap;
use crate::transport::unprobed::Unprobed;

/// IPv4 and UDP headers; IPv6 has 20 bytes more, which is little beside what estimates are good for.
pub const DATAGRAM_OVERHEAD: u32 = 28;
/// Before any feedback the first estimate is a guess; probes of up to six times as much go out in any case.
const UNMEASURED_GAIN: u64 = 6;
/// The estimator gives a probe up so long after it was planned.
const PROBE_PATIENCE: Micros = Micros::from_millis(200);
/// Whether feedback is missing is looked at so often; with other transports at a multiple of the grid.
const LOOK_INTERVAL: Micros = Micros::from_millis(400);
const LOOK_GRID: Micros = Micros::from_millis(100);

/// A probe on its way out.
#[derive(Clone, Copy, Debug)]
struct Probing {
    plan: ProbePlan,
    planned: Time,
    /// Nothing can be sent for it: media that goes out meanwhile may do.
    is_passive: bool,
    /// With its first packet.
    started: Option<Time>,
    bytes: u64,
    packets: u32,
}

/// See the module. Made when the control plane sets a transport's bounds (`SetBandwidth`); without it media goes out as it
/// comes.
///
/// What each packet touches is in two cache lines: the pacer and the flags, and the start of the estimator.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Bandwidth {
    pub pacer: Pacer,
    /// Something waits, or went out for the first time: the transport's timers are to be looked at.
    pub wants_attention: bool,
    is_started: bool,
    /// What goes out is no probe, nor the first packet.
    is_usual: bool,
    pub estimator: Estimator,
    pub overload: Overload,
    probing: Option<Probing>,
    look_at: Time,
    /// No probe can be sent.
    unprobed: Option<Unprobed>,
    max_bps: u64,
}

const _: () = assert!(offset_of!(Bandwidth, estimator) == 64, "what each packet touches is in two cache lines");

impl Bandwidth {
    /// What each packet touches.
    pub const HOT_BYTES: usize = 128;

    pub fn new(now: Time) -> Self {
        Self {
            pacer: Pacer::default(),
            wants_attention: false,
            is_started: false,
            is_usual: false,
            estimator: Estimator::new(BweOptions::default(), now),
            overload: Overload::default(),
            probing: None,
            look_at: now,
            unprobed: None,
            max_bps: BweOptions::default().max_bps,
        }
    }

    /// A datagram of `len` bytes goes out under this transport-wide number.
    #[inline]
    pub fn on_sent(&mut self, now: Time, seq: u64, len: usize, kind: SentKind) {
        let size = len as u32 + DATAGRAM_OVERHEAD;
        self.pacer.on_sent(now, size);
        if self.is_usual {
            self.estimator.on_sent_between_probes(seq, size, now);
        } else {
            self.on_sent_specially(now, seq, size, kind);
        }
    }

    #[cold]
    fn on_sent_specially(&mut self, now: Time, seq: u64, size: u32, kind: SentKind) {
        let probe = self.probing.as_ref().map(|probing| probing.plan.id);
        self.estimator.on_sent(SentPacket { seq, size, sent: now, kind, probe });
        if !self.is_started {
            self.is_started = true;
            self.wants_attention = true;
        }
        if let Some(probing) = &mut self.probing {
            probing.started.get_or_insert(now);
            probing.bytes += u64::from(size);
            probing.packets += 1;
            if probing.bytes >= u64::from(probing.plan.bytes) && probing.packets >= probing.plan.min_packets {
                self.end_probe(now);
            }
        }
        self.look_for_probes();
    }

    /// After whatever may have begun or ended a probe.
    fn look_for_probes(&mut self) {
        self.is_usual = self.is_started && self.probing.is_none() && !self.estimator.is_sending_probe();
    }

    /// What the allocation would send if the network carried it.
    pub fn set_desired(&mut self, now: Time, bps: u64) {
        self.estimator.set_desired(now, bps);
        self.look_for_probes();
    }

    pub fn on_feedback(&mut self, now: Time, feedback: &TransportFeedback<'_>) -> Option<Update> {
        let update = self.estimator.on_feedback(now, feedback);
        let update = self.follow(now, update);
        if let Some(ahead) = self.estimator.ahead() {
            self.pacer.owe(now, ahead);
        } else if let Some(suspense) = self.estimator.suspense(now) {
            self.pacer.hold(now, suspense);
        }
        update
    }

    pub fn on_remb(&mut self, now: Time, bps: u64, covered: Covered) -> Option<Update> {
        let update = self.estimator.on_remb(now, bps, covered);
        self.follow(now, update)
    }

    pub fn on_receiver_report(&mut self, now: Time, fraction_lost: u8) -> Option<Update> {
        let update = self.estimator.on_receiver_report(now, fraction_lost);
        self.follow(now, update)
    }

    pub fn set_options(&mut self, now: Time, options: BweOptions) -> Option<Update> {
        self.max_bps = options.max_bps;
        let update = self.estimator.set_options(now, options);
        self.follow(now, update)
    }

    /// What the client negotiated decides whether it can be probed.
    fn learn(&mut self, now: Time, map: &SendMap) {
        let takes_probes = map.is_empty() || (map.ids.transport_cc != 0 && map.any_rtx_pt().is_some());
        if takes_probes {
            self.unprobed = None;
        } else {
            self.unprobed.get_or_insert_with(|| Unprobed::new(now));
        }
    }

    /// What to tell, and the pacer's rate, after the estimator's `update`.
    fn follow(&mut self, now: Time, update: Option<Update>) -> Option<Update> {
        let update = match &mut self.unprobed {
            Some(unprobed) => unprobed.follow(now, &self.estimator.state(), self.estimator.has_harm(now), self.max_bps),
            None => update,
        };
        self.pace(now);
        self.look_for_probes();
        update
    }

    /// What the network carries, as far as that is known.
    pub fn estimate_bps(&self) -> u64 {
        match &self.unprobed {
            Some(unprobed) => unprobed.estimate_bps(&self.estimator.state(), self.max_bps),
            None => self.estimator.estimate_bps(),
        }
    }

    /// When there is something to do.
    pub fn due(&self) -> Option<Time> {
        let look = (self.feedback() == Some(FeedbackKind::TransportCc)).then_some(self.look_at);
        let sending = earlier(earlier(self.pacer.due(), self.probe_due()), self.unprobed.and_then(|it| it.due()));
        earlier(earlier(self.estimator.next_timeout(), look), sending)
    }

    /// Whether there is something to do before the time that was planned: thousands of reports a second mostly leave nothing.
    pub fn wants_attention_before(&self, now: Time, planned: Option<Time>) -> bool {
        let is_early = |due| due <= now || planned.is_none_or(|planned| due < planned);
        self.wants_attention
            || self.overload.is_relieved()
            || self.estimator.has_probe()
            || self.due().is_some_and(is_early)
    }

    /// Lets the estimator have its timers, and takes up the probe that it plans.
    pub fn on_timeout(&mut self, now: Time, map: &SendMap) -> Option<Update> {
        self.wants_attention = false;
        self.learn(now, map);
        let has_numbers = map.ids.transport_cc != 0;
        if self.look_at <= now {
            let next = now + LOOK_INTERVAL + LOOK_GRID;
            self.look_at = Time(next.0 - next.0 % LOOK_GRID.0);
        }
        let is_due = self.estimator.next_timeout().is_some_and(|due| due <= now);
        let update = if is_due { self.estimator.on_timeout(now) } else { None };
        if has_numbers && let Some(plan) = self.estimator.poll_probe(now) {
            self.probing = Some(Probing { plan, planned: now, is_passive: false, started: None, bytes: 0, packets: 0 });
        }
        if self.probing.is_some_and(|probing| now.since(probing.planned) >= PROBE_PATIENCE) {
            self.probing = None;
        }
        if has_numbers || self.feedback().is_some() {
            self.pace(now);
        }
        self.look_for_probes();
        if self.unprobed.is_some() { self.follow(now, None) } else { update }
    }

    fn feedback(&self) -> Option<FeedbackKind> {
        self.estimator.feedback()
    }

    /// Gives the pacer its rate. A receiver that reports nothing but loss shows too little to hold media back by.
    fn pace(&mut self, now: Time) {
        let bps = match self.feedback() {
            None => Some(self.estimator.estimate_bps() * UNMEASURED_GAIN),
            Some(FeedbackKind::TransportCc | FeedbackKind::Remb) => Some(self.estimator.pacing_bps()),
            Some(FeedbackKind::Reports) => None,
        };
        let bps = match &self.unprobed {
            Some(unprobed) => bps.and_then(|bps| unprobed.pacing_bps(bps)),
            None => bps,
        };
        let probe_bps = self.probing.map(|probing| probing.plan.rate_bps);
        self.pacer.set_rate(now, bps.map(|bps| bps.max(probe_bps.unwrap_or(0))));
    }

    /// Whether media may wait for its time: there is an estimate that deserves the name.
    pub fn is_measured(&self) -> bool {
        matches!(self.feedback(), Some(FeedbackKind::TransportCc | FeedbackKind::Remb))
    }

    /// When the next packet of the probe is to be sent: so that all since its first one keeps its rate.
    pub fn probe_due(&self) -> Option<Time> {
        let Probing { plan, planned, is_passive, started, bytes, .. } = self.probing?;
        if is_passive {
            return Some(planned + PROBE_PATIENCE);
        }
        let Some(started) = started else { return Some(planned) };
        Some(started + Micros(bytes * 8_000_000 / plan.rate_bps.max(1)))
    }

    fn end_probe(&mut self, now: Time) {
        self.probing = None;
        self.pace(now);
    }

    /// Nothing can be sent for the probe but what goes out in any case.
    pub fn probe_by_media(&mut self) {
        if let Some(probing) = &mut self.probing {
            probing.is_passive = true;
        }
    }
}
