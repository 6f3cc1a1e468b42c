//! All peers, and what they count together.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;

use sfu_core::srtp::SrtpError;
use sfu_core::time::{Micros, Time};
use sfu_io::BATCH;
use sfu_io::clock::Clock;
use sfu_io::sys::Receiver;

use crate::camera::FRAME;
use crate::peer::{Credentials, Keys, Outcome, Peer, Totals};
use crate::sink::Incoming;
use crate::source::Source;

/// How often peers are asked whether a check or a report is due.
const TIMERS: Micros = Micros::from_millis(5);
/// Batches taken from one socket before the others have their turn.
const BATCHES_PER_TURN: usize = 4;
/// Peers are counted in groups: those that are watched, and those that only disturb them.
pub const GROUPS: usize = 2;
/// The golden ratio's fraction spreads any number of publishers evenly over the interval of a frame.
const STAGGER: f64 = 0.618_033_988_749_895;

/// What the caller has to act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server answered a connectivity check: DTLS may start.
    Connected(u32),
    Dtls(u32, Vec<u8>),
}

/// See [`Engine::incoming`].
pub type Stream = (u32, u64, u64, Option<(u16, u8, u64)>);

/// What was counted since the last reset.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub totals: Totals,
    pub elapsed: Micros,
    pub lost: u64,
    pub duplicates: u64,
    /// Streams that subscribers have, and those of them on which nothing came.
    pub streams: u64,
    pub silent_streams: u64,
    /// Peers whom the server consents to at the moment.
    pub connected: u64,
    /// The longest that the generator itself was late with a frame.
    pub late_us: u64,
    /// The most keyframes that one encoding was asked for within a second.
    pub busiest_keyframe_requests: u64,
}

pub struct Engine {
    clock: Clock,
    /// By number; `None` has left.
    peers: Vec<Option<Peer>>,
    /// When each peer that publishes is to be asked for packets, so that nobody else is.
    due: BinaryHeap<Reverse<(Time, usize)>>,
    /// How many began to publish.
    began: u32,
    paused: bool,
    receiver: Receiver,
    totals: [Totals; GROUPS],
    since: Time,
    next_timers: Time,
    events: VecDeque<Event>,
}

impl Default for Engine {
    fn default() -> Self {
        let clock = Clock::start();
        Self {
            clock,
            peers: Vec::new(),
            due: BinaryHeap::new(),
            began: 0,
            paused: false,
            receiver: Receiver::new(true),
            totals: Default::default(),
            since: clock.now(),
            next_timers: clock.now(),
            events: VecDeque::new(),
        }
    }
}

impl Engine {
    /// Opens a peer; its number is how many there were. Its checks start at once. A `group` from [`GROUPS`] on is the
    /// last.
    pub fn add_peer(&mut self, remote: SocketAddr, credentials: &Credentials, group: usize) -> io::Result<u32> {
        let number = self.peers.len() as u32;
        let group = group.min(GROUPS - 1);
        self.peers.push(Some(Peer::open(number, remote, credentials, group, self.clock.now())?));
        self.next_timers = self.clock.now();
        Ok(number)
    }

    /// Closes the peer's socket; what it counted is forgotten. The server is not told.
    pub fn remove_peer(&mut self, number: u32) -> Option<()> {
        self.peers.get_mut(number as usize)?.take().map(|_| ())
    }

    pub fn peer(&self, number: u32) -> Option<&Peer> {
        self.peers.get(number as usize)?.as_ref()
    }

    fn peer_mut(&mut self, number: u32) -> Option<&mut Peer> {
        self.peers.get_mut(number as usize)?.as_mut()
    }

    /// From now on RTCP is sent, and media counted and sampled.
    pub fn set_keys(&mut self, number: u32, keys: &Keys) -> Option<Result<(), SrtpError>> {
        Some(self.peer_mut(number)?.set_keys(keys))
    }

    /// The server writes transport-wide sequence numbers under `id` and not under the offered one.
    pub fn set_transport_cc_id(&mut self, number: u32, id: u8) -> Option<()> {
        self.peer_mut(number)?.sink.set_transport_cc_id(id);
        Some(())
    }

    /// Retransmissions were negotiated, and come under this payload type.
    pub fn set_rtx_pt(&mut self, number: u32, pt: u8) -> Option<()> {
        self.peer_mut(number)?.sink.set_rtx_pt(pt);
        Some(())
    }

    /// Starts to publish, once; `source` makes the streams at the given time. Publishers' frames do not fall together:
    /// each has a place of its own in the interval of a frame, the same in each run.
    pub fn publish(&mut self, number: u32, source: impl FnOnce(Time) -> Source) -> Option<()> {
        let next_frame = Time(self.clock.now().0.next_multiple_of(FRAME.0));
        let place = (f64::from(self.began) * STAGGER).fract() * FRAME.0 as f64;
        let start = next_frame + Micros(place as u64);
        let mut source = source(start);
        source.set_peer(number);
        let peer = self.peer_mut(number)?;
        if peer.source.replace(source).is_none() {
            self.due.push(Reverse((start, number as usize)));
        }
        self.began += 1;
        Some(())
    }

