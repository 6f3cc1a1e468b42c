//! One client: what it sends, checks and reports. What it receives is next door in `receive`.

use sfu_core::command::{IceCredentials, SrtpKeys};
use sfu_core::rtcp::SenderInfo;
use sfu_core::rtcp::{write_cname, write_sender_report};
use sfu_core::srtp::{MAX_OVERHEAD, SrtpIngress, TrackedEgress};
use sfu_core::stun::{BindingRequest, IceRole, IntegrityKey};
use sfu_core::time::{Micros, Time};
use sfu_core::wire::Writer;

use super::ClientOptions;
use super::receive::Receiver;
use super::series::Series;
use crate::UDP_OVERHEAD;
use crate::link::Link;
use crate::publisher::{AudioSource, Numbers, Outgoing, VideoSource};
use crate::random::Random;
use crate::subscriber::{AudioCounts, VideoCounts};

/// Checks go on for consent (RFC 7675 §5.1: every 5 s, less a fifth).
const CHECK_INTERVAL: Micros = Micros::from_millis(4_000);
const REPORT_INTERVAL: Micros = Micros::from_secs(1);
/// Seconds from 1900 to 1970.
const NTP_OFFSET: u64 = 2_208_988_800;

/// A stream that the server may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    pub ssrc: u32,
    /// `None`: audio.
    pub rtx_ssrc: Option<u32>,
}

pub struct Client {
    index: usize,
    options: ClientOptions,
    random: Random,
    uplink: Link<Vec<u8>>,
    ice: Option<(IceCredentials, IntegrityKey)>,
    next_check: Time,
    srtp_out: Option<TrackedEgress>,
    transport_seq: u16,
    video: Vec<VideoSource>,
    audio: Vec<AudioSource>,
    next_report: Time,
    receiver: Receiver,
    series: Series,
    /// What the server put on the link for this client, wire bytes.
    pub offered_bytes: u64,
    sampled_offered: u64,
    sampled_received: u64,
}

impl Client {
    pub(super) fn new(index: usize, options: ClientOptions, now: Time, random: Random) -> Self {
        Self {
            index,
            uplink: Link::new(options.uplink.clone(), random.fork(1)),
            receiver: Receiver::new(now, options.uplink_bps, random.fork(2)),
            random: random.fork(3),
            options,
            ice: None,
            next_check: now,
            srtp_out: None,
            transport_seq: 0,
            video: Vec::new(),
            audio: Vec::new(),
            next_report: now + REPORT_INTERVAL,
            series: Series::default(),
            offered_bytes: 0,
            sampled_offered: 0,
            sampled_received: 0,
        }
    }

    pub(super) fn options(&self) -> &ClientOptions {
        &self.options
    }

    pub(super) fn connect(&mut self, ice: &IceCredentials, now: Time) {
        self.ice = Some((ice.clone(), IntegrityKey::new(&ice.pwd)));
        self.next_check = now + CHECK_INTERVAL;
    }

    /// A connectivity check that nominates.
    pub(super) fn check(&mut self) -> Option<Vec<u8>> {
        let (credentials, key) = self.ice.as_ref()?;
        let mut transaction_id = [0; 12];
        transaction_id[..8].copy_from_slice(&self.random.next_u64().to_be_bytes());
        let username = format!("{}:netsim", credentials.ufrag);
        let role = Some(IceRole::Controlling(self.index as u64 + 1));
        let request =
            BindingRequest { transaction_id, username: &username, priority: Some(1), role, use_candidate: true };
        let mut buffer = [0; 640];
        let len = request.write(&mut buffer, key).ok()?;
        Some(buffer[..len].to_vec())
    }

    pub(super) fn set_keys(&mut self, keys: &SrtpKeys) -> bool {
        let outward = TrackedEgress::new(keys.profile, &keys.receive_key, &keys.receive_salt);
        let inward = SrtpIngress::new(keys.profile, &keys.send_key, &keys.send_salt);
        let (Ok(outward), Ok(inward)) = (outward, inward) else { return false };
        self.srtp_out = Some(outward);
        self.receiver.set_keys(inward);
        true
    }

