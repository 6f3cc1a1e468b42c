//! What the shard thread does, turn by turn: commands, what the sockets have, what is due, events, a wait. Nothing here
//! blocks but the wait.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sfu_core::shard::{Datagram, Gathering, Shard, ShardConfig};
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::TxArena;

use crate::BATCH;
use crate::clock::Clock;
use crate::runner::{Options, Published, Report};
use crate::sender::Sender;
use crate::shared::Shared;
use crate::stats::IoStats;
use crate::sys::{self, Receiver, Socket};

/// Commands applied between two looks at the sockets: some 100 µs of work.
const COMMANDS_PER_TURN: usize = 256;
/// Batches taken from one socket before the others, the timers and the commands have their turn.
const BATCHES_PER_TURN: usize = 8;
const SNAPSHOT_INTERVAL: Micros = Micros::from_secs(1);
/// Objects whose statistics are copied in a turn, at least: some 30 µs of work.
const OBJECTS_PER_TURN: usize = 64;
const ARENA_BYTES: usize = 1 << 20;

/// What the thread owns.
pub struct Runner<'a> {
    shared: &'a Shared,
    clock: Clock,
    shard: Shard,
    sockets: Vec<Socket>,
    fds: Vec<libc::pollfd>,
    receiver: Receiver,
    sender: Sender,
    tx: TxArena,
    stats: IoStats,
    next_snapshot: Time,
    /// When the last wait ended.
    woke: Time,
    gathering: Option<Gathering>,
    offload: bool,
    gso_warned: bool,
}

impl<'a> Runner<'a> {
    pub fn new(shared: &'a Shared, sockets: Vec<Socket>, options: &Options) -> Self {
        let clock = Clock::start();
        let config =
            ShardConfig { seed: options.seed, unix_offset_us: clock.unix_offset_us(), ..ShardConfig::default() };
        let readable = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds: Vec<_> = sockets.iter().map(|socket| readable(socket.as_raw_fd())).collect();
        fds.push(readable(shared.wake.as_raw_fd()));
        let without_gso = sockets.iter().filter(|socket| !socket.gso()).count() as u64;
        Self {
            shared,
            clock,
            shard: Shard::new(config),
            sockets,
            fds,
            receiver: Receiver::new(options.offload),
            sender: Sender::default(),
            tx: TxArena::with_capacity(ARENA_BYTES),
            stats: IoStats { sockets_without_gso: without_gso, ..IoStats::default() },
            next_snapshot: Time(0),
            woke: clock.now(),
            gathering: None,
            offload: options.offload,
            gso_warned: false,
        }
    }

