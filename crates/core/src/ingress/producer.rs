//! One published source with its encodings, and the packets of the present batch.

use sfu_prefetch::{LINE_BYTES, prefetch};

use crate::command::{CodecId, Kind, MAX_ENCODINGS, ProducerOptions};
use crate::event::Event;
use crate::ids::ProducerId;
use crate::ingress::clock::ClockOffset;
use crate::ingress::encoding::Encoding;
use crate::mid::Mid;
use crate::outbox::Outbox;
use crate::rate::TokenBucket;
use crate::slab::{Key, Slab};
use crate::stage::{Voice, Voices};
use crate::time::{Micros, Time};

/// How often it is looked which encodings flow.
const ACTIVITY_INTERVAL: Micros = Micros::from_millis(200);
/// SSRCs that may be learnt and codecs that may be changed to: a sender that invents new ones all the
/// time is not followed, and does not fill the queue of events.
const LEARN_BURST: u32 = 16;
const LEARN_PER_SECOND: u32 = 1;

/// A packet that came with the present batch and waits for the fan-out.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    pub encoding: u8,
    /// Those who hear the stage do not need it.
    pub is_silent: bool,
    /// It may have a place in what went out before.
    pub is_late: bool,
    pub ext_seq: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Producer {
    pub id: ProducerId,
    pub transport: Key,
    pub kind: Kind,
    pub mid: Mid,
    pub paused: bool,
    pub encodings: Vec<Encoding>,
    /// Consumers that were switched to it.
    pub consumers: Vec<Key>,
    /// Of each of them the encodings, by bit, whose next packets it takes. Shorter than their list: to be found out anew.
    pub interests: Vec<u8>,
    /// Consumers that follow the position of the stage on which it stands.
    pub listeners: Vec<Key>,
    /// On the stage: audio only.
    pub voice: Option<Box<Voice>>,
    pub fresh: Vec<Fresh>,
    /// Bit by encoding: packets come.
    pub active: u8,
    /// Of the transport: all its producers share the sender's clock.
    pub clock_offset: ClockOffset,
    /// Of which the control plane was told.
    told_active: u8,
    /// Last audio level seen (RFC 6464): voice activity and -dBov.
    pub audio_level: Option<u8>,
    /// An encoding started or changed its codec: consumers choose again.
    pub has_news: bool,
    looked_at: Time,
    learning: TokenBucket,
}

impl Voices for Slab<Producer> {
    fn voice(&self, key: Key) -> Option<&Voice> {
        self.get(key)?.voice.as_deref()
    }

    fn voice_mut(&mut self, key: Key) -> Option<&mut Voice> {
        self.get_mut(key)?.voice.as_deref_mut()
    }
}

impl Producer {
    /// `None` when the options have no or too many encodings.
    pub fn new(id: ProducerId, transport: Key, options: ProducerOptions) -> Option<Self> {
        let kind = options.kind;
        let encodings: Vec<Encoding> =
            options.encodings.into_iter().map(|encoding| Encoding::new(kind, encoding)).collect();
        (1..=MAX_ENCODINGS).contains(&encodings.len()).then(|| Self {
            id,
            transport,
            kind,
            mid: Mid::new(&options.mid).unwrap_or_default(),
            paused: false,
            encodings,
            consumers: Vec::new(),
            interests: Vec::new(),
            listeners: Vec::new(),
            voice: None,
            fresh: Vec::new(),
            active: 0,
            told_active: 0,
            clock_offset: ClockOffset::default(),
            audio_level: None,
            has_news: false,
            looked_at: Time(0),
            learning: TokenBucket::new(LEARN_BURST, LEARN_PER_SECOND),
        })
    }

    /// Asks for what a packet reads of the producer behind the slab's own part, which has been asked for before.
    pub fn prefetch_rest(&self) {
        if let Some(voice) = &self.voice {
            prefetch(&**voice, size_of::<Voice>());
        }
        prefetch(self.consumers.as_slice(), LINE_BYTES);
    }

    pub fn encoding(&self, index: u8) -> Option<&Encoding> {
        self.encodings.get(usize::from(index))
    }