    pub fn publish_video(
        &mut self,
        mid: &str,
        numbers: Numbers,
        encodings: Vec<crate::publisher::EncodingOptions>,
        now: Time,
    ) -> usize {
        // Cameras do not run in step.
        let start = now + Micros((self.random.unit() * 33_000.0) as u64);
        let random = self.random.fork(10 + self.video.len() as u64);
        self.video.push(VideoSource::new(self.index as u16, mid, numbers, encodings, start, random));
        self.video.len() - 1
    }

    pub fn publish_audio(&mut self, mid: String, numbers: Numbers, ssrc: u32, now: Time) {
        let start = now + Micros((self.random.unit() * 20_000.0) as u64);
        self.audio.push(AudioSource::new(mid, ssrc, numbers, start));
    }

    /// Switches an encoding of a camera on or off, as the server's message has the client do.
    pub fn set_encoding_active(&mut self, video: usize, encoding: usize, is_active: bool) {
        if let Some(video) = self.video.get_mut(video) {
            video.set_active(encoding, is_active);
        }
    }

    /// Streams that may come; those with a retransmission SSRC are video. `transport_cc` is the extension's id.
    pub fn expect(&mut self, streams: &[StreamOptions], transport_cc: u8, now: Time) {
        for &stream in streams {
            self.receiver.add(stream, now);
        }
        self.receiver.set_transport_cc(transport_cc);
    }

    /// Tells the user that a video stream is paused, or goes on.
    pub fn announce(&mut self, ssrc: u32, is_paused: bool, now: Time) {
        self.receiver.announce(ssrc, is_paused, now);
    }

    pub(super) fn next_time(&self) -> Option<Time> {
        let check = self.ice.is_some().then_some(self.next_check);
        let sources =
            self.video.iter().map(VideoSource::next_time).chain(self.audio.iter().map(AudioSource::next_time));
        let report = (!self.video.is_empty() || !self.audio.is_empty()).then_some(self.next_report);
        sources.chain(check).chain(report).chain(self.uplink.next_time()).chain(self.receiver.next_time()).min()
    }

    /// What the uplink brings to the server.
    pub(super) fn arrivals(&mut self, now: Time, mut take: impl FnMut(Vec<u8>)) {
        self.uplink.advance(now, |_, packet| take(packet.payload));
    }

    /// A datagram from the server.
    pub(super) fn receive(&mut self, at: Time, bytes: Vec<u8>) {
        self.receiver.receive(at, bytes);
    }

    /// Does all that is due.
    pub(super) fn advance(&mut self, now: Time) {
        if self.ice.is_some() && now >= self.next_check {
            self.next_check = now + CHECK_INTERVAL;
            if let Some(check) = self.check() {
                self.transmit(now, check);
            }
        }
        if self.srtp_out.is_none() {
            return;
        }
        self.react(now);
        self.make_media(now);
        self.send_reports(now);
        let mut control = Vec::new();
        self.receiver.advance(now, |bytes| control.push(bytes.to_vec()));
        for bytes in control {
            self.transmit_rtcp(now, bytes);
        }
    }

    /// What the server asked for: keyframes, packets again.
    fn react(&mut self, now: Time) {
        let requests = self.receiver.take_requests();
        for &ssrc in &requests.keyframes {
            self.video.iter_mut().for_each(|video| video.want_keyframe(ssrc));
        }
        let mut outgoing = Vec::new();
        for &(ssrc, seq) in &requests.nacks {
            self.video.iter_mut().for_each(|video| video.retransmit(ssrc, seq, &mut |packet| outgoing.push(packet)));
        }
        for packet in outgoing {
            self.transmit_rtp(now, packet);
        }
    }

    fn make_media(&mut self, now: Time) {
        let mut outgoing = Vec::new();
        for audio in self.audio.iter_mut().filter(|audio| audio.next_time() <= now) {
            audio.advance(now, &mut |packet| outgoing.push(packet));
        }
        for video in self.video.iter_mut().filter(|video| video.next_time() <= now) {
            video.advance(now, &mut |packet| outgoing.push(packet));
        }
        for packet in outgoing {
            self.transmit_rtp(now, packet);
        }
    }

