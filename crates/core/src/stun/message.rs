//! Reading a STUN message (RFC 8489 §5, §14): total, in one pass, borrowing from the datagram.

use std::net::{IpAddr, SocketAddr};

use super::integrity::{IntegrityKey, MAC_LEN, fingerprint};
use super::{HEADER_LEN, MAGIC_COOKIE, StunError, TransactionId, attribute};
use crate::wire::{u8_at, u16_at, u32_at, u64_at};

/// Unknown comprehension-required attributes that are remembered; an answer names no more.
pub const MAX_UNKNOWN: usize = 8;
/// RFC 8489 §14.3: fewer than 509 bytes.
const MAX_USERNAME_LEN: usize = 508;

/// RFC 8489 §5: two bits of the message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// What the sender believes its ICE role to be, with its tie-breaker (RFC 8445 §7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceRole {
    Controlling(u64),
    Controlled(u64),
}

/// Types of comprehension-required attributes that were not understood, at most [`MAX_UNKNOWN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnknownAttributes {
    types: [u16; MAX_UNKNOWN],
    count: usize,
}

impl UnknownAttributes {
    fn push(&mut self, attribute_type: u16) {
        if let Some(place) = self.types.get_mut(self.count) {
            *place = attribute_type;
            self.count += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn as_slice(&self) -> &[u16] {
        self.types.get(..self.count).unwrap_or_default()
    }
}

/// One well-formed message. Of an attribute that comes twice only the first counts (RFC 8489 §14);
/// what follows MESSAGE-INTEGRITY is ignored, FINGERPRINT excepted (§14.5).
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub class: Class,
    pub method: u16,
    pub transaction_id: TransactionId,
    pub username: Option<&'a str>,
    pub priority: Option<u32>,
    pub use_candidate: bool,
    pub role: Option<IceRole>,
    /// XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS.
    pub mapped_address: Option<SocketAddr>,
    pub error_code: Option<u16>,
    /// libwebrtc's counter of nominations, when it renominates.
    pub nomination: Option<u32>,
    pub unknown: UnknownAttributes,
    /// FINGERPRINT was there, and right.
    pub has_fingerprint: bool,
    bytes: &'a [u8],
    /// Where the MESSAGE-INTEGRITY attribute starts.
    integrity_at: Option<usize>,
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StunError> {
        let mut message = Self::parse_header(bytes)?;
        let mut at = HEADER_LEN;
        while at < bytes.len() {
            let attribute_type = u16_at(bytes, at).ok_or(StunError::Attribute)?;
            let len = usize::from(u16_at(bytes, at + 2).ok_or(StunError::Attribute)?);
            let value = bytes.get(at + 4..at + 4 + len).ok_or(StunError::Attribute)?;
            let next = at + 4 + len.next_multiple_of(4);
            if next > bytes.len() {
                return Err(StunError::Attribute);
            }
            if attribute_type == attribute::FINGERPRINT {
                message.check_fingerprint(at, next, value)?;
            } else if message.integrity_at.is_none() {
                message.read_attribute(attribute_type, value, at)?;
            }
            at = next;
        }
        Ok(message)
    }

    fn parse_header(bytes: &'a [u8]) -> Result<Self, StunError> {
        let message_type = u16_at(bytes, 0).ok_or(StunError::NotStun)?;
        if message_type & 0xC000 != 0 || u32_at(bytes, 4) != Some(MAGIC_COOKIE) {
            return Err(StunError::NotStun);
        }
        let transaction_id =
            bytes.get(8..HEADER_LEN).and_then(|id| id.first_chunk()).copied().ok_or(StunError::NotStun)?;
        let length = usize::from(u16_at(bytes, 2).ok_or(StunError::NotStun)?);
        if !length.is_multiple_of(4) || HEADER_LEN + length != bytes.len() {
            return Err(StunError::Length);
        }
        let (class, method) = split_type(message_type);
        Ok(Self {
            class,
            method,
            transaction_id,
            username: None,
            priority: None,
            use_candidate: false,
            role: None,
            mapped_address: None,
            error_code: None,
            nomination: None,
            unknown: UnknownAttributes::default(),
            has_fingerprint: false,
            bytes,
            integrity_at: None,
        })
    }

    fn read_attribute(&mut self, attribute_type: u16, value: &'a [u8], at: usize) -> Result<(), StunError> {
        match attribute_type {
            attribute::USERNAME => {
                let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_USERNAME_LEN);
                keep_first(&mut self.username, text)?;
            }
            attribute::MESSAGE_INTEGRITY if value.len() == MAC_LEN => self.integrity_at = Some(at),
            attribute::MESSAGE_INTEGRITY => return Err(StunError::Attribute),
            attribute::PRIORITY => keep_first(&mut self.priority, exactly(value, 4).and_then(|v| u32_at(v, 0)))?,
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLING => {
                let tie_breaker = exactly(value, 8).and_then(|v| u64_at(v, 0));
                keep_first(&mut self.role, tie_breaker.map(IceRole::Controlling))?;
            }
            attribute::ICE_CONTROLLED => {
                let tie_breaker = exactly(value, 8).and_then(|v| u64_at(v, 0));
                keep_first(&mut self.role, tie_breaker.map(IceRole::Controlled))?;
            }
            attribute::XOR_MAPPED_ADDRESS => {
                let address = parse_address(value).map(|address| xor_address(address, &self.transaction_id));
                self.mapped_address = Some(address.ok_or(StunError::Attribute)?);
            }
            attribute::MAPPED_ADDRESS => keep_first(&mut self.mapped_address, parse_address(value))?,
            attribute::ERROR_CODE => keep_first(&mut self.error_code, parse_error_code(value))?,
            attribute::NOMINATION => keep_first(&mut self.nomination, exactly(value, 4).and_then(|v| u32_at(v, 0)))?,
            attribute::UNKNOWN_ATTRIBUTES | attribute::REALM | attribute::NONCE => {}
            unknown if unknown < attribute::FIRST_OPTIONAL => self.unknown.push(unknown),
            _ => {}
        }
        Ok(())
    }

