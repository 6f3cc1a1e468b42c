//! What a subscriber says of its network reaches the estimator, and what that says reaches the control plane.

mod support;

use sfu_core::bwe::{BweOptions, Cause};
use sfu_core::command::{Command, Kind};
use sfu_core::event::Event;
use sfu_core::ids::{ConsumerId, ProducerId, TransportId};
use sfu_core::rtcp::{FeedbackFields, Pli, ReportBlock, write_pli, write_transport_feedback};
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::srtp::SrtpProfile;
use sfu_core::stats::TransportStats;
use sfu_core::time::{Micros, Time};
use sfu_core::wire::Writer;
use support::media::{Opus, Vp8, send_frame, single};
use support::{EXT_TRANSPORT_CC, Net, OUT_EXT_SHIFT, send_map, send_map_without_rtx};

const TRANSPORT_CC: u8 = EXT_TRANSPORT_CC + OUT_EXT_SHIFT;
const FRAME: Micros = Micros(33_333);

/// A publisher (transport 1, producer 1) and a subscriber (transport 2, consumer 7) of 720 kbit/s of video.
fn call(net: &mut Net) -> (TransportId, TransportId, Vp8) {
    net.estimates = true;
    let (publisher, subscriber) = (net.join(1), net.join(2));
    net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, ProducerId(1));
    let mut video = Vp8::new(1_000, "v");
    video.filling = 950;
    (publisher, subscriber, video)
}

/// Tells of all that came since the last time, the way a receiver does.
#[derive(Default)]
struct Feedback {
    seen: usize,
    numbers: SeqUnwrapper,
    next: Option<u64>,
    count: u8,
}

impl Feedback {
    fn send(&mut self, net: &mut Net, from: TransportId, delay: Micros) {
        let client = net.client(from);
        let news = client.rtp.get(self.seen..).unwrap_or_default();
        let mut arrivals: Vec<(u64, u64)> = news
            .iter()
            .filter_map(|it| Some((it.extension(TRANSPORT_CC)?, it.at.0 + delay.0)))
            .map(|(number, at)| (self.numbers.unwrap_seq(u16::from_be_bytes([number[0], number[1]])), at))
            .collect();
        self.seen = client.rtp.len();
        arrivals.sort_unstable();
        let Some(first) = arrivals.first() else { return };
        let base = self.next.unwrap_or(first.0).min(first.0);
        self.next = arrivals.last().map(|last| last.0 + 1);
        let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: 70, feedback_count: self.count };
        self.count = self.count.wrapping_add(1);
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        write_transport_feedback(&mut writer, fields, base, &arrivals).expect("room");
        let bytes = net.client(from).protect_rtcp(writer.written());
        net.send_at(net.now + delay + delay, from, bytes);
    }
}

fn transport(net: &Net, id: TransportId) -> TransportStats {
    let transports = net.shard.snapshot(net.now).transports;
    transports.into_iter().find(|entry| entry.0 == id).expect("transport").1
}

fn bandwidths(net: &Net) -> Vec<(TransportId, u64, Cause)> {
    let of = |event: &Event| match event {
        Event::Bandwidth { transport, estimate_bps, cause, .. } => Some((*transport, *estimate_bps, *cause)),
        _ => None,
    };
    net.events.iter().filter_map(of).collect()
}

#[test]
fn feedback_becomes_an_estimate_and_an_event() {
    let mut net = Net::new(1);
    net.estimates = true;
    let (publisher, subscriber, mut video) = call(&mut net);
    let mut feedback = Feedback::default();
    for number in 0..90 {
        let frame = video.frame(number == 0, 0, false);
        send_frame(&mut net, publisher, &frame);
        feedback.send(&mut net, subscriber, Micros(10_000));
        net.run_for(FRAME);
    }
    let stats = transport(&net, subscriber);
    assert_eq!(stats.feedback, Some("transport_cc"));
    assert!(stats.estimate_bps.is_some_and(|bps| bps > 330_000), "{stats:?}");
    assert!(stats.acked_bps.is_some_and(|bps| (650_000..900_000).contains(&bps)), "{stats:?}");
    assert!(stats.rtt_us.is_some_and(|rtt| (20_000..60_000).contains(&rtt)), "{stats:?}");
    assert_eq!(stats.loss, Some(0.0));
    let told = bandwidths(&net);
    assert!(told.iter().all(|(id, ..)| *id == subscriber) && told.last().is_some_and(|it| it.1 > 330_000), "{told:?}");
    assert_eq!(transport(&net, publisher).estimate_bps, None, "nothing is sent to the publisher");
}

