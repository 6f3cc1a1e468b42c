//! What feedback says of the packets sent, packet by packet, and what that says of the path: rate, trend, queue, round
//! trip.

use super::acked_rate::AckedRate;
use super::arrival_clock::ArrivalClock;
use super::history::{History, News};
use super::inter_arrival::InterArrival;
use super::loss_based::LossBased;
use super::overuse::{OveruseDetector, Usage};
use super::probe::Probes;
use super::queue::QueueDelay;
use super::trendline::Trendline;
use crate::rtcp::TransportFeedback;
use crate::time::{Micros, Time};

/// In which a queue that grows shows the link's capacity.
const RECENT_MS: i64 = 256;
/// The reference time counts in units of 64 ms.
const REFERENCE_US: i64 = 64_000;

#[derive(Clone, Debug, Default)]
pub struct Arrived {
    history: History,
    clock: ArrivalClock,
    acked: AckedRate,
    bursts: InterArrival,
    trendline: Trendline,
    detector: OveruseDetector,
    queue: QueueDelay,
    /// One after the newest number that feedback told of.
    told_end: u64,
    newest_arrival_us: Option<i64>,
    rtt: Option<Micros>,
}

impl Arrived {
    #[inline]
    pub fn on_sent(&mut self, seq: u64, size: u32, sent: Time) {
        self.history.add(seq, size, sent);
    }

    /// `None`: it tells of nothing that was sent.
    pub fn on_feedback(
        &mut self,
        now: Time,
        feedback: &TransportFeedback<'_>,
        loss: &mut LossBased,
        probes: &mut Probes,
    ) -> Option<()> {
        let base = self.history.unwrap_seq(feedback.base_seq)?;
        let sent = self.history.seqs();
        let offset_us = self.clock.on_reference(i64::from(feedback.reference_time) * REFERENCE_US);
        self.make_up_for_lost_feedback(base);
        let mut newest = None;
        for (seq, (_, arrival_us)) in (base..sent.end).zip(feedback.arrivals()) {
            let arrival_us = arrival_us.map(|us| us.saturating_add(offset_us));
            match (self.history.tell(seq, arrival_us.is_some(), now), arrival_us) {
                (Some(News::Received { sent, size, was_lost }), Some(arrival_us)) => {
                    self.on_received(sent, size, arrival_us);
                    probes.on_received(seq, size, arrival_us);
                    if was_lost {
                        loss.on_late(sent);
                    } else {
                        loss.on_packet(sent, false);
                    }
                    newest = Some(newest.map_or((arrival_us, sent), |(at, of): (i64, Time)| {
                        if arrival_us >= at { (arrival_us, sent) } else { (at, of) }
                    }));
                }
                (Some(News::Lost { sent, .. }), _) => loss.on_packet(sent, true),
                _ => {}
            }
        }
        let told = base.saturating_add(u64::from(feedback.status_count)).min(sent.end);
        self.told_end = self.told_end.max(told);
        self.queue.on_feedback_end(now);
        if let Some((_, sent)) = newest {
            self.rtt = Some(now.since(sent));
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
    fn make_up_for_lost_feedback(&mut self, base: u64) {
        if base > self.told_end
            && let Some(arrival_us) = self.newest_arrival_us
        {
            let untold = self.history.untold_bytes(self.told_end..base);
            self.acked.add(arrival_us, untold);
        }
    }

    /// What arrives from now on follows on a break of the path: the delays before it say nothing of it.
    pub fn on_silence_end(&mut self) {
        self.bursts.reset();
        self.trendline.reset();
        self.detector.reset();
        self.acked.reset();
        self.newest_arrival_us = None;
    }

    pub fn usage(&self) -> Usage {
        self.detector.usage()
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
        self.acked.recent_bps(RECENT_MS)
    }

    /// One after the newest number that feedback told of.
    pub fn told_end(&self) -> u64 {
        self.told_end
    }

    /// From sending a packet to the feedback that it caused: the round trip and a little more.
    pub fn rtt(&self) -> Option<Micros> {
        self.rtt
    }

    pub fn is_empty(&self) -> bool {
        self.history.is_empty()
    }

    pub fn memory_bytes(&self) -> usize {
        self.history.memory_bytes()
    }
}
