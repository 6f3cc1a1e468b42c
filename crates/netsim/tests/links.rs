//! Links and queues against what theory says of them.

use sfu_core::time::{Micros, Time};
use sfu_netsim::bottleneck::{Bottleneck, TcpOptions};
use sfu_netsim::codel::CodelOptions;
use sfu_netsim::link::{Link, LinkOptions};
use sfu_netsim::loss::LossModel;
use sfu_netsim::queue::{Discipline, QueueOptions};
use sfu_netsim::random::Random;
use sfu_netsim::tcp::Algorithm;
use sfu_netsim::trace::RateTrace;

const MS: u64 = 1_000;

/// Sends packets of `size` at the times given; (entered, arrived, number) of those that came.
fn carry(options: LinkOptions, size: usize, times: impl IntoIterator<Item = u64>) -> Vec<(u64, u64, usize)> {
    let mut link = Link::new(options, Random::new(5));
    let mut arrived = Vec::new();
    for (number, at) in times.into_iter().enumerate() {
        link.advance(Time(at), |at, packet| arrived.push((packet.entered.0, at.0, packet.payload)));
        link.send(Time(at), size, number);
    }
    link.advance(Time(u64::MAX), |at, packet| arrived.push((packet.entered.0, at.0, packet.payload)));
    arrived
}

#[test]
fn a_burst_leaves_spaced_by_the_time_each_packet_takes() {
    let arrived = carry(LinkOptions::clean(1_000_000, Micros(20 * MS)), 1_250, [0; 4]);
    let times: Vec<u64> = arrived.iter().map(|it| it.1).collect();
    assert_eq!(times, [30 * MS, 40 * MS, 50 * MS, 60 * MS]);
}

#[test]
fn random_arrivals_wait_as_long_as_queueing_theory_says() {
    // M/D/1: the mean wait is rho / (2 (1 - rho)) service times (Pollaczek and Khinchine).
    for rho in [0.5, 0.8] {
        let mut random = Random::new(9);
        let mut at = 0.0;
        let service_us = 1_000.0;
        let times: Vec<u64> = (0..300_000)
            .map(|_| {
                at += random.exponential(service_us / rho);
                at as u64
            })
            .collect();
        // 1,250 bytes in 1 ms.
        let mut options = LinkOptions::clean(10_000_000, Micros(0));
        options.queue.limit_bytes = usize::MAX / 2;
        let arrived = carry(options, 1_250, times);
        let wait: f64 = arrived.iter().map(|it| (it.1 - it.0) as f64 - service_us).sum::<f64>() / arrived.len() as f64;
        let expected = service_us * rho / (2.0 * (1.0 - rho));
        assert!((wait / expected - 1.0).abs() < 0.05, "rho {rho}: {wait} instead of {expected}");
    }
}

#[test]
fn a_full_droptail_queue_delays_by_its_depth_and_passes_the_link_s_rate() {
    let mut options = LinkOptions::clean(1_000_000, Micros(0));
    options.queue = QueueOptions::drop_tail(1_000_000, Micros(200 * MS));
    // Twice the rate for 10 s.
    let arrived = carry(options, 1_250, (0..2_000).map(|number| number * 5 * MS));
    let late: Vec<u64> = arrived.iter().skip(200).map(|it| it.1 - it.0).collect();
    let (low, high) = (late.iter().min().unwrap(), late.iter().max().unwrap());
    // What waits is at most 200 ms; the packet on the transmitter and itself take 10 ms each.
    assert!(*low > 190 * MS && *high <= 220 * MS, "{low} {high}");
    assert!((1_000..=1_022).contains(&arrived.len()), "{}", arrived.len());
}

