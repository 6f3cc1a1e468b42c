//! What a publisher sends: video in frames, audio in between, each packet with the time of its sending inside.
//!
//! The last 16 bytes of every payload are a stamp: magic, a zero word, microseconds of the generator's clock. They lie
//! behind everything that a server may rewrite.

use sfu_core::rtcp::{SenderInfo, write_cname, write_sender_report};
use sfu_core::rtp::{HeaderFields, HeaderWriter};
use sfu_core::time::{Micros, Time};
use sfu_core::wire::{NoRoom, Writer, u64_at};

/// Ids of RFC 8285 that the offers give, the same as our server's: mid, audio level (RFC 6464) and the transport-wide
/// sequence number.
pub const MID_ID: u8 = 1;
pub const AUDIO_LEVEL_ID: u8 = 4;
pub const TRANSPORT_CC_ID: u8 = 6;
/// Somebody speaks, at -30 dBov.
const AUDIO_LEVEL: u8 = 0x80 | 0x1E;

/// Length of a video packet before SRTP.
pub const VIDEO_PACKET: usize = 1_200;
const AUDIO_PAYLOAD: usize = 160;
const FRAMES_PER_SECOND: u64 = 30;
/// From one frame to the next.
pub const FRAME: Micros = Micros(1_000_000 / FRAMES_PER_SECOND);
const AUDIO_FRAME: Micros = Micros::from_millis(20);
const VIDEO_TICKS: u32 = 90_000 / FRAMES_PER_SECOND as u32;
/// 20 ms of Opus' 48 kHz.
const AUDIO_TICKS: u32 = 960;
/// Length of the stamp at the end of a payload.
pub const STAMP: usize = 16;
const MAGIC: u64 = 0x7366_7562_656E_6368;
/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;
const CNAME: &[u8] = b"bench";

/// How a stream was negotiated.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    pub mid: String,
    pub pt: u8,
    pub ssrc: u32,
}

#[derive(Clone, Debug)]
pub struct VideoOptions {
    pub stream: StreamOptions,
    pub kbps: u32,
}

#[derive(Debug)]
struct Stream {
    options: StreamOptions,
    seq: u16,
    timestamp: u32,
    packets: u32,
    octets: u32,
    next: Time,
    is_audio: bool,
}

impl Stream {
    fn new(options: StreamOptions, is_audio: bool, now: Time) -> Self {
        Self { options, seq: 0, timestamp: 0, packets: 0, octets: 0, next: now, is_audio }
    }

    /// Writes one packet: header, `head` of the payload, filling up to `payload_len`, stamp.
    fn write(
        &mut self,
        packet: &mut Vec<u8>,
        marker: bool,
        transport_seq: u16,
        head: &[u8],
        payload_len: impl Fn(usize) -> usize,
        now: Time,
    ) {
        packet.clear();
        packet.resize(64, 0);
        let options = &self.options;
        let fields = HeaderFields {
            marker,
            pt: options.pt,
            seq: self.seq,
            timestamp: self.timestamp,
            ssrc: options.ssrc,
            has_padding: false,
        };
        let extensions: [(u8, &[u8]); 3] = [
            (MID_ID, options.mid.as_bytes()),
            (TRANSPORT_CC_ID, &transport_seq.to_be_bytes()),
            (AUDIO_LEVEL_ID, &[AUDIO_LEVEL]),
        ];
        let extensions = &extensions[..if self.is_audio { 3 } else { 2 }];
        let header_len = HeaderWriter::write(packet, &fields, extensions).unwrap_or(0);
        packet.truncate(header_len);
        packet.extend_from_slice(head);
        packet.resize(header_len + payload_len(header_len) - STAMP, 0xA5);
        packet.extend_from_slice(&MAGIC.to_be_bytes());
        packet.extend_from_slice(&now.0.to_be_bytes());
        self.seq = self.seq.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((packet.len() - header_len) as u32);
    }

    fn report(&self, writer: &mut Writer<'_>, now: Time, unix_us: u64, ticks_per_ms: u64) -> Result<(), NoRoom> {
        // The clock of the stream stands at `timestamp` when the next frame is due.
        let ahead = self.next.since(now).0 * ticks_per_ms / 1_000;
        let fraction = ((unix_us % 1_000_000) << 32) / 1_000_000;
        let info = SenderInfo {
            ssrc: self.options.ssrc,
            ntp: ((unix_us / 1_000_000 + NTP_EPOCH) << 32) | fraction,
            rtp_ts: self.timestamp.wrapping_sub(ahead as u32),
            packet_count: self.packets,
            octet_count: self.octets,
        };
        write_sender_report(writer, &info, &[])?;
        write_cname(writer, self.options.ssrc, CNAME)
    }
}

