//! One microphone as the stage hears it, packet by packet, from its levels alone (RFC 6464: dB below the loudest possible,
//! so that a smaller number is a louder sound).
//!
//! Everything in a packet is its sender's to choose. What is done for one is bounded, and a level that jumps up and down
//! moves nothing but this voice's own state.

use crate::ids::ProducerId;
use crate::time::{Micros, Time};

/// A tick is 20 ms of sound, a block of five ticks is what the control plane decides on.
pub const BLOCK_TICKS: usize = 5;
const TICKS_PER_SECOND: u32 = 50;
const SILENT: u8 = 127;
/// So soft is no microphone's noise: the sender suppresses it.
pub const NO_SOUND: u8 = 110;
/// Softer than this nothing is speech. Also the noise of who has not been heard yet.
const FAINTEST: f32 = 60.0;
const ABOVE_NOISE_DB: f32 = 10.0;
/// Near the noise, and so soft, it is the noise.
const NEAR_NOISE_DB: f32 = 6.0;
const SOFT: u8 = 50;
/// So soft, nothing is missed.
const INAUDIBLE: u8 = 75;
/// A pause in speech is shorter.
const PAUSE: Micros = Micros::from_secs(1);
/// Senders whose levels are not told: longer payloads are speech of this level. Silence of Opus takes one to three bytes.
const SILENT_PAYLOAD: usize = 10;
const UNTOLD: u8 = 40;
/// As in `sfu.speaker.level`, for each block: the noise is believed to be softer at once, a little louder slowly, much
/// louder by 3 dB a second.
const NOISE_FALLS: f32 = 0.67;
const NOISE_FOLLOWS: f32 = 0.23;
const NOISE_RISES_DB: f32 = 0.3;
const NOISE_MIN: f32 = 20.0;
const NOISE_MAX: f32 = 90.0;
/// Of each packet that speaks: half a second of speech is most of the loudness.
const LOUDNESS_GAIN: f32 = 0.04;
/// Longest packet of Opus; a longer gap is a pause.
const MAX_PACKET_TICKS: u32 = 6;
const PENDING: usize = 2 * BLOCK_TICKS;

/// What the stage is told of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// As in the header extension, with the flag of voice activity; `None`: the packet does not tell.
    pub level: Option<u8>,
    pub rtp_ts: u32,
    pub clock_rate_hz: u32,
    pub payload_len: usize,
}

/// What a packet sounds like beside its microphone's noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "four answers to four questions")]
pub struct Sound {
    pub level: u8,
    /// It stands out like speech.
    pub speaks: bool,
    /// It is not silence or mere noise.
    pub sounds: bool,
    /// It has been silent for so long that its packets are not forwarded, nor is this one.
    pub is_silent: bool,
    /// The one before was not forwarded, and this one is.
    pub resumes: bool,
}

/// See the module.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Voice {
    pub id: ProducerId,
    /// Place on the stage.
    pub position: Option<u8>,
    /// It stands where everybody hears it.
    pub is_in_front: bool,
    /// Since when it stands there.
    pub placed_at: Time,
    pub paused: bool,
    /// Sounds and speaks as long as it is not digital silence: what a screen plays.
    pub always: bool,
    pub forwards_silence: bool,
    /// The control plane says that it speaks, now; and when it said so last.
    pub is_confirmed: bool,
    pub confirmed_at: Option<Time>,
    /// Is in the list of those who were heard since the last block.
    pub is_listed: bool,
    spoke_at: Option<Time>,
    /// Its last packet was not forwarded.
    holds_back: bool,
    /// Since when it has spoken without a longer pause.
    spell_at: Option<Time>,
    sounded_at: Option<Time>,
    loudness: Option<f32>,
    noise: Option<f32>,
    last_ts: Option<u32>,
    /// Ticks that were not handed up yet, the oldest first.
    pending: [u8; PENDING],
    count: usize,
    block: Block,
}

/// Sum of the levels of up to five ticks that are no silence.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    sum: u16,
    heard: u8,
    ticks: u8,
}

impl Voice {
    pub fn new(id: ProducerId, always: bool, paused: bool, forwards_silence: bool) -> Self {
        Self {
            id,
            position: None,
            is_in_front: false,
            placed_at: Time(0),
            paused,
            always,
            forwards_silence,
            is_confirmed: false,
            confirmed_at: None,
            is_listed: false,
            spoke_at: None,
            holds_back: false,
            spell_at: None,
            sounded_at: None,
            loudness: None,
            noise: None,
            last_ts: None,
            pending: [SILENT; PENDING],
            count: 0,
            block: Block::default(),
        }
    }

    /// What a packet sounds like. Changes nothing.
    pub fn weigh(&self, now: Time, packet: &Heard) -> Sound {
        let (level, speaks, sounds) = self.compare(packet);
        let is_silent = self.is_held_back(now) && !sounds;
        Sound { level, speaks, sounds, is_silent, resumes: self.holds_back && !is_silent }
    }

