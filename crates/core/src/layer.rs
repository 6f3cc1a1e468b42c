//! Which encoding a consumer gets, and which temporal and spatial layers of it. Stop `layer`.

use crate::codec::FrameMarks;
use crate::command::LayerLimit;

/// The encoding a simulcast consumer should get: the highest active one not above the limit.
/// `active` has a bit for each encoding, the lowest quality in bit 0.
pub fn choose_encoding(active: u8, limit: u8) -> Option<u8> {
    let allowed = if limit >= 7 { active } else { active & ((2u8 << limit) - 1) };
    allowed.checked_ilog2().map(|highest| highest as u8)
}

/// Takes layers out of one encoding's stream. Asked for packets in order only; what it decides for
/// the first packet of a frame holds for all of it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LayerGate {
    limit: LayerLimit,
    /// Highest layers that pass now.
    tid: u8,
    sid: u8,
    frame_ts: Option<u32>,
    /// The last picture of the lowest temporal layer offered the next spatial layer a place; so may this one.
    was_offered: bool,
    may_open: bool,
    /// All layers of this picture that came so far let any temporal layer pass after it (VP9 U).
    may_rise: bool,
    /// Highest spatial layer of this picture so far, and of pictures lately.
    picture_sid: u8,
    seen_sid: u8,
    /// See [`Decision`], of this picture.
    ends_at: u8,
    /// Pictures in a row that did not reach `seen_sid`.
    lower_pictures: u8,
    /// Highest temporal layer that was seen, passed or not.
    seen_tid: u8,
    newest_decision: u8,
    /// What was decided for the last frames, the newest at `newest_decision`.
    decisions: [Decision; DECISIONS],
}

/// Frames whose decision is remembered for packets that come late: a second at 30 fps.
const DECISIONS: usize = 32;

/// So many pictures without its highest spatial layer, and the stream has it no more.
const LOWER_PICTURES: u8 = 8;

/// Of a picture whose next spatial layer may yet enter.
const OPEN: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Decision {
    rtp_ts: u32,
    /// 0: there is no decision; 1: nothing passed; else two more than the highest spatial layer that did.
    passed_layers: u8,
    /// The spatial layer that ends the picture for the subscriber; [`OPEN`]: what the sender says.
    ends_at: u8,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Forward {
        /// The packet ends the picture for this consumer, though higher spatial layers follow.
        set_marker: bool,
    },
    Drop,
}

impl LayerGate {
    pub fn new(limit: LayerLimit) -> Self {
        Self {
            limit,
            tid: limit.temporal,
            sid: limit.spatial,
            frame_ts: None,
            was_offered: false,
            may_open: false,
            may_rise: false,
            picture_sid: 0,
            seen_sid: 0,
            ends_at: 0,
            lower_pictures: 0,
            seen_tid: 0,
            decisions: [Decision::default(); DECISIONS],
            newest_decision: 0,
        }
    }

    /// New limits; they take effect at the next frame where the stream allows it.
    pub fn set_limit(&mut self, limit: LayerLimit) {
        self.limit = limit;
    }

    /// A keyframe starts: everything up to the limits may pass.
    pub fn restart(&mut self) {
        self.tid = self.limit.temporal;
        self.sid = self.limit.spatial;
        self.may_rise = false;
    }

    /// A keyframe lets a higher spatial layer in, and unless the sender happens to offer it, nothing else.
    pub fn wants_keyframe(&self, top_sid: u8) -> bool {
        self.limit.spatial.min(top_sid) > self.sid
    }

    /// Highest temporal layer that reaches the subscriber, as far as the sender uses layers.
    pub fn temporal(&self) -> u8 {
        self.tid.min(self.seen_tid)
    }

    /// Highest spatial layer that may pass.
    pub fn spatial(&self) -> u8 {
        self.sid
    }

    /// Highest temporal layer that may pass, whether or not the sender uses it.
    pub fn max_tid(&self) -> u8 {
        self.tid
    }

