//! The fan-out: each producer's packets of one batch to each of its consumers. Stop `router`.
//!
//! Consumers outside, packets inside: what one subscriber gets of a batch lies side by side in the
//! arena and leaves as one message. Of a camera with several encodings most subscribers take one: those who take nothing
//! of the batch are passed over by a list of who takes what, because to look at each of a thousand waits for memory.

use crate::drop::DropReason;
use crate::egress::consumer::Consumer;
use crate::egress::forward::Feed;
use crate::ingress::producer::Producer;
use crate::outbox::Outbox;
use crate::slab::{Key, Slab};
use crate::transmit::TxArena;
use crate::transport::Transport;

/// What the arena holds when it is time to hand it over: enough for a call into the kernel to be worth it, little enough
/// that what was written is still in the second-level cache when the kernel copies it.
pub const PART_BYTES: usize = 128 << 10;

/// How far ahead of its turn a subscriber's memory is asked for: the consumer's head; then what that points to, and the
/// head of the transport. What the transport points to is asked for one turn ahead.
const HEADS_AHEAD: usize = 6;
const RESTS_AHEAD: usize = 3;

/// Forwards what came for this producer with the present batch. True when its sender is to be asked
/// for a keyframe. Transports with something to do for it are added to `touched`. `send` gets the arena whenever it holds enough, so that the first subscriber does not wait for the last
/// one's encryption.
pub fn fan_out(
    key: Key,
    producers: &mut Slab<Producer>,
    consumers: &mut Slab<Consumer>,
    transports: &mut Slab<Transport>,
    out: &mut Outbox<'_>,
    touched: &mut Vec<Key>,
    send: &mut dyn FnMut(&mut TxArena),
) -> bool {
    let Some(producer) = producers.get_mut(key) else { return false };
    let has_news = std::mem::take(&mut producer.has_news);
    let has_changed = producer.refresh_activity(out.now) || has_news;
    if has_changed {
        producer.tell_activity(out);
    }
    // Taken out for the time of the loop, and put back: the vectors keep their memory.
    let fresh = std::mem::take(&mut producer.fresh);
    let subscribers = std::mem::take(&mut producer.consumers);
    let listeners = std::mem::take(&mut producer.listeners);
    let mut interests = std::mem::take(&mut producer.interests);
    let coming = fresh.iter().fold(0u8, |mask, packet| mask | 1 << packet.encoding);
    let asks_all = has_changed || interests.len() != subscribers.len() || fresh.iter().any(|packet| packet.is_late);
    interests.resize(subscribers.len(), 0);
    let Some(producer) = producers.get(key) else { return false };
    let feed = Feed { key, producer, producers };
    let (mut wanted, mut needed) = (0, 0);
    for (list, hears_stage) in [(&subscribers, false), (&listeners, true)] {
        if hears_stage && !has_changed && fresh.iter().all(|packet| packet.is_silent) {
            continue;
        }
        for (place, &subscriber) in list.iter().enumerate() {
            let interest = interests.get_mut(place).filter(|_| !hears_stage);
            if !asks_all && interest.as_deref().is_some_and(|interest| interest & coming == 0) {
                continue;
            }
            look_ahead(list, place, consumers, transports);
            let Some(consumer) = consumers.get_mut(subscriber).filter(|consumer| !consumer.paused) else { continue };
            if has_changed {
                consumer.retarget(producer);
            }
            if let Some(interest) = interest {
                *interest = consumer.interest();
            }
            let Some(mut link) = transports.get_mut(consumer.transport).and_then(Transport::link) else {
                out.drop(DropReason::ConsumerNotReady);
                continue;
            };
            for &packet in &fresh {
                if hears_stage && packet.is_silent {
                    continue;
                }
                wanted |= consumer.on_fresh(&feed, packet, &mut link, out);
            }
            if link.bandwidth.as_ref().is_some_and(|bandwidth| bandwidth.wants_attention) {
                touched.push(consumer.transport);
            }
            if has_changed {
                needed |= consumer.needs_keyframe(producer);
            }
            if out.tx.total_bytes() >= PART_BYTES {
                send(out.tx);
            }
        }
    }
    let Some(producer) = producers.get_mut(key) else { return false };
    producer.fresh = fresh;
    producer.fresh.clear();
    producer.consumers = subscribers;
    producer.interests = interests;
    producer.listeners = listeners;
    producer.request_keyframes(out.now, needed);
    producer.ensure_keyframes(out.now, wanted);
    wanted | needed != 0
}

/// Asks for the memory of those whose turn comes soon: between two batches the caches forget, and to wait for each of a
/// thousand in turn was a sixth of the cost of a packet.
#[inline]
fn look_ahead(list: &[Key], place: usize, consumers: &Slab<Consumer>, transports: &Slab<Transport>) {
    if let Some(&far) = list.get(place + HEADS_AHEAD) {
        consumers.prefetch(far, Consumer::HEAD);
    }
    if let Some(near) = list.get(place + RESTS_AHEAD).and_then(|&key| consumers.get(key)) {
        near.prefetch_rest();
        transports.prefetch(near.transport, Transport::EGRESS);
    }
    if let Some(next) = list.get(place + 1).and_then(|&key| consumers.get(key))
        && let Some(transport) = transports.get(next.transport)
    {
        transport.prefetch_egress_rest();
    }
}
