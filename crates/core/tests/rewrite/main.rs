//! Properties of what a subscriber gets, whatever happens on the way: loss, reordering, duplicates,
//! switches, pauses, layer changes. Longer than other files, because the world, its random steps and
//! what must hold after each are read together.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use sfu_core::command::{Command, EncodingOptions, Kind};
use sfu_core::ids::{ConsumerId, ProducerId, Ssrc, TransportId};
use sfu_core::rtcp::{SenderInfo, write_sender_report};
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::rtp::{HeaderFields, RtpHeader};
use sfu_core::time::Micros;
use support::media::{Mark, Sent, Vp8, read_mark};
use support::{EXT_MID, Net, Received, VP8_RTX_PT, rtp};

const CONSUMER: ConsumerId = ConsumerId(7);
const SSRC: u32 = 70;
const RTX_SSRC: u32 = 71;

/// What happens to a packet on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    ArrivesTwice,
    IsDelayed,
    IsLost,
}

#[derive(Clone, Debug)]
enum Op {
    Frame {
        source: usize,
        is_keyframe: bool,
        tid: u8,
        is_sync: bool,
        fates: [Fate; 3],
    },
    Padding {
        source: usize,
    },
    /// Delivers a delayed packet, or sends a lost one again.
    Repair {
        which: usize,
    },
    Switch {
        producer: Option<u32>,
    },
    PauseConsumer {
        paused: bool,
    },
    PauseProducer {
        producer: u32,
        paused: bool,
    },
    Layers {
        spatial: u8,
        temporal: u8,
    },
    SenderReport {
        source: usize,
    },
    Nack {
        which: usize,
    },
    Wait {
        ms: u64,
    },
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Arrives),
        1 => Just(Fate::ArrivesTwice),
        2 => Just(Fate::IsDelayed),
        1 => Just(Fate::IsLost),
    ]
}

