//! A meeting in virtual time: a shard, clients with real ICE checks and real SRTP, and senders of
//! VP8 and Opus whose every payload says which packet it is.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod bits;
pub mod client;
pub mod media;
pub mod subscriber;

#[allow(unused_imports, reason = "each test file uses its part")]
pub use client::{Client, Received};

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use sfu_core::bwe::BweOptions;
use sfu_core::command::{
    Codec, CodecId, Command, ConsumerOptions, EncodingOptions, ExtensionKind, IceCredentials, Kind, LayerLimit,
    PayloadType, ProducerOptions, RtpMap, SrtpKeys, SrtpProfile,
};
use sfu_core::event::Event;
use sfu_core::hash::next_random;
use sfu_core::ids::{ConsumerId, ProducerId, RouterId, Ssrc, TransportId};
use sfu_core::rtcp::{Pli, ReportBlock, write_nack, write_pli, write_receiver_report};
use sfu_core::rtp::{HeaderFields, HeaderWriter};
use sfu_core::shard::{Datagram, Shard, ShardConfig};
use sfu_core::srtp::{SrtpIngress, TrackedEgress};
use sfu_core::stats::{ConsumerStats, ProducerSnapshot};
use sfu_core::stun::{BindingRequest, IceRole, IntegrityKey, Message};
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::TxArena;
use sfu_core::wire::Writer;

pub const ROUTER: RouterId = RouterId(1);
pub const OPUS: CodecId = CodecId { codec: Codec::Opus, variant: 0 };
pub const RED: CodecId = CodecId { codec: Codec::Red, variant: 0 };
pub const VP8: CodecId = CodecId { codec: Codec::Vp8, variant: 0 };
pub const VP9: CodecId = CodecId { codec: Codec::Vp9, variant: 0 };
pub const OPUS_PT: u8 = 111;
pub const RED_PT: u8 = 63;
pub const VP8_PT: u8 = 96;
pub const VP8_RTX_PT: u8 = 97;
pub const VP9_PT: u8 = 98;

pub const EXT_MID: u8 = 1;
pub const EXT_SEND_TIME: u8 = 2;
pub const EXT_TRANSPORT_CC: u8 = 3;
pub const EXT_AUDIO_LEVEL: u8 = 4;
pub const EXT_RID: u8 = 5;
pub const EXT_REPAIRED_RID: u8 = 6;
pub const EXT_ORIENTATION: u8 = 7;
/// Subscribers get other ids than publishers use.
pub const OUT_EXT_SHIFT: u8 = 4;

pub fn receive_map() -> RtpMap {
    map(0, true)
}

pub fn send_map() -> RtpMap {
    map(OUT_EXT_SHIFT, true)
}

fn map(shift: u8, has_rtx: bool) -> RtpMap {
    let rtx_pt = has_rtx.then_some(VP8_RTX_PT);
    let payload_type = |pt, codec, clock_rate_hz, rtx_pt| PayloadType { pt, codec, clock_rate_hz, rtx_pt };
    RtpMap {
        payload_types: vec![
            payload_type(OPUS_PT, OPUS, 48_000, None),
            payload_type(RED_PT, RED, 48_000, None),
            payload_type(VP8_PT, VP8, 90_000, rtx_pt),
            payload_type(VP9_PT, VP9, 90_000, None),
        ],
        extensions: [
            (EXT_MID, ExtensionKind::Mid),
            (EXT_SEND_TIME, ExtensionKind::AbsSendTime),
            (EXT_TRANSPORT_CC, ExtensionKind::TransportCc),
            (EXT_AUDIO_LEVEL, ExtensionKind::AudioLevel),
            (EXT_RID, ExtensionKind::Rid),
            (EXT_REPAIRED_RID, ExtensionKind::RepairedRid),
            (EXT_ORIENTATION, ExtensionKind::VideoOrientation),
        ]
        .map(|(id, kind)| (id + shift, kind))
        .to_vec(),
    }
}

pub fn send_map_without_rtx() -> RtpMap {
    map(OUT_EXT_SHIFT, false)
}

/// A shard with its clients. Time moves by [`Net::run_until`].
pub struct Net {
    pub shard: Shard,
    pub now: Time,
    pub tx: TxArena,
    pub clients: HashMap<TransportId, Client>,
    pub events: Vec<Event>,
    /// (when, from whom, what) on the way to the server.
    wire: VecDeque<(Time, u8, SocketAddr, Vec<u8>)>,
    /// Datagrams to addresses of nobody.
    pub stray: Vec<(SocketAddr, Vec<u8>)>,
    pub profile: SrtpProfile,
    /// State of the dice and share, in 1/1,000, of datagrams that get lost on their way to clients.
    pub loss: (u64, u64),
    /// Whether the network towards subscribers is estimated; most tests look at media alone.
    pub estimates: bool,
}

pub fn address(id: u32) -> SocketAddr {
    SocketAddr::from(([10, (id >> 16) as u8, (id >> 8) as u8, id as u8], 40_000))
}

