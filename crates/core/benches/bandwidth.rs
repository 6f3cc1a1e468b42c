//! What the bandwidth estimator costs for each packet to a subscriber: noting it when it is sent, and reading the feedback
//! that tells of it. `cargo bench -p sfu-core --bench bandwidth`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sfu_core::bwe::{BweOptions, Estimator, SentKind, SentPacket};
use sfu_core::rtcp::{FeedbackFields, TransportFeedback, write_transport_feedback};
use sfu_core::time::Time;
use sfu_core::wire::Writer;

/// Of one feedback: 50 ms of 2.3 Mbit/s, in frames of four.
const PACKETS: u64 = 12;
const FEEDBACK_US: u64 = 50_000;
const FRAME_PACKETS: u64 = 4;
/// Header of RTCP in front of what is parsed.
const RTCP_HEADER: usize = 4;

/// A subscriber on a link with room: packets arrive 25 ms after they were sent.
struct Subscriber {
    estimator: Estimator,
    round: u64,
}

impl Subscriber {
    fn new() -> Self {
        Self { estimator: Estimator::new(BweOptions::default(), Time(0)), round: 0 }
    }

    fn sent_us(&self, number: u64) -> u64 {
        self.round * FEEDBACK_US + number / FRAME_PACKETS * (FEEDBACK_US * FRAME_PACKETS / PACKETS)
    }

    fn send(&mut self) {
        for number in 0..PACKETS {
            let (seq, sent) = (self.round * PACKETS + number, Time(self.sent_us(number)));
            let packet = SentPacket { seq, size: 1_200, sent, kind: SentKind::Video, probe: None };
            self.estimator.on_sent(black_box(packet));
        }
    }

    fn message(&self) -> Vec<u8> {
        let number = self.round * PACKETS;
        let arrival = |at: u64| 1_000_000 + self.sent_us(at) + at % FRAME_PACKETS * 2_000;
        let arrivals: Vec<(u64, u64)> = (0..PACKETS).map(|at| (number + at, arrival(at))).collect();
        let mut buffer = vec![0; 200];
        let mut writer = Writer::new(&mut buffer);
        let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: 2, feedback_count: 0 };
        write_transport_feedback(&mut writer, fields, number, &arrivals).expect("room");
        buffer
    }

    fn read(&mut self, message: &[u8]) {
        self.round += 1;
        let feedback = TransportFeedback::parse(&message[RTCP_HEADER..]).expect("our own");
        black_box(self.estimator.on_feedback(Time(self.round * FEEDBACK_US + FEEDBACK_US), &feedback));
    }
}

fn sending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bandwidth");
    group.throughput(Throughput::Elements(PACKETS));
    group.bench_function("sent", |bencher| {
        let mut subscriber = Subscriber::new();
        bencher.iter(|| {
            subscriber.send();
            subscriber.round += 1;
        });
    });
    group.bench_function("sent and told of", |bencher| {
        let mut subscriber = Subscriber::new();
        bencher.iter_custom(|rounds| {
            let messages: Vec<Vec<u8>> = (0..rounds)
                .map(|_| {
                    let message = subscriber.message();
                    subscriber.round += 1;
                    message
                })
                .collect();
            subscriber.round -= rounds;
            let begin = std::time::Instant::now();
            for message in &messages {
                subscriber.send();
                subscriber.read(message);
            }
            begin.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, sending);
criterion_main!(benches);
