//! The stage with real packets: whoever speaks is heard at once, by streams that a receiver finds whole.

mod hall;
mod properties;
#[path = "../support/mod.rs"]
#[allow(unused_imports, reason = "each test file uses its part")]
mod support;

use hall::{Hall, ROOM, SPEECH, number, sender};
use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_core::ids::{ConsumerId, RouterId};
use sfu_core::stage::levels::ENTRY_LEN;
use sfu_core::time::Micros;
use support::ROUTER;

#[test]
fn the_packet_with_which_somebody_begins_to_speak_reaches_everybody() {
    let mut hall = Hall::new(8);
    hall.run(1_500);
    hall.people[6].microphone.level = SPEECH;
    hall.forget();
    hall.send(6);
    for who in (0..8).filter(|&who| who != 6) {
        assert_eq!(hall.heard(who), [6], "{who}");
    }
    let position = hall.positions().iter().position(|place| *place == Some(6)).expect("on the stage");
    let first = hall.got(0, position)[0];
    assert!(first.header.marker);
    assert_eq!(number(first), hall.people[6].microphone.seq);
    assert!(hall.heard(6).is_empty(), "hears itself");
}

#[test]
fn who_speaks_hears_three_others_and_the_rest_hear_the_three_in_front() {
    let mut hall = Hall::new(8);
    hall.run(1_500);
    for who in [1, 4, 6, 7] {
        hall.people[who].microphone.level = SPEECH;
        hall.run(200);
        hall.confirm(Some(1), &[1, 4, 6, 7]);
    }
    hall.run(500);
    hall.forget();
    hall.run(200);
    let positions = hall.positions();
    let front: Vec<usize> = positions[..3].iter().flatten().copied().collect();
    let mut all: Vec<usize> = positions.iter().flatten().copied().collect();
    all.sort_unstable();
    assert_eq!(all, [1, 4, 6, 7]);
    for who in 0..8 {
        let mut wanted: Vec<usize> =
            if front.contains(&who) { all.iter().copied().filter(|&it| it != who).collect() } else { front.clone() };
        wanted.sort_unstable();
        assert_eq!(hall.heard(who), wanted, "{who}");
    }
}

#[test]
fn silence_is_not_forwarded_and_leaves_no_gap() {
    let mut hall = Hall::new(2);
    hall.people[0].microphone.level = SPEECH;
    hall.run(1_000);
    hall.people[0].microphone.level = ROOM;
    hall.run(3_000);
    let before = hall.got(1, 0).len();
    assert!((98..=102).contains(&before), "a second of speech and one of silence, not {before} packets");
    assert!(hall.net.drops("producer_silent") >= 98);
    hall.people[0].microphone.level = SPEECH;
    let resumed = hall.people[0].microphone.seq.wrapping_add(1);
    hall.run(200);
    let got = hall.got(1, 0);
    assert_eq!(got.len(), before + 10);
    for pair in got.windows(2) {
        assert_eq!(pair[1].header.seq, pair[0].header.seq.wrapping_add(1));
        let sent = u32::from(number(pair[1]).wrapping_sub(number(pair[0])));
        assert_eq!(pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp), sent * 960, "the sender's clock");
    }
    let marked: Vec<u16> = got.iter().filter(|it| it.header.marker).map(|it| number(it)).collect();
    assert_eq!(marked.last(), Some(&resumed));
}

#[test]
fn a_small_meeting_forwards_silence_too() {
    let mut hall = Hall::new(4);
    hall.net.apply(Command::SetStage { router: ROUTER, slots: hall::SLOTS, forward_silence: true });
    hall.run(3_000);
    for who in 0..4 {
        let count: usize = (0..3).map(|slot| hall.got(who, slot).len()).sum();
        assert_eq!(count, 3 * 150, "{who}");
    }
}

#[test]
fn steady_loud_music_goes_on() {
    let mut hall = Hall::new(3);
    hall.people[0].microphone.level = 25;
    hall.run(20_000);
    assert_eq!(hall.got(1, 0).len(), 1_000);
}

#[test]
fn a_consumer_that_was_switched_to_a_producer_gets_its_silence() {
    let mut hall = Hall::new(2);
    let direct = ConsumerId(20);
    hall.net.switch(direct, Some(hall.people[0].producer));
    hall.run(2_000);
    assert_eq!(hall.got(1, 0).len(), 100);
    hall.net.apply(Command::StageConsumer { consumer: direct, position: Some(0) });
    hall.run(500);
    assert_eq!(hall.got(1, 0).len(), 100, "follows the stage again");
    hall.people[0].microphone.level = SPEECH;
    hall.run(200);
    assert_eq!(hall.got(1, 0).len(), 110);
}

