//! Building STUN messages into a caller's buffer.

use std::net::{IpAddr, SocketAddr};

use super::integrity::{IntegrityKey, MAC_LEN, fingerprint};
use super::message::{IceRole, xor_address};
use super::{HEADER_LEN, MAGIC_COOKIE, StunError, TransactionId, attribute};
use crate::wire::Writer;

/// Enough for any message written here, given a USERNAME of ICE's size (256 + 1 + 256).
pub const MAX_LEN: usize = 640;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

/// The errors that an ICE-lite agent answers with (RFC 8489 §14.8, RFC 8445 §7.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    BadRequest = 400,
    Unauthenticated = 401,
    UnknownAttribute = 420,
    RoleConflict = 487,
}

impl ErrorCode {
    fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthenticated => "Unauthenticated",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::RoleConflict => "Role Conflict",
        }
    }
}

/// Answers a check: the address it was seen from, authenticated by the key of the checked side.
pub fn write_binding_success(
    buffer: &mut [u8],
    transaction_id: &TransactionId,
    mapped_address: SocketAddr,
    key: &IntegrityKey,
) -> Result<usize, StunError> {
    let mut message = MessageWriter::new(buffer, BINDING_SUCCESS, transaction_id)?;
    message.address(attribute::XOR_MAPPED_ADDRESS, xor_address(mapped_address, transaction_id))?;
    message.finish(Some(key))
}

/// Refuses a check. `unknown` is named in the answer to [`ErrorCode::UnknownAttribute`] only. `key`
/// is `None` for 400 and 401, where there is no key that both sides know (RFC 8489 §9.1.3).
pub fn write_error(
    buffer: &mut [u8],
    transaction_id: &TransactionId,
    code: ErrorCode,
    unknown: &[u16],
    key: Option<&IntegrityKey>,
) -> Result<usize, StunError> {
    let mut message = MessageWriter::new(buffer, BINDING_ERROR, transaction_id)?;
    let (hundreds, rest) = ((code as u16 / 100) as u8, (code as u16 % 100) as u8);
    let reason = code.reason().as_bytes();
    message.head(attribute::ERROR_CODE, 4 + reason.len())?;
    message.writer.bytes(&[0, 0, hundreds, rest])?;
    message.writer.bytes(reason)?;
    message.writer.pad_to_word()?;
    if code == ErrorCode::UnknownAttribute {
        message.head(attribute::UNKNOWN_ATTRIBUTES, 2 * unknown.len())?;
        for attribute_type in unknown {
            message.writer.u16(*attribute_type)?;
        }
        message.writer.pad_to_word()?;
    }
    message.finish(key)
}

/// A connectivity check as a full ICE agent sends it. The server is ICE-lite and never does; test
/// clients and the simulator do.
#[derive(Clone, Copy, Debug)]
pub struct BindingRequest<'a> {
    pub transaction_id: TransactionId,
    pub username: &'a str,
    pub priority: Option<u32>,
    pub role: Option<IceRole>,
    pub use_candidate: bool,
}

impl BindingRequest<'_> {
    pub fn write(&self, buffer: &mut [u8], key: &IntegrityKey) -> Result<usize, StunError> {
        let mut message = MessageWriter::new(buffer, BINDING_REQUEST, &self.transaction_id)?;
        message.attribute(attribute::USERNAME, self.username.as_bytes())?;
        if let Some(priority) = self.priority {
            message.attribute(attribute::PRIORITY, &priority.to_be_bytes())?;
        }
        match self.role {
            Some(IceRole::Controlling(tie)) => message.attribute(attribute::ICE_CONTROLLING, &tie.to_be_bytes())?,
            Some(IceRole::Controlled(tie)) => message.attribute(attribute::ICE_CONTROLLED, &tie.to_be_bytes())?,
            None => {}
        }
        if self.use_candidate {
            message.attribute(attribute::USE_CANDIDATE, &[])?;
        }
        message.finish(Some(key))
    }
}

struct MessageWriter<'a> {
    writer: Writer<'a>,
}

impl<'a> MessageWriter<'a> {
    fn new(buffer: &'a mut [u8], message_type: u16, transaction_id: &TransactionId) -> Result<Self, StunError> {
        let mut writer = Writer::new(buffer);
        writer.u16(message_type)?;
        writer.u16(0)?;
        writer.u32(MAGIC_COOKIE)?;
        writer.bytes(transaction_id)?;
        Ok(Self { writer })
    }

    fn head(&mut self, attribute_type: u16, len: usize) -> Result<(), StunError> {
        self.writer.u16(attribute_type)?;
        self.writer.u16(u16::try_from(len).map_err(|_| StunError::NoRoom)?)?;
        Ok(())
    }

    fn attribute(&mut self, attribute_type: u16, value: &[u8]) -> Result<(), StunError> {
        self.head(attribute_type, value.len())?;
        self.writer.bytes(value)?;
        self.writer.pad_to_word()?;
        Ok(())
    }

    fn address(&mut self, attribute_type: u16, address: SocketAddr) -> Result<(), StunError> {
        let port = address.port();
        match address.ip() {
            IpAddr::V4(ip) => {
                self.head(attribute_type, 8)?;
                self.writer.u16(1)?;
                self.writer.u16(port)?;
                self.writer.bytes(&ip.octets())?;
            }
            IpAddr::V6(ip) => {
                self.head(attribute_type, 20)?;
                self.writer.u16(2)?;
                self.writer.u16(port)?;
                self.writer.bytes(&ip.octets())?;
            }
        }
        Ok(())
    }

    /// The length field for a message that ends `more` bytes from here.
    fn length(&self, more: usize) -> Result<u16, StunError> {
        u16::try_from(self.writer.len() + more - HEADER_LEN).map_err(|_| StunError::NoRoom)
    }

    /// Appends MESSAGE-INTEGRITY and FINGERPRINT; returns the message's length.
    fn finish(mut self, key: Option<&IntegrityKey>) -> Result<usize, StunError> {
        if let Some(key) = key {
            let mac = key.mac(self.writer.written(), self.length(4 + MAC_LEN)?);
            self.attribute(attribute::MESSAGE_INTEGRITY, &mac)?;
        }
        let length = self.length(8)?;
        self.writer.patch(2, &length.to_be_bytes())?;
        let value = fingerprint(self.writer.written());
        self.attribute(attribute::FINGERPRINT, &value.to_be_bytes())?;
        Ok(self.writer.len())
    }
}
