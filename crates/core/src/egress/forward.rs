//! A consumer's part of the fan-out: each packet of the batch in turn, starting at keyframes.

use crate::cache::{Cached, PacketMeta};
use crate::command::{Codec, Kind};
use crate::drop::DropReason;
use crate::egress::consumer::Consumer;
use crate::egress::continuity::{Instant, LastSent, Start, next_timestamp};
use crate::egress::packet::Payload;
use crate::event::Event;
use crate::ingress::chains::frame_number;
use crate::ingress::encoding::Encoding;
use crate::ingress::producer::{Fresh, Producer};
use crate::layer::Verdict;
use crate::outbox::Outbox;
use crate::rewrite::{Mapping, Source};
use crate::slab::{Key, Slab};
use crate::transport::Link;
use crate::transport::maps::Outgoing;

/// Packets behind a keyframe's first that are sent with it when it came late.
const MAX_REPLAY: u64 = 512;

/// The producer whose batch is fanned out.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    pub key: Key,
    pub producer: &'a Producer,
    /// For the clocks of former sources.
    pub producers: &'a Slab<Producer>,
}

impl Consumer {
    /// Takes one packet of the batch, or has it wait until the rate allows it. Returns the encodings, by bit, of which a
    /// keyframe is needed.
    pub fn on_fresh(&mut self, feed: &Feed<'_>, fresh: Fresh, link: &mut Link<'_>, out: &mut Outbox<'_>) -> u8 {
        if self.kind == Kind::Video
            && let Some(bandwidth) = link.bandwidth.as_deref_mut().filter(|bandwidth| !bandwidth.pacer.admits(out.now))
            && self.takes(fresh.encoding)
        {
            self.make_way(feed, fresh, &mut bandwidth.pacer, out);
            bandwidth.pacer.push(self.waiting(feed, fresh, out.now));
            bandwidth.wants_attention = true;
            out.counters.tx_paced += 1;
            return 0;
        }
        self.take(feed, fresh, link, out)
    }

    /// Takes one packet whose time has come.
    pub(super) fn take(&mut self, feed: &Feed<'_>, fresh: Fresh, link: &mut Link<'_>, out: &mut Outbox<'_>) -> u8 {
        let Some(encoding) = feed.producer.encoding(fresh.encoding) else { return 0 };
        let Some(cached) = encoding.ring.get(fresh.ext_seq) else {
            out.drop(DropReason::RtpTooOld);
            return 0;
        };
        let source = Source { producer: feed.key, encoding: fresh.encoding };
        if self.current == Some(fresh.encoding) {
            if self.map.expected().is_some_and(|expected| fresh.ext_seq < expected) {
                self.fill(source, &cached, link, out);
            } else if self.is_leaving {
                out.drop(DropReason::LayerGate);
            } else if !self.changes_codec(&cached) && self.joins(encoding, fresh.ext_seq) {
                self.forward(feed, encoding, &cached, link, out);
            } else {
                self.current = None;
                return self.start(feed, fresh, &cached, link, out);
            }
        } else if self.target == Some(fresh.encoding) {
            return self.start(feed, fresh, &cached, link, out);
        } else if self.former == Some(fresh.encoding) {
            self.fill(source, &cached, link, out);
        }
        0
    }

    /// Whether the packet continues what was sent; after a silence that was not forwarded the numbers close up.
    fn joins(&mut self, encoding: &Encoding, ext_seq: u64) -> bool {
        let joint = encoding.joint();
        if ext_seq < joint || self.map.expected().is_none_or(|expected| expected >= joint) {
            return true;
        }
        let is_anew = self.begins_anew(encoding, ext_seq);
        if !is_anew {
            self.map.close_up(joint);
        }
        !is_anew
    }

    /// The sender goes on under another SSRC: nothing of what the present mapping adds is right any more.
    fn begins_anew(&self, encoding: &Encoding, ext_seq: u64) -> bool {
        let first = encoding.first_ext_seq();
        ext_seq >= first && self.map.expected().is_some_and(|expected| expected < first)
    }

    fn changes_codec(&self, cached: &Cached<'_>) -> bool {
        cached.meta.payload_len > 0 && self.outgoing.is_none_or(|outgoing| outgoing.codec != cached.meta.codec)
    }

