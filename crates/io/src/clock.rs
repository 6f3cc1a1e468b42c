//! The one place of the data plane that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sfu_core::time::Time;

/// A kernel timestamp further back than this is not believed: the wall clock was set meanwhile.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Turns the machine's clocks into shard time: microseconds since this clock was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
    unix_offset_us: i64,
}

impl Clock {
    /// A clock whose zero is a second ago, so that "long ago" can be written down.
    pub fn start() -> Self {
        let behind = Duration::from_secs(1);
        let epoch = Instant::now().checked_sub(behind).unwrap_or_else(Instant::now);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { epoch, unix_offset_us: micros(unix) as i64 - micros(epoch.elapsed()) as i64 }
    }

    /// Microseconds to add to shard time to get Unix time.
    pub fn unix_offset_us(&self) -> i64 {
        self.unix_offset_us
    }

    pub fn now(&self) -> Time {
        Time(micros(self.epoch.elapsed()))
    }

    /// How to read kernel timestamps of packets that came just now.
    pub fn arrivals(&self) -> Arrivals {
        Arrivals { now: self.now(), wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }
}

/// Both clocks at one moment. Kernel timestamps are wall-clock time, which may be set at any moment; only their
/// distance from the present counts.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    pub now: Time,
    wall: Duration,
}

impl Arrivals {
    /// Shard time of a kernel timestamp (Unix time); `now` when there is none or it cannot be true.
    pub fn time_of(&self, stamp: Option<Duration>) -> Time {
        let age = stamp.and_then(|stamp| self.wall.checked_sub(stamp)).filter(|age| *age <= MAX_AGE);
        Time(self.now.0.saturating_sub(age.map_or(0, micros)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_timestamp_counts_by_its_distance_from_the_present() {
        let arrivals = Arrivals { now: Time(5_000_000), wall: Duration::from_secs(1_000) };
        assert_eq!(arrivals.time_of(Some(Duration::from_micros(999_999_700))), Time(4_999_700));
    }

    #[test]
    fn a_timestamp_of_the_future_or_the_distant_past_is_not_believed() {
        let arrivals = Arrivals { now: Time(5_000_000), wall: Duration::from_secs(1_000) };
        for stamp in [None, Some(Duration::from_secs(1_001)), Some(Duration::from_secs(990))] {
            assert_eq!(arrivals.time_of(stamp), Time(5_000_000), "{stamp:?}");
        }
    }

    #[test]
    fn shard_time_and_its_offset_give_unix_time() {
        let clock = Clock::start();
        let unix = clock.now().0 as i64 + clock.unix_offset_us();
        let really = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
        assert!((really - unix).abs() < 100_000, "{unix} against {really}");
    }
}
