//! When it probes, and for how much.

use super::*;

fn around(now_ms: u64, estimate_bps: f64) -> Surroundings {
    Surroundings {
        now: Time(now_ms * 1_000),
        estimate_bps,
        max_bps: 2e7,
        is_calm: true,
        noise_ms: 0.0,
        is_elastic: false,
    }
}

/// Sends a plan in packets of 1,200 bytes at its rate and lets it arrive at `link_bps`.
fn carry(probes: &mut Probes, plan: ProbePlan, now_ms: u64, link_bps: u64) -> Outcome {
    let base_seq = now_ms * 1_000;
    let packets = u64::from(plan.min_packets.max(plan.bytes.div_ceil(1_200)));
    let gap_us = |bps: u64| 1_200 * 8 * 1_000_000 / bps;
    for number in 0..packets {
        let sent = Time(now_ms * 1_000 + number * gap_us(plan.rate_bps));
        probes.on_sent(base_seq + number, 1_200, sent, Some(plan.id));
    }
    for number in 0..packets {
        let arrival = number * gap_us(plan.rate_bps.min(link_bps));
        probes.on_received(base_seq + number, 1_200, arrival.cast_signed());
    }
    probes.take_outcome(Time((now_ms + 100) * 1_000), base_seq + packets).unwrap()
}

fn tick(probes: &mut Probes, now_ms: u64, estimate_bps: f64) -> Option<ProbePlan> {
    probes.tick(&around(now_ms, estimate_bps));
    probes.take_plan()
}

fn rate_kbps(plan: Option<ProbePlan>) -> u64 {
    plan.map_or(0, |plan| (plan.rate_bps + 500) / 1_000)
}

#[test]
fn the_start_probes_three_and_six_times_and_goes_on_while_it_arrives() {
    let mut probes = Probes::default();
    probes.set_desired(Time(0), 2e7);
    assert_eq!(tick(&mut probes, 0, 3e5), None);
    probes.start(&around(0, 3e5));
    let first = tick(&mut probes, 0, 3e5);
    assert_eq!(rate_kbps(first), 900);
    assert_eq!(tick(&mut probes, 1, 3e5), None);
    carry(&mut probes, first.unwrap(), 2, 50_000_000);
    let second = tick(&mut probes, 110, 3e5);
    assert_eq!(rate_kbps(second), 1_800);
    let outcome = carry(&mut probes, second.unwrap(), 111, 50_000_000);
    probes.follow_up(outcome, true, &around(220, 1.8e6));
    assert_eq!(rate_kbps(tick(&mut probes, 220, 1.8e6)), 3_600);
}

#[test]
fn a_full_link_ends_the_series() {
    let mut probes = Probes::default();
    probes.start(&around(0, 3e5));
    let first = tick(&mut probes, 0, 3e5).unwrap();
    carry(&mut probes, first, 2, 1_000_000);
    let second = tick(&mut probes, 110, 3e5).unwrap();
    let outcome = carry(&mut probes, second, 111, 1_000_000);
    assert!(outcome.is_saturated && (outcome.bps.unwrap() - 9.5e5).abs() < 1e4, "{outcome:?}");
    probes.follow_up(outcome, true, &around(220, 9.5e5));
    assert_eq!(tick(&mut probes, 300, 9.5e5), None);
}

#[test]
fn no_more_is_probed_for_than_is_wanted() {
    let mut probes = Probes::default();
    probes.set_desired(Time(0), 6e5);
    probes.start(&around(0, 3e5));
    assert_eq!(rate_kbps(tick(&mut probes, 0, 3e5)), 690);
    probes.set_desired(Time(0), 0.0);
    assert_eq!(tick(&mut probes, 5_000, 3e5), None);
}

#[test]
fn a_wish_is_probed_for_at_once_and_then_every_two_seconds() {
    let mut probes = Probes::default();
    probes.set_desired(Time(0), 1e5);
    probes.start(&around(0, 3e5));
    assert_eq!(tick(&mut probes, 1_000, 3e5), None);
    probes.set_desired(Time(1_000_000), 2e6);
    assert_eq!(tick(&mut probes, 1_100, 3e5), None);
    let plan = tick(&mut probes, 1_250, 3e5);
    assert_eq!(rate_kbps(plan), 600);
    carry(&mut probes, plan.unwrap(), 1_260, 300_000);
    assert_eq!(tick(&mut probes, 3_300, 3e5), None);
    assert_eq!(rate_kbps(tick(&mut probes, 3_400, 3e5)), 600);
}

#[test]
fn a_probe_that_is_not_sent_is_given_up_and_tried_again_soon_under_another_name() {
    let mut probes = Probes::default();
    probes.start(&around(0, 3e5));
    let first = tick(&mut probes, 0, 3e5).unwrap();
    // 200 ms, and 5 packets at 900 kbit/s.
    assert_eq!(probes.next_timeout(), Some(Time(255_555)));
    assert_eq!(tick(&mut probes, 255, 3e5), None);
    assert_eq!(tick(&mut probes, 256, 3e5), None);
    assert_eq!(probes.next_timeout(), Some(Time(306_000)));
    let again = tick(&mut probes, 306, 3e5).unwrap();
    assert!(first.id < again.id && first.rate_bps == again.rate_bps);
    carry(&mut probes, again, 310, 50_000_000);
    assert_eq!(rate_kbps(tick(&mut probes, 420, 3e5)), 1_800);
}

