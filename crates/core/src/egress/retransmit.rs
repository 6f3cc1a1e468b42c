//! Answers a subscriber's NACKs from the history ring (RFC 4585 §6.2.1, RFC 4588).

use std::collections::VecDeque;

use crate::bwe::SentKind;
use crate::cache::Cached;
use crate::drop::DropReason;
use crate::egress::consumer::Consumer;
use crate::egress::numbers::RtxNumbers;
use crate::egress::packet::{Passed, Payload, Shape, Stamp, send};
use crate::egress::sending::account;
use crate::ingress::producer::Producer;
use crate::outbox::Outbox;
use crate::rate::{RateMeter, TokenBucket};
use crate::rewrite::{Mapping, Origin, Source};
use crate::rtp::HeaderFields;
use crate::slab::Slab;
use crate::time::{Micros, Time};
use crate::transport::Link;

/// Retransmissions take at most this share of a consumer's rate: a tenth lost, with what is lost of the retransmissions,
/// is an eighth, and losses come unevenly. With 15 % one in twenty was refused at 10 % loss, and each became a freeze.
const BUDGET_PERCENT: u64 = 25;
/// But always so much, so that small streams and a lost keyframe can be repaired.
const BUDGET_FLOOR_BYTES_PER_S: u64 = 32 << 10;
/// Numbers asked for that are looked up: a tenth of 1,000 packets a second lost, each asked for ten
/// times, is half of it.
const LOOKUP_BURST: u32 = 1_000;
const LOOKUPS_PER_SECOND: u32 = 2_000;
/// Remembered retransmissions: at 200 a second and an RTT of 1 s none is forgotten too early.
const MAX_REMEMBERED: usize = 256;
/// Forgotten after this: no receiver waits for a picture longer.
const MEMORY: Micros = Micros::from_secs(1);
/// What is asked for once more was lost twice, and each further round trip shows as a picture that stands: it goes out as
/// often as it was asked for, this often at most. Of 10 % loss that is one packet in a hundred.
const MAX_COPIES: u32 = 3;
/// The same packet is not sent more often than this, however short the round trip.
const MIN_REPEAT: Micros = Micros::from_millis(10);

/// An answered request.
#[derive(Clone, Copy, Debug)]
struct Repeated {
    out_seq: u64,
    at: Time,
    /// Answered so often by now.
    rounds: u32,
}

/// What was sent again, and under which numbers.
#[derive(Debug)]
pub struct Repair {
    numbers: RtxNumbers,
    /// Oldest first.
    sent: VecDeque<Repeated>,
    rate: RateMeter,
    lookups: TokenBucket,
    /// Packets below look different now: they are not repeated under their own number.
    plain_from: u64,
    /// Outgoing timestamp of the newest keyframe.
    keyframe_ts: Option<u32>,
    pub packets: u64,
}

impl Repair {
    pub fn new(first_seq: u16) -> Self {
        Self {
            numbers: RtxNumbers::new(first_seq),
            sent: VecDeque::new(),
            rate: RateMeter::default(),
            lookups: TokenBucket::new(LOOKUP_BURST, LOOKUPS_PER_SECOND),
            plain_from: 0,
            keyframe_ts: None,
            packets: 0,
        }
    }

    pub(super) fn note_keyframe(&mut self, out_ts: u32) {
        self.keyframe_ts = Some(out_ts);
    }

    pub(super) fn forbid_plain_before(&mut self, ext_seq: u64) {
        self.plain_from = ext_seq;
    }

    /// How often the packet was asked for and sent again before; `None`: less than three quarters of a round trip ago.
    fn earlier(&mut self, now: Time, out_seq: u64, rtt: Micros) -> Option<u32> {
        // A receiver asks again after its own round trip, which is shorter than ours when ours was measured in a queue.
        let pause = Micros(rtt.0 / 4 * 3).max(MIN_REPEAT);
        while self.sent.front().is_some_and(|entry| now.since(entry.at) >= MEMORY.max(pause)) {
            self.sent.pop_front();
        }
        match self.sent.iter().rev().find(|entry| entry.out_seq == out_seq) {
            Some(entry) if now.since(entry.at) < pause => None,
            found => Some(found.map_or(0, |entry| entry.rounds)),
        }
    }

