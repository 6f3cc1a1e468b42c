//! Send-side bandwidth estimation: what the network towards one subscriber carries.
//!
//! Owns the history of what was sent, the estimate and the plan of probes. Owns no packet, no queue and no clock: the
//! pacer sends, the transport reads RTCP, the control plane decides what to do with the estimate. One [`Estimator`] for
//! each transport that has consumers; about 2 KiB, and a history of 8 bytes for each packet in flight, allocated at the
//! first packet and bounded to 8 KiB.
//!
//! Who calls what when, all on the shard's thread:
//!
//! | call | by | when |
//! |---|---|---|
//! | [`Estimator::on_sent`] | pacer | each packet that carries a transport-wide number, in the order of the numbers, retransmissions and padding too; right before it goes to the socket |
//! | [`Estimator::on_feedback`] | transport | each transport-wide feedback; take the returned [`Update`] to the control plane, then [`Estimator::poll_probe`] |
//! | [`Estimator::on_rtt`] | transport | each round trip measured by reports |
//! | [`Estimator::on_remb`] | transport | each REMB; counts only while no transport-wide feedback comes |
//! | [`Estimator::on_receiver_report`] | transport | each report block on one of our video streams; counts only while no transport-wide feedback comes |
//! | [`Estimator::set_desired`] | command | what the allocation would send if the network carried it; then [`Estimator::poll_probe`] |
//! | [`Estimator::on_timeout`] | shard's timer | at [`Estimator::next_timeout`], then [`Estimator::poll_probe`] |
//! | [`Estimator::poll_probe`] | pacer | as said above; at most one plan at a time |
//!
//! The pacer sends a [`ProbePlan`] at its rate: media that waits anyway, retransmissions of recent media, else padding;
//! every packet that it sends meanwhile, media and audio included, is marked with the plan's id. A probe that cannot be
//! sent needs no word: it is given up after 200 ms. The first probes are due with the first packet sent, so that the
//! estimate is there before the video.
//!
//! The parts: [`estimator`] calls the others. What feedback says goes through [`arrivals`]: [`history`] (what the
//! numbers stand for), [`arrival_clock`], [`acked_rate`], [`inter_arrival`] (bursts), [`trendline`] and [`overuse`] (does
//! a queue grow), [`queue`] (how long is it), [`backlog`] (how much of it is not told yet) with
//! `suspicion`. From that follow [`aimd`] with [`link_capacity`] and
//! [`contention`] (the rate), [`loss_based`], [`probe`] and [`probe_cluster`], with [`alr`] (is all of it used); [`silence`] and [`fallback`] stand in when there is
//! no feedback; [`updates`] chooses what to tell. Specifications: draft-ietf-rmcat-gcc-02 and
//! draft-holmer-rmcat-transport-wide-cc-extensions-01; what deviates is in docs/assumptions.md.
//!
//! Loss between the publisher and this server cannot lower an estimate: transport-wide numbers are given when a packet
//! is sent to this subscriber, so what never came has none.

pub mod acked_rate;
pub mod aimd;
pub mod alr;
pub mod arrival_clock;
pub mod arrivals;
pub mod backlog;
pub mod contention;
pub mod estimator;
pub mod fallback;
pub mod history;
pub mod inter_arrival;
pub mod link_capacity;
pub mod loss_based;
mod outgoing;
pub mod overuse;
pub mod probe;
pub mod probe_cluster;
pub mod queue;
pub mod silence;
mod suspicion;
pub mod trendline;
pub mod updates;

use crate::time::{Micros, Time};

pub use estimator::Estimator;

/// Bounds of the estimate, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BweOptions {
    pub min_bps: u64,
    pub start_bps: u64,
    pub max_bps: u64,
}

impl Default for BweOptions {
    /// 30 kbit/s is audio alone; 300 kbit/s carries a thumbnail on nearly every network, and probes go on from there
    /// within a few round trips; 20 Mbit/s is more than a full layout of tiles takes.
    fn default() -> Self {
        Self { min_bps: 30_000, start_bps: 300_000, max_bps: 20_000_000 }
    }
}

impl BweOptions {
    /// Bounds in order: `min <= start <= max`, none of them zero.
    pub(crate) fn ordered(self) -> Self {
        let min_bps = self.min_bps.max(1_000);
        let max_bps = self.max_bps.max(min_bps);
        Self { min_bps, start_bps: self.start_bps.clamp(min_bps, max_bps), max_bps }
    }
}

/// Names a probe; never used twice by one estimator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentKind {
    Audio,
    Video,
    Retransmission,
    Padding,
}

/// A packet on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// Transport-wide number, unwrapped: the lower 16 bits are what the packet carries.
    pub seq: u64,
    /// Bytes on the wire, IP and UDP headers included.
    pub size: u32,
    pub sent: Time,
    pub kind: SentKind,
    pub probe: Option<ProbeId>,
}

/// What the pacer is asked to send to find out whether the network carries more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePlan {
    pub id: ProbeId,
    /// The rate at which to send, everything that goes out meanwhile included.
    pub rate_bps: u64,
    /// At least so many bytes on the wire …
    pub bytes: u32,
    /// … in at least so many packets, so that their distances mean something. Padding then should be no larger than the
    /// one divided by the other: on a slow link five full packets make a queue that audio waits in.
    pub min_packets: u32,
}

/// Why the estimate is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A queue grew.
    Delay,
    /// Packets were lost that the network's usual loss does not explain.
    Loss,
    /// A probe arrived.
    Probe,
    /// All that was sent arrived in time.
    Growth,
    /// The receiver's own estimate.
    Remb,
    /// Feedback stopped, or came back.
    Timeout,
}

impl Cause {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Probe => "probe",
            Self::Growth => "growth",
            Self::Remb => "remb",
            Self::Timeout => "timeout",
        }
    }
}

/// A change worth telling: by 3 % or more, at most every 100 ms, at once when it fell or congestion began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    pub estimate_bps: u64,
    /// From the moment a queue or loss was found until it is gone.
    pub congested: bool,
    pub cause: Cause,
}

/// What the estimate rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedbackKind {
    TransportCc,
    Remb,
    /// Reception reports alone.
    Reports,
}

/// What was sent in the last second, seen by a receiver's own estimate (REMB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// Payload of the streams that it names: that is what it counts.
    pub payload_bps: u64,
    /// All else on the wire: headers, and streams that it does not name, as audio often is.
    pub beside_bps: u64,
}

/// The parts of the estimator's state that a snapshot shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BweState {
    pub estimate_bps: u64,
    pub acked_bps: u64,
    pub sent_bps: u64,
    /// Share of packets that did not arrive, 0..1, over the last seconds.
    pub loss: f32,
    /// How long packets wait in the network's queues.
    pub queue: Micros,
    pub rtt: Option<Micros>,
    pub feedback: Option<FeedbackKind>,
    pub congested: bool,
    pub cause: Cause,
}

/// Seconds from `earlier` to `later`; zero when that lies in the past.
pub(crate) fn seconds(later: Time, earlier: Time) -> f64 {
    later.since(earlier).0 as f64 / 1e6
}
