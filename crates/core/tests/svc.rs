//! Properties of scalable streams of one SSRC as a subscriber gets them: VP9 with three spatial and three temporal
//! layers, AV1 with the same by its dependency descriptor, with full inter-layer prediction and with that of keyframes
//! alone. Every payload lists the frames that it refers to, so that nothing here depends on the server's own reading.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sfu_core::command::{Codec, CodecId, ExtensionKind, Kind, PayloadType, RtpMap};
use sfu_core::ids::{ConsumerId, TransportId};
use sfu_core::rtp::HeaderFields;
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::time::Micros;
use support::bits::Bits;
use support::{Net, VP9_PT, rtp};

const SSRC: u32 = 1_000;
const CONSUMER: ConsumerId = ConsumerId(7);
const AV1_PT: u8 = 45;
const EXT_DESCRIPTOR: u8 = 11;
const LAYERS: u8 = 3;
const TEMPORAL_PATTERN: [u8; 4] = [0, 2, 1, 2];

/// A frame of one spatial layer.
type FrameId = (u32, u8);

#[derive(Clone, Copy, Debug)]
struct Stream {
    is_av1: bool,
    /// Layers refer to the ones below in keyframes only.
    is_keyed: bool,
    /// Of VP9: references are listed.
    is_flexible: bool,
}

#[derive(Clone, Debug)]
enum Op {
    /// Bit i of the fates: what happens to the picture's packet i (two for each layer) is lost at first.
    Picture {
        is_keyframe: bool,
        /// The upper layers refer to their own picture alone.
        reopens: bool,
        lost: u8,
    },
    Repair {
        which: usize,
    },
    Layers {
        spatial: u8,
        temporal: u8,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let lost = prop_oneof![3 => Just(0u8), 1 => any::<u8>()];
    prop_oneof![
        20 => (prop::bool::weighted(0.04), prop::bool::weighted(0.1), lost)
            .prop_map(|(is_keyframe, reopens, lost)| Op::Picture { is_keyframe, reopens, lost }),
        6 => (0usize..8).prop_map(|which| Op::Repair { which }),
        4 => (0u8..4, 0u8..4).prop_map(|(spatial, temporal)| Op::Layers { spatial, temporal }),
    ]
}

/// One packet as the sender made it.
#[derive(Clone, Debug)]
struct Body {
    frame: FrameId,
    packet: u8,
    references: Vec<FrameId>,
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.frame.0.to_be_bytes().to_vec();
        bytes.extend([self.frame.1, self.packet, self.references.len() as u8]);
        for (picture, sid) in &self.references {
            bytes.extend(picture.to_be_bytes());
            bytes.push(*sid);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let references = (0..usize::from(bytes[6])).map(|index| 7 + 5 * index).map(|at| (word(at), bytes[at + 4]));
        Self { frame: (word(0), bytes[4]), packet: bytes[5], references: references.collect() }
    }
}

struct World {
    net: Net,
    stream: Stream,
    publisher: TransportId,
    subscriber: TransportId,
    seq: u16,
    picture: u32,
    /// Place in the pattern of temporal layers.
    position: usize,
    last_t0: u32,
    last_t1: u32,
    /// Pictures of the lowest temporal layer, and those in which the upper layers refer to their own picture alone.
    base: BTreeSet<u32>,
    reopened: BTreeSet<u32>,
    lost: Vec<(u32, Vec<u8>)>,
    plis: usize,
}

impl World {
    fn new(stream: Stream) -> Self {
        let mut net = Net::new(5);
        let (publisher, subscriber) = (net.join(1), net.join(2));
        net.set_rtp(publisher, with_av1(support::receive_map(), 0), support::send_map());
        net.set_rtp(subscriber, support::receive_map(), with_av1(support::send_map(), 20));
        let producer = net.produce(1, publisher, Kind::Video, "v", support::media::single(SSRC));
        net.consume(CONSUMER.0, subscriber, Kind::Video, producer);
        let (lost, plis) = (Vec::new(), 0);
        let (position, last_t0, last_t1, base, reopened) = (0, 0, 0, BTreeSet::new(), BTreeSet::new());
        let (seq, picture) = (65_400, 70);
        Self {
            net,
            stream,
            publisher,
            subscriber,
            seq,
            picture,
            position,
            last_t0,
            last_t1,
            base,
            reopened,
            lost,
            plis,
        }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Picture { is_keyframe, reopens, lost } => self.send(*is_keyframe, *reopens, *lost),
            Op::Repair { which } if !self.lost.is_empty() => {
                let (_, bytes) = self.lost.remove(which % self.lost.len());
                self.net.send_at(self.net.now, self.publisher, bytes);
            }
            Op::Repair { .. } => {}
            Op::Layers { spatial, temporal } => self.net.set_layers(CONSUMER, *spatial, *temporal),
        }
        self.net.run_for(Micros(0));
    }

