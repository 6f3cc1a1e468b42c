//! When which transport has something to do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::Event;
use crate::outbox::Outbox;
use crate::rate::earlier;
use crate::shard::{Shard, outbox};
use crate::slab::Key;
use crate::time::{Micros, Time};
use crate::transmit::TxArena;
use crate::transport::report;

/// What is due at once and cannot be sent at once (a full arena) waits so long.
const RETRY: Micros = Micros::from_millis(1);

/// A queue of (time, transport). An entry is good while the transport's `scheduled` says the same;
/// others are left behind when a transport becomes due earlier, and pass unnoticed.
#[derive(Debug, Default)]
pub struct Timers {
    queue: BinaryHeap<Reverse<(Time, Key)>>,
}

impl Timers {
    pub fn add(&mut self, at: Time, key: Key) {
        self.queue.push(Reverse((at, key)));
    }

    pub fn next(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Entries, good or left behind.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn take_due(&mut self, now: Time) -> Option<(Time, Key)> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop().map(|Reverse(entry)| entry)
    }
}

impl Shard {
    /// When [`Shard::on_timeout`] wants to be called; `None`: not before the next input.
    pub fn next_timeout(&self) -> Option<Time> {
        earlier(self.timers.next(), self.beats.next())
    }

    /// Does what is due: reports, feedback, retries, expiry.
    pub fn on_timeout(&mut self, now: Time, tx: &mut TxArena) {
        while let Some((at, key)) = self.timers.take_due(now) {
            if let Some(transport) = self.transports.get_mut(key)
                && transport.scheduled == Some(at)
            {
                transport.scheduled = None;
                self.touch(key);
            }
        }
        self.beat_stages(now);
        self.settle_touched(now, tx);
    }

    pub(super) fn settle_touched(&mut self, now: Time, tx: &mut TxArena) {
        // What is shed for one transport may need something of another.
        while !self.touched_transports.is_empty() {
            let mut touched = std::mem::take(&mut self.touched_transports);
            std::mem::swap(&mut self.touched_transports, &mut self.spare_touched);
            for key in touched.drain(..) {
                self.settle(now, key, tx);
            }
            self.spare_touched = touched;
        }
    }

    /// Does what is due for one transport and plans its next time.
    fn settle(&mut self, now: Time, key: Key, tx: &mut TxArena) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        transport.is_touched = false;
        let mut due = report::due(transport, &self.producers);
        if due.is_some_and(|due| due <= now) {
            if transport.ice.expire(now) {
                self.counters.consents_expired += 1;
                self.events.push(Event::ConsentExpired { transport: transport.id });
            }
            let mut out = outbox!(self, now, tx);
            let unix_offset_us = self.config.unix_offset_us;
            report::send_due(transport, &mut self.producers, &self.consumers, unix_offset_us, &mut out);
            due = report::due(transport, &self.producers).map(|due| due.max(now + RETRY));
        }
        due = earlier(due, self.settle_bandwidth(now, key, tx).map(|due| due.max(now + RETRY)));
        let Some(transport) = self.transports.get_mut(key) else { return };
        if let Some(due) = due
            && transport.scheduled.is_none_or(|scheduled| scheduled > due)
        {
            transport.scheduled = Some(due);
            self.timers.add(due, key);
        }
    }
}
