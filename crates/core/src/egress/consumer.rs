//! One outgoing RTP stream: whose media it carries, how far it may go up, what was sent.

use std::mem::offset_of;
use std::ops::Range;

use crate::bwe::SentKind;
use crate::command::{CodecId, ConsumerOptions, Kind, LayerLimit};
use crate::egress::continuity::{LastSent, Pictures, Stay};
use crate::egress::numbers::Numbers;
use crate::egress::packet::Stamp;
use crate::egress::redundancy::Redundancy;
use crate::egress::retransmit::Repair;
use crate::egress::shed::Shed;
use crate::ids::ConsumerId;
use crate::ingress::keyframe::ReceiverLimit;
use crate::ingress::producer::Producer;
use crate::layer::{LayerGate, choose_encoding};
use crate::mid::Mid;
use crate::rate::RateMeter;
use crate::rewrite::{SequenceMap, Source};
use crate::rtcp::ReportBlock;
use crate::slab::Key;
use crate::time::{Micros, Time};
use crate::transport::bandwidth::DATAGRAM_OVERHEAD;
use crate::transport::maps::{Outgoing, SendMap};

/// In the middle.
const DEFAULT_PRIORITY: u8 = 128;
/// The best there is.
const NO_LIMIT: LayerLimit = LayerLimit { spatial: u8::MAX, temporal: u8::MAX };

/// See the module. What it forwards moves through these states: nothing (`target` none), waiting for
/// a keyframe of `target` (`current` none or another encoding, which goes on meanwhile), flowing
/// (`current` equals `target`).
#[derive(Debug)]
#[repr(C)]
pub struct Consumer {
    // What each packet reads, side by side: between two batches the caches forget, and a line of them fetched anew for each
    // of hundreds of subscribers is what the fan-out mostly waits for.
    pub transport: Key,
    pub kind: Kind,
    pub paused: bool,
    /// Encoding that is forwarded, and the one that should be.
    pub(super) current: Option<u8>,
    pub(super) target: Option<u8>,
    /// Encoding that was forwarded before: its late packets still have places.
    pub(super) former: Option<u8>,
    /// A lower encoding's keyframe waits for its time: nothing new is taken of the present one, of which frames are missing.
    pub(super) is_leaving: bool,
    /// Layers (spatial, temporal) that the control plane was told of.
    pub(super) told: Option<(u8, u8)>,
    pub(super) pictures: Pictures,
    /// Counts up when it begins anew and when the target changes: what came before, and waited meanwhile, is no whole stream
    /// to start from any more.
    pub(super) epoch: u32,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub(super) outgoing: Option<Outgoing>,
    pub mid: Mid,
    pub(super) last: Option<LastSent>,
    pub(super) map: SequenceMap,
    pub counters: ConsumerCounters,
    pub(super) gate: LayerGate,
    pub(super) numbers: Numbers,
    // What is needed now and then.
    pub id: ConsumerId,
    /// Its own.
    pub key: Key,
    pub cname: String,
    pub producer: Option<Key>,
    /// Position of the stage that it follows.
    pub position: Option<u8>,
    pub limit: LayerLimit,
    /// Of shedding: the lowest of a transport gives way first.
    pub priority: u8,
    /// What the shard itself took away; see [`crate::egress::shed`].
    pub shed: Option<Shed>,
    pub(super) unsupported: Option<CodecId>,
    pub(super) stay: Stay,
    /// A keyframe was passed over because its timestamp came too early.
    pub(super) has_passed_over: bool,
    pub(super) first_ts: u32,
    /// How far back the last packet lay that was sent again for a probe.
    pub(super) probe_back: u64,
    pub repair: Repair,
    pub redundancy: Redundancy,
    pub keyframe_limit: ReceiverLimit,
    pub reported: Reported,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ConsumerCounters {
    /// First transmissions.
    pub packets: u64,
    /// Of payloads, as a sender report counts them.
    pub payload_bytes: u64,
    pub bytes: u64,
    pub rate: RateMeter,
    pub nacks: u64,
    pub plis: u64,
}

/// What the subscriber's last report said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported {
    pub block: Option<ReportBlock>,
    pub rtt: Option<Micros>,
}

impl Consumer {
    /// What each packet reads: of the numbers the end and one word, which is asked for by itself.
    pub const HEAD: Range<usize> = 0..offset_of!(Self, numbers) + 40;

    /// Asks for what the next packet reads behind the head, which has been asked for before.
    pub fn prefetch_rest(&self) {
        self.map.prefetch();
        self.numbers.prefetch();
    }

    /// `random` gives the first sequence numbers and timestamp.
    pub fn new(id: ConsumerId, key: Key, transport: Key, options: ConsumerOptions, random: u64) -> Self {
        Self {
            id,
            key,
            transport,
            kind: options.kind,
            mid: Mid::new(&options.mid).unwrap_or_default(),
            ssrc: options.ssrc.0,
            rtx_ssrc: options.rtx_ssrc.map(|ssrc| ssrc.0),
            cname: options.cname,
            producer: None,
            position: None,
            limit: NO_LIMIT,
            priority: DEFAULT_PRIORITY,
            paused: false,
            shed: None,
            current: None,
            target: None,
            former: None,
            is_leaving: false,
            epoch: 0,
            map: SequenceMap::new(random as u16),
            gate: LayerGate::new(NO_LIMIT),
            outgoing: None,
            unsupported: None,
            last: None,
            stay: Stay::default(),
            pictures: Pictures::default(),
            has_passed_over: false,
            told: None,
            first_ts: (random >> 32) as u32,
            numbers: Numbers::default(),
            probe_back: 0,
            redundancy: Redundancy::default(),
            repair: Repair::new((random >> 16) as u16),
            keyframe_limit: ReceiverLimit::default(),
            counters: ConsumerCounters::default(),
            reported: Reported::default(),
        }
    }

