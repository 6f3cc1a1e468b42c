//! What one client's network carries: the estimator, with what it hears from a transport.

use crate::bwe::{BweOptions, Estimator, SentKind, SentPacket, Update};
use crate::time::Time;

/// IPv4 and UDP headers; IPv6 has 20 bytes more, which is little beside what estimates are good for.
pub const DATAGRAM_OVERHEAD: u32 = 28;

/// See the module. Made with a transport's first video consumer: audio alone adapts to nothing.
#[derive(Debug)]
pub struct Bandwidth {
    pub estimator: Estimator,
}

impl Bandwidth {
    pub fn new(now: Time) -> Self {
        Self { estimator: Estimator::new(BweOptions::default(), now) }
    }

    /// When the estimator has something to do.
    pub fn due(&self) -> Option<Time> {
        self.estimator.next_timeout()
    }

    pub fn on_timeout(&mut self, now: Time) -> Option<Update> {
        self.due().filter(|due| *due <= now)?;
        self.estimator.on_timeout(now)
    }

    /// A datagram of `len` bytes goes out under this transport-wide number.
    #[inline]
    pub fn on_sent(&mut self, now: Time, seq: u64, len: usize, kind: SentKind) {
        let size = len as u32 + DATAGRAM_OVERHEAD;
        self.estimator.on_sent(SentPacket { seq, size, sent: now, kind, probe: None });
    }
}
