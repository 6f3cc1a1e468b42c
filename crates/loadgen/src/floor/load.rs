//! Publisher and subscribers on the load's processor.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use sfu_core::srtp::SrtpIngress;
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::Train;
use sfu_io::BATCH;
use sfu_io::clock::Clock;
use sfu_io::sys::{Receiver, Socket};

use super::reflector::{send_all, single};
use super::{Floor, MEASURING, Options};
use crate::aead;
use crate::source::Source;
use crate::stream::stamp_of;

const WARM_UP: Micros = Micros::from_millis(500);
/// How long what is under way may take at the end.
const LAST: Micros = Micros::from_millis(300);
const READY: usize = 1_024;

pub struct Load<'a> {
    clock: Clock,
    sockets: &'a [Socket],
    /// Of each subscriber, where what comes is encrypted.
    ingress: Vec<SrtpIngress>,
    poll: Poll,
    publisher: Socket,
    source: Source,
    receiver: Receiver,
    overhead: usize,
    duration: Micros,
    measured_from: Time,
    floor: Floor,
}

impl<'a> Load<'a> {
    pub fn new(options: &Options, sockets: &'a [Socket]) -> io::Result<Self> {
        let (poll, clock) = (Poll::new()?, Clock::start());
        for (number, socket) in sockets.iter().enumerate() {
            poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(number), Interest::READABLE)?;
        }
        let encrypted = if options.sealed { options.subscribers } else { 0 };
        Ok(Self {
            clock,
            sockets,
            ingress: (0..encrypted).map(|number| aead::ingress(options.profile, number)).collect::<io::Result<_>>()?,
            poll,
            publisher: Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), false)?,
            source: options.source(clock.now()),
            receiver: Receiver::new(true),
            overhead: options.profile.rtp_overhead(),
            duration: Micros(u64::try_from(options.duration.as_micros()).unwrap_or(u64::MAX)),
            measured_from: Time(u64::MAX),
            floor: Floor::default(),
        })
    }

    /// Publishes and drains: first to warm up, then for the duration, then until all has come.
    pub fn run(mut self, towards: SocketAddr, phase: &AtomicU8) -> io::Result<Floor> {
        let start = self.clock.now() + WARM_UP;
        let end = start + self.duration;
        loop {
            let now = self.clock.now();
            if now >= end {
                break;
            }
            if self.source.next().is_some_and(|at| at <= now) {
                if now >= start && self.measured_from.0 == u64::MAX {
                    self.measured_from = now;
                    self.source.late_us = 0;
                    phase.store(MEASURING, Ordering::SeqCst);
                }
                self.publish(now, towards);
            }
            let next = self.source.next().map_or(end, |at| at.min(end));
            self.drain(next)?;
        }
        let last = self.clock.now() + LAST;
        while self.floor.packets < self.floor.expected && self.clock.now() < last {
            self.drain(last)?;
        }
        self.floor.late_us = self.source.late_us;
        Ok(self.floor)
    }

    /// As the generator does it: a burst in one call, without segmentation offload.
    fn publish(&mut self, now: Time, towards: SocketAddr) {
        let (clock, overhead) = (self.clock, self.overhead);
        let mut packets: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
        self.source.poll(
            now,
            || clock.now(),
            |plain| {
                plain.resize(plain.len() + overhead, 0);
                packets.push(plain.clone());
            },
        );
        let trains: Vec<Train<'_>> = packets.iter().map(|bytes| single(bytes, towards)).collect();
        let sent = trains.chunks(BATCH).map(|chunk| send_all(&self.publisher, chunk)).sum::<u64>();
        if now >= self.measured_from {
            self.floor.expected += sent * self.sockets.len() as u64;
        }
    }

    /// Takes what comes until something is to be published.
    fn drain(&mut self, until: Time) -> io::Result<()> {
        let mut ready = Events::with_capacity(READY);
        let timeout = Duration::from_micros(until.since(self.clock.now()).0);
        match self.poll.poll(&mut ready, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &ready {
            while self.receive(event.token().0) == BATCH {}
        }
        Ok(())
    }

    fn receive(&mut self, number: usize) -> usize {
        let Some(socket) = self.sockets.get(number) else { return 0 };
        let Ok(messages) = self.receiver.receive(socket) else { return 0 };
        let arrivals = self.clock.arrivals();
        for datagram in self.receiver.datagrams() {
            let bytes = datagram.bytes.len();
            // What is not protected with this subscriber's keys, or has come before, has not arrived.
            let len = match self.ingress.get_mut(number) {
                Some(context) => context.unprotect_rtp(datagram.bytes).ok(),
                None => bytes.checked_sub(self.overhead),
            };
            let plain = len.and_then(|len| datagram.bytes.get(..len));
            let Some(sent) = plain.and_then(stamp_of).map(|stamp| stamp.at).filter(|sent| *sent >= self.measured_from)
            else {
                continue;
            };
            self.floor.packets += 1;
            self.floor.bytes += bytes as u64;
            self.floor.latency.add(arrivals.time_of(datagram.stamp).since(sent).0);
        }
        messages
    }
}
