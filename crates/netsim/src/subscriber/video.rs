//! One received video stream: recovery, assembly, decoding order, display, keyframe requests.

use std::collections::{BTreeMap, HashSet, VecDeque};

use sfu_core::time::{Micros, Time};

use super::assembler::Assembler;
use super::freeze::{FreezeCounts, FreezeObserver};
use super::nack::NackList;
use super::pictures::{Picture, Pictures};
use super::playout::Playout;
use super::reception::Reception;
use crate::mark::Mark;

/// libwebrtc: a stream that has not begun asks for a keyframe after 200 ms, one that stands after 3 s.
const MAX_WAIT_FOR_KEYFRAME: Micros = Micros::from_millis(200);
const MAX_WAIT_FOR_FRAME: Micros = Micros::from_secs(3);
/// A stream without packets for so long is inactive, and nothing is asked for.
const INACTIVE_AFTER: Micros = Micros::from_secs(5);
/// Decoded frames that are remembered.
const DECODED: usize = 1_024;
/// Frames that the highest temporal layer is looked for in: one period.
const RECENT: usize = 4;

type FrameId = (u16, u8, u32);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoCounts {
    pub freeze: FreezeCounts,
    pub nacks: u64,
    pub keyframe_requests: u64,
    /// Came by retransmission.
    pub recovered: u64,
}

#[derive(Debug)]
pub struct VideoStream {
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub reception: Reception,
    nacks: NackList,
    assembler: Assembler,
    pictures: Pictures,
    playout: Playout,
    observer: FreezeObserver,
    /// Whole pictures with the time they are to be shown, by first number.
    waiting: BTreeMap<u64, (Picture, Time)>,
    decoded: HashSet<FrameId>,
    decoded_order: VecDeque<FrameId>,
    last_decoded: Option<u64>,
    recent: VecDeque<(Time, Mark)>,
    /// The first picture in order that can be decoded, and when it is to be shown.
    next: Option<(u64, Time)>,
    last_packet: Option<Time>,
    /// Since when nothing could be decoded.
    standing_since: Time,
    counts: VideoCounts,
}

/// What the stream wants to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wants {
    pub nack: Vec<u16>,
    pub keyframe: bool,
}

impl VideoStream {
    pub fn new(ssrc: u32, rtx_ssrc: u32, start: Time) -> Self {
        Self {
            ssrc,
            rtx_ssrc,
            reception: Reception::default(),
            nacks: NackList::new(start),
            assembler: Assembler::default(),
            pictures: Pictures::default(),
            playout: Playout::default(),
            observer: FreezeObserver::default(),
            waiting: BTreeMap::new(),
            decoded: HashSet::new(),
            decoded_order: VecDeque::new(),
            last_decoded: None,
            recent: VecDeque::new(),
            next: None,
            last_packet: None,
            standing_since: start,
            counts: VideoCounts::default(),
        }
    }

    pub fn set_rtt(&mut self, rtt: Micros) {
        self.nacks.set_rtt(rtt);
        self.playout.set_rtt(rtt);
    }

    /// A packet of the stream, or the original out of a retransmission.
    pub fn on_packet(&mut self, now: Time, packet: &VideoPacket, wants: &mut Wants) {
        let ext_seq = if packet.was_retransmitted {
            self.counts.recovered += 1;
            self.reception.peek(packet.seq)
        } else {
            self.reception.on_packet(packet.seq)
        };
        if self.last_packet.replace(now).is_none_or(|last| now.since(last) > INACTIVE_AFTER) {
            self.standing_since = now;
        }
        let counts = &mut self.counts;
        wants.keyframe |= self.nacks.on_packet(now, ext_seq, |seq| {
            counts.nacks += 1;
            wants.nack.push(seq as u16);
        });
        let VideoPacket { rtp_ts, marker, mark, was_retransmitted, .. } = *packet;
        if let Some(frame) = self.assembler.on_packet(now, ext_seq, rtp_ts, marker, mark, was_retransmitted)
            && self.last_decoded.is_none_or(|last| frame.first_seq > last)
            && let Some(picture) = self.pictures.on_frame(frame)
        {
            let show = self.playout.schedule(now, frame.rtp_ts, picture.was_retransmitted());
            self.waiting.insert(picture.first_seq(), (picture, show));
            self.next = self.find_next();
        }
    }

