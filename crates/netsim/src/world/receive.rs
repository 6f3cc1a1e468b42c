//! What a client does with what comes: decrypts, sorts by stream, reports.

use std::collections::HashMap;

use sfu_core::rtcp::{Compound, Packet, Pli, write_nack, write_pli, write_receiver_report};
use sfu_core::rtp::extension::transport_cc_seq;
use sfu_core::rtp::seq::TimestampUnwrapper;
use sfu_core::rtp::{RtpHeader, rtx};
use sfu_core::srtp::SrtpIngress;
use sfu_core::time::{Micros, Time};
use sfu_core::wire::Writer;

use super::client::StreamOptions;
use super::series::StreamSample;
use crate::UDP_OVERHEAD;
use crate::feedback::FeedbackLog;
use crate::mark::Mark;
use crate::random::Random;
use crate::subscriber::{AudioCounts, AudioPlayout, Reception, VideoCounts, VideoPacket, VideoStream, Wants};

/// SSRC of a client that reports.
const REPORTER: u32 = 1;
/// libwebrtc reports on video every second, half to one and a half of it (RFC 3550 §6.3.1).
const REPORT_INTERVAL_US: f64 = 1e6;

#[derive(Debug)]
struct AudioStream {
    ssrc: u32,
    reception: Reception,
    unwrapper: TimestampUnwrapper,
    playout: AudioPlayout,
}

#[derive(Clone, Copy, Debug)]
enum Route {
    Video(usize),
    Rtx(usize),
    Audio(usize),
}

/// What the server asked of this client as a publisher.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) keyframes: Vec<u32>,
    pub(super) nacks: Vec<(u32, u16)>,
}

pub(super) struct Receiver {
    srtp: Option<SrtpIngress>,
    routes: HashMap<u32, Route>,
    video: Vec<VideoStream>,
    wants: Vec<Wants>,
    audio: Vec<AudioStream>,
    log: FeedbackLog,
    transport_cc: u8,
    requests: Requests,
    random: Random,
    next_report: Time,
    received_bytes: u64,
    damaged: u64,
    /// From capture to arrival, smoothed. With equal delays on both ends that is the round trip to the server.
    media_delay: Micros,
}

impl Receiver {
    pub(super) fn new(now: Time, uplink_bps: Option<u64>, mut random: Random) -> Self {
        let first = Micros((REPORT_INTERVAL_US * random.unit()) as u64);
        Self {
            srtp: None,
            routes: HashMap::new(),
            video: Vec::new(),
            wants: Vec::new(),
            audio: Vec::new(),
            log: FeedbackLog::new(now, uplink_bps),
            transport_cc: 0,
            requests: Requests::default(),
            random,
            next_report: now + first,
            received_bytes: 0,
            damaged: 0,
            media_delay: Micros::from_millis(100),
        }
    }

    pub(super) fn set_keys(&mut self, srtp: SrtpIngress) {
        self.srtp = Some(srtp);
    }

    pub(super) fn set_transport_cc(&mut self, id: u8) {
        self.transport_cc = id;
    }

    pub(super) fn add(&mut self, stream: StreamOptions, now: Time) {
        let Some(rtx_ssrc) = stream.rtx_ssrc else {
            self.routes.insert(stream.ssrc, Route::Audio(self.audio.len()));
            let (reception, unwrapper, playout) =
                (Reception::default(), TimestampUnwrapper::default(), AudioPlayout::default());
            self.audio.push(AudioStream { ssrc: stream.ssrc, reception, unwrapper, playout });
            return;
        };
        self.routes.insert(stream.ssrc, Route::Video(self.video.len()));
        self.routes.insert(rtx_ssrc, Route::Rtx(self.video.len()));
        self.video.push(VideoStream::new(stream.ssrc, rtx_ssrc, now));
        self.wants.push(Wants::default());
    }

    pub(super) fn announce(&mut self, ssrc: u32, is_paused: bool, now: Time) {
        self.video.iter_mut().filter(|it| it.ssrc == ssrc).for_each(|stream| stream.announce(now, is_paused));
    }

    pub(super) fn take_requests(&mut self) -> Requests {
        std::mem::take(&mut self.requests)
    }

    pub(super) fn receive(&mut self, now: Time, mut bytes: Vec<u8>) {
        self.received_bytes += (bytes.len() + UDP_OVERHEAD) as u64;
        let Some(srtp) = &mut self.srtp else { return };
        let is_rtcp = matches!(bytes.get(1), Some(192..=223));
        let opened = if is_rtcp { srtp.unprotect_rtcp(&mut bytes) } else { srtp.unprotect_rtp(&mut bytes) };
        let Ok(len) = opened else {
            self.damaged += 1;
            return;
        };
        bytes.truncate(len);
        if is_rtcp {
            self.take_control(now, &bytes);
        } else if let Ok(header) = RtpHeader::parse(&bytes) {
            self.take_media(now, &header, &bytes);
        } else {
            self.damaged += 1;
        }
    }

    fn take_media(&mut self, now: Time, header: &RtpHeader, bytes: &[u8]) {
        if let Some(seq) = header.extension(bytes, self.transport_cc).and_then(transport_cc_seq) {
            self.log.on_packet(now, seq);
        }
        let payload = header.payload(bytes);
        match self.routes.get(&header.ssrc) {
            Some(&Route::Video(stream)) => self.take_video(now, stream, header.seq, header, payload, false),
            // Without an original number it is padding.
            Some(&Route::Rtx(stream)) => {
                if let Some(seq) = rtx::osn(payload) {
                    self.take_video(now, stream, seq, header, &payload[2..], true);
                }
            }
            Some(&Route::Audio(stream)) => {
                let stream = &mut self.audio[stream];
                stream.reception.on_packet(header.seq);
                let timestamp = stream.unwrapper.unwrap_timestamp(header.timestamp);
                stream.playout.on_timeout(now);
                stream.playout.on_packet(now, timestamp);
            }
            None => self.damaged += 1,
        }
    }

