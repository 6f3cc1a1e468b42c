//! Behaviour of the contexts, for every profile.

use super::*;
use crate::rtp::{HeaderFields, HeaderWriter};
use proptest::prelude::*;

const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmHmacSha1_80];

const SSRC: u32 = 0xCAFE_F00D;

fn pair(profile: SrtpProfile) -> (SrtpEgress, SrtpIngress) {
    let key = vec![0x42; profile.key_len()];
    let salt = vec![0x17; profile.salt_len()];
    (SrtpEgress::new(profile, &key, &salt).unwrap(), SrtpIngress::new(profile, &key, &salt).unwrap())
}

fn plain(ssrc: u32, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut buffer = [0u8; 64];
    let fields = HeaderFields { marker: false, pt: 96, seq, timestamp: 1, ssrc, has_padding: false };
    let len = HeaderWriter::write(&mut buffer, &fields, &[(1, b"m")]).unwrap();
    [&buffer[..len], payload].concat()
}

fn protected(egress: &SrtpEgress, ssrc: u32, ext_seq: u64) -> Vec<u8> {
    let mut packet = plain(ssrc, ext_seq as u16, b"payload");
    let len = packet.len();
    packet.resize(len + egress.profile().rtp_overhead(), 0);
    assert_eq!(egress.protect_rtp(&mut packet, len, ext_seq), Ok(packet.len()));
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat()
}

#[test]
fn a_replayed_packet_is_refused() {
    for profile in PROFILES {
        let (egress, mut ingress) = pair(profile);
        let packet = protected(&egress, SSRC, 7);
        assert_eq!(ingress.unprotect_rtp(&mut packet.clone()), Ok(packet.len() - profile.rtp_overhead()));
        assert_eq!(ingress.unprotect_rtp(&mut packet.clone()), Err(SrtpError::Replayed));
    }
}

#[test]
fn a_packet_older_than_the_window_is_refused() {
    for profile in PROFILES {
        let (egress, mut ingress) = pair(profile);
        ingress.unprotect_rtp(&mut protected(&egress, SSRC, 2_000)).unwrap();
        assert!(ingress.unprotect_rtp(&mut protected(&egress, SSRC, 2_000 - 1_023)).is_ok());
        let old = ingress.unprotect_rtp(&mut protected(&egress, SSRC, 2_000 - 1_024));
        assert_eq!(old, Err(SrtpError::TooOld));
    }
}

#[test]
fn the_rollover_counter_is_followed_through_reordering_around_the_wrap() {
    for profile in PROFILES {
        let (egress, mut ingress) = pair(profile);
        for ext_seq in [65_530u64, 65_537, 65_535, 65_536, 98_000, 130_000, 131_073, 131_071] {
            let result = ingress.unprotect_rtp(&mut protected(&egress, SSRC, ext_seq));
            assert!(result.is_ok(), "{profile:?} {ext_seq} {result:?}");
        }
    }
}

#[test]
fn a_forged_packet_leaves_no_state() {
    for profile in PROFILES {
        let (egress, mut ingress) = pair(profile);
        for ssrc in 0..200 {
            let mut packet = protected(&egress, ssrc, 1);
            *packet.last_mut().unwrap() ^= 1;
            assert_eq!(ingress.unprotect_rtp(&mut packet), Err(SrtpError::Authentication));
        }
        assert_eq!(ingress.stream_counts(), (0, 0));
        ingress.unprotect_rtp(&mut protected(&egress, SSRC, 1)).unwrap();
        let mut ahead = protected(&egress, SSRC, 30_000);
        ahead[20] ^= 1;
        assert_eq!(ingress.unprotect_rtp(&mut ahead), Err(SrtpError::Authentication));
        assert!(ingress.unprotect_rtp(&mut protected(&egress, SSRC, 2)).is_ok());
    }
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    for profile in PROFILES {
        let (mut egress, _) = pair(profile);
        let rtp = protected(&egress, SSRC, 1);
        let mut sealed_rtcp = rtcp(SSRC);
        sealed_rtcp.resize(8 + profile.rtcp_overhead(), 0);
        egress.protect_rtcp(&mut sealed_rtcp, 8).unwrap();
        for bit in 0..rtp.len() * 8 {
            let mut packet = rtp.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(pair(profile).1.unprotect_rtp(&mut packet).is_err(), "{profile:?} bit {bit}");
        }
        for bit in 0..sealed_rtcp.len() * 8 {
            let mut packet = sealed_rtcp.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(pair(profile).1.unprotect_rtcp(&mut packet).is_err(), "{profile:?} bit {bit}");
        }
    }
}

#[test]
fn rtcp_goes_around_and_is_not_replayed() {
    for profile in PROFILES {
        let (mut egress, mut ingress) = pair(profile);
        for _ in 0..3 {
            let mut packet = rtcp(SSRC);
            packet.resize(8 + profile.rtcp_overhead(), 0);
            assert_eq!(egress.protect_rtcp(&mut packet, 8), Ok(packet.len()));
            assert_eq!(ingress.unprotect_rtcp(&mut packet.clone()), Ok(8));
            assert_eq!(ingress.unprotect_rtcp(&mut packet.clone()), Err(SrtpError::Replayed));
        }
        assert_eq!(ingress.stream_counts(), (0, 1));
    }
}

