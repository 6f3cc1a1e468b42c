//! One publisher and many subscribers on a shard without sockets: real ICE checks, real SRTP, virtual time. What is
//! measured is [`FanOut::forward`] alone; packets are made and verified outside of it.

use std::net::SocketAddr;

use sfu_core::command::{
    Codec, CodecId, Command, ConsumerOptions, EncodingOptions, ExtensionKind, IceCredentials, Kind, PayloadType,
    ProducerOptions, RtpMap, SrtpKeys, SrtpProfile,
};
use sfu_core::demux::{Protocol, classify};
use sfu_core::ids::{ConsumerId, ProducerId, RouterId, Ssrc, TransportId};
use sfu_core::rtp::{HeaderFields, HeaderWriter};
use sfu_core::shard::{Datagram, Shard, ShardConfig};
use sfu_core::srtp::{MAX_OVERHEAD, SrtpEgress, SrtpIngress};
use sfu_core::stun::{BindingRequest, IceRole, IntegrityKey};
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::TxArena;

/// Packets of a frame, which arrive together: 1.5 Mbit/s at 30 frames a second.
pub const BATCH: usize = 5;
/// Of a datagram to a subscriber with AES-GCM; the publisher's are as long, as their extensions take as much room.
pub const DATAGRAM_BYTES: usize = 1_200;
const FRAME_INTERVAL: Micros = Micros(33_333);
/// Each client checks its path (RFC 7675: every 5 s) or the shard stops sending.
const FRAMES_PER_CHECK: u64 = 150;

const PUBLISHER: TransportId = TransportId(1);
const PUBLISHER_SSRC: u32 = 0x1234_5678;
const FIRST_CONSUMER_SSRC: u32 = 0x1000_0000;
const PASSWORD: &str = "passwordpasswordpassword";
const EXTENSIONS: [(u8, ExtensionKind); 3] =
    [(1, ExtensionKind::Mid), (2, ExtensionKind::AbsSendTime), (3, ExtensionKind::TransportCc)];
const PT: u8 = 96;

pub struct FanOut {
    shard: Shard,
    tx: TxArena,
    now: Time,
    subscribers: u32,
    publisher: SrtpEgress,
    /// What the first subscriber reads its packets with.
    witness: SrtpIngress,
    frame: u64,
    batch: [Vec<u8>; BATCH],
}

impl FanOut {
    pub fn new(subscribers: u32, profile: SrtpProfile) -> Self {
        let keys = keys(profile);
        let mut this = Self {
            shard: Shard::new(ShardConfig { seed: 1, ..ShardConfig::default() }),
            tx: TxArena::with_capacity(0),
            now: Time(1_000_000),
            subscribers,
            publisher: SrtpEgress::new(profile, &keys.receive_key, &keys.receive_salt).expect("keys"),
            witness: SrtpIngress::new(profile, &keys.send_key, &keys.send_salt).expect("keys"),
            frame: 0,
            batch: Default::default(),
        };
        this.apply(Command::AddRouter { router: RouterId(1) });
        for id in 0..=subscribers {
            this.join(TransportId(PUBLISHER.0 + id), &keys);
        }
        this.check_paths();
        let encodings = vec![EncodingOptions { rid: None, ssrc: Some(Ssrc(PUBLISHER_SSRC)), rtx_ssrc: None }];
        let options = ProducerOptions { kind: Kind::Video, mid: "0".to_owned(), encodings };
        this.apply(Command::AddProducer { producer: ProducerId(1), transport: PUBLISHER, options });
        (0..subscribers).for_each(|number| this.subscribe(number));
        this
    }

    /// The publisher makes its next frame; the first one is the keyframe that everybody starts with.
    pub fn prepare(&mut self) {
        self.now = self.now + FRAME_INTERVAL;
        if self.frame.is_multiple_of(FRAMES_PER_CHECK) {
            self.check_paths();
        }
        for (index, packet) in self.batch.iter_mut().enumerate() {
            let seq = self.frame * BATCH as u64 + index as u64;
            write_packet(packet, self.frame, index, seq);
            let len = packet.len();
            packet.resize(len + MAX_OVERHEAD, 0);
            let len = self.publisher.protect_rtp(packet, len, seq).expect("protect");
            packet.truncate(len);
        }
        self.frame += 1;
    }

    /// What a shard thread does with a frame but for the socket calls: everything from the publisher's datagrams to the
    /// subscribers' in the arena, and the timers that are due.
    #[inline(never)]
    pub fn forward(&mut self) {
        let now = self.now;
        self.tx.clear();
        let mut datagrams = self.batch.each_mut().map(|bytes| Datagram {
            socket: 0,
            source: address(PUBLISHER),
            received: now,
            bytes: bytes.as_mut_slice(),
        });
        self.shard.handle(now, &mut datagrams, &mut self.tx);
        if self.shard.next_timeout().is_some_and(|due| due <= now) {
            self.shard.on_timeout(now, &mut self.tx);
        }
    }

