//! What one big meeting costs the shard's thread, apart from everything else: the shard in virtual time, between clients
//! that send and answer as those of `sfu bench meeting` do.
//!
//! `cargo run --release -p sfu-loadgen --example meeting_cost -- [participants] [cameras] [tiles] [seconds] [options]`.
//! Options: `send`: what the shard leaves goes out through real sockets on loopback, which another thread reads, and this
//! time is counted apart; `spread`: participants look at all cameras, each at the next ones, and not all at the first;
//! `follow`: cameras send only the encoding that is watched; `half`: 15 of 30 frames a second are forwarded.
//! Counted is this thread's processor time in the shard's calls; making, protecting and reading packets is not in it, nor
//! is receiving from the kernel. Prints shares of one processor by virtual time, so it does not matter how long it takes.

mod clients;
mod post;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sfu_core::bwe::BweOptions;
use sfu_core::command::{Command, ConsumerOptions, EncodingOptions, IceCredentials, Kind, LayerLimit, ProducerOptions};
use sfu_core::demux::{Protocol, classify};
use sfu_core::ids::{ConsumerId, ProducerId, RouterId, Ssrc};
use sfu_core::shard::{Datagram, Shard, ShardConfig};
use sfu_core::srtp::MAX_OVERHEAD;
use sfu_core::stun::{BindingRequest, IceRole, IntegrityKey};
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::TxArena;
use sfu_io::BATCH;
use sfu_io::sys::{Receiver, Socket};

use clients::{
    Client, ENCODINGS, PASSWORD, audio_ssrc, camera_of, client, keys, microphone_of, rtp_map, talker_at, transport,
    ufrag, virtual_address,
};
use post::{Counts, Post, cpu, since};

const ROUTER: RouterId = RouterId(1);
/// Audio slots of a participant.
const VOICES: usize = 3;
/// Virtual time before anything is counted: estimates grow, keyframes come.
const WARM_UP_MS: u64 = 3_000;
const TICK: Micros = Micros::from_millis(1);
/// How often the control plane says who speaks.
const CONFIRM_TICKS: u64 = 100;
const FEEDBACK_MS: u64 = 100;
const REPORT_MS: u64 = 1_000;
const CHECK_MS: u64 = 2_500;

struct Options {
    participants: usize,
    cameras: usize,
    tiles: usize,
    seconds: u64,
    /// The other words.
    switches: Vec<String>,
}

impl Options {
    fn parse() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
        let number = |index: usize, default: usize| numbers.get(index).copied().unwrap_or(default);
        Self {
            participants: number(0, 1_000),
            cameras: number(1, 50),
            tiles: number(2, 9),
            seconds: number(3, 5) as u64,
            switches: words,
        }
    }

    fn has(&self, switch: &str) -> bool {
        self.switches.iter().any(|word| word == switch)
    }
}

struct Meeting {
    options: Options,
    shard: Shard,
    clients: Vec<Client>,
    numbers: HashMap<SocketAddr, usize>,
    sockets: Vec<Socket>,
    counts: Counts,
    now: Time,
}

fn main() {
    let options = Options::parse();
    let readers: Vec<Socket> = if options.has("send") {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        (0..options.participants).map(|_| Socket::bind(any, true).expect("a socket")).collect()
    } else {
        Vec::new()
    };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        if options.has("send") {
            scope.spawn(|| drain(&readers, &stop));
        }
        let mut meeting = Meeting::new(options, &readers);
        meeting.run();
        stop.store(true, Ordering::SeqCst);
        meeting.print();
    });
}

/// Reads each socket every 4 ms, as the generator of `sfu bench meeting` does.
fn drain(sockets: &[Socket], stop: &AtomicBool) {
    let mut receiver = Receiver::new(true);
    while !stop.load(Ordering::SeqCst) {
        for socket in sockets {
            while receiver.receive(socket).is_ok_and(|messages| messages == BATCH) {}
        }
        thread::sleep(Duration::from_millis(4));
    }
}

impl Meeting {
    fn new(options: Options, readers: &[Socket]) -> Self {
        let addresses: Vec<SocketAddr> = (0..options.participants)
            .map(|number| readers.get(number).map_or_else(|| virtual_address(number), Socket::local_address))
            .collect();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = if options.has("send") { vec![Socket::bind(any, true).expect("a socket")] } else { Vec::new() };
        let clients = addresses
            .iter()
            .enumerate()
            .map(|(number, address)| client(number, number < options.cameras, *address))
            .collect();
        let mut meeting = Self {
            shard: Shard::new(ShardConfig { seed: 1, ..ShardConfig::default() }),
            clients,
            numbers: addresses.iter().enumerate().map(|(number, address)| (*address, number)).collect(),
            sockets,
            counts: Counts::default(),
            now: Time(1_000_000),
            options,
        };
        meeting.apply(Command::AddRouter { router: ROUTER });
        meeting.apply(Command::SetStage { router: ROUTER, slots: VOICES as u8, forward_silence: false });
        (0..meeting.options.participants).for_each(|number| meeting.join(number));
        (0..meeting.options.participants).for_each(|number| meeting.watch(number));
        meeting
    }

