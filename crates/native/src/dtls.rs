//! `DtlsSession`: one handshake of `dimpl`, with its borrowed outputs turned into queues of Python values.
//!
//! After every input the engine is drained completely (its state is consistent only then), so a poll never advances
//! anything. An error of the engine is final: every later input raises it again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dimpl::{Dtls, DtlsCertificate, Error, Output, ProtocolVersion, SrtpProfile, UnexpectedMessageError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::dtls_shared::{VERSIONS, config};
use crate::error::{contain_panic, value_error};

/// The largest UDP payload there is; more cannot have come from a socket.
const MAX_DATAGRAM: usize = 65_507;
/// Datagrams that wait for `poll_transmit`; a caller that polls late loses the oldest, and DTLS sends them again.
const MAX_WAITING: usize = 64;
/// The engine names a far time when no timer runs.
const NO_TIMER: Duration = Duration::from_secs(24 * 3600);

enum DtlsEvent {
    PeerCertificate(Vec<u8>),
    KeyingMaterial(&'static str, Vec<u8>),
    Connected,
    Closed,
}

#[pyclass(module = "sfu._native")]
pub struct DtlsSession {
    engine: Dtls,
    /// What `Instant` the caller's time zero is.
    epoch: Instant,
    latest: Instant,
    timeout: Option<Instant>,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
    failure: Option<String>,
    output: Vec<u8>,
}

#[pymethods]
impl DtlsSession {
    #[new]
    #[pyo3(signature = (certificate_der, private_key_der, *, is_client, now, version = "auto", mtu = 1200, seed = None))]
    fn new(
        certificate_der: &[u8],
        private_key_der: &[u8],
        is_client: bool,
        now: f64,
        version: &str,
        mtu: usize,
        seed: Option<u64>,
    ) -> PyResult<Self> {
        if !(256..=MAX_DATAGRAM).contains(&mtu) {
            return Err(value_error(format!("mtu is {mtu}, accepted are 256..={MAX_DATAGRAM}")));
        }
        if !VERSIONS.contains(&version) {
            return Err(value_error(format!("version is {version:?}, accepted are {}", VERSIONS.join(", "))));
        }
        let start = Instant::now();
        let epoch = start
            .checked_sub(seconds(now)?)
            .ok_or_else(|| value_error(format!("now is {now} s, beyond the uptime of this machine")))?;
        let config = config(version, mtu, seed).map_err(|error| value_error(error.to_string()))?;
        let certificate =
            DtlsCertificate { certificate: certificate_der.to_vec(), private_key: private_key_der.to_vec() };
        // The engine panics when the key is none.
        config.crypto_provider().key_provider.load_private_key(private_key_der).map_err(|error| {
            value_error(format!("private key: {error} (accepted: an ECDSA key of P-256 or P-384 as PKCS#8 DER)"))
        })?;
        let engine = contain_panic("dtls", || {
            let mut engine = match version {
                "1.2" => Dtls::new_12(config, certificate, start),
                "1.3" => Dtls::new_13(config, certificate, start),
                _ => Dtls::new_auto(config, certificate, start),
            };
            engine.set_active(is_client);
            engine
        })
        .map_err(value_error)?;
        let mut session = Self {
            engine,
            epoch,
            latest: start,
            timeout: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            failure: None,
            output: vec![0; 2048],
        };
        session.advance("start", start, |_| Ok(()))?;
        Ok(session)
    }

    fn handle_datagram(&mut self, datagram: &[u8], now: f64) -> PyResult<()> {
        let now = self.instant(now)?;
        if datagram.is_empty() || datagram.len() > MAX_DATAGRAM {
            return Ok(());
        }
        self.advance("datagram", now, |engine| match engine.handle_packet(datagram) {
            // A client that has not seen its server's first answer takes anything for it; noise is not an answer.
            Err(Error::UnexpectedMessage(UnexpectedMessageError::UnrecognizedAutoServerResponse)) => Ok(()),
            result => result,
        })
    }

    fn handle_timeout(&mut self, now: f64) -> PyResult<()> {
        let now = self.instant(now)?;
        self.advance("timeout", now, |_| Ok(()))
    }

    fn poll_transmit<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.transmits.pop_front().map(|datagram| PyBytes::new(py, &datagram))
    }

    fn poll_timeout(&self) -> Option<f64> {
        self.timeout.map(|at| at.saturating_duration_since(self.epoch).as_secs_f64())
    }

