//! Writes one outgoing packet into the transmit arena and protects it there: the only copy of a
//! payload on its way to a subscriber.

use crate::bwe::SentKind;
use crate::cache::Cached;
use crate::codec::dd::{self, MaskPlace};
use crate::egress::numbers::Index;
use crate::egress::redundancy::{Earlier, HEAD_LEN};
use crate::rewrite::Mapping;
use crate::rtp::red::RedPayload;
use crate::rtp::rtx::OSN_LEN;
use crate::rtp::{ExtensionForm, HeaderFields, HeaderWriter, RtpError};
use crate::srtp::MAX_OVERHEAD;
use crate::time::Time;
use crate::transmit::{MAX_DATAGRAM, TxArena};
use crate::transport::Link;
use crate::transport::maps::SendMap;
use crate::wire::{NoRoom, put};

/// Room for a packet while it is written.
const SPACE: usize = 2_048;

/// Why a packet did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// No room in the arena.
    ArenaFull,
    /// Larger than a datagram may be, or not to be protected.
    Unfit,
}

impl From<RtpError> for Unsent {
    fn from(_: RtpError) -> Self {
        Self::Unfit
    }
}

/// What differs each time that something is sent: the send time and the transport-wide number.
#[derive(Clone, Copy, Debug)]
pub enum Stamp {
    /// Both are written.
    Full,
    /// The number alone: a stream whose packets are repeated under their own number. A repetition must be the same packet
    /// bit for bit, or the cipher's nonce would be used twice.
    Number,
    /// A repetition, under the transport-wide number of the first sending.
    Repeated(u16),
}

/// A datagram that went to the arena.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub len: usize,
    /// Its transport-wide number, unwrapped.
    pub transport_seq: u64,
}

/// Everything about an outgoing packet but its payload.
#[derive(Debug)]
pub struct Shape<'a> {
    /// Its sequence number is taken from `index`.
    pub fields: HeaderFields,
    /// What it may go out under.
    pub index: Index,
    pub mid: &'a [u8],
    pub stamp: Stamp,
    /// What the bandwidth estimation takes it for.
    pub kind: SentKind,
    /// Original number, in front of the payload of a retransmission.
    pub osn: Option<u16>,
    pub now: Time,
}

/// Values that are passed on from the source's packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed<'a> {
    pub audio_level: Option<u8>,
    pub video_orientation: Option<u8>,
    pub playout_delay: Option<[u8; 3]>,
    pub capture_time: &'a [u8],
    pub dependency_descriptor: &'a [u8],
    /// Added to the descriptor's frame number.
    pub frame_offset: u16,
    /// Decode targets that the descriptor is to tell of, and where; 0: as it is.
    pub active_targets: u32,
    pub mask_place: MaskPlace,
}

impl<'a> Passed<'a> {
    pub fn of(cached: &Cached<'a>, mapping: &Mapping) -> Self {
        let extensions = &cached.meta.extensions;
        Self {
            audio_level: extensions.audio_level,
            video_orientation: extensions.video_orientation,
            playout_delay: extensions.playout_delay,
            capture_time: cached.bytes.get(extensions.capture_time.range()).unwrap_or_default(),
            dependency_descriptor: cached.bytes.get(extensions.dependency_descriptor.range()).unwrap_or_default(),
            frame_offset: mapping.picture_offset,
            active_targets: mapping.active_targets,
            mask_place: cached.meta.marks.targets,
        }
    }
}

