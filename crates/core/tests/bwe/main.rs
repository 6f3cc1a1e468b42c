//! The bandwidth estimator in a closed loop over simulated links, in virtual time: what a subscriber's network carries
//! is found, used and given up again in time. Medians over seeds, which a failure prints.

mod hostile;
mod link;
mod media;
mod random;
mod run;
mod tcp;

use link::LinkOptions;
use media::{MediaOptions, Source};
use run::{Outcome, Scenario};

const SEEDS: std::ops::Range<u64> = 1..6;

fn elastic() -> MediaOptions {
    MediaOptions::new(Source::Elastic)
}

/// 2.5 Mbit/s at most.
fn layered() -> MediaOptions {
    MediaOptions::new(Source::Layered(vec![150_000, 500_000, 1_500_000, 2_500_000]))
}

/// A figure of each seed, and the seeds in its order: the one in the middle counts.
fn figures(scenario: &Scenario, figure: impl Fn(&Outcome) -> f64) -> Vec<(f64, u64)> {
    let mut figures: Vec<(f64, u64)> = SEEDS.map(|seed| (figure(&scenario.run(seed)), seed)).collect();
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    figures
}

fn assert_at_most(bound: f64, scenario: &Scenario, figure: impl Fn(&Outcome) -> f64) {
    let figures = figures(scenario, figure);
    assert!(figures[figures.len() / 2].0 <= bound, "more than {bound}: (figure, seed) {figures:?}");
}

fn assert_at_least(bound: f64, scenario: &Scenario, figure: impl Fn(&Outcome) -> f64) {
    let figures = figures(scenario, figure);
    assert!(figures[figures.len() / 2].0 >= bound, "less than {bound}: (figure, seed) {figures:?}");
}

/// Milliseconds until so much of the first flow is sent.
fn reaches(bps: f64, from_ms: u64) -> impl Fn(&Outcome) -> f64 {
    move |run| run.sent_time_ms(0, from_ms, bps, true).map_or(f64::INFINITY, |ms| ms as f64)
}

fn falls_below(bps: f64, from_ms: u64) -> impl Fn(&Outcome) -> f64 {
    move |run| run.sent_time_ms(0, from_ms, bps, false).map_or(f64::INFINITY, |ms| ms as f64)
}

#[test]
fn from_300_kbit_a_sender_reaches_2_5_mbit_within_a_second_and_a_half() {
    for media in [elastic(), layered()] {
        let scenario = Scenario::new(LinkOptions::steady(3_000_000), vec![media], 4);
        assert_at_most(1_500.0, &scenario, reaches(2.4e6, 0));
    }
}

#[test]
fn feedback_every_100_ms_is_enough_to_start_as_fast() {
    let media = MediaOptions { feedback_us: 100_000, ..layered() };
    let scenario = Scenario::new(LinkOptions::steady(3_000_000), vec![media], 4);
    assert_at_most(1_500.0, &scenario, reaches(2.4e6, 0));
}

#[test]
fn when_the_capacity_falls_to_a_fifth_the_rate_follows_within_a_second_and_the_queue_drains() {
    let link = LinkOptions::stepping(&[(0, 5_000_000), (10_000, 1_000_000)]);
    let scenario = Scenario::new(link, vec![layered()], 15);
    assert_at_most(1_000.0, &scenario, falls_below(8.5e5, 10_000));
    // 2.5 Mbit/s into 1 Mbit/s make 150 ms of queue in each 100 ms until feedback tells.
    assert_at_most(300.0, &scenario, |run| run.queue_peak_ms(10_000, 13_000));
    assert_at_most(1_500.0, &scenario, |run| run.drained_after_ms(10_000, 14_000, 30.0) as f64);
}

#[test]
fn a_sender_that_used_all_of_it_gives_way_as_fast() {
    let link = LinkOptions::stepping(&[(0, 5_000_000), (10_000, 1_000_000)]);
    let scenario = Scenario::new(link, vec![elastic()], 20);
    assert_at_most(1_000.0, &scenario, falls_below(8.5e5, 10_000));
    assert_at_least(0.85, &scenario, |run| run.arrived_bps(0, 14_000, 20_000) / 1e6);
}

#[test]
fn when_the_capacity_grows_fivefold_four_fifths_are_used_within_five_seconds() {
    let link = || LinkOptions::stepping(&[(0, 1_000_000), (15_000, 5_000_000)]);
    assert_at_most(5_000.0, &Scenario::new(link(), vec![elastic()], 22), reaches(4e6, 15_000));
    assert_at_most(5_000.0, &Scenario::new(link(), vec![layered()], 22), reaches(2.2e6, 15_000));
}

#[test]
fn a_steady_link_is_used_by_nine_tenths_without_a_standing_queue() {
    for bps in [100_000, 800_000, 2_000_000] {
        let scenario = Scenario::new(LinkOptions::steady(bps), vec![elastic()], 40);
        assert_at_least(0.9, &scenario, |run| run.arrived_bps(0, 10_000, 40_000) / bps as f64);
        assert_at_most(30.0, &scenario, |run| run.queue_median_ms(10_000, 40_000));
    }
}

