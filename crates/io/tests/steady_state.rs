//! Forwarding allocates nothing once it runs: not for a packet, a report, a lost packet or a
//! retransmission. Lives here because a counting allocator needs `unsafe`, and `sfu-core` has none.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[path = "../../core/tests/support/mod.rs"]
mod support;

use sfu_core::command::{EncodingOptions, Kind};
use sfu_core::ids::{Ssrc, TransportId};
use sfu_core::rtcp::write_nack;
use sfu_core::shard::Datagram;
use sfu_core::time::Micros;
use sfu_core::transmit::TxArena;
use sfu_core::wire::Writer;
use support::Net;
use support::media::Vp8;

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
