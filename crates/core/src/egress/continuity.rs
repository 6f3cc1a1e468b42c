//! What must go on without a break when a consumer's source changes: timestamps, picture ids.

use crate::codec::{FrameMarks, PictureId};
use crate::command::Kind;
use crate::ingress::clock::us_to_ticks;
use crate::rewrite::Mapping;
use crate::time::Time;

/// A switch may push timestamps so far ahead of the senders' clocks to keep them rising.
const MAX_AHEAD_US: i64 = 75_000;
/// The capture times that sender reports give must agree with the arrival times within this, or the
/// arrival times count.
const MAX_DISAGREEMENT_US: i64 = 2_000_000;

/// The packet with the highest outgoing number.
#[derive(Clone, Copy, Debug)]
pub struct LastSent {
    /// Outgoing number.
    pub ext_seq: u64,
    pub out_ts: u32,
    /// Of the source.
    pub rtp_ts: u32,
    pub arrival: Time,
    pub marker: bool,
}

/// The time at one source, and what closed the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stay {
    /// Its first outgoing number, and that of the stay before.
    begins_at: u64,
    former_begins_at: u64,
    /// Outgoing timestamp of the last packet of the stay before.
    former_ts: u32,
}

impl Stay {
    /// Another stay begins at this outgoing number, after `last`.
    pub fn next(&mut self, begins_at: u64, last: Option<LastSent>) {
        let former_ts = last.map_or(self.former_ts, |last| last.out_ts);
        *self = Self { begins_at, former_begins_at: self.begins_at, former_ts };
    }

    /// Whether a packet that comes late may still go to the place that was kept for it. A frame that is
    /// newer than all that was sent before the present source took over would get the timestamp and the
    /// picture id of a frame of this one.
    pub fn admits(&self, ext_seq: u64, out_ts: u32) -> bool {
        let is_newer = out_ts.wrapping_sub(self.former_ts).cast_signed() > 0;
        ext_seq >= self.begins_at || (ext_seq >= self.former_begins_at && !is_newer)
    }
}

/// When a packet was sampled, as well as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Instant {
    pub arrival: Time,
    /// By the sender's reports, in our clock.
    pub sampled_at_us: Option<i64>,
}

/// The timestamp with which a new source starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    At(u32),
    /// It would have to be pushed too far ahead.
    TooEarly(u32),
}

/// Continues after `last` as much later as the new packet was sampled later.
pub fn next_timestamp(last: &LastSent, before: Instant, after: Instant, kind: Kind, clock_rate_hz: u32) -> Start {
    let elapsed_us = elapsed_us(before, after);
    let step_us = match kind {
        // One usual packet of Opus; one frame at 1,000 fps.
        Kind::Audio => 20_000,
        Kind::Video => 1_000,
    };
    let at = last.out_ts.wrapping_add(us_to_ticks(elapsed_us.max(step_us), clock_rate_hz));
    if step_us.saturating_sub(elapsed_us) > MAX_AHEAD_US { Start::TooEarly(at) } else { Start::At(at) }
}

fn elapsed_us(before: Instant, after: Instant) -> i64 {
    let by_arrival = after.arrival.0.cast_signed().saturating_sub(before.arrival.0.cast_signed());
    let by_reports = match (before.sampled_at_us, after.sampled_at_us) {
        (Some(before), Some(after)) => Some(after.saturating_sub(before)),
        _ => None,
    };
    by_reports.filter(|us| us.saturating_sub(by_arrival).abs() <= MAX_DISAGREEMENT_US).unwrap_or(by_arrival)
}

/// Picture ids and tl0picidx as the subscriber sees them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pictures {
    /// Highest that went out.
    out_id: u16,
    out_tl0: u8,
    /// Highest of the present source, sent or taken out.
    source_id: Option<u16>,
}

impl Pictures {
    /// Offsets for a source that starts with these marks (`frame_number`: of the dependency
    /// descriptor) so that its first picture follows the last one sent.
    pub fn start(&mut self, marks: &FrameMarks, frame_number: Option<u16>, mapping: &mut Mapping) {
        self.source_id = None;
        let first = marks.picture.map(|picture| picture.value).or(frame_number);
        if let Some(first) = first {
            mapping.picture_offset = self.out_id.wrapping_add(1).wrapping_sub(first);
        }
        if let Some(tl0) = marks.tl0 {
            mapping.tl0_offset = self.out_tl0.wrapping_add(1).wrapping_sub(tl0.value);
        }
    }