    /// Starts with this packet if it can be started with.
    fn start(
        &mut self,
        feed: &Feed<'_>,
        fresh: Fresh,
        cached: &Cached<'_>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) -> u8 {
        let source = Source { producer: feed.key, encoding: fresh.encoding };
        if self.map.end_of(source) > fresh.ext_seq {
            self.fill(source, cached, link, out);
            return 0;
        }
        let meta = cached.meta;
        if meta.payload_len == 0 || (self.kind == Kind::Video && !meta.marks.starts_keyframe) {
            out.drop(DropReason::ConsumerWaits);
            return 1 << fresh.encoding;
        }
        let Some(outgoing) = link.send_map.outgoing(meta.codec) else {
            self.refuse(feed, cached, link, out);
            return 0;
        };
        let Some(ts_offset) = self.timestamp_offset(feed, fresh.encoding, meta, &outgoing) else {
            self.has_passed_over = true;
            out.drop(DropReason::ConsumerWaits);
            return 1 << fresh.encoding;
        };
        self.enter(source, cached, ts_offset, outgoing);
        self.replay(feed, fresh, meta.serial, link, out);
        0
    }

    /// The subscriber cannot decode this: nothing is forwarded, the control plane is told once.
    fn refuse(&mut self, feed: &Feed<'_>, cached: &Cached<'_>, link: &Link<'_>, out: &mut Outbox<'_>) {
        out.drop(DropReason::ConsumerCodec);
        // Before the first negotiation there is nothing to compare with.
        if link.send_map.is_empty() {
            return;
        }
        let codec = cached.meta.codec;
        self.restart();
        self.unsupported = Some(codec);
        out.event(Event::ConsumerCodecUnsupported { consumer: self.id, producer: feed.producer.id, codec });
    }

    /// What to add to the source's timestamps; `None` when this keyframe is better passed over.
    fn timestamp_offset(&self, feed: &Feed<'_>, encoding: u8, meta: &PacketMeta, outgoing: &Outgoing) -> Option<u32> {
        let Some((former, last)) = self.last_sent() else { return Some(self.first_ts.wrapping_sub(meta.rtp_ts)) };
        let sampled = |source: Source, rtp_ts| {
            let producer = feed.producers.get(source.producer)?;
            let encoding = producer.encoding(source.encoding)?;
            encoding.clock.sampled_at_us(rtp_ts, encoding.clock_rate_hz(), &producer.clock_offset)
        };
        let source = Source { producer: feed.key, encoding };
        // The reports of another SSRC say nothing of the last one's timestamps.
        let is_anew = former == source
            && feed.producer.encoding(encoding).is_some_and(|encoding| self.begins_anew(encoding, meta.ext_seq));
        let sampled_before = if is_anew { None } else { sampled(former, last.rtp_ts) };
        let before = Instant { arrival: last.arrival, sampled_at_us: sampled_before };
        let after = Instant { arrival: meta.arrival, sampled_at_us: sampled(source, meta.rtp_ts) };
        let may_pass_over = former.producer == feed.key && self.current.is_some() && !self.is_leaving;
        match next_timestamp(last, before, after, self.kind, outgoing.clock_rate_hz) {
            Start::TooEarly(_) if may_pass_over && !self.has_passed_over => None,
            Start::At(out_ts) | Start::TooEarly(out_ts) => Some(out_ts.wrapping_sub(meta.rtp_ts)),
        }
    }

    fn enter(&mut self, source: Source, cached: &Cached<'_>, ts_offset: u32, outgoing: Outgoing) {
        // A frame that was not finished leaves a number empty, so that the receiver sees it is not.
        let skipped = u64::from(self.kind == Kind::Video && self.last.is_some_and(|last| !last.marker));
        self.gate.restart();
        let mut mapping =
            Mapping { ts_offset, max_tid: self.gate.max_tid(), max_sid: self.gate.spatial(), ..Mapping::default() };
        self.pictures.start(&cached.meta.marks, frame_number(cached), &mut mapping);
        self.map.start(source, cached.meta.ext_seq, skipped, mapping);
        self.stay.next(self.map.next_out(), self.last);
        self.former = self.current;
        self.current = Some(source.encoding);
        self.outgoing = Some(outgoing);
        self.has_passed_over = false;
        self.is_leaving = false;
    }

