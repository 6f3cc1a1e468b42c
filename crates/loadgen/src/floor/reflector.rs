//! The reflector: one thread that sleeps, takes a burst and sends it to everybody.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sfu_core::rtp::RtpHeader;
use sfu_core::transmit::{Train, TxArena};
use sfu_io::BATCH;
use sfu_io::sys::{self, Receiver, Socket};

use super::contents::Contents;
use super::{MEASURING, STOP, VIDEO_PT};

/// How long the reflector waits for the rest of a frame; it was sent at once.
const REST_OF_FRAME: Duration = Duration::from_millis(1);
/// How long a full send buffer may take to have room.
const ROOM: Duration = Duration::from_millis(5);
/// How soon the reflector sees that it is to stop.
const IDLE: Duration = Duration::from_millis(50);

pub struct Reflector {
    socket: Socket,
    destinations: Vec<SocketAddr>,
    receiver: Receiver,
    /// The datagrams of one burst as they came, one after the other.
    burst: TxArena,
    contents: Contents,
    trains: u64,
}

impl Reflector {
    pub fn new(socket: Socket, destinations: Vec<SocketAddr>, contents: Contents) -> Self {
        let (receiver, burst) = (Receiver::new(true), TxArena::with_capacity(1 << 20));
        Self { socket, destinations, receiver, burst, contents, trains: 0 }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_address()
    }

    /// Until it is told to stop: processor time and messages since it was told to measure.
    pub fn run(mut self, phase: &AtomicU8) -> io::Result<(Duration, u64)> {
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
            self.reflect()?;
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
        let address = self.address();
        if self.receiver.receive(&self.socket).is_ok() {
            for datagram in self.receiver.datagrams() {
                self.burst.push(0, address, datagram.bytes);
                whole = ends_burst(datagram.bytes);
            }
        }
        whole
    }

    /// Sends the burst to everybody: all of it to one, then to the next.
    fn reflect(&mut self) -> io::Result<()> {
        if self.burst.is_empty() {
            return Ok(());
        }
        let (socket, sent, size) = (&self.socket, &mut self.trains, self.burst.total_bytes());
        let trains = trains_of(&self.burst, socket.gso());
        // What is made in parts, by as much as one call takes.
        self.contents.each(&self.burst, &self.destinations, BATCH / trains.len(), |destinations, bytes| {
            let mut batch: Vec<Train<'_>> = Vec::with_capacity(BATCH);
            for (destination, mut part) in destinations.iter().zip(bytes.chunks_exact(size)) {
                for train in &trains {
                    if batch.len() == BATCH {
                        *sent += send_all(socket, &batch);
                        batch.clear();
                    }
                    let (bytes, rest) = part.split_at(train.bytes.len().min(part.len()));
                    part = rest;
                    batch.push(Train { destination: *destination, bytes, ..*train });
                }
            }
            *sent += send_all(socket, &batch);
        })?;
        self.burst.clear();
        Ok(())
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

pub fn single(bytes: &[u8], destination: SocketAddr) -> Train<'_> {
    Train { socket: 0, destination, segment_size: bytes.len(), segments: 1, bytes }
}

/// How many messages the kernel took; a full buffer is waited for, what is refused is gone and seen as loss.
pub fn send_all(socket: &Socket, trains: &[Train<'_>]) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::super::tests::bursts_of_a_second;
    use super::*;

    #[test]
    fn a_frame_is_one_train_and_audio_is_another() {
        let (mut trains, mut packets) = (Vec::new(), 0);
        for burst in bursts_of_a_second() {
            let mut arena = TxArena::with_capacity(0);
            for packet in &burst {
                assert!(arena.push(0, ([127, 0, 0, 1], 9).into(), packet));
            }
            packets += burst.len();
            trains.extend(trains_of(&arena, true).iter().map(|train| (train.segments, train.segment_size)));
            assert!(trains_of(&arena, false).iter().all(|train| train.segments == 1));
            assert_eq!(trains_of(&arena, false).len(), burst.len());
        }
        assert_eq!(packets, 200);
        let frames = trains.iter().filter(|train| **train == (5, 1_200)).count();
        assert_eq!((frames, trains.len()), (30, 80), "{trains:?}");
    }

    #[test]
    fn a_burst_is_whole_with_audio_or_the_last_packet_of_a_frame() {
        for burst in bursts_of_a_second() {
            let ends: Vec<bool> = burst.iter().map(|packet| ends_burst(packet)).collect();
            assert_eq!(ends.last(), Some(&true));
            // Audio that is due together with a frame goes before it.
            assert_eq!(ends.iter().filter(|ends| **ends).count(), if burst.len() == 6 { 2 } else { 1 });
        }
    }
}
