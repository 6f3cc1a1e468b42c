//! Spreads what goes to one client over time: media goes out at once as long as it fits what the pacing rate drains in
//! 40 ms, and waits here beyond that. Stop `pacer`.
//!
//! What waits is named, not copied: the payload stays in the history ring. It waits in front of the consumer: layers,
//! numbers and timestamps are decided when its time has come, in the order of arrival, so a number is given in the moment
//! of sending, and what is switched, paused or left out meanwhile never gets one. Audio, RTCP and retransmissions never
//! wait, but what they take is not there for media. Bounded in packets and in time: what has waited for a second, or is
//! more than a thousand packets ahead of the newest, goes out whatever the rate.

use std::collections::VecDeque;

use crate::slab::Key;
use crate::time::{Micros, Time};

/// What may go out at once: so much of the pacing rate. A frame at 25 per second, with room for the next.
const BURST_NS: u64 = 40_000_000;
/// What waits leaves in trains of about so much.
const TRAIN_NS: u64 = 5_000_000;
/// What was sent beyond the rate (audio, retransmissions) is made up for no longer than this.
const MAX_DEBT_NS: u64 = 500_000_000;
const MAX_WAIT: Micros = Micros::from_secs(1);
const MAX_PACKETS: usize = 1_024;

/// A packet that a consumer is to take when its time has come.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub consumer: Key,
    pub producer: Key,
    pub encoding: u8,
    /// In the encoding's history ring.
    pub ext_seq: u64,
    /// Of the consumer, when the packet came.
    pub epoch: u32,
    /// About what it will take; 0: it is of a layer that will be left out.
    pub bytes: u16,
    pub since: Time,
}

/// See the module. Without a rate nothing waits.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Pacer {
    /// Time that a byte takes at the pacing rate; 0: no rate.
    ns_per_byte: u64,
    /// When all that was sent has left at the pacing rate, nanoseconds since the shard's epoch.
    drained_at: u64,
    queue: VecDeque<Waiting>,
    bytes: u64,
}

impl Pacer {
    /// Whether media may go out at once.
    #[inline]
    pub fn admits(&self, now: Time) -> bool {
        self.has_room(now) && self.queue.is_empty()
    }

    /// Whether the rate allows something to go out, whatever waits.
    #[inline]
    pub fn has_room(&self, now: Time) -> bool {
        self.drained_at <= now.0 * 1_000 + BURST_NS
    }

    #[inline]
    pub fn on_sent(&mut self, now: Time, bytes: u32) {
        let now = now.0 * 1_000;
        let drained_at = self.drained_at.max(now) + u64::from(bytes) * self.ns_per_byte;
        self.drained_at = drained_at.min(now + MAX_DEBT_NS);
    }

    /// `None`: no rate.
    pub fn set_rate(&mut self, now: Time, bps: Option<u64>) {
        let ns_per_byte = bps.map_or(0, |bps| 8_000_000_000 / bps.max(1_000));
        if ns_per_byte == self.ns_per_byte {
            return;
        }
        let now = now.0 * 1_000;
        let debt = self.drained_at.saturating_sub(now);
        // What was sent takes another time at another rate.
        self.drained_at = now + (debt * ns_per_byte).checked_div(self.ns_per_byte).unwrap_or(0).min(MAX_DEBT_NS);
        self.ns_per_byte = ns_per_byte;
    }

    /// What was sent keeps the network busy for so long: nothing has to be there earlier. That the network is found to be
    /// less busy than was thought shortens a long wait, and is no leave to send more than the rate.
    pub fn owe(&mut self, now: Time, debt: Micros) {
        let now = now.0 * 1_000;
        let own = self.drained_at.min(now + 2 * BURST_NS);
        self.drained_at = own.max(now + (debt.0 * 1_000).min(MAX_DEBT_NS));
    }

    /// No media for so long.
    pub fn hold(&mut self, now: Time, pause: Micros) {
        self.drained_at = self.drained_at.max(now.0 * 1_000 + pause.0 * 1_000 + BURST_NS);
    }

    pub fn push(&mut self, waiting: Waiting) {
        self.bytes += u64::from(waiting.bytes);
        self.queue.push_back(waiting);
    }

    /// In front of all that waits: it came before.
    pub fn push_front(&mut self, waiting: Waiting) {
        self.bytes += u64::from(waiting.bytes);
        self.queue.push_front(waiting);
    }

    /// The next packet whose time has come.
    pub fn pop_due(&mut self, now: Time) -> Option<Waiting> {
        let front = self.queue.front()?;
        if !self.has_room(now) && self.queue.len() <= MAX_PACKETS && now.since(front.since) < MAX_WAIT {
            return None;
        }
        let waiting = self.queue.pop_front()?;
        self.bytes -= u64::from(waiting.bytes);
        Some(waiting)
    }

    /// When the next train may leave.
    pub fn due(&self) -> Option<Time> {
        let front = self.queue.front()?;
        let train = Time((self.drained_at.saturating_sub(BURST_NS - TRAIN_NS)).div_ceil(1_000));
        Some(train.min(front.since + MAX_WAIT))
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Of the packets that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long the last of them will wait at the present rate.
    pub fn wait(&self) -> Micros {
        Micros(self.bytes * self.ns_per_byte / 1_000)
    }

    /// Forgets what waits of an encoding in front of a consumer; returns how many packets.
    pub fn forget(&mut self, consumer: Key, encoding: u8) -> u64 {
        let (before, mut bytes) = (self.queue.len(), self.bytes);
        self.queue.retain(|waiting| {
            let is_kept = waiting.consumer != consumer || waiting.encoding != encoding;
            bytes -= if is_kept { 0 } else { u64::from(waiting.bytes) };
            is_kept
        });
        self.bytes = bytes;
        (before - self.queue.len()) as u64
    }

    /// Forgets what waits: there is nowhere to send it.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
    }

