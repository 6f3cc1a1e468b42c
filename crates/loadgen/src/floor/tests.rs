use super::*;

const OPTIONS: Options = Options {
    subscribers: 3,
    video_kbps: 1_500,
    audio: true,
    duration: Duration::from_millis(300),
    profile: SrtpProfile::AeadAes128Gcm,
    sealed: false,
    server_cpu: None,
    load_cpu: None,
};

/// What the publisher sends in the first second: the packets of each burst.
pub(super) fn bursts_of_a_second() -> Vec<Vec<Vec<u8>>> {
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
fn what_is_published_reaches_every_subscriber_and_is_paid_for() {
    let floor = measure(&OPTIONS).unwrap();
    assert!(floor.expected > 0 && floor.packets == floor.expected, "{} of {}", floor.packets, floor.expected);
    assert!(floor.expected.is_multiple_of(3) && floor.latency.count() == floor.packets);
    assert!(floor.trains > 0 && floor.trains < floor.packets);
    assert!(floor.cpu > Duration::ZERO && floor.aead_ns_per_packet > 0.0);
}

#[test]
fn the_encrypting_reflectors_packets_reach_every_subscriber_readable_with_its_own_keys() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
        // More than one part.
        let floor = measure(&Options { sealed: true, subscribers: 40, profile, ..OPTIONS }).unwrap();
        assert!(floor.expected > 0 && floor.packets == floor.expected, "{} of {}", floor.packets, floor.expected);
        assert!(floor.expected.is_multiple_of(40) && floor.latency.count() == floor.packets);
        assert!(floor.trains > 0 && floor.trains < floor.packets && floor.cpu > Duration::ZERO);
    }
}