/// The payload as the subscriber gets it.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    pub bytes: &'a [u8],
    /// An earlier frame that goes in front.
    pub earlier: Option<Earlier<'a>>,
    /// Bytes of padding behind it (RFC 3550 §5.1); the header says that there is some.
    padding: u8,
    /// (offset, new value of one byte or two) of rewritten fields; 0 bytes: none.
    patches: [Patch; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Patch {
    at: u8,
    len: u8,
    value: [u8; 2],
}

impl<'a> Payload<'a> {
    pub const EMPTY: Self =
        Self { bytes: &[], earlier: None, padding: 0, patches: [Patch { at: 0, len: 0, value: [0; 2] }; 2] };

    /// Nothing but padding.
    pub const fn padding(len: u8) -> Self {
        Self { padding: len, ..Self::EMPTY }
    }

    /// The payload of a stored packet, its picture ids shifted by `mapping`.
    pub fn of(cached: &Cached<'a>, mapping: &Mapping) -> Self {
        let marks = &cached.meta.marks;
        let picture = marks.picture.map_or_else(Patch::default, |picture| {
            let [high, low] = picture.value.wrapping_add(mapping.picture_offset).to_be_bytes();
            // The top bit says how long the id is.
            let value = if picture.is_long { [0x80 | high, low] } else { [low & 0x7F, 0] };
            Patch { at: picture.at, len: 1 + u8::from(picture.is_long), value }
        });
        let tl0 = marks.tl0.map_or_else(Patch::default, |tl0| Patch {
            at: tl0.at,
            len: 1,
            value: [tl0.value.wrapping_add(mapping.tl0_offset), 0],
        });
        Self { bytes: cached.payload(), earlier: None, padding: 0, patches: [picture, tl0] }
    }

    /// The primary block of a redundant payload; `None` when it is malformed or empty.
    pub fn primary(cached: &Cached<'a>) -> Option<Self> {
        let bytes = RedPayload::parse(cached.payload()).ok()?.primary().bytes;
        (!bytes.is_empty()).then_some(Self { bytes, ..Self::EMPTY })
    }

    /// How long it will be, without padding.
    pub fn written_len(&self) -> usize {
        self.bytes.len() + self.earlier.map_or(0, |earlier| HEAD_LEN + earlier.bytes.len())
    }

    fn write(&self, space: &mut [u8], mut at: usize) -> Result<usize, RtpError> {
        if let Some(earlier) = &self.earlier {
            put(space, at, &earlier.head)?;
            put(space, at + HEAD_LEN, earlier.bytes)?;
            at += HEAD_LEN + earlier.bytes.len();
        }
        put(space, at, self.bytes)?;
        for &Patch { at: offset, len, value: [first, second] } in &self.patches {
            let place = at + usize::from(offset);
            // Of lengths known here, so that no call of memcpy is made for a byte or two.
            match len {
                0 => {}
                1 => put(space, place, &[first])?,
                _ => put(space, place, &[first, second])?,
            }
        }
        let end = at + self.bytes.len();
        if self.padding > 0 {
            return write_padding(space, end, self.padding);
        }
        Ok(end)
    }
}

/// Zeros, the last byte says how many.
fn write_padding(space: &mut [u8], at: usize, len: u8) -> Result<usize, RtpError> {
    let end = at + usize::from(len);
    space.get_mut(at..end - 1).ok_or(RtpError::from(NoRoom))?.fill(0);
    put(space, end - 1, &[len])?;
    Ok(end)
}

/// Writes, protects and commits.
pub fn send(
    tx: &mut TxArena,
    link: &mut Link<'_>,
    shape: &Shape<'_>,
    passed: &Passed<'_>,
    payload: &Payload<'_>,
) -> Result<Sent, Unsent> {
    let space = tx.reserve(SPACE).ok_or(Unsent::ArenaFull)?;
    let room = SPACE - MAX_OVERHEAD;
    let plain = space.get_mut(..room).ok_or(Unsent::Unfit)?;
    let header_len = write_header(plain, link, shape, passed)?;
    let mut len = header_len;
    if let Some(osn) = shape.osn {
        put(plain, len, &osn.to_be_bytes()).map_err(RtpError::from)?;
        len += OSN_LEN;
    }
    len = payload.write(plain, len)?;
    let (srtp, ssrc) = (link.srtp, shape.fields.ssrc);
    let len = srtp.protect_written(space, header_len, len, ssrc, shape.index.ext_seq()).map_err(|_| Unsent::Unfit)?;
    if len > MAX_DATAGRAM {
        return Err(Unsent::Unfit);
    }
    tx.commit(link.path.socket, link.path.remote, len);
    link.counters.tx_packets += 1;
    link.counters.tx_bytes += len as u64;
    let transport_seq = *link.transport_cc_seq;
    if !matches!(shape.stamp, Stamp::Repeated(_)) {
        *link.transport_cc_seq += 1;
        if let Some(bandwidth) = &mut link.bandwidth {
            bandwidth.on_sent(shape.now, transport_seq, len, shape.kind);
        }
    }
    Ok(Sent { len, transport_seq })
}

fn write_header(space: &mut [u8], link: &Link<'_>, shape: &Shape<'_>, passed: &Passed<'_>) -> Result<usize, RtpError> {
    let ids = &link.send_map.ids;
    let fields = HeaderFields { seq: shape.index.seq(), ..shape.fields };
    let mut writer = HeaderWriter::new(space, &fields, form(link.send_map, shape, passed))?;
    let mut push = |id: u8, value: &[u8]| match (id, value) {
        (0, _) | (_, []) => Ok(()),
        _ => writer.push(id, value).map(|_| ()),
    };
    push(ids.mid, shape.mid)?;
    if matches!(shape.stamp, Stamp::Full) {
        push(ids.abs_send_time, &crate::rtp::extension::AbsSendTime::from_micros(shape.now.0).to_bytes())?;
    }
    match shape.stamp {
        Stamp::Full | Stamp::Number => push(ids.transport_cc, &(*link.transport_cc_seq as u16).to_be_bytes())?,
        Stamp::Repeated(number) => push(ids.transport_cc, &number.to_be_bytes())?,
    }
    push(ids.audio_level, passed.audio_level.as_slice())?;
    push(ids.video_orientation, passed.video_orientation.as_slice())?;
    push(ids.playout_delay, passed.playout_delay.as_ref().map_or(&[][..], |value| value))?;
    push(ids.capture_time, passed.capture_time)?;
    if let ([_, high, low, ..], 1..) = (passed.dependency_descriptor, ids.dependency_descriptor) {
        // Frame number: bits 8 to 23 (AV1 RTP §A.8.1).
        let number = u16::from_be_bytes([*high, *low]).wrapping_add(passed.frame_offset);
        let mut descriptor = [0; dd::rewrite::MAX_LEN];
        let (value, mask) = (passed.dependency_descriptor, passed.active_targets);
        let len = dd::rewrite::write(value, number, mask, passed.mask_place, &mut descriptor)
            .map_err(|_| RtpError::NoRoom)?;
        push(ids.dependency_descriptor, descriptor.get(..len).unwrap_or_default())?;
    }
    writer.finish()
}

/// One-byte elements where all fit (RFC 8285 §4.2), else two-byte ones.
fn form(map: &SendMap, shape: &Shape<'_>, passed: &Passed<'_>) -> ExtensionForm {
    // Flags and a mask may come to what is there of the descriptor.
    let told = if passed.active_targets == 0 { 0 } else { 5 };
    let longest = shape.mid.len().max(passed.capture_time.len()).max(passed.dependency_descriptor.len() + told);
    if map.needs_two_bytes || longest > 16 { ExtensionForm::TwoByte } else { ExtensionForm::OneByte }
}