    fn find_next(&self) -> Option<(u64, Time)> {
        let has = |mark: &Mark, sid, frame| self.decoded.contains(&(mark.publisher, sid, frame));
        let is_in = |picture: &Picture, sid| picture.frames.iter().any(|frame| frame.mark.encoding == sid);
        let can_decode = |picture: &Picture| {
            picture.frames.iter().all(|frame| {
                let (mark, sid) = (&frame.mark, frame.mark.encoding);
                let has_former = mark.depends_on.is_none_or(|reference| has(mark, sid, reference));
                has_former && (!mark.needs_lower || sid.checked_sub(1).is_some_and(|lower| is_in(picture, lower)))
            })
        };
        self.waiting.iter().find(|(_, (picture, _))| can_decode(picture)).map(|(&seq, &(_, show))| (seq, show))
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let show = self.next.map(|(_, show)| show);
        let is_active = self.last_packet.is_some();
        let request = is_active.then(|| self.standing_since + self.patience());
        [show, self.nacks.next_timeout(), request].into_iter().flatten().min()
    }

    fn patience(&self) -> Micros {
        if self.last_decoded.is_none() { MAX_WAIT_FOR_KEYFRAME } else { MAX_WAIT_FOR_FRAME }
    }

    pub fn on_timeout(&mut self, now: Time, wants: &mut Wants) {
        let counts = &mut self.counts;
        self.nacks.on_timeout(now, |seq| {
            counts.nacks += 1;
            wants.nack.push(seq as u16);
        });
        while let Some((seq, show)) = self.next.filter(|(_, show)| *show <= now) {
            self.show(now, seq, show);
        }
        if now >= self.standing_since + self.patience() {
            self.standing_since = now;
            let is_active = self.last_packet.is_some_and(|last| now.since(last) < INACTIVE_AFTER);
            wants.keyframe |= is_active;
        }
        self.counts.keyframe_requests += u64::from(wants.keyframe);
    }

    fn show(&mut self, now: Time, seq: u64, due: Time) {
        let Some((picture, _)) = self.waiting.remove(&seq) else { return };
        // Older ones cannot be decoded any more.
        self.waiting = self.waiting.split_off(&seq);
        self.nacks.forget_before(picture.last_seq());
        self.pictures.forget_before(picture.last_seq());
        self.last_decoded = Some(picture.last_seq());
        self.standing_since = now;
        picture.frames.iter().for_each(|frame| self.note_decoded(&frame.mark));
        self.next = self.find_next();
        self.playout.was_late(now.since(due));
        self.observer.on_shown(now);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.extend(picture.mark().map(|mark| (now, mark)));
    }

    fn note_decoded(&mut self, mark: &Mark) {
        let id = (mark.publisher, mark.encoding, mark.frame);
        if self.decoded.insert(id) {
            self.decoded_order.push_back(id);
        }
        if self.decoded_order.len() > DECODED
            && let Some(oldest) = self.decoded_order.pop_front()
        {
            self.decoded.remove(&oldest);
        }
    }

    /// The user was told that there is no picture now, or that there will be one again.
    pub fn announce(&mut self, now: Time, is_paused: bool) {
        if is_paused {
            self.observer.pause(now);
        } else {
            self.observer.resume(now);
        }
    }

    /// Encoding and highest temporal layer of what was shown within a second.
    pub fn layer(&self, now: Time) -> Option<(u8, u8)> {
        let (_, newest) = self.recent.back().filter(|(at, _)| now.since(*at) < Micros::from_secs(1))?;
        let same = self.recent.iter().filter(|(_, mark)| mark.encoding == newest.encoding);
        Some((newest.encoding, same.map(|(_, mark)| mark.tid).max().unwrap_or_default()))
    }

    pub fn finish(&mut self, now: Time) {
        self.observer.finish(now);
    }

    pub fn counts(&self) -> VideoCounts {
        VideoCounts { freeze: self.observer.counts(), ..self.counts }
    }
}

/// What the stream needs to know of a packet.
#[derive(Clone, Copy, Debug)]
pub struct VideoPacket {
    pub seq: u16,
    pub rtp_ts: u32,
    pub marker: bool,
    /// `None`: padding.
    pub mark: Option<Mark>,
    pub was_retransmitted: bool,
}
