//! Elements of an RTP header extension (RFC 8285) and the values that the server reads or writes.
//! The value types are total both ways: `parse` takes any bytes, `to_bytes` gives the shortest form.

use crate::rtp::writer::ExtensionForm;
use crate::wire::{u8_at, u16_at, u24_at, u64_at};

/// Iterates over (id, value). Ends early, without an error, at the first malformed element: what
/// came before it is still good (RFC 8285 §4.2 asks the same for id 15).
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    form: ExtensionForm,
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// `elements` is the extension without its four bytes of head.
    pub fn new(form: ExtensionForm, elements: &'a [u8]) -> Self {
        Self { form, rest: elements }
    }

    /// Head length and value length of the element that starts with these bytes.
    fn measure(&self) -> Option<(u8, usize, usize)> {
        let first = u8_at(self.rest, 0)?;
        match self.form {
            ExtensionForm::OneByte => {
                let id = first >> 4;
                // Id 15 ends the extension; id 0 with a length is no padding and nothing else either.
                (1..=14).contains(&id).then_some((id, 1, usize::from(first & 0x0F) + 1))
            }
            ExtensionForm::TwoByte => Some((first, 2, usize::from(u8_at(self.rest, 1)?))),
        }
    }
}

impl Default for Extensions<'_> {
    fn default() -> Self {
        Self { form: ExtensionForm::OneByte, rest: &[] }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
        let element = self
            .measure()
            .and_then(|(id, head, len)| Some((id, self.rest.get(head..head + len)?, self.rest.get(head + len..)?)));
        let Some((id, value, rest)) = element else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        Some((id, value))
    }
}

/// Longest mid or rid that is looked at; browsers use one to three characters, and one-byte
/// elements end at 16.
pub const MAX_SDES_LEN: usize = 32;

/// A mid, rid or repaired-rid (RFC 9143 §15, RFC 8852 §3): printable ASCII of 1 to [`MAX_SDES_LEN`] bytes.
pub fn sdes_text(value: &[u8]) -> Option<&str> {
    let well_formed = (1..=MAX_SDES_LEN).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    if well_formed { std::str::from_utf8(value).ok() } else { None }
}

/// Level of the audio in a packet (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes the packet contains speech.
    pub is_voice: bool,
    /// 0 is the loudest, 127 is silence: -dBov.
    pub level_dbov: u8,
}

impl AudioLevel {
    pub fn parse(value: &[u8]) -> Option<Self> {
        let byte = u8_at(value, 0)?;
        Some(Self { is_voice: byte & 0x80 != 0, level_dbov: byte & 0x7F })
    }

    pub fn to_bytes(self) -> [u8; 1] {
        [(u8::from(self.is_voice) << 7) | (self.level_dbov & 0x7F)]
    }
}

/// Departure time in 24 bits, 6.18 fixed point seconds; wraps every 64 s
/// (webrtc.org/experiments/rtp-hdrext/abs-send-time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    pub fn parse(value: &[u8]) -> Option<Self> {
        u24_at(value, 0).map(Self)
    }

    /// Of a time in microseconds of any epoch.
    pub fn from_micros(micros: u64) -> Self {
        let whole = (micros / 1_000_000) & 0x3F;
        let fraction = ((micros % 1_000_000) << 18) / 1_000_000;
        Self(((whole << 18) | fraction) as u32)
    }

    /// Microseconds within the current 64 s.
    pub fn as_micros(self) -> u64 {
        (u64::from(self.0) * 1_000_000) >> 18
    }

    /// The raw 24 bits.
    pub fn ticks(self) -> u32 {
        self.0
    }

    pub fn to_bytes(self) -> [u8; 3] {
        let [_, high, middle, low] = self.0.to_be_bytes();
        [high, middle, low]
    }
}

/// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
pub fn transport_cc_seq(value: &[u8]) -> Option<u16> {
    u16_at(value, 0)
}

/// Coordination of video orientation (3GPP TS 26.114 §7.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoOrientation {
    pub is_back_camera: bool,
    pub is_flipped: bool,
    /// Quarter turns clockwise that the receiver must apply, 0..=3.
    pub quarter_turns: u8,
}

impl VideoOrientation {
    pub fn parse(value: &[u8]) -> Option<Self> {
        let byte = u8_at(value, 0)?;
        Some(Self { is_back_camera: byte & 8 != 0, is_flipped: byte & 4 != 0, quarter_turns: byte & 3 })
    }

    pub fn to_bytes(self) -> [u8; 1] {
        [(u8::from(self.is_back_camera) << 3) | (u8::from(self.is_flipped) << 2) | (self.quarter_turns & 3)]
    }
}

/// Limits of the receiver's playout delay (webrtc.org/experiments/rtp-hdrext/playout-delay).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// Steps of 10 ms, at most 40,950 ms.
    pub min_ms: u32,
    pub max_ms: u32,
}

impl PlayoutDelay {
    pub fn parse(value: &[u8]) -> Option<Self> {
        let both = u24_at(value, 0)?;
        Some(Self { min_ms: (both >> 12) * 10, max_ms: (both & 0xFFF) * 10 })
    }

