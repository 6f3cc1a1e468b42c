//! What the cipher alone costs: a publisher's packets protected for many subscribers, nothing else.

use std::io::{self, ErrorKind};
use std::time::Duration;

use sfu_core::rtp::RtpHeader;
use sfu_core::srtp::{MAX_OVERHEAD, SrtpEgress, SrtpError, SrtpIngress, SrtpProfile};
use sfu_core::time::Time;
use sfu_io::sys::thread_cpu_time;

use crate::source::Source;

/// Processor time to measure over.
const LONG_ENOUGH: Duration = Duration::from_millis(300);
/// After so long the pattern of frames and audio begins anew.
const PATTERN_MS: u64 = 100;

struct Packet {
    plain: Vec<u8>,
    seq: u64,
}

/// Protects the bursts of `source` for `subscribers` as a fan-out does, all packets of a burst for one subscriber and
/// then for the next, each with keys of its own; nanoseconds of the calling thread per packet.
///
/// One plaintext becomes as many ciphertexts as there are subscribers, each in its own memory; the keys and the memory of
/// all subscribers are used between two uses of the same, so that they are as cold as they are in a fan-out.
pub fn ns_per_packet(profile: SrtpProfile, subscribers: usize, source: Source) -> io::Result<f64> {
    let bursts = bursts(source);
    let contexts: Vec<SrtpEgress> =
        (0..subscribers).map(|number| egress(profile, number)).collect::<io::Result<_>>()?;
    // Once, not counted: buffers and keys are touched for the first time.
    let mut arena = arena(&bursts, subscribers);
    protect_all(&bursts, &contexts, &mut arena)?;
    let start = thread_cpu_time()?;
    let mut packets = 0;
    loop {
        packets += protect_all(&bursts, &contexts, &mut arena)?;
        let used = thread_cpu_time()?.saturating_sub(start);
        if used >= LONG_ENOUGH || packets == 0 {
            return Ok(used.as_secs_f64() * 1e9 / packets.max(1) as f64);
        }
    }
}

fn bursts(mut source: Source) -> Vec<Vec<Packet>> {
    let mut bursts = Vec::new();
    for now in (0..PATTERN_MS).map(|ms| Time(ms * 1_000)) {
        let mut burst = Vec::new();
        source.poll(
            now,
            || now,
            |plain| {
                let seq = RtpHeader::parse(plain).map_or(0, |header| u64::from(header.seq));
                burst.push(Packet { plain: plain.clone(), seq });
            },
        );
        bursts.push(burst);
    }
    bursts.retain(|burst| !burst.is_empty());
    bursts
}

/// Protects for the subscriber with this number.
pub(crate) fn egress(profile: SrtpProfile, number: usize) -> io::Result<SrtpEgress> {
    let (key, salt) = secret(profile, number);
    SrtpEgress::new(profile, &key, &salt).map_err(refused)
}

/// What the subscriber with this number reads it with.
pub(crate) fn ingress(profile: SrtpProfile, number: usize) -> io::Result<SrtpIngress> {
    let (key, salt) = secret(profile, number);
    SrtpIngress::new(profile, &key, &salt).map_err(refused)
}

/// Key and salt.
fn secret(profile: SrtpProfile, number: usize) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = number.to_be_bytes().into_iter().cycle();
    let key = bytes.by_ref().take(profile.key_len()).collect();
    (key, bytes.take(profile.salt_len()).collect())
}

pub(crate) fn refused(error: SrtpError) -> io::Error {
    io::Error::other(format!("SRTP: {error:?}"))
}

/// Room for the longest burst, once for each subscriber.
fn arena(bursts: &[Vec<Packet>], subscribers: usize) -> Vec<u8> {
    let room = |burst: &Vec<Packet>| burst.iter().map(|packet| packet.plain.len() + MAX_OVERHEAD).sum::<usize>();
    vec![0; bursts.iter().map(room).max().unwrap_or(0) * subscribers]
}

/// Each burst once for each context; how many packets that were.
fn protect_all(bursts: &[Vec<Packet>], contexts: &[SrtpEgress], arena: &mut [u8]) -> io::Result<u64> {
    let mut packets = 0;
    for burst in bursts {
        let mut rest = &mut *arena;
        for context in contexts {
            for packet in burst {
                let len = packet.plain.len();
                let (space, after) = rest.split_at_mut_checked(len + MAX_OVERHEAD).ok_or(ErrorKind::OutOfMemory)?;
                rest = after;
                let (plain, _) = space.split_at_mut(len);
                plain.copy_from_slice(&packet.plain);
                context.protect_rtp(space, len, packet.seq).map_err(refused)?;
                packets += 1;
            }
        }
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::VideoOptions;
    use crate::stream::StreamOptions;

    fn source() -> Source {
        let stream = |mid: &str, pt, ssrc| StreamOptions { mid: mid.to_owned(), pt, ssrc };
        let video = VideoOptions { stream: stream("1", 96, 20), kbps: 1_500 };
        Source::new(Some(video), Some(stream("0", 111, 10)), Time(0))
    }

    #[test]
    fn the_mix_is_that_of_the_stream() {
        let bursts = bursts(source());
        let packets: Vec<usize> = bursts.iter().flatten().map(|packet| packet.plain.len()).collect();
        assert_eq!(packets.iter().filter(|len| **len == 1_200).count(), 15);
        assert_eq!(packets.len(), 20);
    }

    #[test]
    fn every_packet_is_protected_for_every_subscriber() {
        for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmHmacSha1_80] {
            let contexts: Vec<_> = (0..3).map(|number| egress(profile, number).unwrap()).collect();
            let bursts = bursts(source());
            assert_eq!(protect_all(&bursts, &contexts, &mut arena(&bursts, 3)).unwrap(), 60);
        }
    }

    #[test]
    fn subscribers_have_keys_of_their_own() {
        let plain = bursts(source()).remove(0).remove(0);
        let protected = |number| {
            let mut packet = plain.plain.clone();
            packet.resize(plain.plain.len() + MAX_OVERHEAD, 0);
            let context = egress(SrtpProfile::AeadAes128Gcm, number).unwrap();
            context.protect_rtp(&mut packet, plain.plain.len(), plain.seq).unwrap();
            packet
        };
        assert_ne!(protected(0), protected(1));
    }
}
