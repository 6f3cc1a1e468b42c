//! Where the stops leave what they produce: packets, events, counts.

use crate::drop::{DropCounts, DropReason};
use crate::event::{Event, EventQueue};
use crate::ingress::keyframe::CrowdPace;
use crate::slab::Key;
use crate::stats::Counters;
use crate::time::Time;
use crate::transmit::TxArena;

/// Borrowed for one call of the shard.
#[derive(Debug)]
pub struct Outbox<'a> {
    pub now: Time,
    pub tx: &'a mut TxArena,
    pub events: &'a mut EventQueue,
    pub counters: &'a mut Counters,
    pub drops: &'a mut DropCounts,
    /// Producers that their stage has to look at.
    pub attending: &'a mut Vec<Key>,
    /// Whose turn it is to be asked for a keyframe that goes to a crowd.
    pub crowd_pace: &'a mut CrowdPace,
}

impl Outbox<'_> {
    pub fn drop(&mut self, reason: DropReason) {
        self.drops.add(reason);
    }

    pub fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}