    fn take_video(&mut self, now: Time, stream: usize, seq: u16, header: &RtpHeader, payload: &[u8], again: bool) {
        let mark = Mark::read(payload);
        if let Some(mark) = mark.filter(|_| !again) {
            let delay = now.0.saturating_sub(mark.captured_us);
            self.media_delay = Micros((7 * self.media_delay.0 + delay) / 8);
        }
        let packet =
            VideoPacket { seq, rtp_ts: header.timestamp, marker: header.marker, mark, was_retransmitted: again };
        self.video[stream].on_packet(now, &packet, &mut self.wants[stream]);
    }

    fn take_control(&mut self, now: Time, bytes: &[u8]) {
        let Ok(compound) = Compound::parse(bytes) else {
            self.damaged += 1;
            return;
        };
        for packet in compound.packets().flatten() {
            match packet {
                Packet::SenderReport(report) => self.on_sender_report(now, report.info.ssrc, report.info.compact_ntp()),
                Packet::Nack(nack) => self.requests.nacks.extend(nack.seqs().map(|seq| (nack.media_ssrc, seq))),
                Packet::Pli(pli) => self.requests.keyframes.push(pli.media_ssrc),
                _ => {}
            }
        }
    }

    fn on_sender_report(&mut self, now: Time, ssrc: u32, compact_ntp: u32) {
        match self.routes.get(&ssrc) {
            Some(&Route::Video(stream)) => self.video[stream].reception.on_sender_report(now, compact_ntp),
            Some(&Route::Audio(stream)) => self.audio[stream].reception.on_sender_report(now, compact_ntp),
            _ => {}
        }
    }

    pub(super) fn next_time(&self) -> Option<Time> {
        self.srtp.as_ref()?;
        let video = self.video.iter().filter_map(VideoStream::next_timeout);
        let audio = self.audio.iter().filter_map(|stream| stream.playout.next_timeout());
        video.chain(audio).chain([self.log.next_timeout(), self.next_report]).min()
    }

    /// Does all that is due; RTCP to be sent goes to `send`, plaintext.
    pub(super) fn advance(&mut self, now: Time, mut send: impl FnMut(&[u8])) {
        let rtt = self.media_delay;
        self.video.iter_mut().for_each(|stream| stream.set_rtt(rtt));
        for stream in &mut self.audio {
            stream.playout.on_timeout(now);
        }
        for (stream, wants) in self.video.iter_mut().zip(&mut self.wants) {
            stream.on_timeout(now, wants);
            ask(stream.ssrc, std::mem::take(wants), &mut send);
        }
        self.log.on_timeout(now, REPORTER, self.video.first().map_or(0, |stream| stream.ssrc), &mut send);
        if now >= self.next_report {
            self.next_report = now + Micros((REPORT_INTERVAL_US * self.random.between(0.5, 1.5)) as u64);
            self.report(now, send);
        }
    }

    fn report(&mut self, now: Time, mut send: impl FnMut(&[u8])) {
        let video = self.video.iter_mut().filter_map(|stream| stream.reception.block(now, stream.ssrc));
        let audio = self.audio.iter_mut().filter_map(|stream| stream.reception.block(now, stream.ssrc));
        let blocks: Vec<_> = video.chain(audio).take(31).collect();
        let mut space = [0; 1_000];
        let mut writer = Writer::new(&mut space);
        if write_receiver_report(&mut writer, REPORTER, &blocks).is_ok() {
            send(writer.written());
        }
    }

    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    pub(super) fn audio_counts(&self) -> impl Iterator<Item = AudioCounts> + '_ {
        self.audio.iter().map(|stream| stream.playout.counts())
    }

    pub(super) fn video_counts(&self) -> impl Iterator<Item = (u32, VideoCounts)> + '_ {
        self.video.iter().map(|stream| (stream.ssrc, stream.counts()))
    }

    pub(super) fn stream_samples(&self, now: Time) -> Vec<StreamSample> {
        let sample = |stream: &VideoStream| {
            let counts = stream.counts().freeze;
            StreamSample { layer: stream.layer(now), frames: counts.frames, frozen: counts.frozen }
        };
        self.video.iter().map(sample).collect()
    }

    pub(super) fn finish(&mut self, now: Time) {
        self.video.iter_mut().for_each(|stream| stream.finish(now));
    }
}

/// NACK and PLI of one stream (253 numbers in a message, as libwebrtc limits itself).
fn ask(ssrc: u32, mut wants: Wants, send: &mut impl FnMut(&[u8])) {
    let mut space = [0; 1_200];
    if wants.keyframe {
        let mut writer = Writer::new(&mut space);
        if write_pli(&mut writer, Pli { sender_ssrc: REPORTER, media_ssrc: ssrc }).is_ok() {
            send(writer.written());
        }
    }
    wants.nack.sort_unstable();
    let mut rest = wants.nack.as_slice();
    while !rest.is_empty() {
        let mut writer = Writer::new(&mut space);
        let Ok(told) = write_nack(&mut writer, REPORTER, ssrc, &rest[..rest.len().min(253)]) else { return };
        send(writer.written());
        rest = &rest[told.max(1)..];
    }
}
