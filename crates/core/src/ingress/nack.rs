//! Which packets of an encoding are missing and when to ask for them (again).
//!
//! A gap is asked for at once, then at intervals that start at one round trip and grow by a quarter,
//! at most ten times, and not when the answer would come too late. What does not come then is given up, and the owner
//! asks for a keyframe if it was needed.

use crate::rate::{earlier, scale};
use crate::time::{Micros, Time};

/// RTT x 1.25 between tries, no faster than this.
const MIN_INTERVAL: Micros = Micros::from_millis(20);
const MAX_INTERVAL: Micros = Micros::from_secs(1);
const MAX_TRIES: u8 = 10;
/// What would come later than this after it was first asked for comes too late: the history does not keep it longer
/// for subscribers, and their jitter buffers gave up.
const DEADLINE: Micros = Micros::from_secs(2);
/// More than this is not repaired packet by packet but by a keyframe (libwebrtc: 1,000).
const MAX_MISSING: usize = 1_000;
/// Sequence numbers asked for in one feedback packet.
pub const MAX_PER_REQUEST: usize = 250;

#[derive(Clone, Copy, Debug)]
struct Missing {
    ext_seq: u64,
    tries: u8,
    first_asked: Time,
    due: Time,
    interval: Micros,
    /// Without it nothing more can be decoded, as far as is known.
    is_needed: bool,
}

/// What a packet's arrival meant for the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// It had been asked for exactly once, so long ago: a sample of the round trip.
    pub rtt_sample: Option<Micros>,
    /// Too much is missing: the list was emptied.
    pub gave_up: bool,
}

/// What [`NackGenerator::collect`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Numbers to ask for.
    pub count: usize,
    /// A packet was given up that was needed.
    pub gave_up: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct NackGenerator {
    /// By sequence number.
    missing: Vec<Missing>,
    highest: Option<u64>,
    due: Option<Time>,
}

