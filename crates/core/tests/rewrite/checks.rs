//! What must hold of a subscriber's stream: after each step, and as a whole in the end.

use std::collections::BTreeSet;

use sfu_core::rtp::RtpHeader;
use sfu_core::rtp::seq::SeqUnwrapper;

use crate::support::Received;
use crate::support::media::{Mark, read_mark};
use crate::world::{RTX_SSRC, SSRC, World};

impl World {
    /// Asks for one of the packets that came, and checks the answer when there is one; or for one that did not come.
    pub fn nack(&mut self, which: usize, is_missing: bool) {
        let newest = self.got.keys().next_back().copied();
        let asked = if is_missing {
            // Up to 20 ahead of what was sent: nobody asks for those but to do harm.
            newest.and_then(|newest| {
                (newest - 100..newest + 20).rev().filter(|it| !self.got.contains_key(it)).nth(which / 4)
            })
        } else {
            self.got.keys().rev().nth(which).copied()
        };
        let Some(ext_seq) = asked else { return };
        let before = self.net.client(self.subscriber).stream(RTX_SSRC).len();
        self.net.nack(self.subscriber, SSRC, &[ext_seq as u16]);
        let Some(original) = self.got.get(&ext_seq) else { return };
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

    /// Looks at what came since the last time, in the order of arrival. The client checks that no index of the cipher is
    /// used for two packets.
    pub fn collect(&mut self) {
        let client = &self.net.clients[&self.subscriber];
        let new: Vec<Received> = client.rtp[self.seen..].to_vec();
        self.seen = client.rtp.len();
        for received in new {
            match received.header.ssrc {
                SSRC => self.on_media(received),
                RTX_SSRC => self.on_retransmission(&received),
                other => panic!("SSRC {other} is nobody's"),
            }
        }
    }

    fn on_media(&mut self, received: Received) {
        let highest = self.unwrapper.highest();
        let ext_seq = self.unwrapper.unwrap_seq(received.header.seq);
        let is_media = !received.payload().is_empty();
        if is_media && highest.is_none_or(|highest| ext_seq > highest) {
            self.check_step(&received);
        } else if is_media {
            assert!(self.is_disturbed(&read_mark(received.payload())), "{ext_seq} comes after {highest:?}");
        }
        self.bind(ext_seq, received.payload());
        assert!(self.got.insert(ext_seq, received).is_none(), "number {ext_seq} was used twice");
    }

    fn on_retransmission(&mut self, received: &Received) {
        let Some((osn, payload)) = received.payload().split_first_chunk() else { return };
        let mut unwrapper: SeqUnwrapper = self.unwrapper;
        let ext_seq = unwrapper.unwrap_seq(u16::from_be_bytes(*osn));
        assert!(self.unwrapper.highest().is_some_and(|highest| ext_seq <= highest), "{ext_seq} was not sent yet");
        self.bind(ext_seq, payload);
    }

    fn bind(&mut self, ext_seq: u64, payload: &[u8]) {
        let bound = self.bound.entry(ext_seq).or_insert_with(|| payload.to_vec());
        assert_eq!(*bound, payload, "two payloads under number {ext_seq}");
    }

    /// Whether the packet did not arrive in order, or not at first.
    fn is_disturbed(&self, mark: &Mark) -> bool {
        let seq = self.sent[&(mark.ssrc, mark.frame, mark.packet)].seq;
        self.disturbed.get(&mark.ssrc).is_some_and(|late| late.contains(&seq))
    }

    /// A packet that is newer than all others.
    fn check_step(&mut self, received: &Received) {
        let mark = read_mark(received.payload());
        let last = self.got.values().rev().find(|it| !it.payload().is_empty());
        let last_ssrc = last.map(|it| read_mark(it.payload()).ssrc);
        let is_late = self.is_disturbed(&mark);
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
    pub fn check(&self) {
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
        self.check_references(&media);
        assert_eq!(self.net.drops("number_taken"), 0);
    }

    /// Each frame's base frame was sent before it, if it came to the server in order.
    fn check_references(&self, media: &[(u64, Mark, &Received)]) {
        let got: BTreeSet<(u32, u32, u8)> = media.iter().map(|(_, it, _)| (it.ssrc, it.frame, it.packet)).collect();
        for (ext_seq, mark, _) in media.iter().filter(|(_, mark, _)| !mark.is_keyframe) {
            let base = (1..mark.frame).rev().find(|frame| self.sent[&(mark.ssrc, *frame, 0)].mark.tid == 0);
            let Some(base) = base else { panic!("{mark:?} without a frame before it") };
            for packet in 0..mark.packets {
                let sent = &self.sent[&(mark.ssrc, base, packet)].mark;
                let is_there = got.contains(&(mark.ssrc, base, packet)) || self.is_disturbed(sent);
                assert!(is_there || self.has_overflown(), "{ext_seq}: {mark:?} refers to {sent:?}, which was not sent");
            }
        }
    }

    /// Packets were gone from the history ring when their time had come.
    fn has_overflown(&self) -> bool {
        self.is_flooded || self.net.drops("rtp_too_old") > 0
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
        if self.has_overflown() {
            return;
        }
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