/// The streams of one publisher.
#[derive(Debug, Default)]
pub struct Source {
    video: Option<Stream>,
    audio: Option<Stream>,
    packets_per_frame: usize,
    picture_id: u16,
    keyframe_wanted: bool,
    transport_seq: u16,
    /// The longest that a frame went out behind its time: how far the generator itself is from keeping up.
    pub late_us: u64,
}

impl Source {
    pub fn new(video: Option<VideoOptions>, audio: Option<StreamOptions>, now: Time) -> Self {
        let kbps = video.as_ref().map_or(0, |video| u64::from(video.kbps));
        let frame_bytes = kbps * 1_000 / 8 / FRAMES_PER_SECOND;
        Self {
            video: video.map(|video| Stream::new(video.stream, false, now)),
            audio: audio.map(|audio| Stream::new(audio, true, now)),
            // As many whole packets as come nearest to the rate.
            packets_per_frame: ((frame_bytes as usize + VIDEO_PACKET / 2) / VIDEO_PACKET).max(1),
            keyframe_wanted: true,
            ..Self::default()
        }
    }

    /// The next frame starts a picture anew.
    pub fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Goes on at `now` after a pause in which the streams' clocks ran and nothing was sent.
    pub fn resume(&mut self, now: Time) {
        let skip = |stream: &mut Stream, interval: Micros, ticks: u32| {
            while stream.next < now {
                stream.next = stream.next + interval;
                stream.timestamp = stream.timestamp.wrapping_add(ticks);
            }
        };
        self.video.iter_mut().for_each(|video| skip(video, FRAME, VIDEO_TICKS));
        self.audio.iter_mut().for_each(|audio| skip(audio, AUDIO_FRAME, AUDIO_TICKS));
        self.keyframe_wanted = true;
    }

    /// When the next packet is due.
    pub fn next(&self) -> Option<Time> {
        self.video.iter().chain(&self.audio).map(|stream| stream.next).min()
    }

    /// Gives the packets that are due to `send`, one after the other; `clock` stamps them.
    pub fn poll(&mut self, now: Time, clock: impl Fn() -> Time, mut send: impl FnMut(&mut Vec<u8>)) {
        let mut packet = Vec::with_capacity(VIDEO_PACKET + 64);
        if let Some(audio) = self.audio.as_mut().filter(|audio| audio.next <= now) {
            self.late_us = self.late_us.max(now.since(audio.next).0);
            audio.write(&mut packet, false, self.transport_seq, &[], |_| AUDIO_PAYLOAD, clock());
            self.transport_seq = self.transport_seq.wrapping_add(1);
            audio.timestamp = audio.timestamp.wrapping_add(AUDIO_TICKS);
            audio.next = audio.next + AUDIO_FRAME;
            send(&mut packet);
        }
        let Some(video) = self.video.as_mut().filter(|video| video.next <= now) else { return };
        self.late_us = self.late_us.max(now.since(video.next).0);
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        for index in 0..self.packets_per_frame {
            let head = vp8_head(self.picture_id, index == 0, keyframe);
            let last = index + 1 == self.packets_per_frame;
            video.write(&mut packet, last, self.transport_seq, &head, |header| VIDEO_PACKET - header, clock());
            self.transport_seq = self.transport_seq.wrapping_add(1);
            send(&mut packet);
        }
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        video.timestamp = video.timestamp.wrapping_add(VIDEO_TICKS);
        video.next = video.next + FRAME;
    }

    /// Writes a compound of sender reports; its length.
    pub fn report(&self, buffer: &mut [u8], now: Time, unix_us: u64) -> Result<usize, NoRoom> {
        let mut writer = Writer::new(buffer);
        if let Some(video) = &self.video {
            video.report(&mut writer, now, unix_us, 90)?;
        }
        if let Some(audio) = &self.audio {
            audio.report(&mut writer, now, unix_us, 48)?;
        }
        Ok(writer.len())
    }
}

