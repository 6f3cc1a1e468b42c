//! The random steps of a subscriber's life, and the network that it has.

use proptest::prelude::*;

/// What happens to a packet on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    ArrivesTwice,
    IsDelayed,
    IsLost,
}

#[derive(Clone, Debug)]
pub enum Op {
    Frame {
        source: usize,
        is_keyframe: bool,
        tid: u8,
        is_sync: bool,
        fates: [Fate; 3],
    },
    Padding {
        source: usize,
    },
    /// Delivers a delayed packet, or sends a lost one again.
    Repair {
        which: usize,
    },
    Switch {
        producer: Option<u32>,
    },
    PauseConsumer {
        paused: bool,
    },
    PauseProducer {
        producer: u32,
        paused: bool,
    },
    Layers {
        spatial: u8,
        temporal: u8,
    },
    SenderReport {
        source: usize,
    },
    /// Asks for a packet that came, or for one that did not (yet).
    Nack {
        which: usize,
        is_missing: bool,
    },
    Wait {
        ms: u64,
    },
    /// Frames of one batch: more than the pacer lets go at once, or a young history ring holds.
    Burst {
        source: usize,
        frames: u16,
    },
    /// What the network carries from now on.
    Link {
        bps: u64,
    },
    /// Says what it can receive by REMB.
    Remb {
        bps: u64,
    },
    /// The client negotiates anew, with or without retransmissions.
    Renegotiate {
        has_rtx: bool,
    },
}

/// The subscriber's side.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub has_rtx: bool,
    pub tells_arrivals: bool,
    /// The first estimate; `None`: nothing is estimated.
    pub start_bps: Option<u64>,
    pub link_bps: u64,
    /// Bytes of each packet.
    pub filling: usize,
}

const RATES: [u64; 5] = [30_000, 120_000, 400_000, 2_000_000, 50_000_000];

fn rate() -> impl Strategy<Value = u64> {
    prop::sample::select(&RATES)
}

pub fn setting() -> impl Strategy<Value = Setting> {
    let filling = prop::sample::select(&[50usize, 300, 1_100]);
    let parts = (any::<bool>(), any::<bool>(), prop::option::weighted(0.75, rate()), rate(), filling);
    parts.prop_map(|(has_rtx, tells_arrivals, start_bps, link_bps, filling)| Setting {
        has_rtx,
        tells_arrivals,
        start_bps,
        link_bps,
        filling,
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Arrives),
        1 => Just(Fate::ArrivesTwice),
        2 => Just(Fate::IsDelayed),
        1 => Just(Fate::IsLost),
    ]
}

pub fn frame(sources: usize) -> impl Strategy<Value = Op> {
    let parts = (0..sources, prop::bool::weighted(0.2), 0u8..3, any::<bool>(), [fate(), fate(), fate()]);
    parts.prop_map(|(source, is_keyframe, tid, is_sync, fates)| Op::Frame {
        source,
        is_keyframe,
        // A keyframe is of the base layer.
        tid: if is_keyframe { 0 } else { tid },
        is_sync,
        fates,
    })
}

pub fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        24 => frame(3),
        2 => (0usize..3).prop_map(|source| Op::Padding { source }),
        6 => (0usize..8).prop_map(|which| Op::Repair { which }),
        2 => prop::option::weighted(0.9, 1u32..3).prop_map(|producer| Op::Switch { producer }),
        1 => any::<bool>().prop_map(|paused| Op::PauseConsumer { paused }),
        1 => (1u32..3, any::<bool>()).prop_map(|(producer, paused)| Op::PauseProducer { producer, paused }),
        3 => (0u8..3, 0u8..4).prop_map(|(spatial, temporal)| Op::Layers { spatial, temporal }),
        1 => (0usize..3).prop_map(|source| Op::SenderReport { source }),
        3 => (0usize..200, any::<bool>()).prop_map(|(which, is_missing)| Op::Nack { which, is_missing }),
        2 => (0usize..3, prop_oneof![15 => 1u16..40, 1 => Just(900)]).prop_map(|(source, frames)| Op::Burst { source, frames }),
        1 => rate().prop_map(|bps| Op::Link { bps }),
        1 => rate().prop_map(|bps| Op::Remb { bps }),
        1 => any::<bool>().prop_map(|has_rtx| Op::Renegotiate { has_rtx }),
        4 => prop_oneof![Just(5u64), Just(33), Just(300), Just(1_500), Just(4_000)].prop_map(|ms| Op::Wait { ms }),
    ]
}
