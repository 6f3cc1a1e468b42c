//! Memory that a batch will need, asked for some packets before their turn. A thousand senders take turns in a batch, and
//! what the processor knew of each has left its caches since its last packet; a packet that waits for some twenty
//! places in memory, one after the other, costs more by that than by its cipher.
//!
//! Nothing here decides anything: who sends a datagram, and which stream it is of, is asked again when it is received.

use crate::demux::{Protocol, classify};
use crate::rtp::header::SSRC_AT;
use crate::shard::{Datagram, Shard};
use crate::table::Path;
use crate::transport::Transport;
use crate::wire::u32_at;

/// A batch of fewer is over before what was asked for would have come.
const WORTHWHILE: usize = 8;
/// How many packets before its turn what is asked for. Each distance is some 0.5 µs a packet; a step needs what the one
/// before it has brought.
const TRANSPORT: usize = 10;
const TRANSPORT_REST: usize = 7;
const PRODUCER: usize = 5;
const PRODUCER_REST: usize = 3;
const RING: usize = 2;

impl Shard {
    /// Who, by its address, sent each datagram of a batch.
    pub(super) fn look_up_senders(&mut self, datagrams: &[Datagram<'_>]) {
        self.senders.clear();
        if datagrams.len() >= WORTHWHILE {
            let path = |datagram: &Datagram<'_>| Path { socket: datagram.socket, remote: datagram.source };
            self.senders.extend(datagrams.iter().map(|datagram| self.table.by_path(&path(datagram))));
            for &sender in self.senders.iter().take(TRANSPORT).flatten() {
                self.transports.prefetch(sender, Transport::INGRESS);
            }
        }
    }

    /// Asks for what the datagrams behind `place` will read.
    #[inline]
    pub(super) fn look_ahead(&self, place: usize, datagrams: &[Datagram<'_>]) {
        if self.senders.is_empty() {
            return;
        }
        let sender = |distance: usize| self.senders.get(place + distance).copied().flatten();
        if let Some(key) = sender(TRANSPORT) {
            self.transports.prefetch(key, Transport::INGRESS);
        }
        if let Some(transport) = sender(TRANSPORT_REST).and_then(|key| self.transports.get(key)) {
            transport.prefetch_ingress_rest();
        }
        let stream = |distance: usize| {
            let datagram = datagrams.get(place + distance)?;
            let transport = self.transports.get(sender(distance)?)?;
            let is_rtp = classify(datagram.bytes) == Some(Protocol::Rtp);
            transport.streams.find(u32_at(datagram.bytes, SSRC_AT).filter(|_| is_rtp)?)
        };
        if let Some(stream) = stream(PRODUCER) {
            self.producers.prefetch(stream.producer, 0..usize::MAX);
        }
        let encoding = |distance: usize| {
            let stream = stream(distance)?;
            let producer = self.producers.get(stream.producer)?;
            Some((producer, producer.encoding(stream.encoding)?))
        };
        if let Some((producer, encoding)) = encoding(PRODUCER_REST) {
            producer.prefetch_rest();
            encoding.prefetch();
        }
        if let Some((_, encoding)) = encoding(RING) {
            encoding.ring.prefetch_next();
        }
    }
}
