//! A queue in front of a link: packets wait their turn, and some are dropped.

use std::collections::VecDeque;

use sfu_core::time::{Micros, Time};

use crate::codel::{Codel, CodelOptions};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// What does not fit is dropped.
    DropTail,
    Codel(CodelOptions),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// What waits, at most, the packet that is leaving not counted.
    pub limit_bytes: usize,
    pub discipline: Discipline,
}

impl QueueOptions {
    /// Droptail that holds `depth` at a rate.
    pub fn drop_tail(bps: u64, depth: Micros) -> Self {
        let limit_bytes = (bps as f64 / 8.0 * depth.0 as f64 / 1e6) as usize;
        Self { limit_bytes: limit_bytes.max(3_000), discipline: Discipline::DropTail }
    }
}

/// A packet on its way, with what it stands for.
#[derive(Clone, Debug)]
pub struct Packet<P> {
    /// Bytes on the wire, headers included.
    pub size: usize,
    pub entered: Time,
    pub payload: P,
}

#[derive(Debug)]
pub struct Queue<P> {
    packets: VecDeque<Packet<P>>,
    bytes: usize,
    limit_bytes: usize,
    codel: Option<Codel>,
    pub dropped: u64,
}

impl<P> Queue<P> {
    pub fn new(options: QueueOptions) -> Self {
        let codel = match options.discipline {
            Discipline::DropTail => None,
            Discipline::Codel(options) => Some(Codel::new(options)),
        };
        Self { packets: VecDeque::new(), bytes: 0, limit_bytes: options.limit_bytes, codel, dropped: 0 }
    }

    /// Takes a packet in; one that does not fit comes back.
    pub fn push(&mut self, packet: Packet<P>) -> Option<Packet<P>> {
        if self.bytes + packet.size > self.limit_bytes {
            self.dropped += 1;
            return Some(packet);
        }
        self.bytes += packet.size;
        self.packets.push_back(packet);
        None
    }

    /// The next one to leave; what the discipline drops is given to `lost`.
    pub fn pop(&mut self, now: Time, mut lost: impl FnMut(Packet<P>)) -> Option<Packet<P>> {
        loop {
            let packet = self.packets.pop_front()?;
            self.bytes -= packet.size;
            let Some(codel) = &mut self.codel else { return Some(packet) };
            if !codel.drops(now, now.since(packet.entered), self.bytes) {
                return Some(packet);
            }
            self.dropped += 1;
            lost(packet);
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// When the packet at the head came.
    pub fn head_entered(&self) -> Option<Time> {
        self.packets.front().map(|packet| packet.entered)
    }
}
