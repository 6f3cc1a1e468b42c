//! The levels that are handed up: in order, as many as there were, whatever the packets are like.

use proptest::prelude::*;

use super::{MUTE, Room, SPEECH};
use crate::hash::next_random;
use crate::ids::ProducerId;
use crate::slab::Slab;
use crate::stage::levels::{ENTRY_LEN, Levels};
use crate::stage::voice::BLOCK_TICKS;
use crate::stage::{Heard, Voice};
use crate::time::{Micros, Time};

/// The levels of one voice whose packets have a length, jitter and loss.
fn ticks(packet_ms: u64, jitter_ms: u64, loses: impl Fn(u64) -> bool) -> Vec<u8> {
    let mut voices = Slab::default();
    let key = voices.insert(Voice::new(ProducerId(5), false, false, false));
    let mut levels = Levels::default();
    let mut random = 11;
    let mut packets: Vec<(u64, u32, u8)> = (0..10_000 / packet_ms)
        .filter(|&number| !loses(number))
        .map(|number| {
            let at = number * packet_ms;
            let level = 20 + (at / 20 % 40) as u8;
            (at * 1_000 + next_random(&mut random) % (jitter_ms * 1_000 + 1), (at * 48) as u32, level)
        })
        .collect();
    packets.sort_unstable();
    let mut got = Vec::new();
    for (at, rtp_ts, level) in packets {
        let now = Time(at);
        while let Some(due) = levels.due().filter(|&due| due <= now) {
            got.extend(levels.beat(due, &mut voices));
        }
        let heard = Heard { level: Some(level), rtp_ts, clock_rate_hz: 48_000, payload_len: 80 };
        let voice: &mut Voice = voices.get_mut(key).expect("here");
        let sound = voice.weigh(now, &heard);
        if voice.on_packet(now, &heard, sound) {
            levels.enlist(now, key, &mut voices);
        }
    }
    got.chunks(ENTRY_LEN).flat_map(|entry| entry[4..].to_vec()).collect()
}

#[test]
fn ticks_keep_their_order_and_number_with_packets_of_any_length() {
    for (packet_ms, jitter_ms) in [(10, 0), (20, 0), (20, 15), (60, 0), (60, 30), (120, 0)] {
        let got = ticks(packet_ms, jitter_ms, |_| false);
        assert!((480..=500).contains(&got.len()), "{packet_ms} ms: {}", got.len());
        let filled = got.iter().filter(|&&level| level != MUTE).count();
        assert!(filled * 100 >= got.len() * 96, "{packet_ms} ms, jitter {jitter_ms}: {filled} of {}", got.len());
        let rising =
            got.windows(2).filter(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1 || pair[1] == 20).count();
        if packet_ms <= 20 {
            assert!(rising * 100 >= got.len() * 90, "{packet_ms} ms, jitter {jitter_ms}: {rising} of {}", got.len());
        }
    }
}

#[test]
fn lost_packets_and_discontinuous_transmission_do_not_shift_the_ticks() {
    let got = ticks(20, 0, |number| number % 50 > 20);
    // 420 ms of sound in every second, and nothing is told of the rest but its first block.
    let sound = got.iter().filter(|&&level| level != MUTE).count();
    assert!((200..=220).contains(&sound), "{sound}");
    assert!(got.len() <= 300, "{}", got.len());
}

#[test]
fn the_beat_stops_when_nobody_was_heard_for_a_while() {
    let mut room = Room::new(2);
    let mut levels = Levels::default();
    room.levels = vec![MUTE, SPEECH];
    room.run(100);
    levels.enlist(room.now, room.keys[1], &mut room.voices);
    let start = room.now;
    let mut blocks = Vec::new();
    while let Some(due) = levels.due() {
        blocks.push(levels.beat(due, &mut room.voices).len());
        assert!(due.since(start) < Micros::from_secs(2));
    }
    assert_eq!(blocks, [vec![ENTRY_LEN], vec![0; 7]].concat());
    assert_eq!(ENTRY_LEN, 4 + BLOCK_TICKS);
}

proptest! {
    /// Timestamps, levels and rates are the sender's to choose: a block is a block, and one is handed up at a time.
    #[test]
    fn whatever_a_sender_makes_of_its_clock_a_beat_hands_up_one_block(
        packets in prop::collection::vec((any::<u32>(), prop::option::of(any::<u8>()), 0u64..50_000, 0usize..200), 1..400),
        clock_rate_hz in prop::sample::select(&[0u32, 1, 8_000, 48_000, u32::MAX]),
        always in any::<bool>(),
    ) {
        let mut voices = Slab::default();
        let key = voices.insert(Voice::new(ProducerId(5), always, false, false));
        let mut levels = Levels::default();
        let mut now = Time(1_000_000);
        for (rtp_ts, level, wait_us, payload_len) in packets {
            now = now + Micros(wait_us);
            while let Some(due) = levels.due().filter(|&due| due <= now) {
                let blocks = levels.beat(due, &mut voices);
                prop_assert!(blocks.is_empty() || blocks.len() == ENTRY_LEN);
                prop_assert!(blocks.iter().skip(4).all(|&level| level <= MUTE));
            }
            let heard = Heard { level, rtp_ts, clock_rate_hz, payload_len };
            let voice: &mut Voice = voices.get_mut(key).expect("here");
            let sound = voice.weigh(now, &heard);
            prop_assert!(!(sound.is_silent && sound.resumes));
            if voice.on_packet(now, &heard, sound) && voice.is_told() {
                levels.enlist(now, key, &mut voices);
            }
        }
    }
}
