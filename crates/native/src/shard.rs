//! `Shard`: a running data-plane thread.

use std::hash::{BuildHasher, Hasher, RandomState};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use sfu_io::runner::{MAX_SOCKETS, Options, ShardThread};

use crate::commands::{Commands, Driver};
use crate::convert::{Address, address, address_name};
use crate::error::value_error;

#[pyclass(module = "sfu._native", extends = Commands, frozen)]
pub struct Shard;

impl Shard {
    fn thread<'a>(slf: &'a PyRef<'_, Self>) -> PyResult<&'a ShardThread> {
        match &slf.as_super().driver {
            Driver::Thread(thread) => Ok(thread),
            Driver::Sim(_) | Driver::Net(_) => Err(value_error("not a running shard")),
        }
    }
}

#[pymethods]
impl Shard {
    #[new]
    #[pyo3(signature = (listen, *, cpu = None, name = "sfu-shard", seed = None, offload = true))]
    fn new(
        py: Python<'_>,
        listen: Vec<Address>,
        cpu: Option<usize>,
        name: &str,
        seed: Option<u64>,
        offload: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        if name.contains('\0') {
            return Err(value_error("name contains a NUL"));
        }
        if !(1..=MAX_SOCKETS).contains(&listen.len()) {
            return Err(value_error(format!("{} addresses, accepted are 1..{MAX_SOCKETS}", listen.len())));
        }
        let listen = listen.iter().map(address).collect::<PyResult<Vec<_>>>()?;
        // The keys of a RandomState come from the operating system.
        let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let thread = py
            .detach(|| ShardThread::start(Options { listen, name: name.to_owned(), cpu, seed, offload }))
            .map_err(|error| PyOSError::new_err((error.source.raw_os_error(), error.to_string())))?;
        Ok(PyClassInitializer::from(Commands::new(Driver::Thread(thread))).add_subclass(Self))
    }

    #[getter]
    fn local_addresses(slf: PyRef<'_, Self>) -> PyResult<Vec<Address>> {
        Ok(Self::thread(&slf)?.addresses().iter().copied().map(address_name).collect())
    }

    #[getter]
    fn event_fd(slf: PyRef<'_, Self>) -> PyResult<i32> {
        Ok(Self::thread(&slf)?.reports_fd())
    }

    fn close(slf: PyRef<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let thread = Self::thread(&slf)?;
        py.detach(|| thread.close());
        Ok(())
    }
}
