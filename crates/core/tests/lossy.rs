//! Loss on both sides of the server: what is lost is repaired, hop by hop, in time.

mod support;

use std::collections::{BTreeMap, HashMap};

use sfu_core::command::{EncodingOptions, Kind};
use sfu_core::hash::next_random;
use sfu_core::ids::{Ssrc, TransportId};
use sfu_core::ingress::nack::{MAX_PER_REQUEST, NackGenerator};
use sfu_core::rtcp::{write_nack, write_receiver_report};
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::rtp::{HeaderFields, RtpHeader};
use sfu_core::time::{Micros, Time};
use sfu_core::wire::Writer;
use support::media::{Mark, Vp8, read_mark};
use support::{EXT_MID, Net, VP8_RTX_PT, rtp};

/// One way between a client and the server.
const DELAY: Micros = Micros::from_millis(20);
const FRAMES: u32 = 900;

/// A sender that answers NACKs.
struct Publisher {
    id: TransportId,
    video: Vp8,
    sent: HashMap<u16, Vec<u8>>,
    rtx_seq: u16,
    /// Numbers asked for that were answered.
    answered: usize,
}

/// A receiver that asks for what is missing, as browsers do.
struct Subscriber {
    id: TransportId,
    unwrapper: SeqUnwrapper,
    nack: NackGenerator,
    got: BTreeMap<u64, (Time, Mark)>,
    seen: usize,
}

fn is_lost(dice: &mut u64, per_mille: u64) -> bool {
    next_random(dice) % 1_000 < per_mille
}

impl Publisher {
    fn send(&mut self, net: &mut Net, dice: &mut u64, loss: u64, packet: &[u8]) {
        let bytes = net.client(self.id).protect(packet);
        if !is_lost(dice, loss) {
            net.send_at(net.now + DELAY, self.id, bytes);
        }
    }

    fn answer(&mut self, net: &mut Net, dice: &mut u64, loss: u64) {
        let asked = net.client(self.id).nacks();
        for &(_, seq) in &asked[self.answered..] {
            let packet = self.sent[&seq].clone();
            let header = RtpHeader::parse(&packet).expect("ours");
            self.rtx_seq = self.rtx_seq.wrapping_add(1);
            let fields = HeaderFields {
                marker: header.marker,
                pt: VP8_RTX_PT,
                seq: self.rtx_seq,
                timestamp: header.timestamp,
                ssrc: 1_001,
                has_padding: false,
            };
            let payload = [&seq.to_be_bytes()[..], header.payload(&packet)].concat();
            let rtx = rtp(&fields, &[(EXT_MID, b"v")], &payload);
            self.send(net, dice, loss, &rtx);
        }
        self.answered = asked.len();
    }
}

impl Subscriber {
    fn look(&mut self, net: &mut Net, dice: &mut u64, loss: u64) {
        let client = net.client(self.id);
        for received in &client.rtp[self.seen..] {
            let (seq, payload) = if received.header.ssrc == 70 {
                (received.header.seq, received.payload())
            } else {
                (u16::from_be_bytes([received.payload()[0], received.payload()[1]]), &received.payload()[2..])
            };
            let ext_seq = self.unwrapper.unwrap_seq(seq);
            self.nack.on_packet(received.at, ext_seq);
            self.got.entry(ext_seq).or_insert((received.at, read_mark(payload)));
        }
        self.seen = client.rtp.len();
        let mut request = [0; MAX_PER_REQUEST];
        let count = self.nack.collect(net.now, Micros(2 * DELAY.0), &mut request, |_| true).count;
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        if count > 0 {
            write_nack(&mut writer, 1, 70, &request[..count]).expect("room");
        } else {
            write_receiver_report(&mut writer, 1, &[]).expect("room");
        }
        let bytes = net.client(self.id).protect_rtcp(writer.written());
        if !is_lost(dice, loss) {
            net.send_at(net.now + DELAY, self.id, bytes);
        }
    }
}

/// Loss in 1/1,000; returns the largest time from sending a frame to having all of it.
fn worst_delay(seed: u64, loss: u64) -> Micros {
    println!("seed {seed}");
    let mut dice = seed;
    let mut net = Net::new(seed);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let encoding = EncodingOptions { rid: None, ssrc: Some(Ssrc(1_000)), rtx_ssrc: Some(Ssrc(1_001)) };
    let producer = net.produce(1, publisher, Kind::Video, "v", vec![encoding]);
    net.consume(7, subscriber, Kind::Video, producer);
    let mut publisher =
        Publisher { id: publisher, video: Vp8::new(1_000, "v"), sent: HashMap::new(), rtx_seq: 0, answered: 0 };
    let mut subscriber = Subscriber {
        id: subscriber,
        unwrapper: SeqUnwrapper::default(),
        nack: NackGenerator::default(),
        got: BTreeMap::new(),
        seen: 0,
    };
    let mut sent_at = HashMap::new();
    for number in 0..FRAMES + 60 {
        if number == 3 {
            // The first frame arrives, or nobody could begin.
            net.loss.1 = loss;
        }
        if number.is_multiple_of(100) {
            net.check(publisher.id, false);
            net.check(subscriber.id, false);
        }
        // What is lost at the very end shows only by what follows.
        if number < FRAMES + 30 {
            sent_at.insert(number + 1, net.now);
            for sent in publisher.video.frame(number == 0, 0, false) {
                publisher.sent.insert(sent.seq, sent.bytes.clone());
                let loss = if number == 0 { 0 } else { loss };
                publisher.send(&mut net, &mut dice, loss, &sent.bytes);
            }
        }
        for _ in 0..7 {
            net.run_for(Micros(4_762));
            publisher.answer(&mut net, &mut dice, loss);
            subscriber.look(&mut net, &mut dice, loss);
        }
    }
    let mut complete: HashMap<u32, (u8, Time)> = HashMap::new();
    for (at, mark) in subscriber.got.values() {
        let entry = complete.entry(mark.frame).or_insert((0, *at));
        *entry = (entry.0 + 1, entry.1.max(*at));
    }
    let delays = (1..=FRAMES).map(|frame| {
        let &(packets, at) = complete.get(&frame).unwrap_or_else(|| panic!("frame {frame} never came"));
        assert_eq!(packets, 3, "frame {frame} is not whole");
        at.since(sent_at[&frame])
    });
    delays.max().expect("frames")
}

#[test]
fn every_frame_comes_whole_within_half_a_second_at_5_percent_loss_each_way() {
    for seed in 1..=5 {
        let worst = worst_delay(seed, 50);
        assert!(worst < Micros::from_millis(500), "{worst:?} with seed {seed}");
    }
}

#[test]
fn without_loss_a_frame_takes_one_way_and_nothing_is_repeated() {
    let worst = worst_delay(1, 0);
    assert!(worst <= Micros(DELAY.0 + 5_000), "{worst:?}");
}
