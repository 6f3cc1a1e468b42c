//! A million random and mutated datagrams, from strangers and from authenticated clients, while a
//! call goes on beside them: no panic, bounded memory, every frame of the call arrives.

mod support;

use sfu_core::command::{Codec, CodecId, Command, EncodingOptions, ExtensionKind, Kind, PayloadType, RtpMap};
use sfu_core::hash::next_random;
use sfu_core::ids::{ConsumerId, ProducerId, Ssrc, TransportId};
use sfu_core::rtcp::{
    FeedbackFields, Pli, ReportBlock, SenderInfo, write_bye, write_cname, write_fir, write_nack, write_pli,
    write_receiver_report, write_sender_report, write_transport_feedback,
};
use sfu_core::rtp::HeaderFields;
use sfu_core::stun::IceRole;
use sfu_core::time::Micros;
use sfu_core::wire::Writer;
use support::media::{Vp8, read_mark};
use support::{Net, check_datagram, credentials, rtp};

const DATAGRAMS: u64 = 1_000_000;
const BATCH: u64 = 50;
/// Datagrams after which the hostile client leaves and comes again as another.
const LIFE: u64 = 20_000;
const SSRCS: [u32; 6] = [10, 11, 20, 21, 30, 40];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        next_random(&mut self.0)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, max: u64) -> Vec<u8> {
        let len = self.below(max + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Changes some bytes, cuts or lengthens.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len() as u64) as usize;
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.next() as u8),
                2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][self.below(5) as usize],
                3 => bytes[at] ^= 1 << self.below(8),
                _ => bytes[at] = self.next() as u8,
            }
        }
    }
}

/// All codecs and all extensions.
fn everything() -> RtpMap {
    let codecs = [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1]
        .map(|codec| CodecId { codec, variant: 0 });
    let payload_types = codecs.iter().zip(0u8..).map(|(&codec, index)| PayloadType {
        pt: 100 + 2 * index,
        codec,
        clock_rate_hz: if index < 2 { 48_000 } else { 90_000 },
        rtx_pt: (index >= 2).then_some(101 + 2 * index),
    });
    let kinds = [
        ExtensionKind::Mid,
        ExtensionKind::Rid,
        ExtensionKind::RepairedRid,
        ExtensionKind::AudioLevel,
        ExtensionKind::AbsSendTime,
        ExtensionKind::TransportCc,
        ExtensionKind::VideoOrientation,
        ExtensionKind::PlayoutDelay,
        ExtensionKind::DependencyDescriptor,
        ExtensionKind::AbsCaptureTime,
    ];
    RtpMap {
        payload_types: payload_types.collect(),
        extensions: kinds.into_iter().zip(1..).map(|(k, id)| (id, k)).collect(),
    }
}

fn encoding(ssrc: u32, rid: Option<&str>) -> EncodingOptions {
    EncodingOptions { rid: rid.map(str::to_owned), ssrc: Some(Ssrc(ssrc)), rtx_ssrc: Some(Ssrc(ssrc + 1)) }
}

struct Attack {
    net: Net,
    random: Random,
    hostile: TransportId,
    /// Gets what the hostile client publishes; its SRTP would tell of a number that is used twice.
    victim: TransportId,
    seqs: [u16; SSRCS.len()],
    generation: u32,
}

impl Attack {
    /// The hostile client joins (again), publishes to a victim, and subscribes.
    fn renew(&mut self) {
        self.generation += 1;
        if self.generation > 1 {
            self.net.apply(Command::RemoveTransport { transport: self.hostile });
            self.net.apply(Command::RemoveConsumer { consumer: ConsumerId((999 + self.generation) * 10) });
            self.net.apply(Command::RemoveTransport { transport: self.victim });
            self.net.clients.remove(&self.hostile);
            self.net.clients.remove(&self.victim);
        }
        let id = 1_000 + self.generation;
        self.hostile = self.net.join(id);
        self.net.set_rtp(self.hostile, everything(), everything());
        let simulcast = vec![encoding(10, Some("q")), encoding(20, Some("h"))];
        self.net.produce(id * 10, self.hostile, Kind::Video, "v", simulcast);
        self.net.produce(id * 10 + 1, self.hostile, Kind::Audio, "a", vec![encoding(30, None)]);
        self.net.produce(id * 10 + 2, self.hostile, Kind::Video, "s", vec![EncodingOptions::default()]);
        self.victim = self.net.join(20_000 + self.generation);
        for (offset, kind) in [(0, Kind::Video), (1, Kind::Audio), (2, Kind::Video)] {
            let consumer = id * 10 + offset;
            self.net.consume(consumer, self.victim, kind, ProducerId(id * 10 + offset));
        }
        // It watches the call, and may ask for anything.
        self.net.consume(id * 10 + 5, self.hostile, Kind::Video, ProducerId(1));
    }

