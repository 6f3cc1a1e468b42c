//! One SRTP packet from authentication to the history ring.

use crate::cache::{Extensions, Place};
use crate::codec::{self, FrameMarks};
use crate::command::{Codec, ExtensionKind, PayloadType};
use crate::drop::DropReason;
use crate::event::Event;
use crate::ids::Ssrc;
use crate::ingress::encoding::{Encoding, Incoming};
use crate::ingress::producer::{Fresh, Producer};
use crate::ingress::streams::{Payload, StreamNames, StreamRef, kind_of};
use crate::outbox::Outbox;
use crate::rtp::extension::{sdes_text, transport_cc_seq};
use crate::rtp::{RtpHeader, rtx};
use crate::slab::{Key, Slab};
use crate::srtp::SrtpError;
use crate::stage::{Heard, Sound};
use crate::time::Time;
use crate::transport::Transport;
use crate::transport::maps::ReceiveMap;

/// The drop that an SRTP error means.
pub fn srtp_drop(error: SrtpError) -> DropReason {
    match error {
        SrtpError::Authentication => DropReason::SrtpUnauthenticated,
        SrtpError::Replayed | SrtpError::TooOld => DropReason::SrtpReplayed,
        SrtpError::TooManyStreams => DropReason::RtpUnknownStream,
        SrtpError::KeyLength
        | SrtpError::Malformed
        | SrtpError::Unencrypted
        | SrtpError::KeyExhausted
        | SrtpError::NoRoom => DropReason::SrtpMalformed,
    }
}

/// The header extension of one packet.
#[derive(Clone, Copy, Debug, Default)]
struct Read<'a> {
    passed: Extensions,
    names: StreamNames<'a>,
    transport_cc: Option<u16>,
}

fn read_extensions<'a>(map: &ReceiveMap, header: &RtpHeader, packet: &'a [u8]) -> Read<'a> {
    let mut read = Read::default();
    // Only what lies within 255 bytes can be passed on: elements are no longer than that.
    let place = |value: &[u8]| Place {
        start: value.as_ptr().addr().wrapping_sub(packet.as_ptr().addr()) as u16,
        len: value.len() as u8,
    };
    for (id, value) in header.extensions(packet) {
        let Some(kind) = map.extension(id) else { continue };
        match kind {
            ExtensionKind::Mid => read.names.mid = sdes_text(value),
            ExtensionKind::Rid => read.names.rid = sdes_text(value),
            ExtensionKind::RepairedRid => read.names.repaired_rid = sdes_text(value),
            ExtensionKind::TransportCc => read.transport_cc = transport_cc_seq(value),
            ExtensionKind::AudioLevel => read.passed.audio_level = value.first().copied(),
            ExtensionKind::VideoOrientation => read.passed.video_orientation = value.first().copied(),
            ExtensionKind::PlayoutDelay => read.passed.playout_delay = value.first_chunk().copied(),
            ExtensionKind::AbsCaptureTime if matches!(value.len(), 8 | 16) => read.passed.capture_time = place(value),
            ExtensionKind::DependencyDescriptor => read.passed.dependency_descriptor = place(value),
            // Ours to write, not to pass on.
            ExtensionKind::AbsSendTime | ExtensionKind::AbsCaptureTime => {}
        }
    }
    read
}

/// What the payload says of its frame. One that cannot be read says nothing: it is the decoder's to
/// refuse, and a hole in the sequence would only be asked for.
fn payload_marks(codec: Codec, payload: &[u8], marker: bool) -> FrameMarks {
    let marks = match codec {
        Codec::Vp8 => codec::vp8::marks(payload, marker),
        Codec::Vp9 => codec::vp9::marks(payload, marker),
        Codec::H264 => codec::h264::marks(payload, marker),
        Codec::Av1 => codec::av1::marks(payload, marker),
        Codec::Opus | Codec::Red => Ok(FrameMarks { ends_layer_frame: true, ..FrameMarks::default() }),
    };
    marks.unwrap_or(FrameMarks { ends_layer_frame: marker, ..FrameMarks::default() })
}

