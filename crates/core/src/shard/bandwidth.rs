//! What the control plane says of bandwidth, and what it is told.

use crate::bwe::BweOptions;
use crate::egress::paced::release;
use crate::egress::probe::send_probe;
use crate::egress::shed::Remedy;
use crate::event::Event;
use crate::ids::{ConsumerId, TransportId};
use crate::outbox::Outbox;
use crate::shard::commands::{Outcome, UNKNOWN};
use crate::shard::{Shard, outbox};
use crate::slab::Key;
use crate::time::Time;
use crate::transmit::TxArena;

impl Shard {
    pub(super) fn set_bandwidth(&mut self, now: Time, id: TransportId, options: BweOptions) -> Outcome {
        let (key, transport) = self.transport(id)?;
        let update = transport.estimate(now).set_options(now, options);
        if let Some(update) = update {
            self.events.push(update.event(id));
        }
        self.touch(key);
        Ok(())
    }

    pub(super) fn set_desired_bitrate(&mut self, now: Time, id: TransportId, bps: u64) -> Outcome {
        let (key, transport) = self.transport(id)?;
        let bandwidth = transport.bandwidth.as_mut().ok_or("set_bandwidth comes first")?;
        bandwidth.set_desired(now, bps);
        self.touch(key);
        Ok(())
    }

    pub(super) fn set_priority(&mut self, id: ConsumerId, priority: u8) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        self.consumers.get_mut(key).ok_or(UNKNOWN)?.priority = priority;
        Ok(())
    }

    /// Sends what waits for its time and what probes need, lets the estimator have its timers, and sheds what is too much.
    /// Returns when to do so again.
    pub(super) fn settle_bandwidth(&mut self, now: Time, key: Key, tx: &mut TxArena) -> Option<Time> {
        let transport = self.transports.get_mut(key)?;
        let bandwidth = transport.bandwidth.as_deref_mut()?;
        if let Some(update) = bandwidth.on_timeout(now, &transport.send_map) {
            self.events.push(update.event(transport.id));
        }
        let mut out = outbox!(self, now, tx);
        let mut asked = std::mem::take(&mut self.asked_transports);
        release(transport, &mut self.consumers, &mut self.producers, &mut out, &mut asked);
        send_probe(transport, &mut self.consumers, &self.producers, &mut out);
        for sender in asked.drain(..) {
            self.touch(sender);
        }
        self.asked_transports = asked;
        self.relieve(now, key);
        self.transports.get(key)?.bandwidth.as_ref()?.due()
    }

    /// Leaves layers out while too much waits, and lets them in again after.
    fn relieve(&mut self, now: Time, key: Key) -> Option<()> {
        let consumers = &self.consumers;
        let transport = self.transports.get_mut(key)?;
        let bandwidth = transport.bandwidth.as_deref_mut().filter(|bandwidth| bandwidth.is_measured())?;
        let rates = transport.consumers.iter().filter_map(|&key| consumers.get(key));
        let producers = &self.producers;
        let demand_bps = || rates.clone().map(|consumer| consumer.demand_bps(producers, now)).sum();
        let (wait, estimate_bps) = (bandwidth.pacer.wait(), bandwidth.estimate_bps());
        let need_bps = bandwidth.overload.need_bps(wait, estimate_bps, demand_bps);
        bandwidth.estimator.set_needed(now, need_bps);
        let is_untried = bandwidth.estimator.is_untried(now);
        match bandwidth.overload.judge(now, wait, estimate_bps, is_untried, demand_bps)? {
            Remedy::Shed { is_urgent } => {
                let candidates = transport.consumers.iter().filter_map(|&key| consumers.get(key));
                let candidates = candidates.filter(|consumer| consumer.can_shed());
                let bits = |key: Key| consumers.get(key).map_or(0, |it| it.counters.rate.bits_per_second(now));
                let order = |key: Key, priority: u8| (priority, std::cmp::Reverse(bits(key)));
                let chosen = candidates.min_by_key(|consumer| order(consumer.key, consumer.priority))?.key;
                self.shed(now, chosen, is_urgent)
            }
            Remedy::Recover { all } => {
                for place in 0..transport.consumers.len() {
                    let Some(&consumer) = self.transports.get(key)?.consumers.get(place) else { break };
                    if self.consumers.get_mut(consumer).is_some_and(|consumer| consumer.recover(all)) {
                        self.retarget(now, consumer);
                    }
                }
                Some(())
            }
        }
    }

    fn shed(&mut self, now: Time, key: Key, is_urgent: bool) -> Option<()> {
        let consumer = self.consumers.get_mut(key)?;
        let producer = self.producers.get(consumer.producer?)?;
        let active = producer.is_simulcast().then_some(producer.active);
        let shed = consumer.shed_step(active, is_urgent)?;
        let (consumer, spatial, temporal) = (consumer.id, shed.limit.spatial, shed.limit.temporal);
        self.events.push(Event::ConsumerShed { consumer, spatial, temporal });
        self.retarget(now, key);
        Some(())
    }
}
