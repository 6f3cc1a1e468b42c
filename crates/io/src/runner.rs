//! The shard thread as its owner sees it: start, commands in, reports and statistics out, close.
//!
//! What the thread does is in `turns.rs`. A panic ends the thread and is told as a failure; it never reaches the
//! interpreter.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_core::stats::Snapshot;

use crate::shared::Shared;
use crate::stats::IoStats;
use crate::sys::{self, Socket};
use crate::turns::Runner;

/// Commands that wait for the thread. Three hundred participants who join at once make some 20,000.
const MAX_COMMANDS: usize = 262_144;
/// A datagram names its socket in one byte.
pub const MAX_SOCKETS: usize = 256;

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

    /// Queues a command, and wakes the thread. Never blocks. After [`ShardThread::close`] there is nothing left to
    /// command: ignored.
    pub fn command(&self, command: Command) -> Result<(), CommandsFull> {
        self.queue(command)?;
        self.wake();
        Ok(())
    }

    /// As [`ShardThread::command`], for when the thread wakes by itself or by [`ShardThread::wake`].
    pub fn queue(&self, command: Command) -> Result<(), CommandsFull> {
        if self.shared.stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        if self.shared.commands.len() >= MAX_COMMANDS {
            return Err(CommandsFull);
        }
        self.shared.commands.push(command);
        Ok(())
    }

    /// Has the commands that wait applied.
    pub fn wake(&self) {
        self.shared.wake_thread();
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

    /// How long the thread did not wait for anything, microseconds since it started; as of its last wait.
    pub fn busy_us(&self) -> u64 {
        self.shared.busy_us.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