#[test]
fn layers_do_not_flap_on_a_steady_link() {
    for (bps, jitter_us) in [(800_000, 0), (2_000_000, 0), (2_000_000, 5_000)] {
        let link = LinkOptions { jitter_us, ..LinkOptions::steady(bps) };
        let scenario = Scenario::new(link, vec![layered()], 60);
        assert_at_most(0.0, &scenario, |run| {
            run.media[0].switches.iter().filter(|(at_us, _)| *at_us > 10_000_000).count() as f64
        });
    }
}

#[test]
fn random_loss_does_not_take_the_rate_down() {
    for (loss, burst, bound) in [(0.02, 1.0, 0.85), (0.05, 1.0, 0.85), (0.10, 1.0, 0.8), (0.10, 4.0, 0.75)] {
        let link = LinkOptions { loss, burst, ..LinkOptions::steady(3_000_000) };
        let scenario = Scenario::new(link, vec![elastic()], 40);
        assert_at_least(bound, &scenario, |run| run.sent_bps(0, 10_000, 40_000) / 3e6);
    }
}

#[test]
fn loss_by_a_queue_too_short_to_show_in_delay_takes_the_rate_down() {
    let link = LinkOptions { queue_ms: 15, ..LinkOptions::stepping(&[(0, 3_000_000), (10_000, 1_000_000)]) };
    let scenario = Scenario::new(link, vec![elastic()], 20);
    assert_at_most(1_500.0, &scenario, falls_below(1.1e6, 10_000));
}

#[test]
fn two_of_our_flows_share_a_link_fairly() {
    let late = MediaOptions { begins_us: 10_000_000, ..elastic() };
    let scenario = Scenario::new(LinkOptions::steady(3_000_000), vec![elastic(), late], 90);
    assert_at_least(0.95, &scenario, |run| {
        let (one, other) = (run.arrived_bps(0, 30_000, 90_000), run.arrived_bps(1, 30_000, 90_000));
        (one + other) * (one + other) / 2.0 / (one * one + other * other)
    });
}

#[test]
fn beside_a_download_we_keep_a_quarter_and_leave_a_quarter() {
    for queue_ms in [100, 200] {
        let link = LinkOptions { queue_ms, ..LinkOptions::steady(3_000_000) };
        let scenario = Scenario { tcp_at_ms: Some(10_000), ..Scenario::new(link, vec![elastic()], 90) };
        assert_at_least(0.25, &scenario, |run| run.arrived_bps(0, 30_000, 90_000) / 3e6);
        assert_at_most(0.75, &scenario, |run| run.arrived_bps(0, 30_000, 90_000) / 3e6);
    }
}

#[test]
fn after_an_outage_of_two_seconds_the_video_is_back_within_one() {
    let link = LinkOptions::stepping(&[(0, 3_000_000), (10_000, 0), (12_000, 3_000_000)]);
    let scenario = Scenario::new(link, vec![layered()], 16);
    assert_at_most(1_000.0, &scenario, reaches(1.2e6, 12_000));
}

#[test]
fn at_100_kbit_audio_finds_no_queue_and_video_is_back_within_five_seconds() {
    let link = LinkOptions::stepping(&[(0, 1_000_000), (10_000, 100_000), (30_000, 1_000_000)]);
    let scenario = Scenario::new(link, vec![layered()], 40);
    assert_at_most(60.0, &scenario, |run| run.queue_peak_ms(15_000, 30_000));
    assert_at_most(5_000.0, &scenario, reaches(4.5e5, 30_000));
}

#[test]
fn the_estimate_of_a_sender_with_little_to_send_is_held() {
    let media = MediaOptions { start_bps: 2_000_000, ..MediaOptions::new(Source::Layered(vec![150_000])) };
    let scenario = Scenario::new(LinkOptions::steady(5_000_000), vec![media], 60);
    let run = scenario.run(1);
    assert_eq!(run.samples.last().map(|sample| sample.estimate_bps[0]), Some(2_000_000));
    assert_eq!(run.media[0].probes.len(), 0, "nothing more is wanted");
}

#[test]
fn a_sender_of_nothing_but_audio_is_not_probed() {
    let scenario = Scenario::new(LinkOptions::steady(5_000_000), vec![MediaOptions::new(Source::Nothing)], 20);
    assert_eq!(scenario.run(1).media[0].probes.len(), 0);
}

#[test]
fn lost_feedback_costs_little() {
    let media = MediaOptions { feedback_loss: 0.2, ..elastic() };
    let scenario = Scenario::new(LinkOptions::steady(2_000_000), vec![media], 40);
    assert_at_least(0.8, &scenario, |run| run.arrived_bps(0, 10_000, 40_000) / 2e6);
}