    pub fn encoding_mut(&mut self, index: u8) -> Option<&mut Encoding> {
        self.encodings.get_mut(usize::from(index))
    }

    /// Simulcast: the spatial limit of consumers chooses among encodings, not layers.
    pub fn is_simulcast(&self) -> bool {
        self.encodings.len() > 1
    }

    /// Who consumes it, or what one of them takes, changed.
    pub fn forget_interests(&mut self) {
        self.interests.clear();
    }

    /// All that it feeds.
    pub fn fed(&self) -> impl Iterator<Item = Key> {
        self.consumers.iter().chain(&self.listeners).copied()
    }

    /// Some encoding is of this codec.
    pub fn sends(&self, codec: CodecId) -> bool {
        self.encodings.iter().any(|encoding| encoding.payload_type.is_some_and(|known| known.codec == codec))
    }

    /// Whether another SSRC may be bound to an encoding, or another codec be sent, now.
    pub fn may_learn(&mut self, now: Time) -> bool {
        self.learning.take(now)
    }

    /// Looks which encodings flow; true when that changed. While nothing comes steadily the last state
    /// stays: then the network is to blame, or a still picture, not an encoding.
    pub fn refresh_activity(&mut self, now: Time) -> bool {
        let flowing = self.flowing(now);
        let risen = flowing & !self.active;
        if risen == 0 && now.since(self.looked_at) < ACTIVITY_INTERVAL {
            return false;
        }
        self.looked_at = now;
        let before = self.active;
        self.active |= flowing;
        if self.encodings.iter().any(|encoding| encoding.is_steady(now)) {
            self.active = flowing;
            for (index, encoding) in self.encodings.iter_mut().enumerate() {
                if flowing & (1 << index) == 0 {
                    // It sends nothing, so no keyframe either.
                    encoding.keyframes.settle();
                }
            }
        }
        self.active != before
    }

    fn flowing(&self, now: Time) -> u8 {
        let bits = self.encodings.iter().enumerate().filter(|(_, encoding)| encoding.is_flowing(now));
        bits.fold(0, |mask, (index, _)| mask | 1 << index)
    }

    /// A goodbye for this encoding: it counts as stopped at once.
    pub fn stop_encoding(&mut self, index: u8) {
        if let Some(encoding) = self.encoding_mut(index) {
            encoding.arrived_at = None;
        }
        self.active &= !(1 << index);
        self.has_news = true;
    }

    /// Tells the control plane which encodings come now that did not, and the other way round.
    pub fn tell_activity(&mut self, out: &mut Outbox<'_>) {
        let changed = self.active ^ self.told_active;
        self.told_active = self.active;
        for encoding in (0..MAX_ENCODINGS as u8).filter(|encoding| changed & (1 << encoding) != 0) {
            let active = self.active & (1 << encoding) != 0;
            out.event(Event::EncodingActive { producer: self.id, encoding, active });
        }
    }

    /// When NACKs or keyframe requests are to be sent.
    pub fn due(&self) -> Option<Time> {
        self.encodings.iter().fold(None, |due, encoding| crate::rate::earlier(due, encoding.due()))
    }

    /// Asks for keyframes of the encodings in `mask`, if there is anyone to ask.
    pub fn request_keyframes(&mut self, now: Time, mask: u8) {
        self.askable(mask).for_each(|encoding| encoding.keyframes.request(now));
    }

    /// The same where no request is under way.
    pub fn ensure_keyframes(&mut self, now: Time, mask: u8) {
        self.askable(mask).for_each(|encoding| encoding.keyframes.ensure(now));
    }

    fn askable(&mut self, mask: u8) -> impl Iterator<Item = &mut Encoding> {
        let mask = if self.kind == Kind::Audio || self.paused { 0 } else { mask };
        let encodings = self.encodings.iter_mut().enumerate();
        encodings
            .filter(move |(index, encoding)| mask & (1 << index) != 0 && encoding.ring.highest().is_some())
            .map(|(_, encoding)| encoding)
    }
}
