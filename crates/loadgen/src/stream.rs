//! One RTP stream that a client sends: its numbers, its header extensions, and the stamp inside each packet.
//!
//! The last 16 bytes of every payload are a stamp: magic, then what sent it and microseconds of the generator's clock.
//! They lie behind everything that a server may rewrite, so that who receives a packet knows whose it is and how long it
//! was under way, whatever its header says.

use sfu_core::rtcp::{SenderInfo, write_cname, write_sender_report};
use sfu_core::rtp::{HeaderFields, HeaderWriter};
use sfu_core::time::Time;
use sfu_core::wire::{NoRoom, Writer, u64_at};

/// Ids of RFC 8285 that the offers give, the same as our server's: mid, rid, audio level (RFC 6464) and the
/// transport-wide sequence number.
pub const MID_ID: u8 = 1;
pub const RID_ID: u8 = 2;
pub const AUDIO_LEVEL_ID: u8 = 4;
pub const TRANSPORT_CC_ID: u8 = 6;

/// Length of the stamp at the end of a payload.
pub const STAMP: usize = 16;
const MAGIC: u64 = 0x7366_7562_656E_6368;
/// Microseconds of the clock that a stamp has room for: twelve days.
const TIME_BITS: u32 = 40;
/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;
const CNAME: &[u8] = b"bench";

/// How a stream was negotiated.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    pub mid: String,
    pub pt: u8,
    pub ssrc: u32,
}

/// What sent a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The peer's number, modulo 2^16.
    pub peer: u16,
    /// Which encoding of its camera, from the smallest; [`Origin::AUDIO`]: its microphone.
    pub stream: u8,
}

impl Origin {
    pub const AUDIO: u8 = 0xFF;

    pub fn is_audio(self) -> bool {
        self.stream == Self::AUDIO
    }
}

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub origin: Origin,
    /// When it was sent.
    pub at: Time,
}

/// One packet to be written.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub marker: bool,
    pub transport_seq: u16,
    /// Of the payload.
    pub head: &'a [u8],
    /// The byte of RFC 6464, in audio.
    pub level: Option<u8>,
    pub length: Length,
}

/// How long a packet is; never shorter than its head and its stamp.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// All of it, before SRTP.
    Packet(usize),
    Payload(usize),
}

#[derive(Debug)]
pub struct Stream {
    pub options: StreamOptions,
    pub rid: Option<String>,
    pub origin: Origin,
    pub timestamp: u32,
    /// When its next frame is due.
    pub next: Time,
    seq: u16,
    packets: u32,
    octets: u32,
}

impl Stream {
    pub fn new(options: StreamOptions, rid: Option<String>, origin: Origin, now: Time) -> Self {
        Self { options, rid, origin, timestamp: 0, next: now, seq: 0, packets: 0, octets: 0 }
    }

    /// Writes the stream's next packet: header, head of the payload, filling, stamp.
    pub fn write(&mut self, buffer: &mut Vec<u8>, packet: Packet<'_>, now: Time) {
        buffer.clear();
        buffer.resize(80, 0);
        let options = &self.options;
        let fields = HeaderFields {
            marker: packet.marker,
            pt: options.pt,
            seq: self.seq,
            timestamp: self.timestamp,
            ssrc: options.ssrc,
            has_padding: false,
        };
        let (transport_seq, level) = (packet.transport_seq.to_be_bytes(), [packet.level.unwrap_or(0)]);
        let mut extensions: [(u8, &[u8]); 3] =
            [(MID_ID, options.mid.as_bytes()), (TRANSPORT_CC_ID, &transport_seq), (0, &[])];
        let more = match (&self.rid, packet.level) {
            (Some(rid), _) => Some((RID_ID, rid.as_bytes())),
            (None, Some(_)) => Some((AUDIO_LEVEL_ID, level.as_slice())),
            (None, None) => None,
        };
        let count = 2 + usize::from(more.is_some());
        extensions[2] = more.unwrap_or_default();
        let header_len = HeaderWriter::write(buffer, &fields, &extensions[..count]).unwrap_or(0);
        buffer.truncate(header_len);
        buffer.extend_from_slice(packet.head);
        let wanted = match packet.length {
            Length::Packet(length) => length,
            Length::Payload(length) => header_len + length,
        };
        buffer.resize(wanted.saturating_sub(STAMP).max(buffer.len()), 0xA5);
        write_stamp(buffer, self.origin, now);
        self.seq = self.seq.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((buffer.len() - header_len) as u32);
    }

    /// Adds a sender report to a compound. Nothing sent yet: nothing to report.
    pub fn report(&self, writer: &mut Writer<'_>, now: Time, unix_us: u64, ticks_per_ms: u64) -> Result<(), NoRoom> {
        // The clock of the stream stands at `timestamp` when the next frame is due.
        let ahead = self.next.since(now).0 * ticks_per_ms / 1_000;
        let fraction = ((unix_us % 1_000_000) << 32) / 1_000_000;
        let info = SenderInfo {
            ssrc: self.options.ssrc,
            ntp: ((unix_us / 1_000_000 + NTP_EPOCH) << 32) | fraction,
            rtp_ts: self.timestamp.wrapping_sub(ahead as u32),
            packet_count: self.packets,
            octet_count: self.octets,
        };
        write_sender_report(writer, &info, &[])?;
        write_cname(writer, self.options.ssrc, CNAME)
    }
}

fn write_stamp(buffer: &mut Vec<u8>, origin: Origin, now: Time) {
    let who = (u64::from(origin.stream) << 16) | u64::from(origin.peer);
    buffer.extend_from_slice(&MAGIC.to_be_bytes());
    buffer.extend_from_slice(&((who << TIME_BITS) | (now.0 & ((1 << TIME_BITS) - 1))).to_be_bytes());
}

/// What the packet with this payload says of itself; `None`: it is not one of ours, or damaged.
pub fn stamp_of(payload: &[u8]) -> Option<Stamp> {
    let at = payload.len().checked_sub(STAMP)?;
    let word = (u64_at(payload, at)? == MAGIC).then_some(u64_at(payload, at + 8)?)?;
    let who = word >> TIME_BITS;
    let origin = Origin { peer: who as u16, stream: (who >> 16) as u8 };
    Some(Stamp { origin, at: Time(word & ((1 << TIME_BITS) - 1)) })
}
