//! A shard: everything one data-plane thread owns, behind the four calls that drive it.
//!
//! The caller drains the arena and the events after each call. Deterministic: equal inputs (and an
//! equal seed) give equal outputs.

use std::net::SocketAddr;

use crate::command::Command;
use crate::event::Event;
use crate::stats::Snapshot;
use crate::time::Time;
use crate::transmit::TxArena;

/// Limits and seeds of a shard.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// For initial sequence numbers, timestamps and timer offsets.
    pub seed: u64,
    /// Microseconds to add to a [`Time`] to get Unix time in microseconds.
    pub unix_offset_us: i64,
    /// Events that wait for the control plane before the next is counted as lost.
    pub max_events: usize,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self { seed: 0, unix_offset_us: 0, max_events: 65_536 }
    }
}

/// One received datagram. Media is decrypted in place.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Index of the local socket.
    pub socket: u8,
    pub source: SocketAddr,
    /// When the kernel received it, else when it was read.
    pub received: Time,
    pub bytes: &'a mut [u8],
}

/// The data plane of one thread.
#[derive(Debug)]
pub struct Shard {
    config: ShardConfig,
}

impl Shard {
    pub fn new(config: ShardConfig) -> Self {
        Self { config }
    }

    /// Applies one command; what it makes us send at once is left in `tx`.
    pub fn apply(&mut self, _now: Time, _command: Command, _tx: &mut TxArena) {}

    /// Takes one batch of datagrams (up to 64) and leaves everything to be sent in `tx`.
    pub fn handle(&mut self, _now: Time, _datagrams: &mut [Datagram<'_>], _tx: &mut TxArena) {}

    /// Does what is due: reports, feedback, retries, expiry.
    pub fn on_timeout(&mut self, _now: Time, _tx: &mut TxArena) {}

    /// When [`Shard::on_timeout`] wants to be called; `None`: not before the next input.
    pub fn next_timeout(&self) -> Option<Time> {
        None
    }

    /// Oldest event that the control plane has not seen.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    pub fn snapshot(&self, now: Time) -> Snapshot {
        let _ = self.config.max_events;
        Snapshot { now, ..Snapshot::default() }
    }
}
