//! The RTP fixed header as a view (RFC 3550 §5.1): a small `Copy` value of fields and offsets,
//! never a copy of the packet.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |           synchronization source (SSRC) identifier            |
//! |            contributing source (CSRC) identifiers ...         |
//! |      defined by profile       |           length              |  if X
//! |                        header extension ...                   |
//! ```

use std::ops::Range;

use crate::rtp::extension::Extensions;
use crate::rtp::writer::ExtensionForm;
use crate::wire::{u8_at, u16_at, u32_at};

/// Bytes of a header without CSRCs and extension.
pub const FIXED_HEADER_LEN: usize = 12;
/// Where the SSRC stands; no profile encrypts it.
pub const SSRC_AT: usize = 8;
/// No UDP payload is longer (RFC 768: the length field counts 8 bytes of header).
pub const MAX_PACKET_LEN: usize = 65_527;

const VERSION: u8 = 2;
const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// RFC 8285 §4.3: the low four bits are "appbits" and carry nothing for us.
const TWO_BYTE_PROFILE: u16 = 0x1000;
const TWO_BYTE_PROFILE_MASK: u16 = 0xFFF0;

/// Why bytes are not an RTP packet, or do not fit where they were to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtpError {
    /// Ends within the header that its first bytes announce.
    Truncated,
    /// Longer than any UDP datagram.
    TooLong,
    /// The version field is not 2.
    Version,
    /// The padding count is zero or larger than what follows the header.
    Padding,
    /// An element id or length that the chosen extension form cannot carry.
    Extension,
    /// The output buffer is too small.
    NoRoom,
}

impl From<crate::wire::NoRoom> for RtpError {
    fn from(_: crate::wire::NoRoom) -> Self {
        Self::NoRoom
    }
}

/// Fields and offsets of one packet. Valid only together with the bytes it was parsed from (or a
/// copy of them): the accessors that take `packet` return empty slices for other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    pub marker: bool,
    pub pt: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub csrc_count: u8,
    /// Bytes of padding at the end, its count byte included; 0 without the P bit.
    pub padding_len: u8,
    /// `None` without the X bit, or when the profile is neither of RFC 8285's.
    extension_form: Option<ExtensionForm>,
    extension_len: u16,
    header_len: u16,
    packet_len: u16,
}

impl RtpHeader {
    /// Reads a plaintext packet, its padding included.
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        let mut header = Self::parse_protected(packet)?;
        if u8_at(packet, 0).unwrap_or_default() & 0x20 != 0 {
            let count = packet.last().copied().unwrap_or_default();
            let room = header.packet_len.saturating_sub(header.header_len);
            if count == 0 || u16::from(count) > room {
                return Err(RtpError::Padding);
            }
            header.padding_len = count;
        }
        Ok(header)
    }

    /// Reads the header of a packet whose payload, and with it the padding count, is still
    /// encrypted (RFC 3711 §3.1); `padding_len` is 0 whatever the P bit says.
    pub fn parse_protected(packet: &[u8]) -> Result<Self, RtpError> {
        if packet.len() > MAX_PACKET_LEN {
            return Err(RtpError::TooLong);
        }
        let fixed: &[u8; FIXED_HEADER_LEN] = packet.first_chunk().ok_or(RtpError::Truncated)?;
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if first >> 6 != VERSION {
            return Err(RtpError::Version);
        }
        let csrc_count = first & 0x0F;
        let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(csrc_count);
        let mut extension_form = None;
        let mut extension_len = 0;
        if first & 0x10 != 0 {
            let profile = u16_at(packet, header_len).ok_or(RtpError::Truncated)?;
            let words = u16_at(packet, header_len + 2).ok_or(RtpError::Truncated)?;
            extension_form = form_of(profile);
            extension_len = 4 * usize::from(words);
            header_len += 4 + extension_len;
        }
        if header_len > packet.len() {
            return Err(RtpError::Truncated);
        }
        Ok(Self {
            marker: second & 0x80 != 0,
            pt: second & 0x7F,
            seq: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            csrc_count,
            padding_len: 0,
            extension_form,
            // All three are at most MAX_PACKET_LEN here.
            extension_len: extension_len as u16,
            header_len: header_len as u16,
            packet_len: packet.len() as u16,
        })
    }

    /// Bytes before the payload: fixed header, CSRCs and extension.
    pub fn header_len(&self) -> usize {
        usize::from(self.header_len)
    }

    pub fn payload_len(&self) -> usize {
        self.payload_range().len()
    }

    /// Where the payload lies, padding removed.
    pub fn payload_range(&self) -> Range<usize> {
        let end = self.packet_len.saturating_sub(u16::from(self.padding_len));
        usize::from(self.header_len)..usize::from(end.max(self.header_len))
    }

    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.payload_range()).unwrap_or_default()
    }

    pub fn payload_mut<'a>(&self, packet: &'a mut [u8]) -> &'a mut [u8] {
        packet.get_mut(self.payload_range()).unwrap_or_default()
    }

    /// Where the elements of the header extension lie (without its four bytes of head).
    pub fn extension_range(&self) -> Range<usize> {
        usize::from(self.header_len.saturating_sub(self.extension_len))..usize::from(self.header_len)
    }

    pub fn extension_form(&self) -> Option<ExtensionForm> {
        self.extension_form
    }

    /// The header extension's elements; none when its profile is not RFC 8285's.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        match self.extension_form {
            Some(form) => Extensions::new(form, packet.get(self.extension_range()).unwrap_or_default()),
            None => Extensions::default(),
        }
    }

    /// The first element with this id.
    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        self.extensions(packet).find(|element| element.0 == id).map(|element| element.1)
    }

    /// The contributing sources.
    pub fn csrcs<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = u32> + 'a {
        (0..usize::from(self.csrc_count)).filter_map(|index| u32_at(packet, FIXED_HEADER_LEN + 4 * index))
    }
}

