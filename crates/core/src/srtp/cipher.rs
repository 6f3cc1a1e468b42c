//! The session keys of one direction for RTP or for RTCP, and the transforms of the three profiles
//! on one packet. Knows neither replay nor rollover: the caller gives the packet's index.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::kdf::{Derivation, Label, apply_keystream, counter_mode};
use super::{SrtpError, SrtpProfile};
use crate::wire::put;

const GCM_TAG_LEN: usize = 16;
const HMAC_TAG_LEN: usize = 10;
/// RTCP header and sender SSRC stay in the clear (RFC 3711 §3.4).
pub(super) const RTCP_CLEAR_LEN: usize = 8;
/// E flag and SRTCP index.
pub(super) const INDEX_LEN: usize = 4;
/// The E flag in front of the 31-bit SRTCP index: the packet is encrypted.
pub(super) const ENCRYPTED: u32 = 0x8000_0000;

/// Which of the two key sets of a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Rtp,
    Rtcp,
}

pub(super) enum SessionCipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Boxed: the AES-CM and HMAC states are large, and rare since browsers prefer AES-GCM.
    Cm(Box<CmKeys>),
}

pub(super) struct CmKeys {
    cipher: EncryptingKey,
    authentication: hmac::Key,
    salt: [u8; 14],
}

/// Place of a packet in the key's index space.
#[derive(Clone, Copy)]
struct Place {
    ssrc: u32,
    /// 48 bits: ROC and sequence number, or the SRTCP index.
    index: u64,
}

impl Place {
    /// SSRC above the 48 bits of index, as nonce and counter are built from.
    fn bits(self) -> u128 {
        (u128::from(self.ssrc) << 48) | u128::from(self.index)
    }
}

impl SessionCipher {
    pub(super) fn derive(profile: SrtpProfile, derivation: &Derivation, purpose: Purpose) -> Result<Self, SrtpError> {
        let (cipher, authentication, salt) = match purpose {
            Purpose::Rtp => (Label::RtpCipher, Label::RtpAuthentication, Label::RtpSalt),
            Purpose::Rtcp => (Label::RtcpCipher, Label::RtcpAuthentication, Label::RtcpSalt),
        };
        match profile {
            SrtpProfile::AeadAes128Gcm => Self::gcm(&derivation.derive::<16>(cipher)?, derivation.derive(salt)?),
            SrtpProfile::AeadAes256Gcm => Self::gcm(&derivation.derive::<32>(cipher)?, derivation.derive(salt)?),
            SrtpProfile::Aes128CmHmacSha1_80 => Self::cm(
                &derivation.derive::<16>(cipher)?,
                &derivation.derive::<20>(authentication)?,
                derivation.derive(salt)?,
            ),
        }
    }

