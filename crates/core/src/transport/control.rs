//! One SRTCP compound from a client: what its reports and requests mean for its producers and
//! consumers.

use crate::bwe::{Covered, Update};
use crate::command::Kind;
use crate::drop::DropReason;
use crate::egress::consumer::{Consumer, Reported};
use crate::ingress::clock::us_to_ntp;
use crate::ingress::producer::Producer;
use crate::ingress::receive::srtp_drop;
use crate::outbox::Outbox;
use crate::rtcp::{Compound, Nack, Packet, Remb, ReportBlock, SenderInfo, feedback_type, packet_type};
use crate::slab::{Key, Slab};
use crate::srtp::SrtpProfile;
use crate::time::{Micros, Time};
use crate::transport::Transport;
use crate::transport::bandwidth::Bandwidth;
use crate::transport::report::NTP_TO_UNIX_US;
use crate::wire::{u8_at, u16_at};

/// What a compound's packets act upon.
#[derive(Debug)]
pub struct Control<'a> {
    pub transport: &'a mut Transport,
    pub producers: &'a mut Slab<Producer>,
    pub consumers: &'a mut Slab<Consumer>,
    pub unix_offset_us: i64,
    pub received: Time,
    /// What was said of the client's network leaves something to be done, earlier than was planned.
    pub wants_attention: bool,
}

