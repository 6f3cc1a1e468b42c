//! `measure_floor`: what sending and the cipher cost without a server.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use sfu_loadgen::floor::{Floor, Options, measure};

use crate::convert;
use crate::error::value_error;
use crate::loadgen::{MAX_KBPS, latency};

/// A socket each.
const MAX_SUBSCRIBERS: usize = 10_000;
const MAX_DURATION_S: f64 = 600.0;

#[pyfunction]
#[pyo3(signature = (subscribers, video_kbps, audio, duration_s, profile, sealed, server_cpu, load_cpu))]
#[allow(clippy::too_many_arguments)] // Eight values that say what to measure.
pub fn measure_floor<'py>(
    py: Python<'py>,
    subscribers: usize,
    video_kbps: u32,
    audio: bool,
    duration_s: f64,
    profile: &str,
    sealed: bool,
    server_cpu: Option<usize>,
    load_cpu: Option<usize>,
) -> PyResult<Bound<'py, PyDict>> {
    if !(1..=MAX_SUBSCRIBERS).contains(&subscribers) {
        return Err(value_error(format!("subscribers is {subscribers}, accepted are 1..{MAX_SUBSCRIBERS}")));
    }
    if !(1..=MAX_KBPS).contains(&video_kbps) {
        return Err(value_error(format!("video_kbps is {video_kbps}, accepted are 1..{MAX_KBPS}")));
    }
    if !(duration_s > 0.0 && duration_s <= MAX_DURATION_S) {
        return Err(value_error(format!("duration_s is {duration_s}, accepted is more than 0 up to {MAX_DURATION_S}")));
    }
    let duration = Duration::from_secs_f64(duration_s);
    let profile = convert::profile(profile)?;
    let options = Options { subscribers, video_kbps, audio, duration, profile, sealed, server_cpu, load_cpu };
    dictionary(py, &py.detach(|| measure(&options))?)
}

/// The dictionary that `_native.pyi` describes.
fn dictionary<'py>(py: Python<'py>, floor: &Floor) -> PyResult<Bound<'py, PyDict>> {
    let dictionary = PyDict::new(py);
    let numbers = [
        ("expected", floor.expected),
        ("packets", floor.packets),
        ("bytes", floor.bytes),
        ("messages", floor.trains),
        ("late_us", floor.late_us),
    ];
    for (name, number) in numbers {
        dictionary.set_item(name, number)?;
    }
    dictionary.set_item("cpu_us", floor.cpu.as_secs_f64() * 1e6)?;
    dictionary.set_item("aead_us_per_packet", floor.aead_ns_per_packet / 1e3)?;
    dictionary.set_item("latency_us", latency(py, &floor.latency)?)?;
    Ok(dictionary)
}
