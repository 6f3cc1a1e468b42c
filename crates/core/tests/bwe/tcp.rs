//! A long download by TCP CUBIC (RFC 9438), reduced to its window: acknowledgements for each packet, loss seen after
//! three later ones, one reduction a round trip.

use std::collections::BTreeSet;

use crate::link::Packet;

const MSS: u32 = 1_500;
const C: f64 = 0.4;
const BETA: f64 = 0.7;
const RTO_US: u64 = 1_000_000;

#[derive(Debug)]
pub struct Cubic {
    pub flow: usize,
    begins_us: u64,
    window: f64,
    threshold: f64,
    most: f64,
    epoch_us: Option<u64>,
    in_flight: BTreeSet<u64>,
    next_seq: u64,
    recover: u64,
    last_ack_us: u64,
    rtt_us: u64,
    acks: std::collections::VecDeque<(u64, u64, u64)>,
}

impl Cubic {
    pub fn new(flow: usize, begins_us: u64) -> Self {
        Self {
            flow,
            begins_us,
            window: 10.0,
            threshold: f64::INFINITY,
            most: 0.0,
            epoch_us: None,
            in_flight: BTreeSet::new(),
            next_seq: 0,
            recover: 0,
            last_ack_us: begins_us,
            rtt_us: 100_000,
            acks: std::collections::VecDeque::new(),
        }
    }

    pub fn arrive(&mut self, at_us: u64, packet: Packet, delay_us: u64) {
        self.acks.push_back((at_us + delay_us, packet.seq, packet.sent_us));
    }

    pub fn step(&mut self, now_us: u64, out: &mut Vec<Packet>) {
        if now_us < self.begins_us {
            return;
        }
        while let Some((_, seq, sent_us)) = self.acks.front().copied().filter(|(at, _, _)| *at <= now_us) {
            self.acks.pop_front();
            self.on_ack(now_us, seq, sent_us);
        }
        if now_us - self.last_ack_us > RTO_US && !self.in_flight.is_empty() {
            (self.threshold, self.window, self.last_ack_us) = (self.window / 2.0, 2.0, now_us);
            self.in_flight.clear();
        }
        while (self.in_flight.len() as f64) < self.window {
            self.in_flight.insert(self.next_seq);
            out.push(Packet { flow: self.flow, seq: self.next_seq, size: MSS, sent_us: now_us });
            self.next_seq += 1;
        }
    }

    fn on_ack(&mut self, now_us: u64, seq: u64, sent_us: u64) {
        self.last_ack_us = now_us;
        self.rtt_us = now_us - sent_us;
        if !self.in_flight.remove(&seq) {
            return;
        }
        let lost: Vec<u64> = self.in_flight.range(..seq.saturating_sub(2)).copied().collect();
        for lost in lost {
            self.in_flight.remove(&lost);
            if lost >= self.recover {
                self.recover = self.next_seq;
                self.most = self.window;
                self.window = (self.window * BETA).max(2.0);
                self.threshold = self.window;
                self.epoch_us = None;
            }
        }
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let epoch_us = *self.epoch_us.get_or_insert(now_us);
        let k = (self.most * (1.0 - BETA) / C).cbrt();
        let t = (now_us - epoch_us + self.rtt_us) as f64 / 1e6;
        let target = C * (t - k).powi(3) + self.most;
        let step = ((target - self.window) / self.window).clamp(0.01 / self.window, 0.5);
        self.window += step;
    }
}
