//! The floor under a server's cost: the same datagrams in the same rhythm to as many sockets, by a reflector that does
//! nothing but receive and send.
//!
//! A thread on the load's processor publishes as [`Source`] does and drains the subscribers' sockets as the generator
//! does. The reflector, on the server's processor, sleeps in `poll`, takes what came with `recvmmsg` until the frame is
//! whole, and sends it to each destination as segmentation trains by `sendmmsg`. A subscriber's datagrams are its own, so
//! each destination has its own memory; of a burst like the last one only the stamps are written there: no copy of the
//! payload and no cipher. What making the datagrams costs is measured apart, see [`crate::aead`].

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use sfu_core::rtp::RtpHeader;
use sfu_core::srtp::SrtpProfile;
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::{Train, TxArena};
use sfu_io::BATCH;
use sfu_io::clock::Clock;
use sfu_io::sys::{self, Receiver, Socket};

use crate::aead;
use crate::histogram::Histogram;
use crate::source::{STAMP, Source, StreamOptions, VideoOptions, stamp_of};

const WARM_UP: Micros = Micros::from_millis(500);
/// How long what is under way may take at the end.
const LAST: Micros = Micros::from_millis(300);
/// How long the reflector waits for the rest of a frame; it was sent at once.
const REST_OF_FRAME: Duration = Duration::from_millis(1);
/// How long a full send buffer may take to have room.
const ROOM: Duration = Duration::from_millis(5);
/// How soon the reflector sees that it is to stop.
const IDLE: Duration = Duration::from_millis(50);
const READY: usize = 1_024;
const VIDEO_PT: u8 = 96;
const AUDIO_PT: u8 = 111;

const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const STOP: u8 = 2;

/// What to measure, and where.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub subscribers: usize,
    pub video_kbps: u32,
    pub audio: bool,
    pub duration: Duration,
    /// Makes the datagrams as long as the server's, and is the cipher that is measured apart.
    pub profile: SrtpProfile,
    pub server_cpu: Option<usize>,
    pub load_cpu: Option<usize>,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    /// Processor time of the reflector's thread.
    pub cpu: Duration,
    /// Datagrams that should have come to the subscribers' sockets, and those that came.
    pub expected: u64,
    pub packets: u64,
    pub bytes: u64,
    /// Messages given to the kernel.
    pub trains: u64,
    pub latency: Histogram,
    pub late_us: u64,
    pub aead_ns_per_packet: f64,
}

impl Options {
    fn source(&self, now: Time) -> Source {
        let stream = |mid: &str, pt, ssrc| StreamOptions { mid: mid.to_owned(), pt, ssrc };
        let video = VideoOptions { stream: stream("1", VIDEO_PT, 2), kbps: self.video_kbps };
        Source::new(Some(video), self.audio.then(|| stream("0", AUDIO_PT, 1)), now)
    }
}

/// Measures: blocks for the duration and somewhat over a second.
pub fn measure(options: &Options) -> io::Result<Floor> {
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let sockets: Vec<Socket> = (0..options.subscribers).map(|_| Socket::bind(any, true)).collect::<io::Result<_>>()?;
    let destinations = sockets.iter().map(Socket::local_address).collect();
    let reflector = Reflector::new(Socket::bind(any, true)?, destinations, options.profile.rtp_overhead());
    let towards = reflector.socket.local_address();
    let phase = AtomicU8::new(WARMING_UP);
    let (load, reflected) = thread::scope(|scope| {
        let reflecting = scope.spawn(|| {
            pin(options.server_cpu)?;
            let (cpu, trains) = reflector.run(&phase)?;
            let source = options.source(Time(0));
            Ok((cpu, trains, aead::ns_per_packet(options.profile, options.subscribers, source)?))
        });
        let loading = scope.spawn(|| {
            let load = pin(options.load_cpu).and_then(|()| Load::new(options, &sockets)?.run(towards, &phase));
            // Whatever became of the load: the reflector is not to wait for more.
            phase.store(STOP, Ordering::SeqCst);
            load
        });
        (joined(loading.join()), joined(reflecting.join()))
    });
    let (cpu, trains, aead_ns_per_packet) = reflected?;
    Ok(Floor { cpu, trains, aead_ns_per_packet, ..load? })
}

