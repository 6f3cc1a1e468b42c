//! MESSAGE-INTEGRITY (RFC 8489 §14.5) with short-term credentials, and FINGERPRINT (§14.7).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

/// Bytes of the HMAC-SHA1 value.
pub(crate) const MAC_LEN: usize = 20;
/// "STUN" in ASCII, so that a CRC of another protocol in the same place does not fit by chance.
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// A password, ready for use: its HMAC state is made once per transport, not per check.
#[derive(Clone)]
pub struct IntegrityKey(hmac::Key);

impl IntegrityKey {
    /// For the short-term credential with this password (RFC 8489 §9.1.1).
    pub fn new(password: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()))
    }

    /// The MAC over `before`, which is the message up to the attribute, as if the message's length
    /// field were `length`.
    pub(crate) fn mac(&self, before: &[u8], length: u16) -> [u8; MAC_LEN] {
        let mut context = hmac::Context::with_key(&self.0);
        let [high, low] = length.to_be_bytes();
        if let Some((&[first, second, _, _], rest)) = before.split_first_chunk() {
            context.update(&[first, second, high, low]);
            context.update(rest);
        }
        context.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }

    pub(crate) fn verify(&self, before: &[u8], length: u16, mac: &[u8; MAC_LEN]) -> bool {
        verify_slices_are_equal(&self.mac(before, length), mac).is_ok()
    }
}

impl std::fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntegrityKey(hidden)")
    }
}

/// The FINGERPRINT value of a message whose bytes before that attribute are `before`, its length
/// field already counting the attribute.
pub(crate) fn fingerprint(before: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in before {
        let entry = CRC_TABLE.get(((crc ^ u32::from(*byte)) & 0xFF) as usize).copied().unwrap_or_default();
        crc = (crc >> 8) ^ entry;
    }
    !crc ^ FINGERPRINT_XOR
}

/// CRC-32 of ITU-T V.42, bits reflected, a byte at a time.
const CRC_TABLE: [u32; 256] = crc_table();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiled; there is no other way to fill a const array")]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_has_its_check_value() {
        assert_eq!(fingerprint(b"123456789") ^ FINGERPRINT_XOR, 0xCBF4_3926);
    }
}
