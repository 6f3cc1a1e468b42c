//! `SimShard`: the shard without thread, sockets or clock, for tests in virtual time.

use std::net::SocketAddr;
use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_core::shard::{Datagram, Shard as CoreShard, ShardConfig};
use sfu_core::stats::Snapshot;
use sfu_core::time::Time;
use sfu_core::transmit::TxArena;

use crate::commands::{Commands, Driver, lock};
use crate::convert::{Address, address, address_name};
use crate::error::value_error;

/// As the shard thread gives them.
const BATCH: usize = sfu_io::BATCH;
/// As long as the shard thread's buffers.
const MAX_DATAGRAM: usize = 2_048;

/// A shard and the commands that wait for the next input.
pub struct Sim {
    shard: CoreShard,
    commands: Vec<Command>,
    tx: TxArena,
    now: Time,
}

impl Sim {
    fn new(seed: u64, unix_offset_us: i64) -> Self {
        let config = ShardConfig { seed, unix_offset_us, ..ShardConfig::default() };
        Self { shard: CoreShard::new(config), commands: Vec::new(), tx: TxArena::with_capacity(0), now: Time(0) }
    }

    pub fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.shard.poll_event()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.shard.snapshot(self.now)
    }

    /// Moves the clock (never back) and applies the commands that wait.
    fn start(&mut self, now_us: u64) {
        self.now = self.now.max(Time(now_us));
        self.tx.clear();
        for command in self.commands.drain(..) {
            self.shard.apply(self.now, command, &mut self.tx);
        }
    }

    fn handle(&mut self, now_us: u64, datagrams: &mut [(SocketAddr, Vec<u8>)]) {
        self.start(now_us);
        for batch in datagrams.chunks_mut(BATCH) {
            let mut batch: Vec<Datagram<'_>> = batch
                .iter_mut()
                .map(|(source, bytes)| Datagram { socket: 0, source: *source, received: self.now, bytes })
                .collect();
            self.shard.handle(self.now, &mut batch, &mut self.tx);
        }
    }

    fn handle_timeout(&mut self, now_us: u64) {
        self.start(now_us);
        if self.shard.next_timeout().is_some_and(|at| at <= self.now) {
            self.shard.on_timeout(self.now, &mut self.tx);
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        if self.commands.is_empty() { self.shard.next_timeout() } else { Some(self.now) }
    }

    fn transmits<'py>(&self, py: Python<'py>) -> Vec<(Address, Bound<'py, PyBytes>)> {
        self.tx.iter().map(|datagram| (address_name(datagram.destination), PyBytes::new(py, datagram.bytes))).collect()
    }
}

#[pyclass(module = "sfu._native", extends = Commands, frozen)]
pub struct SimShard;

impl SimShard {
    fn sim<'a>(slf: &'a PyRef<'_, Self>) -> PyResult<std::sync::MutexGuard<'a, Sim>> {
        match &slf.as_super().driver {
            Driver::Sim(sim) => Ok(lock(sim)),
            Driver::Thread(_) | Driver::Net(_) => Err(value_error("not a simulated shard")),
        }
    }
}

#[pymethods]
impl SimShard {
    #[new]
    #[pyo3(signature = (*, seed = 0, ntp_offset_us = 0))]
    fn new(seed: u64, ntp_offset_us: i64) -> PyClassInitializer<Self> {
        let driver = Driver::Sim(Box::new(Mutex::new(Sim::new(seed, ntp_offset_us))));
        PyClassInitializer::from(Commands::new(driver)).add_subclass(Self)
    }

    fn handle<'py>(
        slf: PyRef<'py, Self>,
        now_us: u64,
        datagrams: Vec<(Address, Vec<u8>)>,
    ) -> PyResult<Vec<(Address, Bound<'py, PyBytes>)>> {
        let mut datagrams = datagrams
            .into_iter()
            .filter(|(_, bytes)| bytes.len() <= MAX_DATAGRAM)
            .map(|(source, bytes)| Ok((address(&source)?, bytes)))
            .collect::<PyResult<Vec<_>>>()?;
        let py = slf.py();
        let mut sim = Self::sim(&slf)?;
        sim.handle(now_us, &mut datagrams);
        Ok(sim.transmits(py))
    }

    fn handle_timeout(slf: PyRef<'_, Self>, now_us: u64) -> PyResult<Vec<(Address, Bound<'_, PyBytes>)>> {
        let py = slf.py();
        let mut sim = Self::sim(&slf)?;
        sim.handle_timeout(now_us);
        Ok(sim.transmits(py))
    }

    fn poll_timeout(slf: PyRef<'_, Self>) -> PyResult<Option<u64>> {
        Ok(Self::sim(&slf)?.poll_timeout().map(|at| at.0))
    }
}