    /// Sends the keyframe's first packet and what came of it before, in order.
    fn replay(&mut self, feed: &Feed<'_>, first: Fresh, serial: u64, link: &mut Link<'_>, out: &mut Outbox<'_>) {
        let Some(encoding) = feed.producer.encoding(first.encoding) else { return };
        let highest = encoding.ring.highest().unwrap_or(first.ext_seq);
        let last = highest.min(first.ext_seq.saturating_add(MAX_REPLAY));
        // What came after this packet, in the same batch, has its own turn.
        let find = |ext_seq| encoding.ring.get(ext_seq).filter(|cached| cached.meta.serial <= serial);
        for ext_seq in first.ext_seq..=last {
            if ext_seq > first.ext_seq
                && let Some(bandwidth) = link.bandwidth.as_deref_mut().filter(|it| !it.pacer.has_room(out.now))
                && self.kind == Kind::Video
            {
                let rest = (ext_seq..=last).rev().filter(|&ext_seq| find(ext_seq).is_some());
                for ext_seq in rest {
                    bandwidth.pacer.push_front(self.waiting(feed, Fresh { ext_seq, ..first }, out.now));
                    out.counters.tx_paced += 1;
                }
                bandwidth.wants_attention = true;
                return;
            }
            if let Some(cached) = find(ext_seq) {
                self.forward(feed, encoding, &cached, link, out);
            }
        }
    }

    /// A packet in order of the present source.
    fn forward(
        &mut self,
        feed: &Feed<'_>,
        encoding: &Encoding,
        cached: &Cached<'_>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) {
        let meta = cached.meta;
        if !self.has_payload(cached) {
            self.map.skip(meta.ext_seq);
            return;
        }
        let verdict = self.gate.judge(meta.rtp_ts, &meta.marks);
        let mapping = self.note_layers(encoding, meta);
        let Verdict::Forward { set_marker } = verdict else {
            self.take_out(cached);
            out.drop(DropReason::LayerGate);
            return;
        };
        self.tell_layers(feed, encoding, out);
        let ext_seq = self.map.advance(meta.ext_seq);
        let marker = meta.marker || set_marker;
        let earlier = if self.redundancy.is_on() { self.earlier(encoding, meta, &mapping) } else { None };
        self.note_sent(cached, ext_seq, &mapping, marker);
        self.transmit(cached, ext_seq, &mapping, marker, earlier.as_ref(), link, out);
    }

    /// Brings the layers that pass now into the mapping. What is missing before this packet may be of
    /// either side of the change: only what passed on both is let in when it comes.
    fn note_layers(&mut self, encoding: &Encoding, meta: &PacketMeta) -> Mapping {
        let before = self.map.mapping();
        let (max_tid, max_sid) = (self.gate.max_tid(), self.gate.spatial());
        let active_targets = if meta.marks.targets.targets == 0 {
            0
        } else {
            self.active_targets(encoding, meta, before.active_targets)
        };
        let after = Mapping { max_tid, max_sid, active_targets, ..before };
        if after != before {
            let (max_tid, max_sid) = (before.max_tid.min(after.max_tid), before.max_sid.min(after.max_sid));
            self.map.remap(Mapping { max_tid, max_sid, ..before });
            self.map.reserve_up_to(meta.ext_seq);
            self.map.remap(after);
        }
        after
    }

    /// Decode targets to tell the subscriber of. One that was told of fewer is told when there are more; else
    /// nothing needs to be said while it gets all.
    fn active_targets(&self, encoding: &Encoding, meta: &PacketMeta, told: u32) -> u32 {
        let Some(reader) = &encoding.dependencies else { return 0 };
        let within = reader.targets_within(self.gate.spatial(), self.gate.max_tid());
        let says_nothing = within == reader.active_decode_targets() && (told == 0 || meta.marks.starts_keyframe);
        if says_nothing { 0 } else { within }
    }

