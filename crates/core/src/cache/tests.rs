use super::*;
use crate::command::Codec;
use proptest::prelude::*;

fn meta(ext_seq: u64, arrival: Time) -> PacketMeta {
    PacketMeta {
        ext_seq,
        serial: 0,
        arrival,
        rtp_ts: 0,
        marker: false,
        payload_start: 0,
        payload_len: 4,
        codec: CodecId { codec: Codec::Vp8, variant: 0 },
        marks: FrameMarks::default(),
        extensions: Extensions::default(),
    }
}

fn packet(ext_seq: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (ext_seq.wrapping_mul(31).wrapping_add(at)) as u8).collect()
}

#[test]
fn two_seconds_of_video_are_kept_whatever_the_rate() {
    for (interval_us, len) in [(1_000, 1_200), (10_000, 1_200), (33_000, 100)] {
        let mut ring = HistoryRing::new(RingLimits::of(Kind::Video));
        let mut now = Time(5_000_000);
        let mut ext_seq = 70_000;
        for _ in 0..8_000_000 / interval_us {
            assert_eq!(ring.insert(meta(ext_seq, now), &packet(ext_seq, len)), Stored::New);
            ext_seq += 1;
            now = now + Micros(interval_us);
        }
        let held = (1..2_000_000 / interval_us)
            .all(|back| ring.get_recent(ext_seq - back, now).is_some_and(|c| c.bytes == packet(ext_seq - back, len)));
        assert!(held, "interval {interval_us} us");
        assert!(ring.get_recent(ext_seq - 2_100_000 / interval_us, now).is_none());
        assert!(ring.memory_bytes() <= (4 << 20) + 4_096 * size_of::<Option<Slot>>());
    }
}

#[test]
fn a_burst_after_slow_times_takes_nothing_young_away() {
    let mut ring = HistoryRing::new(RingLimits::of(Kind::Video));
    for ext_seq in 0..30 {
        ring.insert(meta(ext_seq, Time(ext_seq * 1_000_000)), &packet(ext_seq, 1_200));
    }
    for ext_seq in 30..500 {
        ring.insert(meta(ext_seq, Time(30_000_000 + ext_seq)), &packet(ext_seq, 1_200));
    }
    assert!((30..500).all(|it| ring.get(it).is_some_and(|cached| cached.bytes == packet(it, 1_200))));
}

#[test]
fn a_packet_comes_in_once() {
    let mut ring = HistoryRing::new(RingLimits::of(Kind::Video));
    assert_eq!(ring.insert(meta(9_000, Time(0)), &[1; 4]), Stored::New);
    assert_eq!(ring.insert(meta(9_000, Time(0)), &[2; 4]), Stored::Duplicate);
    assert_eq!(ring.insert(meta(6_500, Time(0)), &[3; 4]), Stored::TooOld);
    assert_eq!(ring.insert(meta(6_501, Time(0)), &[4; 4]), Stored::New);
    assert_eq!(ring.get(9_000).map(|cached| cached.payload()), Some(&[1; 4][..]));
}

#[test]
fn a_flood_of_audio_stays_within_its_bytes() {
    let mut ring = HistoryRing::new(RingLimits::of(Kind::Audio));
    for ext_seq in 0..100_000u64 {
        ring.insert(meta(ext_seq, Time(ext_seq)), &packet(ext_seq, 1_400));
    }
    assert!(ring.bytes.len() <= 128 << 10 && ring.slots.len() <= 256);
    assert!(ring.get(99_999).is_some());
}

proptest! {
    #[test]
    fn what_is_found_is_what_was_stored(
        steps in proptest::collection::vec((0u64..400, 1usize..1_500, 0u64..60_000), 1..600),
    ) {
        let mut ring = HistoryRing::new(RingLimits::of(Kind::Audio));
        let mut now = Time(0);
        let mut stored = std::collections::HashMap::new();
        let mut seen = std::collections::HashSet::new();
        let mut base = 1_000u64;
        for (offset, len, wait) in steps {
            now = now + Micros(wait);
            let ext_seq = base + offset;
            base += 3;
            if ring.insert(meta(ext_seq, now), &packet(ext_seq ^ len as u64, len)) == Stored::New {
                prop_assert!(seen.insert(ext_seq), "let in twice");
                stored.insert(ext_seq, packet(ext_seq ^ len as u64, len));
                prop_assert!(ring.get(ext_seq).is_some());
            }
            for (&number, bytes) in &stored {
                if let Some(cached) = ring.get(number) {
                    prop_assert!(cached.bytes == &bytes[..], "bytes of {}", number);
                }
            }
        }
    }
}