fn joined<T>(outcome: thread::Result<io::Result<T>>) -> io::Result<T> {
    outcome.unwrap_or_else(|_| Err(io::Error::other("a thread of the floor's measurement failed")))
}

fn pin(cpu: Option<usize>) -> io::Result<()> {
    cpu.map_or(Ok(()), sys::pin_to_cpu)
}

struct Reflector {
    socket: Socket,
    destinations: Vec<SocketAddr>,
    receiver: Receiver,
    /// The datagrams of one burst, one after the other, and how many bytes of cipher's overhead each ends with.
    burst: TxArena,
    overhead: usize,
    /// A burst's datagrams for each destination, by what the burst looks like: frame, audio, both at once.
    own: Vec<OwnCopies>,
    trains: u64,
}

/// The memory from which bursts of one shape are sent, the destinations' parts side by side.
struct OwnCopies {
    /// Sizes of the datagrams.
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl OwnCopies {
    /// Writes the burst's stamps into every destination's part; `overhead` bytes lie behind a stamp.
    fn stamp(&mut self, burst: &TxArena, overhead: usize) {
        for part in self.bytes.chunks_exact_mut(burst.total_bytes().max(1)) {
            let mut end = 0;
            for datagram in burst.iter() {
                end += datagram.bytes.len();
                let stamp = end.saturating_sub(STAMP + overhead)..end.saturating_sub(overhead);
                let from = datagram.bytes.len().saturating_sub(STAMP + overhead);
                if let (Some(place), Some(new)) = (part.get_mut(stamp), datagram.bytes.get(from..from + STAMP)) {
                    place.copy_from_slice(new);
                }
            }
        }
    }
}

impl Reflector {
    fn new(socket: Socket, destinations: Vec<SocketAddr>, overhead: usize) -> Self {
        let (receiver, burst) = (Receiver::new(true), TxArena::with_capacity(1 << 20));
        Self { socket, destinations, receiver, burst, overhead, own: Vec::new(), trains: 0 }
    }

    /// Until it is told to stop: processor time and messages since it was told to measure.
    fn run(mut self, phase: &AtomicU8) -> io::Result<(Duration, u64)> {
        let (mut since, mut trains_before) = (None, 0);
        loop {
            let ready = self.wait(IDLE)?;
            match phase.load(Ordering::SeqCst) {
                MEASURING if since.is_none() => (since, trains_before) = (Some(sys::thread_cpu_time()?), self.trains),
                STOP => break,
                _ => {}
            }
            while ready && !self.receive() {
                if !self.wait(REST_OF_FRAME)? {
                    break;
                }
            }
            self.reflect();
        }
        let now = sys::thread_cpu_time()?;
        Ok((since.map_or(Duration::ZERO, |since| now.saturating_sub(since)), self.trains - trains_before))
    }

    fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let mut fds = [pollfd(&self.socket, libc::POLLIN)];
        sys::wait(&mut fds, timeout)?;
        Ok(fds[0].revents != 0)
    }

    /// Takes what came; true when it ends with audio or the end of a frame.
    fn receive(&mut self) -> bool {
        let mut whole = true;
        let address = self.socket.local_address();
        if self.receiver.receive(&self.socket).is_ok() {
            for datagram in self.receiver.datagrams() {
                self.burst.push(0, address, datagram.bytes);
                whole = ends_burst(datagram.bytes);
            }
        }
        whole
    }

