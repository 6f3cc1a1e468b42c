//! Events and statistics of a shard as Python tuples and dictionaries; a snapshot's objects when they are asked for.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyString, PyTuple};
use sfu_core::event::Event;
use sfu_core::hash::SeededState;
use sfu_core::ids::{ConsumerId, TransportId};
use sfu_core::stats::{ConsumerStats, ProducerSnapshot, TransportStats, Value};
use sfu_io::runner::{Published, Report};
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
        Event::StageChanged { router, positions } => {
            let ids: Vec<Option<u32>> = positions.into_iter().map(|producer| producer.map(|id| id.0)).collect();
            ("stage_changed", router.0, ids).into_pyobject(py)
        }
        Event::Levels { router, levels } => ("levels", router.0, PyBytes::new(py, &levels)).into_pyobject(py),
        Event::CommandFailed { command, id, reason } => ("command_failed", command, id, reason).into_pyobject(py),
        Event::Overflow { lost } => ("overflow", lost).into_pyobject(py),
    }
}

/// `io` is there for a running shard: its fields stand beside the shard's counters.
pub fn snapshot<'py>(py: Python<'py>, published: Arc<Published>, io: Option<&IoStats>) -> PyResult<Bound<'py, PyDict>> {
    let snapshot = &published.snapshot;
    let counters = dictionary(py, snapshot.counters.fields())?;
    for (name, value) in io.map(IoStats::fields).into_iter().flatten() {
        counters.set_item(name, value)?;
    }
    let drops = PyDict::new(py);
    for (name, count) in snapshot.drops.iter() {
        drops.set_item(name, count)?;
    }
    let consent_ages_us = PyDict::new(py);
    for (id, stats) in &snapshot.transports {
        if let Some(age_us) = stats.consent_age_us {
            consent_ages_us.set_item(id.0, age_us)?;
        }
    }
    let stages = PyDict::new(py);
    for (router, positions) in &snapshot.stages {
        stages.set_item(router.0, positions.iter().map(|it| it.map(|id| id.0)).collect::<Vec<_>>())?;
    }
    let whole = PyDict::new(py);
    whole.set_item("now_us", snapshot.now.0)?;
    whole.set_item("counters", counters)?;
    whole.set_item("drops", drops)?;
    whole.set_item("routers", snapshot.routers.iter().map(|router| router.0).collect::<Vec<_>>())?;
    whole.set_item("stages", stages)?;
    whole.set_item("consent_ages_us", consent_ages_us)?;
    for (name, kind) in
        [("transports", Kind::Transports), ("producers", Kind::Producers), ("consumers", Kind::Consumers)]
    {
        whole.set_item(name, Section::of(Arc::clone(&published), kind))?;
    }
    Ok(whole)
}

#[derive(Clone, Copy)]
enum Kind {
    Transports,
    Producers,
    Consumers,
}

/// One kind of a snapshot's objects: a mapping from id to a dictionary that is made when it is asked for. A server has
/// thousands of them, and each second somebody wants to know of a few.
#[pyclass(module = "sfu._native", name = "_Section", frozen, mapping)]
pub struct Section {
    published: Arc<Published>,
    kind: Kind,
    /// Where which id is, once somebody asks: of most sections nobody does.
    places: OnceLock<Places>,
}

type Places = HashMap<u32, usize, SeededState>;

impl Section {
    /// Of whichever kind it is; empty else.
    pub fn transports(&self) -> &[(TransportId, TransportStats)] {
        if matches!(self.kind, Kind::Transports) { &self.published.snapshot.transports } else { &[] }
    }

    /// As [`Self::transports`].
    pub fn consumers(&self) -> &[(ConsumerId, ConsumerStats)] {
        if matches!(self.kind, Kind::Consumers) { &self.published.snapshot.consumers } else { &[] }
    }

    const fn of(published: Arc<Published>, kind: Kind) -> Self {
        Self { published, kind, places: OnceLock::new() }
    }

