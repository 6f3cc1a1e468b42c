//! Encodings by rid, switching between them, layers, clocks across switches.

mod support;

use sfu_core::bwe::BweOptions;
use sfu_core::command::{Command, EncodingOptions, Kind};
use sfu_core::event::Event;
use sfu_core::ids::{ConsumerId, ProducerId, TransportId};
use sfu_core::rtcp::{SenderInfo, write_bye, write_sender_report};
use sfu_core::time::Micros;
use support::media::{Mark, Opus, Vp8, read_mark, send_frame};
use support::{EXT_RID, Net, OPUS_PT};

const RIDS: [&str; 3] = ["q", "h", "f"];
const CONSUMER: ConsumerId = ConsumerId(7);

fn rids() -> Vec<EncodingOptions> {
    RIDS.map(|rid| EncodingOptions { rid: Some(rid.to_owned()), ..EncodingOptions::default() }).to_vec()
}

struct Call {
    net: Net,
    publisher: TransportId,
    subscriber: TransportId,
    producer: ProducerId,
    encodings: Vec<Vp8>,
    /// PLIs of the server that were acted on.
    answered: usize,
}

impl Call {
    fn new(seed: u64) -> Self {
        let mut net = Net::new(seed);
        let (publisher, subscriber) = (net.join(1), net.join(2));
        let producer = net.produce(1, publisher, Kind::Video, "cam", rids());
        net.consume(CONSUMER.0, subscriber, Kind::Video, producer);
        let encodings = (0..3).map(|index| Vp8::new(1_000 * (index + 1), "cam")).collect();
        let mut call = Self { net, publisher, subscriber, producer, encodings, answered: 0 };
        for (encoding, rid) in call.encodings.iter_mut().zip(RIDS) {
            encoding.extensions = vec![(EXT_RID, rid.as_bytes().to_vec())];
        }
        call
    }

    /// Sends frames of the encodings in `active` for some time, with keyframes where asked.
    fn run(&mut self, ms: u64, active: &[usize], tids: &[u8]) {
        for number in 0..ms / 33 {
            let plis = self.net.client(self.publisher).plis();
            let asked = plis[self.answered.min(plis.len())..].to_vec();
            self.answered = plis.len();
            for &index in active {
                let encoding = &mut self.encodings[index];
                let is_keyframe = encoding.frame == 0 || asked.contains(&encoding.ssrc);
                let tid = if is_keyframe { 0 } else { tids[number as usize % tids.len()] };
                for sent in encoding.frame(is_keyframe, tid, tid > 0) {
                    let bytes = self.net.client(self.publisher).protect(&sent.bytes);
                    self.net.send_at(self.net.now, self.publisher, bytes);
                }
            }
            self.net.run_for(Micros::from_millis(33));
        }
    }

    /// SSRCs of the sources in the order in which the subscriber got them.
    fn sources(&mut self) -> Vec<u32> {
        let stream = self.net.client(self.subscriber).stream(70);
        let mut sources: Vec<u32> = stream.iter().map(|it| read_mark(it.payload()).ssrc).collect();
        sources.dedup();
        sources
    }

    fn layers(&self) -> Vec<(u8, u8)> {
        let choose = |event: &Event| match event {
            Event::ConsumerLayers { spatial, temporal, .. } => Some((*spatial, *temporal)),
            _ => None,
        };
        self.net.events.iter().filter_map(choose).collect()
    }

    fn report(&mut self, index: usize, ntp_ms: u64) {
        let encoding = &self.encodings[index];
        let ntp = (3_900_000_000u64 << 32) + ((ntp_ms << 32) / 1_000);
        let info = SenderInfo { ssrc: encoding.ssrc, ntp, rtp_ts: encoding.rtp_ts, packet_count: 0, octet_count: 0 };
        self.net.control(self.publisher, |writer| write_sender_report(writer, &info, &[]).expect("room"));
    }
}

#[test]
fn the_best_active_encoding_is_forwarded_and_limits_are_kept() {
    let mut call = Call::new(1);
    call.run(1_000, &[0, 1, 2], &[0]);
    assert_eq!(call.sources().last(), Some(&3_000));
    call.net.set_layers(CONSUMER, 0, 255);
    call.run(1_000, &[0, 1, 2], &[0]);
    assert_eq!(call.sources().last(), Some(&1_000));
    call.net.set_layers(CONSUMER, 1, 255);
    call.run(1_000, &[0, 1, 2], &[0]);
    assert_eq!(call.sources().last(), Some(&2_000));
    assert_eq!(call.net.consumer(CONSUMER).spatial_layer, Some(1));
    let encodings = call.net.producer(call.producer).encodings;
    assert_eq!(encodings.iter().map(|it| it.ssrc).collect::<Vec<_>>(), [Some(1_000), Some(2_000), Some(3_000)]);
}

