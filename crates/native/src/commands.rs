//! `_Commands`: what a running and a simulated shard have in common: commands in, events and statistics out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use sfu_core::bwe::BweOptions;
use sfu_core::command::{
    Command, ConsumerOptions, IceCredentials, LayerLimit, MAX_ENCODINGS, ProducerOptions, SrtpKeys,
};
use sfu_core::ids::{ConsumerId, ProducerId, RouterId, Ssrc, TransportId};
use sfu_core::stage::positions::MAX_SLOTS;
use sfu_core::stats::Snapshot;
use sfu_io::runner::{Published, ShardThread};
use sfu_netsim::world::World;

use crate::convert::{self, PyEncoding, PyRtpMap, id};
use crate::error::value_error;
use crate::report;
use crate::sim::Sim;

/// Longest text (mid, rid, ufrag, pwd, cname) that a command takes; RFC 8839 §5.4 allows ICE credentials 256.
const MAX_TEXT: usize = 256;
/// Longest DTLS datagram that a command takes.
const MAX_DTLS: usize = 2_048;
/// Who speaks at the same time: more than a person can tell apart.
const MAX_AUDIBLE: usize = 64;

/// Where commands go.
pub enum Driver {
    Thread(ShardThread),
    Sim(Box<Mutex<Sim>>),
    Net(Box<Mutex<World>>),
}

#[pyclass(module = "sfu._native", name = "_Commands", frozen, subclass)]
pub struct Commands {
    pub driver: Driver,
    /// Has `wake` called soon.
    wake_soon: Mutex<Option<Py<PyAny>>>,
    /// It was called, and `wake` was not yet.
    wakes_soon: AtomicBool,
}

impl Commands {
    pub fn new(driver: Driver) -> Self {
        Self { driver, wake_soon: Mutex::default(), wakes_soon: AtomicBool::new(false) }
    }

    fn send(&self, command: Command) -> PyResult<()> {
        match &self.driver {
            Driver::Thread(thread) => {
                thread.queue(command).map_err(|_| {
                    PyRuntimeError::new_err("the shard does not take commands any more: its queue is full")
                })?;
                if !self.wakes_soon.swap(true, Ordering::SeqCst) {
                    Python::attach(|py| self.have_it_woken(py));
                }
                Ok(())
            }
            Driver::Sim(sim) => {
                lock(sim).command(command);
                Ok(())
            }
            Driver::Net(world) => {
                lock(world).command(command);
                Ok(())
            }
        }
    }
}

impl Commands {
    fn have_it_woken(&self, py: Python<'_>) {
        let wake_soon = lock(&self.wake_soon).as_ref().map(|callback| callback.clone_ref(py));
        match wake_soon.map(|callback| callback.call0(py)) {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                error.write_unraisable(py, None);
                self.wake();
            }
            None => self.wake(),
        }
    }
}

/// As a running shard publishes it.
fn simulated(snapshot: Snapshot) -> Arc<Published> {
    Arc::new(Published { snapshot, ..Published::default() })
}

/// A poisoned lock means that a panic was raised as an exception before; the simulation is still what it was.
pub fn lock<T>(simulated: &Mutex<T>) -> MutexGuard<'_, T> {
    simulated.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(what: &str, value: String) -> PyResult<String> {
    if value.len() > MAX_TEXT {
        return Err(value_error(format!("{what} has {} bytes, accepted are {MAX_TEXT}", value.len())));
    }
    Ok(value)
}

fn router_id(router: u32) -> PyResult<RouterId> {
    id("router", router, RouterId)
}

fn transport_id(transport: u32) -> PyResult<TransportId> {
    id("transport", transport, TransportId)
}

fn producer_id(producer: u32) -> PyResult<ProducerId> {
    id("producer", producer, ProducerId)
}

fn consumer_id(consumer: u32) -> PyResult<ConsumerId> {
    id("consumer", consumer, ConsumerId)
}

fn credentials(ufrag: String, pwd: String) -> PyResult<IceCredentials> {
    Ok(IceCredentials { ufrag: text("ufrag", ufrag)?, pwd: text("pwd", pwd)? })
}

#[pymethods]
impl Commands {
    #[pyo3(signature = (callback))]
    fn wake_soon(&self, callback: Option<Py<PyAny>>) {
        *lock(&self.wake_soon) = callback;
        self.wake();
    }

    fn wake(&self) {
        self.wakes_soon.store(false, Ordering::SeqCst);
        if let Driver::Thread(thread) = &self.driver {
            thread.wake();
        }
    }

