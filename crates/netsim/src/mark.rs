//! What a simulated frame says of itself at the end of each payload, so that a receiver model needs no codec: a real
//! receiver reads the same from the codec's headers.

use sfu_core::time::Time;

/// Bytes at the end of each payload.
pub const MARK_LEN: usize = 28;
const MAGIC: [u8; 4] = *b"SimF";
const NOTHING: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who published it.
    pub publisher: u16,
    /// Simulcast encoding, or spatial layer.
    pub encoding: u8,
    /// It is a spatial layer: its frames are parts of pictures, and `frame` counts those.
    pub is_layer: bool,
    /// It cannot be decoded without the next lower spatial layer's frame of its picture.
    pub needs_lower: bool,
    pub tid: u8,
    /// Counts the frames of an encoding.
    pub frame: u32,
    /// The frame of its encoding without which this one cannot be decoded; `None`: it is of a keyframe.
    pub depends_on: Option<u32>,
    /// Packet of the frame, and how many it has.
    pub packet: u16,
    pub packets: u16,
    /// When it was captured, microseconds of the simulation.
    pub captured_us: u64,
}

impl Mark {
    /// What is common to all packets that were captured at one time and coded by one encoder.
    pub fn of_picture(publisher: u16, encoding: u8, captured: Time) -> Self {
        Self {
            publisher,
            encoding,
            is_layer: false,
            needs_lower: false,
            tid: 0,
            frame: 0,
            depends_on: None,
            packet: 0,
            packets: 1,
            captured_us: captured.0,
        }
    }

    pub fn to_bytes(self) -> [u8; MARK_LEN] {
        let mut bytes = [0; MARK_LEN];
        bytes[..2].copy_from_slice(&self.publisher.to_be_bytes());
        bytes[2] = self.encoding << 4 | self.tid;
        bytes[3] = u8::from(self.is_layer) << 1 | u8::from(self.needs_lower);
        bytes[4..8].copy_from_slice(&self.frame.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.depends_on.unwrap_or(NOTHING).to_be_bytes());
        bytes[12..14].copy_from_slice(&self.packet.to_be_bytes());
        bytes[14..16].copy_from_slice(&self.packets.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.captured_us.to_be_bytes());
        bytes[24..].copy_from_slice(&MAGIC);
        bytes
    }

    /// The mark of a payload; `None` for padding and for what is no simulated frame.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let bytes: &[u8; MARK_LEN] = payload.last_chunk()?;
        if bytes[24..] != MAGIC {
            return None;
        }
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        Some(Self {
            publisher: half(0),
            encoding: bytes[2] >> 4,
            tid: bytes[2] & 0xF,
            is_layer: bytes[3] & 2 != 0,
            needs_lower: bytes[3] & 1 != 0,
            frame: word(4),
            depends_on: Some(word(8)).filter(|&frame| frame != NOTHING),
            packet: half(12),
            packets: half(14),
            captured_us: u64::from(word(16)) << 32 | u64::from(word(20)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = Mark {
            publisher: 7,
            encoding: 2,
            is_layer: true,
            needs_lower: true,
            tid: 1,
            frame: 70_000,
            depends_on: Some(69_998),
            packet: 3,
            packets: 9,
            captured_us: 5_000_000_000,
        };
        let mut payload = vec![1, 2, 3];
        payload.extend(mark.to_bytes());
        assert_eq!(Mark::read(&payload), Some(mark));
        let keyframe = Mark { depends_on: None, needs_lower: false, ..mark };
        assert_eq!(Mark::read(&keyframe.to_bytes()), Some(keyframe));
        assert_eq!(Mark::read(&payload[..20]), None);
        assert_eq!(Mark::read(&[0; 40]), None);
    }
}
