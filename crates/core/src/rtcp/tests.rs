//! Every type written and read back, every malformation refused.

use super::*;
use crate::wire::Writer;
use proptest::prelude::*;

fn build(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = [0u8; 1_500];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer);
    writer.written().to_vec()
}

fn one(bytes: &[u8]) -> Packet<'_> {
    let packets: Vec<_> = Compound::parse(bytes).unwrap().packets().collect();
    assert_eq!(packets.len(), 1);
    packets[0].unwrap()
}

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 7,
    fraction_lost: 25,
    cumulative_lost: -3,
    highest_seq: 0x1_0005,
    jitter: 9,
    lsr: 10,
    dlsr: 11,
};
const INFO: SenderInfo =
    SenderInfo { ssrc: 1, ntp: 0x0102_0304_0506_0708, rtp_ts: 9, packet_count: 10, octet_count: 11 };

#[test]
fn a_compound_of_reports_description_and_goodbye_is_read_in_order() {
    let bytes = build(|w| {
        write_sender_report(w, &INFO, &[BLOCK]).unwrap();
        write_cname(w, 1, b"someone").unwrap();
        write_bye(w, &[1, 2]).unwrap();
    });
    let packets: Vec<_> = Compound::parse(&bytes).unwrap().packets().map(Result::unwrap).collect();
    let [Packet::SenderReport(report), Packet::Sdes(sdes), Packet::Bye(bye)] = packets[..] else {
        panic!("{packets:?}")
    };
    assert_eq!((report.info, report.blocks().collect::<Vec<_>>()), (INFO, vec![BLOCK]));
    assert_eq!(report.info.compact_ntp(), 0x0304_0506);
    assert_eq!(sdes.cnames().collect::<Vec<_>>(), vec![(1, &b"someone"[..])]);
    assert_eq!(bye.ssrcs().collect::<Vec<_>>(), vec![1, 2]);
}

#[test]
fn a_receiver_report_has_at_most_31_blocks() {
    let bytes = build(|w| write_receiver_report(w, 5, &[BLOCK; 40]).unwrap());
    let Packet::ReceiverReport(report) = one(&bytes) else { panic!() };
    assert_eq!((report.ssrc, report.blocks().count()), (5, 31));
}

#[test]
fn cumulative_loss_saturates_at_24_bits() {
    for (written, read) in [(i32::MAX, 0x7F_FFFF), (i32::MIN, -0x80_0000), (-1, -1)] {
        let block = ReportBlock { cumulative_lost: written, ..BLOCK };
        let bytes = build(|w| write_receiver_report(w, 5, &[block]).unwrap());
        let Packet::ReceiverReport(report) = one(&bytes) else { panic!() };
        assert_eq!(report.blocks().next().unwrap().cumulative_lost, read);
    }
}

#[test]
fn cnames_of_every_length_end_on_a_word() {
    for len in 0..=255 {
        let name = vec![b'x'; len];
        let bytes = build(|w| write_cname(w, 1, &name).unwrap());
        assert!(bytes.len().is_multiple_of(4));
        let Packet::Sdes(sdes) = one(&bytes) else { panic!() };
        assert_eq!(sdes.cnames().collect::<Vec<_>>(), vec![(1, &name[..])]);
    }
}

#[test]
fn keyframe_requests_name_their_stream() {
    let pli = Pli { sender_ssrc: 1, media_ssrc: 2 };
    let bytes = build(|w| write_pli(w, pli).unwrap());
    let Packet::Pli(read) = one(&bytes) else { panic!() };
    assert_eq!(read, pli);
    let bytes = build(|w| write_fir(w, 1, 2, 200).unwrap());
    let Packet::Fir(read) = one(&bytes) else { panic!() };
    assert_eq!((read.sender_ssrc, read.entries().collect::<Vec<_>>()), (1, vec![(2, 200)]));
}

#[test]
fn a_nack_covers_17_numbers_with_four_bytes() {
    let seqs: Vec<u16> = (0..17).map(|i| 0xFFFAu16.wrapping_add(i)).collect();
    let bytes = build(|w| assert_eq!(write_nack(w, 1, 2, &seqs), Ok(17)));
    assert_eq!(bytes.len(), 16);
    let Packet::Nack(nack) = one(&bytes) else { panic!() };
    assert_eq!(nack.seqs().collect::<Vec<_>>(), seqs);
}

