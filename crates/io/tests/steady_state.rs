//! Forwarding allocates nothing once it runs: not for a packet, a report, a lost packet or a
//! retransmission. Lives here because a counting allocator needs `unsafe`, and `sfu-core` has none.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[path = "../../core/tests/support/mod.rs"]
mod support;

use sfu_core::command::{Command, ConsumerOptions, EncodingOptions, Kind};
use sfu_core::event::Event;
use sfu_core::ids::{ConsumerId, Ssrc, TransportId};
use sfu_core::rtcp::{FeedbackFields, write_nack, write_transport_feedback};
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::shard::Datagram;
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::TxArena;
use sfu_core::wire::Writer;
use support::media::{Opus, Vp8};
use support::subscriber::TRANSPORT_CC;
use support::{Net, ROUTER};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// Sends one frame (every seventh lacks a packet), then a NACK of a subscriber; returns what the
/// shard allocated meanwhile.
fn tick(net: &mut Net, video: &mut Vp8, tx: &mut TxArena, subscribers: &[TransportId], number: u32) -> usize {
    let publisher = TransportId(1);
    let mut frame = video.frame(number.is_multiple_of(60), [0, 2, 1, 2][number as usize % 4], true);
    if number.is_multiple_of(7) {
        frame.remove(1);
    }
    let mut packets: Vec<(std::net::SocketAddr, Vec<u8>)> =
        frame.iter().map(|sent| (net.client(publisher).address, net.client(publisher).protect(&sent.bytes))).collect();
    let mut buffer = [0; 100];
    for &id in subscribers {
        let mut writer = Writer::new(&mut buffer);
        let client = net.client(id);
        write_nack(&mut writer, 1, id.0 * 10, &[(number * 3) as u16]).expect("room");
        packets.push((client.address, client.protect_rtcp(writer.written())));
    }
    net.now = net.now + Micros(33_333);
    let (now, socket) = (net.now, 0);
    let mut batch: Vec<Datagram<'_>> =
        packets.iter_mut().map(|(source, bytes)| Datagram { socket, source: *source, received: now, bytes }).collect();
    tx.clear();
    let count = allocations(|| {
        net.shard.handle(now, &mut batch, tx);
        net.shard.on_timeout(now, tx);
    });
    while net.shard.poll_event().is_some() {}
    count
}

#[test]
fn forwarding_in_steady_state_allocates_nothing() {
    let mut net = Net::new(1);
    let publisher = net.join(1);
    let encoding =
        EncodingOptions { ssrc: Some(Ssrc(1_000)), rtx_ssrc: Some(Ssrc(1_001)), ..EncodingOptions::default() };
    let producer = net.produce(1, publisher, Kind::Video, "v", vec![encoding]);
    let subscribers: Vec<TransportId> = (2..22).map(|id| net.join(id)).collect();
    for &id in &subscribers {
        let consumer = net.consume(id.0, id, Kind::Video, producer);
        // Half of them without the higher temporal layers.
        net.set_layers(consumer, 0, if id.0.is_multiple_of(2) { 0 } else { 255 });
    }
    let mut video = Vp8::new(1_000, "v");
    let mut tx = TxArena::with_capacity(4 << 20);
    let mut warm_up = 0;
    for number in 0..600 {
        warm_up += tick(&mut net, &mut video, &mut tx, &subscribers, number);
    }
    let mut steady = 0;
    for number in 600..900 {
        for &id in [publisher].iter().chain(&subscribers) {
            // Keeps consent alive.
            if number % 300 == 0 {
                net.check(id, false);
            }
        }
        steady += tick(&mut net, &mut video, &mut tx, &subscribers, number);
    }
    assert!(warm_up > 0, "the counter does not count");
    let counters = net.shard.snapshot(net.now).counters;
    assert!(counters.tx_rtp > 20_000 && counters.tx_nacks > 50, "{counters:?}");
    assert_eq!(steady, 0, "allocations in 300 batches");
}

/// A subscriber's way to the server and back: what it got comes at this rate, and it tells of that.
struct Path {
    id: TransportId,
    bps: u64,
    free_at: Time,
    numbers: SeqUnwrapper,
    next: Option<u64>,
    flying: Vec<(u64, u64)>,
    count: u8,
}

