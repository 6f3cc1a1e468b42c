//! A queue that stands for seconds: is it ours, or does another sender fill it?
//!
//! TCP fills a queue until it loses. Giving way to that would end with nothing, so the rate then has to follow loss, as
//! the other's does; but a queue of our own must be drained. A trial tells: for a while less is sent. Our own queue gets
//! shorter by that, another's is filled up again.

use crate::time::{Micros, Time};

/// A queue that was never shorter than this for three seconds stands.
const STANDING_MS: f64 = 25.0;
/// The trial lasts a round trip, that of the queue included, and this: what is sent now shows behind the queue.
const TRIAL: Micros = Micros::from_millis(300);
/// A queue longer than this is never contended for: a conversation through it is none.
const MOST_MS: f64 = 800.0;
/// Our own queue is shorter than this share of what it was at the end of the trial.
const DRAINED: f64 = 0.6;
/// After a queue turned out to be ours, there is so much time to drain it.
const PAUSE: Micros = Micros::from_secs(3);
/// After so long the delay of an empty queue is learned anew: the path may have become longer.
const MAX_HELD: Micros = Micros::from_secs(60);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Contention {
    /// No queue stands.
    #[default]
    Free,
    Trial {
        until: Time,
        queue_ms: f64,
    },
    /// It was ours.
    Draining {
        until: Time,
    },
    /// Another keeps it filled.
    Contended {
        since: Time,
    },
}

impl Contention {
    /// After each feedback.
    pub fn update(&mut self, now: Time, queue_ms: f64, floor_ms: f64, rtt: Micros) {
        *self = match *self {
            _ if floor_ms < STANDING_MS => Self::Free,
            Self::Contended { .. } if queue_ms > MOST_MS => Self::Draining { until: now + PAUSE },
            Self::Free => Self::trial(now, queue_ms, rtt),
            Self::Draining { until } if now >= until => Self::trial(now, queue_ms, rtt),
            Self::Trial { until, queue_ms: before_ms } if now >= until => {
                let is_ours = queue_ms < DRAINED * before_ms || queue_ms > MOST_MS;
                if is_ours { Self::Draining { until: now + PAUSE } } else { Self::Contended { since: now } }
            }
            unchanged => unchanged,
        };
    }

    fn trial(now: Time, queue_ms: f64, rtt: Micros) -> Self {
        Self::Trial { until: now + rtt.min(PAUSE) + TRIAL, queue_ms }
    }

    pub fn is_trial(self) -> bool {
        matches!(self, Self::Trial { .. })
    }

    pub fn is_contended(self) -> bool {
        matches!(self, Self::Contended { .. })
    }

    /// The delay of an empty queue is to be remembered for longer: there will be none for a while.
    pub fn holds_base(self, now: Time) -> bool {
        matches!(self, Self::Contended { since } if now.since(since) < MAX_HELD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Micros = Micros::from_millis(200);

    fn after(steps: &[(u64, f64, f64)]) -> Contention {
        let mut contention = Contention::default();
        for (ms, queue_ms, floor_ms) in steps {
            contention.update(Time(ms * 1_000), *queue_ms, *floor_ms, RTT);
        }
        contention
    }

    #[test]
    fn a_queue_that_stands_is_put_on_trial() {
        assert_eq!(after(&[(0, 200.0, 10.0)]), Contention::Free);
        assert!(after(&[(0, 200.0, 10.0), (50, 200.0, 100.0), (500, 90.0, 90.0)]).is_trial());
    }

    #[test]
    fn a_queue_that_stays_though_less_is_sent_is_another_s() {
        let contention = after(&[(0, 200.0, 100.0), (500, 190.0, 100.0), (9_000, 150.0, 100.0)]);
        assert!(contention.is_contended());
        assert!(contention.holds_base(Time(60_000_000)) && !contention.holds_base(Time(61_000_000)));
    }

    #[test]
    fn a_queue_of_a_second_is_left_to_nobody() {
        assert!(matches!(after(&[(0, 900.0, 100.0), (500, 900.0, 100.0)]), Contention::Draining { .. }));
        let contended = [(0, 700.0, 100.0), (500, 700.0, 100.0)];
        assert!(after(&contended).is_contended());
        assert!(matches!(after(&[contended[0], contended[1], (550, 900.0, 100.0)]), Contention::Draining { .. }));
    }

    #[test]
    fn a_queue_that_gets_shorter_when_less_is_sent_is_ours_and_has_time_to_drain() {
        let ours = [(0, 200.0, 100.0), (500, 100.0, 100.0)];
        assert!(matches!(after(&ours), Contention::Draining { .. }));
        assert!(after(&[ours[0], ours[1], (3_500, 80.0, 80.0)]).is_trial());
        assert_eq!(after(&[ours[0], ours[1], (900, 10.0, 10.0)]), Contention::Free);
    }
}
