//! One received RTP stream of a producer: sequence, history, repair, statistics.

use sfu_prefetch::prefetch;

use crate::cache::{Extensions, HistoryRing, PacketMeta, RingLimits, Stored};
use crate::codec::FrameMarks;
use crate::codec::dd::DependencyReader;
use crate::codec::size::{Size, keyframe_size};
use crate::command::{EncodingOptions, Kind, PayloadType};
use crate::drop::DropReason;
use crate::ingress::clock::SenderClock;
use crate::ingress::keyframe::KeyframeRequests;
use crate::ingress::layer_rates::LayerRates;
use crate::ingress::nack::NackGenerator;
use crate::ingress::reception::Reception;
use crate::rtp::RtpHeader;
use crate::rtp::seq::SeqUnwrapper;
use crate::time::{Micros, Time};

/// A jump of more is a new sequence, not loss (RFC 3550 A.1, `MAX_DROPOUT`).
const MAX_DROPOUT: u64 = 3_000;
/// Without a packet for so long, while other encodings flow, an encoding counts as stopped.
pub const STOPPED_AFTER: Micros = Micros::from_secs(1);

/// A packet on its way into an encoding.
#[derive(Debug)]
pub struct Incoming<'a> {
    pub packet: &'a [u8],
    pub header: RtpHeader,
    pub payload_type: PayloadType,
    pub arrival: Time,
    pub serial: u64,
    /// It came by retransmission.
    pub is_recovered: bool,
}

/// What a packet did to its encoding.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    pub ext_seq: u64,
    /// First packet, or another codec than before.
    pub has_started: bool,
    pub is_keyframe: bool,
    /// More is missing than can be repaired.
    pub gave_up: bool,
    /// A round trip was measured.
    pub rtt_sample: Option<Micros>,
}

/// See the module.
#[derive(Debug)]
pub struct Encoding {
    pub rid: Option<String>,
    pub ssrc: Option<u32>,
    pub rtx_ssrc: Option<u32>,
    pub payload_type: Option<PayloadType>,
    pub ring: HistoryRing,
    pub nack: NackGenerator,
    pub keyframes: KeyframeRequests,
    pub reception: Reception,
    pub clock: SenderClock,
    pub arrived_at: Option<Time>,
    /// Since when packets have come without a pause of [`STOPPED_AFTER`].
    flows_since: Time,
    pub nacks_sent: u64,
    pub plis_sent: u64,
    pub keyframes_seen: u64,
    /// Of the last keyframe; 0: none came.
    pub keyframe_packets: usize,
    keyframe_ts: u32,
    pub top_tid: u8,
    pub top_sid: u8,
    /// Structure of the dependency descriptors, once one came.
    pub dependencies: Option<Box<DependencyReader>>,
    /// Of the highest spatial layer, by the last keyframe that told.
    pub size: Option<Size>,
    /// Of video, from its first packet on.
    pub layer_rates: Option<Box<LayerRates>>,
    kind: Kind,
    unwrapper: SeqUnwrapper,
    /// Where the stream goes on after a silence that was not forwarded, or begins under its SSRC: the higher of both.
    joint: u64,
    /// Multiple of 65,536 that keeps the extended numbers of a new SSRC above those of the last.
    seq_base: u64,
}

impl Encoding {
    pub fn new(kind: Kind, options: EncodingOptions) -> Self {
        Self {
            rid: options.rid,
            ssrc: options.ssrc.map(|ssrc| ssrc.0),
            rtx_ssrc: options.rtx_ssrc.map(|ssrc| ssrc.0),
            payload_type: None,
            ring: HistoryRing::new(RingLimits::of(kind)),
            nack: NackGenerator::default(),
            keyframes: KeyframeRequests::default(),
            reception: Reception::default(),
            clock: SenderClock::default(),
            arrived_at: None,
            flows_since: Time(0),
            nacks_sent: 0,
            plis_sent: 0,
            keyframes_seen: 0,
            keyframe_packets: 0,
            keyframe_ts: 0,
            top_tid: 0,
            top_sid: 0,
            dependencies: None,
            size: None,
            layer_rates: None,
            kind,
            unwrapper: SeqUnwrapper::default(),
            joint: 0,
            seq_base: 0,
        }
    }

