//! Copies the shard's state into plain values.

use crate::bwe::FeedbackKind;
use crate::command::{Codec, Kind};
use crate::egress::consumer::Consumer;
use crate::ingress::encoding::Encoding;
use crate::ingress::producer::Producer;
use crate::shard::Shard;
use crate::srtp::SrtpProfile;
use crate::stats::{ConsumerStats, Counters, EncodingStats, ProducerSnapshot, ProducerStats, Snapshot, TransportStats};
use crate::time::{Micros, Time};
use crate::transport::Transport;
use crate::transport::ice::Phase;

/// Of a snapshot, at most.
const PARTS: usize = 64;

/// A snapshot that is gathered a piece at a time: that of a thousand participants at once would hold media up for
/// milliseconds, each second.
#[derive(Debug)]
pub struct Gathering {
    snapshot: Snapshot,
    /// Slots that were looked at: of the transports, then the producers, then the consumers.
    looked_at: usize,
}

impl Gathering {
    pub fn new(now: Time) -> Self {
        Self { snapshot: Snapshot { now, ..Snapshot::default() }, looked_at: 0 }
    }
}

impl Shard {
    /// All at once.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let mut gathering = Gathering::new(now);
        self.gather(now, &mut gathering, usize::MAX);
        self.complete(gathering)
    }

    /// Looks at so many objects more, in a large shard at a sixty-fourth of them: it is not to take all day either. False:
    /// there are none left, and [`Shard::complete`] comes next.
    pub fn gather(&self, now: Time, gathering: &mut Gathering, objects: usize) -> bool {
        let Gathering { snapshot, looked_at } = gathering;
        let (transports, producers) = (self.transports.span(), self.producers.span());
        let all = transports + producers + self.consumers.span();
        let start = *looked_at;
        let end = start.saturating_add(objects.max(all / PARTS)).min(all);
        // Room at once: a list that doubles is copied while media waits.
        snapshot.transports.reserve(self.transports.len().saturating_sub(snapshot.transports.len()));
        snapshot.consumers.reserve(self.consumers.len().saturating_sub(snapshot.consumers.len()));
        let of = |from: usize, slots: usize| start.max(from) - from..end.clamp(from, from + slots) - from;
        let found = self.transports.iter_span(of(0, transports));
        snapshot.transports.extend(found.map(|it| (it.id, self.transport_stats(now, it))));
        let found = self.producers.iter_span(of(transports, producers));
        snapshot.producers.extend(found.map(|it| self.producer_snapshot(now, it)));
        let found = self.consumers.iter_span(of(transports + producers, self.consumers.span()));
        snapshot.consumers.extend(found.map(|it| (it.id, self.consumer_stats(now, it))));
        *looked_at = end;
        end < all
    }

    /// What [`Shard::gather`] has found, with the totals of now.
    pub fn complete(&self, gathering: Gathering) -> Snapshot {
        Snapshot {
            counters: Counters { events_lost: self.events.lost_total, ..self.counters.clone() },
            drops: self.drops.clone(),
            routers: self.routers.iter().map(|(_, router)| router.id).collect(),
            stages: self.stages().collect(),
            ..gathering.snapshot
        }
    }

    /// Rough number of objects and bytes that packets can make grow: for tests of boundedness.
    pub fn footprint(&self) -> usize {
        let (paths, ufrags) = self.table.sizes();
        let rings = self.producers.iter().flat_map(|(_, producer)| &producer.encodings);
        let bytes: usize = rings.map(|encoding| encoding.ring.memory_bytes() + 64 * encoding.nack.len()).sum();
        let streams: usize = self.transports.iter().map(|(_, transport)| transport.streams.len()).sum();
        bytes + 100 * (paths + ufrags + streams + self.timers.len())
    }

    fn transport_stats(&self, now: Time, transport: &Transport) -> TransportStats {
        let selected = transport.ice.selected();
        let counters = transport.counters;
        let estimate = transport.bandwidth.as_ref().map(|bandwidth| bandwidth.estimator.state());
        TransportStats {
            router: self.routers.get(transport.router).map_or(0, |router| router.id.0),
            state: match transport.ice.phase() {
                Phase::New => "new",
                Phase::Connected => "connected",
                Phase::Expired => "expired",
            },
            remote: selected.map(|path| path.remote),
            socket: selected.map(|path| path.socket),
            srtp_profile: transport.srtp_out.as_ref().map(|srtp| profile_name(srtp.profile())),
            validated_addresses: transport.ice.paths().len() as u64,
            rx_packets: counters.rx_packets,
            rx_bytes: counters.rx_bytes,
            tx_packets: counters.tx_packets,
            tx_bytes: counters.tx_bytes,
            rtt_us: transport.measured_rtt().map(|rtt| rtt.0),
            consent_age_us: transport.ice.checked_at().map(|at| now.since(at).0),
            producers: transport.producers.len() as u64,
            consumers: transport.consumers.len() as u64,
            estimate_bps: transport.bandwidth.as_ref().map(|bandwidth| bandwidth.estimate_bps()),
            acked_bps: estimate.map(|state| state.acked_bps),
            sent_bps: estimate.map(|state| state.sent_bps),
            loss: estimate.map(|state| f64::from(state.loss)),
            queue_us: estimate.map(|state| state.queue.0),
            pacer_bytes: transport.bandwidth.as_ref().map_or(0, |bandwidth| bandwidth.pacer.bytes()),
            feedback: estimate.and_then(|state| feedback_name(state.feedback?)),
        }
    }

    fn producer_snapshot(&self, now: Time, producer: &Producer) -> ProducerSnapshot {
        let encodings = producer.encodings.iter().enumerate();
        ProducerSnapshot {
            id: producer.id,
            stats: ProducerStats {
                transport: self.transports.get(producer.transport).map_or(0, |transport| transport.id.0),
                kind: kind_name(producer.kind),
                mid: producer.mid,
                paused: producer.paused,
                consumers: producer.fed().count() as u64,
                audio_level_dbov: producer.audio_level.map(|level| level & 0x7F),
                voice_activity: producer.audio_level.map(|level| level & 0x80 != 0),
            },
            encodings: encodings
                .map(|(index, it)| encoding_stats(now, it, producer.active & (1 << index) != 0))
                .collect(),
        }
    }

    fn consumer_stats(&self, now: Time, consumer: &Consumer) -> ConsumerStats {
        let layers = consumer.current_layers();
        let block = consumer.reported.block;
        let rate = consumer.clock_rate_hz();
        ConsumerStats {
            transport: self.transports.get(consumer.transport).map_or(0, |transport| transport.id.0),
            producer: consumer.producer.and_then(|key| self.producers.get(key)).map(|producer| producer.id.0),
            kind: kind_name(consumer.kind),
            mid: consumer.mid,
            ssrc: consumer.ssrc,
            rtx_ssrc: consumer.rtx_ssrc,
            paused: consumer.paused,
            packets: consumer.counters.packets,
            bytes: consumer.counters.bytes,
            bitrate_bps: consumer.counters.rate.bits_per_second(now),
            retransmitted: consumer.repair.packets,
            nacks: consumer.counters.nacks,
            plis: consumer.counters.plis,
            fraction_lost: block.map(|block| f64::from(block.fraction_lost) / 256.0),
            lost: block.map(|block| block.cumulative_lost.max(0).unsigned_abs().into()),
            jitter_us: block.map(|block| u64::from(block.jitter) * 1_000_000 / u64::from(rate)),
            rtt_us: consumer.reported.rtt.map(|Micros(us)| us),
            spatial_layer: layers.map(|layers| layers.0),
            temporal_layer: layers.map(|layers| layers.1),
            preferred_spatial_layer: consumer.limit.spatial,
            preferred_temporal_layer: consumer.limit.temporal,
        }
    }
}

