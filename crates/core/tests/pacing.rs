//! A subscriber behind a bottleneck gets what its network carries, in time: pacing, probes, shedding.

mod support;

use std::collections::BTreeSet;

use sfu_core::command::{Command, Kind};
use sfu_core::event::Event;
use sfu_core::ids::{ConsumerId, ProducerId, TransportId};
use sfu_core::stats::TransportStats;
use sfu_core::time::{Micros, Time};
use support::media::{Opus, Vp8, read_mark, single};
use support::subscriber::{Bottleneck, TRANSPORT_CC};
use support::{Net, VP8_RTX_PT};

const VIDEO: ConsumerId = ConsumerId(7);
const VIDEO_SSRC: u32 = 70;
const RTX_SSRC: u32 = 71;
const AUDIO_SSRC: u32 = 80;
const STEP: Micros = Micros(5_000);

/// A publisher of video in two or three temporal layers and of audio, and a subscriber of both.
struct Call {
    net: Net,
    publisher: TransportId,
    subscriber: TransportId,
    video: Vp8,
    audio: Opus,
    link: Bottleneck,
    /// 5 ms each.
    steps: u64,
    frames: u32,
    /// Bytes of a frame's packets, three a frame; 30 frames a second.
    filling: usize,
    /// Temporal layers: 1 or 2.
    layers: u8,
    wants_keyframe: bool,
}

impl Call {
    fn new(bps: u64, filling: usize) -> Self {
        let mut net = Net::new(1);
        net.estimates = true;
        let (publisher, subscriber) = (net.join(1), net.join(2));
        net.produce(1, publisher, Kind::Video, "v", single(1_000));
        net.produce(2, publisher, Kind::Audio, "a", single(2_000));
        net.consume(7, subscriber, Kind::Video, ProducerId(1));
        net.consume(8, subscriber, Kind::Audio, ProducerId(2));
        let (video, audio) = (Vp8::new(1_000, "v"), Opus::new(2_000, "a"));
        let link = Bottleneck::new(subscriber, bps);
        Self {
            net,
            publisher,
            subscriber,
            video,
            audio,
            link,
            steps: 0,
            frames: 0,
            filling,
            layers: 1,
            wants_keyframe: false,
        }
    }

    /// Plays on; video at 30 frames a second, audio every 20 ms.
    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 5 {
            if self.steps.is_multiple_of(4) {
                let packet = self.audio.packet(self.steps as u16);
                self.send(&packet);
            }
            if self.steps * 5_000 >= u64::from(self.frames) * 33_333 {
                self.send_frame();
            }
            if self.steps.is_multiple_of(400) {
                self.net.check(self.publisher, false);
                self.net.check(self.subscriber, false);
            }
            self.net.run_for(STEP);
            self.link.tick(&mut self.net);
            self.wants_keyframe |= !self.net.client(self.publisher).plis().is_empty();
            self.net.client(self.publisher).rtcp.clear();
            self.steps += 1;
        }
    }

    fn send(&mut self, packet: &[u8]) {
        let bytes = self.net.client(self.publisher).protect(packet);
        self.net.send_at(self.net.now, self.publisher, bytes);
    }

    fn send_frame(&mut self) {
        let is_keyframe = self.frames == 0 || std::mem::take(&mut self.wants_keyframe);
        let tid = if is_keyframe || self.layers == 1 { 0 } else { (self.frames % 2) as u8 };
        self.video.filling = self.filling;
        for sent in self.video.frame(is_keyframe, tid, true) {
            self.send(&sent.bytes);
        }
        self.frames += 1;
    }

    fn stats(&self) -> TransportStats {
        let transports = self.net.shard.snapshot(self.net.now).transports;
        transports.into_iter().find(|entry| entry.0 == self.subscriber).expect("transport").1
    }

    /// (time of sending, bytes) of a stream since then.
    fn sent(&mut self, ssrc: u32, since: Time) -> Vec<(Time, usize)> {
        let client = self.net.client(self.subscriber);
        client.stream(ssrc).iter().filter(|it| it.at >= since).map(|it| (it.at, it.raw.len())).collect()
    }

    /// Every number of the video stream once, in order, none missing.
    fn check_video(&mut self) {
        let client = self.net.client(self.subscriber);
        let seqs: Vec<u16> = client.stream(VIDEO_SSRC).iter().map(|it| it.header.seq).collect();
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{seqs:?}");
        let numbers = client.rtp.iter().filter_map(|it| it.extension(TRANSPORT_CC));
        let numbers: Vec<u16> = numbers.map(|it| u16::from_be_bytes([it[0], it[1]])).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "transport-wide numbers");
    }

    fn sheds(&self) -> Vec<(u8, u8)> {
        let of = |event: &Event| match event {
            Event::ConsumerShed { consumer: VIDEO, spatial, temporal } => Some((*spatial, *temporal)),
            _ => None,
        };
        self.net.events.iter().filter_map(of).collect()
    }
}