    pub(super) fn gcm(key: &[u8], salt: [u8; 12]) -> Result<Self, SrtpError> {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).map_err(|_| SrtpError::KeyLength)?;
        Ok(Self::Gcm { key: LessSafeKey::new(key), salt })
    }

    pub(super) fn cm(key: &[u8; 16], authentication: &[u8; 20], salt: [u8; 14]) -> Result<Self, SrtpError> {
        let authentication = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication);
        Ok(Self::Cm(Box::new(CmKeys { cipher: counter_mode(key)?, authentication, salt })))
    }

    /// Encrypts `buffer[header_len..len]` and appends the tag; returns the new length.
    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        header_len: usize,
        len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let place = Place { ssrc, index };
        let packet = buffer.get_mut(..len).ok_or(SrtpError::NoRoom)?;
        match self {
            Self::Gcm { key, salt } => {
                let (header, payload) = packet.split_at_mut_checked(header_len).ok_or(SrtpError::Malformed)?;
                let tag = key
                    .seal_in_place_separate_tag(gcm_nonce(*salt, place), Aad::from(&*header), payload)
                    .map_err(|_| SrtpError::Malformed)?;
                append(buffer, len, tag.as_ref())
            }
            Self::Cm(keys) => {
                let payload = packet.get_mut(header_len..).ok_or(SrtpError::Malformed)?;
                apply_keystream(&keys.cipher, cm_iv(keys.salt, place), payload)?;
                let tag = keys.tag(packet, rollover(index));
                append(buffer, len, &tag)
            }
        }
    }

    /// Verifies and decrypts in place; returns the length of the plain packet. After an error the
    /// bytes behind the header are worthless.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let place = Place { ssrc, index };
        match self {
            Self::Gcm { key, salt } => {
                let (body, tag) = split_tail::<GCM_TAG_LEN>(packet)?;
                let len = body.len();
                let (header, payload) = body.split_at_mut_checked(header_len).ok_or(SrtpError::Malformed)?;
                open_gcm(key, gcm_nonce(*salt, place), header, tag, payload)?;
                Ok(len)
            }
            Self::Cm(keys) => {
                let (body, tag) = split_tail::<HMAC_TAG_LEN>(packet)?;
                keys.verify(body, rollover(index), tag)?;
                let payload = body.get_mut(header_len..).ok_or(SrtpError::Malformed)?;
                apply_keystream(&keys.cipher, cm_iv(keys.salt, place), payload)?;
                Ok(body.len())
            }
        }
    }

    /// Encrypts the RTCP compound in `buffer[..len]` and appends tag, E flag and index (each profile
    /// in its order: RFC 7714 §9.1, RFC 3711 §3.4); returns the new length.
    pub(super) fn seal_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        let place = Place { ssrc, index: u64::from(index) };
        let word = (ENCRYPTED | index).to_be_bytes();
        let packet = buffer.get_mut(..len).ok_or(SrtpError::NoRoom)?;
        match self {
            Self::Gcm { key, salt } => {
                let (clear, payload) = packet.split_first_chunk_mut().ok_or(SrtpError::Malformed)?;
                let tag = key
                    .seal_in_place_separate_tag(gcm_nonce(*salt, place), Aad::from(rtcp_aad(*clear, word)), payload)
                    .map_err(|_| SrtpError::Malformed)?;
                let len = append(buffer, len, tag.as_ref())?;
                append(buffer, len, &word)
            }
            Self::Cm(keys) => {
                let payload = packet.get_mut(RTCP_CLEAR_LEN..).ok_or(SrtpError::Malformed)?;
                apply_keystream(&keys.cipher, cm_iv(keys.salt, place), payload)?;
                let tag = keys.tag(packet, word);
                let len = append(buffer, len, &word)?;
                append(buffer, len, &tag)
            }
        }
    }

    /// The E flag and index word of a protected RTCP packet, unverified.
    pub(super) fn rtcp_index_word(&self, packet: &[u8]) -> Option<u32> {
        let before_tag = match self {
            Self::Gcm { .. } => packet,
            Self::Cm(_) => packet.get(..packet.len().checked_sub(HMAC_TAG_LEN)?)?,
        };
        before_tag.last_chunk().map(|word| u32::from_be_bytes(*word))
    }

    /// Verifies and decrypts an RTCP compound in place; returns the plain length. `word` is what
    /// [`Self::rtcp_index_word`] read.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> Result<usize, SrtpError> {
        let place = Place { ssrc, index: u64::from(word & !ENCRYPTED) };
        match self {
            Self::Gcm { key, salt } => {
                let (sealed, word) = split_tail::<INDEX_LEN>(packet)?;
                let (body, tag) = split_tail::<GCM_TAG_LEN>(sealed)?;
                let len = body.len();
                let (clear, payload) = body.split_first_chunk_mut().ok_or(SrtpError::Malformed)?;
                open_gcm(key, gcm_nonce(*salt, place), &rtcp_aad(*clear, *word), tag, payload)?;
                Ok(len)
            }
            Self::Cm(keys) => {
                let (sealed, tag) = split_tail::<HMAC_TAG_LEN>(packet)?;
                let (body, word) = split_tail::<INDEX_LEN>(sealed)?;
                keys.verify(body, *word, tag)?;
                let payload = body.get_mut(RTCP_CLEAR_LEN..).ok_or(SrtpError::Malformed)?;
                apply_keystream(&keys.cipher, cm_iv(keys.salt, place), payload)?;
                Ok(body.len())
            }
        }
    }
}

impl CmKeys {
    /// RFC 3711 §4.2: over the packet and then `suffix` (ROC, or E flag and index), cut to 80 bits.
    fn tag(&self, packet: &[u8], suffix: [u8; 4]) -> [u8; HMAC_TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(packet);
        context.update(&suffix);
        context.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }

    fn verify(&self, packet: &[u8], suffix: [u8; 4], tag: &[u8; HMAC_TAG_LEN]) -> Result<(), SrtpError> {
        verify_slices_are_equal(&self.tag(packet, suffix), tag).map_err(|_| SrtpError::Authentication)
    }
}

fn open_gcm(
    key: &LessSafeKey,
    nonce: Nonce,
    aad: &[u8],
    tag: &[u8; GCM_TAG_LEN],
    payload: &mut [u8],
) -> Result<(), SrtpError> {
    key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, payload)
        .map(|_| ())
        .map_err(|_| SrtpError::Authentication)
}

fn split_tail<const N: usize>(bytes: &mut [u8]) -> Result<(&mut [u8], &mut [u8; N]), SrtpError> {
    bytes.split_last_chunk_mut().ok_or(SrtpError::Malformed)
}

fn append(buffer: &mut [u8], len: usize, bytes: &[u8]) -> Result<usize, SrtpError> {
    put(buffer, len, bytes).map_err(|_| SrtpError::NoRoom)?;
    Ok(len + bytes.len())
}

fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 §8.1, §9.1: two zero bytes, SSRC, 48 bits of index; XOR salt. The SRTCP index fills the
/// low 31 of the 48 bits, the others are zero.
fn gcm_nonce(salt: [u8; 12], place: Place) -> Nonce {
    let mut nonce = place.bits().to_be_bytes();
    let [_, _, _, _, nonce @ ..] = &mut nonce;
    for (byte, salt) in nonce.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    Nonce::assume_unique_for_key(*nonce)
}

/// RFC 7714 §9.2: header, SSRC, and the E flag with the index.
fn rtcp_aad(clear: [u8; RTCP_CLEAR_LEN], word: [u8; 4]) -> [u8; 12] {
    let bits = (u128::from(u64::from_be_bytes(clear)) << 32) | u128::from(u32::from_be_bytes(word));
    let [_, _, _, _, aad @ ..] = bits.to_be_bytes();
    aad
}

/// RFC 3711 §4.1.1: salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16.
fn cm_iv(salt: [u8; 14], place: Place) -> [u8; 16] {
    let mut iv = (place.bits() << 16).to_be_bytes();
    for (byte, salt) in iv.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    iv
}
