//! What leaves, whether at once or after it waited for its time.

use crate::cache::Cached;
use crate::egress::consumer::Consumer;
use crate::egress::forward::account;
use crate::egress::packet::{Passed, Payload, Sent, Shape, send};
use crate::ingress::producer::Producer;
use crate::outbox::Outbox;
use crate::pacer::Waiting;
use crate::rewrite::Mapping;
use crate::rtp::HeaderFields;
use crate::slab::Slab;
use crate::transport::maps::Outgoing;
use crate::transport::{Link, Transport};

/// Sends what has waited long enough.
pub fn release(
    transport: &mut Transport,
    consumers: &mut Slab<Consumer>,
    producers: &Slab<Producer>,
    out: &mut Outbox<'_>,
) {
    let Some(mut link) = transport.link() else {
        transport.bandwidth.iter_mut().for_each(|bandwidth| bandwidth.pacer.clear());
        return;
    };
    while let Some(waiting) = link.bandwidth.as_mut().and_then(|bandwidth| bandwidth.pacer.pop_due(out.now)) {
        // A consumer that is gone asks for nothing.
        if let Some(consumer) = consumers.get_mut(waiting.consumer) {
            consumer.transmit_waiting(&waiting, producers, &mut link, out);
        }
    }
}

impl Consumer {
    fn transmit_waiting(
        &mut self,
        waiting: &Waiting,
        producers: &Slab<Producer>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) {
        let source = waiting.source;
        let encoding = producers.get(source.producer).and_then(|producer| producer.encoding(source.encoding));
        let cached = encoding.and_then(|encoding| encoding.ring.get(waiting.ext_seq));
        let outgoing = cached.and_then(|cached| link.send_map.outgoing(cached.meta.codec));
        if let (Some(cached), Some(outgoing)) = (cached, outgoing) {
            self.transmit(&cached, waiting.out_seq, &waiting.mapping, waiting.marker, &outgoing, link, out);
        } else {
            // Its source went away meanwhile; its number is given.
            let timestamp = self.last.map_or(0, |last| last.out_ts);
            self.send_padding(waiting.out_seq, timestamp, link, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a packet's place in the stream and where it goes")]
    #[inline]
    pub(super) fn transmit(
        &mut self,
        cached: &Cached<'_>,
        ext_seq: u64,
        mapping: &Mapping,
        marker: bool,
        outgoing: &Outgoing,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) {
        let payload =
            if outgoing.strips_redundancy { Payload::primary(cached) } else { Some(Payload::of(cached, mapping)) };
        let Some(payload) = payload.filter(|_| cached.meta.payload_len > 0) else { return };
        let timestamp = cached.meta.rtp_ts.wrapping_add(mapping.ts_offset);
        let (pt, seq, ssrc) = (outgoing.pt, ext_seq as u16, self.ssrc);
        let fields = HeaderFields { marker, pt, seq, timestamp, ssrc, has_padding: false };
        let (mid, stamp, kind) = (self.mid.as_bytes(), self.stamp(), self.sent_kind());
        let shape = Shape { fields, ext_seq, mid, stamp, kind, osn: None, now: out.now };
        let sent = send(out.tx, link, &shape, &Passed::of(cached, mapping), &payload);
        if let Some(Sent { len, transport_seq }) = account(sent, out) {
            self.note_number(ext_seq, transport_seq, link);
            self.newest_sent = self.newest_sent.max(Some(ext_seq));
            self.counters.packets += 1;
            self.counters.payload_bytes += payload.bytes.len() as u64;
            self.counters.bytes += len as u64;
        }
    }

    /// A number under which there is nothing (any more): padding, so that the subscriber does not ask for it.
    pub(super) fn send_padding(&mut self, ext_seq: u64, timestamp: u32, link: &mut Link<'_>, out: &mut Outbox<'_>) {
        let Some(outgoing) = self.outgoing else { return };
        let (pt, seq, ssrc) = (outgoing.pt, ext_seq as u16, self.ssrc);
        let fields = HeaderFields { marker: false, pt, seq, timestamp, ssrc, has_padding: true };
        let (mid, stamp, kind) = (self.mid.as_bytes(), self.stamp(), self.sent_kind());
        let shape = Shape { fields, ext_seq, mid, stamp, kind, osn: None, now: out.now };
        account(send(out.tx, link, &shape, &Passed::default(), &Payload::padding(1)), out);
    }
}
