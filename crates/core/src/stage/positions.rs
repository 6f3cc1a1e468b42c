//! Who stands where, and the rules by which a position changes hands.
//!
//! All positions but the last are heard by everybody; the last is the *reserve*, which those hear in place of themselves
//! who stand in front. A position changes only when there is a reason: what flaps at the sender does not flap here.

use std::cmp::Ordering;

use crate::rate::TokenBucket;
use crate::slab::Key;
use crate::stage::Voice;
use crate::time::{Micros, Time};

/// Positions that everybody hears, at most.
pub const MAX_SLOTS: u8 = 16;
/// Who has not spoken for so long gives way to who does.
const SILENT_AFTER: Micros = Micros::from_secs(1);
/// The control plane has so long to confirm that it is speech what stands here; and who has gone on for longer without being
/// confirmed does not take the place of another such.
const PROVISIONAL: Micros = Micros::from_millis(500);
/// Of two who have something to say, the softer one gives way when it has stood for so long and is softer by so much.
const STOOD: Micros = Micros::from_secs(2);
const SOFTER_DB: f32 = 3.0;
/// Places taken from others: a debate needs one or two a second.
const TAKINGS_BURST: u32 = 10;
const TAKINGS_PER_SECOND: u32 = 10;

/// Where voices are found.
pub trait Voices {
    fn voice(&self, key: Key) -> Option<&Voice>;
    fn voice_mut(&mut self, key: Key) -> Option<&mut Voice>;
}

/// See the module.
#[derive(Debug)]
pub struct Stage {
    /// The reserve is the last.
    places: Vec<Option<Key>>,
    /// In the order of staging.
    members: Vec<Key>,
    dominant: Option<Key>,
    confirmed: Vec<Key>,
    takings: TokenBucket,
    has_changed: bool,
}

impl Stage {
    /// `None`: fewer or more than there may be.
    pub fn new(slots: u8) -> Option<Self> {
        (1..=MAX_SLOTS).contains(&slots).then(|| Self {
            places: vec![None; usize::from(slots) + 1],
            members: Vec::new(),
            dominant: None,
            confirmed: Vec::new(),
            takings: TokenBucket::new(TAKINGS_BURST, TAKINGS_PER_SECOND),
            has_changed: false,
        })
    }

    /// Who stands where; the reserve is the last.
    pub fn places(&self) -> &[Option<Key>] {
        &self.places
    }

    pub fn members(&self) -> &[Key] {
        &self.members
    }

    /// Number of the reserve; of positions that everybody hears.
    pub fn reserve(&self) -> usize {
        self.places.len() - 1
    }

    /// Whether the places are others than at the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// A voice comes in.
    pub fn enter(&mut self, now: Time, key: Key, voices: &mut impl Voices) {
        self.members.push(key);
        self.fill(now, voices);
        self.relieve_paused(now, voices);
    }

    /// A voice goes; it may be forgotten already.
    pub fn leave(&mut self, now: Time, key: Key, voices: &mut impl Voices) {
        self.members.retain(|&member| member != key);
        self.confirmed.retain(|&member| member != key);
        self.dominant = self.dominant.filter(|&dominant| dominant != key);
        if let Some(place) = self.places.iter_mut().find(|place| **place == Some(key)) {
            *place = None;
            self.has_changed = true;
        }
        if let Some(voice) = voices.voice_mut(key) {
            voice.position = None;
            voice.is_in_front = false;
        }
        self.fill(now, voices);
    }

    /// A member was paused, or goes on.
    pub fn on_paused(&mut self, now: Time, voices: &mut impl Voices) {
        self.relieve_paused(now, voices);
        self.place_dominant(now, voices);
    }

