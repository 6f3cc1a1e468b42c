//! Whatever speaks, pauses, gets lost or leaves: every slot's stream is whole, nobody hears himself or somebody twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sfu_core::command::Command;
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::time::Micros;

use crate::hall::{Hall, SLOTS, number, sender};

const PEOPLE: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    ArrivesTwice,
    IsLate,
    IsLost,
}

#[derive(Clone, Debug)]
enum Op {
    /// Packets of somebody at a level, in one batch.
    Send {
        who: usize,
        level: u8,
        fates: Vec<Fate>,
    },
    /// What was late comes.
    Repair,
    Wait {
        ms: u64,
    },
    Pause {
        who: usize,
        paused: bool,
    },
    Stage {
        who: usize,
        staged: bool,
    },
    Confirm {
        dominant: Option<usize>,
        audible: Vec<usize>,
    },
    ForwardSilence(bool),
    /// A slot is switched to somebody, or follows the stage again.
    Switch {
        slot: u8,
        to: Option<usize>,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let fate = prop_oneof![
        14 => Just(Fate::Arrives),
        1 => Just(Fate::ArrivesTwice),
        1 => Just(Fate::IsLate),
        1 => Just(Fate::IsLost),
    ];
    let who = 0..PEOPLE;
    let level = prop::sample::select(&[10u8, 30, 45, 70, 127]);
    let packets = prop::collection::vec(fate, 1..6);
    prop_oneof![
        30 => (who.clone(), level, packets).prop_map(|(who, level, fates)| Op::Send { who, level, fates }),
        3 => Just(Op::Repair),
        10 => prop::sample::select(&[20u64, 100, 600, 1_200]).prop_map(|ms| Op::Wait { ms }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, paused)| Op::Pause { who, paused }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, staged)| Op::Stage { who, staged }),
        2 => (prop::option::of(who.clone()), prop::collection::vec(who.clone(), 0..3))
            .prop_map(|(dominant, audible)| Op::Confirm { dominant, audible }),
        3 => any::<bool>().prop_map(Op::ForwardSilence),
        3 => (0..SLOTS, prop::option::of(1..PEOPLE)).prop_map(|(slot, to)| Op::Switch { slot, to }),
    ]
}

struct World {
    hall: Hall,
    late: Vec<(usize, Vec<u8>)>,
    /// Packets that did not come in order, by sender.
    disturbed: usize,
    switched: [bool; SLOTS as usize],
}

impl World {
    fn run(&mut self, op: &Op) {
        let hall = &mut self.hall;
        match op {
            Op::Send { who, level, fates } => {
                hall.people[*who].microphone.level = *level;
                let mut batch = Vec::new();
                for fate in fates {
                    let bytes = hall.packet(*who);
                    match fate {
                        Fate::Arrives => batch.push(bytes),
                        Fate::ArrivesTwice => batch.extend([bytes.clone(), bytes]),
                        Fate::IsLate => self.late.push((*who, bytes)),
                        Fate::IsLost => {}
                    }
                    self.disturbed += usize::from(matches!(fate, Fate::IsLate | Fate::IsLost));
                }
                hall.arrive(*who, batch);
            }
            Op::Repair => {
                for (who, bytes) in self.late.drain(..) {
                    hall.arrive(who, vec![bytes]);
                }
            }
            Op::Wait { ms } => {
                hall.net.run_for(Micros::from_millis(*ms));
                hall.keep();
            }
            Op::Pause { who, paused } => {
                hall.net.apply(Command::PauseProducer { producer: hall.people[*who].producer, paused: *paused });
            }
            Op::Stage { who, staged } => {
                let producer = hall.people[*who].producer;
                hall.net.apply(Command::StageProducer { producer, staged: *staged, always: false });
            }
            Op::Confirm { dominant, audible } => hall.confirm(*dominant, audible),
            Op::ForwardSilence(forward_silence) => {
                let router = crate::support::ROUTER;
                hall.net.apply(Command::SetStage { router, slots: SLOTS, forward_silence: *forward_silence });
            }
            Op::Switch { slot, to } => {
                let consumer = sfu_core::ids::ConsumerId(10 + u32::from(*slot));
                self.switched[usize::from(*slot)] = to.is_some();
                match to {
                    Some(to) => hall.net.switch(consumer, Some(hall.people[*to].producer)),
                    None => hall.net.apply(Command::StageConsumer { consumer, position: Some(*slot) }),
                }
            }
        }
    }

    /// What feeds the slots is what the positions say.
    fn check_feeds(&self) {
        let positions = self.hall.positions();
        for who in 0..PEOPLE {
            let own = positions.iter().position(|place| *place == Some(who));
            for (slot, fed) in self.hall.fed(who).into_iter().enumerate() {
                if who == 0 && self.switched[slot] {
                    continue;
                }
                let wanted = if own == Some(slot) { positions[3] } else { positions[slot] };
                assert_eq!(fed, wanted, "slot {slot} of {who}, {positions:?}");
                assert_ne!(fed, Some(who), "hears itself");
            }
        }
    }

    /// Numbers are used once and rise with the timestamps; gaps are what was lost on the way to the server.
    fn check_streams(&self) {
        for who in 0..PEOPLE {
            let mut missing = 0;
            for slot in 0..usize::from(SLOTS) {
                let mut unwrapper = SeqUnwrapper::default();
                let mut got = BTreeMap::new();
                for received in self.hall.got(who, slot) {
                    let ext_seq = unwrapper.unwrap_seq(received.header.seq);
                    assert!(got.insert(ext_seq, received).is_none(), "number {ext_seq} was used twice");
                }
                let numbers: Vec<u64> = got.keys().copied().collect();
                missing += numbers.windows(2).map(|pair| (pair[1] - pair[0] - 1) as usize).sum::<usize>();
                // Padding stands where what came late was of no use any more.
                let got: Vec<_> = got.into_values().filter(|it| !it.payload().is_empty()).collect();
                for pair in got.windows(2) {
                    let step = pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp);
                    assert!((1..0x8000_0000).contains(&step), "timestamps of slot {slot} fall");
                    if sender(pair[0]) == sender(pair[1]) && step < 48_000 * 10 {
                        let sent = number(pair[1]).wrapping_sub(number(pair[0]));
                        assert!(sent < 0x8000, "packets of {} change places", sender(pair[0]));
                    }
                }
            }
            // A slot that was switched by hand may carry what another one carries.
            let lost = if who == 0 { usize::from(SLOTS) * self.disturbed } else { self.disturbed };
            assert!(missing <= lost, "{missing} missing of {who}, {} disturbed", self.disturbed);
        }
    }
}

proptest! {
    #[test]
    fn any_interleaving_of_voices_gives_whole_streams(ops in prop::collection::vec(op(), 1..150)) {
        let hall = Hall::new(PEOPLE as u32);
        let mut world = World { hall, late: Vec::new(), disturbed: 0, switched: [false; 3] };
        for op in &ops {
            world.run(op);
            world.check_feeds();
        }
        world.check_streams();
        prop_assert_eq!(world.hall.net.drops("number_taken"), 0);
    }
}