    fn media(&mut self) -> Vec<u8> {
        let which = self.random.below(SSRCS.len() as u64) as usize;
        let step = match self.random.below(1_000) {
            0 => 40_000,
            1 => 3_500,
            2..10 => 900,
            10..100 => self.random.below(6) as u16,
            100..150 => u16::MAX - 2,
            _ => 1,
        };
        self.seqs[which] = self.seqs[which].wrapping_add(step);
        let usual = [104, 105, 106, 107, 102, 110][which];
        let pt = if self.random.below(10) == 0 { 100 + self.random.below(12) as u8 } else { usual };
        let fields = HeaderFields {
            marker: self.random.below(3) == 0,
            pt,
            seq: self.seqs[which],
            timestamp: (self.random.below(2) as u32)
                .wrapping_mul(3_000)
                .wrapping_add(u32::from(self.seqs[which]) * 1_000),
            ssrc: SSRCS[which],
            has_padding: self.random.below(20) == 0,
        };
        let descriptor = self.random.bytes(40);
        let number = (self.random.next() as u16).to_be_bytes();
        let mid: &[u8] = [&b"v"[..], b"a", b"s"][self.random.below(3) as usize];
        let mut elements: Vec<(u8, &[u8])> = vec![(1, mid), (6, &number), (4, &[5])];
        if self.random.below(3) == 0 && !descriptor.is_empty() {
            elements.push((9, &descriptor));
        }
        let mut payload = self.random.bytes(60);
        let start: &[u8] = [
            &[0x90, 0xE0, 0x80, 1, 1, 0, 0][..],
            &[0x80, 0xE0, 0x80, 2, 1, 0x40, 1],
            &[0xAC, 0x81, 2, 0, 7],
            &[24, 0, 4, 0x67, 1, 2, 3],
            &[0x18, 0x0A, 1, 2],
            &[0xEF, 0, 0, 2, 111],
            &[],
        ][self.random.below(7) as usize];
        payload.splice(0..0, start.iter().copied());
        let mut packet = rtp(&fields, &elements, &payload);
        match self.random.below(30) {
            0 => self.random.mutate(&mut packet),
            // Extension and payload only: the packet stays one of its stream.
            1..10 => {
                let mut rest = packet.split_off(12);
                self.random.mutate(&mut rest);
                packet.append(&mut rest);
            }
            _ => {}
        }
        packet
    }

    fn control(&mut self) -> Vec<u8> {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        let ssrc = [10, 20, 30, (1_000 + self.generation) * 100 + 50, 1][self.random.below(5) as usize];
        for _ in 0..=self.random.below(3) {
            let seq = self.random.next() as u16;
            let written = match self.random.below(9) {
                0 => {
                    let (ntp, rtp_ts) = (self.random.next(), self.random.next() as u32);
                    let info = SenderInfo { ssrc, ntp, rtp_ts, packet_count: 1, octet_count: 1 };
                    write_sender_report(&mut writer, &info, &[])
                }
                1 => {
                    let lsr = self.random.next() as u32;
                    write_receiver_report(&mut writer, 1, &[ReportBlock { ssrc, lsr, ..ReportBlock::default() }])
                }
                2 | 3 => {
                    let seqs: Vec<u16> =
                        (0..self.random.below(400) as u16).map(|offset| seq.wrapping_add(offset)).collect();
                    write_nack(&mut writer, 1, ssrc, &seqs).map(|_| ())
                }
                4 => write_pli(&mut writer, Pli { sender_ssrc: 1, media_ssrc: ssrc }),
                5 => write_fir(&mut writer, 1, ssrc, seq as u8),
                6 => write_bye(&mut writer, &[ssrc]),
                7 => write_cname(&mut writer, ssrc, b"x"),
                _ => {
                    let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: ssrc, feedback_count: 1 };
                    let arrivals = [(u64::from(seq), 1_000), (u64::from(seq) + 3, 5_000)];
                    write_transport_feedback(&mut writer, fields, u64::from(seq), &arrivals).map(|_| ())
                }
            };
            if written.is_err() {
                break;
            }
        }
        let mut packet = writer.written().to_vec();
        self.random.mutate(&mut packet);
        packet
    }

    /// A request for something that the client did get.
    fn asks_again(&mut self, transport: TransportId) -> Option<(u8, std::net::SocketAddr, Vec<u8>)> {
        let which = self.random.next() as usize;
        let client = self.net.client(transport);
        let wanted = client.rtp.get(which % client.rtp.len().max(1))?.header;
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer);
        write_nack(&mut writer, 1, wanted.ssrc, &[wanted.seq]).expect("room");
        Some((client.socket, client.address, client.protect_rtcp(writer.written())))
    }

    fn datagram(&mut self) -> (u8, std::net::SocketAddr, Vec<u8>) {
        let asking = [self.hostile, self.victim][self.random.below(2) as usize];
        if self.random.below(20) == 0
            && let Some(request) = self.asks_again(asking)
        {
            return request;
        }
        let (mut socket, mut source) = (0, self.net.client(self.hostile).address);
        let bytes = match self.random.below(10) {
            0 => {
                let mut bytes = self.random.bytes(200);
                if let Some(first) = bytes.first_mut() {
                    *first = [0, 1, 20, 22, 63, 128, 144, 191][self.random.below(8) as usize];
                }
                if self.random.below(2) == 0 {
                    (socket, source) = (1, support::address(self.random.below(100) as u32 + 5_000));
                }
                bytes
            }
            1 => {
                let credentials = credentials(1_000 + self.generation, 0);
                let role = if self.random.below(9) == 0 { IceRole::Controlled(1) } else { IceRole::Controlling(1) };
                let mut bytes = check_datagram(&credentials, self.random.below(2) == 0, role);
                self.random.mutate(&mut bytes);
                bytes
            }
            2 | 3 => {
                let plain = self.control();
                let client = self.net.client(self.hostile);
                if plain.len() >= 8 { client.protect_rtcp(&plain) } else { plain }
            }
            _ => {
                let plain = self.media();
                let client = self.net.client(self.hostile);
                let mut bytes = client.try_protect(&plain).unwrap_or(plain);
                if self.random.below(20) == 0 {
                    self.random.mutate(&mut bytes);
                }
                bytes
            }
        };
        (socket, source, bytes)
    }
}

