//! STUN as ICE uses it (RFC 8489, RFC 8445 §7): binding requests, indications and responses.
//! [`Message`] reads, [`write`] builds; both check or make MESSAGE-INTEGRITY with an [`IntegrityKey`]
//! and FINGERPRINT without allocating. Knows nothing of candidates, transports or consent.

pub mod integrity;
pub mod message;
pub mod write;

#[cfg(test)]
mod tests;

pub use integrity::IntegrityKey;
pub use message::{Class, IceRole, Message, UnknownAttributes};
pub use write::{BindingRequest, ErrorCode, write_binding_success, write_error};

/// The 96 bits that pair a response with its request.
pub type TransactionId = [u8; 12];

/// The only method of this project (RFC 8489 §18.2).
pub const BINDING: u16 = 1;

pub(crate) const MAGIC_COOKIE: u32 = 0x2112_A442;
pub(crate) const HEADER_LEN: usize = 20;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §20.1; NOMINATION is libwebrtc's).
pub(crate) mod attribute {
    pub(crate) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const PRIORITY: u16 = 0x0024;
    pub(crate) const USE_CANDIDATE: u16 = 0x0025;
    pub(crate) const FINGERPRINT: u16 = 0x8028;
    pub(crate) const ICE_CONTROLLED: u16 = 0x8029;
    pub(crate) const ICE_CONTROLLING: u16 = 0x802A;
    pub(crate) const NOMINATION: u16 = 0xC001;

    /// RFC 8489 §14: types below must be understood, or the message is refused.
    pub(crate) const FIRST_OPTIONAL: u16 = 0x8000;
}

/// Why bytes are not a STUN message, or one was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StunError {
    /// No STUN header: leading bits, magic cookie, or too short.
    NotStun,
    /// The length field does not name exactly the bytes that follow, in whole words.
    Length,
    /// An attribute runs over the end, or its value has the wrong size.
    Attribute,
    /// FINGERPRINT is there and wrong, or is not the last attribute.
    Fingerprint,
    /// The output buffer is too small.
    NoRoom,
}

impl From<crate::wire::NoRoom> for StunError {
    fn from(_: crate::wire::NoRoom) -> Self {
        Self::NoRoom
    }
}
