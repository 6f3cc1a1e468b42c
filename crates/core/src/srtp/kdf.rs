//! Session keys from a master key (RFC 3711 §4.3, RFC 7714 §11), key derivation rate 0.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

use super::{SrtpError, SrtpProfile};

/// RFC 3711 §4.3.2: what a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    RtpCipher = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpCipher = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The pseudo-random function of a master key: AES in counter mode.
pub(super) struct Derivation {
    prf: EncryptingKey,
    /// RFC 7714 §11: a 96-bit salt is extended by 16 zero bits at its end.
    salt: [u8; 14],
}

impl Derivation {
    pub(super) fn new(profile: SrtpProfile, master_key: &[u8], master_salt: &[u8]) -> Result<Self, SrtpError> {
        if master_key.len() != profile.key_len() || master_salt.len() != profile.salt_len() {
            return Err(SrtpError::KeyLength);
        }
        let mut salt = [0; 14];
        salt.get_mut(..master_salt.len()).ok_or(SrtpError::KeyLength)?.copy_from_slice(master_salt);
        Ok(Self { prf: counter_mode(master_key)?, salt })
    }

    /// The first `N` bytes of the key for `label`.
    pub(super) fn derive<const N: usize>(&self, label: Label) -> Result<[u8; N], SrtpError> {
        let mut iv = [0; 16];
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte = salt;
        }
        // key_id is label || 48 bits of index 0, right-aligned in 112 bits.
        if let Some(byte) = iv.get_mut(7) {
            *byte ^= label as u8;
        }
        let mut key = [0; N];
        apply_keystream(&self.prf, iv, &mut key)?;
        Ok(key)
    }
}

/// AES in counter mode for a key of 16 or 32 bytes.
pub(super) fn counter_mode(key: &[u8]) -> Result<EncryptingKey, SrtpError> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| SrtpError::KeyLength)?;
    EncryptingKey::ctr(key).map_err(|_| SrtpError::KeyLength)
}

/// XORs the keystream that starts at `iv` onto `bytes`. Does not allocate.
pub(super) fn apply_keystream(key: &EncryptingKey, iv: [u8; 16], bytes: &mut [u8]) -> Result<(), SrtpError> {
    let context = EncryptionContext::Iv128((&iv).into());
    key.less_safe_encrypt(bytes, context).map(|_| ()).map_err(|_| SrtpError::Malformed)
}