#[test]
fn on_a_wide_link_the_estimate_rises_within_a_second_and_nothing_is_held_back() {
    // 1.5 Mbit/s of video.
    let mut call = Call::new(100_000_000, 2_000 / 2 + 80);
    call.filling = 1_080;
    call.video.packets = 6;
    call.run(1_500);
    let settled = call.net.now;
    let paced = call.net.shard.snapshot(settled).counters.tx_paced;
    call.run(5_000);
    assert!(call.stats().estimate_bps.is_some_and(|bps| bps > 1_900_000), "{:?}", call.stats());
    assert_eq!(call.net.shard.snapshot(call.net.now).counters.tx_paced, paced);
    assert!(call.sheds().is_empty());
    call.check_video();
}

#[test]
fn where_no_probe_can_be_sent_media_is_held_back_only_after_harm_and_comes_back() {
    let mut call = Call::new(100_000_000, 1_080);
    call.video.packets = 6;
    call.net.set_rtp(call.subscriber, support::receive_map(), support::send_map_without_rtx());
    call.run(3_000);
    assert!(call.sent(VIDEO_SSRC, Time(0)).len() >= 6 * 88);
    assert_eq!(call.net.shard.snapshot(call.net.now).counters.tx_paced, 0);
    assert_eq!(call.stats().estimate_bps, Some(20_000_000));
    call.link.bps = 700_000;
    call.run(3_000);
    assert!(call.stats().estimate_bps.is_some_and(|bps| bps < 800_000), "{:?}", call.stats());
    call.link.bps = 100_000_000;
    call.run(22_000);
    assert!(call.stats().estimate_bps.is_some_and(|bps| bps > 2_000_000), "{:?}", call.stats());
    let since = call.net.now;
    call.run(1_000);
    assert!(call.sent(VIDEO_SSRC, since).len() >= 170, "{:?} {:?}", call.stats(), call.sheds());
}

#[test]
fn the_first_probe_goes_out_right_after_the_first_media() {
    let mut call = Call::new(100_000_000, 1_000);
    call.run(30);
    let first = call.sent(VIDEO_SSRC, Time(0))[0].0;
    let probe = call.sent(RTX_SSRC, Time(0));
    assert!(probe.first().is_some_and(|(at, _)| at.since(first) <= Micros::from_millis(5)), "{first:?} {probe:?}");
    let bytes: usize = probe.iter().map(|(_, len)| len + 28).sum();
    // 900 kbit/s for 20 ms, the media among it included.
    assert!((500..4_500).contains(&bytes), "{bytes}");
}

#[test]
fn a_probe_is_recent_media_over_rtx_else_padding_and_no_media_is_counted_for_it() {
    for (filling, is_media) in [(1_000, true), (20, false)] {
        let mut call = Call::new(100_000_000, filling);
        call.run(400);
        let counters = call.net.shard.snapshot(call.net.now).counters;
        let consumer = call.net.consumer(VIDEO);
        let client = call.net.client(call.subscriber);
        let media: Vec<(u16, Vec<u8>)> =
            client.stream(VIDEO_SSRC).iter().map(|it| (it.header.seq, it.payload().to_vec())).collect();
        let probes = client.stream(RTX_SSRC);
        assert!(probes.len() >= 5, "{}", probes.len());
        for probe in &probes {
            assert_eq!(probe.header.pt, VP8_RTX_PT);
            if is_media {
                let (osn, payload) = probe.payload().split_at(2);
                let osn = u16::from_be_bytes([osn[0], osn[1]]);
                assert!(media.iter().any(|(seq, sent)| *seq == osn && sent == payload), "{osn}");
            } else {
                assert!(probe.payload().is_empty() && probe.packet.ends_with(&[0, 255]), "{:?}", probe.packet);
            }
        }
        let seqs: BTreeSet<u16> = probes.iter().map(|it| it.header.seq).collect();
        assert_eq!(seqs.len(), probes.len(), "each has its own number");
        assert_eq!(counters.tx_probes, probes.len() as u64);
        assert_eq!((counters.tx_retransmitted, consumer.retransmitted), (0, 0));
        assert_eq!(consumer.packets, media.len() as u64);
    }
}

