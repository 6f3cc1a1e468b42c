//! A server shard and its clients on simulated links, in virtual time.
//!
//! The shard is the real one: clients check connectivity, encrypt, number and report, so that nothing in it knows that
//! it is simulated. What is not simulated is the handshake: the control plane carries its datagrams itself
//! ([`World::inject`], [`World::poll_handshake`]), without links between.

mod client;
mod receive;
mod series;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use sfu_core::command::{Command, IceCredentials, SrtpKeys};
use sfu_core::event::Event;
use sfu_core::shard::{Datagram, Shard, ShardConfig};
use sfu_core::stats::Snapshot;
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::TxArena;

use crate::UDP_OVERHEAD;
use crate::bottleneck::{Bottleneck, TcpOptions};
use crate::link::LinkOptions;
use crate::random::Random;

pub use client::{Client, StreamOptions};
pub use series::{Series, StreamSample};

/// As the shard thread reads them.
const BATCH: usize = 64;
/// More turns than this at one point in time are a loop without progress.
const MAX_TURNS: u32 = 100_000;
const SAMPLE: Micros = Micros::from_millis(100);
/// A datagram for a client: which one, and its bytes.
type Down = (usize, Vec<u8>);

/// A client's way to the server is its own; its way back may be shared.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientOptions {
    pub address: SocketAddr,
    pub uplink: LinkOptions,
    /// Index of the link from the server, see [`World::add_downlink`].
    pub downlink: usize,
    /// What its own sender is thought to know of its uplink: sets the interval of feedback.
    pub uplink_bps: Option<u64>,
}

pub struct World {
    shard: Shard,
    tx: TxArena,
    now: Time,
    random: Random,
    downlinks: Vec<Bottleneck<Down>>,
    clients: Vec<Client>,
    by_address: HashMap<SocketAddr, usize>,
    events: VecDeque<Event>,
    handshakes: VecDeque<Down>,
    arrived: Vec<(Time, usize, Vec<u8>)>,
    next_sample: Time,
}

impl World {
    pub fn new(seed: u64, unix_offset_us: i64, start: Time) -> Self {
        let config = ShardConfig { seed, unix_offset_us, ..ShardConfig::default() };
        Self {
            shard: Shard::new(config),
            tx: TxArena::with_capacity(1 << 18),
            now: start,
            random: Random::new(seed),
            downlinks: Vec::new(),
            clients: Vec::new(),
            by_address: HashMap::new(),
            events: VecDeque::new(),
            handshakes: VecDeque::new(),
            arrived: Vec::new(),
            next_sample: start + SAMPLE,
        }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// A link from the server towards clients, with the downloads that share it; its index.
    pub fn add_downlink(&mut self, options: LinkOptions, tcp: &[TcpOptions]) -> usize {
        let random = self.random.fork(1_000 + self.downlinks.len() as u64);
        self.downlinks.push(Bottleneck::new(options, tcp, random));
        self.downlinks.len() - 1
    }

    /// A client without anything to send; its index. `None`: there is no such downlink, or the address is taken.
    pub fn add_client(&mut self, options: ClientOptions) -> Option<usize> {
        let index = self.clients.len();
        if options.downlink >= self.downlinks.len() || self.by_address.contains_key(&options.address) {
            return None;
        }
        self.by_address.insert(options.address, index);
        self.clients.push(Client::new(index, options, self.now, self.random.fork(2_000 + index as u64)));
        Some(index)
    }

    pub fn client(&mut self, index: usize) -> Option<&mut Client> {
        self.clients.get_mut(index)
    }

    pub fn command(&mut self, command: Command) {
        self.shard.apply(self.now, command, &mut self.tx);
        self.deliver();
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.shard.snapshot(self.now)
    }

    /// What a client checks connectivity with, and at once the first check.
    pub fn connect(&mut self, client: usize, ice: &IceCredentials) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(client) else { return };
        client.connect(ice, now);
        let (address, check) = (client.options().address, client.check());
        if let Some(check) = check {
            self.inject_from(address, check);
        }
    }

    /// Keys as the server has them: the client uses them the other way round. False when they do not fit the profile.
    pub fn set_keys(&mut self, client: usize, keys: &SrtpKeys) -> bool {
        self.clients.get_mut(client).is_some_and(|client| client.set_keys(keys))
    }

    /// A datagram that reaches the server at once.
    pub fn inject(&mut self, client: usize, bytes: Vec<u8>) {
        if let Some(client) = self.clients.get(client) {
            self.inject_from(client.options().address, bytes);
        }
    }

    fn inject_from(&mut self, source: SocketAddr, mut bytes: Vec<u8>) {
        let mut batch = [Datagram { socket: 0, source, received: self.now, bytes: &mut bytes }];
        self.shard.handle(self.now, &mut batch, &mut self.tx);
        self.deliver();
    }

