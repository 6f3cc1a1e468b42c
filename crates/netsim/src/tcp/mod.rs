//! Competing downloads: a greedy sender with acknowledgements of each segment, loss by three later ones acknowledged or
//! by time-out (as QUIC detects it, RFC 9002 §6), and a congestion window by Reno (RFC 5681) or CUBIC (RFC 9438).

mod window;

use std::collections::VecDeque;

use sfu_core::time::{Micros, Time};

pub use window::{Algorithm, Window};

/// An Ethernet frame's payload: what competes comes in full packets.
pub const SEGMENT: usize = 1_500;
/// Segments acknowledged after one that is missing make it lost (RFC 9002 §6.1.1).
const REORDERING: u64 = 3;
/// RFC 6298 §2.4 says 1 s, what is deployed waits 200 ms.
const MIN_TIMEOUT: Micros = Micros::from_millis(200);
const MAX_TIMEOUT: Micros = Micros::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    seq: u64,
    sent: Time,
    is_acked: bool,
}

/// Sender of one flow; its receiver only acknowledges.
#[derive(Debug)]
pub struct TcpSender {
    window: Window,
    outstanding: VecDeque<Outstanding>,
    in_flight: usize,
    next_seq: u64,
    largest_acked: Option<u64>,
    /// Losses of what was sent before are of the same congestion.
    recovery_until: Time,
    srtt: Option<Micros>,
    rttvar: Micros,
    backoff: u32,
    last_progress: Time,
    pub acked_segments: u64,
    pub lost_segments: u64,
}

impl TcpSender {
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            window: Window::new(algorithm),
            outstanding: VecDeque::new(),
            in_flight: 0,
            next_seq: 0,
            largest_acked: None,
            recovery_until: Time(0),
            srtt: None,
            rttvar: Micros(0),
            backoff: 0,
            last_progress: Time(0),
            acked_segments: 0,
            lost_segments: 0,
        }
    }

    /// Congestion window, segments.
    pub fn cwnd(&self) -> f64 {
        self.window.segments()
    }

    /// The next segment, if the window lets it go now.
    pub fn poll_send(&mut self, now: Time) -> Option<u64> {
        if self.in_flight as f64 + 1.0 > self.window.segments() {
            return None;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        if self.in_flight == 0 {
            self.last_progress = now;
        }
        self.in_flight += 1;
        self.outstanding.push_back(Outstanding { seq, sent: now, is_acked: false });
        Some(seq)
    }

    pub fn on_ack(&mut self, now: Time, seq: u64) {
        let Some(first) = self.outstanding.front().map(|entry| entry.seq) else { return };
        let place = seq.checked_sub(first).and_then(|place| self.outstanding.get_mut(place as usize));
        let Some(entry) = place.filter(|entry| !entry.is_acked) else { return };
        entry.is_acked = true;
        let rtt = now.since(entry.sent);
        let is_new_congestion_epoch = entry.sent >= self.recovery_until;
        self.in_flight -= 1;
        self.acked_segments += 1;
        self.backoff = 0;
        self.last_progress = now;
        self.measure(rtt);
        self.largest_acked = self.largest_acked.max(Some(seq));
        if is_new_congestion_epoch {
            self.window.on_ack(now, self.srtt.unwrap_or(rtt));
        }
        self.find_losses(now);
    }

    fn measure(&mut self, rtt: Micros) {
        let Some(srtt) = self.srtt else {
            self.srtt = Some(rtt);
            self.rttvar = Micros(rtt.0 / 2);
            return;
        };
        self.rttvar = Micros((3 * self.rttvar.0 + srtt.0.abs_diff(rtt.0)) / 4);
        self.srtt = Some(Micros((7 * srtt.0 + rtt.0) / 8));
    }

    fn find_losses(&mut self, now: Time) {
        let Some(largest) = self.largest_acked else { return };
        while let Some(&entry) = self.outstanding.front() {
            let is_lost = !entry.is_acked && entry.seq + REORDERING <= largest;
            if !entry.is_acked && !is_lost {
                break;
            }
            self.outstanding.pop_front();
            if is_lost {
                self.in_flight -= 1;
                self.lost_segments += 1;
                self.congested(now, entry.sent);
            }
        }
    }

    /// Once per window: what was sent before the window shrank is lost by the same congestion (RFC 9002 §7.3.2).
    fn congested(&mut self, now: Time, sent: Time) {
        if sent >= self.recovery_until || self.recovery_until == Time(0) {
            self.recovery_until = now;
            self.window.on_loss(now);
        }
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let timeout = self.srtt.map_or(Micros::from_secs(1), |srtt| Micros(srtt.0 + 4 * self.rttvar.0));
        let timeout = Micros(timeout.0.max(MIN_TIMEOUT.0) << self.backoff.min(10)).min(MAX_TIMEOUT);
        (self.in_flight > 0).then_some(self.last_progress + timeout)
    }

    /// Nothing was acknowledged for long: everything counts as lost.
    pub fn on_timeout(&mut self, now: Time) {
        if self.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.lost_segments += self.in_flight as u64;
        self.outstanding.clear();
        self.in_flight = 0;
        self.backoff += 1;
        self.last_progress = now;
        self.recovery_until = now;
        self.window.on_timeout();
    }
}
