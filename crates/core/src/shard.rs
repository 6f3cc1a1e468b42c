//! A shard: everything one data-plane thread owns, behind the calls that drive it.
//!
//! The caller drains the arena and the events after each call. Deterministic: equal inputs (and an
//! equal seed) give equal outputs.

mod ahead;
mod bandwidth;
mod commands;
mod consumers;
mod receive;
mod snapshot;
mod stage;
mod timers;

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::command::Command;
use crate::drop::DropCounts;
use crate::egress::consumer::Consumer;
use crate::event::{Event, EventQueue};
use crate::hash::next_random;
use crate::ids::{ConsumerId, ProducerId, RouterId, TransportId};
use crate::ingress::keyframe::CrowdPace;
use crate::ingress::producer::Producer;
use crate::outbox::Outbox;
use crate::router::fan_out;
use crate::shard::stage::Staging;
use crate::shard::timers::Timers;
use crate::slab::{Key, Slab};
use crate::stats::Counters;
use crate::table::Table;
use crate::time::Time;
use crate::transmit::TxArena;
use crate::transport::Transport;
use crate::transport::maps::SharedMaps;

pub use snapshot::Gathering;

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

/// The media scope of one meeting.
#[derive(Debug)]
struct Router {
    id: RouterId,
    transports: Vec<Key>,
    staging: Option<Box<Staging>>,
}

/// Handles of the control plane to keys of the slabs.
#[derive(Debug, Default)]
struct Names {
    routers: HashMap<RouterId, Key>,
    transports: HashMap<TransportId, Key>,
    producers: HashMap<ProducerId, Key>,
    consumers: HashMap<ConsumerId, Key>,
}

/// The data plane of one thread.
#[derive(Debug)]
pub struct Shard {
    config: ShardConfig,
    random: u64,
    /// Of the next media packet: the order of arrival.
    serial: u64,
    table: Table,
    names: Names,
    maps: SharedMaps,
    routers: Slab<Router>,
    transports: Slab<Transport>,
    producers: Slab<Producer>,
    consumers: Slab<Consumer>,
    timers: Timers,
    /// When which router's levels are handed up.
    beats: Timers,
    /// Of the present batch, unless it is short.
    senders: Vec<Option<Key>>,
    /// Producers that their stage has to look at.
    attending: Vec<Key>,
    /// Producers with packets of the present batch.
    touched_producers: Vec<Key>,
    /// Transports whose timers may have changed.
    touched_transports: Vec<Key>,
    /// The memory of the list above while it is gone through.
    spare_touched: Vec<Key>,
    /// Transports whose packets wait for their time since the present batch.
    paced_transports: Vec<Key>,
    /// Senders to be asked for keyframes of what has waited for its time.
    asked_transports: Vec<Key>,
    /// Whose turn it is to be asked for a keyframe that goes to a crowd.
    crowd_pace: CrowdPace,
    events: EventQueue,
    counters: Counters,
    drops: DropCounts,
}

/// Borrows the outputs of a shard apart from its objects.
macro_rules! outbox {
    ($shard:ident, $now:expr, $tx:expr) => {
        Outbox {
            now: $now,
            tx: $tx,
            events: &mut $shard.events,
            counters: &mut $shard.counters,
            drops: &mut $shard.drops,
            attending: &mut $shard.attending,
            crowd_pace: &mut $shard.crowd_pace,
        }
    };
}
use outbox;

impl Shard {
    pub fn new(config: ShardConfig) -> Self {
        let mut random = config.seed;
        Self {
            table: Table::new(next_random(&mut random)),
            random,
            serial: 0,
            names: Names::default(),
            maps: SharedMaps::default(),
            routers: Slab::default(),
            transports: Slab::default(),
            producers: Slab::default(),
            consumers: Slab::default(),
            timers: Timers::default(),
            beats: Timers::default(),
            senders: Vec::new(),
            attending: Vec::new(),
            touched_producers: Vec::new(),
            touched_transports: Vec::new(),
            spare_touched: Vec::new(),
            paced_transports: Vec::new(),
            asked_transports: Vec::new(),
            crowd_pace: CrowdPace::default(),
            events: EventQueue::new(config.max_events),
            counters: Counters::default(),
            drops: DropCounts::default(),
            config,
        }
    }

    /// Applies one command; what it makes us send at once is left in `tx`.
    pub fn apply(&mut self, now: Time, command: Command, tx: &mut TxArena) {
        self.counters.commands += 1;
        let (name, id) = commands::describe(&command);
        if let Err(reason) = self.execute(now, command, tx) {
            self.counters.commands_failed += 1;
            self.events.push(Event::CommandFailed { command: name, id, reason });
        }
        self.settle_touched(now, tx);
    }

    /// Takes one batch of datagrams (up to 64) and leaves everything to be sent in `tx`.
    pub fn handle(&mut self, now: Time, datagrams: &mut [Datagram<'_>], tx: &mut TxArena) {
        self.handle_in_parts(now, datagrams, tx, &mut |_| {});
    }

    /// As [`Shard::handle`], but during a wide fan-out `send` gets the arena whenever it holds enough to be sent, to empty
    /// it. What is left in `tx` at the end comes after.
    pub fn handle_in_parts(
        &mut self,
        now: Time,
        datagrams: &mut [Datagram<'_>],
        tx: &mut TxArena,
        send: &mut dyn FnMut(&mut TxArena),
    ) {
        self.look_up_senders(datagrams);
        for place in 0..datagrams.len() {
            self.look_ahead(place, datagrams);
            let Some(datagram) = datagrams.get_mut(place) else { break };
            if let Err(reason) = self.receive(now, datagram, tx) {
                self.drops.add(reason);
            }
        }
        self.attend_stages(now);
        self.fan_out_touched(now, tx, send);
        self.settle_touched(now, tx);
    }

    fn fan_out_touched(&mut self, now: Time, tx: &mut TxArena, send: &mut dyn FnMut(&mut TxArena)) {
        let mut touched = std::mem::take(&mut self.touched_producers);
        let mut waiting = std::mem::take(&mut self.paced_transports);
        for key in touched.drain(..) {
            let mut out = outbox!(self, now, tx);
            let (producers, consumers, transports) = (&mut self.producers, &mut self.consumers, &mut self.transports);
            let asks = fan_out(key, producers, consumers, transports, &mut out, &mut waiting, send);
            if asks && let Some(producer) = self.producers.get(key) {
                self.touch(producer.transport);
            }
        }
        self.touched_producers = touched;
        for key in waiting.drain(..) {
            self.touch(key);
        }
        self.paced_transports = waiting;
    }

    /// Has the transport's timers looked at after this call.
    fn touch(&mut self, key: Key) {
        if let Some(transport) = self.transports.get_mut(key).filter(|transport| !transport.is_touched) {
            transport.is_touched = true;
            self.touched_transports.push(key);
        }
    }

    /// Oldest event that the control plane has not seen.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    fn random(&mut self) -> u64 {
        next_random(&mut self.random)
    }
}
