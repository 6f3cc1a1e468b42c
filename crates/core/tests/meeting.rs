//! Whole meetings in virtual time: what publishers send arrives at subscribers as it should.

mod support;

use sfu_core::command::{Command, EncodingOptions, Kind};
use sfu_core::event::Event;
use sfu_core::ids::{ProducerId, Ssrc, TransportId};
use sfu_core::rtcp::{Packet, ReportBlock, write_nack};
use sfu_core::rtp::{HeaderFields, RtpHeader};
use sfu_core::shard::Gathering;
use sfu_core::time::Micros;
use sfu_core::wire::Writer;
use support::media::{Opus, Vp8, publish_seconds, read_mark, send_frame, single};
use support::{EXT_AUDIO_LEVEL, EXT_MID, Net, OUT_EXT_SHIFT};

#[test]
fn one_publisher_reaches_every_subscriber_whole_and_in_order() {
    let mut net = Net::new(1);
    let publisher = net.join(1);
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    let subscribers: Vec<TransportId> = (2..12).map(|id| net.join(id)).collect();
    for (number, &subscriber) in (100..).zip(&subscribers) {
        net.consume(number, subscriber, Kind::Video, producer);
    }
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 2);
    for (number, subscriber) in (100u32..).zip(subscribers) {
        let client = net.client(subscriber);
        let stream = client.stream(number * 10);
        assert_eq!(stream.len(), 180);
        for (place, received) in stream.iter().enumerate() {
            let mark = read_mark(received.payload());
            assert_eq!((mark.ssrc, mark.frame, mark.packet), (1_000, place as u32 / 3 + 1, (place % 3) as u8));
            assert_eq!(received.header.seq, stream[0].header.seq.wrapping_add(place as u16));
            assert_eq!(received.header.marker, place % 3 == 2);
            let frame_ts = stream[0].header.timestamp.wrapping_add(3_000 * (place as u32 / 3));
            assert_eq!(received.header.timestamp, frame_ts);
            let mid = received.extension(EXT_MID + OUT_EXT_SHIFT).expect("a mid");
            assert_eq!(mid, format!("c{number}").as_bytes());
        }
    }
    assert!(net.stray.is_empty());
}

#[test]
fn audio_starts_at_once_and_keeps_its_level() {
    let mut net = Net::new(2);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Audio, "a", vec![EncodingOptions::default()]);
    net.consume(5, subscriber, Kind::Audio, producer);
    let mut audio = Opus::new(500, "a");
    for number in 0..50 {
        let packet = audio.packet(number);
        let bytes = net.client(publisher).protect(&packet);
        net.send_at(net.now, publisher, bytes);
        net.run_for(Micros(20_000));
    }
    let stream_len = net.client(subscriber).stream(50).len();
    assert_eq!(stream_len, 50);
    let level = net.client(subscriber).stream(50)[7].extension(EXT_AUDIO_LEVEL + OUT_EXT_SHIFT).map(<[u8]>::to_vec);
    assert_eq!(level, Some(vec![0x85]));
    assert_eq!(net.producer(producer).stats.audio_level_dbov, Some(5));
    let started = net.events.iter().any(|event| matches!(event, Event::EncodingStarted { ssrc: Ssrc(500), .. }));
    assert!(started, "{:?}", net.events);
}

#[test]
fn a_subscriber_that_comes_later_starts_with_a_keyframe_it_asked_for() {
    let mut net = Net::new(3);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 1);
    net.consume(7, subscriber, Kind::Video, producer);
    assert_eq!(net.client(publisher).plis(), [1_000]);
    let frame = video.frame(false, 0, false);
    send_frame(&mut net, publisher, &frame);
    assert!(net.client(subscriber).stream(70).is_empty());
    let frame = video.frame(true, 0, false);
    send_frame(&mut net, publisher, &frame);
    let client = net.client(subscriber);
    assert!(read_mark(client.stream(70)[0].payload()).is_keyframe);
    assert_eq!(client.stream(70).len(), 3);
}

