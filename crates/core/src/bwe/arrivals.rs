//! What feedback says of the packets sent, packet by packet, and what that says of the path: rate, trend, queue, round
//! trip.

use super::acked_rate::AckedRate;
use super::arrival_clock::ArrivalClock;
use super::backlog::Backlog;
use super::history::{History, News};
use super::inter_arrival::InterArrival;
use super::loss_based::LossBased;
use super::overuse::{OveruseDetector, Usage};
use super::probe::Probes;
use super::queue::QueueDelay;
use super::trendline::Trendline;
use crate::rtcp::TransportFeedback;
use crate::time::{Micros, Time};

/// In which a queue that grows shows the link's capacity: at most this, at least ten packets' worth; in between, since
/// it began to grow.
const MAX_RECENT_MS: i64 = 512;
const LEAST_RECENT_BITS: f64 = 10.0 * 1_200.0 * 8.0;
/// Up to here a queue did not begin to grow.
const SHORT_QUEUE_MS: f64 = 12.0;
/// The reference time counts in units of 64 ms.
const REFERENCE_US: i64 = 64_000;

#[derive(Clone, Debug, Default)]
pub struct Arrived {
    clock: ArrivalClock,
    acked: AckedRate,
    bursts: InterArrival,
    trendline: Trendline,
    detector: OveruseDetector,
    queue: QueueDelay,
    backlog: Backlog,
    /// One after the newest number that feedback told of.
    told_end: u64,
    newest_arrival_us: Option<i64>,
    /// When the queue was last found short, by the receiver's clock.
    short_until_us: i64,
    lost: u32,
    rtt: Option<Micros>,
}

impl Arrived {
    /// `None`: it tells of nothing that was sent.
    pub fn on_feedback(
        &mut self,
        now: Time,
        feedback: &TransportFeedback<'_>,
        history: &mut History,
        loss: &mut LossBased,
        probes: &mut Probes,
    ) -> Option<()> {
        let base = history.unwrap_seq(feedback.base_seq)?;
        let sent = history.seqs();
        let offset_us = self.clock.on_reference(i64::from(feedback.reference_time) * REFERENCE_US);
        self.make_up_for_lost_feedback(base, history);
        self.lost = 0;
        self.backlog.on_feedback_begin();
        let base_us = self.queue.base_us();
        let (mut newest_arrival_us, mut newest_sent) = (i64::MIN, None);
        for (seq, (_, arrival_us)) in (base..sent.end).zip(feedback.arrivals()) {
            let arrival_us = arrival_us.map(|us| us.saturating_add(offset_us));
            match (history.tell(seq, arrival_us.is_some(), now), arrival_us) {
                (Some(News::Received { sent, size, was_lost }), Some(arrival_us)) => {
                    self.backlog.on_packet(sent, size, arrival_us, base_us);
                    self.on_received(sent, size, arrival_us);
                    probes.on_received(seq, size, arrival_us);
                    if was_lost {
                        loss.on_late(sent);
                    } else {
                        loss.on_packet(sent, false);
                    }
                    if arrival_us >= newest_arrival_us {
                        (newest_arrival_us, newest_sent) = (arrival_us, Some(sent));
                    }
                }
                (Some(News::Lost { sent, .. }), _) => {
                    self.lost += 1;
                    loss.on_packet(sent, true);
                }
                _ => {}
            }
        }
        let told = base.saturating_add(u64::from(feedback.status_count)).min(sent.end);
        self.told_end = self.told_end.max(told);
        self.queue.on_feedback_end(now);
        if let Some(sent) = newest_sent {
            let rtt = now.since(sent);
            self.rtt = Some(rtt);
            let (oldest, in_flight_bytes) = history.in_flight(self.told_end, now);
            self.backlog.on_feedback_end(now, rtt, oldest, in_flight_bytes);
        }
        if self.queue.ms() - self.queue.floor_ms() < SHORT_QUEUE_MS {
            self.short_until_us = self.newest_arrival_us.unwrap_or_default();
        }
        Some(())
    }

    fn on_received(&mut self, sent: Time, size: u32, arrival_us: i64) {
        self.acked.add(arrival_us, size);
        self.queue.on_packet(sent, arrival_us);
        self.newest_arrival_us = Some(arrival_us);
        if let Some(delta) = self.bursts.on_packet(sent, arrival_us) {
            let trend_ms = self.trendline.on_burst(delta);
            self.detector.on_trend(trend_ms, delta);
        }
    }

    /// Feedback is lost like any packet. What it would have told of most likely arrived: at about the time of what was
    /// told of last.
    fn make_up_for_lost_feedback(&mut self, base: u64, history: &mut History) {
        if base > self.told_end
            && let Some(arrival_us) = self.newest_arrival_us
        {
            let untold = history.untold_bytes(self.told_end..base);
            self.acked.add(arrival_us, untold);
        }
    }

    /// What arrives from now on follows on a break of the path: the delays before it say nothing of it.
    pub fn on_silence_end(&mut self) {
        self.bursts.reset();
        self.trendline.reset();
        self.detector.reset();
        self.acked.reset();
        self.backlog.reset();
        self.newest_arrival_us = None;
    }

    pub fn usage(&self) -> Usage {
        if self.queue.is_building() { Usage::Over } else { self.detector.usage() }
    }

    /// Packets that the last feedback called lost.
    pub fn lost(&self) -> u32 {
        self.lost
    }

    /// The least queue of the last three seconds: what stands whatever we do.
    pub fn floor_ms(&self) -> f64 {
        self.queue.floor_ms()
    }

    /// What the link fell to, when it carries much less than it did. `has_waited`: media waited for this feedback.
    pub fn fallen_to_bps(&self, has_waited: bool) -> Option<f64> {
        self.backlog.fallen_to(self.acked.bps()?, self.queue.noise_ms(), has_waited)
    }

    /// Whether it looks like that, but is not certain yet.
    pub fn seems_fallen(&self) -> bool {
        self.acked.bps().is_some_and(|before_bps| self.backlog.seems_fallen(before_bps, self.queue.noise_ms()))
    }

    /// How long what is on its way takes to arrive at this rate, beyond what an empty path takes.
    pub fn ahead_ms(&self, bps: f64) -> f64 {
        self.backlog.ahead_ms(bps)
    }

    /// Jitter.
    pub fn noise_ms(&self) -> f64 {
        self.queue.noise_ms()
    }

    /// Remembers the delay of an empty queue for longer.
    pub fn hold_base(&mut self, is_held: bool) {
        self.queue.is_held = is_held;
    }

    pub fn queue(&self) -> Micros {
        self.queue.queue()
    }

    pub fn queue_ms(&self) -> f64 {
        self.queue.ms()
    }

    pub fn acked_bps(&self) -> Option<f64> {
        self.acked.bps()
    }

    pub fn recent_bps(&self) -> Option<f64> {
        let grows_us = self.newest_arrival_us.unwrap_or_default().saturating_sub(self.short_until_us);
        let least_ms = LEAST_RECENT_BITS * 1e3 / self.acked.bps()?.max(1.0);
        self.acked.recent_bps((grows_us / 1_000).max(least_ms as i64).min(MAX_RECENT_MS))
    }

    /// One after the newest number that feedback told of.
    pub fn told_end(&self) -> u64 {
        self.told_end
    }

    /// From sending a packet to the feedback that it caused: the round trip and a little more.
    pub fn rtt(&self) -> Option<Micros> {
        self.rtt
    }
}