#[test]
fn jitter_keeps_the_order_and_reordering_does_not() {
    let mut options = LinkOptions::clean(100_000_000, Micros(10 * MS));
    options.jitter = Micros(30 * MS);
    let arrived = carry(options.clone(), 100, (0..10_000).map(|number| number * 5 * MS));
    assert!(arrived.iter().map(|it| it.2).is_sorted());
    let delays: Vec<u64> = arrived.iter().map(|it| it.1 - it.0).collect();
    let mean = delays.iter().sum::<u64>() as f64 / delays.len() as f64;
    assert!(mean > 25.0e3 && *delays.iter().max().unwrap() <= 40 * MS + 100, "{mean}");

    options.jitter = Micros(0);
    options.reorder = 0.02;
    options.reorder_by = Micros(12 * MS);
    let arrived = carry(options, 100, (0..10_000).map(|number| number * 5 * MS));
    let overtaken = arrived.windows(2).filter(|pair| pair[0].2 > pair[1].2).count();
    assert!((160..=240).contains(&overtaken), "{overtaken}");
}

#[test]
fn radio_loss_takes_capacity_as_delivered_packets_do() {
    let mut options = LinkOptions::clean(1_000_000, Micros(0));
    options.loss = LossModel::Random { p: 0.5 };
    let arrived = carry(options, 1_250, (0..2_000).map(|number| number * 10 * MS));
    assert!((900..=1_100).contains(&arrived.len()), "{}", arrived.len());
    assert!(arrived.iter().all(|it| it.1 - it.0 == 10 * MS));
}

fn download(discipline: Discipline, algorithm: Algorithm) -> (f64, Vec<u64>) {
    let bps = 10_000_000;
    let queue = QueueOptions { limit_bytes: 200_000, discipline };
    let options = LinkOptions::with_trace(RateTrace::constant(bps), queue, Micros(25 * MS));
    let flow = TcpOptions { algorithm, start: Time(0), stop: Time(60_000_000), return_delay: Micros(25 * MS) };
    let mut path: Bottleneck<()> = Bottleneck::new(options, &[flow], Random::new(2));
    let mut delays = Vec::new();
    for at in (0..60_000_000).step_by(10_000) {
        path.advance(Time(at), |_, _, ()| ());
        if at > 20_000_000 {
            delays.push(path.queue_delay(Time(at)).0);
        }
    }
    delays.sort_unstable();
    let used = path.tcp_bytes().sum::<u64>() as f64 * 8.0 / (bps as f64 * 60.0);
    (used, delays)
}

#[test]
fn tcp_fills_a_droptail_queue_and_codel_keeps_it_near_its_target() {
    for algorithm in [Algorithm::Reno, Algorithm::Cubic] {
        let (used, delays) = download(Discipline::DropTail, algorithm);
        assert!(used > 0.97, "{algorithm:?} used {used}");
        // 200 kB at 10 Mbit/s are 160 ms: losses come at a full queue only.
        let (median, most) = (delays[delays.len() / 2], delays[delays.len() - 1]);
        assert!((150 * MS..=162 * MS).contains(&most) && median > 80 * MS, "{algorithm:?} {median} {most}");

        let (used, delays) = download(Discipline::Codel(CodelOptions::default()), algorithm);
        assert!(used > 0.8, "{algorithm:?} used {used} with CoDel");
        let median = delays[delays.len() / 2];
        let p95 = delays[delays.len() * 95 / 100];
        assert!(median < 15 * MS && p95 < 60 * MS, "{algorithm:?} {median} {p95}");
    }
}

#[test]
fn two_downloads_share_and_the_same_seed_gives_the_same_course() {
    let run = || {
        let mut options = LinkOptions::clean(10_000_000, Micros(25 * MS));
        options.queue.discipline = Discipline::Codel(CodelOptions::default());
        let flow = |start| TcpOptions {
            algorithm: Algorithm::Cubic,
            start: Time(start),
            stop: Time(120_000_000),
            return_delay: Micros(25 * MS),
        };
        let mut path: Bottleneck<()> = Bottleneck::new(options, &[flow(0), flow(1_000_000)], Random::new(4));
        path.advance(Time(120_000_000), |_, _, ()| ());
        path.tcp_bytes().collect::<Vec<_>>()
    };
    let bytes = run();
    assert_eq!(bytes, run());
    let ratio = bytes[0] as f64 / bytes[1] as f64;
    assert!((0.6..1.7).contains(&ratio), "{bytes:?}");
}