    fn apply(&mut self, command: Command) {
        let mut tx = TxArena::with_capacity(0);
        self.shard.apply(self.now, command, &mut tx);
        while self.shard.poll_event().is_some() {}
    }

    /// Transport, keys, what it sends.
    fn join(&mut self, number: usize) {
        let transport = transport(number);
        let ice = IceCredentials { ufrag: ufrag(number), pwd: PASSWORD.to_owned() };
        self.apply(Command::AddTransport { transport, router: ROUTER, ice });
        self.apply(Command::SetSrtpKeys { transport, keys: keys() });
        self.apply(Command::SetRtp { transport, receive: rtp_map(), send: rtp_map(), rtcp_reduced_size: true });
        self.apply(Command::SetBandwidth { transport, options: BweOptions::default() });
        let check = self.check(number);
        let mut inbox = vec![(number, check)];
        self.handle(&mut inbox);
        let stream = |ssrc| EncodingOptions { rid: None, ssrc: Some(ssrc), rtx_ssrc: None };
        let microphone =
            ProducerOptions { kind: Kind::Audio, mid: "0".to_owned(), encodings: vec![stream(audio_ssrc(number))] };
        let producer = microphone_of(number);
        self.apply(Command::AddProducer { producer, transport, options: microphone });
        self.apply(Command::StageProducer { producer, staged: true, always: false });
        if number < self.options.cameras {
            let encodings = ENCODINGS
                .iter()
                .map(|(rid, ..)| EncodingOptions { rid: Some((*rid).to_owned()), ssrc: None, rtx_ssrc: None })
                .collect();
            let camera = ProducerOptions { kind: Kind::Video, mid: "1".to_owned(), encodings };
            self.apply(Command::AddProducer { producer: camera_of(number), transport, options: camera });
        }
    }

    /// What it receives: the smallest encoding of some cameras, and voices.
    fn watch(&mut self, number: usize) {
        let transport = transport(number);
        let (cameras, tiles) = (self.options.cameras, self.options.tiles);
        let first = if self.options.has("spread") { number * tiles } else { 0 };
        let watched = (0..cameras).map(|index| (first + index) % cameras.max(1)).filter(|camera| *camera != number);
        let video: Vec<ProducerId> = watched.take(tiles).map(camera_of).collect();
        let desired = video.len() as u64 * 160_000 + VOICES as u64 * 50_000;
        let kinds = (0..VOICES).map(|_| None).chain(video.into_iter().map(Some));
        for (slot, producer) in (0u32..).zip(kinds) {
            let kind = if producer.is_some() { Kind::Video } else { Kind::Audio };
            let consumer = ConsumerId(number as u32 * 64 + slot);
            let ssrc = 0x4000_0000 + (number as u32 * 64 + slot) * 2;
            let rtx_ssrc = (kind == Kind::Video).then_some(Ssrc(ssrc + 1));
            let (mid, cname) = ((4 + slot).to_string(), "meeting".to_owned());
            let options = ConsumerOptions { kind, mid, ssrc: Ssrc(ssrc), rtx_ssrc, cname };
            self.apply(Command::AddConsumer { consumer, transport, options });
            if kind == Kind::Video {
                let temporal = if self.options.has("half") { 1 } else { u8::MAX };
                self.apply(Command::SetLayers { consumer, limit: LayerLimit { spatial: 0, temporal } });
            }
            self.apply(match producer {
                Some(_) => Command::SwitchConsumer { consumer, producer },
                None => Command::StageConsumer { consumer, position: Some(slot as u8) },
            });
        }
        self.apply(Command::SetDesiredBitrate { transport, bps: desired });
    }

    fn run(&mut self) {
        let ticks = (WARM_UP_MS + self.options.seconds * 1_000) * 1_000 / TICK.0;
        for tick in 0..ticks {
            if tick * TICK.0 / 1_000 == WARM_UP_MS {
                self.counts = Counts::default();
                self.clients.iter_mut().for_each(|client| client.sink.reset());
                let wanted = if self.options.has("follow") { 0b001 } else { 0b111 };
                self.clients.iter_mut().for_each(|client| client.source.set_active(wanted));
            }
            self.now = self.now + TICK;
            if tick.is_multiple_of(CONFIRM_TICKS) {
                let floor = microphone_of(talker_at(self.now));
                self.apply(Command::SetSpeakers { router: ROUTER, dominant: Some(floor), audible: vec![floor] });
            }
            let mut inbox = self.due(tick * TICK.0 / 1_000);
            self.handle(&mut inbox);
            self.handle_timeout();
            while self.shard.poll_event().is_some() {}
        }
    }

