//! Frames to pictures: what is decoded at once and shown. Of a stream with spatial layers a picture has a frame of each
//! layer that is sent, and is whole when all from the lowest to the one with the marker have come; so libwebrtc's
//! `FrameBuffer` has it (a temporal unit, its last frame `is_last_spatial_layer`). A lower layer alone is not shown while
//! a higher one of its picture is missing, and what comes behind a picture's marker is no part of it.

use std::collections::BTreeMap;

use super::assembler::AssembledFrame;
use crate::mark::Mark;

/// Frames that wait for others of their picture.
const WINDOW: usize = 512;

/// A picture of which nothing is missing, lowest layer first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub frames: Vec<AssembledFrame>,
}

impl Picture {
    /// Of the layer that is shown.
    pub fn mark(&self) -> Option<Mark> {
        self.frames.last().map(|frame| frame.mark)
    }

    pub fn first_seq(&self) -> u64 {
        self.frames.first().map_or(0, |frame| frame.first_seq)
    }

    pub fn last_seq(&self) -> u64 {
        self.frames.last().map_or(0, |frame| frame.last_seq)
    }

    pub fn was_retransmitted(&self) -> bool {
        self.frames.iter().any(|frame| frame.was_retransmitted)
    }
}

/// Layer frames whose picture is not whole.
#[derive(Debug, Default)]
pub struct Pictures {
    layers: BTreeMap<u64, AssembledFrame>,
}

impl Pictures {
    /// A whole frame; the picture that it completes.
    pub fn on_frame(&mut self, frame: AssembledFrame) -> Option<Picture> {
        if !frame.mark.is_layer {
            return Some(Picture { frames: vec![frame] });
        }
        self.layers.insert(frame.first_seq, frame);
        if self.layers.len() > WINDOW {
            self.layers.pop_first();
        }
        let is_same =
            |other: &AssembledFrame| other.rtp_ts == frame.rtp_ts && other.mark.publisher == frame.mark.publisher;
        let mut frames: Vec<AssembledFrame> = self.layers.values().copied().filter(is_same).collect();
        frames.truncate(frames.iter().position(|frame| frame.ends_picture)? + 1);
        let is_whole = frames.iter().zip(0..).all(|(frame, sid)| frame.mark.encoding == sid);
        if !is_whole {
            return None;
        }
        for frame in &frames {
            self.layers.remove(&frame.first_seq);
        }
        Some(Picture { frames })
    }

    /// Pictures before this number are not wanted any more.
    pub fn forget_before(&mut self, seq: u64) {
        self.layers = self.layers.split_off(&seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::time::Time;

    /// A frame of one packet with the number `seq`.
    fn frame(seq: u64, sid: u8, ends_picture: bool) -> AssembledFrame {
        let mark = Mark { is_layer: true, frame: 1, ..Mark::of_picture(1, sid, Time(0)) };
        let (first_seq, last_seq, rtp_ts, complete) = (seq, seq, 90, Time(0));
        AssembledFrame { first_seq, last_seq, rtp_ts, mark, complete, was_retransmitted: false, ends_picture }
    }

    #[test]
    fn a_picture_is_whole_when_all_layers_up_to_the_marker_came_in_any_order() {
        let mut pictures = Pictures::default();
        assert_eq!(pictures.on_frame(frame(12, 2, true)), None);
        assert_eq!(pictures.on_frame(frame(10, 0, false)), None);
        let whole = pictures.on_frame(frame(11, 1, false)).expect("whole");
        assert_eq!((whole.first_seq(), whole.last_seq(), whole.frames.len()), (10, 12, 3));
        assert_eq!(whole.mark().map(|mark| mark.encoding), Some(2));
    }

    #[test]
    fn a_layer_without_the_one_below_is_not_shown_nor_one_without_a_marker() {
        let mut pictures = Pictures::default();
        assert_eq!(pictures.on_frame(frame(10, 0, false)), None);
        assert_eq!(pictures.on_frame(frame(12, 2, true)), None, "the middle layer is missing");
        let mut pictures = Pictures::default();
        assert_eq!(pictures.on_frame(frame(10, 0, false)), None);
        assert_eq!(pictures.on_frame(frame(11, 1, false)), None, "nothing says that it ends there");
    }

    #[test]
    fn what_comes_behind_the_marker_is_no_part_of_the_picture() {
        let mut pictures = Pictures::default();
        assert_eq!(pictures.on_frame(frame(10, 0, true)).expect("whole").frames.len(), 1);
        assert_eq!(pictures.on_frame(frame(11, 1, true)), None);
    }
}