    /// Feeds from another producer, or from none.
    pub fn switch(&mut self, producer: Option<Key>) {
        self.producer = producer;
        self.shed = None;
        self.unsupported = None;
        self.restart();
    }

    /// Stops; goes on with a keyframe once [`Consumer::retarget`] finds a source.
    pub fn restart(&mut self) {
        self.current = None;
        self.target = None;
        self.former = None;
        self.is_leaving = false;
        self.told = None;
        self.has_passed_over = false;
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// The transport negotiated anew: payload types and extension ids may be others. A stream whose
    /// codec is still there goes on without a keyframe.
    pub fn renegotiate(&mut self, send_map: &SendMap) {
        self.outgoing = self.outgoing.and_then(|outgoing| send_map.outgoing(outgoing.codec));
        self.unsupported = None;
        self.repair.forbid_plain_before(self.map.next_out());
    }

    /// Chooses the encoding again.
    pub fn retarget(&mut self, producer: &Producer) {
        if self.unsupported.is_some_and(|codec| !producer.sends(codec)) {
            self.unsupported = None;
        }
        let is_stopped = self.shed.is_some_and(|shed| shed.is_stopped);
        if self.paused || is_stopped || producer.paused || self.unsupported.is_some() {
            self.restart();
            return;
        }
        let limit = self.allowed();
        let target = if producer.is_simulcast() { choose_encoding(producer.active, limit.spatial) } else { Some(0) };
        if target != self.target {
            self.target = target;
            // It does not go on without a keyframe, should it be the target again.
            if std::mem::take(&mut self.is_leaving) {
                self.current = None;
            }
            self.epoch = self.epoch.wrapping_add(1);
        }
        // Of a simulcast producer the spatial limit chooses the encoding, not a layer in it.
        let gate_limit =
            if producer.is_simulcast() { LayerLimit { spatial: u8::MAX, temporal: limit.temporal } } else { limit };
        self.gate.set_limit(gate_limit);
        if self.target.is_none() {
            self.current = None;
        }
    }

    /// The encoding, by bit, of which a keyframe is needed to go where [`Consumer::retarget`] points.
    pub fn needs_keyframe(&self, producer: &Producer) -> u8 {
        let Some(target) = self.target else { return 0 };
        let top_sid = producer.encoding(target).map_or(0, |encoding| encoding.top_sid);
        let needs_keyframe = self.current != self.target || self.gate.wants_keyframe(top_sid);
        if needs_keyframe && self.kind == Kind::Video { 1 << target } else { 0 }
    }

    /// The encodings, by bit, whose next packets it takes. Only [`Consumer::retarget`] adds one.
    pub fn interest(&self) -> u8 {
        self.current.into_iter().chain(self.target).fold(0, |mask, encoding| mask | 1 << encoding)
    }

    /// The encoding whose keyframe would help a subscriber that asks for one, by bit.
    pub fn keyframe_wanted(&self) -> u8 {
        self.target.or(self.current).map_or(0, |encoding| 1 << encoding)
    }

    /// Nothing was sent yet, or nothing is to be sent.
    pub fn is_idle(&self) -> bool {
        self.current.is_none()
    }

    /// Layers (spatial, temporal) that the subscriber gets now.
    pub fn current_layers(&self) -> Option<(u8, u8)> {
        self.current.and(self.told)
    }

    /// Of what goes out; before anything does, of the kind's usual codecs.
    pub fn clock_rate_hz(&self) -> u32 {
        let usual = if self.kind == Kind::Audio { 48_000 } else { 90_000 };
        self.outgoing.map_or(usual, |outgoing| outgoing.clock_rate_hz)
    }

    /// What it was sent in the last second, retransmissions aside: its payload, and all of it on the wire.
    pub fn sent_bps(&self, now: Time) -> (u64, u64) {
        let ConsumerCounters { packets, payload_bytes, bytes, rate, .. } = &self.counters;
        let bits = rate.bits_per_second(now) as f64 / (*bytes).max(1) as f64;
        let wire_bytes = bytes + packets * u64::from(DATAGRAM_OVERHEAD);
        ((bits * *payload_bytes as f64) as u64, (bits * wire_bytes as f64) as u64)
    }

    /// Source of the last packet sent, with what was sent.
    pub fn last_sent(&self) -> Option<(Source, &LastSent)> {
        Some((self.map.source()?, self.last.as_ref()?))
    }

    /// Every packet is sent under the number that it first had, so it must look the same each time.
    pub(super) fn repeats_plainly(&self) -> bool {
        self.kind == Kind::Video && (self.rtx_ssrc.is_none() || self.outgoing.is_some_and(|out| out.rtx_pt.is_none()))
    }

    /// Of a first sending.
    pub(super) fn stamp(&self) -> Stamp {
        if self.repeats_plainly() { Stamp::Number } else { Stamp::Full }
    }

    pub(super) fn sent_kind(&self) -> SentKind {
        match self.kind {
            Kind::Audio => SentKind::Audio,
            Kind::Video => SentKind::Video,
        }
    }
}