    /// Counts what was forwarded: every packet once to every subscriber, and the first one can decrypt its own.
    pub fn verify(&mut self) -> usize {
        let destination = address(TransportId(PUBLISHER.0 + 1));
        let (mut forwarded, mut decrypted) = (0, 0);
        for transmit in self.tx.iter().filter(|transmit| classify(transmit.bytes) == Some(Protocol::Rtp)) {
            forwarded += 1;
            if transmit.destination == destination {
                self.witness.unprotect_rtp(&mut transmit.bytes.to_vec()).expect("authentic and new");
                decrypted += 1;
            }
        }
        assert_eq!((forwarded, decrypted), (BATCH * self.subscribers as usize, BATCH));
        forwarded
    }

    fn apply(&mut self, command: Command) {
        self.shard.apply(self.now, command, &mut self.tx);
        while self.shard.poll_event().is_some() {}
    }

    fn join(&mut self, transport: TransportId, keys: &SrtpKeys) {
        let ice = IceCredentials { ufrag: ufrag(transport), pwd: PASSWORD.to_owned() };
        self.apply(Command::AddTransport { transport, router: RouterId(1), ice });
        self.apply(Command::SetSrtpKeys { transport, keys: keys.clone() });
        self.apply(Command::SetRtp { transport, receive: rtp_map(), send: rtp_map(), rtcp_reduced_size: true });
    }

    fn subscribe(&mut self, number: u32) {
        let (consumer, transport) = (ConsumerId(number), TransportId(PUBLISHER.0 + 1 + number));
        let ssrc = FIRST_CONSUMER_SSRC + number * 2;
        let options = ConsumerOptions {
            kind: Kind::Video,
            mid: "0".to_owned(),
            ssrc: Ssrc(ssrc),
            rtx_ssrc: Some(Ssrc(ssrc + 1)),
            cname: "fan-out".to_owned(),
        };
        self.apply(Command::AddConsumer { consumer, transport, options });
        // Media alone is counted: no probes.
        self.apply(Command::SetDesiredBitrate { transport, bps: 0 });
        self.apply(Command::SwitchConsumer { consumer, producer: Some(ProducerId(1)) });
    }

    /// A check from every client, as it joins and again and again.
    fn check_paths(&mut self) {
        let key = IntegrityKey::new(PASSWORD);
        for id in 0..=self.subscribers {
            let transport = TransportId(PUBLISHER.0 + id);
            let request = BindingRequest {
                transaction_id: [id as u8; 12],
                username: &format!("{}:client", ufrag(transport)),
                priority: Some(1),
                role: Some(IceRole::Controlling(1)),
                use_candidate: true,
            };
            let mut buffer = [0; 500];
            let len = request.write(&mut buffer, &key).expect("room");
            let (source, received) = (address(transport), self.now);
            let datagram = Datagram { socket: 0, source, received, bytes: &mut buffer[..len] };
            self.tx.clear();
            self.shard.handle(received, &mut [datagram], &mut self.tx);
            assert!(!self.tx.is_empty(), "the check of {transport:?} is answered");
        }
        while self.shard.poll_event().is_some() {}
    }
}

fn ufrag(transport: TransportId) -> String {
    format!("u{:07}", transport.0)
}

fn address(transport: TransportId) -> SocketAddr {
    let [_, _, high, low] = transport.0.to_be_bytes();
    SocketAddr::from(([10, 0, high, low], 40_000))
}

fn rtp_map() -> RtpMap {
    let codec = CodecId { codec: Codec::Vp8, variant: 0 };
    RtpMap {
        payload_types: vec![PayloadType { pt: PT, codec, clock_rate_hz: 90_000, rtx_pt: Some(PT + 1) }],
        extensions: EXTENSIONS.to_vec(),
    }
}

pub fn keys(profile: SrtpProfile) -> SrtpKeys {
    let (send_key, send_salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
    let (receive_key, receive_salt) = (vec![3; profile.key_len()], vec![4; profile.salt_len()]);
    SrtpKeys { profile, send_key, send_salt, receive_key, receive_salt }
}

/// A VP8 packet before protection: picture id and tl0picidx are there to be rewritten.
pub fn write_packet(packet: &mut Vec<u8>, frame: u64, index: usize, seq: u64) {
    packet.clear();
    packet.resize(100, 0);
    let fields = HeaderFields {
        marker: index == BATCH - 1,
        pt: PT,
        seq: seq as u16,
        timestamp: (frame as u32).wrapping_mul(3_000),
        ssrc: PUBLISHER_SSRC,
        has_padding: false,
    };
    let transport_cc = (seq as u16).to_be_bytes();
    let elements: [(u8, &[u8]); 3] = [(1, b"0"), (2, &[0; 3]), (3, &transport_cc)];
    let len = HeaderWriter::write(packet, &fields, &elements).expect("room");
    packet.truncate(len);
    // RFC 7741 §4.2: X and, with a frame's first packet, S; I, L and T; then the frame tag, whose lowest bit says "no
    // keyframe".
    let [high, low] = (0x8000 | frame as u16).to_be_bytes();
    let start = u8::from(index == 0) << 4;
    packet.extend([0x80 | start, 0xE0, high, low, frame as u8, 0, u8::from(frame > 0)]);
    packet.resize(DATAGRAM_BYTES - SrtpProfile::AeadAes128Gcm.rtp_overhead(), 0xAB);
}
