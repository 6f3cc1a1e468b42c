//! The estimator's driver: what it sends is what it says, and a seed gives one course.

use sfu_core::time::Micros;
use sfu_netsim::driver::{DriverOptions, Source, run};
use sfu_netsim::link::LinkOptions;
use sfu_netsim::loss::LossModel;

fn lossy(seed: u64) -> DriverOptions {
    let mut link = LinkOptions::clean(2_000_000, Micros::from_millis(25));
    link.loss = LossModel::bursts(0.02, 3.0);
    link.jitter = Micros::from_millis(5);
    DriverOptions::new(seed, Micros::from_secs(20), link, Source::Layered(vec![150_000, 500_000, 1_500_000]))
}

#[test]
fn the_same_seed_gives_the_same_course_and_another_one_another() {
    assert_eq!(run(&lossy(1)), run(&lossy(1)));
    assert_ne!(run(&lossy(1)), run(&lossy(2)));
}

#[test]
fn a_layered_source_sends_audio_and_the_layer_that_fits() {
    let outcome = run(&lossy(3));
    let total: u64 = outcome.samples.iter().map(|sample| sample.flows[0].sent_bps).sum();
    assert_eq!(total / 80, outcome.counts.offered_bytes, "what the samples say is what the link got");
    for sample in outcome.samples.iter().filter(|sample| sample.at.0 > 1_000_000) {
        assert!(sample.flows[0].sent_bps > 40_000, "no audio at {:?}", sample.at);
    }
}
