//! A microphone: Opus at 32 kbit/s, 50 packets a second.

use sfu_core::rtp::{HeaderFields, HeaderWriter};
use sfu_core::time::{Micros, Time};

use super::{Numbers, Outgoing};

const INTERVAL: Micros = Micros::from_millis(20);
const SAMPLES: u32 = 960;
/// 32 kbit/s.
const PAYLOAD: usize = 80;
/// -30 dBov with voice activity (RFC 6464): speech.
const LEVEL: u8 = 0x80 | 0x1E;

#[derive(Debug)]
pub struct AudioSource {
    mid: String,
    ssrc: u32,
    numbers: Numbers,
    next: Time,
    seq: u16,
    timestamp: u32,
    packets: u32,
}

impl AudioSource {
    pub fn new(mid: String, ssrc: u32, numbers: Numbers, start: Time) -> Self {
        Self { mid, ssrc, numbers, next: start, seq: ssrc as u16 & 0x7FFF, timestamp: 0, packets: 0 }
    }

    pub fn next_time(&self) -> Time {
        self.next
    }

    pub fn advance(&mut self, now: Time, send: &mut impl FnMut(Outgoing)) {
        while self.next <= now {
            self.next = self.next + INTERVAL;
            self.seq = self.seq.wrapping_add(1);
            self.timestamp = self.timestamp.wrapping_add(SAMPLES);
            self.packets += 1;
            let fields = HeaderFields {
                marker: false,
                pt: self.numbers.opus_pt,
                seq: self.seq,
                timestamp: self.timestamp,
                ssrc: self.ssrc,
                has_padding: false,
            };
            let elements: [(u8, &[u8]); 3] = [
                (self.numbers.transport_cc, &[0; 2]),
                (self.numbers.mid, self.mid.as_bytes()),
                (self.numbers.audio_level, &[LEVEL]),
            ];
            let mut bytes = vec![0; 256];
            let len = HeaderWriter::write(&mut bytes, &fields, &elements).unwrap_or_default();
            bytes.truncate(len);
            bytes.resize(len + PAYLOAD, 0x78);
            send(Outgoing { bytes, transport_cc_at: 12 + 4 + 1 });
        }
    }

    /// (SSRC, RTP timestamp, packets, octets), for sender reports.
    pub fn report(&self) -> (u32, u32, u32, u32) {
        (self.ssrc, self.timestamp, self.packets, self.packets * PAYLOAD as u32)
    }
}