#[test]
fn what_comes_late_of_the_encoding_before_still_fills_its_gap() {
    let mut call = Call::new(14);
    call.run(1_000, &[0, 1, 2], &[0]);
    // Of the last frame of the highest encoding but one packet is late until the lowest has been shown for a while.
    let mut frame = call.encodings[2].frame(false, 0, false);
    let late = frame.remove(1);
    send_frame(&mut call.net, call.publisher, &frame);
    call.net.set_layers(CONSUMER, 0, 255);
    call.run(200, &[0, 1, 2], &[0]);
    let marks = |call: &mut Call| -> Vec<Mark> {
        call.net.client(call.subscriber).stream(70).iter().map(|it| read_mark(it.payload())).collect()
    };
    let before = marks(&mut call);
    assert_eq!(before.last().map(|mark| mark.ssrc), Some(1_000));
    assert!(!before.contains(&late.mark), "it was held back");
    let bytes = call.net.client(call.publisher).protect(&late.bytes);
    call.net.send_at(call.net.now, call.publisher, bytes);
    call.net.run_for(Micros::from_millis(5));
    let found =
        |mark: &Mark| (mark.ssrc, mark.frame, mark.packet) == (late.mark.ssrc, late.mark.frame, late.mark.packet);
    assert_eq!(marks(&mut call)[before.len()..].iter().filter(|mark| found(mark)).count(), 1);
}

#[test]
fn who_takes_the_lowest_encoding_is_not_asked_about_packets_of_the_others() {
    let mut call = Call::new(15);
    call.run(1_000, &[0, 1, 2], &[0]);
    call.net.set_layers(CONSUMER, 0, 255);
    call.run(500, &[0, 1, 2], &[0]);
    let before = call.net.drops("consumer_late");
    // Each encoding's frame comes by itself.
    for index in [0, 1, 2].repeat(20) {
        let frame = call.encodings[index].frame(false, 0, false);
        send_frame(&mut call.net, call.publisher, &frame);
        call.net.run_for(Micros::from_millis(11));
    }
    assert_eq!(call.net.drops("consumer_late"), before);
    // And yet it goes up as soon as it may.
    call.net.set_layers(CONSUMER, 2, 255);
    call.run(200, &[0, 1, 2], &[0]);
    assert_eq!(call.sources().last(), Some(&3_000));
}

#[test]
fn a_stopped_encoding_is_replaced_and_comes_back() {
    let mut call = Call::new(2);
    call.run(1_000, &[0, 1, 2], &[0]);
    call.run(2_000, &[0, 1], &[0]);
    assert_eq!(call.sources().last(), Some(&2_000));
    let gap = call.net.client(call.subscriber).stream(70).windows(2).map(|pair| pair[1].at.since(pair[0].at)).max();
    assert!(gap.expect("packets") < Micros::from_millis(1_400), "{gap:?}");
    call.run(1_000, &[0, 1, 2], &[0]);
    assert_eq!(call.sources().last(), Some(&3_000));
}

#[test]
fn a_still_screen_that_sends_a_frame_now_and_then_is_not_taken_for_stopped() {
    let mut call = Call::new(11);
    call.run(1_000, &[0, 1, 2], &[0]);
    let plis = call.net.client(call.publisher).plis().len();
    for _ in 0..10 {
        call.net.run_for(Micros::from_millis(1_500));
        call.run(33, &[0], &[0]);
        call.run(33, &[1, 2], &[0]);
    }
    assert_eq!(call.net.client(call.publisher).plis().len(), plis);
    assert_eq!(call.sources().last(), Some(&3_000));
}

#[test]
fn a_goodbye_stops_an_encoding_at_once() {
    let mut call = Call::new(3);
    call.run(1_000, &[0, 1, 2], &[0]);
    let ssrc = call.encodings[2].ssrc;
    call.net.control(call.publisher, |writer| write_bye(writer, &[ssrc]).expect("room"));
    call.run(200, &[0, 1], &[0]);
    assert_eq!(call.sources().last(), Some(&2_000));
}