#[test]
fn keyframe_requests_are_repeated_each_second_until_one_comes() {
    let mut net = Net::new(4);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    let mut video = Vp8::new(1_000, "v");
    send_frame(&mut net, publisher, &video.frame(false, 0, false));
    net.consume(7, subscriber, Kind::Video, producer);
    for _ in 0..105 {
        send_frame(&mut net, publisher, &video.frame(false, 0, false));
        net.run_for(Micros(33_333));
    }
    assert_eq!(net.client(publisher).plis().len(), 4);
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    net.run_for(Micros::from_secs(5));
    assert_eq!(net.client(publisher).plis().len(), 4);
}

#[test]
fn a_packet_lost_upstream_is_asked_for_and_fills_its_place() {
    let mut net = Net::new(5);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    let mut frame = video.frame(false, 0, false);
    let lost = frame.remove(1);
    send_frame(&mut net, publisher, &frame);
    assert_eq!(net.client(publisher).nacks(), [(1_000, lost.seq)]);
    let rtx = support::rtp(
        &HeaderFields {
            marker: false,
            pt: support::VP8_RTX_PT,
            seq: 9,
            timestamp: lost.rtp_ts,
            ssrc: 1_001,
            has_padding: false,
        },
        &[(EXT_MID, b"v")],
        &[&lost.seq.to_be_bytes()[..], RtpHeader::parse(&lost.bytes).expect("ours").payload(&lost.bytes)].concat(),
    );
    net.run_for(Micros::from_millis(15));
    let bytes = net.client(publisher).protect(&rtx);
    net.send_at(net.now, publisher, bytes);
    net.run_for(Micros::from_secs(1));
    let client = net.client(subscriber);
    let stream = client.stream(70);
    let numbers: Vec<u16> = stream.iter().map(|it| it.header.seq.wrapping_sub(stream[0].header.seq)).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 5, 4]);
    assert_eq!(read_mark(stream[5].payload()).packet, 1);
    assert_eq!(net.client(publisher).nacks().len(), 1);
    assert_eq!(net.producer(producer).encodings[0].recovered, 1);
}

#[test]
fn a_subscriber_s_nack_is_answered_over_rtx_once_per_round_trip_and_twice_when_it_comes_again() {
    let mut net = Net::new(6);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    let consumer = net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 1);
    let asked = net.client(subscriber).stream(70)[40].clone();
    net.nack(subscriber, 70, &[asked.header.seq]);
    net.nack(subscriber, 70, &[asked.header.seq]);
    net.run_for(Micros::from_millis(150));
    net.nack(subscriber, 70, &[asked.header.seq]);
    let client = net.client(subscriber);
    let repeated = client.stream(71);
    assert_eq!(repeated.len(), 3);
    let seqs: Vec<u16> = repeated.iter().map(|rtx| rtx.header.seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{seqs:?}");
    for rtx in repeated {
        assert_eq!(rtx.header.pt, support::VP8_RTX_PT);
        assert_eq!(rtx.payload()[..2], asked.header.seq.to_be_bytes());
        assert_eq!(&rtx.payload()[2..], asked.payload());
        assert_eq!((rtx.header.timestamp, rtx.header.marker), (asked.header.timestamp, asked.header.marker));
    }
    assert_eq!((net.drops("nack_too_soon"), net.consumer(consumer).retransmitted), (1, 3));
    net.nack(subscriber, 70, &[asked.header.seq.wrapping_add(5_000)]);
    assert_eq!(net.drops("nack_unknown"), 1);
}

#[test]
fn what_is_missing_of_the_newest_keyframe_is_sent_again_twice_at_once() {
    let mut net = Net::new(6);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    send_frame(&mut net, publisher, &video.frame(false, 0, false));
    let sent: Vec<_> = net.client(subscriber).stream(70).iter().map(|it| it.header).collect();
    let (key, delta) = (sent[0].seq, sent[sent.len() - 1].seq);
    net.nack(subscriber, 70, &[key]);
    assert_eq!(net.client(subscriber).stream(71).len(), 2);
    net.nack(subscriber, 70, &[delta]);
    assert_eq!(net.client(subscriber).stream(71).len(), 3);
}

