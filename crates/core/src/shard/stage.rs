//! The stages of routers: feeds those who listen to a position from who stands there.

use crate::command::Kind;
use crate::event::Event;
use crate::ids::{ConsumerId, ProducerId, RouterId};
use crate::shard::Shard;
use crate::shard::commands::{Outcome, UNKNOWN};
use crate::slab::Key;
use crate::stage::levels::Levels;
use crate::stage::{Stage, Voice};
use crate::time::Time;

/// A router's stage and who listens to it.
#[derive(Debug)]
pub(super) struct Staging {
    stage: Stage,
    levels: Levels,
    forwards_silence: bool,
    /// By position; nobody listens to the reserve itself.
    listeners: Vec<Vec<Key>>,
    /// Who was fed from when the listeners were looked at last.
    fed: Vec<Option<Key>>,
}

impl Staging {
    fn new(stage: Stage) -> Self {
        let fed = stage.places().to_vec();
        let listeners = vec![Vec::new(); stage.reserve()];
        Self { stage, levels: Levels::default(), forwards_silence: false, listeners, fed }
    }
}

impl Shard {
    pub(super) fn set_stage(&mut self, id: RouterId, slots: u8, forward_silence: bool) -> Outcome {
        let key = *self.names.routers.get(&id).ok_or(UNKNOWN)?;
        let router = self.routers.get_mut(key).ok_or(UNKNOWN)?;
        if router.staging.is_none() {
            let stage = Stage::new(slots).ok_or("number of positions out of range")?;
            router.staging = Some(Box::new(Staging::new(stage)));
        }
        let staging = router.staging.as_deref_mut().ok_or(UNKNOWN)?;
        if staging.stage.reserve() != usize::from(slots) {
            return Err("the stage has another number of positions");
        }
        staging.forwards_silence = forward_silence;
        for &member in staging.stage.members() {
            if let Some(voice) = self.producers.get_mut(member).and_then(|producer| producer.voice.as_deref_mut()) {
                voice.forwards_silence = forward_silence;
            }
        }
        Ok(())
    }

    pub(super) fn stage_producer(&mut self, now: Time, id: ProducerId, staged: bool, always: bool) -> Outcome {
        let key = *self.names.producers.get(&id).ok_or(UNKNOWN)?;
        let producer = self.producers.get_mut(key).ok_or(UNKNOWN)?;
        if producer.kind != Kind::Audio {
            return Err("only audio goes on the stage");
        }
        let router = self.transports.get(producer.transport).ok_or(UNKNOWN)?.router;
        let staging = self.routers.get_mut(router).and_then(|router| router.staging.as_deref_mut());
        let staging = staging.ok_or("the router has no stage")?;
        match (staged, producer.voice.as_deref_mut()) {
            (true, Some(voice)) => voice.always = always,
            (true, None) => {
                let voice = Voice::new(id, always, producer.paused, staging.forwards_silence);
                producer.voice = Some(Box::new(voice));
                staging.stage.enter(now, key, &mut self.producers);
            }
            (false, Some(_)) => {
                staging.stage.leave(now, key, &mut self.producers);
                if let Some(producer) = self.producers.get_mut(key) {
                    producer.voice = None;
                }
            }
            (false, None) => {}
        }
        self.refeed(now, router);
        Ok(())
    }

    pub(super) fn stage_consumer(&mut self, now: Time, id: ConsumerId, position: Option<u8>) -> Outcome {
        let key = *self.names.consumers.get(&id).ok_or(UNKNOWN)?;
        let consumer = self.consumers.get(key).ok_or(UNKNOWN)?;
        let (transport, former) = (consumer.transport, consumer.position);
        if consumer.kind != Kind::Audio {
            return Err("only audio follows the stage");
        }
        let router = self.transports.get(transport).ok_or(UNKNOWN)?.router;
        if let Some(position) = position {
            let staging = self.routers.get(router).and_then(|router| router.staging.as_deref());
            let staging = staging.ok_or("the router has no stage")?;
            if staging.listeners.get(usize::from(position)).is_none() {
                return Err("the stage has no such position");
            }
        }
        if former == position {
            return Ok(());
        }
        self.leave_stage(now, key);
        self.feed(now, key, None);
        if let Some(position) = position {
            let staging = self.routers.get_mut(router).and_then(|router| router.staging.as_deref_mut());
            let listeners = staging.and_then(|staging| staging.listeners.get_mut(usize::from(position)));
            listeners.ok_or(UNKNOWN)?.push(key);
            self.consumers.get_mut(key).ok_or(UNKNOWN)?.position = Some(position);
            let source = self.source_of(router, usize::from(position), transport);
            self.feed(now, key, source);
        }
        Ok(())
    }

