//! Time as the shard sees it: microseconds since an epoch that the caller chose.

use std::ops::{Add, Sub};

/// A point in time, microseconds since the shard's own epoch (monotonic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000))
    }
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1_000_000))
    }
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }
}

impl Time {
    /// How long ago `earlier` was; zero when it lies in the future.
    pub const fn since(self, earlier: Self) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Micros> for Time {
    type Output = Self;
    fn add(self, rhs: Micros) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

impl Sub<Micros> for Time {
    type Output = Self;
    fn sub(self, rhs: Micros) -> Self {
        Self(self.0.saturating_sub(rhs.0))
    }
}

impl Add for Micros {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}
