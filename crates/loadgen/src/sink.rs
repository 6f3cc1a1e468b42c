//! What a subscriber makes of what it gets: continuity of each stream, latency of a sample, reports as a browser sends.

use sfu_core::rtcp::{FeedbackFields, ReportBlock, write_cname, write_receiver_report, write_transport_feedback};
use sfu_core::rtp::RtpHeader;
use sfu_core::rtp::seq::SeqUnwrapper;
use sfu_core::time::{Micros, Time};
use sfu_core::wire::{NoRoom, Writer, u16_at};

use crate::continuity::Continuity;
use crate::stream::{MID_ID, Origin, TRANSPORT_CC_ID};

/// Streams of one subscriber; a server that sends more is not believed to.
const MAX_STREAMS: usize = 64;
/// One packet in so many of each stream is decrypted, and everything in the first second.
const SAMPLE: u32 = 16;
const SAMPLE_ALL: Micros = Micros::from_secs(1);
/// Arrivals between two feedback messages; at 100 ms these are 40,000 packets a second.
const MAX_ARRIVALS: usize = 4_096;
const CNAME: &[u8] = b"bench";
/// The mid under which mediasoup sends filling to learn what a path carries. It is no stream of anybody's.
const PROBE_MID: &[u8] = b"probator";

/// One stream that comes.
#[derive(Debug)]
pub struct Incoming {
    pub ssrc: u32,
    pub continuity: Continuity,
    /// What its last packet that was decrypted said of itself, and when that came.
    pub last: Option<(Time, Origin)>,
    /// Packets so far, and some more so that each subscriber decrypts other ones.
    count: u32,
}

#[derive(Debug)]
pub struct Sink {
    ssrc: u32,
    transport_cc_id: u8,
    rtx_pt: Option<u8>,
    /// SSRCs apart, because each packet's is looked for among them.
    ssrcs: Vec<u32>,
    streams: Vec<Incoming>,
    phase: u32,
    first: Option<Time>,
    transport: SeqUnwrapper,
    arrivals: Vec<(u64, u64)>,
    next_base: Option<u64>,
    feedback_count: u8,
}

impl Sink {
    /// `phase` puts the samples of each subscriber at other packets.
    pub fn new(ssrc: u32, phase: u32) -> Self {
        Self {
            ssrc,
            transport_cc_id: TRANSPORT_CC_ID,
            rtx_pt: None,
            ssrcs: Vec::new(),
            streams: Vec::new(),
            phase,
            first: None,
            transport: SeqUnwrapper::default(),
            arrivals: Vec::new(),
            next_base: None,
            feedback_count: 0,
        }
    }

    /// From now on the server's transport-wide sequence numbers stand under this id, and not under the offered one.
    pub fn set_transport_cc_id(&mut self, id: u8) {
        self.transport_cc_id = id;
    }

    /// Retransmissions (RFC 4588) come under this payload type.
    pub fn set_rtx_pt(&mut self, pt: u8) {
        self.rtx_pt = Some(pt);
    }

    /// Notes a packet that came at `at`; whether it is to be decrypted.
    pub fn add(&mut self, at: Time, packet: &[u8], header: &RtpHeader) -> bool {
        let count = if let Some(stream) = self.stream_mut(header.ssrc) {
            stream.continuity.add(header.seq);
            stream.count = stream.count.wrapping_add(1);
            stream.count
        } else {
            let count = self.phase.wrapping_add(1);
            if self.streams.len() < MAX_STREAMS {
                let continuity = Continuity::starting_with(header.seq);
                self.ssrcs.push(header.ssrc);
                self.streams.push(Incoming { ssrc: header.ssrc, continuity, last: None, count });
            }
            count
        };
        self.note_arrival(at, packet, header);
        let first = *self.first.get_or_insert(at);
        at.since(first) < SAMPLE_ALL || count.is_multiple_of(SAMPLE)
    }

    /// A packet that was decrypted said this of itself.
    pub fn note_origin(&mut self, at: Time, ssrc: u32, origin: Origin) {
        if let Some(stream) = self.stream_mut(ssrc) {
            stream.last = Some((at, origin));
        }
    }