    /// Which encodings of its camera a peer that publishes sends: bit 0 is the smallest.
    pub fn set_active(&mut self, number: u32, mask: u32) -> Option<()> {
        self.peer_mut(number)?.source.iter_mut().for_each(|source| source.set_active(mask));
        Some(())
    }

    /// Whether publishers are silent: connected, with clocks that run, sending no media.
    pub fn pause(&mut self, paused: bool) {
        let now = self.clock.now();
        if self.paused && !paused {
            let sources = self.peers.iter_mut().flatten().filter_map(|peer| peer.source.as_mut());
            sources.for_each(|source| source.resume(now));
        }
        self.paused = paused;
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Numbers given so far: those of peers that left are among them.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Takes what waits at a peer's socket; true when there may be more.
    pub fn receive(&mut self, number: usize) -> bool {
        let Some(Some(peer)) = self.peers.get_mut(number) else { return false };
        let totals = &mut self.totals[peer.group];
        for _ in 0..BATCHES_PER_TURN {
            let Ok(messages) = self.receiver.receive(peer.socket()) else { return false };
            let arrivals = self.clock.arrivals();
            for datagram in self.receiver.datagrams() {
                let at = arrivals.time_of(datagram.stamp);
                match peer.handle(arrivals.now, at, datagram.source, datagram.bytes, totals) {
                    Outcome::Nothing => {}
                    Outcome::Connected => self.events.push_back(Event::Connected(number as u32)),
                    Outcome::Dtls(bytes) => self.events.push_back(Event::Dtls(number as u32, bytes)),
                }
            }
            if messages < BATCH {
                return false;
            }
        }
        true
    }

    /// Does what is due; how long until something is due again.
    pub fn handle_timeout(&mut self) -> Micros {
        let next_media = self.publish_due();
        let now = self.clock.now();
        if now >= self.next_timers {
            self.next_timers = now + TIMERS;
            let unix_us = now.0.saturating_add_signed(self.clock.unix_offset_us());
            self.peers.iter_mut().flatten().for_each(|peer| peer.handle_timeout(now, unix_us));
        }
        next_media.map_or(self.next_timers, |at| at.min(self.next_timers)).since(self.clock.now())
    }

    /// Sends the media that is due; when the next is.
    pub fn publish_due(&mut self) -> Option<Time> {
        if self.paused {
            return None;
        }
        let now = self.clock.now();
        while let Some(Reverse((at, number))) = self.due.peek().copied() {
            if at > now {
                return Some(at);
            }
            self.due.pop();
            let Some(Some(peer)) = self.peers.get_mut(number) else { continue };
            while peer.source.as_ref().and_then(Source::next).is_some_and(|at| at <= now) {
                peer.publish(&self.clock, &mut self.totals[peer.group]);
            }
            if let Some(next) = peer.source.as_ref().and_then(Source::next) {
                self.due.push(Reverse((next, number)));
            }
        }
        None
    }

    /// Counts from here on.
    pub fn reset(&mut self) {
        self.since = self.clock.now();
        self.totals = Default::default();
        for peer in self.peers.iter_mut().flatten() {
            peer.sink.reset();
            if let Some(source) = &mut peer.source {
                source.reset();
            }
        }
    }

    /// What comes to a peer, stream by stream: SSRC, packets, lost; peer, stream and microseconds since then of the last
    /// packet that was decrypted.
    pub fn incoming(&self, number: u32) -> Option<Vec<Stream>> {
        let now = self.clock.now();
        let stream = |stream: &Incoming| {
            let last = stream.last.map(|(at, origin)| (origin.peer, origin.stream, now.since(at).0));
            (stream.ssrc, stream.continuity.received(), stream.continuity.lost(), last)
        };
        Some(self.peer(number)?.sink.streams().iter().map(stream).collect())
    }

    /// Of one group of peers.
    pub fn report(&self, group: usize) -> Report {
        let now = self.clock.now();
        let totals = self.totals.get(group).cloned().unwrap_or_default();
        let mut report = Report { totals, elapsed: now.since(self.since), ..Report::default() };
        for peer in self.peers.iter().flatten().filter(|peer| peer.group == group) {
            report.connected += u64::from(peer.is_connected(now));
            if let Some(source) = &peer.source {
                report.late_us = report.late_us.max(source.late_us);
                report.busiest_keyframe_requests = report.busiest_keyframe_requests.max(source.busiest_requests());
            }
            for Incoming { continuity: stream, .. } in peer.sink.streams() {
                report.streams += 1;
                report.silent_streams += u64::from(stream.received() == 0);
                report.lost += stream.lost();
                report.duplicates += stream.duplicates();
            }
        }
        report
    }
}