    fn add_router(&self, router: u32) -> PyResult<()> {
        self.send(Command::AddRouter { router: router_id(router)? })
    }

    fn remove_router(&self, router: u32) -> PyResult<()> {
        self.send(Command::RemoveRouter { router: router_id(router)? })
    }

    fn add_transport(&self, transport: u32, router: u32, ufrag: String, pwd: String) -> PyResult<()> {
        self.send(Command::AddTransport {
            transport: transport_id(transport)?,
            router: router_id(router)?,
            ice: credentials(ufrag, pwd)?,
        })
    }

    fn remove_transport(&self, transport: u32) -> PyResult<()> {
        self.send(Command::RemoveTransport { transport: transport_id(transport)? })
    }

    fn restart_ice(&self, transport: u32, ufrag: String, pwd: String) -> PyResult<()> {
        self.send(Command::RestartIce { transport: transport_id(transport)?, ice: credentials(ufrag, pwd)? })
    }

    fn set_srtp_keys(
        &self,
        transport: u32,
        profile: &str,
        send_key: Vec<u8>,
        send_salt: Vec<u8>,
        receive_key: Vec<u8>,
        receive_salt: Vec<u8>,
    ) -> PyResult<()> {
        let profile = convert::profile(profile)?;
        let (key, salt) = (profile.key_len(), profile.salt_len());
        for (what, part, len) in [
            ("send_key", &send_key, key),
            ("send_salt", &send_salt, salt),
            ("receive_key", &receive_key, key),
            ("receive_salt", &receive_salt, salt),
        ] {
            if part.len() != len {
                return Err(value_error(format!("{what} has {} bytes, the profile wants {len}", part.len())));
            }
        }
        self.send(Command::SetSrtpKeys {
            transport: transport_id(transport)?,
            keys: SrtpKeys { profile, send_key, send_salt, receive_key, receive_salt },
        })
    }

    fn send_dtls(&self, transport: u32, datagram: Vec<u8>) -> PyResult<()> {
        if datagram.len() > MAX_DTLS {
            return Err(value_error(format!("datagram has {} bytes, accepted are {MAX_DTLS}", datagram.len())));
        }
        self.send(Command::SendDtls { transport: transport_id(transport)?, datagram })
    }

    fn set_rtp(&self, transport: u32, receive: PyRtpMap, send: PyRtpMap, rtcp_reduced_size: bool) -> PyResult<()> {
        self.send(Command::SetRtp {
            transport: transport_id(transport)?,
            receive: convert::rtp_map(&receive)?,
            send: convert::rtp_map(&send)?,
            rtcp_reduced_size,
        })
    }

    fn set_bandwidth(&self, transport: u32, min_bps: u64, start_bps: u64, max_bps: u64) -> PyResult<()> {
        if !(1..=start_bps).contains(&min_bps) || start_bps > max_bps {
            return Err(value_error(format!(
                "bandwidth is {min_bps}, {start_bps}, {max_bps}, accepted are 1 <= min <= start <= max"
            )));
        }
        let options = BweOptions { min_bps, start_bps, max_bps };
        self.send(Command::SetBandwidth { transport: transport_id(transport)?, options })
    }

    fn set_desired_bitrate(&self, transport: u32, bps: u64) -> PyResult<()> {
        self.send(Command::SetDesiredBitrate { transport: transport_id(transport)?, bps })
    }

    fn add_producer(
        &self,
        producer: u32,
        transport: u32,
        kind: &str,
        mid: String,
        encodings: Vec<PyEncoding>,
    ) -> PyResult<()> {
        if !(1..=MAX_ENCODINGS).contains(&encodings.len()) {
            return Err(value_error(format!("{} encodings, accepted are 1..{MAX_ENCODINGS}", encodings.len())));
        }
        for (rid, _, _) in &encodings {
            text("rid", rid.clone().unwrap_or_default())?;
        }
        self.send(Command::AddProducer {
            producer: producer_id(producer)?,
            transport: transport_id(transport)?,
            options: ProducerOptions {
                kind: convert::kind(kind)?,
                mid: text("mid", mid)?,
                encodings: encodings.into_iter().map(convert::encoding).collect(),
            },
        })
    }

    fn remove_producer(&self, producer: u32) -> PyResult<()> {
        self.send(Command::RemoveProducer { producer: producer_id(producer)? })
    }

    fn pause_producer(&self, producer: u32, paused: bool) -> PyResult<()> {
        self.send(Command::PauseProducer { producer: producer_id(producer)?, paused })
    }

