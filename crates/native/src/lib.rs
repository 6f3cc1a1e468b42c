//! `sfu._native`: a thin binding. It converts values and owns no behaviour: DTLS is `dimpl`'s, packets are
//! `sfu-core`'s, threads and sockets are `sfu-io`'s. `src/sfu/_native.pyi` describes every call.
#![forbid(unsafe_code)]
// Python gives arguments by value and wants a Result from everything that checks its input.
#![allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
// `'py` is PyO3's word for "while the interpreter is held".
#![allow(clippy::elidable_lifetime_names)]

mod commands;
mod convert;
mod dtls;
mod dtls_shared;
mod error;
mod floor;
mod history;
mod loadgen;
mod netsim;
mod oracle;
mod oracle_rtcp;
mod report;
mod shard;
mod sim;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use crate::commands::Commands;
    #[pymodule_export]
    use crate::dtls::DtlsSession;
    #[pymodule_export]
    use crate::floor::measure_floor;
    #[pymodule_export]
    use crate::history::History;
    #[pymodule_export]
    use crate::loadgen::LoadGen;
    #[pymodule_export]
    use crate::netsim::{NetSim, lte_trace};
    #[pymodule_export]
    use crate::oracle::{SrtpContext, parse_rtp, parse_stun};
    #[pymodule_export]
    use crate::oracle_rtcp::parse_rtcp;
    #[pymodule_export]
    use crate::shard::Shard;
    #[pymodule_export]
    use crate::sim::SimShard;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEBUG_BUILD", cfg!(debug_assertions))
    }
}