#[test]
fn a_million_hostile_datagrams_change_nothing_for_the_call_beside_them() {
    let seed = 0x5EED;
    println!("seed {seed}");
    let mut net = Net::new(seed);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    net.set_rtp(subscriber, support::receive_map(), support::send_map());
    let producer = net.produce(1, publisher, Kind::Video, "v", vec![encoding(1_000, None)]);
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    let (hostile, victim) = (TransportId(0), TransportId(0));
    let mut attack = Attack { net, random: Random(seed), hostile, victim, seqs: [0; SSRCS.len()], generation: 0 };
    let mut memory = Vec::new();
    for number in 0..DATAGRAMS / BATCH {
        if number % (LIFE / BATCH) == 0 {
            attack.renew();
        }
        let batch = (0..BATCH).map(|_| attack.datagram()).collect();
        attack.net.handle(batch);
        let pause = attack.random.below(20_000);
        attack.net.run_for(Micros(pause));
        if number % 20 == 0 {
            attack.net.check(publisher, false);
            attack.net.check(subscriber, false);
            for sent in video.frame(video.frame == 0, 0, false) {
                let bytes = attack.net.client(publisher).protect(&sent.bytes);
                attack.net.send_at(attack.net.now, publisher, bytes);
            }
            attack.net.run_for(Micros(0));
            attack.net.check(attack.victim, false);
            attack.net.client(attack.hostile).forget_received();
            attack.net.client(attack.victim).forget_received();
            attack.net.events.clear();
            attack.net.stray.clear();
        }
        if number % 1_000 == 999 {
            memory.push(attack.net.shard.footprint());
        }
    }
    let client = attack.net.client(subscriber);
    let frames: Vec<(u32, u8)> =
        client.stream(70).iter().map(|it| read_mark(it.payload())).map(|mark| (mark.frame, mark.packet)).collect();
    let expected: Vec<(u32, u8)> =
        (1..=video.frame).flat_map(|frame| (0..3).map(move |packet| (frame, packet))).collect();
    assert_eq!(frames, expected);
    let (first, last) = (memory[1], memory[memory.len() - 1]);
    assert!(last <= first + first / 2, "grows: {memory:?}");
    let counters = attack.net.shard.snapshot(attack.net.now).counters;
    println!("{counters:?}");
    // The attack was not turned away at the door: it reached every part.
    for (name, count) in [
        ("rx_rtp", counters.rx_rtp),
        ("rx_rtcp", counters.rx_rtcp),
        ("tx_rtp", counters.tx_rtp),
        ("tx_retransmitted", counters.tx_retransmitted),
        ("rx_keyframes", counters.rx_keyframes),
        ("rx_recovered", counters.rx_recovered),
        ("tx_nacks", counters.tx_nacks),
        ("tx_plis", counters.tx_plis),
    ] {
        assert!(count > 100, "{name}: {count}");
    }
}