    fn remember(&mut self, now: Time, out_seq: u64, rounds: u32) {
        if self.sent.len() >= MAX_REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(Repeated { out_seq, at: now, rounds });
    }

    fn count(&mut self, now: Time, len: usize) {
        self.rate.add(now, len);
        self.packets += 1;
    }
}

impl Consumer {
    /// Sends again what the subscriber asks for, as far as it is there and within the budget.
    pub fn on_nack(
        &mut self,
        seqs: impl Iterator<Item = u16>,
        rtt: Micros,
        producers: &Slab<Producer>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) {
        for seq in seqs {
            if !self.repair.lookups.take(out.now) {
                out.drop(DropReason::NackBudget);
                return;
            }
            self.counters.nacks += 1;
            out.counters.rx_nacks += 1;
            if let Err(reason) = self.repeat(seq, rtt, producers, link, out) {
                out.drop(reason);
            }
        }
    }

    fn repeat(
        &mut self,
        seq: u16,
        rtt: Micros,
        producers: &Slab<Producer>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) -> Result<(), DropReason> {
        let origin = self.map.origin(seq);
        let (Origin::Packet { out_seq, .. } | Origin::Hole { out_seq }) = origin else {
            return Err(DropReason::NackUnknown);
        };
        // Beyond what was sent nothing can be missing, and places there may yet be given back.
        if self.numbers.newest().is_none_or(|newest| out_seq > newest) {
            return Err(DropReason::NackUnknown);
        }
        let earlier = self.repair.earlier(out.now, out_seq, rtt).ok_or(DropReason::NackTooSoon)?;
        let budget =
            (self.counters.rate.bytes_per_second(out.now) * BUDGET_PERCENT / 100).max(BUDGET_FLOOR_BYTES_PER_S);
        let copies = self.copies(out.now, earlier, &origin, producers, link);
        for copy in 0..copies {
            if self.repair.rate.bytes_per_second(out.now) >= budget {
                if copy == 0 {
                    return Err(DropReason::NackBudget);
                }
                break;
            }
            let sent = match origin {
                Origin::Packet { source, ext_seq, mapping, .. } => {
                    self.repeat_packet(source, ext_seq, out_seq, &mapping, producers, link, out)
                }
                _ => self.repeat_padding(out_seq, link, out),
            };
            self.repair.count(out.now, sent.ok_or(DropReason::NackUnknown)?);
            out.counters.tx_retransmitted += 1;
        }
        self.repair.remember(out.now, out_seq, earlier + 1);
        Ok(())
    }

    /// One, or more for what was lost again, or is of the newest keyframe, on a path that is not full.
    fn copies(&self, now: Time, earlier: u32, origin: &Origin, producers: &Slab<Producer>, link: &Link<'_>) -> u32 {
        let is_full = link.bandwidth.as_ref().is_some_and(|bandwidth| bandwidth.estimator.has_harm(now));
        if is_full || self.rtx_ssrc.is_none() {
            return 1;
        }
        let out_ts = match origin {
            Origin::Packet { source, ext_seq, mapping, .. } => producers
                .get(source.producer)
                .and_then(|producer| producer.encoding(source.encoding)?.ring.get(*ext_seq))
                .map(|cached| cached.meta.rtp_ts.wrapping_add(mapping.ts_offset)),
            _ => None,
        };
        let is_of_keyframe = out_ts.is_some() && out_ts == self.repair.keyframe_ts;
        (earlier + 1 + u32::from(is_of_keyframe)).min(MAX_COPIES)
    }

