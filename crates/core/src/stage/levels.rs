//! Levels for the control plane: a block of each voice that was heard, ten times a second while anybody is.

use crate::slab::Key;
use crate::stage::Voices;
use crate::stage::voice::BLOCK_TICKS;
use crate::time::{Micros, Time};

/// A block's time.
pub const BEAT: Micros = Micros::from_millis(100);
/// Empty blocks behind the last one that somebody was heard in: the control plane's 600 ms come to an end.
const TRAILING: u8 = 7;
/// Bytes of a voice in [`Levels::beat`]: its producer's id, little endian, and its block.
pub const ENTRY_LEN: usize = 4 + BLOCK_TICKS;

/// Of one router.
#[derive(Debug, Default)]
pub struct Levels {
    heard: Vec<Key>,
    due: Option<Time>,
    /// Beats since anybody was heard.
    quiet: u8,
}

impl Levels {
    /// When to call [`Levels::beat`]; `None`: nobody was heard lately.
    pub fn due(&self) -> Option<Time> {
        self.due
    }

    /// This voice is heard and not in the list yet.
    pub fn enlist(&mut self, now: Time, key: Key, voices: &mut impl Voices) {
        let Some(voice) = voices.voice_mut(key).filter(|voice| !voice.is_listed) else { return };
        voice.is_listed = true;
        self.heard.push(key);
        if self.due.is_none() {
            self.due = Some(now + BEAT);
        }
        self.quiet = 0;
    }

    /// The blocks of all who were heard in this one, [`ENTRY_LEN`] bytes each.
    pub fn beat(&mut self, now: Time, voices: &mut impl Voices) -> Vec<u8> {
        let mut blocks = Vec::with_capacity(self.heard.len() * ENTRY_LEN);
        self.heard.retain(|&key| {
            let Some(voice) = voices.voice_mut(key) else { return false };
            let (block, is_over) = voice.take_block();
            if let Some(block) = block {
                blocks.extend_from_slice(&voice.id.0.to_le_bytes());
                blocks.extend_from_slice(&block);
            }
            voice.is_listed = block.is_some() || !is_over;
            voice.is_listed
        });
        self.quiet = if blocks.is_empty() { self.quiet.saturating_add(1) } else { 0 };
        let next = self.due.map_or(now, |due| due + BEAT);
        // What is very late is not made up for: the ticks wait in the voices.
        let next = if next > now { next } else { now + BEAT };
        self.due = (self.quiet < TRAILING || !self.heard.is_empty()).then_some(next);
        blocks
    }
}