#[test]
fn probes_that_can_never_be_sent_become_rarer() {
    let mut probes = Probes::default();
    probes.start(&around(0, 3e5));
    let planned = (0..20_000).filter(|ms| tick(&mut probes, *ms, 3e5).is_some()).count();
    assert!((10..20).contains(&planned), "{planned}");
}

#[test]
fn congestion_soon_after_a_raise_makes_probes_rarer() {
    let mut probes = Probes::default();
    probes.start(&around(0, 3e5));
    let plan = tick(&mut probes, 0, 3e5).unwrap();
    let outcome = carry(&mut probes, plan, 0, 50_000_000);
    probes.follow_up(outcome, true, &around(100, 9e5));
    probes.on_congestion(Time(1_000_000), 9e5, 6e5);
    assert_eq!(tick(&mut probes, 4_900, 6e5), None);
    assert!(tick(&mut probes, 5_000, 6e5).is_some());
}

#[test]
fn after_a_drop_what_was_is_probed_for_when_congestion_is_over() {
    let mut probes = Probes { started: true, ..Probes::default() };
    probes.on_congestion(Time(0), 2e6, 5e5);
    probes.on_recovery(Time(700_000));
    assert_eq!(tick(&mut probes, 900, 5e5), None);
    assert_eq!(rate_kbps(tick(&mut probes, 1_000, 5e5)), 1_700);
}

#[test]
fn where_there_is_jitter_probes_last_longer_and_must_find_it_twice() {
    let noisy = Surroundings { noise_ms: 4.0, ..around(0, 3e5) };
    let mut probes = Probes::default();
    probes.start(&noisy);
    probes.tick(&noisy);
    let first = probes.take_plan().unwrap();
    assert_eq!((first.rate_bps, first.bytes), (900_000, 2_250));
    carry(&mut probes, first, 0, 50_000_000);
    assert_eq!(probes.confirm(8e5, 9e5, &noisy), None);
    probes.tick(&noisy);
    let again = probes.take_plan().unwrap();
    assert_eq!(again.rate_bps, 900_000);
    carry(&mut probes, again, 50, 50_000_000);
    assert_eq!(probes.confirm(9e5, 9e5, &noisy), Some(8e5));
    assert_eq!(probes.confirm(9e5, 9e5, &around(0, 3e5)), Some(9e5));
}

#[test]
fn nothing_is_probed_while_the_network_is_not_calm() {
    let mut probes = Probes::default();
    probes.start(&around(0, 3e5));
    probes.tick(&Surroundings { is_calm: false, ..around(0, 3e5) });
    assert_eq!(probes.take_plan(), None);
    assert_eq!(probes.next_timeout(), Some(Time(100_000)));
    assert!(tick(&mut probes, 100, 3e5).is_some());
}

#[test]
fn a_sender_that_uses_all_it_may_probes_for_a_little_more_and_on_only_when_that_arrives_as_sent() {
    let elastic = |now_ms, estimate_bps| Surroundings { is_elastic: true, ..around(now_ms, estimate_bps) };
    let mut probes = Probes { started: true, next_at: Some(Time(0)), ..Probes::default() };
    probes.tick(&elastic(0, 1e6));
    let plan = probes.take_plan().unwrap();
    assert_eq!(plan.rate_bps, 1_300_000);
    let full = carry(&mut probes, plan, 0, 1_000_000);
    probes.follow_up(full, false, &elastic(100, 1e6));
    probes.tick(&elastic(1_000, 1e6));
    assert_eq!(probes.take_plan(), None);
    probes.tick(&elastic(2_100, 1e6));
    let plan = probes.take_plan().unwrap();
    let free = carry(&mut probes, plan, 2_100, 50_000_000);
    probes.follow_up(free, true, &elastic(2_200, 1.3e6));
    probes.tick(&elastic(2_200, 1.3e6));
    assert_eq!(rate_kbps(probes.take_plan()), 2_600);
}

#[test]
fn before_the_allocation_said_anything_a_picture_of_720p_is_the_goal() {
    let mut probes = Probes::default();
    probes.start(&around(0, 2e6));
    assert_eq!(rate_kbps(tick(&mut probes, 0, 2e6)), 3_000);
    assert_eq!(tick(&mut Probes { started: true, next_at: Some(Time(0)), ..Probes::default() }, 0, 3e6), None);
}

#[test]
fn a_wish_that_grows_again_and_again_does_not_put_its_probe_off() {
    let mut probes = Probes { started: true, next_at: Some(Time(9_000_000)), ..Probes::default() };
    let planned = (0..10).map(|step| {
        probes.set_desired(Time(step * 100_000), 1e6 + 2e5 * step as f64);
        tick(&mut probes, step * 100, 3e5).is_some()
    });
    assert_eq!(planned.take_while(|planned| !planned).count(), 3);
}
