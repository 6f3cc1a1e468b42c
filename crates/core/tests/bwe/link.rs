//! A bottleneck in virtual time: a rate that changes, a queue that drops at its tail, random or burst loss, delay.

use std::collections::VecDeque;

use crate::random::Random;

/// A packet on the way.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub flow: usize,
    pub seq: u64,
    pub size: u32,
    pub sent_us: u64,
}

#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// From each time in milliseconds on, bits per second; ascending, the first at 0.
    pub rates: Vec<(u64, u64)>,
    /// Each way.
    pub delay_us: u64,
    /// How long a full queue lasts at the first rate.
    pub queue_ms: u64,
    pub loss: f64,
    /// Mean length of a burst of lost packets; 1: each for itself.
    pub burst: f64,
    /// Added to each arrival, evenly from zero to this; packets do not overtake.
    pub jitter_us: u64,
}

impl LinkOptions {
    /// 50 ms there and back, a queue of 300 ms.
    pub fn steady(bps: u64) -> Self {
        Self { rates: vec![(0, bps)], delay_us: 25_000, queue_ms: 300, loss: 0.0, burst: 1.0, jitter_us: 0 }
    }

    pub fn stepping(rates: &[(u64, u64)]) -> Self {
        Self { rates: rates.to_vec(), ..Self::steady(rates[0].1) }
    }
}

#[derive(Debug)]
pub struct Link {
    pub options: LinkOptions,
    queue: VecDeque<Packet>,
    queued_bytes: u64,
    limit_bytes: u64,
    credit_bytes: f64,
    is_losing: bool,
    flying: VecDeque<(u64, Packet)>,
    random: Random,
}

impl Link {
    pub fn new(options: LinkOptions, seed: u64) -> Self {
        let limit_bytes = (options.rates[0].1 * options.queue_ms / 8_000).max(6_000);
        Self {
            options,
            queue: VecDeque::new(),
            queued_bytes: 0,
            limit_bytes,
            credit_bytes: 0.0,
            is_losing: false,
            flying: VecDeque::new(),
            random: Random::new(seed),
        }
    }

    pub fn rate_bps(&self, now_us: u64) -> u64 {
        let from = self.options.rates.iter().rev().find(|(from_ms, _)| from_ms * 1_000 <= now_us);
        from.map_or(0, |(_, bps)| *bps)
    }

    /// How long a packet that comes now would wait.
    pub fn queue_ms(&self, now_us: u64) -> f64 {
        self.queued_bytes as f64 * 8e3 / self.rate_bps(now_us).max(1) as f64
    }

    pub fn push(&mut self, packet: Packet) {
        if self.queued_bytes + u64::from(packet.size) > self.limit_bytes {
            return;
        }
        self.queued_bytes += u64::from(packet.size);
        self.queue.push_back(packet);
    }

    /// Serves the queue for `step_us` and hands over what arrives, with the time of arrival.
    pub fn step(&mut self, now_us: u64, step_us: u64, mut arrive: impl FnMut(u64, Packet)) {
        self.credit_bytes += self.rate_bps(now_us) as f64 * step_us as f64 / 8e6;
        while let Some(packet) = self.queue.front().copied() {
            if self.credit_bytes < f64::from(packet.size) {
                break;
            }
            self.credit_bytes -= f64::from(packet.size);
            self.queue.pop_front();
            self.queued_bytes -= u64::from(packet.size);
            if self.is_lost() {
                continue;
            }
            let jitter_us = self.random.between(0.0, self.options.jitter_us as f64) as u64;
            let earliest = self.flying.back().map_or(0, |(at, _)| *at);
            self.flying.push_back(((now_us + self.options.delay_us + jitter_us).max(earliest), packet));
        }
        if self.queue.is_empty() {
            self.credit_bytes = self.credit_bytes.min(0.0);
        }
        while let Some((at, packet)) = self.flying.front().copied().filter(|(at, _)| *at <= now_us) {
            self.flying.pop_front();
            arrive(at, packet);
        }
    }

    /// Two states (Gilbert): the mean share and the mean length of a burst say how they change.
    fn is_lost(&mut self) -> bool {
        let (loss, burst) = (self.options.loss, self.options.burst.max(1.0));
        let leave = 1.0 / burst;
        let enter = leave * loss / (1.0 - loss).max(0.01);
        let chance = if self.is_losing { 1.0 - leave } else { enter };
        let chance = if burst <= 1.0 { loss } else { chance };
        self.is_losing = self.random.share() < chance;
        self.is_losing
    }
}
