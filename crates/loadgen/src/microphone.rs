//! A microphone: Opus-sized packets every 20 ms, each with the level that it hears (RFC 6464).

use std::sync::Arc;

use sfu_core::time::{Micros, Time};

use crate::stream::{Length, Packet, Stream};

pub const AUDIO_FRAME: Micros = Micros::from_millis(20);
/// 20 ms of Opus' 48 kHz.
const TICKS: u32 = 960;
/// Payload of a microphone that always hears the same: 64 kbit/s.
const STEADY_PAYLOAD: usize = 160;
/// Somebody speaks, at -30 dBov.
const STEADY_LEVEL: u8 = 0x80 | 0x1E;
/// Payloads of Opus with a variable rate around 32 kbit/s: what is spoken, and the noise of a room.
const SPOKEN_PAYLOAD: usize = 90;
const NOISE_PAYLOAD: usize = 50;
/// Levels louder than this, in -dBov, are marked as voice and coded as such.
const SPOKEN: u8 = 50;
/// Nothing at all is heard.
const SILENT: u8 = 127;
/// Of Opus in silence with DTX: a packet of this many bytes (the stamp has 16; Opus' own has less) in so many frames.
const DTX_PAYLOAD: usize = 20;
const DTX_FRAMES: u64 = 20;

/// What a microphone hears.
#[derive(Clone, Debug)]
pub enum Hearing {
    /// Always the same, and each packet is sent.
    Steady,
    /// A level for each 20 ms of the generator's clock, 0 to 127 -dBov, again and again from the start. All that hear
    /// one conversation have traces of the same length.
    Trace {
        levels: Arc<[u8]>,
        /// While nothing is heard, one packet in 400 ms is sent.
        dtx: bool,
    },
}

#[derive(Debug)]
pub struct Microphone {
    pub stream: Stream,
    hearing: Hearing,
    /// Frames since something was heard.
    silent: u64,
}

impl Microphone {
    pub fn new(stream: Stream, hearing: Hearing) -> Self {
        Self { stream, hearing, silent: 0 }
    }

    /// Goes on at `now` after a pause in which its clock ran.
    pub fn resume(&mut self, now: Time) {
        while self.stream.next < now {
            self.advance();
        }
    }

    /// Gives the packet that is due to `send`, if this frame has one.
    pub fn poll(&mut self, transport_seq: &mut u16, clock: impl Fn() -> Time, mut send: impl FnMut(&mut Vec<u8>)) {
        let was_silent = self.silent > 0;
        let (level, payload) = match &self.hearing {
            Hearing::Steady => (STEADY_LEVEL, Some(STEADY_PAYLOAD)),
            Hearing::Trace { levels, dtx } => {
                let tick = self.stream.next.0 / AUDIO_FRAME.0;
                let index = tick.checked_rem(levels.len() as u64).unwrap_or(0);
                let level = levels.get(index as usize).copied().unwrap_or(SILENT).min(SILENT);
                self.silent = if *dtx && level == SILENT { self.silent + 1 } else { 0 };
                let payload = match (self.silent, level) {
                    (0, ..SPOKEN) => Some(SPOKEN_PAYLOAD),
                    (0, _) => Some(NOISE_PAYLOAD),
                    (frames, _) => (frames % DTX_FRAMES == 1).then_some(DTX_PAYLOAD),
                };
                (level | (u8::from(level < SPOKEN) << 7), payload)
            }
        };
        if let Some(payload) = payload {
            let packet = Packet {
                // RFC 3551 §4.1: the first packet of a talk spurt after silence.
                marker: was_silent && self.silent == 0,
                transport_seq: *transport_seq,
                head: &[],
                level: Some(level),
                length: Length::Payload(payload),
            };
            let mut buffer = Vec::with_capacity(STEADY_PAYLOAD + 96);
            self.stream.write(&mut buffer, packet, clock());
            *transport_seq = transport_seq.wrapping_add(1);
            send(&mut buffer);
        }
        self.advance();
    }

    fn advance(&mut self) {
        self.stream.timestamp = self.stream.timestamp.wrapping_add(TICKS);
        self.stream.next = self.stream.next + AUDIO_FRAME;
    }
}