    fn stream_mut(&mut self, ssrc: u32) -> Option<&mut Incoming> {
        let index = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.streams.get_mut(index)
    }

    /// Notes when a probe came, for feedback alone; false: the packet is none. What comes as a retransmission is one,
    /// be it media once more or padding: this peer asks for none.
    pub fn add_probe(&mut self, at: Time, packet: &[u8], header: &RtpHeader) -> bool {
        let is_probe = self.rtx_pt == Some(header.pt) || header.extension(packet, MID_ID) == Some(PROBE_MID);
        if is_probe {
            self.note_arrival(at, packet, header);
        }
        is_probe
    }

    fn note_arrival(&mut self, at: Time, packet: &[u8], header: &RtpHeader) {
        if let Some(seq) = header.extension(packet, self.transport_cc_id).and_then(|value| u16_at(value, 0))
            && self.arrivals.len() < MAX_ARRIVALS
        {
            self.arrivals.push((self.transport.unwrap_seq(seq), at.0));
        }
    }

    pub fn streams(&self) -> &[Incoming] {
        &self.streams
    }

    /// Counts from here on.
    pub fn reset(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.continuity.reset());
    }

    /// Writes a receiver report with the name of this peer; its length.
    pub fn report(&mut self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        let blocks: Vec<ReportBlock> = self
            .streams
            .iter_mut()
            .map(|Incoming { ssrc, continuity, .. }| ReportBlock {
                ssrc: *ssrc,
                fraction_lost: continuity.interval(),
                cumulative_lost: continuity.lost().min(0x7F_FFFF) as i32,
                highest_seq: continuity.highest_for_report(),
                ..ReportBlock::default()
            })
            .collect();
        let mut writer = Writer::new(buffer);
        write_receiver_report(&mut writer, self.ssrc, &blocks)?;
        write_cname(&mut writer, self.ssrc, CNAME)?;
        Ok(writer.len())
    }

    /// Writes what arrived since the last feedback; its length, or 0 when nothing did.
    pub fn feedback(&mut self, buffer: &mut [u8]) -> Result<usize, NoRoom> {
        self.arrivals.sort_unstable();
        self.arrivals.dedup_by_key(|(number, _)| *number);
        let Some((oldest, _)) = self.arrivals.first() else { return Ok(0) };
        let base = self.next_base.map_or(*oldest, |next| next.min(*oldest));
        let media_ssrc = self.ssrcs.first().copied().unwrap_or(0);
        let fields = FeedbackFields { sender_ssrc: self.ssrc, media_ssrc, feedback_count: self.feedback_count };
        self.feedback_count = self.feedback_count.wrapping_add(1);
        let mut writer = Writer::new(buffer);
        let told = write_transport_feedback(&mut writer, fields, base, &self.arrivals)?;
        self.next_base = told.checked_sub(1).and_then(|last| self.arrivals.get(last)).map(|(number, _)| number + 1);
        self.arrivals.drain(..told);
        Ok(writer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::rtcp::{Compound, Packet};
    use sfu_core::rtp::{HeaderFields, HeaderWriter};

    fn give(sink: &mut Sink, ms: u64, seq: u16) -> bool {
        let mut packet = [0u8; 64];
        let fields = HeaderFields { marker: false, pt: 96, seq, timestamp: 0, ssrc: 5, has_padding: false };
        let len = HeaderWriter::write(&mut packet, &fields, &[(TRANSPORT_CC_ID, &seq.to_be_bytes())]).unwrap();
        let header = RtpHeader::parse(&packet[..len]).unwrap();
        sink.add(Time(ms * 1_000), &packet[..len], &header)
    }

    #[test]
    fn the_first_second_is_decrypted_whole_and_then_one_packet_in_sixteen() {
        let mut sink = Sink::new(1, 3);
        assert!((0..100).all(|seq| give(&mut sink, u64::from(seq) * 10, seq)));
        let sampled = (100..260).filter(|seq| give(&mut sink, u64::from(*seq) * 10, *seq)).count();
        assert_eq!(sampled, 10);
    }

    #[test]
    fn every_stream_is_sampled_however_many_take_turns() {
        let mut sink = Sink::new(1, 0);
        let mut sampled = [0; 16];
        for round in 0..400u16 {
            for stream in 0..16u8 {
                let mut packet = [0u8; 64];
                let ssrc = u32::from(stream);
                let fields = HeaderFields { marker: false, pt: 96, seq: round, timestamp: 0, ssrc, has_padding: false };
                let len = HeaderWriter::write(&mut packet, &fields, &[]).unwrap();
                let header = RtpHeader::parse(&packet[..len]).unwrap();
                let at = Time(u64::from(round) * 33_333);
                let taken = sink.add(at, &packet[..len], &header);
                if taken {
                    sink.note_origin(at, ssrc, Origin { peer: 3, stream });
                }
                sampled[usize::from(stream)] += u32::from(taken && round >= 40);
            }
        }
        assert!(sampled.iter().all(|count| (20..=25).contains(count)), "{sampled:?}");
        for stream in sink.streams() {
            assert_eq!(stream.last.unwrap().1, Origin { peer: 3, stream: stream.ssrc as u8 });
        }
    }

    #[test]
    fn feedback_tells_of_every_packet_once_and_of_the_gaps() {
        let mut sink = Sink::new(1, 0);
        let mut buffer = [0; 1_200];
        let mut told = Vec::new();
        for batch in [vec![0u16, 1, 3], vec![5, 4, 6], vec![]] {
            for seq in batch {
                give(&mut sink, u64::from(seq), seq);
            }
            let len = sink.feedback(&mut buffer).unwrap();
            if len == 0 {
                continue;
            }
            for packet in Compound::parse(&buffer[..len]).unwrap().packets() {
                let Ok(Packet::TransportFeedback(feedback)) = packet else { panic!("not feedback") };
                told.extend(feedback.arrivals().map(|arrival| format!("{arrival:?}")));
            }
        }
        assert_eq!(told.len(), 7, "{told:?}");
    }

    #[test]
    fn the_server_may_number_the_extension_in_its_own_way() {
        let mut sink = Sink::new(1, 0);
        let mut buffer = [0; 256];
        sink.set_transport_cc_id(TRANSPORT_CC_ID + 1);
        give(&mut sink, 0, 1);
        assert_eq!(sink.feedback(&mut buffer), Ok(0));
        sink.set_transport_cc_id(TRANSPORT_CC_ID);
        give(&mut sink, 1, 2);
        assert_ne!(sink.feedback(&mut buffer), Ok(0));
    }

    #[test]
    fn a_probe_is_told_in_feedback_and_is_no_stream() {
        for (pt, mid, is_probe) in [(127, PROBE_MID, true), (97, b"1".as_slice(), true), (96, b"1".as_slice(), false)] {
            let mut sink = Sink::new(1, 0);
            sink.set_rtx_pt(97);
            let mut packet = [0u8; 64];
            let fields = HeaderFields { marker: false, pt, seq: 1, timestamp: 0, ssrc: 1_234, has_padding: false };
            let extensions = [(MID_ID, mid), (TRANSPORT_CC_ID, [0, 7].as_slice())];
            let len = HeaderWriter::write(&mut packet, &fields, &extensions).unwrap();
            let header = RtpHeader::parse(&packet[..len]).unwrap();
            assert_eq!(sink.add_probe(Time(0), &packet[..len], &header), is_probe);
            assert_eq!(sink.feedback(&mut [0; 256]).unwrap() > 0, is_probe);
            assert!(sink.streams().is_empty());
        }
    }

    #[test]
    fn a_report_tells_what_was_lost() {
        let mut sink = Sink::new(1, 0);
        for seq in [10, 11, 13, 14] {
            give(&mut sink, 0, seq);
        }
        let mut buffer = [0; 256];
        let len = sink.report(&mut buffer).unwrap();
        let compound = Compound::parse(&buffer[..len]).unwrap();
        let Some(Ok(Packet::ReceiverReport(report))) = compound.packets().next() else { panic!("no report") };
        let block = report.blocks().next().unwrap();
        assert_eq!((block.ssrc, block.cumulative_lost, block.fraction_lost, block.highest_seq), (5, 1, 51, 14));
    }
}