fn frame(sources: usize) -> impl Strategy<Value = Op> {
    let parts = (0..sources, prop::bool::weighted(0.2), 0u8..3, any::<bool>(), [fate(), fate(), fate()]);
    parts.prop_map(|(source, is_keyframe, tid, is_sync, fates)| Op::Frame {
        source,
        is_keyframe,
        // A keyframe is of the base layer.
        tid: if is_keyframe { 0 } else { tid },
        is_sync,
        fates,
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        24 => frame(3),
        2 => (0usize..3).prop_map(|source| Op::Padding { source }),
        6 => (0usize..8).prop_map(|which| Op::Repair { which }),
        2 => prop::option::weighted(0.9, 1u32..3).prop_map(|producer| Op::Switch { producer }),
        1 => any::<bool>().prop_map(|paused| Op::PauseConsumer { paused }),
        1 => (1u32..3, any::<bool>()).prop_map(|(producer, paused)| Op::PauseProducer { producer, paused }),
        3 => (0u8..3, 0u8..4).prop_map(|(spatial, temporal)| Op::Layers { spatial, temporal }),
        1 => (0usize..3).prop_map(|source| Op::SenderReport { source }),
        3 => (0usize..200).prop_map(|which| Op::Nack { which }),
        4 => prop_oneof![Just(5u64), Just(33), Just(300), Just(1_500)].prop_map(|ms| Op::Wait { ms }),
    ]
}

/// A repairable fault: the packet, and whether it comes again by retransmission.
struct Fault {
    source: usize,
    sent: Sent,
    is_lost: bool,
    delayed: Vec<u8>,
}

struct World {
    net: Net,
    subscriber: TransportId,
    sources: Vec<(TransportId, Vp8)>,
    rtx_seq: u16,
    faults: Vec<Fault>,
    /// Payload (without the rewritten fields) of everything that was sent, by (SSRC, frame, packet).
    sent: HashMap<(u32, u32, u8), Sent>,
    /// Source numbers that did not arrive in order, by SSRC.
    disturbed: HashMap<u32, BTreeSet<u16>>,
    seen: usize,
    unwrapper: SeqUnwrapper,
    /// By extended number: the media packets and padding that the subscriber got.
    got: BTreeMap<u64, Received>,
    /// The next new packet must start a keyframe.
    must_restart: bool,
    switched_to: Option<u32>,
}

fn encoding(ssrc: u32) -> EncodingOptions {
    EncodingOptions { rid: None, ssrc: Some(Ssrc(ssrc)), rtx_ssrc: Some(Ssrc(ssrc + 1)) }
}

impl World {
    fn new() -> Self {
        let mut net = Net::new(3);
        let (first, second, subscriber) = (net.join(1), net.join(2), net.join(3));
        let producer = net.produce(1, first, Kind::Video, "a", vec![encoding(1_000), encoding(2_000)]);
        net.produce(2, second, Kind::Video, "b", vec![encoding(3_000)]);
        net.consume(CONSUMER.0, subscriber, Kind::Video, producer);
        let sources = [(first, 1_000, "a"), (first, 2_000, "a"), (second, 3_000, "b")];
        Self {
            net,
            subscriber,
            sources: sources.map(|(transport, ssrc, mid)| (transport, Vp8::new(ssrc, mid))).to_vec(),
            rtx_seq: 0,
            faults: Vec::new(),
            sent: HashMap::new(),
            disturbed: HashMap::new(),
            seen: 0,
            unwrapper: SeqUnwrapper::default(),
            got: BTreeMap::new(),
            must_restart: true,
            switched_to: Some(1),
        }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Frame { source, is_keyframe, tid, is_sync, fates } => {
                self.send_frame(*source, *is_keyframe, *tid, *is_sync, *fates);
            }
            Op::Padding { source } => {
                let (transport, vp8) = &mut self.sources[*source];
                let (transport, bytes) = (*transport, vp8.padding());
                let bytes = self.net.client(transport).protect(&bytes);
                self.arrive(transport, vec![bytes]);
            }
            Op::Repair { which } => self.repair(*which),
            Op::Switch { producer } => {
                self.must_restart |= self.switched_to != *producer;
                self.switched_to = *producer;
                self.net.switch(CONSUMER, producer.map(ProducerId));
            }
            Op::PauseConsumer { paused } => {
                // A pause that changes nothing does not interrupt; being wrong here only asks less.
                let was_paused = self.net.consumer(CONSUMER).paused;
                self.must_restart |= was_paused != *paused;
                self.net.apply(Command::PauseConsumer { consumer: CONSUMER, paused: *paused });
            }
            Op::PauseProducer { producer, paused } => {
                let id = ProducerId(*producer);
                let has_changed = self.net.producer(id).stats.paused != *paused;
                self.must_restart |= has_changed && self.switched_to == Some(*producer);
                self.net.apply(Command::PauseProducer { producer: id, paused: *paused });
            }
            Op::Layers { spatial, temporal } => self.net.set_layers(CONSUMER, *spatial, *temporal),
            Op::SenderReport { source } => self.report(*source),
            Op::Nack { which } => self.nack(*which),
            Op::Wait { ms } => self.net.run_for(Micros::from_millis(*ms)),
        }
        self.collect();
    }

    fn arrive(&mut self, transport: TransportId, datagrams: Vec<Vec<u8>>) {
        let client = &self.net.clients[&transport];
        let (socket, address) = (client.socket, client.address);
        self.net.handle(datagrams.into_iter().map(|bytes| (socket, address, bytes)).collect());
    }

    fn send_frame(&mut self, source: usize, is_keyframe: bool, tid: u8, is_sync: bool, fates: [Fate; 3]) {
        let (transport, vp8) = &mut self.sources[source];
        let transport = *transport;
        let mut batch = Vec::new();
        for (sent, fate) in vp8.frame(is_keyframe, tid, is_sync).into_iter().zip(fates) {
            self.sent.insert((sent.mark.ssrc, sent.mark.frame, sent.mark.packet), sent.clone());
            let bytes = self.net.client(transport).protect(&sent.bytes);
            match fate {
                Fate::Arrives => batch.push(bytes),
                Fate::ArrivesTwice => batch.extend([bytes.clone(), bytes]),
                Fate::IsDelayed | Fate::IsLost => {
                    self.disturbed.entry(sent.mark.ssrc).or_default().insert(sent.seq);
                    self.faults.push(Fault { source, sent, is_lost: fate == Fate::IsLost, delayed: bytes });
                }
            }
        }
        self.arrive(transport, batch);
    }

    fn repair(&mut self, which: usize) {
        if self.faults.is_empty() {
            return;
        }
        let fault = self.faults.remove(which % self.faults.len());
        let transport = self.sources[fault.source].0;
        let bytes = if fault.is_lost {
            self.rtx_seq = self.rtx_seq.wrapping_add(1);
            let header = RtpHeader::parse(&fault.sent.bytes).expect("ours");
            let fields = HeaderFields {
                marker: header.marker,
                pt: VP8_RTX_PT,
                seq: self.rtx_seq,
                timestamp: header.timestamp,
                ssrc: header.ssrc + 1,
                has_padding: false,
            };
            let payload = [&header.seq.to_be_bytes()[..], header.payload(&fault.sent.bytes)].concat();
            self.net.client(transport).protect(&rtp(&fields, &[(EXT_MID, b"x")], &payload))
        } else {
            fault.delayed
        };
        self.arrive(transport, vec![bytes]);
    }

    fn report(&mut self, source: usize) {
        let (transport, vp8) = &self.sources[source];
        let ntp = (3_900_000_000u64 << 32) + ((self.net.now.0 << 32) / 1_000_000);
        let info = SenderInfo { ssrc: vp8.ssrc, ntp, rtp_ts: vp8.rtp_ts, packet_count: 0, octet_count: 0 };
        let transport = *transport;
        self.net.control(transport, |writer| write_sender_report(writer, &info, &[]).expect("room"));
    }

    /// Asks for one of the packets that came, and checks the answer when there is one.
    fn nack(&mut self, which: usize) {
        let Some((&ext_seq, _)) = self.got.iter().rev().nth(which) else { return };
        let before = self.net.client(self.subscriber).stream(RTX_SSRC).len();
        self.net.nack(self.subscriber, SSRC, &[ext_seq as u16]);
        let original = &self.got[&ext_seq];
        let client = &self.net.clients[&self.subscriber];
        for rtx in client.stream(RTX_SSRC).into_iter().skip(before) {
            assert_eq!(rtx.payload()[..2], (ext_seq as u16).to_be_bytes());
            assert_eq!(&rtx.payload()[2..], original.payload(), "another packet than the one asked for");
            if !original.payload().is_empty() {
                assert_eq!(rtx.header.timestamp, original.header.timestamp);
                assert_eq!(rtx.header.marker, original.header.marker);
            }
        }
    }

    /// Looks at what came since the last time, in the order of arrival.
    fn collect(&mut self) {
        let client = &self.net.clients[&self.subscriber];
        let new: Vec<Received> = client.rtp[self.seen..].iter().filter(|it| it.header.ssrc == SSRC).cloned().collect();
        self.seen = client.rtp.len();
        for received in new {
            let highest = self.unwrapper.highest();
            let ext_seq = self.unwrapper.unwrap_seq(received.header.seq);
            let is_media = !received.payload().is_empty();
            if is_media && highest.is_none_or(|highest| ext_seq > highest) {
                self.check_step(&received);
            }
            assert!(self.got.insert(ext_seq, received).is_none(), "number {ext_seq} was used twice");
        }
    }

    /// A packet that is newer than all others.
    fn check_step(&mut self, received: &Received) {
        let mark = read_mark(received.payload());
        let last = self.got.values().rev().find(|it| !it.payload().is_empty());
        let last_ssrc = last.map(|it| read_mark(it.payload()).ssrc);
        let seq = self.sent[&(mark.ssrc, mark.frame, mark.packet)].seq;
        let is_late = self.disturbed.get(&mark.ssrc).is_some_and(|late| late.contains(&seq));
        let is_start = mark.is_keyframe && mark.packet == 0;
        if is_late && last_ssrc == Some(mark.ssrc) && !is_start {
            // It may fill a place that was kept at the end of what came before the restart.
            return;
        }
        if self.must_restart || last_ssrc != Some(mark.ssrc) {
            assert!(is_start, "starts with {mark:?}");
            self.must_restart = false;
        }
    }

    /// Everything that must hold of the stream as a whole.
    fn check(&self) {
        for received in self.got.values() {
            self.check_identity(received);
        }
        let media: Vec<(u64, Mark, &Received)> = self
            .got
            .iter()
            .filter(|entry| !entry.1.payload().is_empty())
            .map(|(ext_seq, received)| (*ext_seq, read_mark(received.payload()), received))
            .collect();
        for pair in media.windows(2) {
            let ((first_seq, first, a), (second_seq, second, b)) = (pair[0], pair[1]);
            let step = b.header.timestamp.wrapping_sub(a.header.timestamp);
            assert!(step < 0x8000_0000, "timestamp falls between {first:?} and {second:?}");
            let is_same_frame = (first.ssrc, first.frame) == (second.ssrc, second.frame);
            let pictures = second.picture_id.wrapping_sub(first.picture_id) & 0x7FFF;
            assert_eq!(is_same_frame, pictures == 0, "{first:?} {second:?}");
            assert!(pictures < 0x4000, "picture id falls between {first:?} and {second:?}");
            assert_eq!(is_same_frame, step == 0, "{first:?} {second:?}");
            let tl0 = second.tl0.wrapping_sub(first.tl0);
            assert!(tl0 < 0x80, "tl0picidx falls between {first:?} and {second:?}");
            self.check_gap((first_seq, first), (second_seq, second));
        }
    }

    /// The payload is what the sender sent, but for the rewritten fields.
    fn check_identity(&self, received: &Received) {
        let payload = received.payload();
        if payload.is_empty() {
            return;
        }
        let mark = read_mark(payload);
        let sent = &self.sent[&(mark.ssrc, mark.frame, mark.packet)];
        let original = RtpHeader::parse(&sent.bytes).expect("ours").payload(&sent.bytes).to_vec();
        assert_eq!(payload[5..], original[5..]);
        assert_eq!(payload[..2], original[..2]);
        assert_eq!((mark.is_keyframe, mark.tid), (sent.mark.is_keyframe, sent.mark.tid));
        assert_eq!(received.header.marker, mark.packet + 1 == mark.packets);
    }

    /// Missing numbers between two packets are explained by packets that did not arrive in order.
    fn check_gap(&self, (first_seq, first): (u64, Mark), (second_seq, second): (u64, Mark)) {
        let missing = (first_seq + 1..second_seq).filter(|number| !self.got.contains_key(number)).count();
        let disturbed = &self.disturbed.get(&first.ssrc).cloned().unwrap_or_default();
        let from = self.sent[&(first.ssrc, first.frame, first.packet)].seq;
        // The stream starts anew with a keyframe also when the server saw its encoding stop.
        let may_restart = second.is_keyframe && second.packet == 0;
        if first.ssrc == second.ssrc && !may_restart {
            let to = self.sent[&(second.ssrc, second.frame, second.packet)].seq;
            let between = to.wrapping_sub(from);
            let lost = disturbed.iter().filter(|seq| (1..between).contains(&seq.wrapping_sub(from))).count();
            assert!(missing <= lost, "{missing} numbers missing, {lost} lost, between {first:?} and {second:?}");
        } else {
            let lost = disturbed.iter().filter(|seq| (1..0x8000).contains(&seq.wrapping_sub(from))).count();
            let unfinished = usize::from(first.packet + 1 < first.packets);
            assert!(missing <= lost.max(unfinished), "{missing} missing, {lost} lost, at the switch to {second:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_gives_a_stream_that_decodes(ops in prop::collection::vec(op(), 1..250)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
        }
        world.check();
    }

    /// Without switches, once everything lost or late has come, nothing is missing.
    #[test]
    fn what_was_lost_and_came_again_leaves_no_gap(
        ops in prop::collection::vec(
            prop_oneof![
                20 => frame(1),
                2 => Just(Op::Padding { source: 0 }),
                6 => (0usize..8).prop_map(|which| Op::Repair { which }),
                2 => (0u8..4).prop_map(|temporal| Op::Layers { spatial: 0, temporal }),
                4 => Just(Op::Wait { ms: 10 }),
            ],
            1..200,
        ),
    ) {
        let mut world = World::new();
        world.net.set_layers(CONSUMER, 0, 3);
        world.run(&Op::Frame {
            source: 0, is_keyframe: true, tid: 0, is_sync: true, fates: [Fate::Arrives; 3],
        });
        for op in &ops {
            world.run(op);
            // The server remembers what it decided for the frames of the last second.
            while world.faults.first().is_some_and(|fault| fault.sent.mark.frame + 25 < world.sources[0].1.frame) {
                world.run(&Op::Repair { which: 0 });
            }
        }
        while !world.faults.is_empty() {
            world.run(&Op::Repair { which: 0 });
        }
        // What waits for its time comes, too: a second later at most.
        (0..10).for_each(|_| world.run(&Op::Wait { ms: 100 }));
        world.check();
        let (first, last) = (world.got.keys().next().copied(), world.got.keys().next_back().copied());
        let count = last.zip(first).map_or(0, |(last, first)| last - first + 1);
        prop_assert_eq!(world.got.len() as u64, count, "numbers are missing");
        // Every frame that came through came through whole.
        let mut frames: BTreeMap<u32, usize> = BTreeMap::new();
        for received in world.got.values().filter(|it| !it.payload().is_empty()) {
            *frames.entry(read_mark(received.payload()).frame).or_default() += 1;
        }
        prop_assert!(frames.values().all(|&packets| packets == 3), "{:?}", frames);
    }
}
