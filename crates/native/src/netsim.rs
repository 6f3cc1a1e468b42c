//! `NetSim`: a shard and simulated clients on simulated links, for `sfu bench network` and tests.

use std::sync::{Mutex, MutexGuard};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use sfu_core::command::{IceCredentials, SrtpKeys};
use sfu_core::time::{Micros, Time};
use sfu_netsim::bottleneck::TcpOptions;
use sfu_netsim::codel::CodelOptions;
use sfu_netsim::link::LinkOptions;
use sfu_netsim::loss::LossModel;
use sfu_netsim::publisher::{
    CodingOptions, EncoderOptions, EncodingOptions, Mode, Numbers, ScalableOptions, SpatialLayer, StreamNames,
    Vp8Options,
};
use sfu_netsim::queue::{Discipline, QueueOptions};
use sfu_netsim::random::Random;
use sfu_netsim::tcp::Algorithm;
use sfu_netsim::trace::{LteOptions, RateTrace};
use sfu_netsim::world::{Client, ClientOptions, Series, StreamOptions, World};

use crate::commands::{Commands, Driver, lock};
use crate::convert::{Address, address, profile};
use crate::error::value_error;

/// So that nothing happens at time zero, which some would take for "never".
const START: Time = Time(1_000_000);
/// (rid, SSRC, SSRC of retransmissions, width, height, bit/s, frames a second, temporal layers)
type PyVideoEncoding = (Option<String>, u32, u32, u16, u16, u64, f64, u8);
/// (width, height, bit/s)
type PySpatialLayer = (u16, u16, u64);

/// A link as Python describes it, times in microseconds from the beginning.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct PyLink {
    rates: Vec<(u64, u64)>,
    queue_bytes: usize,
    codel: bool,
    delay_us: u64,
    jitter_us: u64,
    loss: f64,
    loss_burst: f64,
    reorder: f64,
    reorder_by_us: u64,
}

impl PyLink {
    fn options(self) -> PyResult<LinkOptions> {
        let shares = [self.loss, self.reorder];
        if shares.iter().any(|share| !(0.0..1.0).contains(share)) {
            return Err(value_error("loss and reorder are shares: 0 to 1, 1 excluded"));
        }
        let steps = self.rates.into_iter().map(|(at, bps)| (START + Micros(at), bps)).collect();
        let trace = RateTrace::steps(steps).ok_or_else(|| value_error("a link has at least one rate"))?;
        let discipline = if self.codel { Discipline::Codel(CodelOptions::default()) } else { Discipline::DropTail };
        let queue = QueueOptions { limit_bytes: self.queue_bytes, discipline };
        let loss = match (self.loss, self.loss_burst) {
            (0.0, _) => LossModel::None,
            (p, burst) if burst <= 1.0 => LossModel::Random { p },
            (p, burst) => LossModel::bursts(p, burst),
        };
        Ok(LinkOptions {
            jitter: Micros(self.jitter_us),
            loss,
            reorder: self.reorder,
            reorder_by: Micros(self.reorder_by_us),
            ..LinkOptions::with_trace(trace, queue, Micros(self.delay_us))
        })
    }
}

/// A download beside us: (algorithm, start, stop, delay of acknowledgements), microseconds.
type PyTcp = (String, u64, u64, u64);