impl Net {
    pub fn new(seed: u64) -> Self {
        let unix_offset_us = 1_790_000_000_000_000;
        let mut net = Self {
            shard: Shard::new(ShardConfig { seed, unix_offset_us, ..ShardConfig::default() }),
            now: Time(1_000_000),
            tx: TxArena::with_capacity(1 << 20),
            clients: HashMap::new(),
            events: Vec::new(),
            wire: VecDeque::new(),
            stray: Vec::new(),
            profile: SrtpProfile::AeadAes128Gcm,
            loss: (seed, 0),
            estimates: false,
        };
        net.apply(Command::AddRouter { router: ROUTER });
        net
    }

    pub fn apply(&mut self, command: Command) {
        self.shard.apply(self.now, command, &mut self.tx);
        self.deliver();
    }

    /// Feeds one batch now.
    pub fn handle(&mut self, mut batch: Vec<(u8, SocketAddr, Vec<u8>)>) {
        let now = self.now;
        let mut datagrams: Vec<Datagram<'_>> = batch
            .iter_mut()
            .map(|(socket, source, bytes)| Datagram { socket: *socket, source: *source, received: now, bytes })
            .collect();
        self.shard.handle(now, &mut datagrams, &mut self.tx);
        self.deliver();
    }

    fn deliver(&mut self) {
        let mut by_address: HashMap<SocketAddr, TransportId> = HashMap::new();
        by_address.extend(self.clients.values().map(|client| (client.address, client.id)));
        for transmit in self.tx.iter() {
            if next_random(&mut self.loss.0) % 1_000 < self.loss.1 {
                continue;
            }
            match by_address.get(&transmit.destination).and_then(|id| self.clients.get_mut(id)) {
                Some(client) => client.take(self.now, transmit.bytes),
                None => self.stray.push((transmit.destination, transmit.bytes.to_vec())),
            }
        }
        self.tx.clear();
        self.events.extend(std::iter::from_fn(|| self.shard.poll_event()));
    }

    /// Lets a datagram arrive at the server later.
    pub fn send_at(&mut self, at: Time, id: TransportId, bytes: Vec<u8>) {
        let client = &self.clients[&id];
        let place = self.wire.partition_point(|entry| entry.0 <= at);
        self.wire.insert(place, (at, client.socket, client.address, bytes));
    }

