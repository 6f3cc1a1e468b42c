//! One direction of a network path: a queue in front of a transmitter of varying rate, then propagation, loss, jitter
//! and reordering.
//!
//! A packet occupies the transmitter for its size at the present rate (no token bucket: bursts leave spaced, as on a
//! real interface), so delays come from the queue and nowhere else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sfu_core::time::{Micros, Time};

use crate::loss::{Loss, LossModel};
use crate::queue::{Packet, Queue, QueueOptions};
use crate::random::Random;
use crate::trace::RateTrace;

#[derive(Clone, Debug, PartialEq)]
pub struct LinkOptions {
    pub trace: RateTrace,
    pub queue: QueueOptions,
    /// Propagation.
    pub delay: Micros,
    /// Added to the propagation, uniform from zero on; packets stay in order.
    pub jitter: Micros,
    pub loss: LossModel,
    /// Share of packets that take `reorder_by` longer than others, and are overtaken.
    pub reorder: f64,
    pub reorder_by: Micros,
}

impl LinkOptions {
    /// A clean link of constant rate with 300 ms of droptail.
    pub fn clean(bps: u64, delay: Micros) -> Self {
        let queue = QueueOptions::drop_tail(bps, Micros::from_millis(300));
        Self::with_trace(RateTrace::constant(bps), queue, delay)
    }

    pub fn with_trace(trace: RateTrace, queue: QueueOptions, delay: Micros) -> Self {
        Self { trace, queue, delay, jitter: Micros(0), loss: LossModel::None, reorder: 0.0, reorder_by: Micros(0) }
    }
}

/// Totals since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    pub offered_bytes: u64,
    /// Passed the transmitter, what radio loss took afterwards included.
    pub sent_bytes: u64,
    pub delivered_bytes: u64,
    pub dropped: u64,
    pub lost: u64,
}

#[derive(Debug)]
struct Flying<P> {
    arrives: Time,
    /// Order of leaving; ties of arrival keep it.
    number: u64,
    packet: Packet<P>,
}

impl<P> PartialEq for Flying<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.arrives, self.number) == (other.arrives, other.number)
    }
}
impl<P> Eq for Flying<P> {}
impl<P> PartialOrd for Flying<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<P> Ord for Flying<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrives, self.number).cmp(&(other.arrives, other.number))
    }
}

#[derive(Debug)]
pub struct Link<P> {
    options: LinkOptions,
    queue: Queue<P>,
    /// What leaves, and when it has left; `None`: never.
    transmitting: Option<(Packet<P>, Option<Time>)>,
    flying: BinaryHeap<Reverse<Flying<P>>>,
    number: u64,
    /// Arrival of the last packet that was not reordered.
    in_order: Time,
    loss: Loss,
    random: Random,
    counts: LinkCounts,
    /// Queueing delay of the packet that left last.
    last_wait: Micros,
}

impl<P> Link<P> {
    pub fn new(options: LinkOptions, random: Random) -> Self {
        Self {
            queue: Queue::new(options.queue),
            loss: Loss::new(options.loss, random.fork(1)),
            random: random.fork(2),
            options,
            transmitting: None,
            flying: BinaryHeap::new(),
            number: 0,
            in_order: Time(0),
            counts: LinkCounts::default(),
            last_wait: Micros(0),
        }
    }

    pub fn options(&self) -> &LinkOptions {
        &self.options
    }

    /// A packet of `size` bytes on the wire comes to the queue. Call [`Link::advance`] up to `now` before.
    pub fn send(&mut self, now: Time, size: usize, payload: P) {
        self.counts.offered_bytes += size as u64;
        if self.queue.push(Packet { size, entered: now, payload }).is_some() {
            self.counts.dropped += 1;
        }
        self.start(now);
    }

    /// Puts the next packet on the transmitter when that is free.
    fn start(&mut self, now: Time) {
        if self.transmitting.is_some() {
            return;
        }
        let counts = &mut self.counts;
        if let Some(packet) = self.queue.pop(now, |_| counts.dropped += 1) {
            self.last_wait = now.since(packet.entered);
            let done = self.options.trace.finish(now, packet.size);
            self.transmitting = Some((packet, done));
        }
    }

    /// When something leaves the transmitter or arrives next.
    pub fn next_time(&self) -> Option<Time> {
        let leaves = self.transmitting.as_ref().and_then(|(_, done)| *done);
        let arrives = self.flying.peek().map(|Reverse(flying)| flying.arrives);
        leaves.into_iter().chain(arrives).min()
    }

    /// Lets everything up to `now` happen, in order; gives what arrives to `deliver`.
    pub fn advance(&mut self, now: Time, mut deliver: impl FnMut(Time, Packet<P>)) {
        while let Some(next) = self.next_time().filter(|&next| next <= now) {
            if self.transmitting.as_ref().is_some_and(|(_, done)| *done == Some(next)) {
                self.leave(next);
            } else if let Some(Reverse(flying)) = self.flying.pop() {
                self.counts.delivered_bytes += flying.packet.size as u64;
                deliver(flying.arrives, flying.packet);
            }
        }
    }

    fn leave(&mut self, now: Time) {
        let Some((packet, _)) = self.transmitting.take() else { return };
        self.counts.sent_bytes += packet.size as u64;
        if self.loss.takes() {
            self.counts.lost += 1;
        } else {
            let jitter = Micros((self.options.jitter.0 as f64 * self.random.unit()) as u64);
            let mut arrives = now + self.options.delay + jitter;
            if self.random.chance(self.options.reorder) {
                arrives = arrives + self.options.reorder_by;
            } else {
                arrives = arrives.max(self.in_order);
                self.in_order = arrives;
            }
            self.number += 1;
            self.flying.push(Reverse(Flying { arrives, number: self.number, packet }));
        }
        self.start(now);
    }

    pub fn counts(&self) -> LinkCounts {
        self.counts
    }

    /// Bytes that wait.
    pub fn queue_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// How long the packet that would leave next has waited, else how long the last one waited when the transmitter is
    /// still busy with it.
    pub fn queue_delay(&self, now: Time) -> Micros {
        match self.queue.head_entered() {
            Some(entered) => now.since(entered),
            None if self.transmitting.is_some() => self.last_wait,
            None => Micros(0),
        }
    }

    pub fn rate_at(&self, now: Time) -> u64 {
        self.options.trace.rate_at(now)
    }
}