fn encoding_stats(now: Time, encoding: &Encoding, active: bool) -> EncodingStats {
    let reception = &encoding.reception;
    let rate = u64::from(encoding.clock_rate_hz().max(1));
    let layers = encoding.layer_rates.as_ref().map(|rates| rates.measured(now)).unwrap_or_default();
    EncodingStats {
        rid: encoding.rid.clone(),
        ssrc: encoding.ssrc,
        rtx_ssrc: encoding.rtx_ssrc,
        codec: encoding.payload_type.map(|known| codec_name(known.codec.codec)),
        codec_variant: encoding.payload_type.map(|known| known.codec.variant),
        active: active && encoding.is_flowing(now),
        packets: reception.packets,
        bytes: reception.bytes,
        bitrate_bps: reception.bits_per_second(now),
        lost: reception.lost(),
        duplicates: reception.duplicates,
        recovered: reception.recovered,
        nacks: encoding.nacks_sent,
        plis: encoding.plis_sent,
        jitter_us: u64::from(reception.jitter()) * 1_000_000 / rate,
        keyframes: encoding.keyframes_seen,
        spatial_layers: encoding.top_sid + u8::from(encoding.payload_type.is_some()),
        temporal_layers: encoding.top_tid + u8::from(encoding.payload_type.is_some()),
        layer_bitrates_bps: layers.bitrates_bps,
        width: encoding.size.map(|size| size.width),
        height: encoding.size.map(|size| size.height),
        frame_rate: layers.frame_rate,
        history_bytes: encoding.ring.memory_bytes() as u64,
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    }
}

fn feedback_name(feedback: FeedbackKind) -> Option<&'static str> {
    match feedback {
        FeedbackKind::TransportCc => Some("transport_cc"),
        FeedbackKind::Remb => Some("remb"),
        FeedbackKind::Reports => None,
    }
}

fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::Red => "red",
        Codec::Vp8 => "vp8",
        Codec::Vp9 => "vp9",
        Codec::H264 => "h264",
        Codec::Av1 => "av1",
    }
}

fn profile_name(profile: SrtpProfile) -> &'static str {
    match profile {
        SrtpProfile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        SrtpProfile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        SrtpProfile::Aes128CmHmacSha1_80 => "AES128_CM_HMAC_SHA1_80",
    }
}
