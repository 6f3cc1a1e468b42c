//! CPU time that a whole shard thread takes for a forwarded packet, on real sockets over loopback.
//!
//! `cargo run --release -p sfu-io --example forwarding_cost [subscribers] [profile] [seconds]`. One publisher sends video
//! of 30 frames a second and 2.6 Mbit/s; each subscriber is a socket of its own that only reads. Linux only: reads the
//! threads' CPU time from /proc.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sfu_core::command::{
    Codec, CodecId, Command, ConsumerOptions, EncodingOptions, ExtensionKind, IceCredentials, Kind, PayloadType,
    ProducerOptions, RtpMap, SrtpKeys, SrtpProfile,
};
use sfu_core::ids::{ConsumerId, ProducerId, RouterId, Ssrc, TransportId};
use sfu_core::srtp::SrtpEgress;
use sfu_core::stun::{BindingRequest, IceRole, IntegrityKey};
use sfu_io::runner::{Options, ShardThread};

const THREAD: &str = "cost-shard";
const PASSWORD: &str = "passwordpasswordpassword";
const FRAMES_PER_SECOND: u64 = 30;
const PACKETS_PER_FRAME: u64 = 9;
const PACKET: usize = 1_200;
const SSRC: u32 = 0x1234_5678;

/// Nanoseconds on a CPU of this process' thread of that name.
fn thread_cpu_ns(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    for task in tasks.flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            return read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
        }
    }
    0
}

fn rtp_map() -> RtpMap {
    let codec = CodecId { codec: Codec::Vp8, variant: 0 };
    RtpMap {
        payload_types: vec![PayloadType { pt: 96, codec, clock_rate_hz: 90_000, rtx_pt: Some(97) }],
        extensions: vec![(1, ExtensionKind::Mid), (2, ExtensionKind::AbsSendTime), (3, ExtensionKind::TransportCc)],
    }
}

