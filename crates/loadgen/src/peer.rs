//! One WebRTC client: socket, connectivity, keys, and what it publishes or makes of what it gets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use sfu_core::demux::{Protocol, classify};
use sfu_core::rtcp::{Compound, Packet};
use sfu_core::rtp::RtpHeader;
use sfu_core::srtp::{MAX_OVERHEAD, SrtpError, SrtpIngress, SrtpProfile, TrackedEgress};
use sfu_core::stun::write::MAX_LEN;
use sfu_core::time::{Micros, Time};
use sfu_core::transmit::Train;
use sfu_io::BATCH;
use sfu_io::clock::Clock;
use sfu_io::sys::Socket;

use crate::histogram::Histogram;
use crate::ice::Ice;
use crate::sink::Sink;
use crate::source::Source;
use crate::stream::stamp_of;

/// Chrome sends feedback each 50 to 250 ms, by bitrate.
const FEEDBACK: Micros = Micros::from_millis(100);
const REPORT: Micros = Micros::from_secs(1);
const MAX_RTCP: usize = 1_200;

/// ICE credentials of both sides (RFC 8839 §5.4).
#[derive(Clone, Debug)]
pub struct Credentials {
    pub local_ufrag: String,
    pub local_pwd: String,
    pub remote_ufrag: String,
    pub remote_pwd: String,
}

/// SRTP master keys and salts, as seen from the peer.
#[derive(Clone)]
pub struct Keys {
    pub profile: SrtpProfile,
    pub send_key: Vec<u8>,
    pub send_salt: Vec<u8>,
    pub receive_key: Vec<u8>,
    pub receive_salt: Vec<u8>,
}

/// What all peers together count since the last reset.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Media packets that publishers sent, and their bytes.
    pub published: u64,
    pub published_bytes: u64,
    /// Media packets that came, duplicates included, and their bytes (UDP payload).
    pub packets: u64,
    pub bytes: u64,
    /// Packets that are no media, by which the server learns what the path carries, and their bytes (UDP payload).
    pub probes: u64,
    pub probe_bytes: u64,
    /// Samples that were decrypted, and those that were not what a publisher sent.
    pub sampled: u64,
    pub damaged: u64,
    /// Packets that a socket did not take.
    pub unsent: u64,
    pub keyframe_requests: u64,
    /// Latencies of the sample: of microphones, and of cameras.
    pub audio: Histogram,
    pub video: Histogram,
}

impl Totals {
    /// Of all that was sampled.
    pub fn latency(&self) -> Histogram {
        let mut all = self.audio.clone();
        all.merge(&self.video);
        all
    }
}

/// What a datagram made necessary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Nothing,
    Connected,
    Dtls(Vec<u8>),
}

struct Srtp {
    egress: TrackedEgress,
    ingress: SrtpIngress,
}

pub struct Peer {
    socket: Socket,
    remote: SocketAddr,
    ice: Ice,
    srtp: Option<Srtp>,
    pub source: Option<Source>,
    pub sink: Sink,
    /// Whose totals it adds to.
    pub group: usize,
    next_feedback: Time,
    next_report: Time,
}