    /// Whether the limits leave any hope for such a packet.
    pub fn may_pass(&self, marks: &FrameMarks) -> bool {
        marks.tid <= self.limit.temporal && marks.sid <= self.limit.spatial
    }

    pub fn judge(&mut self, rtp_ts: u32, marks: &FrameMarks) -> Verdict {
        if self.frame_ts != Some(rtp_ts) {
            self.frame_ts = Some(rtp_ts);
            self.begin_frame(marks);
            self.remember(rtp_ts, marks.tid <= self.tid);
        } else if marks.sid > self.picture_sid && marks.starts_layer_frame {
            self.begin_upper_frame(rtp_ts, marks);
        }
        if marks.tid > self.tid || marks.sid > self.sid {
            return Verdict::Drop;
        }
        Verdict::Forward { set_marker: marks.ends_layer_frame && marks.sid == self.ends_at }
    }

    /// Whether the end of a spatial layer's frame ends the picture; `max_sid` decides when that is forgotten.
    pub fn ends_picture(&self, rtp_ts: u32, marks: &FrameMarks, max_sid: u8) -> bool {
        let ends_at = self.decision(rtp_ts).map_or(max_sid, |decision| decision.ends_at);
        marks.ends_layer_frame && marks.sid == ends_at
    }

    fn decision(&self, rtp_ts: u32) -> Option<&Decision> {
        self.decisions.iter().find(|decision| decision.passed_layers > 0 && decision.rtp_ts == rtp_ts)
    }

    /// Whether a late packet may pass: as its frame did, or, when nothing of that was seen, by the
    /// layers that passed around it.
    pub fn admits_late(&self, rtp_ts: u32, marks: &FrameMarks, max_tid: u8, max_sid: u8) -> bool {
        match self.decision(rtp_ts) {
            Some(decision) => u16::from(marks.sid) + 1 < u16::from(decision.passed_layers),
            None => marks.tid <= max_tid && marks.sid <= max_sid,
        }
    }

    fn remember(&mut self, rtp_ts: u32, passes: bool) {
        // A marker in front of a layer that enters would end the picture too early: a receiver drops what comes behind
        // it. But libwebrtc decodes no picture that none ends, nor what refers to it, so one is left out only where the
        // sender has just offered the layer a place, and not while a keyframe is awaited.
        let awaits_layer = self.may_open && self.limit.spatial.min(self.seen_sid) > self.sid;
        self.ends_at = if awaits_layer { OPEN } else { self.sid };
        let newest = self.decisions.get(usize::from(self.newest_decision));
        if newest.is_none_or(|newest| newest.rtp_ts != rtp_ts || newest.passed_layers == 0) {
            self.newest_decision = (self.newest_decision + 1) % DECISIONS as u8;
        }
        let passed_layers = if passes { self.sid.saturating_add(2) } else { 1 };
        if let Some(place) = self.decisions.get_mut(usize::from(self.newest_decision)) {
            *place = Decision { rtp_ts, passed_layers, ends_at: self.ends_at };
        }
    }

    /// A frame of a higher spatial layer begins in the same picture.
    fn begin_upper_frame(&mut self, rtp_ts: u32, marks: &FrameMarks) {
        let is_next = marks.sid == self.sid.saturating_add(1) && marks.sid <= self.limit.spatial;
        if is_next && marks.opens_layer {
            self.was_offered |= marks.tid == 0;
            if self.ends_at == OPEN {
                self.sid = marks.sid;
                self.remember(rtp_ts, true);
            }
        }
        self.picture_sid = marks.sid;
        self.rise(marks);
    }

    /// Lets higher temporal layers pass behind a picture whose forwarded layers all allow it. Not only once one comes:
    /// what is missing in between shall be let in when it comes late, for others may refer to it.
    fn rise(&mut self, marks: &FrameMarks) {
        if marks.sid > self.sid {
            return;
        }
        self.may_rise &= marks.switch_after && marks.tid <= self.tid;
        if self.may_rise && marks.sid >= self.sid.min(self.seen_sid) {
            self.tid = self.tid.max(self.limit.temporal);
        }
    }

