//! What waits for its time in front of a consumer, and what becomes of it when that has come.

use crate::drop::DropReason;
use crate::egress::consumer::Consumer;
use crate::egress::forward::Feed;
use crate::ingress::producer::{Fresh, Producer};
use crate::outbox::Outbox;
use crate::pacer::{Pacer, Waiting};
use crate::slab::{Key, Slab};
use crate::time::{Micros, Time};
use crate::transport::Transport;

/// Room in the arena for a packet and what else one may cause. Without it what waits goes on waiting.
const LEAST_ROOM: usize = 16 << 10;

/// What waits no longer goes out first.
const LEAST_WAY: Micros = Micros::from_millis(40);

/// Lets consumers take what has waited long enough. Producers whose senders are to be asked for a keyframe are added to
/// `asked`.
pub fn release(
    transport: &mut Transport,
    consumers: &mut Slab<Consumer>,
    producers: &mut Slab<Producer>,
    out: &mut Outbox<'_>,
    asked: &mut Vec<Key>,
) {
    let Some(mut link) = transport.link() else {
        transport.bandwidth.iter_mut().for_each(|bandwidth| bandwidth.pacer.clear());
        return;
    };
    while out.tx.room() >= LEAST_ROOM
        && let Some(waiting) = link.bandwidth.as_deref_mut().and_then(|bandwidth| bandwidth.pacer.pop_due(out.now))
    {
        let Waiting { consumer, producer: key, encoding, ext_seq, .. } = waiting;
        // What was paused, or gets its media elsewhere now, has no use for it.
        let consumer = consumers.get_mut(consumer).filter(|it| it.awaits(&waiting));
        let (Some(consumer), Some(producer)) = (consumer, producers.get(key)) else { continue };
        let feed = Feed { key, producer, producers };
        let wanted =
            consumer.take(&feed, Fresh { encoding, is_silent: false, is_late: false, ext_seq }, &mut link, out);
        if wanted != 0
            && let Some(producer) = producers.get_mut(key)
        {
            producer.ensure_keyframes(out.now, wanted);
            asked.push(producer.transport);
        }
    }
}

impl Consumer {
    /// Whether packets of this encoding are of any use now.
    #[inline]
    pub(super) fn takes(&self, encoding: u8) -> bool {
        let encoding = Some(encoding);
        self.current == encoding || self.target == encoding || self.former == encoding
    }

    /// Before a packet waits. When it starts a lower encoding, what waits of the present one is left out: the picture would
    /// stand still while that, more than the network carries, goes out first.
    #[cold]
    #[inline(never)]
    pub(super) fn make_way(&mut self, feed: &Feed<'_>, fresh: Fresh, pacer: &mut Pacer, out: &mut Outbox<'_>) {
        let Some(current) = self.current.filter(|&current| fresh.encoding < current) else { return };
        if self.target != Some(fresh.encoding) || self.is_leaving || pacer.wait() < LEAST_WAY {
            return;
        }
        let cached = feed.producer.encoding(fresh.encoding).and_then(|encoding| encoding.ring.get(fresh.ext_seq));
        if cached.is_some_and(|cached| cached.meta.payload_len > 0 && cached.meta.marks.starts_keyframe) {
            self.is_leaving = true;
            (0..pacer.forget(self.key, current)).for_each(|_| out.drop(DropReason::LayerGate));
        }
    }

    fn awaits(&self, waiting: &Waiting) -> bool {
        let goes_on = self.current == Some(waiting.encoding) || self.former == Some(waiting.encoding);
        !self.paused && self.producer == Some(waiting.producer) && (goes_on || self.epoch == waiting.epoch)
    }

    pub(super) fn waiting(&self, feed: &Feed<'_>, fresh: Fresh, now: Time) -> Waiting {
        let Fresh { encoding, ext_seq, .. } = fresh;
        let cached = feed.producer.encoding(encoding).and_then(|encoding| encoding.ring.get(ext_seq));
        let passing = cached.filter(|cached| self.gate.may_pass(&cached.meta.marks));
        let bytes = passing.map_or(0, |cached| cached.bytes.len() as u16);
        Waiting { consumer: self.key, producer: feed.key, encoding, ext_seq, epoch: self.epoch, bytes, since: now }
    }

    /// What it would be sent if nothing were held back: its layers as they come.
    pub fn demand_bps(&self, producers: &Slab<Producer>, now: Time) -> u64 {
        let producer = self.producer.and_then(|producer| producers.get(producer));
        let encoding = producer.zip(self.current).and_then(|(producer, encoding)| producer.encoding(encoding));
        let rates = encoding.and_then(|encoding| encoding.layer_rates.as_deref());
        let offered = rates.map_or(0, |rates| rates.up_to(now, self.gate.spatial(), self.gate.max_tid()));
        offered.max(self.counters.rate.bits_per_second(now))
    }
}
