//! The fan-out: each producer's packets of one batch to each of its consumers. Stop `router`.
//!
//! Consumers outside, packets inside: what one subscriber gets of a batch lies side by side in the
//! arena and leaves as one message.

use crate::drop::DropReason;
use crate::egress::consumer::Consumer;
use crate::egress::forward::Feed;
use crate::ingress::producer::Producer;
use crate::outbox::Outbox;
use crate::slab::{Key, Slab};
use crate::transport::Transport;

/// Forwards what came for this producer with the present batch. True when its sender is to be asked
/// for a keyframe.
pub fn fan_out(
    key: Key,
    producers: &mut Slab<Producer>,
    consumers: &mut Slab<Consumer>,
    transports: &mut Slab<Transport>,
    out: &mut Outbox<'_>,
) -> bool {
    let Some(producer) = producers.get_mut(key) else { return false };
    let has_news = std::mem::take(&mut producer.has_news);
    let has_changed = producer.refresh_activity(out.now) || has_news;
    // Taken out for the time of the loop, and put back: the vectors keep their memory.
    let fresh = std::mem::take(&mut producer.fresh);
    let subscribers = std::mem::take(&mut producer.consumers);
    let Some(producer) = producers.get(key) else { return false };
    let feed = Feed { key, producer, producers };
    let (mut wanted, mut needed) = (0, 0);
    for &subscriber in &subscribers {
        let Some(consumer) = consumers.get_mut(subscriber).filter(|consumer| !consumer.paused) else { continue };
        if has_changed {
            consumer.retarget(producer);
        }
        let Some(mut link) = transports.get_mut(consumer.transport).and_then(Transport::link) else {
            out.drop(DropReason::ConsumerNotReady);
            continue;
        };
        for &packet in &fresh {
            wanted |= consumer.on_fresh(&feed, packet, &mut link, out);
        }
        if has_changed {
            needed |= consumer.needs_keyframe(producer);
        }
    }
    let Some(producer) = producers.get_mut(key) else { return false };
    producer.fresh = fresh;
    producer.fresh.clear();
    producer.consumers = subscribers;
    producer.request_keyframes(out.now, needed);
    producer.ensure_keyframes(out.now, wanted);
    wanted | needed != 0
}