    /// What the control plane found out: who has the floor, and who speaks. Those who are no members are left out.
    pub fn set_speakers(&mut self, now: Time, dominant: Option<Key>, audible: &[Key], voices: &mut impl Voices) {
        for key in self.confirmed.drain(..) {
            if let Some(voice) = voices.voice_mut(key) {
                voice.is_confirmed = false;
                voice.confirmed_at = Some(now);
            }
        }
        for &key in audible.iter().chain(&dominant) {
            if let Some(voice) = voices.voice_mut(key)
                && !voice.is_confirmed
            {
                voice.is_confirmed = true;
                voice.confirmed_at = Some(now);
                self.confirmed.push(key);
            }
        }
        self.dominant = dominant.filter(|&key| voices.voice(key).is_some());
        self.place_dominant(now, voices);
    }

    /// Somebody speaks who is not heard by everybody.
    pub fn on_speech(&mut self, now: Time, key: Key, voices: &mut impl Voices) {
        let Some(voice) = voices.voice(key).filter(|voice| !voice.paused) else { return };
        if voice.is_in_front {
            return;
        }
        let front = self.reserve();
        if let Some(free) = self.places.iter().take(front).position(Option::is_none) {
            self.take(now, free, key, voices);
        } else if let Some(place) = self.place_for(now, voice, 0..front, voices) {
            if self.takings.take(now) {
                self.take(now, place, key, voices);
            }
        } else if voice.position.is_none()
            && self.place_for(now, voice, front..front + 1, voices).is_some()
            && self.takings.take(now)
        {
            self.take(now, front, key, voices);
        }
    }

    /// The place among these that gives way to a voice that speaks.
    fn place_for(
        &self,
        now: Time,
        voice: &Voice,
        range: std::ops::Range<usize>,
        voices: &impl Voices,
    ) -> Option<usize> {
        let holders = || range.clone().filter_map(|place| Some((place, voices.voice((*self.places.get(place)?)?)?)));
        if let Some((place, _)) = holders().find(|(_, holder)| holder.paused) {
            return Some(place);
        }
        let others = || holders().filter(|&(place, _)| self.places.get(place) != Some(&self.dominant));
        let silent = others().filter(|(_, holder)| holder.silence(now) >= SILENT_AFTER);
        if let Some((place, _)) = silent.max_by_key(|(_, holder)| holder.silence(now)) {
            return Some(place);
        }
        let begins = voice.spell_at().is_some_and(|at| now.since(at) < PROVISIONAL);
        let provisional = others().find(|(_, holder)| is_provisional(now, holder));
        if let Some((place, _)) = provisional.filter(|_| begins || voice.is_confirmed) {
            return Some(place);
        }
        let is_softer = |holder: &Voice| holder.loudness() >= voice.loudness() + SOFTER_DB;
        let weaker = others().filter(|(_, holder)| now.since(holder.placed_at) >= STOOD && is_softer(holder));
        let quietest = weaker.max_by(|(_, a), (_, b)| a.loudness().total_cmp(&b.loudness()));
        quietest.map(|(place, _)| place).filter(|_| voice.is_confirmed)
    }

    /// Who has the floor is heard by everybody, unless muted.
    fn place_dominant(&mut self, now: Time, voices: &mut impl Voices) {
        let Some(key) = self.dominant else { return };
        let Some(voice) = voices.voice(key).filter(|voice| !voice.paused) else { return };
        if voice.is_in_front {
            return;
        }
        let front = self.reserve();
        let free = self.places.iter().take(front).position(Option::is_none);
        let found = free.or_else(|| self.place_for(now, voice, 0..front, voices)).or_else(|| {
            let held = self.places.iter().take(front).enumerate();
            let voices = held.filter_map(|(place, key)| Some((place, voices.voice((*key)?)?)));
            voices.max_by(|(_, a), (_, b)| weakness(now, a, b)).map(|(place, _)| place)
        });
        if let Some(place) = found {
            self.take(now, place, key, voices);
        }
    }