    fn check_fingerprint(&mut self, at: usize, next: usize, value: &[u8]) -> Result<(), StunError> {
        let is_last = next == self.bytes.len();
        let expected = fingerprint(self.bytes.get(..at).unwrap_or_default()).to_be_bytes();
        if !is_last || value != expected {
            return Err(StunError::Fingerprint);
        }
        self.has_fingerprint = true;
        Ok(())
    }

    pub fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// MESSAGE-INTEGRITY is there and made with this key. Everything before that attribute, which is
    /// all that this value was read from, is then authentic.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let before = self.bytes.get(..at).unwrap_or_default();
        let mac = self.bytes.get(at + 4..).and_then(|rest| rest.first_chunk());
        // RFC 8489 §14.5: the length field as if the message ended with this attribute.
        let length = (at + 4 + MAC_LEN - HEADER_LEN) as u16;
        mac.is_some_and(|mac| key.verify(before, length, mac))
    }

    /// In a check sent to us, USERNAME is "our ufrag:their ufrag" (RFC 8445 §7.2.2).
    pub fn local_ufrag(&self) -> Option<&'a str> {
        self.username?.split_once(':').map(|(local, _)| local)
    }

    pub fn remote_ufrag(&self) -> Option<&'a str> {
        self.username?.split_once(':').map(|(_, remote)| remote)
    }
}

/// RFC 8489 §5: the class bits sit at 4 and 8 of the type, the method's around them.
fn split_type(message_type: u16) -> (Class, u16) {
    let class = match message_type & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::Success,
        _ => Class::Error,
    };
    let method = (message_type & 0x000F) | ((message_type & 0x00E0) >> 1) | ((message_type & 0x3E00) >> 2);
    (class, method)
}

fn exactly(value: &[u8], len: usize) -> Option<&[u8]> {
    (value.len() == len).then_some(value)
}

fn keep_first<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), StunError> {
    let value = value.ok_or(StunError::Attribute)?;
    place.get_or_insert(value);
    Ok(())
}

/// RFC 8489 §14.8: hundreds in three bits, the rest in a byte below 100.
fn parse_error_code(value: &[u8]) -> Option<u16> {
    let class = u16::from(u8_at(value, 2)? & 7);
    let number = u16::from(u8_at(value, 3)?);
    ((3..=6).contains(&class) && number < 100).then_some(class * 100 + number)
}

/// RFC 8489 §14.1: a zero byte, family, port, address.
fn parse_address(value: &[u8]) -> Option<SocketAddr> {
    let port = u16_at(value, 2)?;
    let bytes = value.get(4..)?;
    let ip: IpAddr = match u8_at(value, 1)? {
        1 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Applies or removes the mask of XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
pub(super) fn xor_address(address: SocketAddr, transaction_id: &TransactionId) -> SocketAddr {
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::from((u32::from(ip) ^ MAGIC_COOKIE).to_be_bytes()),
        IpAddr::V6(ip) => {
            let mut mask = [0; 16];
            let bytes = MAGIC_COOKIE.to_be_bytes().into_iter().chain(*transaction_id);
            for (place, byte) in mask.iter_mut().zip(bytes) {
                *place = byte;
            }
            IpAddr::from((u128::from(ip) ^ u128::from_be_bytes(mask)).to_be_bytes())
        }
    };
    SocketAddr::new(ip, port)
}