fn keys(profile: SrtpProfile) -> SrtpKeys {
    let (key, salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
    SrtpKeys { profile, send_key: key.clone(), send_salt: salt.clone(), receive_key: key, receive_salt: salt }
}

/// A transport with a client that passes its ICE check.
fn connect(shard: &ShardThread, id: u32, profile: SrtpProfile) -> UdpSocket {
    let transport = TransportId(id);
    let ufrag = format!("u{id:07}");
    let ice = IceCredentials { ufrag: ufrag.clone(), pwd: PASSWORD.to_owned() };
    let commands = [
        Command::AddTransport { transport, router: RouterId(1), ice },
        Command::SetSrtpKeys { transport, keys: keys(profile) },
        Command::SetRtp { transport, receive: rtp_map(), send: rtp_map(), rtcp_reduced_size: true },
    ];
    for command in commands {
        shard.command(command).expect("room");
    }
    let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bind");
    socket.connect(shard.addresses()[0]).expect("connect");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("timeout");
    let request = BindingRequest {
        transaction_id: [id as u8; 12],
        username: &format!("{ufrag}:client"),
        priority: Some(1),
        role: Some(IceRole::Controlling(1)),
        use_candidate: true,
    };
    let mut buffer = [0; 1_500];
    let len = request.write(&mut buffer, &IntegrityKey::new(PASSWORD)).expect("fits");
    socket.send(&buffer[..len]).expect("send");
    socket.recv(&mut buffer).expect("the check is answered");
    socket
}

/// A VP8 packet; every 300th frame is a keyframe.
fn packet(frame: u64, index: u64, seq: u64) -> Vec<u8> {
    let marker = u8::from(index == PACKETS_PER_FRAME - 1) << 7;
    let mut packet = vec![0x80, marker | 0x60];
    packet.extend((seq as u16).to_be_bytes());
    packet.extend((frame as u32 * 3_000).to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    // Descriptor: start of partition 0 with the first packet. Then the frame tag, whose lowest bit says "no keyframe".
    packet.push(if index == 0 { 0x10 } else { 0 });
    packet.extend([u8::from(!frame.is_multiple_of(300)), 0, 0, 0x9D, 0x01, 0x2A, 0, 5, 0xD0, 2]);
    packet.resize(PACKET - 16, 0xAB);
    packet
}

fn publish(socket: &UdpSocket, profile: SrtpProfile, run: Duration) -> u64 {
    let egress = SrtpEgress::new(profile, &keys(profile).send_key, &keys(profile).send_salt).expect("keys");
    let (started, mut seq) = (Instant::now(), 0);
    for frame in 0.. {
        if started.elapsed() >= run {
            break;
        }
        for index in 0..PACKETS_PER_FRAME {
            let mut bytes = packet(frame, index, seq);
            let len = bytes.len();
            bytes.resize(len + 20, 0);
            let len = egress.protect_rtp(&mut bytes, len, seq).expect("protect");
            let _ = socket.send(&bytes[..len]);
            seq += 1;
        }
        let due = Duration::from_micros((frame + 1) * 1_000_000 / FRAMES_PER_SECOND);
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    seq
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let subscribers: u32 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(100);
    let profile = match arguments.next().as_deref() {
        Some("256") => SrtpProfile::AeadAes256Gcm,
        Some("sha1") => SrtpProfile::Aes128CmHmacSha1_80,
        _ => SrtpProfile::AeadAes128Gcm,
    };
    let run = Duration::from_secs(arguments.next().and_then(|n| n.parse().ok()).unwrap_or(5));
    let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let options = Options { listen, name: THREAD.to_owned(), cpu: None, seed: 1, offload: true };
    let shard = ShardThread::start(options).expect("start");
    shard.command(Command::AddRouter { router: RouterId(1) }).expect("room");
    let publisher = connect(&shard, 1, profile);
    let encodings = vec![EncodingOptions { rid: None, ssrc: Some(Ssrc(SSRC)), rtx_ssrc: None }];
    let options = ProducerOptions { kind: Kind::Video, mid: "0".to_owned(), encodings };
    shard.command(Command::AddProducer { producer: ProducerId(1), transport: TransportId(1), options }).expect("room");
    let clients: Vec<UdpSocket> = (0..subscribers)
        .map(|number| {
            let transport = TransportId(number + 2);
            let socket = connect(&shard, transport.0, profile);
            let (consumer, ssrc) = (ConsumerId(number + 1), Ssrc(0x1000_0000 + number * 2));
            let rtx_ssrc = Some(Ssrc(ssrc.0 + 1));
            let (mid, cname) = ("1".to_owned(), "cost".to_owned());
            let options = ConsumerOptions { kind: Kind::Video, mid, ssrc, rtx_ssrc, cname };
            shard.command(Command::AddConsumer { consumer, transport, options }).expect("room");
            shard.command(Command::SwitchConsumer { consumer, producer: Some(ProducerId(1)) }).expect("room");
            socket
        })
        .collect();
    let (stop, received) = (AtomicBool::new(false), AtomicU64::new(0));
    let cpu_before = thread_cpu_ns(THREAD);
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 1_500];
            for socket in &clients {
                socket.set_nonblocking(true).expect("nonblocking");
            }
            while !stop.load(Ordering::Relaxed) {
                for socket in &clients {
                    while socket.recv(&mut buffer).is_ok() {
                        received.fetch_add(1, Ordering::Relaxed);
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let sent = publish(&publisher, profile, run);
        let elapsed = started.elapsed();
        let cpu = thread_cpu_ns(THREAD) - cpu_before;
        std::thread::sleep(Duration::from_millis(1_200));
        stop.store(true, Ordering::Relaxed);
        let io = &shard.published().io;
        println!(
            "{profile:?}, {subscribers} subscribers: {sent} packets in, {} out, {} received",
            io.sent,
            received.load(Ordering::Relaxed)
        );
        println!(
            "shard thread: {:.1} % of a CPU, {} ns a packet out; {:.1} packets a message, {:.1} a receive call",
            cpu as f64 / elapsed.as_nanos() as f64 * 100.0,
            cpu / io.sent.max(1),
            io.sent as f64 / io.sent_messages.max(1) as f64,
            io.received as f64 / io.receive_calls.max(1) as f64,
        );
    });
}