    /// A packet in order goes out.
    pub fn on_sent(&mut self, marks: &FrameMarks, frame_number: Option<u16>, mapping: &Mapping) {
        if let Some(number) = marks.picture.map(|picture| picture.value).or(frame_number) {
            self.out_id = number.wrapping_add(mapping.picture_offset);
        }
        if let Some(picture) = marks.picture {
            self.raise(picture);
        }
        if let Some(tl0) = marks.tl0 {
            self.out_tl0 = tl0.value.wrapping_add(mapping.tl0_offset);
        }
    }

    /// A packet in order is taken out; true when it is the first of its picture, with an id.
    pub fn on_taken_out(&mut self, marks: &FrameMarks) -> bool {
        marks.picture.is_some_and(|picture| self.raise(picture))
    }

    /// Notes a picture id; true when it is a new picture.
    fn raise(&mut self, picture: PictureId) -> bool {
        let width = if picture.is_long { 15 } else { 7 };
        let is_new = self.source_id.is_none_or(|known| {
            let ahead = picture.value.wrapping_sub(known) & ((1 << width) - 1);
            ahead != 0 && ahead < 1 << (width - 1)
        });
        if is_new {
            self.source_id = Some(picture.value);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Tl0;

    fn last(out_ts: u32) -> LastSent {
        LastSent { ext_seq: 0, out_ts, rtp_ts: 0, arrival: Time(1_000_000), marker: true }
    }

    fn instant(arrival_ms: u64, sampled_ms: Option<i64>) -> Instant {
        Instant { arrival: Time(arrival_ms * 1_000), sampled_at_us: sampled_ms.map(|ms| ms * 1_000) }
    }

    fn start(before: Instant, after: Instant) -> Start {
        next_timestamp(&last(1_000), before, after, Kind::Video, 90_000)
    }

    #[test]
    fn timestamps_follow_the_senders_clocks_where_both_reported() {
        assert_eq!(start(instant(1_000, Some(900)), instant(1_100, Some(940))), Start::At(1_000 + 3_600));
        assert_eq!(start(instant(1_000, None), instant(1_100, Some(940))), Start::At(1_000 + 9_000));
    }

    #[test]
    fn reports_that_cannot_be_true_are_not_believed() {
        assert_eq!(start(instant(1_000, Some(0)), instant(1_100, Some(99_000_000))), Start::At(1_000 + 9_000));
    }

    #[test]
    fn timestamps_rise_by_being_pushed_at_most_75_ms_ahead() {
        assert_eq!(start(instant(1_000, Some(950)), instant(1_010, Some(880))), Start::At(1_090));
        assert_eq!(start(instant(1_000, Some(950)), instant(1_010, Some(870))), Start::TooEarly(1_090));
    }

    #[test]
    fn a_late_packet_of_the_source_before_is_let_in_unless_its_frame_is_newer_than_what_was_sent() {
        let mut stay = Stay::default();
        stay.next(10, None);
        stay.next(20, Some(last(1_000)));
        assert!(stay.admits(20, 5_000) && stay.admits(19, 1_000) && stay.admits(10, 999));
        assert!(!stay.admits(19, 1_001));
        assert!(!stay.admits(9, 900), "two sources ago");
    }

    fn vp8(picture_id: u16) -> FrameMarks {
        FrameMarks {
            picture: Some(PictureId { value: picture_id, at: 2, is_long: true }),
            tl0: Some(Tl0 { value: 0, at: 4 }),
            ..FrameMarks::default()
        }
    }

    #[test]
    fn a_picture_that_is_taken_out_counts_once_however_many_packets_it_has() {
        let mut pictures = Pictures::default();
        let mut mapping = Mapping::default();
        pictures.start(&vp8(0x7FFF), None, &mut mapping);
        pictures.on_sent(&vp8(0x7FFF), None, &mapping);
        assert_eq!(pictures.out_id & 0x7FFF, 1);
        let counted: Vec<bool> = [0, 0, 1, 0].map(|id| pictures.on_taken_out(&vp8(id))).to_vec();
        assert_eq!(counted, [true, false, true, false]);
    }

    #[test]
    fn the_next_source_continues_where_the_last_one_ended() {
        let mut pictures = Pictures::default();
        let mut mapping = Mapping::default();
        pictures.start(&vp8(500), None, &mut mapping);
        pictures.on_sent(&vp8(500), None, &mapping);
        pictures.on_sent(&vp8(501), None, &mapping);
        pictures.start(&vp8(9), None, &mut mapping);
        assert_eq!(9u16.wrapping_add(mapping.picture_offset), 3);
    }
}
