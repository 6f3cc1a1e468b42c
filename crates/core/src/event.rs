//! What a shard tells the control plane. Bounded: what does not fit is counted, and the control
//! plane re-reads its state from a snapshot.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::bwe::{Cause, Update};
use crate::command::CodecId;
use crate::ids::{ConsumerId, ProducerId, RouterId, Ssrc, TransportId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A DTLS datagram from an address that passed an ICE check of this transport.
    Dtls { transport: TransportId, datagram: Vec<u8> },
    /// First nomination, or the client moved (roaming, ICE restart). `socket` is the index of the
    /// local socket. `restarted` is true when it came with the credentials of a `RestartIce`.
    IceSelected { transport: TransportId, remote: SocketAddr, socket: u8, restarted: bool },
    /// No valid check for the consent time; the transport sends nothing any more.
    ConsentExpired { transport: TransportId },
    /// First packet of an encoding, or its codec changed.
    EncodingStarted { producer: ProducerId, encoding: u8, ssrc: Ssrc, codec: CodecId },
    /// What a consumer forwards from now on. Sent at the keyframe where a switch takes effect.
    ConsumerLayers { consumer: ConsumerId, producer: ProducerId, spatial: u8, temporal: u8 },
    /// Another estimate of what the client's network carries, or congestion began or ended.
    Bandwidth { transport: TransportId, estimate_bps: u64, congested: bool, cause: Cause },
    /// The shard lowered a consumer to these layers by itself, because too much waited to be sent. `SetLayers` ends it.
    ConsumerShed { consumer: ConsumerId, spatial: u8, temporal: u8 },
    /// An encoding comes now, or comes no more while others of its producer do.
    EncodingActive { producer: ProducerId, encoding: u8, active: bool },
    /// The consumer's transport did not negotiate the codec its producer sends; nothing is forwarded.
    ConsumerCodecUnsupported { consumer: ConsumerId, producer: ProducerId, codec: CodecId },
    /// Who stands where on a router's stage; the last position is the reserve.
    StageChanged { router: RouterId, positions: Vec<Option<ProducerId>> },
    /// What was heard in the last 100 ms: [`crate::stage::levels::ENTRY_LEN`] bytes for each producer, its id (little
    /// endian) and five levels. Ten times a second while anybody is heard.
    Levels { router: RouterId, levels: Vec<u8> },
    /// A command named an unknown or doubled id, or values out of range.
    CommandFailed { command: &'static str, id: u32, reason: &'static str },
    /// So many events did not fit since the last one that did.
    Overflow { lost: u64 },
}

impl Update {
    pub const fn event(self, transport: TransportId) -> Event {
        let Self { estimate_bps, congested, cause } = self;
        Event::Bandwidth { transport, estimate_bps, congested, cause }
    }
}

/// Events on their way to the control plane. What does not fit is counted and told by
/// [`Event::Overflow`] before the next event that does.
#[derive(Debug)]
pub struct EventQueue {
    events: VecDeque<Event>,
    max: usize,
    /// Since the last event that fitted.
    lost: u64,
    pub lost_total: u64,
}

impl EventQueue {
    pub fn new(max: usize) -> Self {
        Self { events: VecDeque::new(), max, lost: 0, lost_total: 0 }
    }

    pub fn push(&mut self, event: Event) {
        // The event and, when some were lost before it, the word of that.
        let needed = 1 + usize::from(self.lost > 0);
        if self.events.len() + needed > self.max {
            self.lost += 1;
            self.lost_total += 1;
            return;
        }
        if self.lost > 0 {
            self.events.push_back(Event::Overflow { lost: std::mem::take(&mut self.lost) });
        }
        self.events.push_back(event);
    }

    pub fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() && self.lost > 0 {
            return Some(Event::Overflow { lost: std::mem::take(&mut self.lost) });
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_told() {
        let event = |id| Event::ConsentExpired { transport: TransportId(id) };
        let mut queue = EventQueue::new(2);
        (0..5).for_each(|id| queue.push(event(id)));
        assert_eq!((queue.pop(), queue.pop()), (Some(event(0)), Some(event(1))));
        queue.push(event(9));
        assert_eq!((queue.pop(), queue.pop()), (Some(Event::Overflow { lost: 3 }), Some(event(9))));
        (0..3).for_each(|id| queue.push(event(id)));
        assert_eq!((queue.pop(), queue.pop()), (Some(event(0)), Some(event(1))));
        assert_eq!((queue.pop(), queue.pop(), queue.lost_total), (Some(Event::Overflow { lost: 1 }), None, 4));
    }
}
