//! Properties of what a subscriber gets, whatever happens on the way: loss, reordering, duplicates, switches, pauses, layer
//! changes; packets that wait for their time, probes, shedding, narrow networks, negotiation anew.

mod checks;
mod ops;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::BTreeMap;

use ops::{Fate, Op, Setting, frame, op, setting};
use proptest::prelude::*;
use support::media::read_mark;
use world::{CONSUMER, World};

proptest! {
    // In proportion, so that `PROPTEST_CASES` has a say.
    #![proptest_config(ProptestConfig { cases: 3 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_gives_a_stream_that_decodes(
        setting in setting(),
        ops in prop::collection::vec(op(), 1..250),
    ) {
        let mut world = World::new(setting);
        for op in &ops {
            world.run(op);
        }
        world.check();
    }

    /// Without switches, once everything lost or late has come, nothing is missing.
    #[test]
    fn what_was_lost_and_came_again_leaves_no_gap(
        start_bps in prop::option::of(prop::sample::select(&[30_000u64, 100_000, 20_000_000])),
        ops in prop::collection::vec(
            prop_oneof![
                20 => frame(1),
                2 => Just(Op::Padding { source: 0 }),
                6 => (0usize..8).prop_map(|which| Op::Repair { which }),
                2 => (0u8..4).prop_map(|temporal| Op::Layers { spatial: 0, temporal }),
                4 => Just(Op::Wait { ms: 10 }),
            ],
            1..200,
        ),
    ) {
        // Without feedback nothing is shed, but packets wait.
        let (has_rtx, tells_arrivals, link_bps, filling) = (true, true, 1, 300);
        let mut world = World::new(Setting { has_rtx, tells_arrivals, start_bps, link_bps, filling });
        world.net.set_layers(CONSUMER, 0, 3);
        world.run(&Op::Frame {
            source: 0, is_keyframe: true, tid: 0, is_sync: true, fates: [Fate::Arrives; 3],
        });
        for op in &ops {
            world.run(op);
            // The server remembers what it decided for the frames of the last second.
            while world.faults.first().is_some_and(|fault| fault.sent.mark.frame + 25 < world.sources[0].1.frame) {
                world.run(&Op::Repair { which: 0 });
            }
        }
        while !world.faults.is_empty() {
            world.run(&Op::Repair { which: 0 });
        }
        // What waits for its time comes, too: a second later at most.
        (0..10).for_each(|_| world.run(&Op::Wait { ms: 100 }));
        world.check();
        let (first, last) = (world.got.keys().next().copied(), world.got.keys().next_back().copied());
        let count = last.zip(first).map_or(0, |(last, first)| last - first + 1);
        prop_assert_eq!(world.got.len() as u64, count, "numbers are missing");
        // Every frame that came through came through whole.
        let mut frames: BTreeMap<u32, usize> = BTreeMap::new();
        for received in world.got.values().filter(|it| !it.payload().is_empty()) {
            *frames.entry(read_mark(received.payload()).frame).or_default() += 1;
        }
        prop_assert!(frames.values().all(|&packets| packets == 3), "{:?}", frames);
    }
}
