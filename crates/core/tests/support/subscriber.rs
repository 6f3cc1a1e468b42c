//! A subscriber behind a bottleneck: a queue that is served at a rate, and transport-wide feedback of what comes out of it.

use std::collections::VecDeque;

use sfu_core::ids::TransportId;
use sfu_core::rtcp::{FeedbackFields, write_transport_feedback};
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::time::{Micros, Time};
use sfu_core::wire::Writer;

use super::{EXT_TRANSPORT_CC, Net, OUT_EXT_SHIFT};

pub const TRANSPORT_CC: u8 = EXT_TRANSPORT_CC + OUT_EXT_SHIFT;
const INTERVAL: Micros = Micros::from_millis(50);

/// Looks at what the client got, delays it by the bottleneck, tells of it.
pub struct Bottleneck {
    id: TransportId,
    pub bps: u64,
    pub one_way: Micros,
    /// When the link has sent all that it holds.
    free_at: Time,
    pub longest_queue: Micros,
    seen: usize,
    numbers: SeqUnwrapper,
    /// (transport-wide number, arrival) on the way.
    flying: VecDeque<(u64, Time)>,
    next_base: Option<u64>,
    next_at: Time,
    count: u8,
}

impl Bottleneck {
    pub fn new(id: TransportId, bps: u64) -> Self {
        Self {
            id,
            bps,
            one_way: Micros::from_millis(25),
            free_at: Time(0),
            longest_queue: Micros(0),
            seen: 0,
            numbers: SeqUnwrapper::default(),
            flying: VecDeque::new(),
            next_base: None,
            next_at: Time(0),
            count: 0,
        }
    }

    /// Once every few milliseconds.
    pub fn tick(&mut self, net: &mut Net) {
        let client = net.client(self.id);
        for received in client.rtp.get(self.seen..).unwrap_or_default() {
            self.free_at =
                self.free_at.max(received.at) + Micros((received.raw.len() as u64 + 28) * 8_000_000 / self.bps);
            self.longest_queue = self.longest_queue.max(self.free_at.since(received.at));
            if let Some(number) = received.extension(TRANSPORT_CC) {
                let number = self.numbers.unwrap_seq(u16::from_be_bytes([number[0], number[1]]));
                self.flying.push_back((number, self.free_at + self.one_way));
            }
        }
        self.seen = client.rtp.len();
        if net.now >= self.next_at {
            self.next_at = net.now + INTERVAL;
            self.tell(net);
        }
    }

    fn tell(&mut self, net: &mut Net) {
        let arrived = self.flying.partition_point(|entry| entry.1 <= net.now);
        let mut arrivals: Vec<(u64, u64)> = self.flying.drain(..arrived).map(|(number, at)| (number, at.0)).collect();
        arrivals.sort_unstable();
        let Some(first) = arrivals.first() else { return };
        let base = self.next_base.unwrap_or(first.0).min(first.0);
        self.next_base = arrivals.last().map(|last| last.0 + 1);
        let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: 70, feedback_count: self.count };
        self.count = self.count.wrapping_add(1);
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        write_transport_feedback(&mut writer, fields, base, &arrivals).expect("room");
        let bytes = net.client(self.id).protect_rtcp(writer.written());
        net.send_at(net.now + self.one_way, self.id, bytes);
    }
}