    fn poll_event<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(event) = self.events.pop_front() else { return Ok(None) };
        match event {
            DtlsEvent::PeerCertificate(der) => ("peer_certificate", PyBytes::new(py, &der)).into_pyobject(py),
            DtlsEvent::KeyingMaterial(profile, keys) => {
                ("keying_material", profile, PyBytes::new(py, &keys)).into_pyobject(py)
            }
            DtlsEvent::Connected => ("connected",).into_pyobject(py),
            DtlsEvent::Closed => ("closed",).into_pyobject(py),
        }
        .map(Some)
    }

    #[getter]
    fn protocol_version(&self) -> Option<&'static str> {
        match self.engine.protocol_version() {
            Some(ProtocolVersion::DTLS1_2) => Some("DTLS 1.2"),
            Some(ProtocolVersion::DTLS1_3) => Some("DTLS 1.3"),
            _ => None,
        }
    }

    /// Queues a `close_notify` when connected; otherwise just ends. Never raises: closing a broken session is fine.
    fn close(&mut self) {
        if self.failure.is_none() {
            let latest = self.latest;
            let _ = self.advance("close", latest, Dtls::close);
        }
        self.timeout = None;
        self.failure.get_or_insert_with(|| "closed".to_owned());
    }
}

impl DtlsSession {
    /// Moves the clock, gives `input` to the engine and drains it. A failure is kept and raised from now on.
    fn advance(
        &mut self,
        what: &str,
        now: Instant,
        input: impl FnOnce(&mut Dtls) -> Result<(), Error>,
    ) -> PyResult<()> {
        if let Some(failure) = &self.failure {
            return Err(value_error(failure.clone()));
        }
        // The engine must never see time run backwards.
        self.latest = self.latest.max(now);
        let latest = self.latest;
        let engine = &mut self.engine;
        let mut drained = Drained { transmits: &mut self.transmits, events: &mut self.events, timeout: None };
        let output = &mut self.output;
        let outcome = contain_panic("dtls", || {
            let result = engine.handle_timeout(latest).and_then(|()| input(engine));
            drained.drain(engine, output, latest);
            result
        });
        self.timeout = drained.timeout;
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.fail(format!("DTLS {what}: {error}")),
            Err(panic) => self.fail(panic),
        }
    }

    fn fail(&mut self, reason: String) -> PyResult<()> {
        self.timeout = None;
        self.failure = Some(reason.clone());
        Err(value_error(reason))
    }

    fn instant(&self, now: f64) -> PyResult<Instant> {
        let since = seconds(now)?;
        self.epoch.checked_add(since).ok_or_else(|| value_error(format!("now is {now} s, too far in the future")))
    }
}

struct Drained<'a> {
    transmits: &'a mut VecDeque<Vec<u8>>,
    events: &'a mut VecDeque<DtlsEvent>,
    timeout: Option<Instant>,
}

impl Drained<'_> {
    fn drain(&mut self, engine: &mut Dtls, buffer: &mut Vec<u8>, now: Instant) {
        loop {
            let needed = match engine.poll_output(buffer) {
                Output::BufferTooSmall { needed } => needed,
                Output::Packet(datagram) => {
                    if self.transmits.len() == MAX_WAITING {
                        self.transmits.pop_front();
                    }
                    self.transmits.push_back(datagram.to_vec());
                    continue;
                }
                Output::Timeout(at) => {
                    self.timeout = (at.saturating_duration_since(now) < NO_TIMER).then_some(at);
                    return;
                }
                Output::PeerCert(der) => {
                    self.events.push_back(DtlsEvent::PeerCertificate(der.to_vec()));
                    continue;
                }
                Output::KeyingMaterial(keys, profile) => {
                    if let Some(name) = profile_name(profile) {
                        self.events.push_back(DtlsEvent::KeyingMaterial(name, keys.to_vec()));
                    }
                    continue;
                }
                Output::Connected => {
                    self.events.push_back(DtlsEvent::Connected);
                    continue;
                }
                Output::CloseNotify => {
                    self.events.push_back(DtlsEvent::Closed);
                    continue;
                }
                // Data channels are not negotiated; what comes all the same is ignored.
                _ => continue,
            };
            buffer.resize(needed, 0);
        }
    }
}

fn profile_name(profile: SrtpProfile) -> Option<&'static str> {
    match profile {
        SrtpProfile::AEAD_AES_128_GCM => Some("AEAD_AES_128_GCM"),
        SrtpProfile::AEAD_AES_256_GCM => Some("AEAD_AES_256_GCM"),
        SrtpProfile::AES128_CM_SHA1_80 => Some("AES128_CM_HMAC_SHA1_80"),
        _ => None,
    }
}

fn seconds(now: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(now).map_err(|_| value_error(format!("now is {now}, not a point in time")))
}
