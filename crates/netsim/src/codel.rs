//! Controlled delay (RFC 8289): drops from the head of a queue that stands.

use sfu_core::time::{Micros, Time};

/// RFC 8289 §4.2, §4.3: 5 ms for 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodelOptions {
    pub target: Micros,
    pub interval: Micros,
}

impl Default for CodelOptions {
    fn default() -> Self {
        Self { target: Micros::from_millis(5), interval: Micros::from_millis(100) }
    }
}

/// A queue of one full packet or less is never too long (RFC 8289 §5.5).
const MAX_PACKET: usize = 1_500;

/// The state between two dequeues (RFC 8289 §5.3).
#[derive(Clone, Copy, Debug)]
pub struct Codel {
    options: CodelOptions,
    /// When the delay will have been above the target for an interval.
    first_above: Option<Time>,
    is_dropping: bool,
    drop_next: Time,
    count: u32,
    last_count: u32,
}

impl Codel {
    pub fn new(options: CodelOptions) -> Self {
        Self { options, first_above: None, is_dropping: false, drop_next: Time(0), count: 0, last_count: 0 }
    }

    /// A packet that waited for `sojourn` would leave now, `bytes` would stay: whether it may be dropped (the
    /// `dodequeue` of RFC 8289 §5.5).
    fn stands(&mut self, now: Time, sojourn: Micros, bytes: usize) -> bool {
        if sojourn < self.options.target || bytes <= MAX_PACKET {
            self.first_above = None;
            return false;
        }
        let above = *self.first_above.get_or_insert(now + self.options.interval);
        now >= above
    }

    fn control_law(&self, from: Time) -> Time {
        from + Micros((self.options.interval.0 as f64 / f64::from(self.count.max(1)).sqrt()) as u64)
    }

    /// Whether the packet at the head is to be dropped and the next one to be looked at: one turn of the loop in RFC
    /// 8289 §5.5.
    pub fn drops(&mut self, now: Time, sojourn: Micros, bytes: usize) -> bool {
        let stands = self.stands(now, sojourn, bytes);
        if !self.is_dropping {
            if stands {
                self.enter(now);
            }
            return stands;
        }
        self.is_dropping = stands;
        if !stands || now < self.drop_next {
            return false;
        }
        self.count += 1;
        self.drop_next = self.control_law(self.drop_next);
        true
    }

    /// Drops one packet; the control law says when the next one goes. Soon after the last time it goes on at the rate
    /// of then.
    fn enter(&mut self, now: Time) {
        self.is_dropping = true;
        let delta = self.count.saturating_sub(self.last_count);
        let recently = now.since(self.drop_next) < Micros(16 * self.options.interval.0);
        self.count = if delta > 1 && recently { delta } else { 1 };
        self.drop_next = self.control_law(now);
        self.last_count = self.count;
    }
}
