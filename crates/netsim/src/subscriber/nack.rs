//! What is missing and asked for again, as libwebrtc's `NackRequester` does: at once when a gap shows, then once a round
//! trip, looked at every 20 ms, ten times at most.

use std::collections::BTreeMap;

use sfu_core::time::{Micros, Time};

const PROCESS_INTERVAL: Micros = Micros::from_millis(20);
const MAX_RETRIES: u32 = 10;
/// With more missing than this everything is forgotten and a keyframe asked for.
const MAX_MISSING: usize = 1_000;
const DEFAULT_RTT: Micros = Micros::from_millis(100);

#[derive(Clone, Copy, Debug)]
struct Missing {
    asked: Time,
    retries: u32,
}

#[derive(Debug)]
pub struct NackList {
    missing: BTreeMap<u64, Missing>,
    newest: Option<u64>,
    next: Time,
    rtt: Micros,
    pub overflows: u64,
}

impl NackList {
    pub fn new(start: Time) -> Self {
        Self { missing: BTreeMap::new(), newest: None, next: start + PROCESS_INTERVAL, rtt: DEFAULT_RTT, overflows: 0 }
    }

    pub fn set_rtt(&mut self, rtt: Micros) {
        self.rtt = rtt;
    }

    /// A packet came; numbers to be asked for at once are given to `ask`. True: too much is missing, a keyframe is
    /// needed.
    pub fn on_packet(&mut self, now: Time, ext_seq: u64, mut ask: impl FnMut(u64)) -> bool {
        let Some(newest) = self.newest else {
            self.newest = Some(ext_seq);
            return false;
        };
        if ext_seq <= newest {
            self.missing.remove(&ext_seq);
            return false;
        }
        self.newest = Some(ext_seq);
        if ext_seq - newest > MAX_MISSING as u64 || self.missing.len() + (ext_seq - newest) as usize > MAX_MISSING {
            self.missing.clear();
            self.overflows += 1;
            return true;
        }
        for seq in newest + 1..ext_seq {
            self.missing.insert(seq, Missing { asked: now, retries: 1 });
            ask(seq);
        }
        false
    }

    /// Nothing before `ext_seq` is wanted any more: later frames were shown.
    pub fn forget_before(&mut self, ext_seq: u64) {
        self.missing = self.missing.split_off(&ext_seq);
    }

    pub fn next_timeout(&self) -> Option<Time> {
        (!self.missing.is_empty()).then_some(self.next)
    }

    pub fn on_timeout(&mut self, now: Time, mut ask: impl FnMut(u64)) {
        if now < self.next {
            return;
        }
        let intervals = now.since(self.next).0 / PROCESS_INTERVAL.0 + 1;
        self.next = self.next + Micros(intervals * PROCESS_INTERVAL.0);
        let rtt = self.rtt;
        self.missing.retain(|&seq, missing| {
            if now.since(missing.asked) >= rtt {
                if missing.retries >= MAX_RETRIES {
                    return false;
                }
                missing.asked = now;
                missing.retries += 1;
                ask(seq);
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_asked_for_at_once_then_every_round_trip_ten_times_in_all() {
        let mut list = NackList::new(Time(0));
        list.set_rtt(Micros::from_millis(50));
        let mut asked = Vec::new();
        list.on_packet(Time(0), 10, |seq| asked.push((0, seq)));
        list.on_packet(Time(1_000), 13, |seq| asked.push((1, seq)));
        assert_eq!(asked, [(1, 11), (1, 12)]);
        list.on_packet(Time(2_000), 11, |_| panic!("no gap"));
        let mut asked = Vec::new();
        while let Some(at) = list.next_timeout() {
            list.on_timeout(at, |seq| asked.push((at.0 / 1_000, seq)));
        }
        // Looked at every 20 ms, so a round trip of 50 ms makes steps of 60.
        assert_eq!(asked.len(), 9);
        assert_eq!(asked[..3], [(60, 12), (120, 12), (180, 12)]);
    }

    #[test]
    fn too_large_a_gap_needs_a_keyframe() {
        let mut list = NackList::new(Time(0));
        assert!(!list.on_packet(Time(0), 10, |_| ()));
        assert!(list.on_packet(Time(0), 1_100, |_| panic!("not asked for")));
        assert_eq!(list.next_timeout(), None);
    }
}
