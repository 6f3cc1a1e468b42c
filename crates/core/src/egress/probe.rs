//! What is sent for the estimator's sake: recent media once more, by retransmission, else padding. Receivers drop both, but
//! tell when they came.

use crate::command::Kind;
use crate::egress::consumer::Consumer;
use crate::egress::packet::{Passed, Payload};
use crate::ingress::producer::Producer;
use crate::outbox::Outbox;
use crate::rewrite::Origin;
use crate::rtp::HeaderFields;
use crate::slab::{Key, Slab};
use crate::time::Time;
use crate::transport::maps::SendMap;
use crate::transport::{Link, Transport};

/// Packets back from the newest that are sent once more: a keyframe at most, and all of it still in the ring.
const DEPTH: u64 = 64;
/// Smaller ones say less per packet than padding does.
const LEAST_PAYLOAD: u16 = 300;
/// As much as RFC 3550 §5.1 can say.
const PADDING: u8 = 255;
/// Packets of one call: 20 ms of 20 Mbit/s in packets of padding.
const MAX_PACKETS: usize = 256;

/// Sends what is due of the probe that goes on.
pub fn send_probe(
    transport: &mut Transport,
    consumers: &mut Slab<Consumer>,
    producers: &Slab<Producer>,
    out: &mut Outbox<'_>,
) {
    let is_due = |transport: &Transport, now: Time| {
        let bandwidth = transport.bandwidth.as_ref();
        bandwidth.and_then(|bandwidth| bandwidth.probe_due()).is_some_and(|due| due <= now)
    };
    if !is_due(transport, out.now) {
        return;
    }
    let carrier = carrier(transport, consumers, out.now);
    for _ in 0..MAX_PACKETS {
        if !is_due(transport, out.now) {
            return;
        }
        let has_sent = transport.link().is_some_and(|mut link| {
            let consumer = carrier.and_then(|key| consumers.get_mut(key));
            consumer.is_some_and(|consumer| consumer.send_for_probe(producers, &mut link, out))
        });
        if !has_sent {
            transport.bandwidth.iter_mut().for_each(|bandwidth| bandwidth.probe_by_media());
            return;
        }
    }
}

/// The consumer with the most to send again; one that could send padding if none sends, be it paused.
fn carrier(transport: &Transport, consumers: &Slab<Consumer>, now: Time) -> Option<Key> {
    let rate = |key: &Key| {
        let consumer = consumers.get(*key).filter(|consumer| consumer.kind == Kind::Video)?;
        consumer.rtx(&transport.send_map)?;
        Some((consumer.counters.rate.bytes_per_second(now), *key))
    };
    transport.consumers.iter().filter_map(rate).max_by_key(|(rate, _)| *rate).map(|(_, key)| key)
}

impl Consumer {
    /// SSRC and payload type of its retransmissions. Before it sent anything no codec is chosen, and any will do: a
    /// picture that waits for the proof that it fits must not be what the proof waits for.
    fn rtx(&self, send_map: &SendMap) -> Option<(u32, u8)> {
        let pt = self.outgoing.map_or_else(|| send_map.any_rtx_pt(), |outgoing| outgoing.rtx_pt);
        Some((self.rtx_ssrc?, pt?))
    }

    /// One packet, whatever can be had; false when there is none.
    fn send_for_probe(&mut self, producers: &Slab<Producer>, link: &mut Link<'_>, out: &mut Outbox<'_>) -> bool {
        let sent = self.send_recent(producers, link, out).or_else(|| self.send_filler(link, out));
        out.counters.tx_probes += u64::from(sent.is_some());
        sent.is_some()
    }

    /// The next of the last packets, from the newest to older ones and again.
    fn send_recent(&mut self, producers: &Slab<Producer>, link: &mut Link<'_>, out: &mut Outbox<'_>) -> Option<usize> {
        let newest = self.numbers.newest()?;
        for _ in 0..DEPTH {
            let back = self.probe_back;
            self.probe_back = (back + 1) % DEPTH;
            let Origin::Packet { source, ext_seq, out_seq, mapping } =
                self.map.origin(newest.wrapping_sub(back) as u16)
            else {
                // Further back there is nothing.
                self.probe_back = 0;
                continue;
            };
            let encoding = producers.get(source.producer)?.encoding(source.encoding)?;
            let is_worth_it =
                encoding.ring.get_recent(ext_seq, out.now).is_some_and(|it| it.meta.payload_len >= LEAST_PAYLOAD);
            if is_worth_it
                && self.numbers.marker(out_seq).is_some()
                && let Some(len) = self.repeat_packet(source, ext_seq, out_seq, &mapping, producers, link, out)
            {
                return Some(len);
            }
        }
        None
    }

    fn send_filler(&mut self, link: &mut Link<'_>, out: &mut Outbox<'_>) -> Option<usize> {
        let (ssrc, pt) = self.rtx(link.send_map)?;
        let timestamp = self.last.map_or(0, |last| last.out_ts);
        let fields = HeaderFields { marker: false, pt, seq: 0, timestamp, ssrc, has_padding: true };
        self.send_rtx(fields, None, &Passed::default(), &Payload::padding(PADDING), link, out)
    }
}
