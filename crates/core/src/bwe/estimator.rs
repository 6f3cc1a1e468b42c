//! The parts of the estimation put together.

use super::acked_rate::AckedRate;
use super::history::{History, News};
use super::{BweOptions, BweState, Cause, FeedbackKind, ProbePlan, SentPacket, Update};
use crate::rtcp::TransportFeedback;
use crate::time::{Micros, Time};

/// Without anything else known the estimate stays this far above what arrives.
const HEADROOM: f64 = 1.5;

#[derive(Debug)]
pub struct Estimator {
    options: BweOptions,
    history: History,
    acked: AckedRate,
    estimate_bps: f64,
    cause: Cause,
    feedback: Option<FeedbackKind>,
    rtt: Option<Micros>,
    sent_packets: u64,
    lost_packets: u64,
}

impl Estimator {
    pub fn new(options: BweOptions, _now: Time) -> Self {
        let options = options.ordered();
        Self {
            options,
            history: History::default(),
            acked: AckedRate::default(),
            estimate_bps: options.start_bps as f64,
            cause: Cause::Growth,
            feedback: None,
            rtt: None,
            sent_packets: 0,
            lost_packets: 0,
        }
    }

    /// See the module's head.
    #[inline]
    pub fn on_sent(&mut self, packet: SentPacket) {
        self.history.add(packet.seq, packet.size, packet.sent);
        self.sent_packets += 1;
    }

    pub fn on_feedback(&mut self, now: Time, feedback: &TransportFeedback<'_>) -> Option<Update> {
        let base = self.history.unwrap_seq(feedback.base_seq)?;
        self.feedback = Some(FeedbackKind::TransportCc);
        for (seq, (_, arrival)) in (base..self.history.seqs().end).zip(feedback.arrivals()) {
            match self.history.tell(seq, arrival.is_some(), now) {
                Some(News::Received { size, was_lost, .. }) => {
                    self.acked.add(arrival.unwrap_or_default(), size);
                    self.lost_packets -= u64::from(was_lost);
                }
                Some(News::Lost { .. }) => self.lost_packets += 1,
                None => {}
            }
        }
        let before = self.estimate_bps;
        let ceiling = self.acked.bps()? * HEADROOM;
        self.estimate_bps = before.max(ceiling).clamp(self.options.min_bps as f64, self.options.max_bps as f64);
        self.cause = Cause::Growth;
        (self.estimate_bps > before * 1.03).then(|| self.update())
    }

    pub fn on_rtt(&mut self, _now: Time, rtt: Micros) {
        self.rtt = Some(rtt);
    }

    pub fn on_remb(&mut self, _now: Time, bps: u64) -> Option<Update> {
        if self.feedback == Some(FeedbackKind::TransportCc) {
            return None;
        }
        self.feedback = Some(FeedbackKind::Remb);
        self.estimate_bps = bps.clamp(self.options.min_bps, self.options.max_bps) as f64;
        self.cause = Cause::Remb;
        Some(self.update())
    }

    /// `fraction_lost`: of 256, as in the report.
    pub fn on_receiver_report(&mut self, _now: Time, _fraction_lost: u8) -> Option<Update> {
        self.feedback.get_or_insert(FeedbackKind::Reports);
        None
    }

    /// What the allocation would send if the network carried it; zero: nothing.
    pub fn set_desired(&mut self, _now: Time, _bps: u64) {}

    pub fn poll_probe(&mut self, _now: Time) -> Option<ProbePlan> {
        None
    }

    pub fn next_timeout(&self) -> Option<Time> {
        None
    }

    pub fn on_timeout(&mut self, _now: Time) -> Option<Update> {
        None
    }

    pub fn estimate_bps(&self) -> u64 {
        self.estimate_bps as u64
    }

    /// The rate at which a queue of the pacer is emptied.
    pub fn pacing_bps(&self) -> u64 {
        self.estimate_bps as u64
    }

    fn update(&self) -> Update {
        Update { estimate_bps: self.estimate_bps(), congested: false, cause: self.cause }
    }

    pub fn state(&self) -> BweState {
        BweState {
            estimate_bps: self.estimate_bps(),
            acked_bps: self.acked.bps().unwrap_or_default() as u64,
            loss: self.lost_packets as f32 / self.sent_packets.max(1) as f32,
            queue: Micros(0),
            rtt: self.rtt,
            feedback: self.feedback,
            congested: false,
            cause: self.cause,
        }
    }
}