    /// A packet's level, and whether that stands out like speech, and whether it is more than noise.
    fn compare(&self, packet: &Heard) -> (u8, bool, bool) {
        let Some(level) = packet.level.map(|level| level & 0x7F) else {
            let speaks = packet.payload_len > SILENT_PAYLOAD;
            return (if speaks { UNTOLD } else { SILENT }, speaks, speaks);
        };
        if self.always {
            return (level, level < SILENT, level < SILENT);
        }
        let (noise, value) = (self.noise.unwrap_or(FAINTEST), f32::from(level));
        let speaks = value <= FAINTEST && value <= noise - ABOVE_NOISE_DB;
        let is_noise = level > INAUDIBLE || (level > SOFT && value > noise - NEAR_NOISE_DB);
        (level, speaks, !is_noise)
    }

    /// It has been silent for so long that its packets are not forwarded until it sounds again.
    pub fn is_held_back(&self, now: Time) -> bool {
        !self.forwards_silence && self.sounded_at.is_none_or(|at| now.since(at) > PAUSE)
    }

    /// Takes a packet in. True when its stage has to look at it: it speaks without being heard by everybody, or belongs into
    /// the list of those whose levels are told.
    pub fn on_packet(&mut self, now: Time, packet: &Heard, sound: Sound) -> bool {
        if sound.sounds {
            self.sounded_at = Some(now);
        }
        if sound.speaks {
            if self.silence(now) > PAUSE {
                self.spell_at = Some(now);
            }
            self.spoke_at = Some(now);
            let level = f32::from(sound.level);
            let before = self.loudness.unwrap_or(level);
            self.loudness = Some(before + (level - before) * LOUDNESS_GAIN);
        }
        self.holds_back = sound.is_silent;
        self.note(packet, sound.level);
        (!self.is_listed && sound.level < NO_SOUND) || (sound.speaks && !self.is_in_front)
    }

    /// When it began to speak, the last time.
    pub fn spell_at(&self) -> Option<Time> {
        self.spell_at
    }

    /// How long it has not spoken.
    pub fn silence(&self, now: Time) -> Micros {
        self.spoke_at.map_or(Micros(u64::MAX), |at| now.since(at))
    }

    /// Level of its speech.
    pub fn loudness(&self) -> f32 {
        self.loudness.unwrap_or(f32::from(SILENT))
    }

    /// The next block, the newest tick last; `None`: nothing was heard in it. With `true`: nor is there any in what is
    /// left.
    pub fn take_block(&mut self) -> (Option<[u8; BLOCK_TICKS]>, bool) {
        let mut block = [SILENT; BLOCK_TICKS];
        let taken = self.count.min(BLOCK_TICKS);
        for (to, from) in block.iter_mut().zip(self.pending.iter().take(taken)) {
            *to = *from;
        }
        self.pending.rotate_left(taken);
        self.count -= taken;
        let is_heard = block.iter().any(|&level| level < NO_SOUND);
        (is_heard.then_some(block), !self.is_told())
    }

    /// There are levels to be told of.
    pub fn is_told(&self) -> bool {
        self.pending.iter().take(self.count).any(|&level| level < NO_SOUND)
    }

    /// Brings a packet's level into the ticks, by its timestamp: one of 10 ms shares a tick with its neighbour, one of 60
    /// fills three.
    fn note(&mut self, packet: &Heard, level: u8) {
        let tick = (packet.clock_rate_hz / TICKS_PER_SECOND).max(1);
        let now = packet.rtp_ts;
        let step = match self.last_ts.replace(now) {
            Some(last) if now >= last => now / tick - last / tick,
            Some(last) if last - now < packet.clock_rate_hz => {
                // Late; its tick is over.
                self.last_ts = Some(last);
                return;
            }
            // The first, or the clock jumped.
            _ => 1,
        };
        if step == 0 {
            if let Some(last) = self.count.checked_sub(1).and_then(|last| self.pending.get_mut(last)) {
                *last = (*last).min(level);
            }
            return;
        }
        let skipped = if step <= MAX_PACKET_TICKS { step - 1 } else { 0 };
        let before = self.count.checked_sub(1).and_then(|last| self.pending.get(last)).copied().unwrap_or(level);
        for _ in 0..skipped {
            self.push(before);
        }
        self.push(level);
    }

    fn push(&mut self, level: u8) {
        if !self.is_listed && level >= NO_SOUND {
            // Nobody waits for silence: what comes after it is not to be late.
            self.count = 0;
        }
        if self.count == PENDING {
            self.pending.rotate_left(1);
            self.count -= 1;
        }
        if let Some(place) = self.pending.get_mut(self.count) {
            *place = level;
            self.count += 1;
        }
        let block = &mut self.block;
        block.ticks += 1;
        if level < NO_SOUND {
            block.sum += u16::from(level);
            block.heard += 1;
        }
        if usize::from(block.ticks) == BLOCK_TICKS {
            self.follow();
        }
    }

    fn follow(&mut self) {
        let Block { sum, heard, .. } = std::mem::take(&mut self.block);
        if heard == 0 {
            return;
        }
        let level = f32::from(sum) / f32::from(heard);
        // Who is loud at first speaks: a quiet room is believed behind it.
        let noise = self.noise.unwrap_or(level.max(FAINTEST));
        let after = if level > noise {
            noise + (level - noise) * NOISE_FALLS
        } else if level >= noise - NEAR_NOISE_DB {
            noise - (noise - level) * NOISE_FOLLOWS
        } else {
            noise - NOISE_RISES_DB
        };
        self.noise = Some(after.clamp(NOISE_MIN, NOISE_MAX));
    }
}
