//! What the stops of a media packet cost, apart and together: `make bench`, or `cargo bench -p sfu-core [-- filter]`.
//!
//! Times vary with the machine and with what else it does; `make guard` counts instructions, which do not.

mod support;

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sfu_core::command::SrtpProfile;
use sfu_core::rewrite::{Mapping, SequenceMap, Source};
use sfu_core::slab::Slab;
use sfu_core::srtp::{MAX_OVERHEAD, SrtpEgress, SrtpIngress};
use sfu_core::transmit::TxArena;
use support::{BATCH, DATAGRAM_BYTES, FanOut, keys, write_packet};

const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmHmacSha1_80];

/// Subscribers: a call, a meeting, a webinar.
const FAN_OUTS: [u32; 3] = [1, 10, 200];

/// Packets of 1,200 bytes, one after the other as one stream.
struct Sender {
    egress: SrtpEgress,
    packet: Vec<u8>,
    len: usize,
    seq: u64,
}

impl Sender {
    fn new(profile: SrtpProfile) -> Self {
        let keys = keys(profile);
        let egress = SrtpEgress::new(profile, &keys.send_key, &keys.send_salt).expect("keys");
        let mut packet = Vec::new();
        write_packet(&mut packet, 0, 0, 0);
        let len = packet.len();
        packet.resize(len + MAX_OVERHEAD, 0);
        Self { egress, packet, len, seq: 0 }
    }

    fn protect(&mut self) -> &[u8] {
        self.packet[2..4].copy_from_slice(&(self.seq as u16).to_be_bytes());
        let len = self.egress.protect_rtp(&mut self.packet, self.len, self.seq).expect("protect");
        self.seq += 1;
        &self.packet[..len]
    }
}

fn protect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protect");
    group.throughput(Throughput::Bytes(DATAGRAM_BYTES as u64));
    for profile in PROFILES {
        let mut sender = Sender::new(profile);
        group.bench_function(format!("{profile:?}"), |bencher| {
            bencher.iter(|| {
                black_box(sender.protect());
            });
        });
    }
}

fn unprotect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unprotect");
    group.throughput(Throughput::Bytes(DATAGRAM_BYTES as u64));
    for profile in PROFILES {
        let (mut sender, keys) = (Sender::new(profile), keys(profile));
        let mut ingress = SrtpIngress::new(profile, &keys.send_key, &keys.send_salt).expect("keys");
        group.bench_function(format!("{profile:?}"), |bencher| {
            bencher.iter_batched_ref(
                || sender.protect().to_vec(),
                |packet| ingress.unprotect_rtp(packet).expect("authentic and new"),
                BatchSize::SmallInput,
            );
        });
    }
}

/// The consumer's own number of a packet in order, and back from that number to the packet.
fn rewrite(criterion: &mut Criterion) {
    let source = Source { producer: Slab::default().insert(()), encoding: 0 };
    let mut map = SequenceMap::new(0);
    map.start(source, 0, 0, Mapping::default());
    let mut ext_seq = 0;
    criterion.bench_function("rewrite", |bencher| {
        bencher.iter(|| {
            ext_seq += 1;
            let out_seq = map.advance(ext_seq);
            black_box(map.origin(out_seq as u16))
        });
    });
}

/// A batch to 200 subscribers copied into the arena and cut into runs for the kernel.
fn arena(criterion: &mut Criterion) {
    let (packet, subscribers) = ([0xAB; DATAGRAM_BYTES], FAN_OUTS[2]);
    let mut tx = TxArena::with_capacity(0);
    let mut group = criterion.benchmark_group("arena");
    group.throughput(Throughput::Elements(u64::from(subscribers) * BATCH as u64));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            tx.clear();
            for port in 0..subscribers as u16 {
                let destination = SocketAddr::from(([127, 0, 0, 1], 10_000 + port));
                for _ in 0..BATCH {
                    assert!(tx.push(0, destination, &packet));
                }
            }
        });
    });
    group.bench_function("trains", |bencher| {
        bencher.iter(|| black_box(tx.trains().map(|run| run.segments).sum::<usize>()));
    });
}

/// A batch of one frame through the whole shard: per packet forwarded, unprotect and timers included.
fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan_out");
    for profile in PROFILES {
        for subscribers in FAN_OUTS {
            let mut fan_out = FanOut::new(subscribers, profile);
            group.throughput(Throughput::Elements(u64::from(subscribers) * BATCH as u64));
            group.bench_function(BenchmarkId::new(format!("{profile:?}"), subscribers), |bencher| {
                bencher.iter_custom(|batches| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..batches {
                        fan_out.prepare();
                        let started = Instant::now();
                        fan_out.forward();
                        spent += started.elapsed();
                        fan_out.verify();
                    }
                    spent
                });
            });
        }
    }
}

criterion_group!(benches, protect, unprotect, rewrite, arena, fan_out);
criterion_main!(benches);
