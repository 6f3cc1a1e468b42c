//! The shard thread: sockets in, shard, sockets out; commands in and events out beside them.
//!
//! Each turn: commands, what the sockets have, what is due, events, a wait. Nothing here blocks but the wait. A panic ends
//! the thread and is told as a failure; it never reaches the interpreter.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_queue::{ArrayQueue, SegQueue};
use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_core::shard::{Datagram, Shard, ShardConfig};
use sfu_core::stats::Snapshot;
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::TxArena;

use crate::BATCH;
use crate::clock::Clock;
use crate::sender::Sender;
use crate::stats::IoStats;
use crate::sys::{self, Notifier, Receiver, Socket};

/// Commands that wait for the thread. Three hundred participants who join at once make some 20,000.
const MAX_COMMANDS: usize = 262_144;
/// Commands applied between two looks at the sockets: some 100 µs of work.
const COMMANDS_PER_TURN: usize = 256;
/// Events that wait for Python here; more wait in the shard, which counts those that it must drop.
const MAX_EVENTS: usize = 8_192;
/// Batches taken from one socket before the others, the timers and the commands have their turn.
const BATCHES_PER_TURN: usize = 8;
const SNAPSHOT_INTERVAL: Micros = Micros::from_secs(1);
/// A datagram names its socket in one byte.
pub const MAX_SOCKETS: usize = 256;
const ARENA_BYTES: usize = 1 << 20;

/// How a shard thread is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// One socket for each, in this order; at most 256. Port 0: any.
    pub listen: Vec<SocketAddr>,
    /// Name of the thread.
    pub name: String,
    /// Keep the thread on this processor.
    pub cpu: Option<usize>,
    pub seed: u64,
    /// Use segmentation and receive offload where the kernel has them.
    pub offload: bool,
}

/// What the thread last published about itself.
#[derive(Clone, Debug, Default)]
pub struct Published {
    pub snapshot: Snapshot,
    pub io: IoStats,
}

/// What the thread tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    Event(Event),
    /// Something that an operator should know; it works all the same.
    Warning(String),
    /// The thread has ended by a panic or an I/O error. The last report.
    Failed(String),
}

/// Too many commands wait: the thread hangs or has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandsFull;

/// Why a shard could not be started.
#[derive(Debug)]
pub struct StartError {
    pub what: String,
    pub source: io::Error,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl StartError {
    fn because(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self { what: what.into(), source }
    }
}

struct Shared {
    commands: SegQueue<Command>,
    wake: Notifier,
    wake_raised: AtomicBool,
    stop: AtomicBool,
    reports: ArrayQueue<Report>,
    failure: Mutex<Option<String>>,
    reports_wait: Notifier,
    reports_raised: AtomicBool,
    /// The thread had more to report than there was room for.
    reports_starved: AtomicBool,
    published: Mutex<Arc<Published>>,
}

impl Shared {
    fn new() -> io::Result<Self> {
        Ok(Self {
            commands: SegQueue::new(),
            wake: Notifier::new()?,
            wake_raised: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            reports: ArrayQueue::new(MAX_EVENTS),
            failure: Mutex::new(None),
            reports_wait: Notifier::new()?,
            reports_raised: AtomicBool::new(false),
            reports_starved: AtomicBool::new(false),
            published: Mutex::new(Arc::default()),
        })
    }

    /// A system call for the first of many only.
    fn wake_thread(&self) {
        if !self.wake_raised.swap(true, Ordering::SeqCst) {
            self.wake.raise();
        }
    }

    fn raise_reports(&self) {
        if !self.reports_raised.swap(true, Ordering::SeqCst) {
            self.reports_wait.raise();
        }
    }

    fn fail(&self, reason: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        self.raise_reports();
    }
}

/// A running shard. Dropping it stops the thread.
pub struct ShardThread {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ShardThread {
    /// Binds the sockets and starts the thread. Error: an address cannot be bound, or the machine gives no thread.
    pub fn start(options: Options) -> Result<Self, StartError> {
        if !(1..=MAX_SOCKETS).contains(&options.listen.len()) {
            let count = io::Error::new(ErrorKind::InvalidInput, format!("{} addresses", options.listen.len()));
            return Err(StartError::because(format!("a shard listens on 1 to {MAX_SOCKETS} addresses"))(count));
        }
        let sockets =
            options.listen.iter().map(|&address| bind(address, options.offload)).collect::<Result<Vec<_>, _>>()?;
        let addresses = sockets.iter().map(Socket::local_address).collect();
        let shared = Arc::new(Shared::new().map_err(StartError::because("cannot make a notifier"))?);
        let for_thread = Arc::clone(&shared);
        let thread = Builder::new()
            .name(options.name.clone())
            .spawn(move || run(&for_thread, sockets, &options))
            .map_err(StartError::because("cannot start a thread"))?;
        Ok(Self { shared, addresses, thread: Mutex::new(Some(thread)) })
    }

    /// Where the sockets are bound, in the order of [`Options::listen`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Queues a command. Never blocks. After [`ShardThread::close`] there is nothing left to command: ignored.
    pub fn command(&self, command: Command) -> Result<(), CommandsFull> {
        if self.shared.stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        if self.shared.commands.len() >= MAX_COMMANDS {
            return Err(CommandsFull);
        }
        self.shared.commands.push(command);
        self.shared.wake_thread();
        Ok(())
    }

    /// Readable when reports wait.
    pub fn reports_fd(&self) -> RawFd {
        self.shared.reports_wait.as_raw_fd()
    }

