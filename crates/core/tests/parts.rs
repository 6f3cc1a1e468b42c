//! A wide fan-out is handed over in parts: the same datagrams in the same order, and never much at once.

mod support;

use std::net::SocketAddr;

use sfu_core::command::Kind;
use sfu_core::ids::TransportId;
use sfu_core::router::PART_BYTES;
use sfu_core::shard::Datagram;
use sfu_core::time::Time;
use sfu_core::transmit::{MAX_DATAGRAM, TxArena};
use support::Net;
use support::media::{Vp8, send_frame, single};

const SUBSCRIBERS: u32 = 150;

/// A meeting after its keyframe, and the publisher's next frame as it comes to the server.
fn meeting() -> (Net, Vec<(SocketAddr, Vec<u8>)>) {
    let mut net = Net::new(1);
    let publisher = net.join(1);
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    for id in 2..2 + SUBSCRIBERS {
        let subscriber = net.join(id);
        net.consume(id, subscriber, Kind::Video, producer);
    }
    let mut video = Vp8::new(1_000, "v");
    video.filling = 1_000;
    let frame = video.frame(true, 0, false);
    send_frame(&mut net, publisher, &frame);
    let frame = video.frame(false, 0, false);
    let client = net.client(TransportId(1));
    let datagrams = frame.iter().map(|sent| (client.address, client.protect(&sent.bytes))).collect();
    (net, datagrams)
}

fn batch(now: Time, datagrams: &mut [(SocketAddr, Vec<u8>)]) -> Vec<Datagram<'_>> {
    datagrams.iter_mut().map(|(source, bytes)| Datagram { socket: 0, source: *source, received: now, bytes }).collect()
}

fn sent(tx: &TxArena) -> Vec<(SocketAddr, Vec<u8>)> {
    tx.iter().map(|transmit| (transmit.destination, transmit.bytes.to_vec())).collect()
}

#[test]
fn the_parts_of_a_fan_out_are_what_it_sends_at_once() {
    let (mut whole, mut datagrams) = meeting();
    let mut tx = TxArena::with_capacity(0);
    whole.shard.handle(whole.now, &mut batch(whole.now, &mut datagrams), &mut tx);
    let expected = sent(&tx);
    let per_subscriber = tx.total_bytes() / SUBSCRIBERS as usize;
    assert!(tx.total_bytes() > 3 * PART_BYTES, "{} bytes are no wide fan-out", tx.total_bytes());

    let (mut parted, mut datagrams) = meeting();
    let mut parts = Vec::new();
    let mut take = |tx: &mut TxArena| {
        parts.push((tx.total_bytes(), sent(tx)));
        tx.clear();
    };
    let mut tx = TxArena::with_capacity(0);
    parted.shard.handle_in_parts(parted.now, &mut batch(parted.now, &mut datagrams), &mut tx, &mut take);
    take(&mut tx);
    assert!(parts.len() > 3, "{} parts", parts.len());
    // A part ends behind the first subscriber that makes it long enough.
    let longest = parts.iter().map(|part| part.0).max().unwrap_or(0);
    assert!(longest < PART_BYTES + per_subscriber + MAX_DATAGRAM, "{longest} bytes");
    assert_eq!(parts.into_iter().flat_map(|part| part.1).collect::<Vec<_>>(), expected);
}
