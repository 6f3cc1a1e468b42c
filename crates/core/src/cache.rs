//! The history ring: an encoding's last packets in plaintext, stored once for all its consumers.
//!
//! Two rings: one of slots by sequence number, one of bytes in order of arrival. A packet is gone
//! when its slot or its bytes are written over. Both grow, by doubling, only while they hold less
//! than the wanted age, up to fixed limits; so steady state allocates nothing. Stop `cache`.
//!
//! A sequence number is let in once and never again: a consumer's keystream depends on it.

use std::ops::Range;

use sfu_prefetch::{prefetch, prefetch_range};

use crate::codec::FrameMarks;
use crate::command::{CodecId, Kind};
use crate::time::{Micros, Time};

/// Of where the next packet's bytes go: a packet of sound; of a longer one the processor sees by itself where it leads.
const BYTES_AHEAD: usize = 192;
/// Of the buffer of bytes, each with its age.
const PARTS: usize = 8;

/// How much a ring may hold.
#[derive(Clone, Copy, Debug)]
pub struct RingLimits {
    pub age: Micros,
    pub packets: u64,
    /// Powers of two.
    pub first_slots: usize,
    pub max_slots: usize,
    pub first_bytes: usize,
    pub max_bytes: usize,
}

impl RingLimits {
    /// Video: 2 s or 2,500 packets (4 MiB is 2 s at 16 Mbps); audio: 1 s (packets of 5 ms and longer).
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Video => Self {
                age: Micros::from_secs(2),
                packets: 2_500,
                first_slots: 128,
                max_slots: 4_096,
                first_bytes: 64 << 10,
                max_bytes: 4 << 20,
            },
            Kind::Audio => Self {
                age: Micros::from_secs(1),
                packets: 200,
                first_slots: 64,
                max_slots: 256,
                first_bytes: 8 << 10,
                max_bytes: 128 << 10,
            },
        }
    }
}

/// What the way behind ingress needs to know of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PacketMeta {
    pub ext_seq: u64,
    /// Place in the order of arrival in the shard.
    pub serial: u64,
    pub arrival: Time,
    pub rtp_ts: u32,
    pub marker: bool,
    /// Of the payload in the packet, padding excluded.
    pub payload_start: u16,
    pub payload_len: u16,
    pub codec: CodecId,
    /// Found once here, so that no consumer parses the payload again.
    pub marks: FrameMarks,
    pub extensions: Extensions,
}

/// Header extension values that are passed on to subscribers: small ones by value, larger ones by
/// place in the packet (start 0: not there).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    pub audio_level: Option<u8>,
    pub video_orientation: Option<u8>,
    pub playout_delay: Option<[u8; 3]>,
    pub capture_time: Place,
    pub dependency_descriptor: Place,
}

/// Where in a packet something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub start: u16,
    pub len: u8,
}

impl Place {
    pub fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.start) + usize::from(self.len)
    }
}

/// What became of a packet that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    New,
    Duplicate,
    TooOld,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    meta: PacketMeta,
    position: u64,
    len: u16,
}

/// A packet of the ring.
#[derive(Clone, Copy, Debug)]
pub struct Cached<'a> {
    pub meta: &'a PacketMeta,
    /// The whole plaintext packet, header included.
    pub bytes: &'a [u8],
}

impl<'a> Cached<'a> {
    pub fn payload(&self) -> &'a [u8] {
        let start = usize::from(self.meta.payload_start);
        self.bytes.get(start..start + usize::from(self.meta.payload_len)).unwrap_or_default()
    }
}

/// See the module.
#[derive(Debug)]
pub struct HistoryRing {
    limits: RingLimits,
    slots: Vec<Option<Slot>>,
    bytes: Vec<u8>,
    /// Bytes ever written (jumps over the rest of the buffer included); the place is modulo its size.
    head: u64,
    /// Positions below were written over before the buffer grew.
    intact_from: u64,
    highest: Option<u64>,
    /// Below this nothing comes in: it may have been here before the slots grew.
    floor: u64,
    /// When each part of the buffer was last written to.
    written: [Option<Time>; PARTS],
}

impl HistoryRing {
    /// Allocates with the first packet: an encoding that never sends costs nothing.
    pub fn new(limits: RingLimits) -> Self {
        Self {
            limits,
            slots: Vec::new(),
            bytes: Vec::new(),
            head: 0,
            intact_from: 0,
            highest: None,
            floor: 0,
            written: [None; PARTS],
        }
    }

    /// Asks for where a packet that follows the highest is put.
    #[inline]
    pub fn prefetch_next(&self) {
        let next = self.highest.map_or(0, |highest| highest + 1);
        if let Some(slot) = self.slots.get(self.index(next)) {
            prefetch(slot, size_of::<Slot>());
        }
        let start = (self.head & self.byte_mask()) as usize;
        prefetch_range(self.bytes.as_slice(), start..start + BYTES_AHEAD);
    }

