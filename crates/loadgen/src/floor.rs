//! The floor under a server's cost: the same datagrams in the same rhythm to as many sockets, by a reflector that does
//! nothing but receive and send.
//!
//! A thread on the load's processor publishes as [`Source`] does and drains the subscribers' sockets as the generator
//! does. The reflector, on the server's processor, sleeps in `poll`, takes what came with `recvmmsg` until the frame is
//! whole, and sends it to each destination as segmentation trains by `sendmmsg`. A subscriber's datagrams are its own, so
//! each destination has its own memory.
//!
//! The bare reflector writes only the stamps of a burst there: no copy of the payload and no cipher. What making the
//! datagrams costs is measured apart, see [`crate::aead`]. The encrypting reflector makes them where they are sent: the
//! same loop protects each destination's datagrams with keys of its own.

mod contents;
mod load;
mod reflector;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use sfu_core::srtp::SrtpProfile;
use sfu_core::time::Time;
use sfu_io::sys::{self, Socket};

use self::contents::{Contents, Sealed, Stamped};
use self::load::Load;
use self::reflector::Reflector;
use crate::aead;
use crate::histogram::Histogram;
use crate::source::{Source, VideoOptions};
use crate::stream::StreamOptions;

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
    /// The encrypting reflector, not the bare one.
    pub sealed: bool,
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

    fn contents(&self) -> io::Result<Contents> {
        if self.sealed {
            return Ok(Contents::Sealed(Box::new(Sealed::new(self.profile, self.subscribers)?)));
        }
        Ok(Contents::Stamped(Stamped::new(self.profile.rtp_overhead())))
    }
}

/// Measures: blocks for the duration and somewhat over a second.
pub fn measure(options: &Options) -> io::Result<Floor> {
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let sockets: Vec<Socket> = (0..options.subscribers).map(|_| Socket::bind(any, true)).collect::<io::Result<_>>()?;
    let destinations = sockets.iter().map(Socket::local_address).collect();
    let reflector = Reflector::new(Socket::bind(any, true)?, destinations, options.contents()?);
    let towards = reflector.address();
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

#[cfg(test)]
mod tests;