    /// Sends the burst to everybody: all of it to one, then to the next.
    fn reflect(&mut self) {
        if self.burst.is_empty() {
            return;
        }
        let index = self.own_copies();
        let trains = trains_of(&self.burst, self.socket.gso());
        let Some(own) = self.own.get_mut(index) else { return };
        own.stamp(&self.burst, self.overhead);
        let mut batch: Vec<Train<'_>> = Vec::with_capacity(BATCH);
        let parts = own.bytes.chunks_exact(self.burst.total_bytes());
        for (destination, mut part) in self.destinations.iter().zip(parts) {
            for train in &trains {
                if batch.len() == BATCH {
                    self.trains += send_all(&self.socket, &batch);
                    batch.clear();
                }
                let (bytes, rest) = part.split_at(train.bytes.len().min(part.len()));
                part = rest;
                batch.push(Train { destination: *destination, bytes, ..*train });
            }
        }
        self.trains += send_all(&self.socket, &batch);
        self.burst.clear();
    }

    /// The memory for bursts of this shape, made when the first one comes.
    fn own_copies(&mut self) -> usize {
        let shape: Vec<usize> = self.burst.iter().map(|datagram| datagram.bytes.len()).collect();
        let known = self.own.iter().position(|own| own.shape == shape);
        known.unwrap_or_else(|| {
            let one: Vec<u8> = self.burst.iter().flat_map(|datagram| datagram.bytes).copied().collect();
            self.own.push(OwnCopies { shape, bytes: one.repeat(self.destinations.len()) });
            self.own.len() - 1
        })
    }
}

/// Audio comes alone; the last packet of a frame has the marker.
fn ends_burst(packet: &[u8]) -> bool {
    RtpHeader::parse_protected(packet).map_or(true, |header| header.pt != VIDEO_PT || header.marker)
}

/// The runs of a burst, each a message; single datagrams where the kernel does not segment.
fn trains_of(burst: &TxArena, gso: bool) -> Vec<Train<'_>> {
    if gso {
        return burst.trains().collect();
    }
    burst.iter().map(|datagram| single(datagram.bytes, datagram.destination)).collect()
}

fn single(bytes: &[u8], destination: SocketAddr) -> Train<'_> {
    Train { socket: 0, destination, segment_size: bytes.len(), segments: 1, bytes }
}

/// How many messages the kernel took; a full buffer is waited for, what is refused is gone and seen as loss.
fn send_all(socket: &Socket, trains: &[Train<'_>]) -> u64 {
    let (mut rest, mut taken) = (trains, 0);
    while let [_, after @ ..] = rest {
        match socket.send(rest) {
            Ok(sent) => {
                taken += sent as u64;
                rest = rest.get(sent.max(1)..).unwrap_or(&[]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && has_room(socket) => {}
            Err(_) => rest = after,
        }
    }
    taken
}

fn pollfd(socket: &Socket, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 }
}

fn has_room(socket: &Socket) -> bool {
    let mut fds = [pollfd(socket, libc::POLLOUT)];
    sys::wait(&mut fds, ROOM).is_ok() && fds[0].revents != 0
}

/// Publisher and subscribers.
struct Load<'a> {
    clock: Clock,
    sockets: &'a [Socket],
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
    fn new(options: &Options, sockets: &'a [Socket]) -> io::Result<Self> {
        let (poll, clock) = (Poll::new()?, Clock::start());
        for (number, socket) in sockets.iter().enumerate() {
            poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(number), Interest::READABLE)?;
        }
        Ok(Self {
            clock,
            sockets,
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
    fn run(mut self, towards: SocketAddr, phase: &AtomicU8) -> io::Result<Floor> {
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
            let plain = datagram.bytes.len().checked_sub(self.overhead).and_then(|len| datagram.bytes.get(..len));
            let Some(sent) = plain.and_then(stamp_of).filter(|sent| *sent >= self.measured_from) else { continue };
            self.floor.packets += 1;
            self.floor.bytes += datagram.bytes.len() as u64;
            self.floor.latency.add(arrivals.time_of(datagram.stamp).since(sent).0);
        }
        messages
    }
}

#[cfg(test)]
mod tests;