impl Path {
    fn new(id: TransportId, bps: u64) -> Self {
        let (numbers, flying) = (SeqUnwrapper::default(), Vec::new());
        Self { id, bps, free_at: Time(0), numbers, next: None, flying, count: 0 }
    }

    /// Takes what came since the last time.
    fn take(&mut self, net: &mut Net) {
        for received in std::mem::take(&mut net.client(self.id).rtp) {
            self.free_at = self.free_at.max(received.at) + Micros(received.raw.len() as u64 * 8_000_000 / self.bps);
            if let Some(number) = received.extension(TRANSPORT_CC) {
                let number = self.numbers.unwrap_seq(u16::from_be_bytes([number[0], number[1]]));
                self.flying.push((number, self.free_at.0));
            }
        }
    }

    /// Feedback on what has arrived.
    fn tell(&mut self, net: &mut Net) -> Option<Vec<u8>> {
        let arrived = self.flying.partition_point(|entry| entry.1 <= net.now.0);
        let arrivals: Vec<(u64, u64)> = self.flying.drain(..arrived).collect();
        let first = arrivals.first()?.0;
        let base = self.next.unwrap_or(first).min(first);
        self.next = arrivals.last().map(|last| last.0 + 1);
        let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: self.id.0 * 10, feedback_count: self.count };
        self.count = self.count.wrapping_add(1);
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        write_transport_feedback(&mut writer, fields, base, &arrivals).expect("room");
        Some(net.client(self.id).protect_rtcp(writer.written()))
    }
}

/// 33 ms of a call in steps of a few milliseconds, feedback included; returns what the shard allocated meanwhile.
fn play_frame(net: &mut Net, video: &mut Vp8, tx: &mut TxArena, paths: &mut [Path], number: u32) -> usize {
    let publisher = TransportId(1);
    let frame = video.frame(number.is_multiple_of(60), [0, 2, 1, 2][number as usize % 4], true);
    let mut packets: Vec<(std::net::SocketAddr, Vec<u8>)> =
        frame.iter().map(|sent| (net.client(publisher).address, net.client(publisher).protect(&sent.bytes))).collect();
    let mut count = 0;
    for step in 0..7 {
        net.now = net.now + Micros(if step == 0 { 3_333 } else { 5_000 });
        if step % 2 == 1 {
            let told = paths.iter_mut().filter_map(|path| Some((net.client(path.id).address, path.tell(net)?)));
            packets.extend(told);
        }
        let now = net.now;
        let datagrams = packets.iter_mut();
        let mut batch: Vec<Datagram<'_>> =
            datagrams.map(|(source, bytes)| Datagram { socket: 0, source: *source, received: now, bytes }).collect();
        tx.clear();
        count += allocations(|| {
            net.shard.handle(now, &mut batch, tx);
            net.shard.on_timeout(now, tx);
        });
        packets.clear();
        for transmit in tx.iter() {
            let client = net.clients.values_mut().find(|client| client.address == transmit.destination);
            client.expect("a client").take(now, transmit.bytes);
        }
        for path in &mut *paths {
            path.take(net);
        }
        while net.shard.poll_event().is_some() {}
    }
    count
}

#[test]
fn estimating_probing_and_pacing_in_steady_state_allocate_nothing() {
    let mut net = Net::new(1);
    net.estimates = true;
    let publisher = net.join(1);
    let encoding =
        EncodingOptions { ssrc: Some(Ssrc(1_000)), rtx_ssrc: Some(Ssrc(1_001)), ..EncodingOptions::default() };
    let producer = net.produce(1, publisher, Kind::Video, "v", vec![encoding]);
    // 800 kbit/s of video: every second one has room for it, the others have not.
    let mut paths: Vec<Path> =
        (2..10).map(|id| Path::new(net.join(id), if id % 2 == 0 { 20_000_000 } else { 500_000 })).collect();
    for path in &paths {
        net.consume(path.id.0, path.id, Kind::Video, producer);
    }
    let mut video = Vp8 { filling: 1_000, ..Vp8::new(1_000, "v") };
    let mut tx = TxArena::with_capacity(4 << 20);
    let mut steady = 0;
    for number in 0..1_500 {
        if number % 300 == 0 {
            (1..10).for_each(|id| net.check(TransportId(id), false));
        }
        let count = play_frame(&mut net, &mut video, &mut tx, &mut paths, number);
        steady += if number < 900 { 0 } else { count };
    }
    let counters = net.shard.snapshot(net.now).counters;
    assert!(counters.tx_paced > 300 && counters.tx_probes > 100, "{counters:?}");
    assert!(counters.rx_transport_feedback > 10_000, "{counters:?}");
    assert_eq!(steady, 0, "allocations in 20 s");
}

