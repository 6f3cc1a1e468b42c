//! What the shard thread and its owner share: queues, flags and the descriptors that tell of them. Nobody waits for a lock
//! here: both mutexes are held for the time of a pointer copy.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_queue::{ArrayQueue, SegQueue};
use sfu_core::command::Command;

use crate::runner::{Published, Report};
use crate::sys::Notifier;

/// Events that wait for Python here; more wait in the shard, which counts those that it must drop.
const MAX_EVENTS: usize = 8_192;

pub struct Shared {
    pub commands: SegQueue<Command>,
    pub wake: Notifier,
    pub wake_raised: AtomicBool,
    pub stop: AtomicBool,
    pub reports: ArrayQueue<Report>,
    pub failure: Mutex<Option<String>>,
    pub reports_wait: Notifier,
    pub reports_raised: AtomicBool,
    /// The thread had more to report than there was room for.
    pub reports_starved: AtomicBool,
    pub published: Mutex<Arc<Published>>,
    /// How long the thread did not wait for anything, microseconds since it started.
    pub busy_us: AtomicU64,
}

impl Shared {
    pub fn new() -> io::Result<Self> {
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
            busy_us: AtomicU64::new(0),
        })
    }

    /// A system call for the first of many only.
    pub fn wake_thread(&self) {
        if !self.wake_raised.swap(true, Ordering::SeqCst) {
            self.wake.raise();
        }
    }

    pub fn raise_reports(&self) {
        if !self.reports_raised.swap(true, Ordering::SeqCst) {
            self.reports_wait.raise();
        }
    }

    pub fn fail(&self, reason: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        self.raise_reports();
    }
}
