//! First sendings: a packet, or padding in its place, under the number that it has for ever.

use crate::cache::Cached;
use crate::drop::DropReason;
use crate::egress::consumer::Consumer;
use crate::egress::packet::{Passed, Payload, Sent, Shape, Unsent, send};
use crate::egress::redundancy::Earlier;
use crate::outbox::Outbox;
use crate::rewrite::Mapping;
use crate::rtp::HeaderFields;
use crate::transport::Link;

impl Consumer {
    /// The first sending of a packet, under the number that it has for ever; `earlier`: with the frame before it.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "a packet, what it becomes and where it goes")]
    pub(super) fn transmit(
        &mut self,
        cached: &Cached<'_>,
        ext_seq: u64,
        mapping: &Mapping,
        marker: bool,
        earlier: Option<&Cached<'_>>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) -> Option<usize> {
        let outgoing = self.outgoing?;
        let payload =
            if outgoing.strips_redundancy { Payload::primary(cached) } else { Some(Payload::of(cached, mapping)) };
        let mut payload = payload.filter(|_| cached.meta.payload_len > 0)?;
        let mut pt = outgoing.pt;
        if let Some(both) = earlier.and_then(|it| Earlier::of(it, cached, outgoing, link.send_map)) {
            (payload.earlier, pt) = (Some(both.0), both.1);
            out.counters.tx_redundant += 1;
        }
        let Some(index) = self.numbers.claim(ext_seq, marker) else {
            out.drop(DropReason::NumberTaken);
            return None;
        };
        let timestamp = cached.meta.rtp_ts.wrapping_add(mapping.ts_offset);
        let fields = HeaderFields { marker, timestamp, ..self.fields(pt) };
        let (mid, stamp, kind) = (self.mid.as_bytes(), self.stamp(), self.sent_kind());
        let shape = Shape { fields, index, mid, stamp, kind, osn: None, now: out.now };
        let Sent { len, transport_seq } =
            account(send(out.tx, link, &shape, &Passed::of(cached, mapping), &payload), out)?;
        if self.repeats_plainly() {
            self.numbers.note_plain(ext_seq, transport_seq as u16);
        }
        self.counters.rate.add(out.now, len);
        self.counters.packets += 1;
        self.counters.payload_bytes += payload.written_len() as u64;
        self.counters.bytes += len as u64;
        Some(len)
    }

    /// A number under which there is nothing: padding, so that the subscriber does not ask for it.
    pub(super) fn send_padding(&mut self, ext_seq: u64, timestamp: u32, link: &mut Link<'_>, out: &mut Outbox<'_>) {
        let Some(outgoing) = self.outgoing else { return };
        let Some(index) = self.numbers.claim(ext_seq, false) else {
            out.drop(DropReason::NumberTaken);
            return;
        };
        let fields = HeaderFields { timestamp, has_padding: true, ..self.fields(outgoing.pt) };
        let (mid, stamp, kind) = (self.mid.as_bytes(), self.stamp(), self.sent_kind());
        let shape = Shape { fields, index, mid, stamp, kind, osn: None, now: out.now };
        account(send(out.tx, link, &shape, &Passed::default(), &Payload::padding(1)), out);
    }

    fn fields(&self, pt: u8) -> HeaderFields {
        HeaderFields { marker: false, pt, seq: 0, timestamp: 0, ssrc: self.ssrc, has_padding: false }
    }
}

/// Counts what became of a packet.
pub(super) fn account(sent: Result<Sent, Unsent>, out: &mut Outbox<'_>) -> Option<Sent> {
    match sent {
        Ok(sent) => {
            out.counters.tx_rtp += 1;
            out.counters.tx_packets += 1;
            out.counters.tx_bytes += sent.len as u64;
            Some(sent)
        }
        Err(Unsent::ArenaFull) => {
            out.drop(DropReason::ArenaFull);
            None
        }
        Err(Unsent::Unfit) => {
            out.drop(DropReason::SrtpMalformed);
            None
        }
    }
}