    /// In the snapshot's order.
    fn ids(&self) -> Vec<u32> {
        let snapshot = &self.published.snapshot;
        match self.kind {
            Kind::Transports => snapshot.transports.iter().map(|(id, _)| id.0).collect(),
            Kind::Producers => snapshot.producers.iter().map(|producer| producer.id.0).collect(),
            Kind::Consumers => snapshot.consumers.iter().map(|(id, _)| id.0).collect(),
        }
    }

    fn places(&self) -> &Places {
        self.places.get_or_init(|| self.ids().into_iter().enumerate().map(|(place, id)| (id, place)).collect())
    }

    fn entry<'py>(&self, py: Python<'py>, id: u32) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(&place) = self.places().get(&id) else { return Ok(None) };
        let snapshot = &self.published.snapshot;
        match self.kind {
            Kind::Transports => {
                let found = snapshot.transports.get(place);
                found.map(|(_, stats)| TRANSPORT.dictionary(py, stats.fields())).transpose()
            }
            Kind::Producers => snapshot.producers.get(place).map(|found| producer(py, found)).transpose(),
            Kind::Consumers => {
                let found = snapshot.consumers.get(place);
                found.map(|(_, stats)| CONSUMER.dictionary(py, stats.fields())).transpose()
            }
        }
    }
}

#[pymethods]
impl Section {
    fn __len__(&self) -> usize {
        self.ids().len()
    }

    fn __contains__(&self, id: &Bound<'_, PyAny>) -> bool {
        id.extract().is_ok_and(|id: u32| self.places().contains_key(&id))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, id: u32) -> PyResult<Bound<'py, PyDict>> {
        self.entry(py, id)?.ok_or_else(|| PyKeyError::new_err(id))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, self.ids())?.try_iter()
    }

    #[pyo3(signature = (id, default = None))]
    fn get<'py>(&self, py: Python<'py>, id: u32, default: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let entry = self.entry(py, id)?.map(Bound::into_any);
        Ok(entry.or(default).unwrap_or_else(|| py.None().into_bound(py)))
    }

    fn keys(&self) -> Vec<u32> {
        self.ids()
    }

    fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.ids().into_iter().filter_map(|id| self.entry(py, id).transpose()).collect()
    }

    fn items<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u32, Bound<'py, PyDict>)>> {
        self.ids()
            .into_iter()
            .filter_map(|id| Some((id, self.entry(py, id).transpose()?)))
            .map(|(id, entry)| Ok((id, entry?)))
            .collect()
    }
}

fn producer<'py>(py: Python<'py>, producer: &ProducerSnapshot) -> PyResult<Bound<'py, PyDict>> {
    let entry = PRODUCER.dictionary(py, producer.stats.fields())?;
    let encodings = PyList::empty(py);
    for encoding in &producer.encodings {
        encodings.append(ENCODING.dictionary(py, encoding.fields())?)?;
    }
    entry.set_item("encodings", encodings)?;
    Ok(entry)
}

static TRANSPORT: Names = Names::new();
static PRODUCER: Names = Names::new();
static ENCODING: Names = Names::new();
static CONSUMER: Names = Names::new();

/// The names of one kind's fields as Python strings: made once, they need not be hashed again.
struct Names(PyOnceLock<Vec<Py<PyString>>>);

impl Names {
    const fn new() -> Self {
        Self(PyOnceLock::new())
    }

    fn dictionary<'py>(
        &self,
        py: Python<'py>,
        fields: impl Iterator<Item = (&'static str, Value)>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let fields: Vec<_> = fields.collect();
        let names =
            self.0.get_or_init(py, || fields.iter().map(|(name, _)| PyString::intern(py, name).unbind()).collect());
        let entries = PyDict::new(py);
        for (name, (_, value)) in names.iter().zip(fields) {
            entries.set_item(name, field(py, value)?)?;
        }
        Ok(entries)
    }
}

fn dictionary<'py>(
    py: Python<'py>,
    fields: impl Iterator<Item = (&'static str, Value)>,
) -> PyResult<Bound<'py, PyDict>> {
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
