//! What a subscriber may send: nothing of it panics, moves the estimate out of its bounds or makes the history grow.

use proptest::prelude::*;
use sfu_core::bwe::{BweOptions, Cause, Covered, Estimator, FeedbackKind, SentKind, SentPacket};
use sfu_core::rtcp::{FeedbackFields, TransportFeedback, write_transport_feedback};
use sfu_core::time::{Micros, Time};
use sfu_core::wire::Writer;

fn sent(seq: u64, at_us: u64) -> SentPacket {
    SentPacket { seq, size: 1_200, sent: Time(at_us), kind: SentKind::Video, probe: None }
}

fn feedback(base: u64, arrivals: &[(u64, u64)]) -> Vec<u8> {
    let mut buffer = vec![0; 2_000];
    let mut writer = Writer::new(&mut buffer);
    let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: 2, feedback_count: 0 };
    write_transport_feedback(&mut writer, fields, base, arrivals).expect("room");
    let len = writer.len();
    buffer.truncate(len);
    buffer
}

proptest! {
    #[test]
    fn any_feedback_is_survived(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 16..80), 1..40),
        steps in proptest::collection::vec((0u64..40, 0u64..2_000_000), 40),
    ) {
        let options = BweOptions::default();
        let mut estimator = Estimator::new(options, Time(0));
        let (mut seq, mut now_us) = (0, 0);
        for (body, (packets, step_us)) in bodies.iter().zip(steps) {
            for _ in 0..packets {
                estimator.on_sent(sent(seq, now_us));
                seq += 1;
            }
            now_us += step_us;
            if let Ok(feedback) = TransportFeedback::parse(body) {
                estimator.on_feedback(Time(now_us), &feedback);
            }
            estimator.on_timeout(Time(now_us));
            prop_assert!(estimator.next_timeout().is_none_or(|at| at > Time(now_us)), "what is due is done");
            estimator.poll_probe(Time(now_us));
            prop_assert!((options.min_bps..=options.max_bps).contains(&estimator.estimate_bps()));
            prop_assert!(estimator.memory_bytes() <= 8_192);
        }
    }

    #[test]
    fn arrivals_that_make_no_sense_are_survived(
        arrivals in proptest::collection::vec((0u64..3, 0u64..400_000_000), 10..200),
        lossy in 0u64..3,
    ) {
        let options = BweOptions::default();
        let mut estimator = Estimator::new(options, Time(0));
        let mut told = Vec::new();
        for (seq, (_, at_us)) in arrivals.iter().enumerate() {
            let seq = seq as u64;
            estimator.on_sent(sent(seq, seq * 3_000));
            told.push((seq * (1 + lossy), *at_us));
        }
        let message = feedback(0, &told);
        let feedback = TransportFeedback::parse(&message[4..]).expect("our own");
        estimator.on_feedback(Time(700_000), &feedback);
        estimator.on_feedback(Time(800_000), &feedback);
        prop_assert!((options.min_bps..=options.max_bps).contains(&estimator.estimate_bps()));
    }
}

#[test]
fn what_the_publisher_lost_never_shows() {
    // Media packets 3 and 4 never reached the server: the transport-wide numbers go on without them.
    let mut estimator = Estimator::new(BweOptions::default(), Time(0));
    for seq in 0..100 {
        estimator.on_sent(sent(seq, seq * 10_000));
    }
    let arrivals: Vec<(u64, u64)> = (0..100).map(|seq| (seq, 1_000_000 + seq * 10_000)).collect();
    let message = feedback(0, &arrivals);
    estimator.on_feedback(Time(1_100_000), &TransportFeedback::parse(&message[4..]).expect("our own"));
    assert!(estimator.state().loss.abs() < f32::EPSILON);
}

#[test]
fn a_receiver_without_transport_wide_feedback_is_followed_by_remb_and_costs_no_history() {
    let mut estimator = Estimator::new(BweOptions::default(), Time(0));
    let update = estimator.on_remb(Time(1_000_000), 2_000_000, Covered::default()).expect("a change");
    assert_eq!((update.estimate_bps, update.cause), (2_000_000, Cause::Remb));
    let update = estimator.on_remb(Time(1_050_000), 500_000, Covered::default()).expect("falls are told at once");
    assert_eq!(update.estimate_bps, 500_000);
    assert_eq!(
        estimator.on_remb(Time(2_000_000), u64::MAX, Covered::default()).map(|update| update.estimate_bps),
        Some(20_000_000)
    );
    assert_eq!((estimator.memory_bytes(), estimator.state().feedback), (0, Some(FeedbackKind::Remb)));
}

#[test]
fn a_receiver_with_reports_alone_is_followed_by_its_loss() {
    let mut estimator = Estimator::new(BweOptions { start_bps: 1_000_000, ..BweOptions::default() }, Time(0));
    let update = estimator.on_receiver_report(Time(1_000_000), 64).expect("a quarter was lost");
    assert_eq!((update.estimate_bps, update.cause), (875_000, Cause::Loss));
    assert_eq!(estimator.state().feedback, Some(FeedbackKind::Reports));
}

#[test]
fn transport_wide_feedback_outweighs_remb_and_reports() {
    let mut estimator = Estimator::new(BweOptions::default(), Time(0));
    estimator.on_sent(sent(0, 0));
    let message = feedback(0, &[(0, 50_000)]);
    estimator.on_feedback(Time(100_000), &TransportFeedback::parse(&message[4..]).expect("our own"));
    assert_eq!(estimator.on_remb(Time(200_000), 100_000, Covered::default()), None);
    assert_eq!(estimator.on_receiver_report(Time(200_000), 200), None);
    assert_eq!(estimator.state().feedback, Some(FeedbackKind::TransportCc));
}

#[test]
fn who_sends_nothing_is_not_woken() {
    let mut estimator = Estimator::new(BweOptions::default(), Time(0));
    assert_eq!(estimator.next_timeout(), None);
    assert_eq!(estimator.poll_probe(Time(0) + Micros::from_secs(1)), None);
    estimator.set_desired(Time(2_000_000), 1_000_000);
    assert_eq!(estimator.next_timeout(), None);
}

#[test]
fn the_first_packet_sent_brings_the_first_probe_and_an_unknown_wish_has_a_bound() {
    let mut estimator = Estimator::new(BweOptions::default(), Time(0));
    estimator.on_sent(sent(0, 3_000_000));
    assert_eq!(estimator.next_timeout(), Some(Time(3_000_000)));
    assert_eq!(estimator.on_timeout(Time(3_000_000)), None);
    assert_eq!(estimator.poll_probe(Time(3_000_000)).map(|plan| plan.rate_bps), Some(900_000));
    assert_eq!(estimator.poll_probe(Time(3_000_000)), None);
    let high = BweOptions { start_bps: 3_500_000, ..BweOptions::default() };
    estimator = Estimator::new(high, Time(0));
    estimator.on_sent(sent(0, 0));
    estimator.on_timeout(Time(0));
    assert_eq!(estimator.poll_probe(Time(0)), None);
}