#[test]
fn what_the_publisher_s_uplink_lost_does_not_lower_a_subscriber_s_estimate() {
    let estimate = |is_lossy: bool| {
        let mut net = Net::new(1);
        net.estimates = true;
        let (publisher, subscriber, mut video) = call(&mut net);
        let mut feedback = Feedback::default();
        for number in 0..150u32 {
            let mut frame = video.frame(number == 0, 0, false);
            if is_lossy && number > 0 && number.is_multiple_of(2) {
                frame.remove(1);
            }
            send_frame(&mut net, publisher, &frame);
            feedback.send(&mut net, subscriber, Micros(10_000));
            if number.is_multiple_of(30) {
                // What Chromium reports of the stream: it sees the gaps.
                let fraction_lost = if is_lossy { 43 } else { 0 };
                net.report(subscriber, ReportBlock { ssrc: 70, fraction_lost, ..ReportBlock::default() });
            }
            net.run_for(FRAME);
        }
        (transport(&net, subscriber), bandwidths(&net))
    };
    let (clean, _) = estimate(false);
    let (lossy, told) = estimate(true);
    assert_eq!(lossy.loss, Some(0.0));
    assert!(lossy.estimate_bps >= clean.estimate_bps.map(|bps| bps * 9 / 10), "{lossy:?} {clean:?}");
    assert!(told.is_sorted_by_key(|it| it.1), "{told:?}");
}

/// A call whose subscriber cannot tell how its packets arrive, with video of 720 kbit/s and audio of 2.
fn call_without_numbers(net: &mut Net) -> (TransportId, TransportId, Vp8, Opus) {
    let (publisher, subscriber, video) = call(net);
    net.produce(2, publisher, Kind::Audio, "a", single(2_000));
    net.consume(8, subscriber, Kind::Audio, ProducerId(2));
    let mut map = send_map();
    map.extensions.retain(|entry| entry.0 != TRANSPORT_CC);
    net.set_rtp(subscriber, support::receive_map(), map);
    (publisher, subscriber, video, Opus::new(2_000, "a"))
}

/// Half a second of both; a receiver's report and its estimate for the video (draft-alvestrand-rmcat-remb-03 §2.2).
fn half_a_second(net: &mut Net, call: &mut (TransportId, TransportId, Vp8, Opus), remb_bps: u32) -> TransportStats {
    let (publisher, subscriber, video, audio) = call;
    for number in 0..15 {
        send_frame(net, *publisher, &video.frame(net.now < Time(1_100_000) && number == 0, 0, false));
        let bytes = net.client(*publisher).protect(&audio.packet(0));
        net.send_at(net.now, *publisher, bytes);
        net.run_for(FRAME);
    }
    net.report(*subscriber, ReportBlock { ssrc: 70, ..ReportBlock::default() });
    net.control(*subscriber, |writer| {
        let rate = 0x0120_0000 | remb_bps >> 8;
        for word in [0x8FCE_0005, 1, 0, u32::from_be_bytes(*b"REMB"), rate, 70] {
            writer.u32(word).expect("room");
        }
    });
    transport(net, *subscriber)
}

#[test]
fn a_receiver_without_transport_wide_feedback_is_believed_when_it_says_that_too_much_is_sent() {
    let mut net = Net::new(1);
    let mut call = call_without_numbers(&mut net);
    let estimate_bps: Vec<u64> = [1_024_000, 1_024_000, 1_024_000, 1_024_000, 512_000, 500_000]
        .map(|bps| half_a_second(&mut net, &mut call, bps).estimate_bps.expect("measured"))
        .to_vec();
    assert_eq!(estimate_bps[..4], [20_000_000; 4], "1,024 are more than the 700 that are sent");
    // Headers and audio come on top of it.
    assert!(estimate_bps[4..].iter().all(|bps| (540_000..640_000).contains(bps)), "{estimate_bps:?}");
    let told = bandwidths(&net);
    assert_eq!(told.iter().map(|it| it.1).collect::<Vec<_>>(), [20_000_000, estimate_bps[4]]);
}

#[test]
fn an_estimate_of_a_receiver_that_is_low_but_grows_holds_nothing_back() {
    let mut net = Net::new(1);
    let mut call = call_without_numbers(&mut net);
    // It began with what came in a quiet second.
    for step in 0..20 {
        let stats = half_a_second(&mut net, &mut call, 200_000 + step * 8_000);
        assert_eq!((stats.feedback, stats.estimate_bps), (Some("remb"), Some(20_000_000)));
    }
    assert_eq!(net.shard.snapshot(net.now).counters.tx_paced, 0);
}