#[test]
fn without_rtx_a_packet_is_repeated_bit_for_bit() {
    let mut net = Net::new(7);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    net.set_rtp(subscriber, support::receive_map(), support::send_map_without_rtx());
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 1);
    let asked = net.client(subscriber).stream(70)[40].clone();
    // The client's own replay protection would refuse the repetition: look at the wire instead.
    let mut client = net.clients.remove(&subscriber).expect("joined");
    let mut buffer = [0; 100];
    let mut writer = Writer::new(&mut buffer);
    write_nack(&mut writer, 1, 70, &[asked.header.seq]).expect("room");
    let datagram = client.protect_rtcp(writer.written());
    net.handle(vec![(client.socket, client.address, datagram)]);
    assert_eq!(net.stray, [(client.address, asked.raw)]);
}

#[test]
fn reports_go_both_ways_with_the_round_trip() {
    let mut net = Net::new(8);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    let consumer = net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 3);
    let blocks = net.client(publisher).packets(|packet| match packet {
        Packet::ReceiverReport(report) => Some(report.blocks().collect::<Vec<_>>()),
        _ => None,
    });
    let blocks: Vec<_> = blocks.into_iter().flatten().collect();
    assert!(blocks.len() >= 2 && blocks.iter().all(|block| block.ssrc == 1_000 && block.fraction_lost == 0));
    let newest = blocks[blocks.len() - 1].highest_seq;
    let behind = video.seq.wrapping_sub(1).wrapping_sub(newest as u16);
    assert!(behind <= 90, "{behind} packets behind, more than a second");
    assert_eq!(newest >> 16, 0, "cycles count from 0");
    let sent = net.client(subscriber).packets(|packet| match packet {
        Packet::SenderReport(report) => Some(report.info),
        _ => None,
    });
    let info = sent.last().copied().expect("a sender report");
    assert_eq!(info.ssrc, 70);
    let cnames = net.client(subscriber).packets(|packet| match packet {
        Packet::Sdes(sdes) => sdes.cnames().map(|(ssrc, name)| (ssrc, name.to_vec())).next(),
        _ => None,
    });
    assert_eq!(cnames.last(), Some(&(70, b"cname7".to_vec())));
    net.run_for(Micros::from_millis(1_500));
    let reports = net.client(subscriber).rtcp.len();
    while net.client(subscriber).rtcp.len() == reports {
        net.run_for(Micros::from_millis(10));
    }
    let infos = net.client(subscriber).packets(|packet| match packet {
        Packet::SenderReport(report) => Some(report.info),
        _ => None,
    });
    let info = infos.last().copied().expect("a sender report");
    net.run_for(Micros::from_millis(80));
    let block = ReportBlock {
        ssrc: 70,
        fraction_lost: 64,
        cumulative_lost: 9,
        lsr: info.compact_ntp(),
        dlsr: 65_536 / 100,
        ..Default::default()
    };
    net.report(subscriber, block);
    let stats = net.consumer(consumer);
    assert_eq!((stats.fraction_lost, stats.lost), (Some(0.25), Some(9)));
    let rtt_us = stats.rtt_us.expect("measured");
    assert!((69_000..=81_000).contains(&rtt_us), "{rtt_us}");
}

