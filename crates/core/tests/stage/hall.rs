//! People with a microphone and three audio slots each, on one stage, and what each of them hears.

use sfu_core::command::{Command, ConsumerOptions, EncodingOptions, Kind};
use sfu_core::event::Event;
use sfu_core::ids::{ConsumerId, ProducerId, Ssrc, TransportId};
use sfu_core::time::Micros;

use crate::support::media::Opus;
use crate::support::{Net, ROUTER, Received};

pub const SLOTS: u8 = 3;
pub const SPEECH: u8 = 30;
pub const ROOM: u8 = 70;

pub struct Hall {
    pub net: Net,
    pub people: Vec<Person>,
}

pub struct Person {
    pub transport: TransportId,
    pub microphone: Opus,
    pub producer: ProducerId,
    /// SSRC of each slot.
    pub slots: Vec<u32>,
}

impl Hall {
    pub fn new(people: u32) -> Self {
        let mut hall = Self { net: Net::new(5), people: Vec::new() };
        hall.net.apply(Command::SetStage { router: ROUTER, slots: SLOTS, forward_silence: false });
        (0..people).for_each(|_| hall.join());
        hall
    }

    pub fn join(&mut self) {
        let id = self.people.len() as u32 + 1;
        let transport = self.net.join(id);
        let ssrc = id * 1_000;
        let encoding = EncodingOptions { ssrc: Some(Ssrc(ssrc)), ..EncodingOptions::default() };
        let producer = self.net.produce(id, transport, Kind::Audio, "a", vec![encoding]);
        self.net.apply(Command::StageProducer { producer, staged: true, always: false });
        let slots = (0..SLOTS).map(|position| self.listen(id, transport, position)).collect();
        let microphone = Opus { level: ROOM, ..Opus::new(ssrc, "a") };
        self.people.push(Person { transport, microphone, producer, slots });
    }

    fn listen(&mut self, id: u32, transport: TransportId, position: u8) -> u32 {
        let consumer = ConsumerId(id * 10 + u32::from(position));
        let (ssrc, mid) = (id * 100 + u32::from(position) + 50, format!("s{position}"));
        let options =
            ConsumerOptions { kind: Kind::Audio, mid, ssrc: Ssrc(ssrc), rtx_ssrc: None, cname: "c".to_owned() };
        self.net.apply(Command::AddConsumer { consumer, transport, options });
        self.net.apply(Command::StageConsumer { consumer, position: Some(position) });
        ssrc
    }

    /// The next packet of somebody, protected.
    pub fn packet(&mut self, who: usize) -> Vec<u8> {
        let person = &mut self.people[who];
        let plain = person.microphone.packet(0);
        self.net.client(person.transport).protect(&plain)
    }

    pub fn arrive(&mut self, who: usize, datagrams: Vec<Vec<u8>>) {
        let client = &self.net.clients[&self.people[who].transport];
        let (socket, address) = (client.socket, client.address);
        self.net.handle(datagrams.into_iter().map(|bytes| (socket, address, bytes)).collect());
    }

    pub fn send(&mut self, who: usize) {
        let bytes = self.packet(who);
        self.arrive(who, vec![bytes]);
    }

    /// Everybody sends every 20 ms.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            (0..self.people.len()).for_each(|who| self.send(who));
            self.net.run_for(Micros::from_millis(20));
        }
        self.keep();
    }

    /// Consent stays.
    pub fn keep(&mut self) {
        let transports: Vec<TransportId> = self.people.iter().map(|person| person.transport).collect();
        for transport in transports {
            if self.net.clients.contains_key(&transport) {
                self.net.check(transport, false);
            }
        }
    }

    pub fn confirm(&mut self, dominant: Option<usize>, audible: &[usize]) {
        let id = |who: usize| self.people[who].producer;
        let command = Command::SetSpeakers {
            router: ROUTER,
            dominant: dominant.map(id),
            audible: audible.iter().map(|&who| id(who)).collect(),
        };
        self.net.apply(command);
    }

    /// Who stands where, by the snapshot.
    pub fn positions(&self) -> Vec<Option<usize>> {
        let stages = self.net.shard.snapshot(self.net.now).stages;
        let (_, positions) = stages.into_iter().next().expect("a stage");
        positions.into_iter().map(|id| id.map(|id| id.0 as usize - 1)).collect()
    }

    /// Who feeds somebody's slots, by the snapshot.
    pub fn fed(&self, who: usize) -> Vec<Option<usize>> {
        let consumer = |position| ConsumerId((who as u32 + 1) * 10 + u32::from(position));
        let stats = (0..SLOTS).map(|position| self.net.consumer(consumer(position)));
        stats.map(|stats| stats.producer.map(|id| id as usize - 1)).collect()
    }

    /// What somebody got on a slot, in the order of arrival.
    pub fn got(&self, who: usize, slot: usize) -> Vec<&Received> {
        let person = &self.people[who];
        self.net.clients[&person.transport].stream(person.slots[slot])
    }

    /// The senders of the packets that somebody got, on all slots.
    pub fn heard(&self, who: usize) -> Vec<usize> {
        let all = (0..usize::from(SLOTS)).flat_map(|slot| self.got(who, slot));
        let mut heard: Vec<usize> = all.map(sender).collect();
        heard.sort_unstable();
        heard.dedup();
        heard
    }

    pub fn forget(&mut self) {
        self.net.clients.values_mut().for_each(crate::support::Client::forget_received);
        self.net.events.clear();
    }

    pub fn changes(&self) -> usize {
        self.net.events.iter().filter(|event| matches!(event, Event::StageChanged { .. })).count()
    }
}

/// Who sent what came to a slot, by its payload.
pub fn sender(received: &Received) -> usize {
    let (ssrc, _) = received.payload().split_first_chunk().expect("a mark");
    u32::from_be_bytes(*ssrc) as usize / 1_000 - 1
}

/// The source's own number of what came to a slot.
pub fn number(received: &Received) -> u16 {
    let (_, rest) = received.payload().split_first_chunk::<4>().expect("a mark");
    u16::from_be_bytes(*rest.first_chunk().expect("a mark"))
}
