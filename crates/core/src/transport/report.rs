//! RTCP towards one client: reports, and the feedback that its sender needs (RFC 3550 §6.4,
//! RFC 4585, RFC 5506 where reduced size was negotiated).

use crate::command::MAX_ENCODINGS;
use crate::drop::DropReason;
use crate::egress::consumer::Consumer;
use crate::ingress::chains::is_needed;
use crate::ingress::clock::{us_to_ntp, us_to_ticks};
use crate::ingress::encoding::Encoding;
use crate::ingress::nack::MAX_PER_REQUEST;
use crate::ingress::producer::Producer;
use crate::outbox::Outbox;
use crate::rate::earlier;
use crate::rtcp::{
    Pli, ReportBlock, SenderInfo, write_cname, write_nack, write_pli, write_receiver_report, write_sender_report,
};
use crate::slab::{Key, Slab};
use crate::srtp::{MAX_OVERHEAD, SrtpEgress};
use crate::table::Path;
use crate::time::{Micros, Time};
use crate::transport::{REPORT_INTERVAL, Transport, TransportCounters};
use crate::wire::{NoRoom, Writer};

/// A compound packet with its protection stays below any path's MTU.
const MAX_COMPOUND: usize = 1_200;
/// Rounds of requests in one call: what is left is due at once again.
const MAX_ROUNDS: usize = 8;
/// From 1900 (NTP) to 1970 (Unix), RFC 5905 §6.
pub const NTP_TO_UNIX_US: i64 = 2_208_988_800_000_000;
/// Reports of hundreds of transports, each at a time of its own, would wake the thread as often.
const REPORT_GRID: Micros = Micros::from_millis(100);
/// CNAME of the server's own SSRC.
const CNAME: &[u8] = b"sfu";

/// When the transport has something to do.
pub fn due(transport: &Transport, producers: &Slab<Producer>) -> Option<Time> {
    let consent = transport.ice.due();
    if transport.srtp_out.is_none() || transport.ice.selected().is_none() {
        return consent;
    }
    let report = transport.reports().then(|| report_due(transport));
    let mut due = earlier(earlier(consent, report), transport.arrivals.due());
    for producer in transport.producers.iter().filter_map(|&key| producers.get(key)) {
        due = earlier(due, producer.due());
    }
    due
}

/// An interval after the last ones, or a little earlier: with those of other transports, at a multiple of the grid.
fn report_due(transport: &Transport) -> Time {
    let due = transport.reported_at + REPORT_INTERVAL;
    Time(due.0 - due.0 % REPORT_GRID.0)
}

/// Sends all that is due.
pub fn send_due(
    transport: &mut Transport,
    producers: &mut Slab<Producer>,
    consumers: &Slab<Consumer>,
    unix_offset_us: i64,
    out: &mut Outbox<'_>,
) {
    let rtt = transport.rtt();
    let reports = transport.reports() && report_due(transport) <= out.now;
    let Some(path) = transport.ice.selected() else { return };
    let Some(srtp) = transport.srtp_out.as_mut() else { return };
    let mut rtcp = Sender {
        srtp,
        path,
        counters: &mut transport.counters,
        ssrc: transport.rtcp_ssrc,
        is_reduced_size: transport.rtcp_reduced_size,
        buffer: [0; MAX_COMPOUND + MAX_OVERHEAD],
        len: 0,
    };
    if reports {
        transport.reported_at = out.now;
        for &key in &transport.producers {
            if let Some(producer) = producers.get_mut(key) {
                receiver_report(&mut rtcp, producer, out);
            }
        }
        for consumer in transport.consumers.iter().filter_map(|&key| consumers.get(key)) {
            sender_report(&mut rtcp, consumer, producers, unix_offset_us, out);
        }
    }
    for &key in &transport.producers {
        let Some(producer) = producers.get_mut(key) else { continue };
        let is_consumed = producer.fed().next().is_some();
        for (index, encoding) in producer.encodings.iter_mut().enumerate() {
            request_repair(&mut rtcp, encoding, is_consumed, rtt, out);
            if encoding.keyframes.is_due(out.now) {
                let audience = audience(&producer.consumers, index, consumers);
                request_keyframe(&mut rtcp, encoding, audience, is_consumed, out);
            }
        }
    }
    for _ in 0..MAX_ROUNDS {
        if transport.arrivals.due().is_none_or(|due| due > out.now) {
            break;
        }
        let (now, ssrc, arrivals) = (out.now, rtcp.ssrc, &mut transport.arrivals);
        rtcp.append(out, |writer| arrivals.write(now, ssrc, writer));
        out.counters.tx_transport_feedback += 1;
    }
    rtcp.flush(out);
}

