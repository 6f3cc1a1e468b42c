//! The stage by itself, in virtual time: rooms full of voices whose packets come every 20 ms.

mod hearing;

use super::{Heard, Stage, Voice, Voices};
use crate::hash::next_random;
use crate::ids::ProducerId;
use crate::slab::{Key, Slab};
use crate::time::{Micros, Time};
use proptest::prelude::*;

const SPEECH: u8 = 30;
const ROOM: u8 = 70;
const MUTE: u8 = 127;

impl Voices for Slab<Voice> {
    fn voice(&self, key: Key) -> Option<&Voice> {
        self.get(key)
    }

    fn voice_mut(&mut self, key: Key) -> Option<&mut Voice> {
        self.get_mut(key)
    }
}

struct Room {
    voices: Slab<Voice>,
    keys: Vec<Key>,
    levels: Vec<u8>,
    stage: Stage,
    now: Time,
    packets: u32,
    /// (when, who stood where) at each change.
    changes: Vec<(Time, Vec<Option<usize>>)>,
}

impl Room {
    fn new(people: usize) -> Self {
        let mut room = Self {
            voices: Slab::default(),
            keys: Vec::new(),
            levels: Vec::new(),
            stage: Stage::new(3).expect("in range"),
            now: Time(10_000_000),
            packets: 0,
            changes: Vec::new(),
        };
        (0..people).for_each(|_| room.enter());
        room
    }

    fn enter(&mut self) {
        let id = ProducerId(self.keys.len() as u32 + 1);
        let key = self.voices.insert(Voice::new(id, false, false, false));
        self.keys.push(key);
        self.levels.push(ROOM);
        self.stage.enter(self.now, key, &mut self.voices);
        self.note();
    }

    fn places(&self) -> Vec<Option<usize>> {
        let number = |key: &Option<Key>| key.and_then(|key| self.keys.iter().position(|other| *other == key));
        self.stage.places().iter().map(number).collect()
    }

    fn note(&mut self) {
        if self.stage.take_changed() {
            self.changes.push((self.now, self.places()));
        }
    }

    /// A packet of somebody, now.
    fn packet(&mut self, who: usize, level: u8) {
        let heard = Heard { level: Some(level), rtp_ts: self.packets * 960, clock_rate_hz: 48_000, payload_len: 80 };
        let Some(voice) = self.voices.get_mut(self.keys[who]) else { return };
        let sound = voice.weigh(self.now, &heard);
        voice.on_packet(self.now, &heard, sound);
        if sound.speaks && !voice.is_in_front {
            self.stage.on_speech(self.now, self.keys[who], &mut self.voices);
        }
        self.note();
    }

    /// Everybody sends at the present levels.
    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.packets += 1;
            (0..self.keys.len()).for_each(|who| self.packet(who, self.levels[who]));
            self.now = self.now + Micros::from_millis(20);
        }
    }

    fn confirm(&mut self, dominant: Option<usize>, audible: &[usize]) {
        let keys: Vec<Key> = audible.iter().map(|&who| self.keys[who]).collect();
        self.stage.set_speakers(self.now, dominant.map(|who| self.keys[who]), &keys, &mut self.voices);
        self.note();
    }

    fn pause(&mut self, who: usize, paused: bool) {
        self.voices.voice_mut(self.keys[who]).expect("here").paused = paused;
        self.stage.on_paused(self.now, &mut self.voices);
        self.note();
    }

    fn is_heard(&self, who: usize) -> bool {
        self.places()[..3].contains(&Some(who))
    }
}

#[test]
fn four_microphones_have_a_place_each_whether_they_speak_or_not() {
    let mut room = Room::new(4);
    assert_eq!(room.places(), [Some(0), Some(1), Some(2), Some(3)]);
    room.run(2_000);
    assert_eq!(room.changes.len(), 4);
}

#[test]
fn who_begins_to_speak_is_heard_with_that_packet() {
    let mut room = Room::new(10);
    room.run(2_000);
    room.levels[9] = SPEECH;
    room.packet(9, SPEECH);
    assert!(room.is_heard(9));
}

#[test]
fn a_fourth_talker_is_heard_by_the_three_before_and_takes_a_place_in_front_once_one_is_silent() {
    let mut room = Room::new(10);
    room.run(2_000);
    (0..3).for_each(|who| room.levels[who] = SPEECH);
    room.run(400);
    room.confirm(Some(0), &[0, 1, 2]);
    room.levels[7] = SPEECH;
    room.run(200);
    assert_eq!(room.places(), [Some(0), Some(1), Some(2), Some(7)]);
    room.levels[2] = ROOM;
    room.run(1_200);
    assert!(room.is_heard(7), "{:?}", room.places());
    assert_eq!(room.places()[3], Some(2));
}