    /// Whoever waits without being muted takes the place of who is.
    fn relieve_paused(&mut self, now: Time, voices: &mut impl Voices) {
        for place in 0..self.places.len() {
            let is_paused = |key: Key| voices.voice(key).is_some_and(|voice| voice.paused);
            if !self.places.get(place).is_some_and(|holder| holder.is_some_and(is_paused)) {
                continue;
            }
            let waits = |voice: &Voice| voice.position.is_none() && !voice.paused;
            let Some(&next) = self.members.iter().find(|&&key| voices.voice(key).is_some_and(waits)) else { return };
            self.remove(place, voices);
            self.put(now, place, next, voices);
        }
    }

    /// Free places go to those who wait, in the order of staging, the muted ones last.
    fn fill(&mut self, now: Time, voices: &mut impl Voices) {
        while let Some(free) = self.places.iter().position(Option::is_none) {
            let mut waiting = self.members.iter().copied().filter(|&key| is_waiting(key, voices));
            let next = waiting.clone().find(|&key| voices.voice(key).is_some_and(|voice| !voice.paused));
            let Some(next) = next.or_else(|| waiting.next()) else { return };
            self.put(now, free, next, voices);
        }
    }

    /// `key` takes the place; who stood there goes to the reserve, unless who is there has more to say.
    fn take(&mut self, now: Time, place: usize, key: Key, voices: &mut impl Voices) {
        let reserve = self.reserve();
        let was_in_reserve = self.places.get(reserve) == Some(&Some(key));
        if was_in_reserve {
            self.remove(reserve, voices);
        }
        let displaced = self.remove(place, voices);
        self.put(now, place, key, voices);
        if let Some(displaced) = displaced
            && place < reserve
        {
            let second = self.places.get(reserve).copied().flatten();
            let is_stronger = match (voices.voice(displaced), second.and_then(|second| voices.voice(second))) {
                (Some(voice), Some(second)) => weakness(now, voice, second) == Ordering::Less,
                _ => true,
            };
            if is_stronger {
                self.remove(reserve, voices);
                self.put(now, reserve, displaced, voices);
            }
        }
        self.fill(now, voices);
    }

    fn put(&mut self, now: Time, place: usize, key: Key, voices: &mut impl Voices) {
        let reserve = self.reserve();
        let (Some(held), Some(voice)) = (self.places.get_mut(place), voices.voice_mut(key)) else { return };
        *held = Some(key);
        voice.position = Some(place as u8);
        voice.is_in_front = place < reserve;
        voice.placed_at = now;
        self.has_changed = true;
    }

    fn remove(&mut self, place: usize, voices: &mut impl Voices) -> Option<Key> {
        let key = self.places.get_mut(place)?.take()?;
        self.has_changed = true;
        if let Some(voice) = voices.voice_mut(key) {
            voice.position = None;
            voice.is_in_front = false;
        }
        Some(key)
    }
}

fn is_waiting(key: Key, voices: &impl Voices) -> bool {
    voices.voice(key).is_some_and(|voice| voice.position.is_none())
}

/// It stands there for its energy alone.
fn is_provisional(now: Time, holder: &Voice) -> bool {
    let was_confirmed = holder.is_confirmed || holder.confirmed_at.is_some_and(|at| at >= holder.placed_at);
    let since = holder.spell_at().map_or(holder.placed_at, |at| at.max(holder.placed_at));
    !was_confirmed && !holder.always && now.since(since) >= PROVISIONAL
}

/// The greater one has less to say.
fn weakness(now: Time, a: &Voice, b: &Voice) -> Ordering {
    let is_silent = |voice: &Voice| voice.silence(now) >= SILENT_AFTER;
    let by_state = a.paused.cmp(&b.paused).then(is_silent(a).cmp(&is_silent(b)));
    by_state.then_with(|| {
        if is_silent(a) { a.silence(now).cmp(&b.silence(now)) } else { a.loudness().total_cmp(&b.loudness()) }
    })
}