    pub(super) fn set_speakers(
        &mut self,
        now: Time,
        id: RouterId,
        dominant: Option<ProducerId>,
        audible: &[ProducerId],
    ) -> Outcome {
        let key = *self.names.routers.get(&id).ok_or(UNKNOWN)?;
        let is_here = |producer: &Key| {
            let transport = self.producers.get(*producer).and_then(|producer| self.transports.get(producer.transport));
            transport.is_some_and(|transport| transport.router == key)
        };
        let find = |id: &ProducerId| self.names.producers.get(id).copied().filter(is_here);
        // Who is gone by now needs no confirmation.
        let (dominant, audible): (_, Vec<Key>) =
            (dominant.as_ref().and_then(find), audible.iter().filter_map(find).collect());
        let staging = self.routers.get_mut(key).and_then(|router| router.staging.as_deref_mut());
        let staging = staging.ok_or("the router has no stage")?;
        staging.stage.set_speakers(now, dominant, &audible, &mut self.producers);
        self.refeed(now, key);
        Ok(())
    }

    /// A producer on the stage was paused, or goes on.
    pub(super) fn stage_paused(&mut self, now: Time, key: Key, paused: bool) {
        let Some(producer) = self.producers.get_mut(key) else { return };
        let transport = producer.transport;
        let Some(voice) = producer.voice.as_deref_mut() else { return };
        voice.paused = paused;
        let Some(router) = self.transports.get(transport).map(|transport| transport.router) else { return };
        if let Some(staging) = self.routers.get_mut(router).and_then(|router| router.staging.as_deref_mut()) {
            staging.stage.on_paused(now, &mut self.producers);
        }
        self.refeed(now, router);
    }

    /// A producer is gone.
    pub(super) fn stage_left(&mut self, now: Time, key: Key, router: Key) {
        if let Some(staging) = self.routers.get_mut(router).and_then(|router| router.staging.as_deref_mut()) {
            staging.stage.leave(now, key, &mut self.producers);
            self.refeed(now, router);
        }
    }

    /// A consumer follows no position any more, and nothing feeds it.
    pub(super) fn leave_stage(&mut self, now: Time, key: Key) {
        let Some(consumer) = self.consumers.get(key) else { return };
        let Some(position) = consumer.position else { return };
        let router = self.transports.get(consumer.transport).map(|transport| transport.router);
        self.forget_listener(key, router, position);
        self.feed(now, key, None);
        if let Some(consumer) = self.consumers.get_mut(key) {
            consumer.position = None;
        }
    }

    pub(super) fn forget_listener(&mut self, key: Key, router: Option<Key>, position: u8) {
        let router = router.and_then(|router| self.routers.get_mut(router));
        let staging = router.and_then(|router| router.staging.as_deref_mut());
        if let Some(listeners) = staging.and_then(|staging| staging.listeners.get_mut(usize::from(position))) {
            listeners.retain(|&other| other != key);
        }
    }

    /// Lets those of this batch whom their stages have to look at take their places, before anything is forwarded.
    pub(super) fn attend_stages(&mut self, now: Time) {
        if self.attending.is_empty() {
            return;
        }
        let mut attending = std::mem::take(&mut self.attending);
        for key in attending.drain(..) {
            let Some(producer) = self.producers.get(key) else { continue };
            let Some(router) = self.transports.get(producer.transport).map(|transport| transport.router) else {
                continue;
            };
            let Some(voice) = producer.voice.as_deref() else { continue };
            let speaks = !voice.is_in_front && voice.silence(now).0 == 0;
            let staging = self.routers.get_mut(router).and_then(|router| router.staging.as_deref_mut());
            let Some(staging) = staging else { continue };
            if !voice.is_listed && voice.is_told() {
                let was_due = staging.levels.due();
                staging.levels.enlist(now, key, &mut self.producers);
                if let Some(due) = staging.levels.due().filter(|_| was_due.is_none()) {
                    self.beats.add(due, router);
                }
            }
            if speaks {
                staging.stage.on_speech(now, key, &mut self.producers);
                self.refeed(now, router);
            }
        }
        self.attending = attending;
    }

    /// Hands up the levels that are due.
    pub(super) fn beat_stages(&mut self, now: Time) {
        while let Some((at, key)) = self.beats.take_due(now) {
            let Some(router) = self.routers.get_mut(key) else { continue };
            let Some(staging) = router.staging.as_deref_mut() else { continue };
            if staging.levels.due() != Some(at) {
                continue;
            }
            let levels = staging.levels.beat(now, &mut self.producers);
            if let Some(due) = staging.levels.due() {
                self.beats.add(due, key);
            }
            self.events.push(Event::Levels { router: router.id, levels });
        }
    }

