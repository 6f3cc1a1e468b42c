//! `parse_rtcp`: a compound packet as the packet path reads it, for tests.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sfu_core::rtcp::{Compound, ExtendedReport, Packet, ReportBlock, XrBlock};

use crate::error::value_error;

macro_rules! dict {
    ($py:expr, $($name:literal: $value:expr),* $(,)?) => {{
        let entries = PyDict::new($py);
        $(entries.set_item($name, $value)?;)*
        Ok(entries)
    }};
}

/// One dictionary a packet, with its `type`, as `_native.pyi` describes.
#[pyfunction]
pub fn parse_rtcp<'py>(py: Python<'py>, datagram: &[u8]) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let malformed = |error| value_error(format!("RTCP: {error:?}"));
    let compound = Compound::parse(datagram).map_err(malformed)?;
    compound.packets().map(|parsed| packet(py, &parsed.map_err(malformed)?)).collect()
}

fn packet<'py>(py: Python<'py>, packet: &Packet<'_>) -> PyResult<Bound<'py, PyDict>> {
    match packet {
        Packet::SenderReport(report) => dict!(py,
            "type": "sender_report",
            "ssrc": report.info.ssrc,
            "ntp": report.info.ntp,
            "rtp_timestamp": report.info.rtp_ts,
            "packet_count": report.info.packet_count,
            "octet_count": report.info.octet_count,
            "blocks": blocks(py, report.blocks())?,
        ),
        Packet::ReceiverReport(report) => dict!(py,
            "type": "receiver_report",
            "ssrc": report.ssrc,
            "blocks": blocks(py, report.blocks())?,
        ),
        Packet::Sdes(sdes) => dict!(py,
            "type": "sdes",
            "cnames": sdes.cnames().map(|(ssrc, cname)| (ssrc, PyBytes::new(py, cname))).collect::<Vec<_>>(),
        ),
        Packet::Bye(bye) => dict!(py, "type": "bye", "ssrcs": bye.ssrcs().collect::<Vec<_>>()),
        Packet::Nack(nack) => dict!(py,
            "type": "nack",
            "sender_ssrc": nack.sender_ssrc,
            "media_ssrc": nack.media_ssrc,
            "lost": nack.seqs().collect::<Vec<_>>(),
        ),
        Packet::TransportFeedback(feedback) => dict!(py,
            "type": "transport_feedback",
            "sender_ssrc": feedback.sender_ssrc,
            "media_ssrc": feedback.media_ssrc,
            "base_seq": feedback.base_seq,
            "reference_time": feedback.reference_time,
            "feedback_count": feedback.feedback_count,
            "arrivals_us": feedback.arrivals().collect::<Vec<_>>(),
        ),
        Packet::Pli(pli) => dict!(py, "type": "pli", "sender_ssrc": pli.sender_ssrc, "media_ssrc": pli.media_ssrc),
        Packet::Fir(fir) => dict!(py,
            "type": "fir",
            "sender_ssrc": fir.sender_ssrc,
            "requests": fir.entries().collect::<Vec<_>>(),
        ),
        Packet::Remb(remb) => dict!(py,
            "type": "remb",
            "sender_ssrc": remb.sender_ssrc,
            "bitrate_bps": remb.bitrate_bps,
            "ssrcs": remb.ssrcs().collect::<Vec<_>>(),
        ),
        Packet::ExtendedReport(report) => extended_report(py, report),
        Packet::Other(raw) => dict!(py, "type": "other", "packet_type": raw.packet_type, "count": raw.count),
    }
}

fn extended_report<'py>(py: Python<'py>, report: &ExtendedReport<'_>) -> PyResult<Bound<'py, PyDict>> {
    let (mut ntp, mut dlrr) = (None, Vec::new());
    for block in report.blocks() {
        match block {
            XrBlock::ReceiverReferenceTime { ntp: time } => ntp = Some(time),
            XrBlock::Dlrr(answers) => {
                dlrr.extend(answers.entries().map(|answer| (answer.ssrc, answer.last_rr, answer.delay)));
            }
            XrBlock::Other(_) => {}
        }
    }
    dict!(py, "type": "extended_report", "ssrc": report.ssrc, "receiver_reference_ntp": ntp, "dlrr": dlrr)
}

fn blocks<'py>(py: Python<'py>, blocks: impl Iterator<Item = ReportBlock>) -> PyResult<Vec<Bound<'py, PyDict>>> {
    blocks
        .map(|block| {
            dict!(py,
                "ssrc": block.ssrc,
                "fraction_lost": block.fraction_lost,
                "lost": block.cumulative_lost,
                "highest_seq": block.highest_seq,
                "jitter": block.jitter,
                "lsr": block.lsr,
                "dlsr": block.dlsr,
            )
        })
        .collect()
}
