use super::*;

const OPTIONS: Options = Options {
    subscribers: 3,
    video_kbps: 1_500,
    audio: true,
    duration: Duration::from_millis(300),
    profile: SrtpProfile::AeadAes128Gcm,
    server_cpu: None,
    load_cpu: None,
};

/// What the publisher sends in the first second: the packets of each burst.
fn bursts_of_a_second() -> Vec<Vec<Vec<u8>>> {
    let mut source = OPTIONS.source(Time(0));
    let mut bursts = Vec::new();
    for now in (0..1_000).map(|ms| Time(ms * 1_000)) {
        let mut burst = Vec::new();
        source.poll(now, || now, |packet| burst.push(packet.clone()));
        bursts.push(burst);
    }
    bursts.retain(|burst| !burst.is_empty());
    bursts
}

#[test]
fn a_frame_is_one_train_and_audio_is_another() {
    let (mut trains, mut packets) = (Vec::new(), 0);
    for burst in bursts_of_a_second() {
        let mut arena = TxArena::with_capacity(0);
        for packet in &burst {
            assert!(arena.push(0, ([127, 0, 0, 1], 9).into(), packet));
        }
        packets += burst.len();
        trains.extend(trains_of(&arena, true).iter().map(|train| (train.segments, train.segment_size)));
        assert!(trains_of(&arena, false).iter().all(|train| train.segments == 1));
        assert_eq!(trains_of(&arena, false).len(), burst.len());
    }
    assert_eq!(packets, 200);
    let frames = trains.iter().filter(|train| **train == (5, 1_200)).count();
    assert_eq!((frames, trains.len()), (30, 80), "{trains:?}");
}

#[test]
fn a_burst_is_whole_with_audio_or_the_last_packet_of_a_frame() {
    for burst in bursts_of_a_second() {
        let ends: Vec<bool> = burst.iter().map(|packet| ends_burst(packet)).collect();
        assert_eq!(ends.last(), Some(&true));
        // Audio that is due together with a frame goes before it.
        assert_eq!(ends.iter().filter(|ends| **ends).count(), if burst.len() == 6 { 2 } else { 1 });
    }
}

#[test]
fn what_is_published_reaches_every_subscriber_and_is_paid_for() {
    let floor = measure(&OPTIONS).unwrap();
    assert!(floor.expected > 0 && floor.packets == floor.expected, "{} of {}", floor.packets, floor.expected);
    assert!(floor.expected.is_multiple_of(3) && floor.latency.count() == floor.packets);
    assert!(floor.trains > 0 && floor.trains < floor.packets);
    assert!(floor.cpu > Duration::ZERO && floor.aead_ns_per_packet > 0.0);
}
