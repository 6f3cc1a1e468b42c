//! Events and statistics of a shard as Python tuples and dictionaries.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use sfu_core::event::Event;
use sfu_core::stats::{Snapshot, Value};
use sfu_io::runner::Report;
use sfu_io::stats::IoStats;

use crate::convert::{address_name, codec_name};

pub fn report(py: Python<'_>, report: Report) -> PyResult<Bound<'_, PyTuple>> {
    match report {
        Report::Event(shard_event) => event(py, shard_event),
        Report::Warning(text) => ("warning", text).into_pyobject(py),
        Report::Failed(reason) => ("shard_failed", reason).into_pyobject(py),
    }
}

pub fn event(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::Dtls { transport, datagram } => ("dtls", transport.0, PyBytes::new(py, &datagram)).into_pyobject(py),
        Event::IceSelected { transport, remote, socket, restarted } => {
            ("ice_selected", transport.0, address_name(remote), socket, restarted).into_pyobject(py)
        }
        Event::ConsentExpired { transport } => ("consent_expired", transport.0).into_pyobject(py),
        Event::EncodingStarted { producer, encoding, ssrc, codec } => {
            ("encoding_started", producer.0, encoding, ssrc.0, codec_name(codec)).into_pyobject(py)
        }
        Event::ConsumerLayers { consumer, producer, spatial, temporal } => {
            ("consumer_layers", consumer.0, producer.0, spatial, temporal).into_pyobject(py)
        }
        Event::Bandwidth { transport, estimate_bps, congested, cause } => {
            ("bandwidth", transport.0, estimate_bps, congested, cause.name()).into_pyobject(py)
        }
        Event::ConsumerShed { consumer, spatial, temporal } => {
            ("consumer_shed", consumer.0, spatial, temporal).into_pyobject(py)
        }
        Event::EncodingActive { producer, encoding, active } => {
            ("encoding_active", producer.0, encoding, active).into_pyobject(py)
        }
        Event::ConsumerCodecUnsupported { consumer, producer, codec } => {
            ("consumer_codec_unsupported", consumer.0, producer.0, codec_name(codec)).into_pyobject(py)
        }
        Event::CommandFailed { command, id, reason } => ("command_failed", command, id, reason).into_pyobject(py),
        Event::Overflow { lost } => ("overflow", lost).into_pyobject(py),
    }
}

/// `io` is there for a running shard: its fields stand beside the shard's counters.
pub fn snapshot<'py>(py: Python<'py>, snapshot: &Snapshot, io: Option<&IoStats>) -> PyResult<Bound<'py, PyDict>> {
    let counters = fields(py, snapshot.counters.fields())?;
    for (name, value) in io.map(IoStats::fields).into_iter().flatten() {
        counters.set_item(name, value)?;
    }
    let drops = PyDict::new(py);
    for (name, count) in snapshot.drops.iter() {
        drops.set_item(name, count)?;
    }
    let transports = PyDict::new(py);
    for (id, stats) in &snapshot.transports {
        transports.set_item(id.0, fields(py, stats.fields())?)?;
    }
    let producers = PyDict::new(py);
    for producer in &snapshot.producers {
        let entry = fields(py, producer.stats.fields())?;
        let encodings = PyList::empty(py);
        for encoding in &producer.encodings {
            encodings.append(fields(py, encoding.fields())?)?;
        }
        entry.set_item("encodings", encodings)?;
        producers.set_item(producer.id.0, entry)?;
    }
    let consumers = PyDict::new(py);
    for (id, stats) in &snapshot.consumers {
        consumers.set_item(id.0, fields(py, stats.fields())?)?;
    }
    let whole = PyDict::new(py);
    whole.set_item("now_us", snapshot.now.0)?;
    whole.set_item("counters", counters)?;
    whole.set_item("drops", drops)?;
    whole.set_item("routers", snapshot.routers.iter().map(|router| router.0).collect::<Vec<_>>())?;
    whole.set_item("transports", transports)?;
    whole.set_item("producers", producers)?;
    whole.set_item("consumers", consumers)?;
    Ok(whole)
}

fn fields<'py>(py: Python<'py>, fields: impl Iterator<Item = (&'static str, Value)>) -> PyResult<Bound<'py, PyDict>> {
    let entries = PyDict::new(py);
    for (name, value) in fields {
        entries.set_item(name, field(py, value)?)?;
    }
    Ok(entries)
}

fn field(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    match value {
        Value::Uint(number) => number.into_bound_py_any(py),
        Value::Float(number) => number.into_bound_py_any(py),
        Value::Text(text) => text.into_bound_py_any(py),
        Value::List(numbers) => numbers.into_bound_py_any(py),
        Value::None => Ok(py.None().into_bound(py)),
    }
}