#[test]
fn a_nack_names_as_many_as_there_is_room_for() {
    let seqs: Vec<u16> = (0..10).map(|i| i * 100).collect();
    let mut buffer = [0u8; 12 + 3 * 4 + 3];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(write_nack(&mut writer, 1, 2, &seqs), Ok(3));
    assert_eq!(write_nack(&mut writer, 1, 2, &seqs), Err(NoRoom));
    let Packet::Nack(nack) = one(writer.written()) else { panic!() };
    assert_eq!(nack.seqs().collect::<Vec<_>>(), vec![0, 100, 200]);
    assert!(build(|w| assert_eq!(write_nack(w, 1, 2, &[]), Ok(0))).is_empty());
}

#[test]
fn remb_is_read_with_mantissa_and_exponent() {
    let head = [0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B'];
    // 0x30000 * 2^3, one SSRC; then the largest of all.
    let bytes = [&head[..], &[1, (3 << 2) | 3, 0, 0, 0, 0, 0, 9]].concat();
    let Packet::Remb(remb) = one(&bytes) else { panic!() };
    assert_eq!((remb.bitrate_bps, remb.ssrcs().collect::<Vec<_>>()), (0x3_0000 << 3, vec![9]));
    let bytes = [&head[..], &[1, 0xFF, 0xFF, 0xFF, 0, 0, 0, 9]].concat();
    let Packet::Remb(remb) = one(&bytes) else { panic!() };
    assert_eq!(remb.bitrate_bps, u64::MAX);
    let bytes = [&head[..], &[2, 0, 0, 0, 0, 0, 0, 9]].concat();
    assert_eq!(Compound::parse(&bytes).unwrap().packets().next().unwrap().unwrap_err(), RtcpError::Body);
}

#[test]
fn extended_reports_are_read_block_by_block() {
    let bytes = [
        &[0x80, 207, 0, 9, 0, 0, 0, 1][..],
        &[4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8],
        &[99, 0, 0, 0],
        &[5, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9],
    ]
    .concat();
    let Packet::ExtendedReport(report) = one(&bytes) else { panic!() };
    let blocks: Vec<_> = report.blocks().collect();
    assert_eq!(blocks[0], XrBlock::ReceiverReferenceTime { ntp: 0x0102_0304_0506_0708 });
    assert_eq!(blocks[1], XrBlock::Other(99));
    let XrBlock::Dlrr(dlrr) = blocks[2] else { panic!() };
    assert_eq!(dlrr.entries().collect::<Vec<_>>(), vec![xr::DlrrEntry { ssrc: 7, last_rr: 8, delay: 9 }]);
}

#[test]
fn padding_is_not_body() {
    let mut bytes = build(|w| write_bye(w, &[3]).unwrap());
    bytes[0] |= 0x20;
    bytes[3] = 2;
    bytes.extend_from_slice(&[0, 0, 0, 4]);
    assert_eq!(Compound::parse(&bytes).unwrap().raw_packets().next().unwrap().body.len(), 4);
    for count in [0, 9, 12] {
        *bytes.last_mut().unwrap() = count;
        assert_eq!(Compound::parse(&bytes).unwrap_err(), RtcpError::Padding);
    }
    *bytes.last_mut().unwrap() = 4;
    let followed = [&bytes[..], &build(|w| write_bye(w, &[7]).unwrap())].concat();
    let bodies: Vec<_> = Compound::parse(&followed).unwrap().raw_packets().map(|raw| raw.body.to_vec()).collect();
    assert_eq!(bodies, [vec![0, 0, 0, 3], vec![0, 0, 0, 7]]);
}

/// As Chromium 156 sends it: five arrivals, padded by one byte.
#[test]
fn feedback_is_read_though_its_padding_is_no_multiple_of_four() {
    let bytes: Vec<u8> = [
        &[0xAF, 205, 0, 6, 0x63, 0x46, 0x6C, 0xB9, 0xFF, 0x0A, 0x2A, 0x69][..],
        &[0x60, 0xD8, 0, 5, 6, 0x8A, 0xD0, 3, 0x20, 5, 0x9B, 0x4A, 0, 0x19, 0x29, 1],
    ]
    .concat();
    let Packet::TransportFeedback(feedback) = one(&bytes) else { panic!() };
    assert_eq!((feedback.base_seq, feedback.status_count), (0x60D8, 5));
    assert_eq!(feedback.arrivals().filter(|(_, arrival)| arrival.is_some()).count(), 5);
}

#[test]
fn every_malformation_has_its_error() {
    assert_eq!(Compound::parse(&[]).unwrap_err(), RtcpError::Truncated);
    assert_eq!(Compound::parse(&[0x80, 200, 0]).unwrap_err(), RtcpError::Truncated);
    assert_eq!(Compound::parse(&[0x40, 200, 0, 0]).unwrap_err(), RtcpError::Version);
    assert_eq!(Compound::parse(&[0x80, 200, 0, 1]).unwrap_err(), RtcpError::Truncated);
    for packet_type in [200, 201, 202, 203, 207] {
        let bytes = [0x81, packet_type, 0, 0];
        assert_eq!(Compound::parse(&bytes).unwrap().packets().next().unwrap().unwrap_err(), RtcpError::Body);
    }
    for (packet_type, format) in [(205, 1), (205, 15), (206, 1), (206, 4)] {
        let bytes = [0x80 | format, packet_type, 0, 1, 0, 0, 0, 1];
        assert_eq!(Compound::parse(&bytes).unwrap().packets().next().unwrap().unwrap_err(), RtcpError::Body);
    }
    assert!(matches!(one(&[0x80, 204, 0, 0]), Packet::Other(_)));
}

#[test]
fn a_packet_is_written_whole_or_not_at_all() {
    type Write = fn(&mut Writer<'_>) -> Result<(), NoRoom>;
    let writers: [Write; 7] = [
        |w| write_sender_report(w, &INFO, &[BLOCK]),
        |w| write_receiver_report(w, 1, &[BLOCK]),
        |w| write_cname(w, 1, b"name"),
        |w| write_bye(w, &[1]),
        |w| write_pli(w, Pli { sender_ssrc: 1, media_ssrc: 2 }),
        |w| write_fir(w, 1, 2, 3),
        |w| write_transport_feedback(w, FIELDS, 1, &[(1, 0), (2, 0)]).map(|_| ()),
    ];
    for write in writers {
        let len = build(|w| write(w).unwrap()).len();
        let mut buffer = [0u8; 100];
        let mut writer = Writer::new(&mut buffer[..len - 4]);
        assert!(write(&mut writer) == Err(NoRoom) || !writer.is_empty());
        assert!(writer.len().is_multiple_of(4));
    }
}

const FIELDS: FeedbackFields = FeedbackFields { sender_ssrc: 1, media_ssrc: 2, feedback_count: 3 };

/// Writes messages of at most `room` bytes until all is told; returns what a reader learns.
fn tell(base: u64, arrivals: &[(u64, u64)], room: usize) -> Vec<(u16, Option<i64>)> {
    let mut told = Vec::new();
    let (mut base, mut rest) = (base, arrivals);
    while !rest.is_empty() {
        let mut buffer = vec![0u8; room];
        let mut writer = Writer::new(&mut buffer);
        let count = write_transport_feedback(&mut writer, FIELDS, base, rest).unwrap();
        assert!(count > 0);
        let Packet::TransportFeedback(feedback) = one(writer.written()) else { panic!() };
        assert_eq!((feedback.sender_ssrc, feedback.media_ssrc, feedback.feedback_count), (1, 2, 3));
        told.extend(feedback.arrivals());
        base = rest[count - 1].0 + 1;
        rest = &rest[count..];
    }
    told
}

#[test]
fn feedback_of_a_steady_stream_takes_a_byte_a_packet() {
    let arrivals: Vec<(u64, u64)> = (0..100).map(|i| (65_500 + i, 1_000_000 + i * 5_000)).collect();
    let bytes = build(|w| assert_eq!(write_transport_feedback(w, FIELDS, 65_500, &arrivals), Ok(100)));
    assert_eq!(bytes.len(), 4 + 16 + 2 + 100 + 2);
}

#[test]
fn feedback_ends_where_a_step_is_too_long_to_say() {
    let arrivals = [(1, 0), (2, 9_000_000), (70_000, 9_000_000)];
    assert_eq!(tell(1, &arrivals[..2], 100), vec![(1, Some(0)), (2, Some(9_000_000))]);
    let bytes = build(|w| assert_eq!(write_transport_feedback(w, FIELDS, 2, &arrivals[1..]), Ok(1)));
    assert_eq!(bytes.len(), 4 + 16 + 4);
}

#[test]
fn feedback_with_missing_deltas_is_refused() {
    let mut bytes = build(|w| assert_eq!(write_transport_feedback(w, FIELDS, 1, &[(1, 0), (2, 0)]), Ok(2)));
    // Three packets in the count and in the run, two deltas and no padding left to take for a third.
    bytes[15] = 5;
    bytes[21] = 5;
    assert_eq!(Compound::parse(&bytes).unwrap().packets().next().unwrap().unwrap_err(), RtcpError::Body);
}

proptest! {
    #[test]
    fn what_arrived_is_told_to_a_quarter_of_a_millisecond(
        base in 0u64..1_000_000, start in 0u64..1_000_000_000,
        steps in proptest::collection::vec((1u64..30, -3_000i64..90_000), 1..300), room in 28usize..400,
    ) {
        let (mut seq, mut time) = (base, start);
        let arrivals: Vec<(u64, u64)> = steps.iter().map(|(gap, step)| {
            seq += gap;
            time = time.saturating_add_signed(*step);
            (seq, time)
        }).collect();
        let told = tell(base, &arrivals, room);
        prop_assert_eq!(told.len() as u64, seq - base + 1);
        prop_assert!(told.iter().enumerate().all(|(i, (s, _))| *s == (base + i as u64) as u16));
        let read: Vec<u64> = told.iter().filter_map(|(_, at)| at.map(|at| at as u64)).collect();
        let expected: Vec<u64> = arrivals.iter().map(|(_, at)| at / 250 * 250).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn what_is_asked_for_is_what_is_read(start in any::<u16>(), gaps in proptest::collection::vec(1u16..40, 1..200)) {
        let mut seq = start;
        let seqs: Vec<u16> = gaps.iter().map(|gap| { seq = seq.wrapping_add(*gap); seq }).collect();
        let bytes = build(|w| assert_eq!(write_nack(w, 1, 2, &seqs), Ok(seqs.len())));
        let Packet::Nack(nack) = one(&bytes) else { panic!() };
        prop_assert_eq!(nack.seqs().collect::<Vec<_>>(), seqs);
    }

    #[test]
    fn any_bytes_give_packets_or_errors(
        head in (0x80u8..=0xBF, 199u8..=208), body in proptest::collection::vec(any::<u8>(), 0..120),
        aligned in any::<bool>(),
    ) {
        let words = (body.len() / 4) as u16;
        let mut bytes = [&[head.0, head.1], &words.to_be_bytes()[..], &body].concat();
        if aligned {
            bytes.truncate(4 + 4 * usize::from(words));
        }
        if let Ok(compound) = Compound::parse(&bytes) {
            for packet in compound.packets().flatten() {
                exhaust(&packet);
            }
        }
    }
}

/// Reads everything that a packet offers.
fn exhaust(packet: &Packet<'_>) {
    let items = match packet {
        Packet::SenderReport(report) => report.blocks().count(),
        Packet::ReceiverReport(report) => report.blocks().count(),
        Packet::Sdes(sdes) => sdes.cnames().count(),
        Packet::Bye(bye) => bye.ssrcs().count(),
        Packet::Nack(nack) => nack.seqs().count(),
        Packet::TransportFeedback(feedback) => {
            assert_eq!(feedback.arrivals().count(), usize::from(feedback.status_count));
            0
        }
        Packet::Fir(fir) => fir.entries().count(),
        Packet::Remb(remb) => remb.ssrcs().count(),
        Packet::ExtendedReport(report) => report.blocks().count(),
        Packet::Pli(_) | Packet::Other(_) => 0,
    };
    assert!(items <= 17 * 375);
}
