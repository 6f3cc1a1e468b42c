//! The thread of the generator: waits for its sockets and timers. Whoever calls works on the same engine meanwhile.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use mio::event::Event as Ready;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use sfu_core::time::Micros;
use sfu_io::sys::Notifier;

use crate::engine::{Engine, Event};
use crate::peer::Credentials;

/// Sockets that are told to be ready at once.
const READY: usize = 1_024;
/// Sockets that are read before publishers have their turn: some 100 microseconds.
const BETWEEN_SENDING: usize = 32;
const WAKE: Token = Token(usize::MAX);
/// How often what is due is sent while reading is gathered: as exact as timers of browsers are.
const SENDING: Duration = Duration::from_millis(1);

struct Shared {
    engine: Mutex<Engine>,
    /// Microseconds between two times of reading all sockets; 0: each whenever something comes to it.
    gather_us: AtomicU64,
    stop: AtomicBool,
    events: Notifier,
}

/// The thread failed: its panic is on standard error.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

/// Gathering begins before the first client comes, and does not end.
#[derive(Clone, Copy, Debug)]
pub struct NotAny;

pub struct LoadThread {
    shared: Arc<Shared>,
    registry: Registry,
    waker: Waker,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LoadThread {
    pub fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, WAKE)?;
        let shared = Arc::new(Shared {
            engine: Mutex::new(Engine::default()),
            gather_us: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            events: Notifier::new()?,
        });
        let for_thread = Arc::clone(&shared);
        let thread = Builder::new().name("sfu-loadgen".to_owned()).spawn(move || run(&for_thread, poll))?;
        Ok(Self { shared, registry, waker, thread: Mutex::new(Some(thread)) })
    }

    /// Works on the engine between two turns of the thread.
    pub fn engine(&self) -> Result<MutexGuard<'_, Engine>, Failed> {
        self.shared.engine.lock().map_err(|_| Failed)
    }

    /// From now on all sockets are read so often, and not whenever something comes. Thousands of sockets that get a packet
    /// each few milliseconds are then read with half the processor time: no waking up for each packet, and several with
    /// one call. Nor does the sender, who does the work of delivery on one machine, wake anybody. When a packet came is
    /// the kernel's word in any case. Error: there are clients already that are read when something comes.
    pub fn gather(&self, interval: Micros) -> Result<(), NotAny> {
        let is_first = self.shared.gather_us.load(Ordering::SeqCst) == 0;
        if interval.0 == 0 || (is_first && self.engine().is_ok_and(|engine| engine.peer_count() > 0)) {
            return Err(NotAny);
        }
        self.shared.gather_us.store(interval.0, Ordering::SeqCst);
        let _ = self.waker.wake();
        Ok(())
    }

    /// As [`Engine::add_peer`].
    pub fn add_peer(&self, remote: SocketAddr, credentials: &Credentials, group: usize) -> io::Result<u32> {
        let mut engine = self.engine().map_err(|_| io::Error::other("the load generator's thread failed"))?;
        let number = engine.add_peer(remote, credentials, group)?;
        if self.shared.gather_us.load(Ordering::SeqCst) == 0
            && let Some(peer) = engine.peer(number)
        {
            let fd = peer.socket().as_raw_fd();
            self.registry.register(&mut SourceFd(&fd), Token(number as usize), Interest::READABLE)?;
        }
        self.waker.wake()?;
        Ok(number)
    }

    /// Takes what happened since the last call.
    pub fn poll_events(&self) -> Result<Vec<Event>, Failed> {
        self.shared.events.clear();
        let mut engine = self.engine()?;
        Ok(std::iter::from_fn(|| engine.poll_event()).collect())
    }

    /// Readable when events wait.
    pub fn event_fd(&self) -> RawFd {
        self.shared.events.as_raw_fd()
    }

    /// Stops the thread and joins it. Idempotent.
    pub fn close(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = self.waker.wake();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // A panic was told by the hook, and every later call says that the thread failed.
            let _ = thread.join();
        }
    }
}

impl Drop for LoadThread {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(shared: &Shared, mut poll: Poll) {
    let mut ready = Events::with_capacity(READY);
    // Sockets that had more than their turn allowed: readiness is told once only.
    let mut unfinished: Vec<usize> = Vec::new();
    let mut wait = Micros(0);
    while !shared.stop.load(Ordering::SeqCst) {
        let gather = Duration::from_micros(shared.gather_us.load(Ordering::SeqCst));
        if !gather.is_zero() && unfinished.is_empty() && !send_for(shared, gather) {
            return;
        }
        let mut numbers = std::mem::take(&mut unfinished);
        if gather.is_zero() {
            let timeout = if numbers.is_empty() { Duration::from_micros(wait.0) } else { Duration::ZERO };
            match poll.poll(&mut ready, Some(timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return,
                _ => {}
            }
            numbers.extend(ready.iter().map(Ready::token).filter(|token| *token != WAKE).map(|token| token.0));
        }
        let Ok(mut engine) = shared.engine.lock() else { return };
        if !gather.is_zero() && numbers.is_empty() {
            numbers.extend(0..engine.peer_count());
        }
        for some in numbers.chunks(BETWEEN_SENDING) {
            unfinished.extend(some.iter().copied().filter(|number| engine.receive(*number)));
            // A burst to thousands of sockets takes milliseconds; publishers are not to be late by as much.
            engine.publish_due();
        }
        wait = engine.handle_timeout();
        if engine.has_events() {
            shared.events.raise();
        }
    }
}

/// Sends what is due, and sleeps in between, until it is time to read again; false: the engine failed.
fn send_for(shared: &Shared, interval: Duration) -> bool {
    let end = Instant::now() + interval;
    loop {
        let Ok(mut engine) = shared.engine.lock() else { return false };
        engine.publish_due();
        drop(engine);
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || shared.stop.load(Ordering::SeqCst) {
            return true;
        }
        thread::sleep(left.min(SENDING));
    }
}