#[test]
fn a_picture_that_waits_for_proof_that_it_fits_is_proved_by_padding() {
    let mut call = Call::new(100_000_000, 1_000);
    call.net.apply(Command::PauseConsumer { consumer: VIDEO, paused: true });
    call.run(1_500);
    let client = call.net.client(call.subscriber);
    assert!(client.stream(VIDEO_SSRC).is_empty());
    let probes = client.stream(RTX_SSRC);
    assert!(!probes.is_empty() && probes.iter().all(|it| it.payload().is_empty() && it.header.pt == VP8_RTX_PT));
    assert!(call.stats().estimate_bps.is_some_and(|bps| bps > 1_500_000), "{:?}", call.stats());
    call.net.apply(Command::PauseConsumer { consumer: VIDEO, paused: false });
    call.wants_keyframe = true;
    call.run(500);
    assert!(call.sent(VIDEO_SSRC, Time(0)).len() >= 40);
    call.check_video();
}

#[test]
fn a_client_that_wants_nothing_more_is_not_probed() {
    let mut call = Call::new(100_000_000, 1_000);
    call.net.apply(Command::SetDesiredBitrate { transport: call.subscriber, bps: 0 });
    call.run(3_000);
    assert_eq!(call.net.shard.snapshot(call.net.now).counters.tx_probes, 0);
}

#[test]
fn a_keyframe_is_spread_by_the_pacing_rate_while_audio_goes_at_once() {
    // 600 kbit/s of video on 1.2 Mbit/s.
    let mut call = Call::new(1_200_000, 780);
    call.run(6_000);
    let pacing_bps = call.stats().estimate_bps.expect("measured") * 5 / 4;
    assert!((500_000..1_700_000).contains(&pacing_bps), "{pacing_bps}");
    let start = call.net.now;
    // 24 packets of 1,100 bytes, twice what may go at once at the least.
    call.filling = 1_080;
    call.video.packets = 24;
    call.send_frame();
    (call.video.packets, call.filling) = (3, 200);
    call.run(1_000);
    let video = call.sent(VIDEO_SSRC, start);
    let at_once: usize = video.iter().filter(|(at, _)| at.since(start) < Micros(1_000)).map(|(_, len)| len).sum();
    assert!(at_once as u64 * 8 * 25 <= pacing_bps * 13 / 10, "{at_once} bytes at once of {pacing_bps} bit/s");
    for (from, _) in &video {
        let window = video.iter().filter(|(at, _)| at >= from && at.since(*from) < Micros::from_millis(100));
        let bytes: usize = window.map(|(_, len)| len).sum();
        // 40 ms of burst and 100 ms of the rate, which may have grown meanwhile.
        assert!(bytes as u64 * 8_000 / 140 <= pacing_bps * 14 / 10, "{bytes} bytes in 100 ms of {pacing_bps} bit/s");
    }
    let audio = call.sent(AUDIO_SSRC, start);
    assert!(audio.windows(2).all(|pair| pair[1].0.since(pair[0].0) <= Micros(20_000)), "audio waited");
    assert!(call.net.shard.snapshot(call.net.now).counters.tx_paced > 0);
    call.check_video();
}

#[test]
fn a_stalled_control_plane_does_not_collapse_the_call() {
    // 1.5 Mbit/s of video in two temporal layers on 1 Mbit/s, and nobody chooses layers.
    let mut call = Call::new(1_000_000, 1_080);
    (call.video.packets, call.layers) = (6, 2);
    call.run(8_000);
    assert_eq!(call.sheds().first(), Some(&(0, 0)), "the temporal layer first");
    let settled = call.net.now;
    call.link.longest_queue = Micros(0);
    let mut longest_wait = 0;
    for _ in 0..200 {
        call.run(50);
        longest_wait = longest_wait.max(call.stats().pacer_bytes * 8_000 / 1_000_000);
    }
    let audio = call.sent(AUDIO_SSRC, settled);
    assert!(audio.windows(2).all(|pair| pair[1].0.since(pair[0].0) <= Micros(20_000)), "audio waited");
    assert!(call.link.longest_queue < Micros::from_millis(400), "{:?} in the network", call.link.longest_queue);
    assert!(longest_wait < 700, "{longest_wait} ms in the pacer");
    let bps: usize = call.sent(VIDEO_SSRC, settled).iter().map(|(_, len)| len * 8).sum::<usize>() / 10;
    assert!(bps > 400_000, "{bps} bit/s of video");
    call.check_video();
}

