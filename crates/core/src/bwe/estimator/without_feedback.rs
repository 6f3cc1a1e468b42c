//! What receivers without transport-wide feedback say: their own estimate (REMB), or loss alone.

use super::Estimator;
use crate::bwe::{Cause, Covered, FeedbackKind, Update};
use crate::time::Time;

impl Estimator {
    /// Only for receivers without transport-wide feedback.
    pub fn on_remb(&mut self, now: Time, bps: u64, covered: Covered) -> Option<Update> {
        if self.feedback == Some(FeedbackKind::TransportCc) {
            return None;
        }
        self.feedback = Some(FeedbackKind::Remb);
        self.fallback.on_remb(now, bps as f64, covered);
        self.set_rate(self.fallback.bps(), Cause::Remb);
        self.tell(now)
    }

    /// Only for receivers without transport-wide feedback. `fraction_lost`: of 256, as in the report.
    pub fn on_receiver_report(&mut self, now: Time, fraction_lost: u8) -> Option<Update> {
        if self.feedback == Some(FeedbackKind::TransportCc) {
            return None;
        }
        self.feedback.get_or_insert(FeedbackKind::Reports);
        self.limit.update(now, self.outgoing.bytes, self.aimd.rate_bps());
        self.fallback.on_report(now, fraction_lost, self.limit.sent_bps());
        let cause = if self.fallback.is_reduced_by_loss() { Cause::Loss } else { Cause::Growth };
        self.set_rate(self.fallback.bps(), cause);
        self.tell(now)
    }

    /// What is sent is evidently too much.
    pub fn has_harm(&self, now: Time) -> bool {
        match self.feedback {
            None => false,
            Some(FeedbackKind::TransportCc) => self.aimd.is_congested(),
            Some(FeedbackKind::Remb | FeedbackKind::Reports) => self.fallback.has_harm(now),
        }
    }
}