    #[allow(clippy::too_many_arguments)] // as many as an outgoing stream has properties
    fn add_consumer(
        &self,
        consumer: u32,
        transport: u32,
        kind: &str,
        mid: String,
        ssrc: u32,
        rtx_ssrc: Option<u32>,
        cname: String,
    ) -> PyResult<()> {
        self.send(Command::AddConsumer {
            consumer: consumer_id(consumer)?,
            transport: transport_id(transport)?,
            options: ConsumerOptions {
                kind: convert::kind(kind)?,
                mid: text("mid", mid)?,
                ssrc: Ssrc(ssrc),
                rtx_ssrc: rtx_ssrc.map(Ssrc),
                cname: text("cname", cname)?,
            },
        })
    }

    fn remove_consumer(&self, consumer: u32) -> PyResult<()> {
        self.send(Command::RemoveConsumer { consumer: consumer_id(consumer)? })
    }

    fn switch_consumer(&self, consumer: u32, producer: Option<u32>) -> PyResult<()> {
        let producer = producer.map(producer_id).transpose()?;
        self.send(Command::SwitchConsumer { consumer: consumer_id(consumer)?, producer })
    }

    fn set_layers(&self, consumer: u32, spatial: u8, temporal: u8) -> PyResult<()> {
        self.send(Command::SetLayers { consumer: consumer_id(consumer)?, limit: LayerLimit { spatial, temporal } })
    }

    fn set_priority(&self, consumer: u32, priority: u8) -> PyResult<()> {
        self.send(Command::SetPriority { consumer: consumer_id(consumer)?, priority })
    }

    fn pause_consumer(&self, consumer: u32, paused: bool) -> PyResult<()> {
        self.send(Command::PauseConsumer { consumer: consumer_id(consumer)?, paused })
    }

    fn set_stage(&self, router: u32, slots: u8, forward_silence: bool) -> PyResult<()> {
        if !(1..=MAX_SLOTS).contains(&slots) {
            return Err(value_error(format!("{slots} positions, accepted are 1..{MAX_SLOTS}")));
        }
        self.send(Command::SetStage { router: router_id(router)?, slots, forward_silence })
    }

    fn stage_producer(&self, producer: u32, staged: bool, always: bool) -> PyResult<()> {
        self.send(Command::StageProducer { producer: producer_id(producer)?, staged, always })
    }

    fn stage_consumer(&self, consumer: u32, position: Option<u8>) -> PyResult<()> {
        self.send(Command::StageConsumer { consumer: consumer_id(consumer)?, position })
    }

    fn set_speakers(&self, router: u32, dominant: Option<u32>, audible: Vec<u32>) -> PyResult<()> {
        if audible.len() > MAX_AUDIBLE {
            return Err(value_error(format!("{} producers, accepted are {MAX_AUDIBLE}", audible.len())));
        }
        self.send(Command::SetSpeakers {
            router: router_id(router)?,
            dominant: dominant.map(producer_id).transpose()?,
            audible: audible.into_iter().map(producer_id).collect::<PyResult<_>>()?,
        })
    }

    fn request_keyframe(&self, producer: u32) -> PyResult<()> {
        self.send(Command::RequestKeyframe { producer: producer_id(producer)? })
    }

    #[pyo3(signature = (limit = 1024))]
    fn poll_events<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        match &self.driver {
            Driver::Thread(thread) => {
                thread.poll_reports(limit).into_iter().map(|told| report::report(py, told)).collect()
            }
            Driver::Sim(sim) => {
                let mut sim = lock(sim);
                let events: Vec<_> = std::iter::from_fn(|| sim.poll_event()).take(limit).collect();
                events.into_iter().map(|event| report::event(py, event)).collect()
            }
            Driver::Net(world) => {
                let mut world = lock(world);
                let events: Vec<_> = std::iter::from_fn(|| world.poll_event()).take(limit).collect();
                events.into_iter().map(|event| report::event(py, event)).collect()
            }
        }
    }

    #[getter]
    fn busy_us(&self) -> u64 {
        match &self.driver {
            Driver::Thread(thread) => thread.busy_us(),
            Driver::Sim(_) | Driver::Net(_) => 0,
        }
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match &self.driver {
            Driver::Thread(thread) => {
                let published = thread.published();
                report::snapshot(py, Arc::clone(&published), Some(&published.io))
            }
            Driver::Sim(sim) => report::snapshot(py, simulated(lock(sim).snapshot()), None),
            Driver::Net(world) => report::snapshot(py, simulated(lock(world).snapshot()), None),
        }
    }
}