#[test]
fn levels_come_up_ten_times_a_second_of_those_who_are_heard() {
    let mut hall = Hall::new(5);
    for person in &mut hall.people {
        person.microphone.level = 127;
    }
    hall.run(1_000);
    assert!(!hall.net.events.iter().any(|event| matches!(event, Event::Levels { .. })), "nobody was heard");
    hall.people[3].microphone.level = SPEECH;
    hall.run(2_000);
    hall.people[3].microphone.level = 127;
    hall.run(2_000);
    let levels: Vec<&Vec<u8>> = hall
        .net
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Levels { router: ROUTER, levels } => Some(levels),
            _ => None,
        })
        .collect();
    let told: Vec<u8> = levels.iter().flat_map(|it| (*it).clone()).collect();
    assert!((19..=21).contains(&(told.len() / ENTRY_LEN)), "{}", told.len());
    assert!(told.chunks(ENTRY_LEN).all(|entry| entry[..4] == 4u32.to_le_bytes()));
    assert!(told.chunks(ENTRY_LEN).filter(|entry| entry[4..] == [SPEECH; 5]).count() >= 18);
    assert!((26..=29).contains(&levels.len()), "{}: some more, then none", levels.len());
}

#[test]
fn who_leaves_makes_room_and_every_event_says_what_the_snapshot_says() {
    let mut hall = Hall::new(6);
    hall.run(300);
    let transport = hall.people[1].transport;
    hall.net.apply(Command::RemoveTransport { transport });
    hall.net.clients.remove(&transport);
    assert_eq!(hall.positions(), [Some(0), Some(4), Some(2), Some(3)]);
    let producer = hall.people[0].producer;
    hall.net.apply(Command::StageProducer { producer, staged: false, always: false });
    assert_eq!(hall.positions(), [Some(5), Some(4), Some(2), Some(3)]);
    hall.net.apply(Command::RemoveProducer { producer: hall.people[2].producer });
    assert_eq!(hall.positions(), [Some(5), Some(4), None, Some(3)]);
    let told = hall.net.events.iter().rev().find_map(|event| match event {
        Event::StageChanged { positions, .. } => Some(positions.clone()),
        _ => None,
    });
    let told: Vec<Option<usize>> = told.expect("an event").iter().map(|id| id.map(|id| id.0 as usize - 1)).collect();
    assert_eq!(told, hall.positions());
    assert_eq!(hall.fed(0), [Some(5), Some(4), None]);
    hall.net.apply(Command::RemoveRouter { router: ROUTER });
    assert!(hall.net.shard.snapshot(hall.net.now).stages.is_empty());
}

#[test]
fn commands_that_cannot_be_are_refused() {
    let mut hall = Hall::new(1);
    hall.net.events.clear();
    let consumer = ConsumerId(10);
    hall.net.apply(Command::SetStage { router: ROUTER, slots: 4, forward_silence: false });
    hall.net.apply(Command::SetStage { router: RouterId(9), slots: 3, forward_silence: false });
    hall.net.apply(Command::StageConsumer { consumer, position: Some(3) });
    hall.net.apply(Command::SetSpeakers { router: RouterId(9), dominant: None, audible: Vec::new() });
    let failed = hall.net.events.iter().filter(|event| matches!(event, Event::CommandFailed { .. })).count();
    assert_eq!(failed, 4);
    assert_eq!(hall.fed(0), [None; 3], "its own microphone stands in front, and nobody in the reserve");
}

#[test]
fn a_level_that_flaps_with_every_packet_floods_nobody() {
    let mut hall = Hall::new(30);
    hall.run(1_500);
    hall.forget();
    for turn in 0..250 {
        for who in 5..30 {
            hall.people[who].microphone.level = if (turn + who) % 2 == 0 { 0 } else { 127 };
        }
        hall.run(20);
    }
    assert!(hall.changes() <= 5 * 11, "{} changes in five seconds", hall.changes());
    let events = hall.net.events.len();
    assert!(events <= hall.changes() + 55 + 30, "{events} events");
}

#[test]
fn numbers_close_up_when_a_position_changes_hands() {
    let mut hall = Hall::new(8);
    hall.run(1_500);
    for turn in 0..20 {
        let who = 2 + turn % 6;
        hall.people[who].microphone.level = SPEECH;
        hall.run(400);
        hall.confirm(Some(who), &[who]);
        hall.run(1_100);
        hall.people[who].microphone.level = ROOM;
        hall.run(100);
    }
    for slot in 0..3 {
        let got = hall.got(0, slot);
        assert!(got.windows(2).all(|pair| pair[1].header.seq == pair[0].header.seq.wrapping_add(1)));
        let speakers: Vec<usize> = got.iter().copied().map(sender).collect();
        let switches = speakers.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(switches <= 20, "slot {slot}: {switches}");
    }
    hall.net.run_for(Micros::from_secs(1));
    assert_eq!(hall.net.drops("number_taken"), 0);
}