    /// Takes up to `limit` reports. One thread at a time.
    pub fn poll_reports(&self, limit: usize) -> Vec<Report> {
        let shared = &*self.shared;
        // In this order: what is pushed after the pops below raises the flag again.
        shared.reports_wait.clear();
        shared.reports_raised.store(false, Ordering::SeqCst);
        let mut reports: Vec<Report> = std::iter::from_fn(|| shared.reports.pop()).take(limit).collect();
        if !shared.reports.is_empty() {
            shared.raise_reports();
        } else if reports.len() < limit
            && let Some(reason) = shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            reports.push(Report::Failed(reason));
        }
        if shared.reports_starved.swap(false, Ordering::SeqCst) {
            shared.wake_thread();
        }
        reports
    }

    /// At most about a second old.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.shared.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Applies the commands that wait, sends what they make it send, stops the thread and joins it. Idempotent.
    pub fn close(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake_thread();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic was caught inside and told as a failure.
            let _ = thread.join();
        }
    }
}

impl Drop for ShardThread {
    fn drop(&mut self) {
        self.close();
    }
}

fn bind(address: SocketAddr, offload: bool) -> Result<Socket, StartError> {
    Socket::bind(address, offload).map_err(StartError::because(format!("cannot bind UDP {address}")))
}

fn run(shared: &Shared, sockets: Vec<Socket>, options: &Options) {
    if let Some(cpu) = options.cpu
        && let Err(error) = sys::pin_to_cpu(cpu)
    {
        let _ = shared.reports.push(Report::Warning(format!("{} cannot be kept on CPU {cpu}: {error}", options.name)));
        shared.raise_reports();
    }
    guard(shared, &options.name, || Runner::new(shared, sockets, options).run());
}

/// Runs the thread's work; whatever ends it before it was told to stop becomes the last report.
fn guard(shared: &Shared, name: &str, work: impl FnOnce() -> io::Result<()>) {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => shared.fail(format!("I/O error in {name}: {error}")),
        Err(panic) => shared.fail(format!("panic in {name}: {}", panic_text(panic.as_ref()))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
}

/// What the thread owns.
struct Runner<'a> {
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
    offload: bool,
    gso_warned: bool,
}

impl<'a> Runner<'a> {
    fn new(shared: &'a Shared, sockets: Vec<Socket>, options: &Options) -> Self {
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
            offload: options.offload,
            gso_warned: false,
        }
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            // Before the commands are read: what was queued before the stop is still done.
            let stopping = self.shared.stop.load(Ordering::SeqCst);
            let more_commands = self.apply_commands(if stopping { usize::MAX } else { COMMANDS_PER_TURN });
            if stopping {
                self.publish(self.clock.now());
                return Ok(());
            }
            let more_datagrams = self.receive()?;
            self.handle_timeout();
            self.warn_of_gso();
            self.report_events();
            let now = self.clock.now();
            if now >= self.next_snapshot {
                self.publish(now);
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
            self.shard.handle(arrivals.now, batch, &mut self.tx);
            self.sender.send(&mut self.sockets, &self.tx, &mut self.stats);
            self.tx.clear();
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

    fn publish(&mut self, now: Time) {
        self.next_snapshot = now + SNAPSHOT_INTERVAL;
        self.stats.receive_truncated = self.receiver.truncated();
        let published = Arc::new(Published { snapshot: self.shard.snapshot(now), io: self.stats.clone() });
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
        sys::wait(&mut self.fds, Duration::from_micros(until.since(now).0))
    }
}

/// Errors of receiving that say nothing about the socket.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused)
        || matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM | libc::EHOSTUNREACH | libc::ENETUNREACH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(shared: Shared) -> ShardThread {
        ShardThread { shared: Arc::new(shared), addresses: Vec::new(), thread: Mutex::new(None) }
    }

    #[test]
    fn a_panic_of_the_thread_becomes_its_last_report() {
        let shared = Shared::new().unwrap();
        guard(&shared, "shard-0", || panic!("index {} of 3", 7));
        assert_eq!(handle(shared).poll_reports(8), [Report::Failed("panic in shard-0: index 7 of 3".to_owned())]);
    }

    #[test]
    fn a_failure_comes_after_all_events_and_once() {
        let shared = Shared::new().unwrap();
        for text in ["a", "b"] {
            shared.reports.push(Report::Warning(text.to_owned())).unwrap();
        }
        guard(&shared, "shard-0", || Err(io::Error::from(ErrorKind::NotConnected)));
        let thread = handle(shared);
        assert_eq!(thread.poll_reports(2).len(), 2);
        assert!(matches!(&thread.poll_reports(2)[..], [Report::Failed(reason)] if reason.contains("I/O error")));
        assert_eq!(thread.poll_reports(2), []);
    }

    #[test]
    fn reports_over_the_limit_keep_the_descriptor_readable() {
        let shared = Shared::new().unwrap();
        for number in 0..3 {
            shared.reports.push(Report::Warning(number.to_string())).unwrap();
            shared.raise_reports();
        }
        let thread = handle(shared);
        let readable = || {
            let mut fds = [libc::pollfd { fd: thread.reports_fd(), events: libc::POLLIN, revents: 0 }];
            sys::wait(&mut fds, Duration::ZERO).unwrap();
            fds[0].revents != 0
        };
        assert_eq!(thread.poll_reports(2).len(), 2);
        assert!(readable());
        assert_eq!(thread.poll_reports(2).len(), 1);
        assert!(!readable());
    }

    #[test]
    fn a_thread_that_hangs_refuses_commands_in_the_end() {
        let thread = handle(Shared::new().unwrap());
        let command = || Command::RemoveRouter { router: sfu_core::ids::RouterId(1) };
        for _ in 0..MAX_COMMANDS {
            thread.command(command()).unwrap();
        }
        assert_eq!(thread.command(command()), Err(CommandsFull));
    }
}