    /// Until it is told to stop.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            // Before the commands are read: what was queued before the stop is still done.
            let stopping = self.shared.stop.load(Ordering::SeqCst);
            let more_commands = self.apply_commands(if stopping { usize::MAX } else { COMMANDS_PER_TURN });
            if stopping {
                let gathering = Gathering::new(self.clock.now());
                self.publish(gathering, usize::MAX);
                return Ok(());
            }
            let more_datagrams = self.receive()?;
            self.handle_timeout();
            self.warn_of_gso();
            self.report_events();
            let now = self.clock.now();
            if now >= self.next_snapshot {
                let gathering = self.gathering.take().unwrap_or_else(|| Gathering::new(now));
                self.publish(gathering, OBJECTS_PER_TURN);
            }
            self.wait(if more_commands || more_datagrams { now } else { self.next_wakeup() })?;
        }
    }

    /// Applies what waits, at most `limit`; true when more may wait.
    fn apply_commands(&mut self, limit: usize) -> bool {
        if self.fds.last().is_some_and(|wake| wake.revents != 0) {
            self.shared.wake.clear();
        }
        self.shared.wake_raised.store(false, Ordering::SeqCst);
        let now = self.clock.now();
        for _ in 0..limit {
            let Some(command) = self.shared.commands.pop() else { break };
            self.shard.apply(now, command, &mut self.tx);
        }
        self.transmit();
        !self.shared.commands.is_empty()
    }

    /// Takes batches from the sockets that have some; true when a socket may have more.
    fn receive(&mut self) -> io::Result<bool> {
        let mut more = false;
        for index in 0..self.sockets.len() {
            if self.fds[index].revents == 0 {
                continue;
            }
            let mut batches = 0;
            while self.receive_batch(index)? == BATCH {
                batches += 1;
                if batches == BATCHES_PER_TURN {
                    more = true;
                    break;
                }
            }
        }
        Ok(more)
    }

    /// One batch through the shard and out; how many messages it had.
    fn receive_batch(&mut self, index: usize) -> io::Result<usize> {
        let messages = match self.receiver.receive(&self.sockets[index]) {
            Ok(messages) => messages,
            Err(error) if is_passing(&error) => return Ok(0),
            Err(error) => return Err(error),
        };
        let arrivals = self.clock.arrivals();
        let mut datagrams: Vec<Datagram<'_>> = Vec::with_capacity(BATCH);
        datagrams.extend(self.receiver.datagrams().map(|received| Datagram {
            socket: index as u8,
            source: received.source,
            received: arrivals.time_of(received.stamp),
            bytes: received.bytes,
        }));
        self.stats.receive_calls += 1;
        self.stats.received += datagrams.len() as u64;
        // Receive offload may have given more datagrams than messages.
        for batch in datagrams.chunks_mut(BATCH) {
            self.sender.begin();
            let mut send = |tx: &mut TxArena| {
                self.sender.send(&mut self.sockets, tx, &mut self.stats);
                tx.clear();
            };
            self.shard.handle_in_parts(arrivals.now, batch, &mut self.tx, &mut send);
            send(&mut self.tx);
        }
        Ok(messages)
    }

    fn handle_timeout(&mut self) {
        let now = self.clock.now();
        if self.shard.next_timeout().is_some_and(|at| at <= now) {
            self.shard.on_timeout(now, &mut self.tx);
            self.transmit();
        }
    }

    fn transmit(&mut self) {
        self.sender.begin();
        self.sender.send(&mut self.sockets, &self.tx, &mut self.stats);
        self.tx.clear();
    }

    /// Once: the number of sockets without offload does not go down.
    fn warn_of_gso(&mut self) {
        if self.offload && !self.gso_warned && self.stats.sockets_without_gso > 0 {
            self.gso_warned = true;
            self.warn(
                "the kernel refuses UDP segmentation offload on a socket: packets are sent one by one".to_owned(),
            );
        }
    }

    fn warn(&self, text: String) {
        let _ = self.shared.reports.push(Report::Warning(text));
        self.shared.raise_reports();
    }

    /// Hands events over as long as there is room; the rest waits in the shard.
    fn report_events(&mut self) {
        let mut reported = false;
        loop {
            if self.shared.reports.is_full() {
                self.shared.reports_starved.store(true, Ordering::SeqCst);
                break;
            }
            let Some(event) = self.shard.poll_event() else { break };
            reported |= self.shared.reports.push(Report::Event(event)).is_ok();
        }
        if reported {
            self.shared.raise_reports();
        }
    }

    /// Looks at so many objects, and publishes what was gathered when these were the last.
    fn publish(&mut self, mut gathering: Gathering, objects: usize) {
        let now = self.clock.now();
        if self.shard.gather(now, &mut gathering, objects) {
            self.gathering = Some(gathering);
            return;
        }
        self.next_snapshot = now + SNAPSHOT_INTERVAL;
        self.stats.receive_truncated = self.receiver.truncated();
        self.stats.receive_overflowed = self.sockets.iter().map(Socket::overflowed).sum();
        let published = Arc::new(Published { snapshot: self.shard.complete(gathering), io: self.stats.clone() });
        // A reader holds the lock for the time of a pointer copy; if it does so just now, the next turn is soon enough.
        match self.shared.published.try_lock() {
            Ok(mut place) => *place = published,
            Err(_) => self.next_snapshot = now,
        }
    }

    fn next_wakeup(&self) -> Time {
        self.shard.next_timeout().map_or(self.next_snapshot, |at| at.min(self.next_snapshot))
    }

    fn wait(&mut self, until: Time) -> io::Result<()> {
        let now = self.clock.now();
        for fd in &mut self.fds {
            fd.revents = 0;
        }
        self.shared.busy_us.fetch_add(now.since(self.woke).0, Ordering::Relaxed);
        let waited = sys::wait(&mut self.fds, Duration::from_micros(until.since(now).0));
        self.woke = self.clock.now();
        waited
    }
}

/// Errors of receiving that say nothing about the socket.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused)
        || matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EHOSTUNREACH | libc::ENETUNREACH))
}
