//! Any Unix: one system call a datagram, a pipe for notifications. The same API as `linux.rs`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use sfu_core::transmit::Train;

use crate::BATCH;
use crate::socket;

/// One datagram: the largest packet on Ethernet, and some room to notice longer ones.
const SLOT: usize = 2_048;

/// A bound, non-blocking UDP socket.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    address: SocketAddr,
}

impl Socket {
    /// There is no offload here.
    pub fn bind(address: SocketAddr, _offload: bool) -> io::Result<Self> {
        let inner = socket::bind(address)?;
        let address = socket::local_address(&inner)?;
        Ok(Self { inner: inner.into(), address })
    }

    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    pub fn gso(&self) -> bool {
        false
    }

    pub fn disable_gso(&mut self) {}

    /// Not told here.
    pub fn overflowed(&self) -> u64 {
        0
    }

    /// Sends the first train, which is one datagram. Error: the kernel did not take it.
    pub fn send(&self, trains: &[Train<'_>]) -> io::Result<usize> {
        let Some(train) = trains.first() else { return Ok(0) };
        self.inner.send_to(train.bytes, train.destination).map(|_| 1)
    }

    /// What the system refuses as too long is too long.
    pub fn send_in_fragments(&mut self, _train: &Train<'_>) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::EMSGSIZE))
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

/// One received datagram.
#[derive(Debug)]
pub struct Received<'a> {
    pub source: SocketAddr,
    /// When the kernel got it: not known here.
    pub stamp: Option<Duration>,
    pub bytes: &'a mut [u8],
}

/// The fixed buffers of a shard thread: [`BATCH`] datagrams.
#[derive(Debug)]
pub struct Receiver {
    buffer: Vec<u8>,
    slots: Vec<(SocketAddr, usize)>,
    truncated: u64,
}

impl Receiver {
    pub fn new(_offload: bool) -> Self {
        Self { buffer: vec![0; SLOT * BATCH], slots: Vec::with_capacity(BATCH), truncated: 0 }
    }

    /// Takes what waits at the socket, at most [`BATCH`] datagrams; how many. `WouldBlock` when nothing waits.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.slots.clear();
        for slot in self.buffer.chunks_exact_mut(SLOT) {
            match socket.inner.recv_from(slot) {
                // A slot filled to its end held more.
                Ok((SLOT, source)) => {
                    self.truncated += 1;
                    self.slots.push((source, 0));
                }
                Ok((len, source)) => self.slots.push((source, len)),
                Err(error) if self.slots.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(self.slots.len())
    }

    /// The datagrams of the last [`Receiver::receive`], in the order of arrival.
    pub fn datagrams(&mut self) -> impl Iterator<Item = Received<'_>> {
        let slots = self.slots.iter().zip(self.buffer.chunks_exact_mut(SLOT));
        slots.filter(|((_, len), _)| *len > 0).map(|((source, len), buffer)| Received {
            source: *source,
            stamp: None,
            bytes: &mut buffer[..*len],
        })
    }

    /// Datagrams cut off so far because they were longer than a slot.
    pub fn truncated(&self) -> u64 {
        self.truncated
    }
}

/// A flag with a file descriptor: raised by any thread, seen by `poll`.
#[derive(Debug)]
pub struct Notifier {
    raising: UnixStream,
    raised: UnixStream,
}

impl Notifier {
    pub fn new() -> io::Result<Self> {
        let (raising, raised) = UnixStream::pair()?;
        raising.set_nonblocking(true)?;
        raised.set_nonblocking(true)?;
        Ok(Self { raising, raised })
    }

    /// Makes the descriptor readable. Cannot fail for a reason that matters: full means raised already.
    pub fn raise(&self) {
        let _ = (&self.raising).write(&[1]);
    }

    /// Takes the flag down.
    pub fn clear(&self) {
        let mut sink = [0; 64];
        while matches!((&self.raised).read(&mut sink), Ok(64)) {}
    }
}

impl AsRawFd for Notifier {
    fn as_raw_fd(&self) -> RawFd {
        self.raised.as_raw_fd()
    }
}

/// Waits until one of the descriptors is ready for `events` or the time is over (to the millisecond, rounded up).
pub fn wait(fds: &mut [libc::pollfd], timeout: Duration) -> io::Result<()> {
    let millis = i32::try_from(timeout.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
    // SAFETY: pointer and length describe `fds`.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, millis) };
    match ready {
        0.. => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        },
    }
}

/// Threads cannot be kept on a processor here.
pub fn pin_to_cpu(_cpu: usize) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Processor time, user and system, that the calling thread has used so far.
pub fn thread_cpu_time() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own that the kernel fills in.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32))
}
