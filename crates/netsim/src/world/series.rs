//! The course of a client in steps of 100 ms.

use sfu_core::stats::{TransportStats, Value};
use sfu_core::time::{Micros, Time};

/// One video stream at the end of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamSample {
    /// Encoding and temporal layer that is shown.
    pub layer: Option<(u8, u8)>,
    /// Since the beginning.
    pub frames: u64,
    pub frozen: Micros,
}

/// One list for each quantity, one entry for each step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    pub at: Vec<Time>,
    pub capacity_bps: Vec<u64>,
    /// Put on the link for this client, and what of it arrived; headers included.
    pub sent_bps: Vec<u64>,
    pub received_bps: Vec<u64>,
    pub queue: Vec<Micros>,
    /// The server's; 0 when it has none.
    pub estimate_bps: Vec<u64>,
    /// Ticks of 20 ms that were concealed so far, of all audio streams.
    pub concealed: Vec<u64>,
    /// In the order in which the streams were added.
    pub streams: Vec<Vec<StreamSample>>,
}

/// Address of a transport's client and the estimate towards it, when the server makes one.
pub fn estimate(stats: &TransportStats) -> Option<(String, u64)> {
    let remote = stats.remote?.to_string();
    stats.fields().find_map(|(name, value)| match value {
        Value::Uint(bps) if name == "estimate_bps" => Some((remote.clone(), bps)),
        _ => None,
    })
}
