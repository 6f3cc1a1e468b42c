//! Packets put together into bursts, and how much longer each burst took than the one before (GCC draft §5.2, §5.3).
//!
//! A burst is what was sent within 5 ms, or what arrived within 5 ms of it because something on the way held it back
//! (Wi-Fi does). The draft compares the *last* packets of bursts; we compare the first ones: what a server forwards are
//! whole frames at a time, and the last packet of a large frame waits for the frame itself, which says nothing of the
//! network.

use crate::time::Time;

/// Packets sent within this time are one burst.
const BURST_US: i64 = 5_000;
/// A burst that arrives together lasts no longer than this.
const MAX_BURST_US: i64 = 100_000;
/// A difference larger than this means that a clock was set or the path was down.
const BREAK_US: i64 = 3_000_000;

#[derive(Clone, Copy, Debug)]
struct Burst {
    /// Of its first packet, microseconds of our clock.
    sent: i64,
    /// Of its first and of its latest packet, microseconds of the receiver's clock.
    arrival: i64,
    last_arrival: i64,
}

/// From one burst to the next, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delta {
    pub sent_ms: f64,
    pub arrival_ms: f64,
    /// When the newer burst arrived, by the receiver's clock.
    pub at_ms: f64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct InterArrival {
    current: Option<Burst>,
}

impl InterArrival {
    /// A packet, in the order of sending. `Some` when it begins a burst and there was one before.
    #[inline]
    pub fn on_packet(&mut self, sent: Time, arrival_us: i64) -> Option<Delta> {
        let sent_us = sent.0.cast_signed();
        let new = Burst { sent: sent_us, arrival: arrival_us, last_arrival: arrival_us };
        let Some(current) = self.current.as_mut() else {
            self.current = Some(new);
            return None;
        };
        let (sent_delta, arrival_delta) = (sent_us - current.sent, arrival_us.saturating_sub(current.arrival));
        if arrival_delta.abs() > BREAK_US || sent_delta.abs() > BREAK_US {
            self.current = Some(new);
            return None;
        }
        let since_last = arrival_us - current.last_arrival;
        let caught_up = since_last <= BURST_US && arrival_delta < sent_delta && arrival_delta < MAX_BURST_US;
        if sent_delta <= BURST_US || caught_up {
            current.last_arrival = current.last_arrival.max(arrival_us);
            return None;
        }
        // One that overtook the burst before it says nothing of a queue.
        if arrival_delta <= 0 {
            return None;
        }
        self.current = Some(new);
        Some(Delta {
            sent_ms: sent_delta as f64 / 1e3,
            arrival_ms: arrival_delta as f64 / 1e3,
            at_ms: arrival_us as f64 / 1e3,
        })
    }

    pub fn reset(&mut self) {
        self.current = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_packet(bursts: &mut InterArrival, sent_ms: u64, arrival_ms: i64) -> Option<(f64, f64)> {
        bursts.on_packet(Time(sent_ms * 1_000), arrival_ms * 1_000).map(|delta| (delta.sent_ms, delta.arrival_ms))
    }

    #[test]
    fn a_frame_is_one_burst_and_its_first_packet_counts() {
        let mut bursts = InterArrival::default();
        assert_eq!(on_packet(&mut bursts, 0, 1_000), None);
        assert_eq!(on_packet(&mut bursts, 1, 1_012), None);
        assert_eq!(on_packet(&mut bursts, 2, 1_024), None);
        assert_eq!(on_packet(&mut bursts, 33, 1_036), Some((33.0, 36.0)));
    }

    #[test]
    fn what_was_held_back_and_arrives_at_once_is_one_burst() {
        let mut bursts = InterArrival::default();
        assert_eq!(on_packet(&mut bursts, 0, 1_000), None);
        assert_eq!(on_packet(&mut bursts, 20, 1_060), Some((20.0, 60.0)));
        assert_eq!(on_packet(&mut bursts, 40, 1_061), None);
        assert_eq!(on_packet(&mut bursts, 60, 1_062), None);
        assert_eq!(on_packet(&mut bursts, 80, 1_080), Some((60.0, 20.0)));
    }

    #[test]
    fn after_a_break_it_begins_anew() {
        let mut bursts = InterArrival::default();
        assert_eq!(on_packet(&mut bursts, 0, 1_000), None);
        assert_eq!(on_packet(&mut bursts, 100, -50_000), None);
        assert_eq!(on_packet(&mut bursts, 120, -49_980), Some((20.0, 20.0)));
    }
}
