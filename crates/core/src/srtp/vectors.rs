//! Test vectors of RFC 3711 appendix B and RFC 7714 §16, §17, and packets of another implementation.

use super::cipher::{ENCRYPTED, SessionCipher};
use super::kdf::{Derivation, Label, apply_keystream, counter_mode};
use super::{SrtpEgress, SrtpIngress, SrtpProfile};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn counting(len: usize) -> Vec<u8> {
    (0..len as u8).collect()
}

#[test]
fn aes_cm_keystream_of_rfc_3711_b_2() {
    let key = counter_mode(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let mut keystream = [0u8; 48];
    let iv: [u8; 16] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
    apply_keystream(&key, iv, &mut keystream).unwrap();
    let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(keystream.to_vec(), hex(expected));
}

#[test]
fn key_derivation_of_rfc_3711_b_3() {
    let derivation = Derivation::new(
        SrtpProfile::Aes128CmHmacSha1_80,
        &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        &hex("0EC675AD498AFEEBB6960B3AABE6"),
    )
    .unwrap();
    assert_eq!(derivation.derive::<16>(Label::RtpCipher).unwrap().to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(derivation.derive::<14>(Label::RtpSalt).unwrap().to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
    let authentication = derivation.derive::<94>(Label::RtpAuthentication).unwrap();
    let expected = "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098
                    6371C10C9A369AC2F94A8C5FBCDDDC25 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(authentication.to_vec(), hex(expected));
}

const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
                   61727465 73207472 6573";
const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef
                    deadbeef deadbeef deadbeef";

fn salt() -> [u8; 12] {
    hex("51756964 2070726f 2071756f").try_into().unwrap()
}

fn check_rtp(key_len: usize, expected: &str) {
    let cipher = SessionCipher::gcm(&counting(key_len), salt()).unwrap();
    let plain = hex(RTP);
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + 16, 0);
    let len = cipher.seal_rtp(&mut buffer, 12, plain.len(), 0x5501_a0b2, 0xf17b).unwrap();
    assert_eq!(buffer[..len].to_vec(), hex(expected));
    let len = cipher.open_rtp(&mut buffer, 12, 0x5501_a0b2, 0xf17b).unwrap();
    assert_eq!(buffer[..len].to_vec(), plain);
}

#[test]
fn srtp_aead_aes_128_gcm_of_rfc_7714_16_1() {
    check_rtp(
        16,
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
         51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
    );
}

#[test]
fn srtp_aead_aes_256_gcm_of_rfc_7714_16_2() {
    check_rtp(
        32,
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02
         76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
    );
}

fn check_rtcp(key_len: usize, expected: &str) {
    let cipher = SessionCipher::gcm(&counting(key_len), salt()).unwrap();
    let plain = hex(RTCP);
    let mut buffer = plain.clone();
    buffer.resize(plain.len() + 20, 0);
    let len = cipher.seal_rtcp(&mut buffer, plain.len(), 0x4d61_7273, 0x5d4).unwrap();
    assert_eq!(buffer[..len].to_vec(), hex(expected));
    assert_eq!(cipher.rtcp_index_word(&buffer), Some(ENCRYPTED | 0x5d4));
    let len = cipher.open_rtcp(&mut buffer, 0x4d61_7273, ENCRYPTED | 0x5d4).unwrap();
    assert_eq!(buffer[..len].to_vec(), plain);
}

#[test]
fn srtcp_aead_aes_128_gcm_of_rfc_7714_17_1() {
    check_rtcp(
        16,
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
         4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
    );
}

#[test]
fn srtcp_aead_aes_256_gcm_of_rfc_7714_17_3() {
    check_rtcp(
        32,
        "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be
         8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
    );
}

/// Packets that libsrtp 2 made from master keys `00 01 02 …` and salts `a0 a1 a2 …`: the RTP packet
/// below with sequence numbers 65,535 and, one cycle up, 0; then the RTCP compound.
struct Foreign {
    profile: SrtpProfile,
    before_wrap: &'static str,
    after_wrap: &'static str,
    compound: &'static str,
}

const FOREIGN: [Foreign; 3] = [
    Foreign {
        profile: SrtpProfile::AeadAes128Gcm,
        before_wrap: "b07877b26e84b0c87dcc9f0f964484556d5cc49df744fc90ad0c0c18097e9132c2",
        after_wrap: "e3058fd4856b721ccdc5cd1680f50f02e2fc718bdec54d03dd352b30c9d0fd4984",
        compound: "81e420b2ffe308a614794d42b5b5b41188b59a708672a0fa6c97231280000001",
    },
    Foreign {
        profile: SrtpProfile::AeadAes256Gcm,
        before_wrap: "4f484e55d39c020d89ccc2c8dc4d53604415b6127ae6fa9c3c648713441da157fa",
        after_wrap: "3354997d71eb9facbec6e25e80c6b9481e37eacaa05b3b4032126452efd6a71b61",
        compound: "8e266b35f2639ffbadb6187d76d3740590dfb8cf3f33128b6b96542980000001",
    },
    Foreign {
        profile: SrtpProfile::Aes128CmHmacSha1_80,
        before_wrap: "06fa27870e34ce6fb50a588a78e94d1425b7dcf8ebd8a4fbfe68e2",
        after_wrap: "65e648df7ed4149f525bb23b8060224fa206fef89378337acff923",
        compound: "27de8752d64ae4e16cb16de180000001c2a6eba9952af788257f",
    },
];

#[test]
fn packets_are_those_of_libsrtp() {
    let plain_rtp =
        |seq: &str| hex(&format!("9060{seq}0000000ddeadbeefbede000110ff0000 {}", "7369787465656e2062797465206c6f6164"));
    let plain_rtcp = hex("80c90001deadbeef81ca0002deadbeef01016100");
    for foreign in FOREIGN {
        let profile = foreign.profile;
        let key = counting(profile.key_len());
        let salt: Vec<u8> = (0xA0..).take(profile.salt_len()).collect();
        let mut egress = SrtpEgress::new(profile, &key, &salt).unwrap();
        let mut ingress = SrtpIngress::new(profile, &key, &salt).unwrap();
        for (seq, ext_seq, sealed) in [("ffff", 0xFFFF, foreign.before_wrap), ("0000", 0x1_0000, foreign.after_wrap)] {
            let plain = plain_rtp(seq);
            let mut buffer = plain.clone();
            buffer.resize(plain.len() + profile.rtp_overhead(), 0);
            egress.protect_rtp(&mut buffer, plain.len(), ext_seq).unwrap();
            assert_eq!(buffer, [&plain[..20], &hex(sealed)].concat(), "{profile:?}");
            assert_eq!(ingress.unprotect_rtp(&mut buffer), Ok(plain.len()));
            assert_eq!(buffer[..plain.len()], plain);
        }
        let mut buffer = plain_rtcp.clone();
        buffer.resize(plain_rtcp.len() + profile.rtcp_overhead(), 0);
        egress.protect_rtcp(&mut buffer, plain_rtcp.len()).unwrap();
        assert_eq!(buffer, [&plain_rtcp[..8], &hex(foreign.compound)].concat(), "{profile:?}");
        assert_eq!(ingress.unprotect_rtcp(&mut buffer), Ok(plain_rtcp.len()));
        assert_eq!(buffer[..plain_rtcp.len()], plain_rtcp);
    }
}