impl NackGenerator {
    /// A packet arrived, by itself or by retransmission.
    pub fn on_packet(&mut self, now: Time, ext_seq: u64) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(ext_seq);
            return Arrival::default();
        };
        if ext_seq <= highest {
            return Arrival { rtt_sample: self.found(now, ext_seq), gave_up: false };
        }
        self.highest = Some(ext_seq);
        let gap = ext_seq - highest - 1;
        if gap == 0 {
            return Arrival::default();
        }
        if gap > MAX_MISSING as u64 || self.missing.len() + gap as usize > MAX_MISSING {
            self.missing.clear();
            self.due = None;
            return Arrival { rtt_sample: None, gave_up: true };
        }
        let (interval, is_needed) = (Micros(0), true);
        let entry = |ext_seq| Missing { ext_seq, tries: 0, first_asked: now, due: now, interval, is_needed };
        self.missing.extend((highest + 1..ext_seq).map(entry));
        self.due = Some(now);
        Arrival::default()
    }

    fn found(&mut self, now: Time, ext_seq: u64) -> Option<Micros> {
        let index = self.missing.binary_search_by_key(&ext_seq, |missing| missing.ext_seq).ok()?;
        let missing = self.missing.remove(index);
        (missing.tries == 1).then(|| now.since(missing.first_asked))
    }

    /// When [`NackGenerator::collect`] has something to ask for.
    pub fn due(&self) -> Option<Time> {
        if self.missing.is_empty() { None } else { self.due }
    }

    /// Writes what is to be asked for now to the start of `request`. `is_needed` is asked about what did not come at the
    /// first request: by then the packets around it are there.
    pub fn collect(
        &mut self,
        now: Time,
        rtt: Micros,
        request: &mut [u16],
        is_needed: impl Fn(u64) -> bool,
    ) -> Collected {
        let mut gave_up = false;
        self.missing.retain(|missing| {
            let is_too_late = missing.tries > 0 && now + rtt > missing.first_asked + DEADLINE;
            let is_kept = missing.due > now || (missing.tries < MAX_TRIES && !is_too_late);
            gave_up |= !is_kept && missing.is_needed;
            is_kept
        });
        self.due = None;
        let mut places = request.iter_mut();
        let mut count = 0;
        for missing in &mut self.missing {
            if missing.due <= now
                && let Some(place) = places.next()
            {
                *place = missing.ext_seq as u16;
                count += 1;
                missing.interval = match missing.tries {
                    0 => {
                        missing.first_asked = now;
                        rtt.max(MIN_INTERVAL)
                    }
                    _ => scale(missing.interval, 5, 4).min(MAX_INTERVAL),
                };
                if missing.tries == 1 {
                    missing.is_needed = is_needed(missing.ext_seq);
                }
                missing.tries += 1;
                missing.due = now + missing.interval;
            }
            self.due = earlier(self.due, Some(missing.due));
        }
        Collected { count, gave_up }
    }

    /// Packets known to be missing.
    pub fn len(&self) -> usize {
        self.missing.len()
    }

    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Micros = Micros::from_millis(100);

    fn asked(nack: &mut NackGenerator, now: Time) -> Vec<u16> {
        let mut request = [0; MAX_PER_REQUEST];
        let collected = nack.collect(now, RTT, &mut request, |_| true);
        request[..collected.count].to_vec()
    }

    #[test]
    fn a_gap_is_asked_for_at_once_and_what_came_is_not_asked_again() {
        let mut nack = NackGenerator::default();
        nack.on_packet(Time(0), 100);
        nack.on_packet(Time(10), 104);
        assert_eq!(nack.due(), Some(Time(10)));
        assert_eq!(asked(&mut nack, Time(10)), [101, 102, 103]);
        let arrival = nack.on_packet(Time(80_010), 102);
        assert_eq!(arrival.rtt_sample, Some(Micros(80_000)));
        assert_eq!(asked(&mut nack, Time(100_009)), []);
        assert_eq!(asked(&mut nack, Time(100_010)), [101, 103]);
    }

    #[test]
    fn after_ten_tries_at_growing_intervals_a_packet_is_given_up() {
        let mut nack = NackGenerator::default();
        nack.on_packet(Time(0), 1);
        nack.on_packet(Time(0), 3);
        let mut times = Vec::new();
        let mut gave_up = false;
        while let Some(due) = nack.due() {
            let collected = nack.collect(due, Micros(0), &mut [0; MAX_PER_REQUEST], |_| true);
            gave_up = collected.gave_up;
            if collected.count > 0 {
                times.push(due.0);
            }
        }
        assert!(gave_up);
        assert_eq!(times.len(), 10);
        assert_eq!(times[..4], [0, 20_000, 45_000, 76_250]);
    }

    #[test]
    fn what_could_only_come_too_late_is_not_asked_for_again() {
        let mut nack = NackGenerator::default();
        nack.on_packet(Time(0), 1);
        nack.on_packet(Time(0), 3);
        let rtt = Micros::from_millis(500);
        let mut times = Vec::new();
        let mut gave_up_at = None;
        while let Some(due) = nack.due() {
            let collected = nack.collect(due, rtt, &mut [0; MAX_PER_REQUEST], |_| true);
            times.extend((collected.count > 0).then_some(due.0 / 1_000));
            gave_up_at = gave_up_at.or(collected.gave_up.then_some(due.0 / 1_000));
        }
        assert_eq!(times, [0, 500, 1_125]);
        assert_eq!(gave_up_at, Some(1_906));
    }

    #[test]
    fn a_huge_gap_is_not_repaired_packet_by_packet() {
        let mut nack = NackGenerator::default();
        nack.on_packet(Time(0), 1);
        assert!(nack.on_packet(Time(0), 2_000).gave_up);
        assert_eq!((nack.len(), nack.due()), (0, None));
    }

    #[test]
    fn the_list_never_exceeds_its_limit() {
        let mut nack = NackGenerator::default();
        for ext_seq in (0..100_000).step_by(3) {
            nack.on_packet(Time(0), ext_seq);
            assert!(nack.len() <= MAX_MISSING);
        }
    }
}