    #[expect(clippy::too_many_arguments, reason = "an origin's fields and where it goes")]
    pub(super) fn repeat_packet(
        &mut self,
        source: Source,
        ext_seq: u64,
        out_seq: u64,
        mapping: &Mapping,
        producers: &Slab<Producer>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) -> Option<usize> {
        let encoding = producers.get(source.producer)?.encoding(source.encoding)?;
        let cached = encoding.ring.get_recent(ext_seq, out.now)?;
        let (meta, outgoing) = (cached.meta, link.send_map.outgoing(cached.meta.codec)?);
        let Some(marker) = self.numbers.marker(out_seq) else {
            return self.send_first(&cached, out_seq, mapping, link, out);
        };
        let payload = if outgoing.strips_redundancy {
            Payload::primary(&cached)?
        } else if meta.payload_len > 0 {
            Payload::of(&cached, mapping)
        } else {
            return None;
        };
        let timestamp = meta.rtp_ts.wrapping_add(mapping.ts_offset);
        let passed = Passed::of(&cached, mapping);
        match (self.rtx_ssrc, outgoing.rtx_pt) {
            (Some(ssrc), Some(pt)) => {
                let fields = HeaderFields { marker, pt, seq: 0, timestamp, ssrc, has_padding: false };
                self.send_rtx(fields, Some(out_seq), &passed, &payload, link, out)
            }
            _ if self.repeats_plainly() && out_seq >= self.repair.plain_from => {
                let (index, number) = self.numbers.repeat_plain(out_seq)?;
                // Which of the two sendings feedback tells of from now on cannot be known.
                if let Some(bandwidth) = &mut link.bandwidth {
                    bandwidth.estimator.forget(number);
                }
                let (pt, ssrc) = (outgoing.pt, self.ssrc);
                let fields = HeaderFields { marker, pt, seq: 0, timestamp, ssrc, has_padding: false };
                let mid = self.mid.as_bytes();
                let (stamp, kind) = (Stamp::Repeated(number), SentKind::Retransmission);
                let shape = Shape { fields, index, mid, stamp, kind, osn: None, now: out.now };
                account(send(out.tx, link, &shape, &passed, &payload), out).map(|sent| sent.len)
            }
            _ => None,
        }
    }

    /// A packet that did not go out when it came: there was no way to the client, or it came with the very batch in which
    /// it is asked for.
    fn send_first(
        &mut self,
        cached: &Cached<'_>,
        out_seq: u64,
        mapping: &Mapping,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) -> Option<usize> {
        let marker = self.admits(cached, out_seq, mapping)?;
        self.map.mark_sent(out_seq);
        self.transmit(cached, out_seq, mapping, marker, None, link, out)
    }

    /// A number that was given up: an empty packet, so that the subscriber stops asking.
    fn repeat_padding(&mut self, out_seq: u64, link: &mut Link<'_>, out: &mut Outbox<'_>) -> Option<usize> {
        let (ssrc, pt) = (self.rtx_ssrc?, self.outgoing?.rtx_pt?);
        let timestamp = self.last?.out_ts;
        let fields = HeaderFields { marker: false, pt, seq: 0, timestamp, ssrc, has_padding: false };
        self.send_rtx(fields, Some(out_seq), &Passed::default(), &Payload::EMPTY, link, out)
    }

    /// On the stream of retransmissions; without an original number it is padding.
    pub(super) fn send_rtx(
        &mut self,
        fields: HeaderFields,
        out_seq: Option<u64>,
        passed: &Passed<'_>,
        payload: &Payload<'_>,
        link: &mut Link<'_>,
        out: &mut Outbox<'_>,
    ) -> Option<usize> {
        let index = self.repair.numbers.claim();
        let (mid, osn) = (self.mid.as_bytes(), out_seq.map(|out_seq| out_seq as u16));
        let kind = if osn.is_some() { SentKind::Retransmission } else { SentKind::Padding };
        let stamp = Stamp::Full;
        let shape = Shape { fields, index, mid, stamp, kind, osn, now: out.now };
        account(send(out.tx, link, &shape, passed, payload), out).map(|sent| sent.len)
    }
}
