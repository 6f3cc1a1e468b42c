//! Redundant audio (RFC 2198) that the server adds for subscribers who lose packets.

mod support;

use sfu_core::command::{Command, Kind};
use sfu_core::ids::{ConsumerId, ProducerId, TransportId};
use sfu_core::rtcp::ReportBlock;
use sfu_core::rtp::red::RedPayload;
use sfu_core::time::Micros;
use support::media::{Opus, single};
use support::{Net, OPUS_PT, RED_PT};

const SSRC: u32 = 70;
/// Of 256.
const LOSSY: u8 = 16;

struct Call {
    net: Net,
    publisher: TransportId,
    subscriber: TransportId,
    speakers: [Opus; 2],
    received: usize,
}

/// What came in one packet: (payload type, the frame before with its distance, the frame).
type Heard = (u8, Option<(u16, Vec<u8>)>, Vec<u8>);

impl Call {
    fn new(speaks_red: bool) -> Self {
        let mut net = Net::new(3);
        let (publisher, subscriber) = (net.join(1), net.join(2));
        if !speaks_red {
            let mut send = support::send_map();
            send.payload_types.retain(|entry| entry.codec != support::RED);
            net.set_rtp(subscriber, support::receive_map(), send);
        }
        for number in 1..3 {
            net.produce(number, publisher, Kind::Audio, ["a", "b"][number as usize - 1], single(1_000 * number));
        }
        net.consume(7, subscriber, Kind::Audio, ProducerId(1));
        let speakers = [Opus::new(1_000, "a"), Opus::new(2_000, "b")];
        Self { net, publisher, subscriber, speakers, received: 0 }
    }

    /// A packet of a speaker, unless it is `lost`; what the subscriber gets of it.
    fn speak(&mut self, speaker: usize, is_lost: bool) -> Option<Heard> {
        let packet = self.speakers[speaker].packet(0);
        if !is_lost {
            let bytes = self.net.client(self.publisher).protect(&packet);
            self.net.send_at(self.net.now, self.publisher, bytes);
        }
        self.net.run_for(Micros::from_millis(20));
        let client = self.net.client(self.subscriber);
        let stream = client.stream(SSRC);
        let heard = stream.get(self.received).map(|it| {
            if it.header.pt != RED_PT {
                return (it.header.pt, None, it.payload().to_vec());
            }
            let red = RedPayload::parse(it.payload()).expect("RED");
            assert_eq!((red.redundant().count(), red.primary().pt), (1, OPUS_PT));
            let before = red.redundant().next().map(|block| (block.timestamp_offset, block.bytes.to_vec()));
            (RED_PT, before, red.primary().bytes.to_vec())
        });
        self.received = stream.len();
        heard
    }

    fn report(&mut self, fraction_lost: u8) {
        self.net.report(self.subscriber, ReportBlock { ssrc: SSRC, fraction_lost, ..ReportBlock::default() });
    }
}

#[test]
fn who_loses_packets_gets_each_frame_twice_and_loss_of_one_is_no_loss() {
    let mut call = Call::new(true);
    let Some((pt, None, mut before)) = call.speak(0, false) else { panic!("not plain") };
    assert_eq!(pt, OPUS_PT);
    call.report(LOSSY);
    for _ in 0..20 {
        let (pt, earlier, frame) = call.speak(0, false).expect("a packet");
        assert_eq!((pt, earlier), (RED_PT, Some((960, before))));
        before = frame;
    }
    let counters = call.net.shard.snapshot(call.net.now).counters;
    assert_eq!((counters.tx_redundant, counters.tx_rtp), (20, 21));
    let seqs: Vec<u16> = call.net.client(call.subscriber).stream(SSRC).iter().map(|it| it.header.seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{seqs:?}");
}

#[test]
fn it_ends_when_nothing_is_lost_any_more() {
    let mut call = Call::new(true);
    call.speak(0, false);
    call.report(LOSSY);
    assert_eq!(call.speak(0, false).map(|heard| heard.0), Some(RED_PT));
    for _ in 0..3 {
        call.report(0);
    }
    assert_eq!(call.speak(0, false).map(|heard| heard.0), Some(OPUS_PT));
}

#[test]
fn who_does_not_speak_it_gets_plain_frames() {
    let mut call = Call::new(false);
    call.speak(0, false);
    call.report(LOSSY);
    assert_eq!(call.speak(0, false).map(|heard| heard.0), Some(OPUS_PT));
}

#[test]
fn no_frame_is_repeated_that_the_subscriber_was_not_sent() {
    let mut call = Call::new(true);
    call.speak(0, false);
    call.speak(1, false);
    call.report(LOSSY);
    // Lost on the way to the server.
    assert!(call.speak(0, true).is_none());
    assert_eq!(call.speak(0, false).map(|heard| heard.0), Some(OPUS_PT));
    assert_eq!(call.speak(0, false).map(|heard| heard.0), Some(RED_PT));
    // Another speaker: what was said before was not said to this subscriber.
    call.net.apply(Command::SwitchConsumer { consumer: ConsumerId(7), producer: Some(ProducerId(2)) });
    assert_eq!(call.speak(1, false).map(|heard| heard.0), Some(OPUS_PT));
    assert_eq!(call.speak(1, false).map(|heard| heard.0), Some(RED_PT));
}