/// One block for each encoding that has sent.
fn receiver_report(rtcp: &mut Sender<'_>, producer: &mut Producer, out: &mut Outbox<'_>) {
    let mut blocks = [ReportBlock::default(); MAX_ENCODINGS];
    let mut count = 0;
    for encoding in &mut producer.encodings {
        let (Some(ssrc), Some(block)) = (encoding.ssrc, encoding.reception.report()) else { continue };
        let (lsr, dlsr) = encoding.clock.last_report(out.now);
        if let Some(place) = blocks.get_mut(count) {
            // The first number was taken as of cycle 1, so that earlier ones have a place; RFC 3550 counts from 0.
            let highest_seq = block.highest_seq.wrapping_sub(0x1_0000);
            *place = ReportBlock { ssrc, highest_seq, lsr, dlsr, ..block };
            count += 1;
        }
    }
    let (ssrc, blocks) = (rtcp.ssrc, blocks.get(..count).unwrap_or_default());
    if !blocks.is_empty() {
        rtcp.append(out, |writer| write_receiver_report(writer, ssrc, blocks));
    }
}

/// How the consumer's timestamps stand to our clock: by the publisher's own reports, so that streams
/// of one publisher keep their relation (RFC 3550 §6.4.1).
fn sender_report(
    rtcp: &mut Sender<'_>,
    consumer: &Consumer,
    producers: &Slab<Producer>,
    unix_offset_us: i64,
    out: &mut Outbox<'_>,
) {
    let Some((source, last)) = consumer.last_sent().filter(|_| !consumer.is_idle()) else { return };
    let Some(producer) = producers.get(source.producer) else { return };
    let Some(encoding) = producer.encoding(source.encoding) else { return };
    let rate = encoding.clock_rate_hz();
    let sampled_at = encoding.clock.sampled_at_us(last.rtp_ts, rate, &producer.clock_offset);
    let now_us = out.now.0.cast_signed();
    let age_us = now_us.saturating_sub(sampled_at.unwrap_or(last.arrival.0.cast_signed()));
    let info = SenderInfo {
        ssrc: consumer.ssrc,
        ntp: us_to_ntp(now_us.saturating_add(unix_offset_us).saturating_add(NTP_TO_UNIX_US)),
        rtp_ts: last.out_ts.wrapping_add(us_to_ticks(age_us, rate)),
        packet_count: consumer.counters.packets as u32,
        octet_count: consumer.counters.payload_bytes as u32,
    };
    rtcp.append(out, |writer| write_sender_report(writer, &info, &[]));
    rtcp.append(out, |writer| write_cname(writer, consumer.ssrc, consumer.cname.as_bytes()));
}