    /// Who stands where on each stage.
    pub(super) fn stages(&self) -> impl Iterator<Item = (RouterId, Vec<Option<ProducerId>>)> {
        self.routers.iter().filter_map(|(_, router)| {
            let places = router.staging.as_deref()?.stage.places();
            let id = |key: &Option<Key>| Some(self.producers.get((*key)?)?.id);
            Some((router.id, places.iter().map(id).collect()))
        })
    }

    /// Feeds the listeners of those positions that have changed hands, and tells of it. Each of them is looked at once, and
    /// each producer's list is gone through once.
    fn refeed(&mut self, now: Time, router_key: Key) {
        let Some(router) = self.routers.get_mut(router_key) else { return };
        let Some(staging) = router.staging.as_deref_mut() else { return };
        if !staging.stage.take_changed() {
            return;
        }
        let places = staging.stage.places().to_vec();
        let former = std::mem::replace(&mut staging.fed, places.clone());
        let id = router.id;
        if former == places {
            return;
        }
        let has_reserve_changed = former.last() != places.last();
        for (position, pair) in former.iter().zip(&places).enumerate().take(places.len() - 1) {
            let has_changed = pair.0 != pair.1;
            let owners = || [*pair.0, *pair.1].into_iter().flatten();
            if has_changed {
                let listeners = self.take_listeners(router_key, position);
                for &listener in &listeners {
                    self.refeed_one(now, router_key, position, listener);
                }
                self.put_listeners(router_key, position, listeners);
            }
            // Of who stands in front the first position is fed from the reserve, so one place more or less changes others.
            for owner in owners().filter(|_| has_changed || has_reserve_changed) {
                self.refeed_own(now, router_key, owner);
            }
        }
        for key in former.into_iter().flatten() {
            self.drop_former_listeners(key);
        }
        let name = |key: &Option<Key>| Some(self.producers.get((*key)?)?.id);
        let positions = places.iter().map(name).collect();
        self.counters.stage_changes += 1;
        self.events.push(Event::StageChanged { router: id, positions });
    }

    /// The consumers, on the stage, of who stands or stood there.
    fn refeed_own(&mut self, now: Time, router: Key, owner: Key) {
        let transport = self.producers.get(owner).map(|producer| producer.transport);
        let Some(transport) = transport.and_then(|transport| self.transports.get(transport)) else { return };
        for place in 0..transport.consumers.len() {
            let transport = self.producers.get(owner).and_then(|producer| self.transports.get(producer.transport));
            let Some(&key) = transport.and_then(|transport| transport.consumers.get(place)) else { return };
            if let Some(position) = self.consumers.get(key).and_then(|consumer| consumer.position) {
                self.refeed_one(now, router, usize::from(position), key);
            }
        }
    }

    fn refeed_one(&mut self, now: Time, router: Key, position: usize, key: Key) {
        let Some(consumer) = self.consumers.get(key) else { return };
        let source = self.source_of(router, position, consumer.transport);
        let Some(consumer) = self.consumers.get_mut(key).filter(|consumer| consumer.producer != source) else { return };
        consumer.switch(source);
        if let Some(producer) = source.and_then(|source| self.producers.get_mut(source)) {
            producer.listeners.push(key);
        }
        self.retarget(now, key);
    }

    /// Takes those out of a producer's list who are fed by another one now.
    fn drop_former_listeners(&mut self, key: Key) {
        let consumers = &self.consumers;
        if let Some(producer) = self.producers.get_mut(key) {
            let mut listeners = std::mem::take(&mut producer.listeners);
            listeners.retain(|&listener| consumers.get(listener).is_some_and(|it| it.producer == Some(key)));
            producer.listeners = listeners;
        }
    }

    /// What a transport hears at a position: who stands there; at the first position where it stands itself, the reserve.
    fn source_of(&self, router: Key, position: usize, transport: Key) -> Option<Key> {
        let places = self.routers.get(router)?.staging.as_deref()?.stage.places();
        let is_own = |place: &Option<Key>| {
            place.and_then(|key| self.producers.get(key)).is_some_and(|producer| producer.transport == transport)
        };
        let holder = places.get(position)?;
        if !is_own(holder) {
            return *holder;
        }
        let reserve = places.last().filter(|reserve| !is_own(reserve))?;
        if places.iter().position(is_own) == Some(position) { *reserve } else { None }
    }

    fn take_listeners(&mut self, router: Key, position: usize) -> Vec<Key> {
        let staging = self.routers.get_mut(router).and_then(|router| router.staging.as_deref_mut());
        staging.and_then(|staging| staging.listeners.get_mut(position)).map(std::mem::take).unwrap_or_default()
    }

    fn put_listeners(&mut self, router: Key, position: usize, listeners: Vec<Key>) {
        let staging = self.routers.get_mut(router).and_then(|router| router.staging.as_deref_mut());
        if let Some(place) = staging.and_then(|staging| staging.listeners.get_mut(position)) {
            *place = listeners;
        }
    }
}
