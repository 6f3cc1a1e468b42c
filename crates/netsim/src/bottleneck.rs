//! A link that several share: what is simulated in detail, and downloads by TCP beside it.

use std::collections::VecDeque;

use sfu_core::time::{Micros, Time};

use crate::link::{Link, LinkCounts, LinkOptions};
use crate::random::Random;
use crate::tcp::{Algorithm, SEGMENT, TcpSender};

/// A download beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    pub algorithm: Algorithm,
    pub start: Time,
    pub stop: Time,
    /// Of its acknowledgements, whose way is never congested.
    pub return_delay: Micros,
}

#[derive(Clone, Debug)]
enum Load<P> {
    Ours(P),
    Tcp { flow: usize, seq: u64 },
}

#[derive(Debug)]
struct Flow {
    options: TcpOptions,
    sender: TcpSender,
    /// (arrival at the sender, segment), in order.
    acks: VecDeque<(Time, u64)>,
    delivered_bytes: u64,
}

impl Flow {
    fn is_active(&self, now: Time) -> bool {
        (self.options.start..self.options.stop).contains(&now)
    }

    fn next_time(&self, now: Time) -> Option<Time> {
        let start = Some(self.options.start).filter(|&start| start > now);
        let ack = self.acks.front().map(|ack| ack.0);
        [start, ack, self.sender.next_timeout()].into_iter().flatten().min()
    }

    fn advance(&mut self, now: Time) {
        while let Some(&(at, seq)) = self.acks.front().filter(|ack| ack.0 <= now) {
            self.acks.pop_front();
            self.sender.on_ack(at, seq);
        }
        self.sender.on_timeout(now);
    }
}

#[derive(Debug)]
pub struct Bottleneck<P> {
    link: Link<Load<P>>,
    flows: Vec<Flow>,
    now: Time,
}

impl<P> Bottleneck<P> {
    pub fn new(options: LinkOptions, flows: &[TcpOptions], random: Random) -> Self {
        let flow = |&options: &TcpOptions| Flow {
            options,
            sender: TcpSender::new(options.algorithm),
            acks: VecDeque::new(),
            delivered_bytes: 0,
        };
        let mut made = Self { link: Link::new(options, random), flows: flows.iter().map(flow).collect(), now: Time(0) };
        made.pump();
        made
    }

    /// A packet of ours; call [`Bottleneck::advance`] up to `now` before.
    pub fn send(&mut self, now: Time, size: usize, payload: P) {
        self.link.send(now, size, Load::Ours(payload));
    }

    pub fn next_time(&self) -> Option<Time> {
        let flows = self.flows.iter().filter_map(|flow| flow.next_time(self.now)).min();
        flows.into_iter().chain(self.link.next_time()).min()
    }

    /// Lets everything up to `now` happen; `deliver` gets what arrives of ours: when, its size on the wire, itself.
    pub fn advance(&mut self, now: Time, mut deliver: impl FnMut(Time, usize, P)) {
        while let Some(next) = self.next_time().filter(|&next| next <= now) {
            self.now = self.now.max(next);
            let flows = &mut self.flows;
            self.link.advance(next, |at, packet| match packet.payload {
                Load::Ours(payload) => deliver(at, packet.size, payload),
                Load::Tcp { flow, seq } => {
                    let flow = &mut flows[flow];
                    flow.delivered_bytes += packet.size as u64;
                    flow.acks.push_back((at + flow.options.return_delay, seq));
                }
            });
            self.pump();
        }
        self.now = self.now.max(now);
    }

    /// Lets the downloads send what they may.
    fn pump(&mut self) {
        for (index, flow) in self.flows.iter_mut().enumerate() {
            flow.advance(self.now);
            if !flow.is_active(self.now) {
                continue;
            }
            while let Some(seq) = flow.sender.poll_send(self.now) {
                self.link.send(self.now, SEGMENT, Load::Tcp { flow: index, seq });
            }
        }
    }

    /// Up to when everything has happened.
    pub fn now(&self) -> Time {
        self.now
    }

    pub fn queue_delay(&self, now: Time) -> Micros {
        self.link.queue_delay(now)
    }

    pub fn rate_at(&self, now: Time) -> u64 {
        self.link.rate_at(now)
    }

    pub fn counts(&self) -> LinkCounts {
        self.link.counts()
    }

    pub fn options(&self) -> &LinkOptions {
        self.link.options()
    }

    /// Bytes that the downloads got so far.
    pub fn tcp_bytes(&self) -> impl Iterator<Item = u64> + '_ {
        self.flows.iter().map(|flow| flow.delivered_bytes)
    }
}