    /// Asks for what a packet reads and changes.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self, usize::MAX);
    }

    /// The stream comes under another SSRC from now on: a new sequence above the old one.
    pub fn adopt_ssrc(&mut self, ssrc: u32) {
        if self.ssrc.replace(ssrc) == Some(ssrc) {
            return;
        }
        if let Some(highest) = self.ring.highest() {
            self.seq_base = ((highest >> 16) + 2) << 16;
            self.joint = self.seq_base;
            self.unwrapper = SeqUnwrapper::default();
            self.nack = NackGenerator::default();
            self.clock.reset();
            self.payload_type = None;
            self.dependencies = None;
            self.size = None;
            if let Some(rates) = &mut self.layer_rates {
                rates.restart();
            }
        }
    }

    /// Extended numbers of the present SSRC are not below this.
    pub fn first_ext_seq(&self) -> u64 {
        self.seq_base
    }

    /// Who was sent nothing from behind here on goes on at this number.
    pub fn joint(&self) -> u64 {
        self.joint
    }

    /// The sender sounds again with this packet; what lies before it was silence.
    pub fn resume_at(&mut self, ext_seq: u64) {
        self.joint = self.joint.max(ext_seq);
    }

    /// Stores a packet, unless it was here before.
    pub fn accept(
        &mut self,
        incoming: &Incoming<'_>,
        marks: FrameMarks,
        extensions: Extensions,
    ) -> Result<Accepted, DropReason> {
        let ext_seq = self.seq_base.saturating_add(self.unwrapper.peek(incoming.header.seq));
        let highest = self.ring.highest();
        self.check_recovered(incoming, ext_seq)?;
        let payload = incoming.header.payload_range();
        let meta = PacketMeta {
            ext_seq,
            serial: incoming.serial,
            arrival: incoming.arrival,
            rtp_ts: incoming.header.timestamp,
            marker: incoming.header.marker,
            payload_start: payload.start as u16,
            payload_len: payload.len() as u16,
            codec: incoming.payload_type.codec,
            marks,
            extensions,
        };
        // Padding is remembered as a number without bytes.
        let bytes = if payload.is_empty() { &[] } else { incoming.packet.get(..payload.end).unwrap_or_default() };
        match self.ring.insert(meta, bytes) {
            Stored::New => {}
            Stored::Duplicate => {
                self.reception.duplicates += 1;
                return Err(DropReason::RtpDuplicate);
            }
            Stored::TooOld => return Err(DropReason::RtpTooOld),
        }
        self.unwrapper.unwrap_seq(incoming.header.seq);
        if highest.is_some_and(|highest| ext_seq > highest.saturating_add(MAX_DROPOUT)) {
            self.reception.on_restart(ext_seq);
        }
        Ok(self.count(incoming, &meta))
    }

    /// A retransmission must be of a packet that can be missing.
    fn check_recovered(&self, incoming: &Incoming<'_>, ext_seq: u64) -> Result<(), DropReason> {
        if !incoming.is_recovered {
            return Ok(());
        }
        match self.ring.highest() {
            Some(highest) if ext_seq <= highest.saturating_add(MAX_DROPOUT) => Ok(()),
            _ => Err(DropReason::RtxMalformed),
        }
    }

    fn count(&mut self, incoming: &Incoming<'_>, meta: &PacketMeta) -> Accepted {
        let (arrival, bytes) = (incoming.arrival, incoming.packet.len());
        let rate = incoming.payload_type.clock_rate_hz;
        if incoming.is_recovered {
            self.reception.on_recovered(arrival, meta.ext_seq, bytes);
        } else {
            self.reception.on_packet(arrival, meta.ext_seq, meta.rtp_ts, rate, bytes);
            if !self.is_flowing(arrival) {
                self.flows_since = arrival;
            }
            self.arrived_at = Some(arrival);
        }
        let repair = match self.kind {
            Kind::Video => self.nack.on_packet(arrival, meta.ext_seq),
            // Browsers do not negotiate NACK for audio; Opus conceals and RED repairs.
            Kind::Audio => crate::ingress::nack::Arrival::default(),
        };
        let is_media = meta.payload_len > 0;
        if is_media && self.kind == Kind::Video {
            let rates = self.layer_rates.get_or_insert_with(|| Box::new(LayerRates::new(arrival)));
            rates.add(arrival, meta.rtp_ts, &meta.marks, bytes);
        }
        let has_started = is_media && self.payload_type.is_none_or(|known| known.codec != meta.codec);
        if has_started {
            self.payload_type = Some(incoming.payload_type);
        }
        let is_keyframe = is_media && meta.marks.starts_keyframe && self.kind == Kind::Video;
        if is_keyframe {
            self.keyframes_seen += 1;
            self.keyframe_packets = 0;
            self.keyframe_ts = meta.rtp_ts;
            self.keyframes.settle();
            let payload = incoming.header.payload(incoming.packet);
            let told = self.dependencies.as_ref().and_then(|reader| reader.structure()?.largest_size());
            self.size = told.or_else(|| keyframe_size(meta.codec.codec, payload)).or(self.size);
        }
        self.keyframe_packets += usize::from(is_media && self.keyframe_ts == meta.rtp_ts);
        self.top_tid = self.top_tid.max(meta.marks.tid);
        self.top_sid = self.top_sid.max(meta.marks.sid);
        Accepted {
            ext_seq: meta.ext_seq,
            has_started,
            is_keyframe,
            gave_up: repair.gave_up,
            rtt_sample: repair.rtt_sample,
        }
    }

    /// Packets have come steadily for so long that an encoding beside it that was silent meanwhile has
    /// stopped. (A still screen sends a frame now and then, in all its encodings.)
    pub fn is_steady(&self, now: Time) -> bool {
        self.is_flowing(now) && now.since(self.flows_since) >= STOPPED_AFTER
    }

    /// Packets came lately.
    pub fn is_flowing(&self, now: Time) -> bool {
        self.arrived_at.is_some_and(|at| now.since(at) < STOPPED_AFTER)
    }

    pub fn clock_rate_hz(&self) -> u32 {
        self.payload_type.map_or(90_000, |known| known.clock_rate_hz)
    }

    /// When a NACK or a keyframe request is to be sent.
    pub fn due(&self) -> Option<Time> {
        crate::rate::earlier(self.nack.due(), self.keyframes.due())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Codec, CodecId};
    use crate::rtp::{HeaderFields, HeaderWriter};

    const VP8: PayloadType = PayloadType {
        pt: 96,
        codec: CodecId { codec: Codec::Vp8, variant: 0 },
        clock_rate_hz: 90_000,
        rtx_pt: Some(97),
    };

    fn offer(encoding: &mut Encoding, seq: u16, is_recovered: bool) -> Result<Accepted, DropReason> {
        let mut packet = [7u8; 40];
        let fields = HeaderFields { marker: false, pt: 96, seq, timestamp: 0, ssrc: 1, has_padding: false };
        HeaderWriter::write(&mut packet, &fields, &[]).expect("room");
        let header = RtpHeader::parse(&packet).expect("well formed");
        let incoming =
            Incoming { packet: &packet, header, payload_type: VP8, arrival: Time(1), serial: 0, is_recovered };
        encoding.accept(&incoming, FrameMarks::default(), Extensions::default())
    }

    fn encoding() -> Encoding {
        Encoding::new(Kind::Video, EncodingOptions::default())
    }

    #[test]
    fn a_retransmission_comes_in_once_and_only_after_the_stream() {
        let mut encoding = encoding();
        assert_eq!(offer(&mut encoding, 5, true).err(), Some(DropReason::RtxMalformed));
        offer(&mut encoding, 5, false).expect("first");
        offer(&mut encoding, 7, false).expect("after a gap");
        offer(&mut encoding, 6, true).expect("recovered");
        assert_eq!(offer(&mut encoding, 6, false).err(), Some(DropReason::RtpDuplicate));
        assert_eq!((encoding.reception.recovered, encoding.reception.lost()), (1, 0));
    }

    #[test]
    fn another_ssrc_continues_above_the_old_numbers_with_the_same_low_bits() {
        let mut encoding = encoding();
        encoding.adopt_ssrc(1);
        let old = offer(&mut encoding, 60_000, false).expect("first").ext_seq;
        encoding.adopt_ssrc(2);
        let accepted = offer(&mut encoding, 10, false).expect("of the new stream");
        assert!(accepted.ext_seq > old + 65_536 && accepted.has_started);
        assert_eq!(accepted.ext_seq as u16, 10);
        assert!(encoding.nack.is_empty());
    }

    #[test]
    fn packets_of_the_last_keyframe_are_counted() {
        let mut encoding = encoding();
        let mut offer = |seq, timestamp, starts_keyframe| {
            let mut packet = [7u8; 40];
            let fields = HeaderFields { marker: false, pt: 96, seq, timestamp, ssrc: 1, has_padding: false };
            HeaderWriter::write(&mut packet, &fields, &[]).expect("room");
            let header = RtpHeader::parse(&packet).expect("well formed");
            let (arrival, is_recovered) = (Time(1), false);
            let incoming = Incoming { packet: &packet, header, payload_type: VP8, arrival, serial: 0, is_recovered };
            let marks = FrameMarks { starts_keyframe, ..FrameMarks::default() };
            encoding.accept(&incoming, marks, Extensions::default()).expect("new");
            encoding.keyframe_packets
        };
        assert_eq!([offer(0, 900, true), offer(1, 900, false), offer(2, 900, false)], [1, 2, 3]);
        assert_eq!([offer(3, 3_900, false), offer(4, 6_900, true), offer(5, 9_900, false)], [3, 1, 1]);
    }

    #[test]
    fn a_jump_of_the_sequence_is_not_counted_as_loss() {
        let mut encoding = encoding();
        offer(&mut encoding, 0, false).expect("first");
        let accepted = offer(&mut encoding, 20_000, false).expect("restarted");
        assert!(accepted.gave_up);
        assert_eq!(encoding.reception.lost(), 0);
    }
}