impl Peer {
    /// `number` makes tie-breaker, SSRC and the rhythm of reports its own.
    pub fn open(
        number: u32,
        remote: SocketAddr,
        credentials: &Credentials,
        group: usize,
        now: Time,
    ) -> io::Result<Self> {
        let any: SocketAddr = match remote {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let username = format!("{}:{}", credentials.remote_ufrag, credentials.local_ufrag);
        // Far apart, and never zero.
        let tie_breaker = u64::from(number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let phase = Micros(u64::from(number) * 7_919 % FEEDBACK.0);
        Ok(Self {
            socket: Socket::bind(any, true)?,
            remote,
            ice: Ice::new(username, &credentials.local_pwd, &credentials.remote_pwd, tie_breaker, now),
            srtp: None,
            source: None,
            sink: Sink::new(0x4000_0000 | number, number),
            group,
            next_feedback: now + phase,
            next_report: now + phase,
        })
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    pub fn is_connected(&self, now: Time) -> bool {
        self.ice.is_connected(now)
    }

    pub fn set_keys(&mut self, keys: &Keys) -> Result<(), SrtpError> {
        self.srtp = Some(Srtp {
            egress: TrackedEgress::new(keys.profile, &keys.send_key, &keys.send_salt)?,
            ingress: SrtpIngress::new(keys.profile, &keys.receive_key, &keys.receive_salt)?,
        });
        Ok(())
    }

    /// False: the socket did not take it.
    pub fn send(&self, bytes: &[u8]) -> bool {
        let train = Train { socket: 0, destination: self.remote, segment_size: bytes.len(), segments: 1, bytes };
        self.socket.send(&[train]).is_ok()
    }

    /// One datagram that came at `at`.
    pub fn handle(
        &mut self,
        now: Time,
        at: Time,
        source: SocketAddr,
        bytes: &mut [u8],
        totals: &mut Totals,
    ) -> Outcome {
        if source != self.remote {
            return Outcome::Nothing;
        }
        match classify(bytes) {
            Some(Protocol::Stun) => {
                let mut answer = [0; MAX_LEN];
                let (len, first) = self.ice.handle(now, bytes, source, &mut answer);
                if let Some(len) = len {
                    self.send(&answer[..len]);
                }
                if first { Outcome::Connected } else { Outcome::Nothing }
            }
            Some(Protocol::Dtls) => Outcome::Dtls(bytes.to_vec()),
            Some(Protocol::Rtp) => {
                self.handle_rtp(at, bytes, totals);
                Outcome::Nothing
            }
            Some(Protocol::Rtcp) => {
                self.handle_rtcp(now, bytes, totals);
                Outcome::Nothing
            }
            None => Outcome::Nothing,
        }
    }

    fn handle_rtp(&mut self, at: Time, bytes: &mut [u8], totals: &mut Totals) {
        let Ok(header) = RtpHeader::parse_protected(bytes) else {
            totals.damaged += 1;
            return;
        };
        if self.sink.add_probe(at, bytes, &header) {
            totals.probes += 1;
            totals.probe_bytes += bytes.len() as u64;
            return;
        }
        totals.packets += 1;
        totals.bytes += bytes.len() as u64;
        let sampled = self.sink.add(at, bytes, &header);
        let Some(srtp) = self.srtp.as_mut().filter(|_| sampled) else { return };
        totals.sampled += 1;
        let plain = srtp.ingress.unprotect_rtp(bytes).ok().and_then(|len| bytes.get(..len));
        let stamp = plain.and_then(|plain| {
            let header = RtpHeader::parse(plain).ok()?;
            stamp_of(header.payload(plain))
        });
        let Some(stamp) = stamp else {
            totals.damaged += 1;
            return;
        };
        self.sink.note_origin(at, header.ssrc, stamp.origin);
        let latency = if stamp.origin.is_audio() { &mut totals.audio } else { &mut totals.video };
        latency.add(at.since(stamp.at).0);
    }

    /// Only requests for keyframes are of interest, and to those alone who send video.
    fn handle_rtcp(&mut self, now: Time, bytes: &mut [u8], totals: &mut Totals) {
        let source = self.source.as_mut().filter(|source| source.has_video());
        let (Some(source), Some(srtp)) = (source, self.srtp.as_mut()) else { return };
        let plain = srtp.ingress.unprotect_rtcp(bytes).ok().and_then(|len| bytes.get(..len));
        let Some(Ok(compound)) = plain.map(Compound::parse) else { return };
        for packet in compound.packets().flatten() {
            match packet {
                Packet::Pli(pli) => {
                    source.want_keyframe(pli.media_ssrc, now);
                    totals.keyframe_requests += 1;
                }
                Packet::Fir(fir) => {
                    for (ssrc, _) in fir.entries() {
                        source.want_keyframe(ssrc, now);
                        totals.keyframe_requests += 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// Publishes what is due.
    pub fn publish(&mut self, clock: &Clock, totals: &mut Totals) {
        let Some(source) = self.source.as_mut() else { return };
        let Some(srtp) = self.srtp.as_mut() else {
            // Nothing can be sent yet: later.
            source.resume(clock.now() + REPORT);
            return;
        };
        let mut burst: Vec<Vec<u8>> = Vec::with_capacity(8);
        source.poll(
            clock.now(),
            || clock.now(),
            |packet| {
                let len = packet.len();
                packet.resize(len + MAX_OVERHEAD, 0);
                if let Ok(len) = srtp.egress.protect_rtp(packet, len) {
                    burst.push(packet[..len].to_vec());
                }
            },
        );
        // One by one, as a browser sends: no segmentation offload.
        for chunk in burst.chunks(BATCH) {
            let trains: Vec<Train<'_>> = chunk
                .iter()
                .map(|bytes| Train {
                    socket: 0,
                    destination: self.remote,
                    segment_size: bytes.len(),
                    segments: 1,
                    bytes,
                })
                .collect();
            let sent = self.socket.send(&trains).unwrap_or(0);
            totals.published += sent as u64;
            totals.published_bytes += chunk.iter().take(sent).map(|bytes| bytes.len() as u64).sum::<u64>();
            totals.unsent += (chunk.len() - sent) as u64;
        }
    }

    /// Checks, feedback and reports that are due.
    pub fn handle_timeout(&mut self, now: Time, unix_us: u64) {
        let mut check = [0; MAX_LEN];
        if let Some(len) = self.ice.poll_check(now, &mut check) {
            self.send(&check[..len]);
        }
        if self.srtp.is_none() {
            return;
        }
        let mut buffer = [0; MAX_RTCP + MAX_OVERHEAD];
        if now >= self.next_report {
            self.next_report = now + REPORT;
            if let Some(source) = &self.source {
                let len = source.report(&mut buffer[..MAX_RTCP], now, unix_us);
                self.send_rtcp(&mut buffer, len.unwrap_or(0));
            }
            // Who only publishes has nothing to report on.
            if self.source.is_none() || !self.sink.streams().is_empty() {
                let len = self.sink.report(&mut buffer[..MAX_RTCP]);
                self.send_rtcp(&mut buffer, len.unwrap_or(0));
            }
        }
        if now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK;
            let len = self.sink.feedback(&mut buffer[..MAX_RTCP]);
            self.send_rtcp(&mut buffer, len.unwrap_or(0));
        }
    }

    fn send_rtcp(&mut self, buffer: &mut [u8], len: usize) {
        let Some(srtp) = self.srtp.as_mut().filter(|_| len > 0) else { return };
        if let Ok(len) = srtp.egress.protect_rtcp(buffer, len) {
            self.send(&buffer[..len]);
        }
    }
}
