//! Runs the estimator alone through the network cases of `sfu bench network` and prints what matters of each.
//!
//! `cargo run --release -p sfu-netsim --example estimate [CASE] [SEEDS]`; with a case and one seed also its course.

use sfu_core::time::{Micros, Time};
use sfu_netsim::bottleneck::TcpOptions;
use sfu_netsim::driver::{DriverOptions, FlowOptions, Outcome, Source, run};
use sfu_netsim::link::LinkOptions;
use sfu_netsim::loss::LossModel;
use sfu_netsim::queue::QueueOptions;
use sfu_netsim::random::Random;
use sfu_netsim::tcp::Algorithm;
use sfu_netsim::trace::{LteOptions, RateTrace};

const HALF_RTT: Micros = Micros::from_millis(25);

type Figures = Vec<(&'static str, f64)>;

struct Case {
    name: &'static str,
    make: fn(u64) -> DriverOptions,
    judge: fn(&Outcome) -> Figures,
}

fn one(seed: u64, seconds: u64, link: LinkOptions) -> DriverOptions {
    DriverOptions::new(seed, Micros::from_secs(seconds), link, Source::Elastic)
}

fn steps(seed: u64, seconds: u64, rates: &[(u64, u64)]) -> DriverOptions {
    let steps = rates.iter().map(|&(at, kbps)| (Time(at * 1_000_000), kbps * 1_000)).collect();
    let trace = RateTrace::steps(steps).expect("a rate");
    // 300 ms at the lowest rate, as at a small router.
    let lowest = rates.iter().map(|rate| rate.1).min().unwrap_or(1_000) * 1_000;
    let queue = QueueOptions::drop_tail(lowest.max(300_000), Micros::from_millis(300));
    one(seed, seconds, LinkOptions::with_trace(trace, queue, HALF_RTT))
}

fn lossy(seed: u64, kbps: u64, p: f64) -> DriverOptions {
    let mut options = one(seed, 60, LinkOptions::clean(kbps * 1_000, HALF_RTT));
    options.link.loss = LossModel::Random { p };
    options
}

fn seconds(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::INFINITY)
}

fn steady(outcome: &Outcome) -> Figures {
    vec![
        ("used", outcome.utilisation(20.0, 60.0)),
        ("queue median ms", outcome.queue_ms(0.5, 20.0, 60.0)),
        ("queue p95 ms", outcome.queue_ms(0.95, 20.0, 60.0)),
    ]
}

const CASES: [Case; 10] = [
    Case {
        name: "start",
        make: |seed| one(seed, 20, LinkOptions::clean(5_000_000, HALF_RTT)),
        judge: |outcome| vec![("2.5 Mbit/s after s", seconds(outcome.estimate_reaches(0, 2_500_000, 0.0)))],
    },
    Case {
        name: "down",
        make: |seed| steps(seed, 40, &[(0, 5_000), (20, 1_000)]),
        judge: |outcome| {
            let drained = outcome.samples.iter().rfind(|it| it.at > Time(20_000_000) && it.queue > Micros(30_000));
            vec![
                ("<= 85 % after s", seconds(outcome.sent_falls_to(0, 850_000, 20.0))),
                ("queue peak ms", outcome.queue_ms(1.0, 20.0, 25.0)),
                ("above 30 ms until s", drained.map_or(0.0, |it| it.at.0 as f64 / 1e6 - 20.0)),
            ]
        },
    },
    Case {
        name: "up",
        make: |seed| steps(seed, 50, &[(0, 1_000), (20, 5_000)]),
        judge: |outcome| vec![("80 % after s", seconds(outcome.estimate_reaches(0, 4_000_000, 20.0)))],
    },
    Case { name: "steady-800k", make: |seed| one(seed, 60, LinkOptions::clean(800_000, HALF_RTT)), judge: steady },
    Case { name: "loss-2", make: |seed| lossy(seed, 3_000, 0.02), judge: steady },
    Case { name: "loss-10", make: |seed| lossy(seed, 3_000, 0.10), judge: steady },
    Case {
        name: "square",
        make: |seed| steps(seed, 90, &[(0, 4_000), (20, 1_000), (30, 4_000), (50, 1_000), (60, 4_000), (80, 1_000)]),
        judge: |outcome| {
            vec![("used", outcome.utilisation(10.0, 90.0)), ("queue p95 ms", outcome.queue_ms(0.95, 10.0, 90.0))]
        },
    },
    Case {
        name: "lte",
        make: |seed| {
            let trace = RateTrace::lte(LteOptions::default(), Random::new(seed).fork(77), Time(120_000_000));
            let queue = QueueOptions::drop_tail(3_000_000, Micros::from_millis(500));
            one(seed, 120, LinkOptions::with_trace(trace, queue, HALF_RTT))
        },
        judge: |outcome| {
            vec![("used", outcome.utilisation(10.0, 120.0)), ("queue p95 ms", outcome.queue_ms(0.95, 10.0, 120.0))]
        },
    },
    Case {
        name: "fair",
        make: |seed| {
            let mut options = one(seed, 120, LinkOptions::clean(4_000_000, HALF_RTT));
            options.flows.push(FlowOptions { start: Time(10_000_000), ..FlowOptions::new(Source::Elastic) });
            options
        },
        judge: |outcome| vec![("Jain", outcome.fairness(40.0, 120.0)), ("used", outcome.utilisation(40.0, 120.0))],
    },
    Case {
        name: "cubic",
        make: |seed| {
            let mut options = one(seed, 120, LinkOptions::clean(4_000_000, HALF_RTT));
            let (start, stop) = (Time(10_000_000), Time(120_000_000));
            options.tcp.push(TcpOptions { algorithm: Algorithm::Cubic, start, stop, return_delay: HALF_RTT });
            options
        },
        judge: |outcome| vec![("share", outcome.utilisation(40.0, 120.0))],
    },
];

fn quantile(values: &mut [f64], quantile: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * quantile).round() as usize]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next().unwrap_or_else(|| "all".to_owned());
    let seeds: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    for case in CASES.iter().filter(|case| only == "all" || case.name == only) {
        let outcomes: Vec<Outcome> = (1..=seeds).map(|seed| run(&(case.make)(seed))).collect();
        if seeds == 1 && only != "all" {
            print!("{}", outcomes[0].table(0));
        }
        let figures: Vec<Figures> = outcomes.iter().map(case.judge).collect();
        for (place, (what, _)) in figures[0].iter().enumerate() {
            let mut values: Vec<f64> = figures.iter().map(|figures| figures[place].1).collect();
            let (median, p95) = (quantile(&mut values, 0.5), quantile(&mut values, 0.95));
            let low = quantile(&mut values, 0.05);
            println!("{:12} {what:22} p5 {low:8.2}  median {median:8.2}  p95 {p95:8.2}", case.name);
        }
    }
}