    /// Moves time, with all that arrives and all that is due until then.
    pub fn run_until(&mut self, end: Time) {
        loop {
            let arrival = self.wire.front().map(|entry| entry.0);
            let timer = self.shard.next_timeout();
            let next = [arrival, timer].into_iter().flatten().min().filter(|&next| next <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            if timer.is_some_and(|timer| timer <= self.now) {
                self.shard.on_timeout(self.now, &mut self.tx);
                self.deliver();
            }
            let mut batch = Vec::new();
            while batch.len() < 64 && self.wire.front().is_some_and(|entry| entry.0 <= self.now) {
                let (_, socket, source, bytes) = self.wire.pop_front().expect("looked at");
                batch.push((socket, source, bytes));
            }
            if !batch.is_empty() {
                self.handle(batch);
            }
        }
        self.now = self.now.max(end);
    }

    pub fn run_for(&mut self, time: Micros) {
        self.run_until(self.now + time);
    }

    /// A connected client: transport, keys, maps, nominated path.
    pub fn join(&mut self, id: u32) -> TransportId {
        let transport = self.join_without_check(id);
        self.check(transport, true);
        transport
    }

    pub fn join_without_check(&mut self, id: u32) -> TransportId {
        let transport = TransportId(id);
        let credentials = credentials(id, 0);
        self.apply(Command::AddTransport { transport, router: ROUTER, ice: credentials.clone() });
        let profile = self.profile;
        let secret =
            |what: u32, len: usize| (0..len).map(|at| (id * 31 + what * 7 + at as u32) as u8).collect::<Vec<_>>();
        let keys = SrtpKeys {
            profile,
            send_key: secret(1, profile.key_len()),
            send_salt: secret(2, profile.salt_len()),
            receive_key: secret(3, profile.key_len()),
            receive_salt: secret(4, profile.salt_len()),
        };
        let client = Client {
            id: transport,
            address: address(id),
            socket: 0,
            credentials,
            srtp_out: TrackedEgress::new(profile, &keys.receive_key, &keys.receive_salt).expect("lengths"),
            srtp_in: SrtpIngress::new(profile, &keys.send_key, &keys.send_salt).expect("lengths"),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            stun: Vec::new(),
            dtls: Vec::new(),
            transport_cc: 0,
        };
        self.clients.insert(transport, client);
        self.apply(Command::SetSrtpKeys { transport, keys });
        self.set_rtp(transport, receive_map(), send_map());
        transport
    }

    pub fn set_rtp(&mut self, transport: TransportId, receive: RtpMap, send: RtpMap) {
        self.apply(Command::SetRtp { transport, receive, send, rtcp_reduced_size: true });
    }

    /// A connectivity check from where the client is.
    pub fn check(&mut self, id: TransportId, use_candidate: bool) {
        let client = &self.clients[&id];
        let datagram = check_datagram(&client.credentials, use_candidate, IceRole::Controlling(1));
        self.handle(vec![(client.socket, client.address, datagram)]);
    }

    pub fn client(&mut self, id: TransportId) -> &mut Client {
        self.clients.get_mut(&id).expect("joined")
    }

    pub fn produce(
        &mut self,
        id: u32,
        transport: TransportId,
        kind: Kind,
        mid: &str,
        encodings: Vec<EncodingOptions>,
    ) -> ProducerId {
        let options = ProducerOptions { kind, mid: mid.to_owned(), encodings };
        self.apply(Command::AddProducer { producer: ProducerId(id), transport, options });
        ProducerId(id)
    }

    /// A consumer with SSRC `id` x 10 and, for video, RTX SSRC `id` x 10 + 1.
    pub fn consume(&mut self, id: u32, transport: TransportId, kind: Kind, producer: ProducerId) -> ConsumerId {
        let rtx_ssrc = (kind == Kind::Video).then_some(Ssrc(id * 10 + 1));
        let (ssrc, mid, cname) = (Ssrc(id * 10), format!("c{id}"), format!("cname{id}"));
        let options = ConsumerOptions { kind, mid, ssrc, rtx_ssrc, cname };
        let consumer = ConsumerId(id);
        self.apply(Command::AddConsumer { consumer, transport, options });
        if kind == Kind::Video && self.estimates {
            self.apply(Command::SetBandwidth { transport, options: BweOptions::default() });
        }
        self.switch(consumer, Some(producer));
        consumer
    }

    pub fn switch(&mut self, consumer: ConsumerId, producer: Option<ProducerId>) {
        self.apply(Command::SwitchConsumer { consumer, producer });
    }

    pub fn set_layers(&mut self, consumer: ConsumerId, spatial: u8, temporal: u8) {
        self.apply(Command::SetLayers { consumer, limit: LayerLimit { spatial, temporal } });
    }

    /// A subscriber's NACK, arriving now.
    pub fn nack(&mut self, transport: TransportId, ssrc: u32, seqs: &[u16]) {
        self.control(transport, |writer| {
            write_nack(writer, 1, ssrc, seqs).expect("room");
        });
    }

    pub fn pli(&mut self, transport: TransportId, media_ssrc: u32) {
        self.control(transport, |writer| write_pli(writer, Pli { sender_ssrc: 1, media_ssrc }).expect("room"));
    }

    pub fn report(&mut self, transport: TransportId, block: ReportBlock) {
        self.control(transport, |writer| write_receiver_report(writer, 1, &[block]).expect("room"));
    }

    pub fn control(&mut self, transport: TransportId, write: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let plain = writer.written().to_vec();
        let client = self.client(transport);
        let (socket, address, bytes) = (client.socket, client.address, client.protect_rtcp(&plain));
        self.handle(vec![(socket, address, bytes)]);
    }

    pub fn drops(&self, name: &str) -> u64 {
        let snapshot = self.shard.snapshot(self.now);
        snapshot.drops.iter().find(|(reason, _)| *reason == name).expect("a known reason").1
    }

    pub fn consumer(&self, id: ConsumerId) -> ConsumerStats {
        let consumers = self.shard.snapshot(self.now).consumers;
        consumers.into_iter().find(|entry| entry.0 == id).expect("consumer").1
    }

    pub fn producer(&self, id: ProducerId) -> ProducerSnapshot {
        let producers = self.shard.snapshot(self.now).producers;
        producers.into_iter().find(|entry| entry.id == id).expect("producer")
    }
}

pub fn credentials(id: u32, generation: u32) -> IceCredentials {
    IceCredentials {
        ufrag: format!("u{id}g{generation}xx"),
        pwd: format!("password of client {id:06} generation {generation}"),
    }
}

pub fn check_datagram(credentials: &IceCredentials, use_candidate: bool, role: IceRole) -> Vec<u8> {
    let username = format!("{}:them", credentials.ufrag);
    let (transaction_id, role) = ([7; 12], Some(role));
    let request = BindingRequest { transaction_id, username: &username, priority: Some(1), role, use_candidate };
    let mut buffer = [0; 640];
    let len = request.write(&mut buffer, &IntegrityKey::new(&credentials.pwd)).expect("room");
    buffer[..len].to_vec()
}

pub fn parse_stun(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).expect("well-formed STUN")
}

/// A plaintext RTP packet.
pub fn rtp(fields: &HeaderFields, elements: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 2_048];
    let len = HeaderWriter::write(&mut buffer, fields, elements).expect("room");
    buffer.truncate(len);
    buffer.extend_from_slice(payload);
    buffer
}