    /// Of the picture that ended. A sender may leave layers out of a picture, or of all from now on.
    fn note_spatial_layers(&mut self) {
        if self.picture_sid >= self.seen_sid || self.lower_pictures >= LOWER_PICTURES {
            self.seen_sid = self.picture_sid;
            self.lower_pictures = 0;
        } else {
            self.lower_pictures += 1;
        }
    }

    fn begin_frame(&mut self, marks: &FrameMarks) {
        self.seen_tid = self.seen_tid.max(marks.tid);
        self.tid = self.tid.min(self.limit.temporal);
        self.sid = self.sid.min(self.limit.spatial);
        if marks.starts_keyframe {
            self.restart();
        } else if marks.switch_here && marks.sid == 0 && marks.tid > self.tid && marks.tid <= self.limit.temporal {
            // The layers below it, too: behind a frame with Y none refers to an older one of an upper layer (RFC 7741 §4.2).
            self.tid = marks.tid;
        }
        self.note_spatial_layers();
        self.picture_sid = marks.sid;
        self.may_open = marks.tid == 0 && std::mem::take(&mut self.was_offered);
        self.may_rise = marks.sid == 0;
        self.rise(marks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(tid: u8, switch_here: bool) -> FrameMarks {
        FrameMarks { switch_here, tid, ..FrameMarks::default() }
    }

    fn limit(spatial: u8, temporal: u8) -> LayerLimit {
        LayerLimit { spatial, temporal }
    }

    fn passes(gate: &mut LayerGate, ts: u32, marks: &FrameMarks) -> bool {
        gate.judge(ts, marks) != Verdict::Drop
    }

    #[test]
    fn the_highest_active_encoding_within_the_limit_is_chosen() {
        assert_eq!(choose_encoding(0b111, u8::MAX), Some(2));
        assert_eq!(choose_encoding(0b111, 1), Some(1));
        assert_eq!(choose_encoding(0b101, 1), Some(0));
        assert_eq!(choose_encoding(0b100, 1), None);
        assert_eq!(choose_encoding(0, u8::MAX), None);
    }

    #[test]
    fn a_lower_limit_waits_for_the_next_frame() {
        let mut gate = LayerGate::new(limit(255, 255));
        assert!(passes(&mut gate, 1, &marks(2, false)));
        gate.set_limit(limit(255, 0));
        assert!(passes(&mut gate, 1, &marks(2, false)));
        assert!(!passes(&mut gate, 2, &marks(2, false)));
        assert!(passes(&mut gate, 3, &marks(0, false)));
    }

    #[test]
    fn a_higher_temporal_layer_enters_at_a_switching_frame_only() {
        let mut gate = LayerGate::new(limit(255, 0));
        assert!(!passes(&mut gate, 1, &marks(2, false)));
        gate.set_limit(limit(255, 2));
        assert!(!passes(&mut gate, 2, &marks(1, false)));
        assert!(passes(&mut gate, 3, &marks(1, true)));
        assert!(!passes(&mut gate, 4, &marks(2, false)));
        assert!(passes(&mut gate, 5, &marks(2, true)));
        assert!(passes(&mut gate, 6, &marks(1, false)));
        assert_eq!(gate.temporal(), 2);
    }

    #[test]
    fn vp9_rises_after_the_frame_that_allows_it() {
        let mut gate = LayerGate::new(limit(255, 0));
        assert!(!passes(&mut gate, 1, &marks(1, false)));
        gate.set_limit(limit(255, 255));
        assert!(passes(&mut gate, 2, &FrameMarks { switch_after: true, ..marks(0, false) }));
        assert!(passes(&mut gate, 3, &marks(2, false)));
    }

    #[test]
    fn a_spatial_layer_enters_without_a_keyframe_where_it_refers_to_its_own_picture_alone() {
        let mut gate = LayerGate::new(limit(0, 255));
        let layer = |sid, opens_layer| FrameMarks { sid, opens_layer, starts_layer_frame: true, ..marks(0, false) };
        assert!(passes(&mut gate, 1, &layer(0, false)) && !passes(&mut gate, 1, &layer(1, true)));
        gate.set_limit(limit(2, 255));
        assert!(passes(&mut gate, 2, &layer(0, false)));
        assert!(!passes(&mut gate, 2, &layer(1, false)) && !passes(&mut gate, 2, &layer(2, true)));
        assert!(passes(&mut gate, 3, &layer(0, false)) && !passes(&mut gate, 3, &layer(1, true)), "the first offer");
        assert!(passes(&mut gate, 4, &layer(0, false)) && passes(&mut gate, 4, &layer(1, true)));
        assert!(!passes(&mut gate, 4, &layer(2, false)));
        assert!(gate.admits_late(4, &layer(1, true), 255, 0));
        let middle = FrameMarks { starts_layer_frame: false, ..layer(2, true) };
        assert!(passes(&mut gate, 5, &layer(0, false)) && !passes(&mut gate, 5, &middle), "its start is missing");
        assert_eq!(gate.spatial(), 1);
    }

    #[test]
    fn while_a_keyframe_is_awaited_every_picture_has_its_end() {
        let mut gate = LayerGate::new(limit(0, 255));
        let layer = |sid| FrameMarks { sid, starts_layer_frame: true, ends_layer_frame: true, ..marks(0, false) };
        let ends = |gate: &mut LayerGate, ts| {
            let ends = gate.judge(ts, &layer(0)) == Verdict::Forward { set_marker: true };
            ends && gate.judge(ts, &layer(1)) == Verdict::Drop
        };
        assert!(ends(&mut gate, 1));
        gate.set_limit(limit(1, 255));
        assert!((2..9).all(|ts| ends(&mut gate, ts)));
        let key = FrameMarks { starts_keyframe: true, ..layer(0) };
        assert_eq!(gate.judge(9, &key), Verdict::Forward { set_marker: false });
        assert_eq!(gate.judge(9, &layer(1)), Verdict::Forward { set_marker: true });
    }

    #[test]
    fn temporal_layers_rise_only_when_every_spatial_layer_allows_it() {
        let mut gate = LayerGate::new(limit(1, 0));
        let layer =
            |sid, tid, switch_after| FrameMarks { sid, switch_after, starts_layer_frame: true, ..marks(tid, false) };
        assert!(passes(&mut gate, 1, &layer(0, 0, true)) && passes(&mut gate, 1, &layer(1, 0, false)));
        gate.set_limit(limit(1, 2));
        assert!(!passes(&mut gate, 2, &layer(0, 1, true)));
        assert!(passes(&mut gate, 3, &layer(0, 0, true)) && passes(&mut gate, 3, &layer(1, 0, true)));
        assert!(passes(&mut gate, 4, &layer(0, 1, true)));
    }

    #[test]
    fn the_top_forwarded_spatial_layer_ends_the_picture() {
        let mut gate = LayerGate::new(limit(1, 255));
        let layer = |sid| FrameMarks { sid, ends_layer_frame: true, ..marks(0, false) };
        assert_eq!(gate.judge(1, &layer(0)), Verdict::Forward { set_marker: false });
        assert_eq!(gate.judge(1, &layer(1)), Verdict::Forward { set_marker: true });
        assert_eq!(gate.judge(1, &layer(2)), Verdict::Drop);
        gate.set_limit(limit(2, 255));
        assert!(gate.wants_keyframe(2));
        assert_eq!(gate.judge(2, &layer(2)), Verdict::Drop);
        assert!(passes(&mut gate, 3, &FrameMarks { starts_keyframe: true, ..layer(0) }));
        assert!(passes(&mut gate, 3, &layer(2)));
    }
}