#[test]
fn a_receiver_that_says_no_more_of_harm_gets_more_by_and_by() {
    let mut net = Net::new(1);
    let mut call = call_without_numbers(&mut net);
    for bps in [1_024_000, 300_000] {
        half_a_second(&mut net, &mut call, bps);
    }
    assert!(transport(&net, call.1).estimate_bps.is_some_and(|bps| bps < 450_000));
    // No video, no word of it.
    net.apply(Command::PauseConsumer { consumer: ConsumerId(7), paused: true });
    net.run_for(Micros::from_secs(40));
    assert_eq!(bandwidths(&net).last().map(|it| it.1), Some(20_000_000));
}

#[test]
fn a_stream_without_retransmission_format_is_numbered_and_repeats_bit_for_bit() {
    let mut net = Net::new(1);
    net.estimates = true;
    let (publisher, subscriber, mut video) = call(&mut net);
    net.set_rtp(subscriber, support::receive_map(), send_map_without_rtx());
    let mut feedback = Feedback::default();
    for number in 0..40 {
        send_frame(&mut net, publisher, &video.frame(number == 0, 0, false));
        feedback.send(&mut net, subscriber, Micros(10_000));
        net.run_for(FRAME);
    }
    assert_eq!(transport(&net, subscriber).feedback, Some("transport_cc"));
    let seqs: Vec<u16> = net.client(subscriber).stream(70).iter().map(|it| it.header.seq).collect();
    // The client panics when a repetition differs from the packet.
    let before = net.consumer(ConsumerId(7)).retransmitted;
    net.nack(subscriber, 70, &seqs[100..103]);
    assert_eq!(net.consumer(ConsumerId(7)).retransmitted, before + 3);
    net.nack(subscriber, 70, &[seqs[0].wrapping_sub(5)]);
    assert_eq!(net.consumer(ConsumerId(7)).retransmitted, before + 3);
}

#[test]
fn the_bounds_of_the_estimate_are_kept_and_bad_commands_are_answered() {
    let mut net = Net::new(1);
    net.estimates = true;
    let (publisher, subscriber, mut video) = call(&mut net);
    let options = BweOptions { min_bps: 50_000, start_bps: 200_000, max_bps: 400_000 };
    net.apply(Command::SetBandwidth { transport: subscriber, options });
    assert_eq!(transport(&net, subscriber).estimate_bps, Some(200_000));
    let mut feedback = Feedback::default();
    for number in 0..90 {
        send_frame(&mut net, publisher, &video.frame(number == 0, 0, false));
        feedback.send(&mut net, subscriber, Micros(10_000));
        net.run_for(FRAME);
    }
    assert!(transport(&net, subscriber).estimate_bps.is_some_and(|bps| bps <= 400_000));
    net.apply(Command::SetBandwidth { transport: TransportId(99), options });
    net.apply(Command::SetDesiredBitrate { transport: TransportId(99), bps: 1 });
    net.apply(Command::SetPriority { consumer: ConsumerId(99), priority: 1 });
    let failed = net.events.iter().filter(|event| matches!(event, Event::CommandFailed { .. })).count();
    assert_eq!(failed, 3);
}

#[test]
fn an_encoding_that_starts_and_one_that_says_goodbye_are_told() {
    let mut net = Net::new(1);
    net.estimates = true;
    let (publisher, _, mut video) = call(&mut net);
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    // BYE (RFC 3550 §6.6).
    net.control(publisher, |writer| {
        for word in [0x81CB_0001, 1_000] {
            writer.u32(word).expect("room");
        }
    });
    let told: Vec<bool> = net
        .events
        .iter()
        .filter_map(|event| match event {
            Event::EncodingActive { producer: ProducerId(1), encoding: 0, active } => Some(*active),
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false]);
}

#[test]
fn feedback_that_nobody_needs_is_not_decrypted_and_what_comes_with_it_is_read() {
    for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
        let mut net = Net::new(3);
        net.profile = profile;
        let (publisher, subscriber) = (net.join(1), net.join(2));
        net.produce(1, publisher, Kind::Video, "v", single(1_000));
        net.consume(7, subscriber, Kind::Video, ProducerId(1));
        let media_ssrc = net.consumer(ConsumerId(7)).ssrc;
        for (asks_for_a_keyframe, expected) in [(false, (1, 0, 0)), (true, (1, 1, 1))] {
            net.control(subscriber, |writer| {
                let fields = FeedbackFields { sender_ssrc: 1, media_ssrc: 70, feedback_count: 0 };
                write_transport_feedback(writer, fields, 1, &[(1, 1_000_000), (2, 1_001_000)]).expect("room");
                if asks_for_a_keyframe {
                    write_pli(writer, Pli { sender_ssrc: 1, media_ssrc }).expect("room");
                }
            });
            let counters = net.shard.snapshot(net.now).counters;
            let read = (counters.rx_feedback_unread, counters.rx_rtcp, counters.rx_plis);
            assert_eq!(read, expected, "{profile:?}");
        }
    }
}