    fn send_reports(&mut self, now: Time) {
        if now < self.next_report {
            return;
        }
        self.next_report = now + REPORT_INTERVAL;
        let video = self.video.iter().flat_map(|video| video.reports(now));
        let reports: Vec<_> = video.chain(self.audio.iter().map(AudioSource::report)).collect();
        for (ssrc, rtp_ts, packet_count, octet_count) in reports {
            let ntp = ((NTP_OFFSET + now.0 / 1_000_000) << 32) | (((now.0 % 1_000_000) << 32) / 1_000_000);
            let info = SenderInfo { ssrc, ntp, rtp_ts, packet_count, octet_count };
            let mut space = [0; 200];
            let mut writer = Writer::new(&mut space);
            let written =
                write_sender_report(&mut writer, &info, &[]).and_then(|()| write_cname(&mut writer, ssrc, b"netsim"));
            if written.is_ok() {
                let bytes = writer.written().to_vec();
                self.transmit_rtcp(now, bytes);
            }
        }
    }

    fn transmit_rtp(&mut self, now: Time, packet: Outgoing) {
        let Outgoing { mut bytes, transport_cc_at } = packet;
        if let Some(place) = bytes.get_mut(transport_cc_at..transport_cc_at + 2) {
            place.copy_from_slice(&self.transport_seq.to_be_bytes());
        }
        self.transport_seq = self.transport_seq.wrapping_add(1);
        let len = bytes.len();
        bytes.resize(len + MAX_OVERHEAD, 0);
        let protected = self.srtp_out.as_mut().and_then(|srtp| srtp.protect_rtp(&mut bytes, len).ok());
        if let Some(len) = protected {
            bytes.truncate(len);
            self.transmit(now, bytes);
        }
    }

    fn transmit_rtcp(&mut self, now: Time, mut bytes: Vec<u8>) {
        let len = bytes.len();
        bytes.resize(len + MAX_OVERHEAD, 0);
        let protected = self.srtp_out.as_mut().and_then(|srtp| srtp.protect_rtcp(&mut bytes, len).ok());
        if let Some(len) = protected {
            bytes.truncate(len);
            self.transmit(now, bytes);
        }
    }

    fn transmit(&mut self, now: Time, bytes: Vec<u8>) {
        self.uplink.send(now, bytes.len() + UDP_OVERHEAD, bytes);
    }

    pub(super) fn sample(&mut self, now: Time, capacity_bps: u64, queue: Micros, estimate_bps: u64) {
        let received = self.receiver.received_bytes();
        self.series.at.push(now);
        self.series.capacity_bps.push(capacity_bps);
        self.series.sent_bps.push((self.offered_bytes - self.sampled_offered) * 80);
        self.series.received_bps.push((received - self.sampled_received) * 80);
        self.series.queue.push(queue);
        self.series.estimate_bps.push(estimate_bps);
        self.series.concealed.push(self.receiver.audio_counts().map(|counts| counts.concealed).sum());
        self.series.streams.push(self.receiver.stream_samples(now));
        self.sampled_offered = self.offered_bytes;
        self.sampled_received = received;
    }

    pub(super) fn finish(&mut self, now: Time) {
        self.receiver.finish(now);
    }

    pub fn series(&self) -> &Series {
        &self.series
    }

    /// (SSRC, counts) of each video stream.
    pub fn video_counts(&self) -> impl Iterator<Item = (u32, VideoCounts)> + '_ {
        self.receiver.video_counts()
    }

    pub fn audio_counts(&self) -> impl Iterator<Item = AudioCounts> + '_ {
        self.receiver.audio_counts()
    }

    pub fn keyframes_sent(&self) -> u64 {
        self.video.iter().map(VideoSource::keyframes).sum()
    }

    /// SRTP or RTP that could not be read: zero, unless the server sends nonsense.
    pub fn damaged(&self) -> u64 {
        self.receiver.damaged()
    }
}