/// Payload descriptor with a 15-bit picture id (RFC 7741 §4.2) and, where a frame starts, its header (§4.3).
fn vp8_head(picture_id: u16, starts: bool, keyframe: bool) -> Vec<u8> {
    let [high, low] = (picture_id | 0x8000).to_be_bytes();
    let mut head = vec![0x80 | (u8::from(starts) << 4), 0x80, high, low];
    match (starts, keyframe) {
        // show_frame; start code; 640 x 360.
        (true, true) => head.extend_from_slice(&[0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01]),
        (true, false) => head.extend_from_slice(&[0x11, 0, 0]),
        (false, _) => {}
    }
    head
}

/// When the packet with this payload was sent; `None`: it is not one of ours, or damaged.
pub fn stamp_of(payload: &[u8]) -> Option<Time> {
    let at = payload.len().checked_sub(STAMP)?;
    (u64_at(payload, at)? == MAGIC).then_some(Time(u64_at(payload, at + 8)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::rtp::RtpHeader;

    fn source(kbps: u32) -> Source {
        let stream = |mid: &str, pt, ssrc| StreamOptions { mid: mid.to_owned(), pt, ssrc };
        Source::new(Some(VideoOptions { stream: stream("1", 96, 20), kbps }), Some(stream("0", 111, 10)), Time(0))
    }

    fn packets_of_a_second(source: &mut Source) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for ms in 0..1_000 {
            let now = Time(ms * 1_000);
            source.poll(now, || now, |packet| packets.push(packet.clone()));
        }
        packets
    }

    #[test]
    fn a_second_has_its_frames_of_whole_packets_and_fifty_of_audio() {
        for (kbps, per_frame) in [(1_500, 5), (300, 1), (10, 1), (3_000, 10)] {
            let packets = packets_of_a_second(&mut source(kbps));
            let headers: Vec<_> = packets.iter().map(|packet| RtpHeader::parse(packet).unwrap()).collect();
            let video: Vec<_> = headers.iter().filter(|header| header.ssrc == 20).collect();
            assert_eq!(video.len(), 30 * per_frame, "{kbps}");
            assert_eq!(video.iter().filter(|header| header.marker).count(), 30, "{kbps}");
            assert_eq!(headers.iter().filter(|header| header.ssrc == 10).count(), 50, "{kbps}");
        }
    }

    #[test]
    fn every_packet_has_its_size_its_mid_and_the_time_of_its_sending() {
        for (index, packet) in packets_of_a_second(&mut source(1_500)).iter().enumerate() {
            let header = RtpHeader::parse(packet).unwrap();
            let mid: &[u8] = if header.ssrc == 20 { b"1" } else { b"0" };
            assert_eq!(header.extension(packet, MID_ID), Some(mid));
            assert_eq!(header.extension(packet, TRANSPORT_CC_ID), Some(&(index as u16).to_be_bytes()[..]));
            assert_eq!(header.extension(packet, AUDIO_LEVEL_ID).is_some(), header.ssrc == 10);
            assert!(stamp_of(header.payload(packet)).is_some_and(|at| at < Time(1_000_000)));
            assert!(header.ssrc == 10 || packet.len() == VIDEO_PACKET);
        }
        assert_eq!(stamp_of(&[0; 40]), None);
        assert_eq!(stamp_of(&[1]), None);
    }

    #[test]
    fn after_a_pause_the_numbers_go_on_and_the_clock_has_run() {
        let mut source = source(300);
        let last_video = |source: &mut Source, now: Time| {
            let mut last = None;
            source.poll(
                now,
                || now,
                |packet| last = Some(RtpHeader::parse(packet).unwrap()).filter(|header| header.ssrc == 20),
            );
            last.unwrap()
        };
        let before = last_video(&mut source, Time(0));
        source.resume(Time(10_000_000));
        assert!(source.next() >= Some(Time(10_000_000)));
        let after = last_video(&mut source, Time(10_050_000));
        assert_eq!(after.seq, before.seq + 1);
        assert!(after.timestamp.abs_diff(before.timestamp + 900_000) <= VIDEO_TICKS);
    }

    #[test]
    fn a_keyframe_starts_the_stream_and_comes_again_when_asked_for() {
        let mut source = source(300);
        let mut frames = Vec::new();
        for frame in 0..6 {
            if frame == 4 {
                source.want_keyframe();
            }
            let now = Time(frame * 40_000);
            source.poll(
                now,
                || now,
                |packet| {
                    let header = RtpHeader::parse(packet).unwrap();
                    if header.ssrc == 20 {
                        frames.push(header.payload(packet)[4] & 1 == 0);
                    }
                },
            );
        }
        assert_eq!(frames, [true, false, false, false, true, false]);
    }
}