#[test]
fn timestamps_across_a_switch_follow_the_sender_s_reports() {
    let mut call = Call::new(4);
    call.run(1_000, &[0, 1, 2], &[0]);
    // The lowest encoding was captured 20 ms before the highest, by the sender's own clock.
    call.report(2, 10_000);
    call.report(0, 9_980);
    call.net.set_layers(CONSUMER, 0, 255);
    let before = call.net.client(call.subscriber).stream(70).last().map(|it| it.header.timestamp).expect("media");
    call.run(33, &[0, 1, 2], &[0]);
    let stream = call.net.client(call.subscriber).stream(70);
    let first = stream.iter().find(|it| it.header.timestamp != before && read_mark(it.payload()).ssrc == 1_000);
    let step = first.expect("switched").header.timestamp.wrapping_sub(before);
    // One frame (3,000 ticks) later than the last report's frame, less 20 ms.
    assert!(step.abs_diff(3_000 - 1_800) <= 2, "{step}");
}

#[test]
fn temporal_layers_are_taken_out_without_a_gap() {
    let mut call = Call::new(5);
    call.net.set_layers(CONSUMER, 0, 0);
    call.run(1_000, &[0], &[0, 2, 1, 2]);
    let stream = call.net.client(call.subscriber).stream(70);
    let marks: Vec<_> = stream.iter().map(|it| read_mark(it.payload())).collect();
    assert!(marks.iter().all(|mark| mark.tid == 0));
    assert!(stream.windows(2).all(|pair| pair[1].header.seq == pair[0].header.seq.wrapping_add(1)));
    assert!(marks.windows(2).all(|pair| pair[1].picture_id.wrapping_sub(pair[0].picture_id) <= 1));
    call.net.set_layers(CONSUMER, 0, 1);
    call.run(1_000, &[0], &[0, 2, 1, 2]);
    call.net.set_layers(CONSUMER, 0, 255);
    call.run(1_000, &[0], &[0, 2, 1, 2]);
    assert_eq!(call.layers(), [(0, 0), (0, 1), (0, 2)]);
    let last = read_mark(call.net.client(call.subscriber).stream(70).last().expect("media").payload());
    assert_eq!(call.net.consumer(CONSUMER).temporal_layer, Some(2), "{last:?}");
}

#[test]
fn a_paused_consumer_gets_nothing_asks_nothing_and_resumes_with_a_keyframe() {
    let mut call = Call::new(6);
    call.run(1_000, &[0], &[0]);
    call.net.apply(Command::PauseConsumer { consumer: CONSUMER, paused: true });
    let (packets, plis) = (call.net.client(call.subscriber).rtp.len(), call.answered);
    call.run(2_000, &[0], &[0]);
    assert_eq!(call.net.client(call.subscriber).rtp.len(), packets);
    assert_eq!(call.net.client(call.publisher).plis().len(), plis);
    call.net.apply(Command::PauseConsumer { consumer: CONSUMER, paused: false });
    call.run(200, &[0], &[0]);
    let stream = call.net.client(call.subscriber).stream(70);
    let resumed = stream[packets];
    assert!(read_mark(resumed.payload()).is_keyframe);
    let elapsed = resumed.header.timestamp.wrapping_sub(stream[packets - 1].header.timestamp);
    assert!(elapsed.abs_diff(2_000 * 90) < 100 * 90, "{elapsed}");
}

#[test]
fn a_paused_producer_is_not_forwarded_and_resumes_with_a_keyframe() {
    let mut call = Call::new(7);
    call.run(500, &[0], &[0]);
    call.net.apply(Command::PauseProducer { producer: call.producer, paused: true });
    let packets = call.net.client(call.subscriber).rtp.len();
    call.run(500, &[0], &[0]);
    assert_eq!(call.net.client(call.subscriber).rtp.len(), packets);
    assert!(call.net.drops("producer_paused") > 0);
    call.net.apply(Command::PauseProducer { producer: call.producer, paused: false });
    call.run(500, &[0], &[0]);
    assert!(read_mark(call.net.client(call.subscriber).stream(70)[packets].payload()).is_keyframe);
}

#[test]
fn subscribers_keyframe_requests_are_limited_per_receiver_and_per_encoding() {
    let mut call = Call::new(8);
    call.run(1_000, &[0], &[0]);
    let asked = |call: &mut Call| call.net.client(call.publisher).plis().len();
    let before = asked(&mut call);
    for _ in 0..100 {
        call.net.pli(call.subscriber, 70);
        call.net.run_for(Micros::from_millis(20));
    }
    // Two seconds without a keyframe: at 0 s (200 and 400 ms fall together at 500 ms), then each second.
    let sent = asked(&mut call) - before;
    assert!((3..=4).contains(&sent), "{sent}");
    assert_eq!(call.net.consumer(CONSUMER).plis, 100);
}