/// Adds what the dependency descriptor says of layers, for codecs whose payload says nothing of them.
/// Of AV1 it tells all: the payload may be encrypted.
fn layer_marks(encoding: &mut Encoding, codec: Codec, descriptor: &[u8], marks: &mut FrameMarks) {
    if descriptor.is_empty() {
        return;
    }
    let reader = encoding.dependencies.get_or_insert_default();
    if let Ok(read) = reader.read(descriptor) {
        let told = reader.marks(&read);
        if codec == Codec::Av1 {
            *marks = FrameMarks { ends_layer_frame: told.ends_layer_frame || marks.ends_layer_frame, ..told };
            return;
        }
        marks.targets = told.targets;
        marks.chain_distance = told.chain_distance;
        marks.opens_layer = told.opens_layer;
        marks.sid = told.sid;
        marks.tid = told.tid;
        marks.switch_here = told.switch_here;
        marks.switch_after = told.switch_after;
        marks.ends_layer_frame |= told.ends_layer_frame;
    }
}

/// One packet's way; returns its producer when it now waits for the fan-out.
pub fn on_rtp(
    transport: &mut Transport,
    producers: &mut Slab<Producer>,
    datagram: &mut [u8],
    received: Time,
    serial: u64,
    out: &mut Outbox<'_>,
) -> Result<Option<Key>, DropReason> {
    let srtp = transport.srtp_in.as_mut().ok_or(DropReason::SrtpNoKeys)?;
    let len = srtp.unprotect_rtp(datagram).map_err(srtp_drop)?;
    let packet = datagram.get_mut(..len).ok_or(DropReason::RtpMalformed)?;
    let header = RtpHeader::parse(packet).map_err(|_| DropReason::RtpMalformed)?;
    out.counters.rx_rtp += 1;
    let read = read_extensions(&transport.receive_map, &header, packet);
    if let Some(seq) = read.transport_cc {
        transport.arrivals.on_packet(out.now, seq, received, header.marker, header.ssrc);
    }
    let payload = payload_type(&transport.receive_map, header.pt)?;
    let stream = match transport.streams.find(header.ssrc) {
        Some(stream) => stream,
        None => transport
            .streams
            .learn(out.now, header.ssrc, &read.names, payload, &transport.producers, producers)
            .ok_or(DropReason::RtpUnknownStream)?,
    };
    if stream.is_rtx != payload.is_rtx {
        return Err(DropReason::RtpUnknownPayloadType);
    }
    let arrived = Arrived { stream, payload_type: payload.media, received, serial };
    if !stream.is_rtx {
        return store(transport, producers, packet, header, read.passed, &arrived, out);
    }
    let ssrc = producers.get(stream.producer).and_then(|producer| producer.encoding(stream.encoding)?.ssrc);
    let ssrc = ssrc.ok_or(DropReason::RtxMalformed)?;
    if header.payload_len() == 0 {
        return Err(DropReason::RtpPadding);
    }
    let original = rtx::decapsulate(packet, &header, ssrc, payload.media.pt).map_err(|_| DropReason::RtxMalformed)?;
    let header = RtpHeader::parse(original).map_err(|_| DropReason::RtxMalformed)?;
    if header.payload_len() == 0 {
        return Err(DropReason::RtxMalformed);
    }
    let passed = read_extensions(&transport.receive_map, &header, original).passed;
    store(transport, producers, original, header, passed, &arrived, out)
}

fn payload_type(map: &ReceiveMap, pt: u8) -> Result<Payload, DropReason> {
    let media = map.payload_type(pt).map(|media| Payload { media, is_rtx: false });
    let rtx = || map.retransmitted_by(pt).map(|media| Payload { media, is_rtx: true });
    media.or_else(rtx).ok_or(DropReason::RtpUnknownPayloadType)
}

fn changes_codec(producer: &Producer, incoming: &Incoming<'_>, encoding: u8) -> bool {
    let known = producer.encoding(encoding).and_then(|encoding| encoding.payload_type);
    known.is_some_and(|known| known.codec != incoming.payload_type.codec)
}

struct Arrived {
    stream: StreamRef,
    payload_type: PayloadType,
    received: Time,
    serial: u64,
}