#[test]
fn who_has_the_floor_keeps_its_place_in_silence_and_gets_one_when_it_has_none() {
    let mut room = Room::new(10);
    room.run(2_000);
    room.confirm(Some(0), &[0]);
    for who in [5, 6, 7, 8, 9] {
        room.levels[who] = SPEECH;
        room.run(1_500);
        room.levels[who] = ROOM;
        assert!(room.is_heard(0) && room.is_heard(who), "{who}: {:?}", room.places());
    }
    room.run(100);
    room.confirm(Some(3), &[]);
    assert!(room.is_heard(3));
}

#[test]
fn a_cough_or_a_noise_gives_way_to_speech_once_nobody_confirmed_it() {
    let mut room = Room::new(10);
    room.run(2_000);
    for who in 0..3 {
        room.levels[who] = SPEECH;
    }
    room.run(400);
    room.confirm(Some(0), &[0, 1]);
    // Nobody says that 2 speaks: it is a vacuum cleaner.
    room.run(200);
    let before = room.changes.len();
    room.levels[8] = SPEECH;
    room.run(40);
    assert!(room.is_heard(8) && !room.is_heard(2));
    // And it does not come back at once.
    room.run(400);
    room.confirm(Some(0), &[0, 1, 8]);
    room.run(1_000);
    assert!(room.changes.len() <= before + 2, "{:?}", &room.changes[before..]);
}

#[test]
fn a_confirmed_voice_takes_the_place_of_one_that_is_softer_for_long() {
    let mut room = Room::new(10);
    room.run(200);
    for (who, level) in [(0, 25), (1, 30), (2, 45), (3, 30)] {
        room.levels[who] = level;
    }
    room.run(400);
    room.confirm(Some(0), &[0, 1, 2, 3]);
    room.run(1_000);
    assert_eq!(room.places(), [Some(0), Some(1), Some(2), Some(3)], "not so soon");
    room.run(2_000);
    assert_eq!(room.places(), [Some(0), Some(1), Some(3), Some(2)]);
    let before = room.changes.len();
    room.run(5_000);
    assert_eq!(room.changes.len(), before);
}

#[test]
fn a_muted_holder_gives_way_to_who_is_not_even_in_silence() {
    let mut room = Room::new(5);
    room.pause(1, true);
    assert_eq!(room.places(), [Some(0), Some(4), Some(2), Some(3)]);
    room.pause(1, false);
    assert_eq!(room.places(), [Some(0), Some(4), Some(2), Some(3)]);
    room.pause(2, true);
    assert_eq!(room.places()[2], Some(1));
}

#[test]
fn a_level_that_jumps_with_every_packet_moves_no_more_than_one_talker() {
    let mut room = Room::new(40);
    room.run(2_000);
    room.confirm(Some(0), &[0]);
    let before = room.changes.len();
    let mut random = 7;
    for turn in 0..500u32 {
        for who in 0..40 {
            room.levels[who] = if (turn + who as u32).is_multiple_of(2) || next_random(&mut random).is_multiple_of(3) {
                5
            } else {
                MUTE
            };
        }
        room.run(20);
    }
    let changes = room.changes.len() - before;
    assert!(changes <= 10 * 12, "{changes} changes in ten seconds");
    assert!(room.is_heard(0));
}

#[test]
fn nothing_changes_for_a_stage_of_the_same_talkers() {
    let mut room = Room::new(40);
    room.run(2_000);
    let mut random = 3;
    for who in [11, 12, 13] {
        room.levels[who] = SPEECH;
        room.run(300);
    }
    room.confirm(Some(11), &[11, 12, 13]);
    let before = room.changes.len();
    for _ in 0..500 {
        // Syllables.
        for who in [11, 12, 13] {
            room.levels[who] = if next_random(&mut random).is_multiple_of(3) { ROOM } else { SPEECH };
        }
        room.run(20);
    }
    assert_eq!(room.changes.len(), before);
}

#[test]
fn silence_is_held_back_after_a_second_and_sound_is_not() {
    let mut room = Room::new(1);
    let held = |room: &Room| room.voices.voice(room.keys[0]).expect("here").is_held_back(room.now);
    assert!(held(&room), "was never heard");
    room.levels[0] = SPEECH;
    room.run(500);
    room.levels[0] = ROOM;
    room.run(900);
    assert!(!held(&room));
    room.run(200);
    assert!(held(&room));
    room.packet(0, SPEECH);
    assert!(!held(&room));
    // Music: steady, and soon no louder than its own noise, but loud.
    room.levels[0] = 25;
    room.run(60_000);
    assert!(!held(&room));
}