impl Control<'_> {
    /// Returns the producers, if any, whose sender is to be asked for a keyframe in `asked`.
    pub fn on_rtcp(
        &mut self,
        datagram: &mut [u8],
        asked: &mut Vec<Key>,
        out: &mut Outbox<'_>,
    ) -> Result<(), DropReason> {
        if self.transport.bandwidth.is_none() && is_feedback_alone(datagram) {
            out.counters.rx_feedback_unread += 1;
            return Ok(());
        }
        let srtp = self.transport.srtp_in.as_mut().ok_or(DropReason::SrtpNoKeys)?;
        let len = srtp.unprotect_rtcp(datagram).map_err(srtp_drop)?;
        let plain = datagram.get(..len).unwrap_or_default();
        let compound = Compound::parse(plain).map_err(|_| DropReason::RtcpMalformed)?;
        out.counters.rx_rtcp += 1;
        for packet in compound.packets() {
            match packet {
                Ok(packet) => self.on_packet(&packet, asked, out),
                Err(_) => out.drop(DropReason::RtcpMalformed),
            }
        }
        Ok(())
    }

    fn on_packet(&mut self, packet: &Packet<'_>, asked: &mut Vec<Key>, out: &mut Outbox<'_>) {
        match packet {
            Packet::SenderReport(report) => {
                self.on_sender_info(&report.info);
                report.blocks().for_each(|block| self.on_block(&block, out));
            }
            Packet::ReceiverReport(report) => report.blocks().for_each(|block| self.on_block(&block, out)),
            Packet::Nack(nack) => self.on_nack(nack, out),
            Packet::Pli(pli) => self.on_keyframe_request(pli.media_ssrc, asked, out),
            Packet::Fir(fir) => fir.entries().for_each(|(ssrc, _)| self.on_keyframe_request(ssrc, asked, out)),
            Packet::Bye(bye) => bye.ssrcs().for_each(|ssrc| self.on_bye(ssrc, out)),
            Packet::TransportFeedback(feedback) => {
                out.counters.rx_transport_feedback += 1;
                let now = self.received;
                self.estimate(out, |bandwidth| bandwidth.on_feedback(now, feedback));
            }
            Packet::Remb(remb) => {
                let (now, covered) = (self.received, self.covered(remb));
                self.estimate(out, |bandwidth| bandwidth.on_remb(now, remb.bitrate_bps, covered));
            }
            Packet::Sdes(_) | Packet::ExtendedReport(_) | Packet::Other(_) => {}
        }
    }

    /// Lets the estimator, if there is one, take something in.
    fn estimate(&mut self, out: &mut Outbox<'_>, take: impl FnOnce(&mut Bandwidth) -> Option<Update>) {
        let Some(bandwidth) = self.transport.bandwidth.as_deref_mut() else { return };
        if let Some(update) = take(bandwidth) {
            out.event(update.event(self.transport.id));
        }
        self.wants_attention |= bandwidth.wants_attention_before(self.received, self.transport.scheduled);
    }

    /// What is sent to the client, by what its own estimate speaks of.
    fn covered(&self, remb: &Remb<'_>) -> Covered {
        let mut covered = Covered::default();
        for consumer in self.transport.consumers.iter().filter_map(|&key| self.consumers.get(key)) {
            let (payload_bps, wire_bps) = consumer.sent_bps(self.received);
            let named_bps = if remb.ssrcs().any(|ssrc| ssrc == consumer.ssrc) { payload_bps } else { 0 };
            covered.payload_bps += named_bps;
            covered.beside_bps += wire_bps.saturating_sub(named_bps);
        }
        covered
    }

    fn on_sender_info(&mut self, info: &SenderInfo) {
        let Some(stream) = self.transport.streams.find(info.ssrc).filter(|stream| !stream.is_rtx) else { return };
        self.transport.clock_offset.on_report(info.ntp, self.received);
        for &key in &self.transport.producers {
            if let Some(producer) = self.producers.get_mut(key) {
                producer.clock_offset = self.transport.clock_offset;
            }
        }
        let producer = self.producers.get_mut(stream.producer);
        if let Some(encoding) = producer.and_then(|producer| producer.encoding_mut(stream.encoding)) {
            encoding.clock.on_report(info.ntp, info.rtp_ts, self.received);
        }
    }

    /// The consumer that sends under this SSRC, its retransmissions included.
    fn consumer_of(&mut self, ssrc: u32) -> Option<&mut Consumer> {
        let key = self.transport.consumers.iter().copied().find(|&key| {
            let consumer = self.consumers.get(key);
            consumer.is_some_and(|consumer| consumer.ssrc == ssrc || consumer.rtx_ssrc == Some(ssrc))
        });
        self.consumers.get_mut(key?)
    }

    fn on_block(&mut self, block: &ReportBlock, out: &mut Outbox<'_>) {
        let rtt = self.round_trip(block);
        let Some(consumer) = self.consumer_of(block.ssrc).filter(|consumer| consumer.ssrc == block.ssrc) else {
            return;
        };
        let known = consumer.reported.rtt;
        consumer.reported = Reported { block: Some(*block), rtt: rtt.or(known) };
        let kind = consumer.kind;
        if kind == Kind::Audio {
            consumer.redundancy.on_report(block.fraction_lost);
        }
        let now = self.received;
        if let Some(rtt) = rtt {
            self.transport.on_rtt_sample(now, rtt);
        }
        if kind == Kind::Video {
            self.estimate(out, |bandwidth| bandwidth.on_receiver_report(now, block.fraction_lost));
        }
    }

    /// RFC 3550 §6.4.1: now - LSR - DLSR, in 1/65536 s of the NTP clock.
    fn round_trip(&self, block: &ReportBlock) -> Option<Micros> {
        let now_us = self.received.0.cast_signed().saturating_add(self.unix_offset_us).saturating_add(NTP_TO_UNIX_US);
        let now = (us_to_ntp(now_us) >> 16) as u32;
        let elapsed = now.wrapping_sub(block.lsr).wrapping_sub(block.dlsr);
        // Beyond half the circle the client's clock ran a little fast: the round trip is next to nothing.
        let elapsed = if elapsed > u32::MAX / 2 { 0 } else { elapsed };
        (block.lsr != 0).then(|| Micros(u64::from(elapsed) * 1_000_000 / 65_536))
    }

    fn on_nack(&mut self, nack: &Nack<'_>, out: &mut Outbox<'_>) {
        let key = self
            .transport
            .consumers
            .iter()
            .copied()
            .find(|&key| self.consumers.get(key).is_some_and(|consumer| consumer.ssrc == nack.media_ssrc));
        let rtt = self.transport.rtt();
        let Some(consumer) = key.and_then(|key| self.consumers.get_mut(key)) else { return };
        let Some(mut link) = self.transport.link() else { return };
        consumer.on_nack(nack.seqs(), rtt, self.producers, &mut link, out);
    }

    fn on_keyframe_request(&mut self, ssrc: u32, asked: &mut Vec<Key>, out: &mut Outbox<'_>) {
        let now = out.now;
        let Some(consumer) = self.consumer_of(ssrc) else { return };
        out.counters.rx_plis += 1;
        consumer.counters.plis += 1;
        let (mask, key) = (consumer.keyframe_wanted(), consumer.producer);
        if consumer.paused || mask == 0 || !consumer.keyframe_limit.allow(now) {
            return;
        }
        if let Some(key) = key
            && let Some(producer) = self.producers.get_mut(key)
        {
            producer.request_keyframes(now, mask);
            if !asked.contains(&producer.transport) {
                asked.push(producer.transport);
            }
        }
    }

    fn on_bye(&mut self, ssrc: u32, out: &mut Outbox<'_>) {
        let Some(stream) = self.transport.streams.find(ssrc).filter(|stream| !stream.is_rtx) else { return };
        if let Some(producer) = self.producers.get_mut(stream.producer) {
            producer.stop_encoding(stream.encoding);
            producer.tell_activity(out);
        }
    }
}

/// What protection adds to a compound.
const OVERHEADS: [usize; 3] = [
    SrtpProfile::AeadAes128Gcm.rtcp_overhead(),
    SrtpProfile::AeadAes256Gcm.rtcp_overhead(),
    SrtpProfile::Aes128CmHmacSha1_80.rtcp_overhead(),
];

/// A datagram that holds transport-wide feedback and has room for nothing else. Type and length of the first packet are
/// not encrypted (RFC 3711 §3.4, RFC 7714 §9.2), and what one profile adds more than another is no whole words, so that
/// the keys, which are cold, need not be asked which it is.
fn is_feedback_alone(datagram: &[u8]) -> bool {
    let (Some(first), Some(kind), Some(words)) = (u8_at(datagram, 0), u8_at(datagram, 1), u16_at(datagram, 2)) else {
        return false;
    };
    let rest = datagram.len().checked_sub(4 * (usize::from(words) + 1));
    (first & 0x1F, kind) == (feedback_type::TRANSPORT_CC, packet_type::TRANSPORT_FEEDBACK)
        && rest.is_some_and(|rest| OVERHEADS.contains(&rest))
}
