//! What becomes of what the shard leaves to be sent: it goes out, and the clients read it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use sfu_core::demux::{Protocol, classify};
use sfu_core::rtp::RtpHeader;
use sfu_core::time::Time;
use sfu_core::transmit::TxArena;
use sfu_io::sender::Sender;
use sfu_io::stats::IoStats;
use sfu_io::sys::{Socket, thread_cpu_time};
use sfu_loadgen::histogram::Histogram;
use sfu_loadgen::stream::stamp_of;

use crate::clients::Client;

/// What was counted.
#[derive(Default)]
pub struct Counts {
    pub packets_in: u64,
    pub packets_out: u64,
    pub damaged: u64,
    pub shard: Duration,
    pub sending: Duration,
    /// How long a datagram waited in a batch for those before it: the shard's and, if it sends, the kernel's time.
    pub parts: Histogram,
}

/// Takes what the shard leaves to the clients.
pub struct Post<'a> {
    pub numbers: &'a HashMap<SocketAddr, usize>,
    pub clients: &'a mut [Client],
    pub sockets: &'a mut Vec<Socket>,
    pub counts: &'a mut Counts,
    pub now: Time,
}

impl Post<'_> {
    /// Sends and reads everything; the processor time that it took.
    pub fn take(&mut self, tx: &mut TxArena) -> Duration {
        let start = cpu();
        if !self.sockets.is_empty() {
            let mut sender = Sender::default();
            sender.begin();
            sender.send(self.sockets, tx, &mut IoStats::default());
            let used = since(start);
            self.counts.sending += used;
            self.counts.parts.add(used.as_micros() as u64);
        }
        for transmit in tx.iter() {
            let Some(client) = self.numbers.get(&transmit.destination).map(|number| &mut self.clients[*number]) else {
                continue;
            };
            if classify(transmit.bytes) != Some(Protocol::Rtp) {
                continue;
            }
            let Ok(header) = RtpHeader::parse_protected(transmit.bytes) else { continue };
            if client.sink.add_probe(self.now, transmit.bytes, &header) {
                continue;
            }
            self.counts.packets_out += 1;
            if client.sink.add(self.now, transmit.bytes, &header) {
                let mut bytes = transmit.bytes.to_vec();
                let plain = client.ingress.unprotect_rtp(&mut bytes).ok().and_then(|len| bytes.get(..len));
                let header = plain.and_then(|plain| Some((RtpHeader::parse(plain).ok()?, plain)));
                let stamp = header.and_then(|(header, plain)| stamp_of(header.payload(plain)));
                self.counts.damaged += u64::from(stamp.is_none());
            }
        }
        tx.clear();
        since(start)
    }
}

/// Processor time of this thread.
pub fn cpu() -> Duration {
    thread_cpu_time().expect("the thread's clock")
}

pub fn since(start: Duration) -> Duration {
    cpu().saturating_sub(start)
}