#[test]
fn padding_leaves_no_gap_and_is_not_forwarded() {
    let mut net = Net::new(16);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    for _ in 0..5 {
        let padding = video.padding();
        let bytes = net.client(publisher).protect(&padding);
        net.send_at(net.now, publisher, bytes);
    }
    send_frame(&mut net, publisher, &video.frame(false, 0, false));
    let stream: Vec<u16> = net.client(subscriber).stream(70).iter().map(|it| it.header.seq).collect();
    assert_eq!(stream.len(), 6);
    assert!(stream.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    assert_eq!((net.drops("rtp_padding"), net.client(publisher).nacks().len()), (5, 0));
    assert_eq!(net.producer(producer).encodings[0].packets, 11);
}

#[test]
fn retransmissions_stay_within_their_budget() {
    let mut net = Net::new(17);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    let consumer = net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    video.filling = 1_100;
    publish_seconds(&mut net, publisher, &mut video, 1);
    let all: Vec<u16> = net.client(subscriber).stream(70).iter().map(|it| it.header.seq).collect();
    for round in 0..8 {
        net.nack(subscriber, 70, &all[round * 11..round * 11 + 11]);
    }
    // 90 packets of some 1,150 bytes a second: 25 % would be 25 KiB, so the floor of 32 KiB counts.
    let retransmitted = net.consumer(consumer).retransmitted;
    assert!((25..=30).contains(&retransmitted), "{retransmitted}");
    // The three packets of the keyframe went out twice.
    assert_eq!(net.drops("nack_budget") + retransmitted, 88 + 3);
}

#[test]
fn feedback_tells_the_publisher_when_each_packet_came() {
    let mut net = Net::new(11);
    let publisher = net.join(1);
    net.produce(1, publisher, Kind::Audio, "a", vec![EncodingOptions::default()]);
    let mut audio = Opus::new(500, "a");
    for number in 0..50u16 {
        let packet = audio.packet(number);
        let bytes = net.client(publisher).protect(&packet);
        net.send_at(net.now, publisher, bytes);
        net.run_for(Micros(20_000));
    }
    net.run_for(Micros(200_000));
    let told = net.client(publisher).packets(|packet| match packet {
        Packet::TransportFeedback(feedback) => Some(feedback.arrivals().collect::<Vec<_>>()),
        _ => None,
    });
    let told: Vec<_> = told.into_iter().flatten().collect();
    assert_eq!(told.iter().map(|entry| entry.0).collect::<Vec<_>>(), (0..50).collect::<Vec<u16>>());
    let times: Vec<i64> = told.iter().map(|entry| entry.1.expect("all came")).collect();
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 20_000).abs() <= 250), "{times:?}");
}

#[test]
fn what_hangs_from_a_removed_object_goes_with_it() {
    let mut net = Net::new(12);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    let consumer = net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    publish_seconds(&mut net, publisher, &mut video, 1);
    net.apply(Command::RemoveTransport { transport: publisher });
    assert_eq!(net.consumer(consumer).producer, None);
    send_frame(&mut net, publisher, &video.frame(true, 0, false));
    assert_eq!(net.drops("unknown_address"), 3);
    net.apply(Command::RemoveRouter { router: support::ROUTER });
    let snapshot = net.shard.snapshot(net.now);
    assert!(snapshot.routers.is_empty() && snapshot.transports.is_empty());
    assert!(snapshot.producers.is_empty() && snapshot.consumers.is_empty());
    net.apply(Command::RemoveProducer { producer: ProducerId(1) });
    let failed = |event: &Event| matches!(event, Event::CommandFailed { command: "remove_producer", id: 1, .. });
    assert!(net.events.iter().any(failed));
}

#[test]
fn a_snapshot_gathered_in_pieces_says_what_one_made_at_once_says() {
    let mut net = Net::new(13);
    let (publisher, subscribers) = (net.join(1), [net.join(2), net.join(3), net.join(4)]);
    let producer = net.produce(1, publisher, Kind::Video, "v", single(1_000));
    for (subscriber, id) in subscribers.into_iter().zip(7..) {
        net.consume(id, subscriber, Kind::Video, producer);
    }
    publish_seconds(&mut net, publisher, &mut Vp8::new(1_000, "v"), 1);
    let whole = net.shard.snapshot(net.now);
    for objects in 1..9 {
        let mut gathering = Gathering::new(net.now);
        let pieces = (0..9).take_while(|_| net.shard.gather(net.now, &mut gathering, objects)).count();
        assert_eq!(pieces, 8_usize.div_ceil(objects) - 1, "four transports, a producer, three consumers");
        assert_eq!(net.shard.complete(gathering), whole);
    }
    // Who goes meanwhile may be in it or not; the others are, once.
    let mut gathering = Gathering::new(net.now);
    assert!(net.shard.gather(net.now, &mut gathering, 2));
    net.apply(Command::RemoveTransport { transport: subscribers[0] });
    while net.shard.gather(net.now, &mut gathering, 2) {}
    let snapshot = net.shard.complete(gathering);
    assert_eq!(snapshot.transports.len(), 4);
    assert_eq!(snapshot.consumers.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [8, 9]);
}