    /// What the next source continues from: the packet with the highest outgoing number.
    fn note_sent(&mut self, cached: &Cached<'_>, ext_seq: u64, mapping: &Mapping, marker: bool) {
        if self.last.is_some_and(|last| last.ext_seq > ext_seq) {
            return;
        }
        let meta = cached.meta;
        let out_ts = meta.rtp_ts.wrapping_add(mapping.ts_offset);
        self.last = Some(LastSent { ext_seq, out_ts, rtp_ts: meta.rtp_ts, arrival: meta.arrival, marker });
        if meta.marks.starts_keyframe {
            self.repair.note_keyframe(out_ts);
        }
        self.pictures.on_sent(&meta.marks, frame_number(cached), mapping);
    }

    /// Leaves a packet out so that no gap shows: neither in the sequence nor in the picture ids.
    fn take_out(&mut self, cached: &Cached<'_>) {
        self.map.skip(cached.meta.ext_seq);
        // VP8 has its picture ids in sequence. In VP9 and AV1 pictures refer to others by distance, so
        // there the gap has to stay.
        if self.pictures.on_taken_out(&cached.meta.marks) && cached.meta.codec.codec == Codec::Vp8 {
            let mapping = self.map.mapping();
            self.map.remap(Mapping { picture_offset: mapping.picture_offset.wrapping_sub(1), ..mapping });
        }
    }

    /// A packet that comes late goes to the place that was kept for it. When it is of a layer that
    /// was not forwarded, or too late for its stay, padding goes there, so that the subscriber does not
    /// wait for it.
    fn fill(&mut self, source: Source, cached: &Cached<'_>, link: &mut Link<'_>, out: &mut Outbox<'_>) {
        let meta = cached.meta;
        let Some((ext_seq, mapping)) = self.map.late(source, meta.ext_seq) else {
            out.drop(DropReason::ConsumerLate);
            return;
        };
        if self.numbers.marker(ext_seq).is_some() {
            // It was asked for in the batch with which it came.
            return;
        }
        if let Some(marker) = self.admits(cached, ext_seq, &mapping) {
            self.map.mark_sent(ext_seq);
            self.note_sent(cached, ext_seq, &mapping, marker);
            self.transmit(cached, ext_seq, &mapping, marker, None, link, out);
        } else if self.map.give_up(source, meta.ext_seq).is_some() {
            self.map.mark_sent(ext_seq);
            let timestamp = meta.rtp_ts.wrapping_add(mapping.ts_offset);
            self.send_padding(ext_seq, timestamp, link, out);
        }
    }

    /// Whether a late packet may go to its place; if so, whether it ends its picture there.
    pub(super) fn admits(&self, cached: &Cached<'_>, ext_seq: u64, mapping: &Mapping) -> Option<bool> {
        let meta = cached.meta;
        let timestamp = meta.rtp_ts.wrapping_add(mapping.ts_offset);
        // A packet of another codec than goes out now would get a wrong payload type.
        let is_admitted = self.has_payload(cached)
            && !self.changes_codec(cached)
            && self.stay.admits(ext_seq, timestamp)
            && self.gate.admits_late(meta.rtp_ts, &meta.marks, mapping.max_tid, mapping.max_sid);
        is_admitted.then(|| meta.marker || self.gate.ends_picture(meta.rtp_ts, &meta.marks, mapping.max_sid))
    }

    fn has_payload(&self, cached: &Cached<'_>) -> bool {
        let strips = self.outgoing.is_some_and(|outgoing| outgoing.strips_redundancy);
        cached.meta.payload_len > 0 && (!strips || Payload::primary(cached).is_some())
    }

    fn tell_layers(&mut self, feed: &Feed<'_>, encoding: &Encoding, out: &mut Outbox<'_>) {
        let spatial = match self.current {
            Some(index) if feed.producer.is_simulcast() => index,
            _ => self.gate.spatial().min(encoding.top_sid),
        };
        let layers = (spatial, self.gate.temporal());
        if self.told != Some(layers) {
            self.told = Some(layers);
            let (consumer, producer) = (self.id, feed.producer.id);
            // Who stands on the stage is told once for all who hear it.
            if self.position.is_none() {
                out.event(Event::ConsumerLayers { consumer, producer, spatial, temporal: layers.1 });
            }
        }
    }
}
