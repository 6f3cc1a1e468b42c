//! What protocol a datagram speaks, by its first bytes (RFC 7983 §7, RFC 5761 §4). First stop.

/// The protocols that share one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

/// `None` for everything else.
pub fn classify(datagram: &[u8]) -> Option<Protocol> {
    let (&first, &second) = (datagram.first()?, datagram.get(1)?);
    match (first, second) {
        (0..=3, _) => Some(Protocol::Stun),
        (20..=63, _) => Some(Protocol::Dtls),
        // RFC 5761 §4: RTCP packet types 192 to 223 are no RTP payload types.
        (128..=191, 192..=223) => Some(Protocol::Rtcp),
        (128..=191, _) => Some(Protocol::Rtp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_rfc_7983_goes_its_way() {
        let ranges = [
            (0..=3u8, Some(Protocol::Stun)),
            (4..=19, None),
            (20..=63, Some(Protocol::Dtls)),
            (64..=127, None),
            (128..=191, Some(Protocol::Rtp)),
            (192..=255, None),
        ];
        for (range, protocol) in ranges {
            for first in range {
                assert_eq!(classify(&[first, 96, 0, 0]), protocol, "{first}");
            }
        }
    }

    #[test]
    fn rtcp_packet_types_are_told_from_rtp_with_marker() {
        assert_eq!(classify(&[0x80, 200]), Some(Protocol::Rtcp));
        assert_eq!(classify(&[0x80, 0xE0]), Some(Protocol::Rtp));
        assert_eq!(classify(&[0x80, 0xEF]), Some(Protocol::Rtp));
        assert_eq!(classify(&[0x80]), None);
    }
}
