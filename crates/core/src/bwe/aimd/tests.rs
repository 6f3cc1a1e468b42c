use super::*;

fn observed(usage: Usage, queue_ms: f64, acked_bps: f64) -> Observed {
    let acked = Some(acked_bps);
    let rtt = Micros::from_millis(50);
    Observed {
        usage,
        queue_ms,
        floor_ms: 0.0,
        has_lost: false,
        acked_bps: acked,
        recent_bps: acked,
        rtt,
        is_limited: false,
        is_probed: false,
        fallen_to_bps: None,
    }
}

/// Feedback every 50 ms.
fn run(aimd: &mut Aimd, from_ms: u64, to_ms: u64, observed: impl Fn(f64) -> Observed) {
    for ms in (from_ms..to_ms).step_by(50) {
        let observed = observed(aimd.rate_bps());
        aimd.update(Time(ms * 1_000), &observed);
    }
}

#[test]
fn a_long_growing_queue_takes_the_rate_to_85_percent_of_what_arrives_and_lower_while_it_drains() {
    let mut aimd = Aimd::new(5e6);
    assert_eq!(aimd.update(Time(0), &observed(Usage::Over, 150.0, 1e6)), Step::Reduced);
    assert!((aimd.rate_bps() - 8.5e5).abs() < 1.0);
    assert!(aimd.target_bps() < 7e5 && aimd.target_bps() > 5e5, "{}", aimd.target_bps());
    aimd.update(Time(400_000), &observed(Usage::Under, 5.0, 1e6));
    assert!((aimd.target_bps() - aimd.rate_bps()).abs() < 1.0);
}

#[test]
fn a_link_that_fell_is_believed_before_its_queue_shows_and_the_queue_is_what_is_on_its_way() {
    let mut aimd = Aimd::new(5e6);
    let fallen = Observed { fallen_to_bps: Some(1e6), ..observed(Usage::Normal, 5.0, 4e6) };
    assert_eq!(aimd.update(Time(0), &fallen), Step::Reduced);
    assert!((aimd.rate_bps() - 8.5e5).abs() < 1.0 && aimd.fallen_to_bps() == Some(1e6));
    aimd.set_excess_ms(230.0);
    assert!((aimd.target_bps() - 4.25e5).abs() < 1.0, "{}", aimd.target_bps());
    // What waited arrives: nothing new.
    assert_eq!(aimd.update(Time(200_000), &observed(Usage::Over, 200.0, 1e6)), Step::Held);
    assert!((aimd.rate_bps() - 8.5e5).abs() < 1.0);
    aimd.update(Time(400_000), &observed(Usage::Normal, 5.0, 1e6));
    assert!(!aimd.is_congested() && aimd.fallen_to_bps().is_none());
}

#[test]
fn a_short_queue_costs_no_more_than_it_takes_to_drain_it() {
    let mut aimd = Aimd::new(1e6);
    aimd.update(Time(0), &observed(Usage::Over, 15.0, 1e6));
    assert!((aimd.rate_bps() - 1e6).abs() < 1e-6, "two packets' time is no queue: {}", aimd.rate_bps());
    aimd.update(Time(0), &observed(Usage::Over, 35.0, 1e6));
    assert!((aimd.rate_bps() - 9.4e5).abs() < 1.0, "{}", aimd.rate_bps());
}

#[test]
fn a_short_queue_beside_who_sends_much_less_than_it_may_takes_little_from_it_and_a_long_one_all() {
    let limited = |queue_ms| Observed { is_limited: true, ..observed(Usage::Over, queue_ms, 4e5) };
    let mut aimd = Aimd::new(8e5);
    aimd.update(Time(0), &limited(50.0));
    assert!((aimd.rate_bps() - 0.93 * 8e5).abs() < 0.01 * 8e5, "{}", aimd.rate_bps());
    aimd.update(Time(1_000_000), &limited(100.0));
    assert!(aimd.rate_bps() < 4e5, "{}", aimd.rate_bps());
}

#[test]
fn a_trend_without_a_queue_takes_nothing_off() {
    let mut aimd = Aimd::new(5e6);
    assert_eq!(aimd.update(Time(0), &observed(Usage::Over, 3.0, 1e6)), Step::Held);
}

#[test]
fn an_unknown_link_is_explored_by_8_percent_a_second_and_no_further_than_what_arrives_shows() {
    let mut aimd = Aimd::new(1e6);
    run(&mut aimd, 0, 1_050, |rate| observed(Usage::Normal, 0.0, rate));
    assert!((aimd.rate_bps() - 1.08e6).abs() < 1e3, "{}", aimd.rate_bps());
    run(&mut aimd, 1_050, 60_000, |_| observed(Usage::Normal, 0.0, 1e6));
    assert!((aimd.rate_bps() - 1.17e6).abs() < 1.0, "{}", aimd.rate_bps());
}

#[test]
fn a_limited_sender_s_rate_is_held() {
    let mut aimd = Aimd::new(1e6);
    run(&mut aimd, 0, 60_000, |rate| Observed { is_limited: true, ..observed(Usage::Normal, 0.0, rate) });
    assert!((aimd.rate_bps() - 1e6).abs() < 1e-6);
}

#[test]
fn after_a_reduction_the_known_capacity_is_reached_fast_and_passed_slowly() {
    let mut aimd = Aimd::new(1e6);
    aimd.update(Time(0), &observed(Usage::Over, 150.0, 1e6));
    run(&mut aimd, 100, 500, |rate| observed(Usage::Normal, 0.0, rate));
    assert!(aimd.rate_bps() > 9e5, "{}", aimd.rate_bps());
    run(&mut aimd, 500, 1_500, |rate| observed(Usage::Normal, 0.0, rate));
    assert!(aimd.rate_bps() < 1.02e6, "{}", aimd.rate_bps());
}

#[test]
fn a_queue_that_stands_whatever_we_do_is_another_s_and_only_loss_takes_the_rate_down() {
    let mut aimd = Aimd::new(1e6);
    let contended = |usage, rate| Observed { floor_ms: 150.0, ..observed(usage, 200.0, rate) };
    run(&mut aimd, 0, 10_000, |rate| contended(Usage::Over, rate));
    let grown = aimd.rate_bps();
    assert!(grown > 1.5e6 && !aimd.is_congested(), "{grown}");
    let lossy = Observed { has_lost: true, ..contended(Usage::Normal, grown) };
    assert_eq!(aimd.update(Time(10_000_000), &lossy), Step::Reduced);
    assert!((aimd.rate_bps() - 0.85 * grown).abs() < 1.0);
    let too_long = Observed { queue_ms: 400.0, ..contended(Usage::Over, 1e6) };
    assert_eq!(aimd.update(Time(11_000_000), &too_long), Step::Reduced);
}