/// Ten people on a stage of three positions: talkers, a room with noise, and one whose silence is held back.
fn hall(net: &mut Net) -> Vec<Opus> {
    net.apply(Command::SetStage { router: ROUTER, slots: 3, forward_silence: false });
    let mut microphones = Vec::new();
    for id in 1..=10 {
        let transport = net.join(id);
        let encoding = EncodingOptions { ssrc: Some(Ssrc(id * 1_000)), ..EncodingOptions::default() };
        let producer = net.produce(id, transport, Kind::Audio, "a", vec![encoding]);
        net.apply(Command::StageProducer { producer, staged: true, always: false });
        for position in 0..3u8 {
            let number = id * 10 + u32::from(position);
            let (ssrc, mid, cname) = (Ssrc(100_000 + number), format!("s{position}"), "c".to_owned());
            let options = ConsumerOptions { kind: Kind::Audio, mid, ssrc, rtx_ssrc: None, cname };
            let consumer = ConsumerId(number);
            net.apply(Command::AddConsumer { consumer, transport, options });
            net.apply(Command::StageConsumer { consumer, position: Some(position) });
        }
        microphones.push(Opus { level: if id == 4 { 90 } else { 60 }, ..Opus::new(id * 1_000, "a") });
    }
    microphones
}

#[test]
fn a_stage_allocates_nothing_but_the_levels_that_it_hands_up() {
    let mut net = Net::new(1);
    let mut microphones = hall(&mut net);
    let mut tx = TxArena::with_capacity(4 << 20);
    let (mut steady, mut handed_up) = (0, 0);
    for number in 0..1_000u32 {
        if number % 200 == 0 {
            (1..=10).for_each(|id| net.check(TransportId(id), false));
        }
        // Somebody else speaks every two seconds.
        let talker = (number / 100) as usize % 10;
        let mut packets: Vec<(std::net::SocketAddr, Vec<u8>)> = Vec::new();
        for (index, microphone) in microphones.iter_mut().enumerate() {
            let loud = if number % 7 == 0 { 45 } else { 20 };
            microphone.level = if index == talker { loud } else { microphone.level.max(60) };
            let client = net.client(TransportId(index as u32 + 1));
            packets.push((client.address, client.protect(&microphone.packet(0))));
        }
        net.now = net.now + Micros::from_millis(20);
        let now = net.now;
        let datagrams = packets.iter_mut();
        let mut batch: Vec<Datagram<'_>> =
            datagrams.map(|(source, bytes)| Datagram { socket: 0, source: *source, received: now, bytes }).collect();
        tx.clear();
        let count = allocations(|| {
            net.shard.handle(now, &mut batch, &mut tx);
            net.shard.on_timeout(now, &mut tx);
        });
        let (mut levels, mut changes) = (0, 0);
        while let Some(event) = net.shard.poll_event() {
            levels += usize::from(matches!(event, Event::Levels { .. }));
            changes += usize::from(matches!(event, Event::StageChanged { .. }));
        }
        // A position that changes hands costs some lists.
        if number >= 500 && changes == 0 {
            steady += count;
            handed_up += levels;
        }
    }
    let counters = net.shard.snapshot(net.now).counters;
    assert!(counters.tx_rtp > 10_000 && counters.stage_changes >= 8, "{counters:?}");
    assert!(net.drops("producer_silent") > 1_000);
    assert!((80..=101).contains(&handed_up), "{handed_up}");
    assert_eq!(steady, handed_up, "allocations in ten seconds");
}
