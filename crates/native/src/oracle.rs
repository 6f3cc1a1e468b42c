//! The packet path's parsers and ciphers, one by one, so that tests hold them against independent implementations.
//! The server itself calls none of these.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use sfu_core::rtp::{ExtensionForm, RtpHeader};
use sfu_core::srtp::{MAX_OVERHEAD, SrtpError, SrtpIngress, TrackedEgress};
use sfu_core::stun::{Class, IceRole, IntegrityKey, Message};

use crate::convert::{self, address_name};
use crate::error::value_error;

/// The dictionary that `_native.pyi` describes.
#[pyfunction]
pub fn parse_rtp<'py>(py: Python<'py>, datagram: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let header = RtpHeader::parse(datagram).map_err(|error| value_error(format!("RTP: {error:?}")))?;
    let packet = PyDict::new(py);
    packet.set_item("marker", header.marker)?;
    packet.set_item("pt", header.pt)?;
    packet.set_item("seq", header.seq)?;
    packet.set_item("timestamp", header.timestamp)?;
    packet.set_item("ssrc", header.ssrc)?;
    packet.set_item("csrcs", header.csrcs(datagram).collect::<Vec<_>>())?;
    packet.set_item("padding_len", header.padding_len)?;
    let form = header.extension_form().map(|form| match form {
        ExtensionForm::OneByte => 1,
        ExtensionForm::TwoByte => 2,
    });
    packet.set_item("extension_form", form)?;
    let extensions = PyList::empty(py);
    for (id, value) in header.extensions(datagram) {
        extensions.append((id, PyBytes::new(py, value)))?;
    }
    packet.set_item("extensions", extensions)?;
    packet.set_item("payload", PyBytes::new(py, header.payload(datagram)))?;
    Ok(packet)
}

/// The dictionary that `_native.pyi` describes; integrity is checked when there is a password to check it with.
#[pyfunction]
#[pyo3(signature = (datagram, pwd = None))]
pub fn parse_stun<'py>(py: Python<'py>, datagram: &[u8], pwd: Option<&str>) -> PyResult<Bound<'py, PyDict>> {
    let parsed = Message::parse(datagram).map_err(|error| value_error(format!("STUN: {error:?}")))?;
    let class = match parsed.class {
        Class::Request => "request",
        Class::Indication => "indication",
        Class::Success => "success",
        Class::Error => "error",
    };
    let role = parsed.role.map(|role| match role {
        IceRole::Controlling(tie_breaker) => ("controlling", tie_breaker),
        IceRole::Controlled(tie_breaker) => ("controlled", tie_breaker),
    });
    let message = PyDict::new(py);
    message.set_item("class", class)?;
    message.set_item("method", parsed.method)?;
    message.set_item("transaction_id", PyBytes::new(py, &parsed.transaction_id))?;
    message.set_item("username", parsed.username)?;
    message.set_item("priority", parsed.priority)?;
    message.set_item("use_candidate", parsed.use_candidate)?;
    message.set_item("role", role)?;
    message.set_item("mapped_address", parsed.mapped_address.map(|address: SocketAddr| address_name(address)))?;
    message.set_item("error_code", parsed.error_code)?;
    message.set_item("nomination", parsed.nomination)?;
    message.set_item("unknown", parsed.unknown.as_slice().to_vec())?;
    message.set_item("has_fingerprint", parsed.has_fingerprint)?;
    message.set_item("has_integrity", parsed.has_integrity())?;
    message.set_item("integrity", pwd.map(|pwd| parsed.verify_integrity(&IntegrityKey::new(pwd))))?;
    Ok(message)
}

/// Both directions of SRTP under one master key.
struct Ciphers {
    egress: TrackedEgress,
    ingress: SrtpIngress,
}

#[pyclass(module = "sfu._native", frozen)]
pub struct SrtpContext {
    ciphers: Mutex<Ciphers>,
}

fn srtp_error(error: SrtpError) -> PyErr {
    value_error(format!("SRTP: {error:?}"))
}

impl SrtpContext {
    fn ciphers(&self) -> MutexGuard<'_, Ciphers> {
        self.ciphers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a cipher in a copy of `packet` with room for what protection adds; gives the result's bytes.
fn in_copy<'py>(
    py: Python<'py>,
    packet: &[u8],
    cipher: impl FnOnce(&mut [u8], usize) -> Result<usize, SrtpError>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD, 0);
    let len = cipher(&mut buffer, packet.len()).map_err(srtp_error)?;
    Ok(PyBytes::new(py, &buffer[..len]))
}

#[pymethods]
impl SrtpContext {
    #[new]
    fn new(profile: &str, key: &[u8], salt: &[u8]) -> PyResult<Self> {
        let profile = convert::profile(profile)?;
        let egress = TrackedEgress::new(profile, key, salt).map_err(srtp_error)?;
        let ingress = SrtpIngress::new(profile, key, salt).map_err(srtp_error)?;
        Ok(Self { ciphers: Mutex::new(Ciphers { egress, ingress }) })
    }

    fn protect_rtp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        in_copy(py, packet, |buffer, len| self.ciphers().egress.protect_rtp(buffer, len))
    }

    fn unprotect_rtp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        in_copy(py, packet, |buffer, len| self.ciphers().ingress.unprotect_rtp(&mut buffer[..len]))
    }

    fn protect_rtcp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        in_copy(py, packet, |buffer, len| self.ciphers().egress.protect_rtcp(buffer, len))
    }

    fn unprotect_rtcp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        in_copy(py, packet, |buffer, len| self.ciphers().ingress.unprotect_rtcp(&mut buffer[..len]))
    }
}