fn store(
    transport: &mut Transport,
    producers: &mut Slab<Producer>,
    packet: &[u8],
    header: RtpHeader,
    extensions: Extensions,
    arrived: &Arrived,
    out: &mut Outbox<'_>,
) -> Result<Option<Key>, DropReason> {
    let stream = arrived.stream;
    let producer = producers.get_mut(stream.producer).ok_or(DropReason::RtpUnknownStream)?;
    let payload_type = arrived.payload_type;
    if producer.kind != kind_of(payload_type.codec.codec) {
        return Err(DropReason::RtpUnknownPayloadType);
    }
    let codec = payload_type.codec.codec;
    let mut marks = payload_marks(codec, header.payload(packet), header.marker);
    let mut extensions = extensions;
    if !matches!(codec, Codec::Av1 | Codec::H264) {
        // VP8 and VP9 tell their layers themselves, and their picture ids are rewritten.
        extensions.dependency_descriptor = Place::default();
    }
    let heard = Heard {
        level: extensions.audio_level,
        rtp_ts: header.timestamp,
        clock_rate_hz: payload_type.clock_rate_hz,
        payload_len: header.payload_len(),
    };
    let sound = producer.voice.as_deref().map(|voice| voice.weigh(out.now, &heard));
    let mut header = header;
    // The first packet after a silence that was not forwarded (RFC 3551 §4.1).
    header.marker |= sound.is_some_and(|sound| sound.resumes);
    let incoming = Incoming {
        packet,
        header,
        payload_type,
        arrival: arrived.received,
        serial: arrived.serial,
        is_recovered: stream.is_rtx,
    };
    if changes_codec(producer, &incoming, stream.encoding) && !producer.may_learn(out.now) {
        return Err(DropReason::RtpUnknownPayloadType);
    }
    let encoding = producer.encoding_mut(stream.encoding).ok_or(DropReason::RtpUnknownStream)?;
    let descriptor = packet.get(extensions.dependency_descriptor.range()).unwrap_or_default();
    layer_marks(encoding, codec, descriptor, &mut marks);
    let highest = encoding.ring.highest();
    let accepted = encoding.accept(&incoming, marks, extensions)?;
    out.counters.rx_recovered += u64::from(stream.is_rtx);
    out.counters.rx_keyframes += u64::from(accepted.is_keyframe);
    if let Some(sample) = accepted.rtt_sample {
        transport.on_rtt_sample(out.now, sample);
    }
    producer.has_news |= accepted.has_started;
    if accepted.has_started {
        out.event(Event::EncodingStarted {
            producer: producer.id,
            encoding: stream.encoding,
            ssrc: Ssrc(header.ssrc),
            codec: payload_type.codec,
        });
    }
    producer.audio_level = extensions.audio_level.or(producer.audio_level);
    if accepted.gave_up && !producer.consumers.is_empty() {
        producer.request_keyframes(out.now, 1 << stream.encoding);
    }
    if producer.paused {
        return Err(DropReason::ProducerPaused);
    }
    let is_silent = sound.is_some_and(|sound| sound.is_silent);
    if let Some(sound) = sound {
        hear(producer, stream, accepted.ext_seq, &heard, sound, out);
        if is_silent && producer.consumers.is_empty() {
            return Err(DropReason::ProducerSilent);
        }
    }
    let is_first = producer.fresh.is_empty();
    let is_late = highest.is_some_and(|highest| accepted.ext_seq < highest);
    producer.fresh.push(Fresh { encoding: stream.encoding, is_silent, is_late, ext_seq: accepted.ext_seq });
    if header.payload_len() == 0 {
        // Counted here; consumers only close the number up.
        out.drop(DropReason::RtpPadding);
    }
    Ok(is_first.then_some(stream.producer))
}

/// A packet of a microphone on the stage, new and not muted. One that comes late says nothing of now.
fn hear(producer: &mut Producer, stream: StreamRef, ext_seq: u64, heard: &Heard, sound: Sound, out: &mut Outbox<'_>) {
    let encoding = producer.encodings.get_mut(usize::from(stream.encoding));
    let Some(encoding) = encoding.filter(|encoding| encoding.ring.highest() == Some(ext_seq)) else { return };
    let Some(voice) = producer.voice.as_deref_mut() else { return };
    if voice.on_packet(out.now, heard, sound) {
        out.attending.push(stream.producer);
    }
    if sound.resumes {
        encoding.resume_at(ext_seq);
    }
}