    fn send(&mut self, is_keyframe: bool, reopens: bool, lost: u8) {
        self.net.run_for(Micros(33_333));
        self.picture += 1;
        // A sender answers requests.
        let plis = self.net.clients[&self.publisher].plis().len();
        let is_keyframe = is_keyframe || plis > self.plis;
        self.plis = plis;
        self.position = if is_keyframe { 0 } else { (self.position + 1) % TEMPORAL_PATTERN.len() };
        let tid = TEMPORAL_PATTERN[self.position];
        let before = if tid == 2 && self.position == 3 { self.last_t1 } else { self.last_t0 };
        for sid in 0..LAYERS {
            let is_open = is_keyframe || (reopens && tid == 0 && sid > 0);
            let mut references = Vec::new();
            if sid > 0 && (is_open || !self.stream.is_keyed) {
                references.push((self.picture, sid - 1));
            }
            if !is_open {
                references.push((before, sid));
            }
            for packet in 0..2 {
                let body = Body { frame: (self.picture, sid), packet, references: references.clone() };
                let is_lost = lost & 1 << (2 * sid + packet) != 0;
                self.send_packet(&body, tid, is_open, is_keyframe, is_lost);
            }
        }
        match tid {
            0 => {
                self.last_t0 = self.picture;
                self.base.insert(self.picture);
                if reopens || is_keyframe {
                    self.reopened.insert(self.picture);
                }
            }
            1 => self.last_t1 = self.picture,
            _ => {}
        }
    }

    fn send_packet(&mut self, body: &Body, tid: u8, is_open: bool, is_keyframe: bool, is_lost: bool) {
        let sid = body.frame.1;
        let (pt, head, descriptor) = if self.stream.is_av1 {
            // Encrypted: whatever the payload says of itself is wrong.
            (AV1_PT, vec![0xFF], descriptor(body, tid, is_open, is_keyframe, self.stream.is_keyed))
        } else {
            (VP9_PT, self.vp9_head(body, tid, is_open), Vec::new())
        };
        let marker = body.packet == 1 && sid == LAYERS - 1;
        self.seq = self.seq.wrapping_add(1);
        let timestamp = self.picture.wrapping_mul(3_000);
        let fields = HeaderFields { marker, pt, seq: self.seq, timestamp, ssrc: SSRC, has_padding: false };
        let mut elements: Vec<(u8, &[u8])> = vec![(support::EXT_MID, b"v")];
        if !descriptor.is_empty() {
            elements.push((EXT_DESCRIPTOR, &descriptor));
        }
        let packet = rtp(&fields, &elements, &[head, body.bytes()].concat());
        let bytes = self.net.client(self.publisher).protect(&packet);
        if is_lost {
            self.lost.push((self.picture, bytes));
        } else {
            self.net.send_at(self.net.now, self.publisher, bytes);
        }
    }

    fn vp9_head(&self, body: &Body, tid: u8, is_open: bool) -> Vec<u8> {
        let (picture, sid) = body.frame;
        let bit = |is_set: bool, at: u8| u8::from(is_set) << at;
        let is_flexible = self.stream.is_flexible;
        let (starts, ends) = (body.packet == 0, body.packet == 1);
        let first = 0xA0 | bit(!is_open, 6) | bit(is_flexible, 4) | bit(starts, 3) | bit(ends, 2);
        let [high, low] = (0x8000 | picture as u16).to_be_bytes();
        let is_dependent = body.references.contains(&(picture, sid.wrapping_sub(1)));
        let mut head = vec![first, high, low, tid << 5 | bit(tid < 2, 4) | sid << 1 | u8::from(is_dependent)];
        if !is_flexible {
            head.push((picture / 4) as u8);
        } else if !is_open {
            let farther = body.references.iter().map(|reference| picture - reference.0).filter(|back| *back > 0);
            head.extend(farther.map(|back| (back as u8) << 1));
        }
        head
    }

