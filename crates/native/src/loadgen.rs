//! `LoadGen`: the peers that `sfu bench` measures with.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use sfu_core::time::Micros;
use sfu_loadgen::engine::{Engine, GROUPS};
use sfu_loadgen::histogram::Histogram;
use sfu_loadgen::microphone::Hearing;
use sfu_loadgen::peer::Peer;
use sfu_loadgen::source::Source;
use sfu_loadgen::{
    CameraOptions, Credentials, EncodingOptions, Event, Keys, LoadThread, MicrophoneOptions, Report, StreamOptions,
    VideoOptions,
};

use crate::convert::{self, Address, address};
use crate::error::value_error;

type PyStream = (String, u8, u32);
/// (rid, ssrc, kbit/s, width, height)
type PyEncoding = (String, u32, u32, u16, u16);
/// (ssrc, packets, lost, (peer modulo 2^16, stream, microseconds ago) of the last that was decrypted)
type PyIncoming = (u32, u64, u64, Option<(u16, u8, u64)>);

const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];
pub const MAX_KBPS: u32 = 100_000;
const MAX_ENCODINGS: usize = 4;
/// Ten minutes of a conversation, and some.
const MAX_LEVELS: usize = 100_000;
const MAX_GATHER_MS: u64 = 100;

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

fn known_rate(kbps: u32) -> PyResult<u32> {
    if (1..=MAX_KBPS).contains(&kbps) {
        Ok(kbps)
    } else {
        Err(value_error(format!("video_kbps is {kbps}, accepted are 1..{MAX_KBPS}")))
    }
}

fn camera((mid, pt, encodings): (String, u8, Vec<PyEncoding>)) -> PyResult<CameraOptions> {
    let StreamOptions { mid, pt, .. } = stream((mid, pt, 0))?;
    if !(1..=MAX_ENCODINGS).contains(&encodings.len()) {
        return Err(value_error(format!("a camera has 1..{MAX_ENCODINGS} encodings, not {}", encodings.len())));
    }
    let encoding = |(rid, ssrc, kbps, width, height): PyEncoding| {
        if !(1..=16).contains(&rid.len()) {
            return Err(value_error(format!("a rid has 1..16 bytes, not {rid:?}")));
        }
        Ok(EncodingOptions { rid, ssrc, kbps: known_rate(kbps)?, width, height })
    };
    Ok(CameraOptions { mid, pt, encodings: encodings.into_iter().map(encoding).collect::<PyResult<_>>()? })
}

fn microphone((options, levels, dtx): (PyStream, Vec<u8>, bool)) -> PyResult<MicrophoneOptions> {
    if !(1..=MAX_LEVELS).contains(&levels.len()) {
        return Err(value_error(format!("a trace has 1..{MAX_LEVELS} levels, not {}", levels.len())));
    }
    Ok(MicrophoneOptions { stream: stream(options)?, hearing: Hearing::Trace { levels: levels.into(), dtx } })
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
        let kbps = known_rate(video_kbps)?;
        let video = video.map(stream).transpose()?.map(|stream| VideoOptions { stream, kbps });
        let audio = audio.map(stream).transpose()?;
        self.with(py, |engine| engine.publish(peer, |now| Source::new(video, audio, now)))?.ok_or_else(|| unknown(peer))
    }

    fn publish_as_browser(
        &self,
        py: Python<'_>,
        peer: u32,
        camera: Option<(String, u8, Vec<PyEncoding>)>,
        microphone: Option<(PyStream, Vec<u8>, bool)>,
    ) -> PyResult<()> {
        let camera = camera.map(self::camera).transpose()?;
        let microphone = microphone.map(self::microphone).transpose()?;
        self.with(py, |engine| engine.publish(peer, |now| Source::of_browser(camera, microphone, now)))?
            .ok_or_else(|| unknown(peer))
    }

    fn set_active(&self, py: Python<'_>, peer: u32, encodings: u32) -> PyResult<()> {
        self.with(py, |engine| engine.set_active(peer, encodings))?.ok_or_else(|| unknown(peer))
    }

    fn gather(&self, interval_ms: u64) -> PyResult<()> {
        if !(1..=MAX_GATHER_MS).contains(&interval_ms) {
            return Err(value_error(format!("interval_ms is {interval_ms}, accepted are 1..={MAX_GATHER_MS}")));
        }
        let begun = self.thread.gather(Micros::from_millis(interval_ms));
        begun.map_err(|_| {
            value_error("there are clients already that are read whenever something comes: gather before the first one")
        })
    }

    fn incoming(&self, py: Python<'_>, peer: u32) -> PyResult<Vec<PyIncoming>> {
        self.with(py, |engine| engine.incoming(peer))?.ok_or_else(|| unknown(peer))
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
        ("busiest_keyframe_requests", report.busiest_keyframe_requests),
    ];
    let dictionary = PyDict::new(py);
    for (name, number) in numbers {
        dictionary.set_item(name, number)?;
    }
    for (name, histogram) in [("", &totals.latency()), ("audio_", &totals.audio), ("video_", &totals.video)] {
        dictionary.set_item(format!("{name}latency_us"), latency(py, histogram)?)?;
        dictionary.set_item(format!("{name}latency_counts"), histogram.buckets().collect::<Vec<_>>())?;
    }
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