fn tcp((algorithm, start, stop, return_delay): PyTcp) -> PyResult<TcpOptions> {
    let algorithm = match algorithm.as_str() {
        "reno" => Algorithm::Reno,
        "cubic" => Algorithm::Cubic,
        other => return Err(value_error(format!("algorithm is {other:?}, accepted are reno, cubic"))),
    };
    let (start, stop) = (START + Micros(start), START + Micros(stop));
    Ok(TcpOptions { algorithm, start, stop, return_delay: Micros(return_delay) })
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct PyNumbers {
    opus: u8,
    video: u8,
    video_rtx: u8,
    mid: u8,
    rid: u8,
    repaired_rid: u8,
    transport_cc: u8,
    audio_level: u8,
    dependency_descriptor: u8,
}

impl From<PyNumbers> for Numbers {
    fn from(it: PyNumbers) -> Self {
        Self {
            opus_pt: it.opus,
            video_pt: it.video,
            video_rtx_pt: it.video_rtx,
            mid: it.mid,
            rid: it.rid,
            repaired_rid: it.repaired_rid,
            transport_cc: it.transport_cc,
            audio_level: it.audio_level,
            dependency_descriptor: it.dependency_descriptor,
        }
    }
}

fn video_encoding(encoding: PyVideoEncoding) -> PyResult<EncodingOptions> {
    let (rid, ssrc, rtx_ssrc, width, height, bps, frame_rate, temporal_layers) = encoding;
    if !matches!(temporal_layers, 1 | 3) || !(1.0..=120.0).contains(&frame_rate) {
        return Err(value_error("1 or 3 temporal layers, 1 to 120 frames a second"));
    }
    let encoder = EncoderOptions { bps, frame_rate, temporal_layers };
    let coding = CodingOptions::Vp8(Vp8Options { width, height, encoder });
    Ok(EncodingOptions { names: StreamNames { ssrc, rtx_ssrc, rid }, coding })
}

fn scalable_encoding(
    mode: &str,
    (ssrc, rtx_ssrc): (u32, u32),
    layers: &[PySpatialLayer],
    frame_rate: f64,
) -> PyResult<EncodingOptions> {
    let mode = match mode {
        "vp9" => Mode::Vp9 { is_keyed: false },
        "vp9_key" => Mode::Vp9 { is_keyed: true },
        "av1" => Mode::Av1,
        other => return Err(value_error(format!("mode is {other:?}, accepted are vp9, vp9_key, av1"))),
    };
    let are_sizes = layers.iter().all(|&(width, height, _)| width > 0 && height > 0);
    if !(1..=3).contains(&layers.len()) || !are_sizes || !(1.0..=120.0).contains(&frame_rate) {
        return Err(value_error("1 to 3 spatial layers of some size, 1 to 120 frames a second"));
    }
    let layers = layers.iter().map(|&(width, height, bps)| SpatialLayer { width, height, bps }).collect();
    let coding = CodingOptions::Scalable(ScalableOptions { mode, frame_rate, layers });
    Ok(EncodingOptions { names: StreamNames { ssrc, rtx_ssrc, rid: None }, coding })
}

#[pyclass(module = "sfu._native", extends = Commands, frozen)]
pub struct NetSim;

impl NetSim {
    fn world<'a>(slf: &'a PyRef<'_, Self>) -> PyResult<MutexGuard<'a, World>> {
        match &slf.as_super().driver {
            Driver::Net(world) => Ok(lock(world)),
            Driver::Thread(_) | Driver::Sim(_) => Err(value_error("not a simulated network")),
        }
    }

    fn with_client<T>(slf: &PyRef<'_, Self>, client: usize, act: impl FnOnce(&mut Client, Time) -> T) -> PyResult<T> {
        let mut world = Self::world(slf)?;
        let now = world.now();
        world.client(client).map(|client| act(client, now)).ok_or_else(|| no_client(client))
    }
}

fn no_client(client: usize) -> PyErr {
    value_error(format!("there is no client {client}"))
}

#[pymethods]
impl NetSim {
    #[new]
    #[pyo3(signature = (*, seed = 0, ntp_offset_us = 0))]
    fn new(seed: u64, ntp_offset_us: i64) -> PyClassInitializer<Self> {
        let driver = Driver::Net(Box::new(Mutex::new(World::new(seed, ntp_offset_us, START))));
        PyClassInitializer::from(Commands::new(driver)).add_subclass(Self)
    }

    #[pyo3(signature = (link, tcp_flows = vec![]))]
    fn add_downlink(slf: PyRef<'_, Self>, link: PyLink, tcp_flows: Vec<PyTcp>) -> PyResult<usize> {
        let flows = tcp_flows.into_iter().map(tcp).collect::<PyResult<Vec<_>>>()?;
        Ok(Self::world(&slf)?.add_downlink(link.options()?, &flows))
    }

    #[pyo3(signature = (source, uplink, downlink, *, uplink_bps = None))]
    fn add_client(
        slf: PyRef<'_, Self>,
        source: Address,
        uplink: PyLink,
        downlink: usize,
        uplink_bps: Option<u64>,
    ) -> PyResult<usize> {
        let options = ClientOptions { address: address(&source)?, uplink: uplink.options()?, downlink, uplink_bps };
        let added = Self::world(&slf)?.add_client(options);
        added.ok_or_else(|| value_error("there is no such downlink, or the address is taken"))
    }

    fn connect(slf: PyRef<'_, Self>, client: usize, ufrag: String, pwd: String) -> PyResult<()> {
        Self::world(&slf)?.connect(client, &IceCredentials { ufrag, pwd });
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // as the command of the same name
    fn set_client_keys(
        slf: PyRef<'_, Self>,
        client: usize,
        profile_name: &str,
        send_key: Vec<u8>,
        send_salt: Vec<u8>,
        receive_key: Vec<u8>,
        receive_salt: Vec<u8>,
    ) -> PyResult<()> {
        let profile = profile(profile_name)?;
        let keys = SrtpKeys { profile, send_key, send_salt, receive_key, receive_salt };
        if Self::world(&slf)?.set_keys(client, &keys) {
            Ok(())
        } else {
            Err(value_error("there is no such client, or keys do not fit the profile"))
        }
    }

    fn inject(slf: PyRef<'_, Self>, client: usize, datagram: Vec<u8>) -> PyResult<()> {
        Self::world(&slf)?.inject(client, datagram);
        Ok(())
    }

    fn poll_handshake(slf: PyRef<'_, Self>) -> PyResult<Option<(usize, Bound<'_, PyBytes>)>> {
        let py = slf.py();
        let next = Self::world(&slf)?.poll_handshake();
        Ok(next.map(|(client, bytes)| (client, PyBytes::new(py, &bytes))))
    }

    fn publish_audio(slf: PyRef<'_, Self>, client: usize, mid: String, numbers: PyNumbers, ssrc: u32) -> PyResult<()> {
        Self::with_client(&slf, client, |client, now| client.publish_audio(mid, numbers.into(), ssrc, now))
    }

    fn publish_video(
        slf: PyRef<'_, Self>,
        client: usize,
        mid: String,
        numbers: PyNumbers,
        encodings: Vec<PyVideoEncoding>,
    ) -> PyResult<usize> {
        let encodings = encodings.into_iter().map(video_encoding).collect::<PyResult<Vec<_>>>()?;
        Self::with_client(&slf, client, |client, now| client.publish_video(&mid, numbers.into(), encodings, now))
    }

    #[allow(clippy::too_many_arguments)] // what the stub describes
    fn publish_scalable(
        slf: PyRef<'_, Self>,
        client: usize,
        mid: String,
        numbers: PyNumbers,
        mode: &str,
        ssrcs: (u32, u32),
        layers: Vec<PySpatialLayer>,
        frame_rate: f64,
    ) -> PyResult<usize> {
        let encodings = vec![scalable_encoding(mode, ssrcs, &layers, frame_rate)?];
        Self::with_client(&slf, client, |client, now| client.publish_video(&mid, numbers.into(), encodings, now))
    }

    fn set_encoding_active(
        slf: PyRef<'_, Self>,
        client: usize,
        video: usize,
        encoding: usize,
        active: bool,
    ) -> PyResult<()> {
        Self::with_client(&slf, client, |client, _| client.set_encoding_active(video, encoding, active))
    }

    fn expect(slf: PyRef<'_, Self>, client: usize, streams: Vec<(u32, Option<u32>)>, transport_cc: u8) -> PyResult<()> {
        let streams: Vec<_> = streams.into_iter().map(|(ssrc, rtx_ssrc)| StreamOptions { ssrc, rtx_ssrc }).collect();
        Self::with_client(&slf, client, |client, now| client.expect(&streams, transport_cc, now))
    }

    fn announce(slf: PyRef<'_, Self>, client: usize, ssrc: u32, paused: bool) -> PyResult<()> {
        Self::with_client(&slf, client, |client, now| client.announce(ssrc, paused, now))
    }

    #[getter]
    fn now_us(slf: PyRef<'_, Self>) -> PyResult<u64> {
        Ok(Self::world(&slf)?.now().since(START).0)
    }

    #[pyo3(signature = (until_us, *, stop_at_events = true))]
    fn run_until(slf: PyRef<'_, Self>, until_us: u64, stop_at_events: bool) -> PyResult<u64> {
        let reached = Self::world(&slf)?.run_until(START + Micros(until_us), stop_at_events);
        Ok(reached.since(START).0)
    }

    fn finish(slf: PyRef<'_, Self>) -> PyResult<()> {
        Self::world(&slf)?.finish();
        Ok(())
    }

    fn client_report(slf: PyRef<'_, Self>, client: usize) -> PyResult<Bound<'_, PyDict>> {
        let py = slf.py();
        let mut world = Self::world(&slf)?;
        let client = world.client(client).ok_or_else(|| no_client(client))?;
        client_report(py, client)
    }

    fn downlink_report(slf: PyRef<'_, Self>, downlink: usize) -> PyResult<Bound<'_, PyDict>> {
        let py = slf.py();
        let world = Self::world(&slf)?;
        let report = PyDict::new(py);
        let (dropped, lost) = world.losses(downlink);
        report.set_item("dropped", dropped)?;
        report.set_item("lost", lost)?;
        report.set_item("tcp_bytes", world.tcp_bytes(downlink))?;
        Ok(report)
    }
}

fn client_report<'py>(py: Python<'py>, client: &Client) -> PyResult<Bound<'py, PyDict>> {
    let report = PyDict::new(py);
    let video = PyList::empty(py);
    for (ssrc, counts) in client.video_counts() {
        let entry = PyDict::new(py);
        entry.set_item("ssrc", ssrc)?;
        entry.set_item("frames", counts.freeze.frames)?;
        entry.set_item("freezes", counts.freeze.freezes)?;
        entry.set_item("frozen_us", counts.freeze.frozen.0)?;
        entry.set_item("longest_freeze_us", counts.freeze.longest.0)?;
        entry.set_item("nacks", counts.nacks)?;
        entry.set_item("keyframe_requests", counts.keyframe_requests)?;
        entry.set_item("recovered", counts.recovered)?;
        video.append(entry)?;
    }
    let audio = PyList::empty(py);
    for counts in client.audio_counts() {
        let entry = PyDict::new(py);
        entry.set_item("ticks", counts.ticks)?;
        entry.set_item("concealed", counts.concealed)?;
        entry.set_item("longest_gap", counts.longest_gap)?;
        entry.set_item("interruptions", counts.interruptions)?;
        entry.set_item("late", counts.late)?;
        audio.append(entry)?;
    }
    report.set_item("video", video)?;
    report.set_item("audio", audio)?;
    report.set_item("keyframes_sent", client.keyframes_sent())?;
    report.set_item("damaged", client.damaged())?;
    report.set_item("series", series(py, client.series())?)?;
    Ok(report)
}

fn series<'py>(py: Python<'py>, series: &Series) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    columns.set_item("at_us", series.at.iter().map(|at| at.since(START).0).collect::<Vec<_>>())?;
    columns.set_item("capacity_bps", &series.capacity_bps)?;
    columns.set_item("sent_bps", &series.sent_bps)?;
    columns.set_item("received_bps", &series.received_bps)?;
    columns.set_item("queue_us", series.queue.iter().map(|queue| queue.0).collect::<Vec<_>>())?;
    columns.set_item("estimate_bps", &series.estimate_bps)?;
    columns.set_item("concealed", &series.concealed)?;
    // A stream's samples side by side: (layer, frames, frozen time) at each step.
    let count = series.streams.last().map_or(0, Vec::len);
    let streams = PyList::empty(py);
    for place in 0..count {
        let samples: Vec<_> = series.streams.iter().map(|step| step.get(place).copied().unwrap_or_default()).collect();
        let column = PyDict::new(py);
        column.set_item("layer", samples.iter().map(|it| it.layer).collect::<Vec<_>>())?;
        column.set_item("frames", samples.iter().map(|it| it.frames).collect::<Vec<_>>())?;
        column.set_item("frozen_us", samples.iter().map(|it| it.frozen.0).collect::<Vec<_>>())?;
        streams.append(column)?;
    }
    columns.set_item("streams", streams)?;
    Ok(columns)
}

/// The rates of a mobile network: [(from when on, bit/s)], microseconds.
#[pyfunction]
#[pyo3(signature = (seed, length_us, *, median_bps, spread, memory_s, between_outages_s, outage_s))]
pub fn lte_trace(
    seed: u64,
    length_us: u64,
    median_bps: u64,
    spread: f64,
    memory_s: f64,
    between_outages_s: f64,
    outage_s: f64,
) -> Vec<(u64, u64)> {
    let options = LteOptions { median_bps, spread, memory_s, between_outages_s, outage_s };
    let trace = RateTrace::lte(options, Random::new(seed), Time(length_us));
    trace.pieces().iter().map(|&(at, bps)| (at.0, bps)).collect()
}