    pub fn memory_bytes(&self) -> usize {
        self.queue.capacity() * size_of::<Waiting>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    fn waiting(ext_seq: u64, since: Time) -> Waiting {
        let mut slab = Slab::default();
        let key = slab.insert(());
        Waiting { consumer: key, producer: key, encoding: 0, ext_seq, epoch: 0, bytes: 1_250, since }
    }

    /// 1 Mbit/s: 1,250 bytes take 10 ms.
    fn pacer() -> Pacer {
        let mut pacer = Pacer::default();
        pacer.set_rate(Time(0), Some(1_000_000));
        pacer
    }

    /// Offers packets at once, then plays the timer; times of sending in ms.
    fn play(pacer: &mut Pacer, now: Time, packets: u64) -> Vec<u64> {
        let mut sent = Vec::new();
        for seq in 0..packets {
            if pacer.admits(now) {
                pacer.on_sent(now, 1_250);
                sent.push(now.0 / 1_000);
            } else {
                pacer.push(waiting(seq, now));
            }
        }
        while let Some(due) = pacer.due() {
            while let Some(next) = pacer.pop_due(due) {
                pacer.on_sent(due, u32::from(next.bytes));
                sent.push(due.0 / 1_000);
            }
        }
        sent
    }

    #[test]
    fn forty_milliseconds_go_at_once_and_the_rest_at_the_rate() {
        let mut pacer = pacer();
        let sent = play(&mut pacer, Time(1_000_000), 20);
        assert_eq!(sent.iter().filter(|at| **at == 1_000).count(), 5, "{sent:?}");
        assert!(sent.is_sorted() && (1_145..=1_165).contains(sent.last().unwrap()), "{sent:?}");
        assert_eq!((sent.len(), pacer.bytes(), pacer.is_empty()), (20, 0, true));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pacer = Pacer::default();
        assert_eq!(play(&mut pacer, Time(1_000_000), 500), vec![1_000; 500]);
    }

    #[test]
    fn who_was_silent_saves_nothing_up() {
        let mut pacer = pacer();
        play(&mut pacer, Time(1_000_000), 1);
        let sent = play(&mut pacer, Time(9_000_000), 20);
        assert_eq!(sent.iter().filter(|at| **at == 9_000).count(), 5, "{sent:?}");
    }

    #[test]
    fn nothing_waits_longer_than_a_second_and_no_more_than_a_thousand_packets_do() {
        let mut pacer = pacer();
        let sent = play(&mut pacer, Time(1_000_000), 3_000);
        assert!(*sent.last().unwrap() <= 2_000, "{sent:?}");
        let now = Time(9_000_000);
        (0..3_000).for_each(|seq| pacer.push(waiting(seq, now)));
        while pacer.pop_due(now).is_some() {
            pacer.on_sent(now, 1_250);
        }
        assert_eq!(pacer.bytes(), 1_250 * MAX_PACKETS as u64);
    }

    #[test]
    fn what_keeps_the_network_busy_and_a_pause_hold_media_back() {
        let mut pacer = pacer();
        let now = Time(1_000_000);
        pacer.owe(now, Micros::from_millis(200));
        assert!(!pacer.admits(now + Micros::from_millis(159)) && pacer.admits(now + Micros::from_millis(160)));
        pacer.owe(now, Micros(0));
        assert!(!pacer.admits(now + Micros::from_millis(39)), "that the network is empty is no leave for a burst");
        assert!(pacer.admits(now + Micros::from_millis(40)), "but nothing has to wait for it");
        let now = now + Micros::from_millis(80);
        pacer.hold(now, Micros::from_millis(50));
        assert!(!pacer.admits(now + Micros::from_millis(49)) && pacer.admits(now + Micros::from_millis(50)));
    }

    #[test]
    fn what_is_forgotten_leaves_the_rest_in_its_order() {
        let mut pacer = pacer();
        let mut slab = Slab::default();
        let (ours, other) = (slab.insert(()), slab.insert(()));
        for (ext_seq, consumer, encoding) in [(1, ours, 2), (2, other, 2), (3, ours, 0), (4, ours, 2)] {
            pacer.push(Waiting { consumer, encoding, ..waiting(ext_seq, Time(0)) });
        }
        assert_eq!((pacer.forget(ours, 2), pacer.bytes()), (2, 2_500));
        let left: Vec<u64> = std::iter::from_fn(|| pacer.pop_due(Time(0))).map(|waiting| waiting.ext_seq).collect();
        assert_eq!((left, pacer.bytes()), (vec![2, 3], 0));
    }

    #[test]
    fn another_rate_counts_for_what_was_sent_too() {
        let mut pacer = pacer();
        let now = Time(1_000_000);
        (0..20).for_each(|_| pacer.on_sent(now, 1_250));
        assert!(!pacer.admits(now));
        pacer.set_rate(now, Some(10_000_000));
        assert!(pacer.admits(now));
        pacer.set_rate(now, Some(100_000));
        assert!(!pacer.admits(now + Micros::from_millis(400)));
        assert!(pacer.admits(now + Micros::from_millis(470)));
    }
}