    /// What clients send in this millisecond, protected.
    fn due(&mut self, ms: u64) -> Vec<(usize, Vec<u8>)> {
        let (now, mut inbox) = (self.now, Vec::new());
        for (number, client) in self.clients.iter_mut().enumerate() {
            while client.source.next().is_some_and(|at| at <= now) {
                let egress = &mut client.egress;
                client.source.poll(
                    now,
                    || now,
                    |packet| {
                        let len = packet.len();
                        packet.resize(len + MAX_OVERHEAD, 0);
                        let len = egress.protect_rtp(packet, len).expect("protect");
                        inbox.push((number, packet[..len].to_vec()));
                    },
                );
            }
            let phase = ms + number as u64 * 37;
            let mut buffer = [0; 1_400];
            let mut send_rtcp = |buffer: &mut [u8; 1_400], len: usize| {
                if len > 0 {
                    let len = client.egress.protect_rtcp(buffer, len).expect("protect");
                    inbox.push((number, buffer[..len].to_vec()));
                }
            };
            if phase.is_multiple_of(FEEDBACK_MS) {
                let len = client.sink.feedback(&mut buffer[..1_200]).unwrap_or(0);
                send_rtcp(&mut buffer, len);
            }
            if phase.is_multiple_of(REPORT_MS) {
                let len = client.source.report(&mut buffer[..1_200], now, now.0).unwrap_or(0);
                send_rtcp(&mut buffer, len);
                let len = client.sink.report(&mut buffer[..1_200]).unwrap_or(0);
                send_rtcp(&mut buffer, len);
            }
        }
        let due = |number: &usize| (ms + *number as u64 * 37).is_multiple_of(CHECK_MS);
        for number in (0..self.clients.len()).filter(due) {
            inbox.push((number, self.check(number)));
        }
        inbox
    }

    fn check(&self, number: usize) -> Vec<u8> {
        let mut transaction_id = [0; 12];
        transaction_id[..8].copy_from_slice(&self.now.0.to_be_bytes());
        let request = BindingRequest {
            transaction_id,
            username: &format!("{}:client", ufrag(number)),
            priority: Some(1),
            role: Some(IceRole::Controlling(1)),
            use_candidate: true,
        };
        let mut buffer = [0; 500];
        let len = request.write(&mut buffer, &IntegrityKey::new(PASSWORD)).expect("room");
        buffer[..len].to_vec()
    }

    /// The datagrams through the shard in batches as a shard's thread has them.
    fn handle(&mut self, inbox: &mut [(usize, Vec<u8>)]) {
        let now = self.now;
        let mut tx = TxArena::with_capacity(1 << 20);
        for batch in inbox.chunks_mut(BATCH) {
            self.counts.packets_in +=
                batch.iter().filter(|(_, bytes)| classify(bytes) == Some(Protocol::Rtp)).count() as u64;
            let mut datagrams: Vec<Datagram<'_>> = batch
                .iter_mut()
                .map(|(number, bytes)| Datagram {
                    socket: 0,
                    source: self.clients[*number].address,
                    received: now,
                    bytes,
                })
                .collect();
            let mut post = Post {
                numbers: &self.numbers,
                clients: &mut self.clients,
                sockets: &mut self.sockets,
                counts: &mut self.counts,
                now,
            };
            let mut apart = Duration::ZERO;
            let start = cpu();
            self.shard.handle_in_parts(now, &mut datagrams, &mut tx, &mut |tx| apart += post.take(tx));
            let used = since(start);
            post.counts.shard += used.saturating_sub(apart);
            post.take(&mut tx);
        }
    }

    fn handle_timeout(&mut self) {
        if self.shard.next_timeout().is_none_or(|due| due > self.now) {
            return;
        }
        let mut tx = TxArena::with_capacity(1 << 20);
        let start = cpu();
        self.shard.on_timeout(self.now, &mut tx);
        self.counts.shard += since(start);
        let Self { numbers, clients, sockets, counts, now, .. } = self;
        Post { numbers, clients, sockets, counts, now: *now }.take(&mut tx);
    }

    fn print(&self) {
        let (counts, seconds) = (&self.counts, self.options.seconds as f64);
        let mut lost = 0;
        for client in &self.clients {
            lost += client.sink.streams().iter().map(|stream| stream.continuity.lost()).sum::<u64>();
        }
        let share = |time: Duration| time.as_secs_f64() / seconds * 100.0;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / counts.packets_out.max(1) as f64;
        let Options { participants, cameras, tiles, .. } = &self.options;
        println!("{participants} participants, {cameras} cameras, {tiles} tiles, {seconds} s of virtual time");
        println!(
            "packets/s in {:.0}, out {:.0}; lost {lost}, damaged {}",
            counts.packets_in as f64 / seconds,
            counts.packets_out as f64 / seconds,
            counts.damaged
        );
        println!("shard: {:.1} % of a processor, {:.3} us a packet out", share(counts.shard), each(counts.shard));
        if self.options.has("send") {
            println!("sending: {:.1} %, {:.3} us a packet out", share(counts.sending), each(counts.sending));
            println!("longest part of 99 in 100: {:.2} ms", counts.parts.percentile_us(0.99) as f64 / 1e3);
        }
    }
}
