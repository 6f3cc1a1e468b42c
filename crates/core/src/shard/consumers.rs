//! Commands about consumers: they come and go, and are fed from one producer or another.

use crate::command::{ConsumerOptions, LayerLimit};
use crate::egress::consumer::Consumer;
use crate::ids::{ConsumerId, ProducerId, TransportId};
use crate::mid::MAX_MID_LEN;
use crate::shard::Shard;
use crate::shard::commands::{DOUBLED, Outcome, UNKNOWN};
use crate::slab::Key;
use crate::time::Time;

/// CNAME (RFC 3550 §6.5).
const MAX_TEXT_LEN: usize = 255;

/// Consumers come and go with slots, and slots are used again: this is far beyond any real life.
const MAX_USED_SSRCS: usize = 8_192;

impl Shard {
    pub(super) fn add_consumer(&mut self, id: ConsumerId, transport: TransportId, options: ConsumerOptions) -> Outcome {
        if self.names.consumers.contains_key(&id) {
            return Err(DOUBLED);
        }
        if options.mid.len() > MAX_MID_LEN || options.cname.len() > MAX_TEXT_LEN {
            return Err("mid or cname is too long");
        }
        let random = self.random();
        let (transport_key, _) = self.transport(transport).map_err(|_| "unknown transport")?;
        self.claim_ssrcs(transport_key, &options)?;
        let key = self.consumers.insert_with(|key| Consumer::new(id, key, transport_key, options, random));
        self.names.consumers.insert(id, key);
        if let Some(transport) = self.transports.get_mut(transport_key) {
            transport.consumers.push(key);
        }
        self.touch(transport_key);
        Ok(())
    }

    /// Two streams of one SSRC under one key, also one after the other, would use the cipher's nonces
    /// twice.
    fn claim_ssrcs(&mut self, transport: Key, options: &ConsumerOptions) -> Outcome {
        let transport = self.transports.get_mut(transport).ok_or(UNKNOWN)?;
        let ssrcs = || std::iter::once(options.ssrc.0).chain(options.rtx_ssrc.map(|ssrc| ssrc.0));
        if options.rtx_ssrc == Some(options.ssrc) || ssrcs().any(|ssrc| transport.used_ssrcs.contains(&ssrc)) {
            return Err("ssrc is taken or was used before");
        }
        if transport.used_ssrcs.len() >= MAX_USED_SSRCS {
            return Err("too many consumers in the life of the transport");
        }
        transport.used_ssrcs.extend(ssrcs());
        Ok(())
    }

    pub(super) fn remove_consumer(&mut self, id: ConsumerId) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let owner = self.consumers.get(key).map(|consumer| consumer.transport);
        let mut router = None;
        if let Some(transport) = owner.and_then(|owner| self.transports.get_mut(owner)) {
            transport.consumers.retain(|&other| other != key);
            router = Some(transport.router);
        }
        self.drop_consumer(key, router);
        Ok(())
    }

    pub(super) fn drop_consumer(&mut self, key: Key, router: Option<Key>) {
        let Some(consumer) = self.consumers.remove(key) else { return };
        self.names.consumers.remove(&consumer.id);
        if let Some(position) = consumer.position {
            self.forget_listener(key, router, position);
        }
        self.unsubscribe(key, consumer.producer);
    }

    fn unsubscribe(&mut self, consumer: Key, producer: Option<Key>) {
        if let Some(producer) = producer.and_then(|producer| self.producers.get_mut(producer)) {
            producer.consumers.retain(|&other| other != consumer);
            producer.forget_interests();
            producer.listeners.retain(|&other| other != consumer);
        }
    }

    pub(super) fn switch_consumer(&mut self, now: Time, id: ConsumerId, producer: Option<ProducerId>) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let source = match producer {
            Some(producer) => Some(*self.names.producers.get(&producer).ok_or("unknown producer")?),
            None => None,
        };
        let consumer = self.consumers.get(key).ok_or(UNKNOWN)?;
        if let Some(source) = source {
            let producer = self.producers.get(source).ok_or("unknown producer")?;
            if producer.kind != consumer.kind {
                return Err("producer is of another kind");
            }
            let router = |transport| self.transports.get(transport).map(|transport| transport.router);
            if router(producer.transport) != router(consumer.transport) {
                return Err("producer belongs to another router");
            }
        }
        self.leave_stage(now, key);
        self.feed(now, key, source);
        Ok(())
    }

    /// Feeds a consumer that follows no stage, or takes the place on its position of one that does.
    pub(super) fn feed(&mut self, now: Time, key: Key, source: Option<Key>) {
        let Some(consumer) = self.consumers.get(key) else { return };
        let (former, is_listener) = (consumer.producer, consumer.position.is_some());
        if former == source {
            return;
        }
        self.unsubscribe(key, former);
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.switch(source);
        }
        if let Some(producer) = source.and_then(|source| self.producers.get_mut(source)) {
            let list = if is_listener { &mut producer.listeners } else { &mut producer.consumers };
            list.push(key);
            producer.forget_interests();
        }
        self.retarget(now, key);
    }

    /// Has the consumer choose its encoding again, and asks for the keyframe that it needs.
    pub(super) fn retarget(&mut self, now: Time, key: Key) {
        let Some(consumer) = self.consumers.get_mut(key) else { return };
        let Some(producer) = consumer.producer.and_then(|producer| self.producers.get_mut(producer)) else { return };
        consumer.retarget(producer);
        producer.forget_interests();
        let wanted = consumer.needs_keyframe(producer);
        producer.request_keyframes(now, wanted);
        let transport = producer.transport;
        self.touch(transport);
    }

    pub(super) fn set_layers(&mut self, now: Time, id: ConsumerId, limit: LayerLimit) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let consumer = self.consumers.get_mut(key).ok_or(UNKNOWN)?;
        consumer.limit = limit;
        consumer.shed = None;
        self.retarget(now, key);
        Ok(())
    }

    pub(super) fn pause_consumer(&mut self, now: Time, id: ConsumerId, paused: bool) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let consumer = self.consumers.get_mut(key).ok_or(UNKNOWN)?;
        if consumer.paused != paused {
            consumer.paused = paused;
            consumer.restart();
            self.retarget(now, key);
        }
        Ok(())
    }
}