/// NACKs of one encoding.
fn request_repair(
    rtcp: &mut Sender<'_>,
    encoding: &mut Encoding,
    is_consumed: bool,
    rtt: Micros,
    out: &mut Outbox<'_>,
) {
    let Some(media_ssrc) = encoding.ssrc else { return };
    let mut missing = [0; MAX_PER_REQUEST];
    for _ in 0..MAX_ROUNDS {
        if encoding.nack.due().is_none_or(|due| due > out.now) {
            break;
        }
        let ring = &encoding.ring;
        let is_needed = |ext_seq| is_needed(ring, ext_seq);
        let collected = encoding.nack.collect(out.now, rtt, &mut missing, is_needed);
        if collected.gave_up && is_consumed {
            encoding.keyframes.request(out.now);
        }
        encoding.nacks_sent += collected.count as u64;
        out.counters.tx_nacks += collected.count as u64;
        let mut rest = missing.get(..collected.count).unwrap_or_default();
        while !rest.is_empty() {
            let ssrc = rtcp.ssrc;
            let mut told = 0;
            rtcp.append(out, |writer| {
                told = write_nack(writer, ssrc, media_ssrc, rest)?;
                Ok(())
            });
            rest = rest.get(told.max(1)..).unwrap_or_default();
        }
    }
}

/// How many look at an encoding, or are about to.
fn audience(list: &[Key], encoding: usize, consumers: &Slab<Consumer>) -> usize {
    list.iter()
        .filter(|&&key| consumers.get(key).is_some_and(|consumer| consumer.interest() & (1 << encoding) != 0))
        .count()
}

/// Asks for a keyframe, when it is the encoding's turn.
fn request_keyframe(
    rtcp: &mut Sender<'_>,
    encoding: &mut Encoding,
    audience: usize,
    is_consumed: bool,
    out: &mut Outbox<'_>,
) {
    let Some(media_ssrc) = encoding.ssrc else { return };
    if !encoding.keyframes.take_due(out.now, out.crowd_pace, audience, encoding.keyframe_packets) {
        return;
    }
    let pli = Pli { sender_ssrc: rtcp.ssrc, media_ssrc };
    rtcp.append(out, |writer| write_pli(writer, pli));
    encoding.plis_sent += 1;
    if !is_consumed {
        // Asked for once by the control plane; nobody waits for it.
        encoding.keyframes.settle();
    }
    out.counters.tx_plis += 1;
}

/// Collects packets into compounds and sends them protected.
struct Sender<'a> {
    srtp: &'a mut SrtpEgress,
    path: Path,
    counters: &'a mut TransportCounters,
    ssrc: u32,
    is_reduced_size: bool,
    buffer: [u8; MAX_COMPOUND + MAX_OVERHEAD],
    len: usize,
}

impl Sender<'_> {
    /// Appends a packet, after sending what is there when it does not fit behind it.
    fn append(&mut self, out: &mut Outbox<'_>, mut write: impl FnMut(&mut Writer<'_>) -> Result<(), NoRoom>) {
        for _ in 0..2 {
            self.begin();
            let mut writer = Writer::new(self.buffer.get_mut(self.len..MAX_COMPOUND).unwrap_or_default());
            if write(&mut writer).is_ok() {
                self.len += writer.len();
                return;
            }
            self.flush(out);
        }
    }

    /// RFC 3550 §6.1: a compound starts with a report and has a CNAME, unless reduced size is agreed.
    fn begin(&mut self) {
        if self.len > 0 || self.is_reduced_size {
            return;
        }
        let mut writer = Writer::new(&mut self.buffer);
        let written = write_receiver_report(&mut writer, self.ssrc, &[])
            .and_then(|()| write_cname(&mut writer, self.ssrc, CNAME));
        self.len = if written.is_ok() { writer.len() } else { 0 };
    }

    fn flush(&mut self, out: &mut Outbox<'_>) {
        let len = std::mem::take(&mut self.len);
        if len == 0 {
            return;
        }
        match self.srtp.protect_rtcp(&mut self.buffer, len) {
            Ok(len) if out.tx.push(self.path.socket, self.path.remote, self.buffer.get(..len).unwrap_or_default()) => {
                self.counters.tx_packets += 1;
                self.counters.tx_bytes += len as u64;
                out.counters.tx_packets += 1;
                out.counters.tx_bytes += len as u64;
                out.counters.tx_rtcp += 1;
            }
            Ok(_) => out.drop(DropReason::ArenaFull),
            Err(_) => out.drop(DropReason::SrtpMalformed),
        }
    }
}
