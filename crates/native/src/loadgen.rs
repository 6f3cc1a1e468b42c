//! `LoadGen`: the peers that `sfu bench` measures with.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use sfu_loadgen::engine::{Engine, GROUPS};
use sfu_loadgen::histogram::Histogram;
use sfu_loadgen::peer::Peer;
use sfu_loadgen::source::Source;
use sfu_loadgen::{Credentials, Event, Keys, LoadThread, Report, StreamOptions, VideoOptions};

use crate::convert::{self, Address, address};
use crate::error::value_error;

type PyStream = (String, u8, u32);

const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];
pub const MAX_KBPS: u32 = 100_000;

#[pyclass(module = "sfu._native", frozen)]
pub struct LoadGen {
    thread: LoadThread,
}

fn stream((mid, pt, ssrc): PyStream) -> PyResult<StreamOptions> {
    if !(1..=16).contains(&mid.len()) || pt > 127 {
        return Err(value_error(format!("a stream has a mid of 1..16 bytes and a pt up to 127, not {mid:?}, {pt}")));
    }
    Ok(StreamOptions { mid, pt, ssrc })
}

impl LoadGen {
    /// Works on the engine with the interpreter released: the thread may be in the middle of a turn.
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Engine) -> T + Send) -> PyResult<T> {
        py.detach(|| self.thread.engine().map(|mut engine| work(&mut engine)))
            .map_err(|_| PyOSError::new_err("the load generator's thread failed"))
    }
}

fn known_group(group: usize) -> PyResult<usize> {
    if group < GROUPS {
        Ok(group)
    } else {
        Err(value_error(format!("group is {group}, accepted are 0..{}", GROUPS - 1)))
    }
}

fn unknown(peer: u32) -> PyErr {
    value_error(format!("there is no peer {peer}"))
}

#[pymethods]
impl LoadGen {
    #[new]
    fn new() -> PyResult<Self> {
        Ok(Self { thread: LoadThread::start()? })
    }

    #[getter]
    fn event_fd(&self) -> i32 {
        self.thread.event_fd()
    }

    #[pyo3(signature = (remote, local_ufrag, local_pwd, remote_ufrag, remote_pwd, group=0))]
    #[allow(clippy::too_many_arguments)] // Both sides' credentials.
    fn add_peer(
        &self,
        py: Python<'_>,
        remote: Address,
        local_ufrag: String,
        local_pwd: String,
        remote_ufrag: String,
        remote_pwd: String,
        group: usize,
    ) -> PyResult<u32> {
        let group = known_group(group)?;
        let remote = address(&remote)?;
        let credentials = Credentials { local_ufrag, local_pwd, remote_ufrag, remote_pwd };
        Ok(py.detach(|| self.thread.add_peer(remote, &credentials, group))?)
    }

    fn remove_peer(&self, py: Python<'_>, peer: u32) -> PyResult<()> {
        self.with(py, |engine| engine.remove_peer(peer))?.ok_or_else(|| unknown(peer))
    }

    fn set_transport_cc_id(&self, py: Python<'_>, peer: u32, extension_id: u8) -> PyResult<()> {
        self.with(py, |engine| engine.set_transport_cc_id(peer, extension_id))?.ok_or_else(|| unknown(peer))
    }

    fn set_rtx_pt(&self, py: Python<'_>, peer: u32, pt: u8) -> PyResult<()> {
        self.with(py, |engine| engine.set_rtx_pt(peer, pt))?.ok_or_else(|| unknown(peer))
    }

    fn send_dtls(&self, py: Python<'_>, peer: u32, datagram: &[u8]) -> PyResult<bool> {
        self.with(py, |engine| engine.peer(peer).map(|peer: &Peer| peer.send(datagram)))?.ok_or_else(|| unknown(peer))
    }

    #[allow(clippy::too_many_arguments)] // As `set_srtp_keys` of a shard.
    fn set_srtp_keys(
        &self,
        py: Python<'_>,
        peer: u32,
        profile: &str,
        send_key: Vec<u8>,
        send_salt: Vec<u8>,
        receive_key: Vec<u8>,
        receive_salt: Vec<u8>,
    ) -> PyResult<()> {
        let profile = convert::profile(profile)?;
        let keys = Keys { profile, send_key, send_salt, receive_key, receive_salt };
        self.with(py, |engine| engine.set_keys(peer, &keys))?
            .ok_or_else(|| unknown(peer))?
            .map_err(|error| value_error(format!("SRTP: {error:?}")))
    }

    fn publish(
        &self,
        py: Python<'_>,
        peer: u32,
        video: Option<PyStream>,
        video_kbps: u32,
        audio: Option<PyStream>,
    ) -> PyResult<()> {
        if !(1..=MAX_KBPS).contains(&video_kbps) {
            return Err(value_error(format!("video_kbps is {video_kbps}, accepted are 1..{MAX_KBPS}")));
        }
        let video = video.map(stream).transpose()?.map(|stream| VideoOptions { stream, kbps: video_kbps });
        let audio = audio.map(stream).transpose()?;
        self.with(py, |engine| engine.publish(peer, |now| Source::new(video, audio, now)))?.ok_or_else(|| unknown(peer))
    }

    fn pause(&self, py: Python<'_>, paused: bool) -> PyResult<()> {
        self.with(py, |engine| engine.pause(paused))
    }

    fn poll_events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let events = py
            .detach(|| self.thread.poll_events())
            .map_err(|_| PyOSError::new_err("the load generator's thread failed"))?;
        let tuple = |event| match event {
            Event::Connected(peer) => ("connected", peer).into_pyobject(py),
            Event::Dtls(peer, bytes) => ("dtls", peer, PyBytes::new(py, &bytes)).into_pyobject(py),
        };
        events.into_iter().map(tuple).collect()
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Engine::reset)
    }

    #[pyo3(signature = (group=0))]
    fn report<'py>(&self, py: Python<'py>, group: usize) -> PyResult<Bound<'py, PyDict>> {
        let group = known_group(group)?;
        report(py, &self.with(py, |engine| engine.report(group))?)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.thread.close());
    }
}

/// The dictionary that `_native.pyi` describes.
fn report<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    let totals = &report.totals;
    let numbers = [
        ("elapsed_us", report.elapsed.0),
        ("published", totals.published),
        ("published_bytes", totals.published_bytes),
        ("packets", totals.packets),
        ("bytes", totals.bytes),
        ("probes", totals.probes),
        ("probe_bytes", totals.probe_bytes),
        ("lost", report.lost),
        ("duplicates", report.duplicates),
        ("sampled", totals.sampled),
        ("damaged", totals.damaged),
        ("unsent", totals.unsent),
        ("keyframe_requests", totals.keyframe_requests),
        ("streams", report.streams),
        ("silent_streams", report.silent_streams),
        ("connected", report.connected),
        ("late_us", report.late_us),
    ];
    let dictionary = PyDict::new(py);
    for (name, number) in numbers {
        dictionary.set_item(name, number)?;
    }
    dictionary.set_item("latency_us", latency(py, &totals.latency)?)?;
    dictionary.set_item("latency_counts", totals.latency.buckets().collect::<Vec<_>>())?;
    Ok(dictionary)
}

/// Percentiles and the largest, in microseconds.
pub fn latency<'py>(py: Python<'py>, histogram: &Histogram) -> PyResult<Bound<'py, PyDict>> {
    let latency = PyDict::new(py);
    for (name, share) in PERCENTILES {
        latency.set_item(name, histogram.percentile_us(share))?;
    }
    latency.set_item("max", histogram.max_us())?;
    Ok(latency)
}