#[test]
fn unencrypted_srtcp_is_refused() {
    for profile in PROFILES {
        let (_, mut ingress) = pair(profile);
        assert_eq!(ingress.unprotect_rtcp(&mut [0; 40]), Err(SrtpError::Unencrypted));
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    for profile in PROFILES {
        let (key, salt) = (vec![0; profile.key_len()], vec![0; profile.salt_len()]);
        assert!(matches!(SrtpEgress::new(profile, &key[1..], &salt), Err(SrtpError::KeyLength)));
        assert!(matches!(SrtpIngress::new(profile, &key, &salt[1..]), Err(SrtpError::KeyLength)));
    }
}

#[test]
fn a_buffer_without_room_for_the_tag_is_refused() {
    for profile in PROFILES {
        let (mut egress, _) = pair(profile);
        let mut packet = plain(SSRC, 1, b"x");
        let len = packet.len();
        packet.resize(len + profile.rtp_overhead() - 1, 0);
        assert_eq!(egress.protect_rtp(&mut packet, len, 1), Err(SrtpError::NoRoom));
        assert_eq!(egress.protect_rtp(&mut packet, len, 2), Err(SrtpError::Malformed));
        let mut compound = rtcp(SSRC);
        assert_eq!(egress.protect_rtcp(&mut compound, 8), Err(SrtpError::NoRoom));
        assert_eq!(egress.protect_rtcp(&mut compound, 7), Err(SrtpError::Malformed));
        assert_eq!(egress.protect_rtcp(&mut compound, 9), Err(SrtpError::NoRoom));
    }
}

#[test]
fn a_key_is_not_used_beyond_its_indices() {
    let (egress, _) = pair(SrtpProfile::AeadAes128Gcm);
    let mut packet = plain(SSRC, 0, b"x");
    let len = packet.len();
    packet.resize(len + 16, 0);
    assert_eq!(egress.protect_rtp(&mut packet, len, 1 << 48), Err(SrtpError::KeyExhausted));
}

#[test]
fn a_tracked_egress_follows_its_own_wraps() {
    let (_, mut ingress) = pair(SrtpProfile::AeadAes128Gcm);
    let mut egress = TrackedEgress::new(SrtpProfile::AeadAes128Gcm, &[0x42; 16], &[0x17; 12]).unwrap();
    for step in 0..300u32 {
        let mut packet = plain(SSRC, (step * 1_000) as u16, b"abc");
        let len = packet.len();
        packet.resize(len + 16, 0);
        egress.protect_rtp(&mut packet, len).unwrap();
        assert_eq!(ingress.unprotect_rtp(&mut packet), Ok(len), "step {step}");
    }
}

proptest! {
    #[test]
    fn any_payload_goes_around(payload in proptest::collection::vec(any::<u8>(), 0..1_500), ext_seq in 0u64..65_536) {
        for profile in PROFILES {
            let (egress, mut ingress) = pair(profile);
            let original = plain(SSRC, ext_seq as u16, &payload);
            let mut packet = original.clone();
            packet.resize(original.len() + profile.rtp_overhead(), 0);
            let len = egress.protect_rtp(&mut packet, original.len(), ext_seq).unwrap();
            prop_assert!(payload.len() < 8 || !packet.windows(payload.len()).any(|w| w == payload));
            prop_assert_eq!(ingress.unprotect_rtp(&mut packet[..len]), Ok(original.len()));
            prop_assert_eq!(&packet[..original.len()], &original[..]);
        }
    }

    #[test]
    fn any_bytes_are_let_in_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        for profile in PROFILES {
            let (_, mut ingress) = pair(profile);
            prop_assert!(ingress.unprotect_rtp(&mut bytes.clone()).is_err());
            prop_assert!(ingress.unprotect_rtcp(&mut bytes.clone()).is_err());
            prop_assert_eq!(ingress.stream_counts(), (0, 0));
        }
    }
}

/// Not a test: prints what a packet of 1,200 bytes costs. `cargo test --release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn time_per_packet() {
    const ROUNDS: u64 = 200_000;
    for profile in PROFILES {
        let (egress, mut ingress) = pair(profile);
        let mut packet = plain(SSRC, 0, &[7; 1_180]);
        let len = packet.len();
        packet.resize(len + 16, 0);
        let started = std::time::Instant::now();
        for ext_seq in 0..ROUNDS {
            packet[2..4].copy_from_slice(&(ext_seq as u16).to_be_bytes());
            egress.protect_rtp(&mut packet, len, ext_seq).unwrap();
        }
        let protect = started.elapsed().as_nanos() / u128::from(ROUNDS);
        let sealed: Vec<Vec<u8>> = (0..4_000u64)
            .map(|ext_seq| {
                let mut packet = plain(SSRC, ext_seq as u16, &[7; 1_180]);
                packet.resize(len + profile.rtp_overhead(), 0);
                egress.protect_rtp(&mut packet, len, ext_seq).unwrap();
                packet
            })
            .collect();
        let mut spent = std::time::Duration::ZERO;
        for _ in 0..50 {
            ingress = pair(profile).1;
            let mut batch = sealed.clone();
            let started = std::time::Instant::now();
            for packet in &mut batch {
                ingress.unprotect_rtp(packet).unwrap();
            }
            spent += started.elapsed();
        }
        assert_eq!(ingress.stream_counts(), (1, 0));
        println!("{profile:?}: protect {protect} ns, unprotect {} ns of {len} bytes", spent.as_nanos() / 200_000);
        println!("  egress {} B, ingress {} B", size_of::<SrtpEgress>(), size_of::<SrtpIngress>());
    }
}