    /// A DTLS datagram of the server, and for which client.
    pub fn poll_handshake(&mut self) -> Option<Down> {
        self.handshakes.pop_front()
    }

    /// Lets time pass until `end`, or until events wait when `stop_at_events`; gives the time reached.
    ///
    /// # Panics
    /// When some part has always something to do at the same point in time: a bug.
    pub fn run_until(&mut self, end: Time, stop_at_events: bool) -> Time {
        let mut turns = 0;
        while !stop_at_events || self.events.is_empty() {
            let next = self.next_time().clamp(self.now, end.max(self.now));
            turns = if next > self.now { 0 } else { turns + 1 };
            assert!(turns < MAX_TURNS, "the simulation does not get on at {:?}", self.now);
            self.now = next;
            self.turn();
            if self.now >= end && self.next_time() > end {
                break;
            }
        }
        self.now
    }

    fn next_time(&self) -> Time {
        let links = self.downlinks.iter().filter_map(Bottleneck::next_time);
        let clients = self.clients.iter().filter_map(Client::next_time);
        links
            .chain(clients)
            .chain(self.shard.next_timeout())
            .chain([self.next_sample])
            .min()
            .unwrap_or(self.next_sample)
    }

    /// All that is due now, each part once.
    fn turn(&mut self) {
        self.ingest();
        if self.shard.next_timeout().is_some_and(|at| at <= self.now) {
            self.shard.on_timeout(self.now, &mut self.tx);
            self.deliver();
        }
        let arrived = &mut self.arrived;
        for link in &mut self.downlinks {
            link.advance(self.now, |at, _, (client, bytes)| arrived.push((at, client, bytes)));
        }
        for (at, client, bytes) in self.arrived.drain(..) {
            self.clients[client].receive(at, bytes);
        }
        for client in &mut self.clients {
            client.advance(self.now);
        }
        if self.now >= self.next_sample {
            self.sample();
            self.next_sample = self.next_sample + SAMPLE;
        }
    }

    /// What the clients' uplinks bring.
    fn ingest(&mut self) {
        let now = self.now;
        let mut batch: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        for client in &mut self.clients {
            let address = client.options().address;
            client.arrivals(now, |bytes| batch.push((address, bytes)));
        }
        for part in batch.chunks_mut(BATCH) {
            let mut datagrams: Vec<Datagram<'_>> = part
                .iter_mut()
                .map(|(source, bytes)| Datagram { socket: 0, source: *source, received: now, bytes })
                .collect();
            self.shard.handle(now, &mut datagrams, &mut self.tx);
            self.deliver();
        }
    }

    /// Puts what the shard sends on its links.
    fn deliver(&mut self) {
        for transmit in self.tx.iter() {
            let Some(&client) = self.by_address.get(&transmit.destination) else { continue };
            match transmit.bytes.first() {
                // Answers to checks.
                None | Some(0..=3) => {}
                Some(20..=63) => self.handshakes.push_back((client, transmit.bytes.to_vec())),
                Some(_) => {
                    let size = transmit.bytes.len() + UDP_OVERHEAD;
                    self.clients[client].offered_bytes += size as u64;
                    let link = &mut self.downlinks[self.clients[client].options().downlink];
                    link.send(self.now, size, (client, transmit.bytes.to_vec()));
                }
            }
        }
        self.tx.clear();
        self.events.extend(std::iter::from_fn(|| self.shard.poll_event()));
    }

    fn sample(&mut self) {
        let (from, now) = (self.now - SAMPLE, self.now);
        let snapshot = self.shard.snapshot(now);
        let estimates: HashMap<String, u64> =
            snapshot.transports.iter().filter_map(|(_, stats)| series::estimate(stats)).collect();
        for client in &mut self.clients {
            let link = &self.downlinks[client.options().downlink];
            let capacity_bps = link.options().trace.capacity_bits(from, now) * 10;
            let estimate_bps = estimates.get(&client.options().address.to_string()).copied().unwrap_or_default();
            client.sample(now, capacity_bps, link.queue_delay(now), estimate_bps);
        }
    }

    /// Bytes that downloads on a link got so far, one number each.
    pub fn tcp_bytes(&self, downlink: usize) -> Vec<u64> {
        self.downlinks.get(downlink).map(|link| link.tcp_bytes().collect()).unwrap_or_default()
    }

    /// (dropped by queues, lost by radio) on a link.
    pub fn losses(&self, downlink: usize) -> (u64, u64) {
        self.downlinks.get(downlink).map_or((0, 0), |link| (link.counts().dropped, link.counts().lost))
    }

    /// The end: what stands still now counts as such.
    pub fn finish(&mut self) {
        let now = self.now;
        self.clients.iter_mut().for_each(|client| client.finish(now));
    }
}