#[test]
fn without_levels_long_payloads_are_speech() {
    let voice = Voice::new(ProducerId(1), false, false, false);
    let heard = |payload_len| Heard { level: None, rtp_ts: 0, clock_rate_hz: 48_000, payload_len };
    assert!(voice.weigh(Time(1), &heard(60)).speaks && voice.weigh(Time(1), &heard(60)).sounds);
    assert!(!voice.weigh(Time(1), &heard(3)).speaks && !voice.weigh(Time(1), &heard(3)).sounds);
}

#[test]
fn what_a_screen_plays_sounds_until_it_is_digital_silence() {
    let voice = Voice::new(ProducerId(1), true, false, false);
    let heard = |level| Heard { level: Some(level), rtp_ts: 0, clock_rate_hz: 48_000, payload_len: 80 };
    assert!(voice.weigh(Time(1), &heard(120)).sounds);
    assert!(!voice.weigh(Time(1), &heard(127)).sounds);
}

#[derive(Clone, Debug)]
enum Op {
    Enter,
    Leave(usize),
    Pause(usize, bool),
    Level(usize, u8),
    Confirm(Option<usize>, Vec<usize>),
    Run(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => Just(Op::Enter),
        1 => (0usize..12).prop_map(Op::Leave),
        2 => (0usize..12, any::<bool>()).prop_map(|(who, paused)| Op::Pause(who, paused)),
        8 => (0usize..12, prop::sample::select(&[5u8, 30, 45, 70, 127])).prop_map(|(who, level)| Op::Level(who, level)),
        2 => (prop::option::of(0usize..12), prop::collection::vec(0usize..12, 0..4))
            .prop_map(|(dominant, audible)| Op::Confirm(dominant, audible)),
        8 => prop::sample::select(&[20u64, 100, 600, 1_500]).prop_map(Op::Run),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_places_are_filled_once_and_the_one_with_the_floor_is_heard(
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut room = Room::new(3);
        let (mut dominant, mut gone): (Option<usize>, Vec<usize>) = (None, Vec::new());
        for op in ops {
            let is_here = |who: &usize, room: &Room, gone: &Vec<usize>| *who < room.keys.len() && !gone.contains(who);
            match op {
                Op::Enter => room.enter(),
                Op::Leave(who) if is_here(&who, &room, &gone) => {
                    let key = room.keys[who];
                    room.voices.remove(key);
                    room.stage.leave(room.now, key, &mut room.voices);
                    gone.push(who);
                    dominant = dominant.filter(|&it| it != who);
                }
                Op::Pause(who, paused) if is_here(&who, &room, &gone) => room.pause(who, paused),
                Op::Level(who, level) if who < room.keys.len() => room.levels[who] = level,
                Op::Confirm(who, audible) => {
                    dominant = who.filter(|who| is_here(who, &room, &gone));
                    let audible: Vec<usize> = audible.into_iter().filter(|who| is_here(who, &room, &gone)).collect();
                    room.confirm(dominant, &audible);
                }
                Op::Run(ms) => room.run(ms),
                _ => {}
            }
            room.note();
            let places = room.places();
            let held: Vec<usize> = places.iter().flatten().copied().collect();
            let mut once = held.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), held.len(), "a voice stands twice: {:?}", places);
            prop_assert!(held.iter().all(|who| !gone.contains(who)));
            let members = room.keys.len() - gone.len();
            prop_assert_eq!(held.len(), members.min(4), "places stay empty: {:?}", places);
            let paused = |who: usize| room.voices.voice(room.keys[who]).is_some_and(|voice| voice.paused);
            let waiting = (0..room.keys.len()).any(|who| !gone.contains(&who) && !held.contains(&who) && !paused(who));
            prop_assert!(!waiting || !held.iter().any(|&who| paused(who)), "muted ones stand while others wait");
            if let Some(who) = dominant {
                prop_assert!(room.is_heard(who) || paused(who), "{} has the floor: {:?}", who, places);
            }
            for (place, who) in places.iter().enumerate() {
                let position = who.and_then(|who| room.voices.voice(room.keys[who])?.position);
                prop_assert_eq!(position, who.map(|_| place as u8));
            }
        }
    }
}