    /// Everything that was lost came at last: what the subscriber got must be without a hole and without a frame that
    /// refers to one that it did not get.
    fn check(&self) {
        let head_len = if self.stream.is_av1 { 1 } else { 4 };
        let mut unwrapper = SeqUnwrapper::default();
        let mut got = BTreeMap::new();
        let mut frames: BTreeMap<FrameId, (usize, Vec<FrameId>)> = BTreeMap::new();
        for received in self.net.clients[&self.subscriber].stream(70) {
            let number = unwrapper.unwrap_seq(received.header.seq);
            assert!(got.insert(number, received).is_none(), "number {number} was used twice");
        }
        let (Some((&first, _)), Some((&last, _))) = (got.first_key_value(), got.last_key_value()) else { return };
        assert_eq!(got.len() as u64, last - first + 1, "numbers are missing");
        let mut pictures: Vec<(u32, bool)> = Vec::new();
        let mut offsets = BTreeSet::new();
        for received in got.values().filter(|received| !received.payload().is_empty()) {
            let payload = received.payload();
            let listed = usize::from(self.stream.is_flexible && payload[0] & 0x40 != 0);
            let tl0 = usize::from(!self.stream.is_flexible);
            let body = Body::read(&payload[head_len + if self.stream.is_av1 { 0 } else { listed + tl0 }..]);
            let number = if self.stream.is_av1 {
                let value = received.extension(EXT_DESCRIPTOR + 20).expect("a descriptor");
                let number = u16::from_be_bytes([value[1], value[2]]);
                number.wrapping_sub((body.frame.0 * 3 + u32::from(body.frame.1)) as u16)
            } else {
                u16::from_be_bytes([payload[1], payload[2]]).wrapping_sub(body.frame.0 as u16) & 0x7FFF
            };
            offsets.insert(number);
            assert!(pictures.last().is_none_or(|last| last.0 <= body.frame.0), "pictures out of order");
            if let Some(last) = pictures.last().filter(|last| last.0 == body.frame.0) {
                assert!(!last.1, "a marker within picture {}", last.0);
            }
            pictures.push((body.frame.0, received.header.marker));
            let frame = frames.entry(body.frame).or_insert((0, body.references));
            frame.0 += 1;
        }
        assert!(offsets.len() <= 1, "distances between pictures changed: {offsets:?}");
        for pair in pictures.windows(2) {
            let picture = pair[0].0;
            // Where the sender has just offered it a place the next spatial layer may yet have entered. The last offer
            // that came counts: a picture behind it may be lost, and of a keyframe its beginning.
            let mut before = self.base.range(..picture).rev().take(2);
            let was_offered = before.any(|before| self.reopened.contains(before));
            let may_be_open = was_offered && self.base.contains(&picture);
            let may_be_open = may_be_open && !frames.contains_key(&(picture, LAYERS - 1));
            assert!(picture == pair[1].0 || pair[0].1 || may_be_open, "no marker at the end of picture {picture}");
        }
        for (frame, (packets, references)) in &frames {
            assert_eq!(*packets, 2, "of frame {frame:?}");
            for reference in references {
                assert!(frames.contains_key(reference), "{frame:?} refers to {reference:?}, which was not forwarded");
            }
        }
    }
}

fn with_av1(mut map: RtpMap, shift: u8) -> RtpMap {
    let codec = CodecId { codec: Codec::Av1, variant: 0 };
    map.payload_types.push(PayloadType { pt: AV1_PT, codec, clock_rate_hz: 90_000, rtx_pt: None });
    map.extensions.push((EXT_DESCRIPTOR + shift, ExtensionKind::DependencyDescriptor));
    map
}