#[test]
fn media_that_grows_while_the_control_plane_is_stalled_is_not_shed_where_the_network_carries_it() {
    for (before, after) in [(250, 1_080), (100, 500), (500, 1_080)] {
        // 72 to 360 kbit/s, and no more is desired; then 1 or 2 Mbit/s.
        let mut call = Call::new(20_000_000, before);
        let desired = Command::SetDesiredBitrate { transport: call.subscriber, bps: before as u64 * 1_000 };
        call.net.apply(desired);
        call.run(6_000);
        assert!(call.stats().estimate_bps.is_some_and(|bps| bps < 600_000), "{:?}", call.stats());
        (call.video.packets, call.filling) = (8, after);
        let since = call.net.now;
        call.run(5_000);
        let sent = call.sent(VIDEO_SSRC, since);
        assert_eq!((sent.len(), call.sheds()), (1_200, vec![]));
        let pauses = sent.windows(2).map(|pair| pair[1].0.since(pair[0].0));
        assert!(pauses.max() < Some(Micros::from_millis(100)), "no more than two frames");
        assert_eq!(call.stats().pacer_bytes, 0);
        call.check_video();
    }
}

#[test]
fn what_was_shed_comes_back_by_the_control_plane_s_word_or_when_the_network_carries_it() {
    for has_word in [true, false] {
        let mut call = Call::new(1_000_000, 1_080);
        (call.video.packets, call.layers) = (6, 2);
        call.run(4_000);
        assert_eq!(call.sheds().first(), Some(&(0, 0)));
        call.link.bps = 20_000_000;
        call.run(if has_word { 1_000 } else { 15_000 });
        if has_word {
            call.net.set_layers(VIDEO, 0, 255);
        }
        let since = call.net.now;
        call.run(2_000);
        let client = call.net.client(call.subscriber);
        let stream = client.stream(VIDEO_SSRC);
        let upper = stream.iter().filter(|it| it.at > since && read_mark(it.payload()).tid == 1).count();
        assert!(upper > 100, "{upper} packets of the upper layer");
        call.check_video();
    }
}

#[test]
fn on_a_network_too_narrow_for_any_video_audio_goes_on_and_video_is_tried_again() {
    // 1.5 Mbit/s of video without layers on 200 kbit/s.
    let mut call = Call::new(200_000, 1_080);
    call.video.packets = 6;
    call.run(6_000);
    let settled = call.net.now;
    call.run(10_000);
    let audio = call.sent(AUDIO_SSRC, settled);
    assert!(audio.len() >= 495 && audio.windows(2).all(|pair| pair[1].0.since(pair[0].0) <= Micros(20_000)));
    let bps: usize = call.sent(VIDEO_SSRC, settled).iter().map(|(_, len)| len * 8).sum::<usize>() / 10;
    assert!(bps < 600_000, "{bps}");
    call.link.bps = 20_000_000;
    call.run(8_000);
    let since = call.net.now;
    call.run(1_000);
    let packets = call.sent(VIDEO_SSRC, since).len();
    assert!(packets > 100, "{packets} {:?} {:?}", call.stats(), call.sheds());
}

#[test]
fn what_waits_goes_with_its_consumer_or_producer_and_has_no_number_yet() {
    for command in [
        Command::RemoveProducer { producer: ProducerId(1) },
        Command::RemoveConsumer { consumer: VIDEO },
        Command::SwitchConsumer { consumer: VIDEO, producer: None },
        Command::PauseConsumer { consumer: VIDEO, paused: true },
        Command::PauseProducer { producer: ProducerId(1), paused: true },
    ] {
        let mut call = Call::new(400_000, 1_080);
        call.video.packets = 6;
        let waits = |call: &mut Call| {
            call.run(5);
            call.stats().pacer_bytes > 0
        };
        assert!((0..400).any(|_| waits(&mut call)));
        call.net.apply(command);
        let since = call.net.now;
        call.net.run_for(Micros::from_secs(2));
        assert_eq!(call.stats().pacer_bytes, 0);
        assert!(call.sent(VIDEO_SSRC, since).is_empty());
        call.check_video();
    }
}