fn form_of(profile: u16) -> Option<ExtensionForm> {
    if profile == ONE_BYTE_PROFILE {
        Some(ExtensionForm::OneByte)
    } else if profile & TWO_BYTE_PROFILE_MASK == TWO_BYTE_PROFILE {
        Some(ExtensionForm::TwoByte)
    } else {
        None
    }
}

impl ExtensionForm {
    /// The "defined by profile" field that announces this form.
    pub(crate) fn profile(self) -> u16 {
        match self {
            Self::OneByte => ONE_BYTE_PROFILE,
            Self::TwoByte => TWO_BYTE_PROFILE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x80 | 0x60, 0x12, 0x34, 0, 0, 0, 9, 0xDE, 0xAD, 0xBE, 0xEF];
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn a_plain_packet_reads_field_by_field() {
        let bytes = packet(0x80, &[1, 2, 3]);
        let header = RtpHeader::parse(&bytes).unwrap();
        assert!(header.marker);
        assert_eq!((header.pt, header.seq, header.timestamp, header.ssrc), (96, 0x1234, 9, 0xDEAD_BEEF));
        assert_eq!(header.payload(&bytes), &[1, 2, 3]);
        assert_eq!(header.extensions(&bytes).count(), 0);
    }

    #[test]
    fn csrcs_extension_and_padding_are_not_payload() {
        let rest = [0, 0, 0, 7, 0xBE, 0xDE, 0, 1, 0x10, 0xAA, 0x20, 0xBB, 5, 6, 0, 0, 3];
        let bytes = packet(0xB1, &rest);
        let header = RtpHeader::parse(&bytes).unwrap();
        assert_eq!(header.csrcs(&bytes).collect::<Vec<_>>(), vec![7]);
        assert_eq!(header.payload(&bytes), &[5, 6]);
        assert_eq!(header.padding_len, 3);
        assert_eq!(header.extension(&bytes, 2), Some(&[0xBB][..]));
        assert_eq!(header.extension(&bytes, 3), None);
        let protected = RtpHeader::parse_protected(&bytes).unwrap();
        assert_eq!((protected.padding_len, protected.payload_len()), (0, 5));
    }

    #[test]
    fn a_packet_of_padding_alone_has_no_payload() {
        let mut rest = vec![0; 255];
        rest[254] = 255;
        let bytes = packet(0xA0, &rest);
        assert_eq!(RtpHeader::parse(&bytes).unwrap().payload_len(), 0);
    }

    #[test]
    fn every_malformation_has_its_error() {
        assert_eq!(RtpHeader::parse(&packet(0x80, &[])[..11]), Err(RtpError::Truncated));
        assert_eq!(RtpHeader::parse(&packet(0x40, &[])), Err(RtpError::Version));
        assert_eq!(RtpHeader::parse(&packet(0x81, &[0, 0])), Err(RtpError::Truncated));
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0xBE, 0xDE, 0])), Err(RtpError::Truncated));
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0xBE, 0xDE, 0, 1, 0])), Err(RtpError::Truncated));
        assert_eq!(RtpHeader::parse(&packet(0xA0, &[0])), Err(RtpError::Padding));
        assert_eq!(RtpHeader::parse(&packet(0xA0, &[1, 3])), Err(RtpError::Padding));
        assert_eq!(RtpHeader::parse(&packet(0xA0, &[])), Err(RtpError::Padding));
        assert_eq!(RtpHeader::parse(&vec![0x80; 65_528]), Err(RtpError::TooLong));
    }

    #[test]
    fn an_unknown_extension_profile_is_skipped() {
        let bytes = packet(0x90, &[0xAB, 0xCD, 0, 1, 1, 2, 3, 4, 9]);
        let header = RtpHeader::parse(&bytes).unwrap();
        assert_eq!((header.extension_form(), header.payload(&bytes)), (None, &[9][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_header_or_an_error(
            first in 0x80u8..=0xBF, rest in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = packet(first, &rest);
            if let Ok(header) = RtpHeader::parse(&bytes) {
                let parts = [header.header_len(), header.payload_len(), usize::from(header.padding_len)];
                prop_assert_eq!(parts.iter().sum::<usize>(), bytes.len());
                for (_, value) in header.extensions(&bytes) {
                    prop_assert!(value.len() <= 255);
                }
                prop_assert_eq!(header.csrcs(&bytes).count(), usize::from(header.csrc_count));
                // Offsets used with other bytes give nothing, never a panic.
                let _ = (header.payload(&bytes[..4]), header.extensions(&[]).count(), header.csrcs(&[]).count());
            }
        }
    }
}
