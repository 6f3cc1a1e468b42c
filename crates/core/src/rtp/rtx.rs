//! Retransmission payload format (RFC 4588 §4): the original sequence number (OSN, two bytes) in
//! front of the original payload, in a stream of its own.

use crate::rtp::header::RtpHeader;
use crate::wire::{put, u16_at};

/// Bytes that the OSN adds to a payload.
pub const OSN_LEN: usize = 2;

/// Why an RTX packet cannot be turned back into the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtxError {
    /// No OSN: browsers send packets of padding alone on the RTX stream to probe for bandwidth.
    Empty,
    /// The output buffer is too small.
    NoRoom,
}

/// The sequence number of the original packet.
pub fn osn(payload: &[u8]) -> Option<u16> {
    u16_at(payload, 0)
}

/// Turns an RTX packet in place into the original: the header moves two bytes towards the payload,
/// over the OSN (it is shorter than the payload), and gets the original's SSRC, payload type and
/// sequence number. `header` must be parsed from `packet`. Extensions and padding stay as they are.
pub fn decapsulate<'a>(packet: &'a mut [u8], header: &RtpHeader, ssrc: u32, pt: u8) -> Result<&'a mut [u8], RtxError> {
    let original_seq = osn(header.payload(packet)).ok_or(RtxError::Empty)?;
    let header_len = header.header_len();
    if packet.len() < header_len + OSN_LEN {
        return Err(RtxError::Empty);
    }
    packet.copy_within(..header_len, OSN_LEN);
    let original = packet.get_mut(OSN_LEN..).ok_or(RtxError::Empty)?;
    let second = (u8::from(header.marker) << 7) | (pt & 0x7F);
    let [high, low] = original_seq.to_be_bytes();
    put(original, 1, &[second, high, low]).map_err(|_| RtxError::Empty)?;
    put(original, 8, &ssrc.to_be_bytes()).map_err(|_| RtxError::Empty)?;
    Ok(original)
}

/// Writes OSN and original payload behind a header of `header_len` bytes that the caller wrote;
/// returns the packet's length.
pub fn encapsulate(buffer: &mut [u8], header_len: usize, osn: u16, payload: &[u8]) -> Result<usize, RtxError> {
    put(buffer, header_len, &osn.to_be_bytes()).map_err(|_| RtxError::NoRoom)?;
    put(buffer, header_len + OSN_LEN, payload).map_err(|_| RtxError::NoRoom)?;
    Ok(header_len + OSN_LEN + payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{HeaderFields, HeaderWriter};
    use proptest::prelude::*;

    const RTX: HeaderFields =
        HeaderFields { marker: true, pt: 97, seq: 500, timestamp: 90_000, ssrc: 2, has_padding: false };

    #[test]
    fn a_packet_of_padding_alone_is_not_a_retransmission() {
        let mut packet = [0u8; 20];
        HeaderWriter::write(&mut packet, &HeaderFields { has_padding: true, ..RTX }, &[]).unwrap();
        packet[19] = 8;
        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(decapsulate(&mut packet, &header, 1, 96), Err(RtxError::Empty));
    }

    #[test]
    fn a_payload_without_room_is_refused() {
        assert_eq!(encapsulate(&mut [0; 14], 12, 1, &[0]), Err(RtxError::NoRoom));
        assert_eq!(encapsulate(&mut [0; 14], 12, 1, &[]), Ok(14));
    }

    proptest! {
        #[test]
        fn the_original_comes_back(
            osn in any::<u16>(), mid in "[a-z]{1,5}", payload in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut buffer = [0u8; 128];
            let header_len = HeaderWriter::write(&mut buffer, &RTX, &[(4, mid.as_bytes())]).unwrap();
            let len = encapsulate(&mut buffer, header_len, osn, &payload).unwrap();
            let header = RtpHeader::parse(&buffer[..len]).unwrap();
            let original = decapsulate(&mut buffer[..len], &header, 1, 96).unwrap();
            let read = RtpHeader::parse(original).unwrap();
            prop_assert_eq!((read.ssrc, read.pt, read.seq, read.marker, read.timestamp), (1, 96, osn, true, 90_000));
            prop_assert_eq!(read.payload(original), &payload[..]);
            prop_assert_eq!(read.extension(original, 4), Some(mid.as_bytes()));
        }
    }
}
