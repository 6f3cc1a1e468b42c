//! Two publishers, a subscriber, and what the subscriber got.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sfu_core::bwe::BweOptions;
use sfu_core::command::{Command, EncodingOptions, ExtensionKind, Kind, RtpMap};
use sfu_core::ids::{ConsumerId, ProducerId, Ssrc, TransportId};
use sfu_core::rtcp::{SenderInfo, write_sender_report};
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::rtp::{HeaderFields, RtpHeader};
use sfu_core::time::{Micros, Time};

use crate::ops::{Fate, Op, Setting};
use crate::support::media::{Sent, Vp8};
use crate::support::subscriber::Bottleneck;
use crate::support::{EXT_MID, Net, Received, VP8_RTX_PT, receive_map, rtp, send_map, send_map_without_rtx};

pub const CONSUMER: ConsumerId = ConsumerId(7);
pub const SSRC: u32 = 70;
pub const RTX_SSRC: u32 = 71;

/// A repairable fault: the packet, and whether it comes again by retransmission.
pub struct Fault {
    pub source: usize,
    pub sent: Sent,
    since: Time,
    is_lost: bool,
    delayed: Vec<u8>,
}

pub struct World {
    pub net: Net,
    pub subscriber: TransportId,
    link: Bottleneck,
    setting: Setting,
    pub sources: Vec<(TransportId, Vp8)>,
    rtx_seq: u16,
    pub faults: Vec<Fault>,
    /// Payload (without the rewritten fields) of everything that was sent, by (SSRC, frame, packet).
    pub sent: HashMap<(u32, u32, u8), Sent>,
    /// Source numbers that did not arrive in order, by SSRC.
    pub disturbed: HashMap<u32, BTreeSet<u16>>,
    pub seen: usize,
    pub unwrapper: SeqUnwrapper,
    /// By extended number: the media packets and padding that the subscriber got.
    pub got: BTreeMap<u64, Received>,
    /// What is bound to each number, however it came: first sendings and retransmissions alike.
    pub bound: BTreeMap<u64, Vec<u8>>,
    /// The next new packet must start a keyframe.
    pub must_restart: bool,
    /// More came at once, or later, than the history holds.
    pub is_flooded: bool,
    pub switched_to: Option<u32>,
}

fn client_map(has_rtx: bool, tells_arrivals: bool) -> RtpMap {
    let mut map = if has_rtx { send_map() } else { send_map_without_rtx() };
    map.extensions.retain(|(_, kind)| tells_arrivals || *kind != ExtensionKind::TransportCc);
    map
}

fn encoding(ssrc: u32) -> EncodingOptions {
    EncodingOptions { rid: None, ssrc: Some(Ssrc(ssrc)), rtx_ssrc: Some(Ssrc(ssrc + 1)) }
}

impl World {
    pub fn new(setting: Setting) -> Self {
        let mut net = Net::new(3);
        let (first, second, subscriber) = (net.join(1), net.join(2), net.join(3));
        let producer = net.produce(1, first, Kind::Video, "a", vec![encoding(1_000), encoding(2_000)]);
        net.produce(2, second, Kind::Video, "b", vec![encoding(3_000)]);
        net.set_rtp(subscriber, receive_map(), client_map(setting.has_rtx, setting.tells_arrivals));
        net.consume(CONSUMER.0, subscriber, Kind::Video, producer);
        if let Some(start) = setting.start_bps {
            let options = BweOptions { start_bps: start, ..BweOptions::default() };
            net.apply(Command::SetBandwidth { transport: subscriber, options });
        }
        let sources = [(first, 1_000, "a"), (first, 2_000, "a"), (second, 3_000, "b")];
        let vp8 = |ssrc, mid| Vp8 { filling: setting.filling, ..Vp8::new(ssrc, mid) };
        Self {
            net,
            subscriber,
            link: Bottleneck::new(subscriber, setting.link_bps),
            setting,
            sources: sources.map(|(transport, ssrc, mid)| (transport, vp8(ssrc, mid))).to_vec(),
            rtx_seq: 0,
            faults: Vec::new(),
            sent: HashMap::new(),
            disturbed: HashMap::new(),
            seen: 0,
            unwrapper: SeqUnwrapper::default(),
            got: BTreeMap::new(),
            bound: BTreeMap::new(),
            must_restart: true,
            is_flooded: false,
            switched_to: Some(1),
        }
    }

    pub fn run(&mut self, op: &Op) {
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
            Op::Nack { which, is_missing } => self.nack(*which, *is_missing),
            Op::Wait { ms } => self.wait(*ms),
            Op::Burst { source, frames } => {
                self.is_flooded |= *frames > 100;
                (0..*frames).for_each(|_| self.send_frame(*source, false, 0, false, [Fate::Arrives; 3]));
            }
            Op::Link { bps } => self.link.bps = *bps,
            Op::Remb { bps } => self.remb(*bps),
            Op::Renegotiate { has_rtx } => {
                let map = client_map(*has_rtx, self.setting.tells_arrivals);
                self.net.set_rtp(self.subscriber, receive_map(), map);
            }
        }
        self.link.tick(&mut self.net);
        self.collect();
    }

    /// Time passes, and the client tells of arrivals meanwhile.
    fn wait(&mut self, ms: u64) {
        let end = self.net.now + Micros::from_millis(ms);
        while self.net.now < end {
            self.net.run_until(end.min(self.net.now + Micros::from_millis(20)));
            self.link.tick(&mut self.net);
        }
        for transport in [self.sources[0].0, self.sources[2].0, self.subscriber] {
            self.net.check(transport, false);
        }
    }

    /// draft-alvestrand-rmcat-remb §2.2, with an exponent of 12.
    fn remb(&mut self, bps: u64) {
        let [_, high, middle, low] = ((bps >> 12) as u32 | 12 << 18).to_be_bytes();
        let ssrc = SSRC.to_be_bytes();
        let fixed = [0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, high, middle, low];
        let packet = [&fixed[..], &ssrc].concat();
        self.net.control(self.subscriber, |writer| writer.bytes(&packet).expect("room"));
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
                    let (since, is_lost) = (self.net.now, fate == Fate::IsLost);
                    self.faults.push(Fault { source, sent, since, is_lost, delayed: bytes });
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
        // A keyframe's first packet that comes so late finds the others gone.
        self.is_flooded |= self.net.now.since(fault.since) > Micros::from_secs(2);
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
}