#[test]
fn an_audio_consumer_switches_between_speakers_at_once() {
    let mut net = Net::new(9);
    let (first, second, subscriber) = (net.join(1), net.join(2), net.join(3));
    let producers = [(1, first), (2, second)]
        .map(|(id, transport)| net.produce(id, transport, Kind::Audio, "mic", vec![EncodingOptions::default()]));
    let consumer = net.consume(5, subscriber, Kind::Audio, producers[0]);
    let mut speakers = [(first, Opus::new(100, "mic")), (second, Opus::new(200, "mic"))];
    for number in 0..100u16 {
        if number % 10 == 0 {
            net.switch(consumer, Some(producers[usize::from(number / 10 % 2)]));
        }
        for (transport, opus) in &mut speakers {
            let packet = opus.packet(number);
            let bytes = net.client(*transport).protect(&packet);
            net.send_at(net.now, *transport, bytes);
        }
        net.run_for(Micros::from_millis(20));
    }
    let stream = net.client(subscriber).stream(50);
    assert_eq!(stream.len(), 100);
    for (place, pair) in stream.windows(2).enumerate() {
        assert_eq!(pair[1].header.seq, pair[0].header.seq.wrapping_add(1));
        assert_eq!(pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp), 960, "at {place}");
        assert_eq!(pair[1].header.pt, OPUS_PT);
    }
}

#[test]
fn invented_ssrcs_are_not_followed_for_ever() {
    let mut call = Call::new(10);
    call.run(100, &[0], &[0]);
    for ssrc in 0..60 {
        let mut invented = Vp8::new(50_000 + ssrc, "cam");
        invented.extensions = vec![(EXT_RID, b"q".to_vec())];
        let sent = invented.frame(true, 0, false).remove(0);
        let bytes = call.net.client(call.publisher).protect(&sent.bytes);
        call.net.send_at(call.net.now, call.publisher, bytes);
        call.net.run_for(Micros::from_millis(1));
    }
    assert!(call.net.drops("rtp_unknown_stream") >= 40);
    let started = |event: &&Event| matches!(event, Event::EncodingStarted { .. });
    assert!(call.net.events.iter().filter(started).count() <= 20);
}

#[test]
fn what_waits_of_a_higher_encoding_gives_way_to_a_lower_one_s_keyframe() {
    for is_taken_back in [false, true] {
        let mut call = Call::new(1);
        let options = BweOptions { min_bps: 100_000, start_bps: 100_000, max_bps: 100_000 };
        call.net.apply(Command::SetBandwidth { transport: call.subscriber, options });
        call.run(330, &[0, 2], &[0]);
        (call.encodings[2].packets, call.encodings[2].filling) = (30, 1_000);
        let send = |call: &mut Call, index: usize, is_keyframe: bool| {
            let frame = call.encodings[index].frame(is_keyframe, 0, false);
            send_frame(&mut call.net, call.publisher, &frame);
        };
        // 33 kB wait for 440 ms at six times the first estimate.
        send(&mut call, 2, false);
        call.net.set_layers(CONSUMER, 0, 255);
        call.net.run_for(Micros::from_millis(10));
        let before = call.net.client(call.subscriber).stream(70).len();
        send(&mut call, 0, true);
        if is_taken_back {
            call.net.set_layers(CONSUMER, 2, 255);
        }
        call.net.run_for(Micros::from_millis(40));
        let stream = call.net.client(call.subscriber).stream(70);
        let after: Vec<Mark> = stream[before..].iter().map(|it| read_mark(it.payload())).collect();
        let waited = call.net.drops("layer_gate");
        assert!(waited >= 20, "{waited} packets gave way");
        if is_taken_back {
            assert!(after.is_empty(), "frames are missing before it: {after:?}");
            send(&mut call, 2, false);
            send(&mut call, 2, true);
            call.net.run_for(Micros::from_millis(600));
            let stream = call.net.client(call.subscriber).stream(70);
            assert!(read_mark(stream[before].payload()).is_keyframe, "it does not go on without a keyframe");
        } else {
            assert!(after.len() == 3 && after.iter().all(|mark| mark.ssrc == 1_000 && mark.is_keyframe), "{after:?}");
        }
        let stream = call.net.client(call.subscriber).stream(70);
        let seqs: Vec<u16> = stream.iter().map(|it| it.header.seq).collect();
        let gaps = seqs.windows(2).filter(|pair| pair[1] != pair[0].wrapping_add(1)).count();
        assert_eq!(gaps, 1, "one number, for the frame that was cut off: {seqs:?}");
    }
}