    /// Copies a packet in.
    pub fn insert(&mut self, meta: PacketMeta, packet: &[u8]) -> Stored {
        if let Some(refused) = self.refuses(meta.ext_seq) {
            return refused;
        }
        if self.slots.is_empty() {
            self.slots = vec![None; self.limits.first_slots];
            self.bytes = vec![0; self.limits.first_bytes];
        }
        self.grow_slots(&meta);
        let Some(position) = self.write(packet, meta.arrival) else { return Stored::TooOld };
        let index = self.index(meta.ext_seq);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(Slot { meta, position, len: packet.len() as u16 });
        }
        self.highest = self.highest.max(Some(meta.ext_seq));
        Stored::New
    }

    /// Why a packet of this number would not be stored.
    pub fn refuses(&self, ext_seq: u64) -> Option<Stored> {
        let highest = self.highest?;
        if ext_seq < self.floor || ext_seq.saturating_add(self.limits.packets) <= highest {
            return Some(Stored::TooOld);
        }
        let held = self.slots.get(self.index(ext_seq))?.as_ref()?.meta.ext_seq;
        match held.cmp(&ext_seq) {
            std::cmp::Ordering::Equal => Some(Stored::Duplicate),
            std::cmp::Ordering::Greater => Some(Stored::TooOld),
            std::cmp::Ordering::Less => None,
        }
    }

    /// A packet that is still whole and young enough.
    pub fn get(&self, ext_seq: u64) -> Option<Cached<'_>> {
        let slot = self.slots.get(self.index(ext_seq))?.as_ref()?;
        let written_over = self.head.saturating_sub(self.bytes.len() as u64).max(self.intact_from);
        if slot.meta.ext_seq != ext_seq || slot.position < written_over {
            return None;
        }
        let start = (slot.position & self.byte_mask()) as usize;
        Some(Cached { meta: &slot.meta, bytes: self.bytes.get(start..start + usize::from(slot.len))? })
    }

    /// As [`HistoryRing::get`], for a retransmission: nothing older than the ring's age.
    pub fn get_recent(&self, ext_seq: u64, now: Time) -> Option<Cached<'_>> {
        self.get(ext_seq).filter(|cached| now.since(cached.meta.arrival) <= self.limits.age)
    }

    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Bytes of memory in use.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.slots.len() * size_of::<Option<Slot>>()
    }

    fn index(&self, ext_seq: u64) -> usize {
        (ext_seq & (self.slots.len() as u64).saturating_sub(1)) as usize
    }

    fn byte_mask(&self) -> u64 {
        (self.bytes.len() as u64).saturating_sub(1)
    }

    /// Doubles the slots while the one to be written over is younger than the wanted age.
    fn grow_slots(&mut self, meta: &PacketMeta) {
        while self.slots.len() < self.limits.max_slots {
            let Some(Some(old)) = self.slots.get(self.index(meta.ext_seq)) else { return };
            if meta.arrival.since(old.meta.arrival) > self.limits.age {
                return;
            }
            let former = std::mem::take(&mut self.slots);
            let kept = (self.highest.unwrap_or_default() + 1).saturating_sub(former.len() as u64);
            self.floor = self.floor.max(kept);
            self.slots = vec![None; former.len() * 2];
            for slot in former.into_iter().flatten() {
                let index = self.index(slot.meta.ext_seq);
                if let Some(place) = self.slots.get_mut(index) {
                    *place = Some(slot);
                }
            }
        }
    }

    /// Writes the bytes behind the newest; returns their position.
    fn write(&mut self, packet: &[u8], now: Time) -> Option<u64> {
        let len = packet.len() as u64;
        if len > self.bytes.len() as u64 {
            return None;
        }
        let mut position = self.place(len);
        if self.bytes.len() < self.limits.max_bytes && self.would_overwrite_young(position, len, now) {
            self.grow_bytes(now);
            position = self.place(len);
        }
        for part in self.parts(position, len) {
            self.written.get_mut(part % PARTS).iter_mut().for_each(|written| **written = Some(now));
        }
        let start = (position & self.byte_mask()) as usize;
        self.bytes.get_mut(start..start + packet.len())?.copy_from_slice(packet);
        self.head = position + len;
        Some(position)
    }

    /// Parts of the buffer that such a packet touches, to be taken modulo their number.
    fn parts(&self, position: u64, len: u64) -> std::ops::RangeInclusive<usize> {
        let size = (self.bytes.len() / PARTS).max(1) as u64;
        (position / size) as usize..=(position.saturating_add(len.saturating_sub(1)) / size) as usize
    }

    /// Whether a part that is entered by this packet holds something younger than the wanted age.
    fn would_overwrite_young(&self, position: u64, len: u64, now: Time) -> bool {
        let present = *self.parts(self.head.saturating_sub(1), 1).end();
        let entered = self.parts(position, len).filter(|&part| part != present);
        let is_young = |written: &Time| now.since(*written) < self.limits.age;
        entered.filter_map(|part| self.written.get(part % PARTS)?.as_ref()).any(is_young)
    }

    /// Position of the next packet: no packet lies across the end of the buffer.
    fn place(&self, len: u64) -> u64 {
        let size = self.bytes.len() as u64;
        let offset = self.head & self.byte_mask();
        if offset + len > size { self.head - offset + size } else { self.head }
    }

    /// Doubles the buffer. A packet that did not lie across a multiple of the old size does not lie
    /// across one of the new size either.
    fn grow_bytes(&mut self, now: Time) {
        let mut larger = vec![0; self.bytes.len() * 2];
        let mask = larger.len() as u64 - 1;
        for slot in self.slots.iter().flatten() {
            let Some(cached) = self.get(slot.meta.ext_seq) else { continue };
            let start = (slot.position & mask) as usize;
            if let Some(place) = larger.get_mut(start..start + cached.bytes.len()) {
                place.copy_from_slice(cached.bytes);
            }
        }
        let oldest = self.head.saturating_sub(self.bytes.len() as u64);
        self.intact_from = self.intact_from.max(oldest);
        self.bytes = larger;
        self.written = [None; PARTS];
        // How old what is kept is, is not known exactly; it counts as young.
        for part in self.parts(oldest, self.head - oldest) {
            self.written.get_mut(part % PARTS).iter_mut().for_each(|written| **written = Some(now));
        }
    }
}

#[cfg(test)]
mod tests;