    /// Rounds down to steps of 10 ms and saturates.
    pub fn to_bytes(self) -> [u8; 3] {
        let both = ((self.min_ms / 10).min(0xFFF) << 12) | (self.max_ms / 10).min(0xFFF);
        let [_, high, middle, low] = both.to_be_bytes();
        [high, middle, low]
    }
}

/// When a frame was captured (webrtc.org/experiments/rtp-hdrext/abs-capture-time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsCaptureTime {
    /// Capture instant by the capturer's clock, UQ32.32 NTP seconds.
    pub ntp: u64,
    /// Sender's estimate of its clock minus the capturer's, Q32.32 seconds.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    pub fn parse(value: &[u8]) -> Option<Self> {
        let clock_offset = u64_at(value, 8).map(u64::cast_signed);
        Some(Self { ntp: u64_at(value, 0)?, clock_offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(form: ExtensionForm, bytes: &[u8]) -> Vec<(u8, &[u8])> {
        Extensions::new(form, bytes).collect()
    }

    #[test]
    fn padding_between_elements_is_skipped() {
        let one = all(ExtensionForm::OneByte, &[0, 0x11, 1, 2, 0, 0, 0x20, 9]);
        assert_eq!(one, vec![(1, &[1, 2][..]), (2, &[9][..])]);
        let two = all(ExtensionForm::TwoByte, &[0, 200, 1, 5, 0, 3, 0, 0]);
        assert_eq!(two, vec![(200, &[5][..]), (3, &[][..])]);
    }

    #[test]
    fn id_15_ends_a_one_byte_extension() {
        assert_eq!(all(ExtensionForm::OneByte, &[0x10, 1, 0xF0, 2, 0x20, 3]), vec![(1, &[1][..])]);
    }

    #[test]
    fn an_element_that_runs_over_the_end_ends_the_extension() {
        assert_eq!(all(ExtensionForm::OneByte, &[0x10, 1, 0x23, 1, 2, 3]), vec![(1, &[1][..])]);
        assert_eq!(all(ExtensionForm::TwoByte, &[1, 4, 1, 2, 3]), vec![]);
        assert_eq!(all(ExtensionForm::TwoByte, &[1]), vec![]);
    }

    #[test]
    fn a_mid_is_printable_and_short() {
        assert_eq!(sdes_text(b"q"), Some("q"));
        assert_eq!(sdes_text(b""), None);
        assert_eq!(sdes_text(b"a b"), None);
        assert_eq!(sdes_text(&[0xC3, 0xA4]), None);
        assert_eq!(sdes_text(&[b'a'; MAX_SDES_LEN + 1]), None);
    }

    #[test]
    fn one_second_of_send_time_is_two_to_the_18() {
        assert_eq!(AbsSendTime::from_micros(1_000_000).ticks(), 1 << 18);
        assert_eq!(AbsSendTime::from_micros(64_000_000 + 500_000), AbsSendTime::from_micros(500_000));
        assert_eq!(AbsSendTime::parse(&[4, 0, 0]).map(AbsSendTime::as_micros), Some(1_000_000));
    }

    #[test]
    fn capture_time_has_an_optional_clock_offset() {
        let mut bytes = [0u8; 16];
        bytes[7] = 5;
        bytes[8..].fill(0xFF);
        assert_eq!(AbsCaptureTime::parse(&bytes[..8]), Some(AbsCaptureTime { ntp: 5, clock_offset: None }));
        assert_eq!(AbsCaptureTime::parse(&bytes), Some(AbsCaptureTime { ntp: 5, clock_offset: Some(-1) }));
        assert_eq!(AbsCaptureTime::parse(&bytes[..7]), None);
    }

    proptest! {
        #[test]
        fn values_round_trip(a in any::<u8>(), b in any::<u32>(), micros in 0u64..64_000_000) {
            let level = AudioLevel::parse(&[a]).unwrap();
            prop_assert_eq!(level.to_bytes(), [a]);
            let orientation = VideoOrientation::parse(&[a]).unwrap();
            prop_assert_eq!(orientation.to_bytes(), [a & 0x0F]);
            let [_, x, y, z] = b.to_be_bytes();
            prop_assert_eq!(PlayoutDelay::parse(&[x, y, z]).unwrap().to_bytes(), [x, y, z]);
            let sent = AbsSendTime::from_micros(micros);
            prop_assert_eq!(AbsSendTime::parse(&sent.to_bytes()), Some(sent));
            prop_assert!(micros - sent.as_micros() <= 4);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for form in [ExtensionForm::OneByte, ExtensionForm::TwoByte] {
                let total: usize = Extensions::new(form, &bytes).map(|(_, value)| value.len() + 1).sum();
                prop_assert!(total <= bytes.len());
            }
            let _ = (sdes_text(&bytes), AudioLevel::parse(&bytes), AbsSendTime::parse(&bytes));
            let _ = (transport_cc_seq(&bytes), VideoOrientation::parse(&bytes));
            let _ = (PlayoutDelay::parse(&bytes), AbsCaptureTime::parse(&bytes));
        }
    }
}