/// Nine templates and nine decode targets, one for each layer; indications and references are custom throughout.
fn descriptor(body: &Body, tid: u8, is_open: bool, is_keyframe: bool, is_keyed: bool) -> Vec<u8> {
    let (picture, sid) = body.frame;
    let number = |frame: &FrameId| frame.0 * 3 + u32::from(frame.1);
    let (starts, ends) = (body.packet == 0, body.packet == 1);
    let mut bits = Bits::default();
    bits.put(u32::from(starts), 1).put(u32::from(ends), 1).put(u32::from(sid * 3 + tid), 6);
    bits.put(number(&body.frame) & 0xFFFF, 16);
    let has_structure = is_keyframe && sid == 0;
    bits.put(u32::from(has_structure), 1).put(0b0110, 4);
    let targets = || (0..3u8).flat_map(|sid| (0..3u8).map(move |tid| (sid, tid)));
    if has_structure {
        bits.put(0, 6).put(8, 5);
        for step in [1, 1, 2, 1, 1, 2, 1, 1, 3] {
            bits.put(step, 2);
        }
        for (template_sid, template_tid) in targets() {
            targets().for_each(|target| {
                bits.put(if template_sid <= target.0 && template_tid <= target.1 { 3 } else { 0 }, 2);
            });
        }
        // No references, no chains (ns(10) of 0 is three bits), no resolutions.
        bits.put(0, 9).put(0, 3).put(0, 1);
    }
    for target in targets() {
        let is_present = sid <= target.0 && tid <= target.1;
        let indication = match (is_present, target.0 == sid) {
            (false, _) => 0,
            (true, true) if tid < 2 => 2,
            (true, false) if is_keyed && !is_open => 0,
            (true, _) => 3,
        };
        bits.put(indication, 2);
    }
    for reference in &body.references {
        bits.put(2, 2).put(number(&(picture, sid)) - number(reference) - 1, 8);
    }
    bits.put(0, 2);
    bits.bytes()
}

fn streams() -> impl Strategy<Value = Stream> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(is_av1, is_keyed, is_flexible)| Stream {
        is_av1,
        is_keyed,
        is_flexible,
    })
}

proptest! {
    #[test]
    fn what_is_forwarded_refers_to_nothing_else(stream in streams(), ops in prop::collection::vec(op(), 1..150)) {
        let mut world = World::new(stream);
        world.run(&Op::Picture { is_keyframe: true, reopens: false, lost: 0 });
        for op in &ops {
            world.run(op);
            // The server remembers 128 stretches of numbers: each picture makes up to four.
            while world.lost.first().is_some_and(|lost| lost.0 + 15 < world.picture) {
                world.run(&Op::Repair { which: 0 });
            }
        }
        while !world.lost.is_empty() {
            world.run(&Op::Repair { which: 0 });
        }
        world.check();
    }
}

/// (spatial, temporal) layers of the pictures that came, over the last second.
fn reached(world: &World) -> Option<(u8, u8)> {
    let stats = world.net.consumer(CONSUMER);
    stats.spatial_layer.zip(stats.temporal_layer)
}

#[test]
fn every_kind_of_stream_goes_down_at_once_and_up_to_each_layer() {
    for (is_av1, is_keyed, is_flexible) in
        [(false, false, false), (false, true, true), (true, false, false), (true, true, false)]
    {
        let mut world = World::new(Stream { is_av1, is_keyed, is_flexible });
        let plain = Op::Picture { is_keyframe: false, reopens: false, lost: 0 };
        world.run(&Op::Picture { is_keyframe: true, reopens: false, lost: 0 });
        for (spatial, temporal) in [(2, 2), (1, 1), (0, 0), (0, 2), (2, 1), (1, 2), (2, 2)] {
            world.run(&Op::Layers { spatial, temporal });
            (0..9).for_each(|_| world.run(&plain));
            assert_eq!(reached(&world), Some((spatial, temporal)), "{:?}", world.stream);
        }
        world.check();
    }
}

#[test]
fn a_layer_that_refers_to_its_own_picture_enters_without_a_keyframe() {
    for is_av1 in [false, true] {
        let mut world = World::new(Stream { is_av1, is_keyed: true, is_flexible: true });
        world.run(&Op::Layers { spatial: 0, temporal: 2 });
        world.run(&Op::Picture { is_keyframe: true, reopens: false, lost: 0 });
        world.run(&Op::Layers { spatial: 2, temporal: 2 });
        // The request for a keyframe is on its way; the sender offers a place before.
        world.plis = world.net.clients[&world.publisher].plis().len();
        for _ in 0..8 {
            world.run(&Op::Picture { is_keyframe: false, reopens: true, lost: 0 });
        }
        assert_eq!(reached(&world), Some((2, 2)), "{:?}", world.stream);
        world.check();
    }
}
