//! One client of a simulated meeting: real SRTP on both ends, everything it got kept to be looked at.

use std::net::SocketAddr;

use sfu_core::command::IceCredentials;
use sfu_core::ids::TransportId;
use sfu_core::rtcp::{Compound, Packet};
use sfu_core::rtp::RtpHeader;
use sfu_core::srtp::{MAX_OVERHEAD, SrtpError, SrtpIngress, TrackedEgress};
use sfu_core::time::Time;

/// A decrypted packet that a client got.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Time,
    pub header: RtpHeader,
    pub packet: Vec<u8>,
    /// As it came, still protected.
    pub raw: Vec<u8>,
}

impl Received {
    pub fn payload(&self) -> &[u8] {
        self.header.payload(&self.packet)
    }

    pub fn extension(&self, id: u8) -> Option<&[u8]> {
        self.header.extension(&self.packet, id)
    }
}

/// One end of a transport, outside the server.
pub struct Client {
    pub id: TransportId,
    pub address: SocketAddr,
    pub socket: u8,
    pub credentials: IceCredentials,
    pub srtp_out: TrackedEgress,
    pub srtp_in: SrtpIngress,
    pub rtp: Vec<Received>,
    /// Decrypted compounds.
    pub rtcp: Vec<Vec<u8>>,
    pub stun: Vec<Vec<u8>>,
    pub dtls: Vec<Vec<u8>>,
    /// Transport-wide sequence number of what it sends.
    pub transport_cc: u16,
}

impl Client {
    pub fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        self.try_protect(packet).expect("protect")
    }

    /// `None` for what is no RTP packet.
    pub fn try_protect(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + MAX_OVERHEAD, 0);
        let len = self.srtp_out.protect_rtp(&mut buffer, packet.len()).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }

    pub fn forget_received(&mut self) {
        self.rtp.clear();
        self.rtcp.clear();
        self.stun.clear();
        self.dtls.clear();
    }

    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + MAX_OVERHEAD, 0);
        let len = self.srtp_out.protect_rtcp(&mut buffer, packet.len()).expect("protect");
        buffer.truncate(len);
        buffer
    }

    pub fn take(&mut self, at: Time, bytes: &[u8]) {
        match (bytes[0], bytes[1]) {
            (0..=3, _) => self.stun.push(bytes.to_vec()),
            (20..=63, _) => self.dtls.push(bytes.to_vec()),
            (128..=191, 192..=223) => {
                let mut packet = bytes.to_vec();
                let len = self.srtp_in.unprotect_rtcp(&mut packet).expect("authentic SRTCP");
                packet.truncate(len);
                Compound::parse(&packet).expect("well-formed RTCP");
                self.rtcp.push(packet);
            }
            (128..=191, _) => {
                let mut packet = bytes.to_vec();
                let len = match self.srtp_in.unprotect_rtp(&mut packet) {
                    Ok(len) => len,
                    // A stream without RTX repeats packets: they must be the same bit for bit.
                    Err(SrtpError::Replayed | SrtpError::TooOld) if self.rtp.iter().any(|it| it.raw == bytes) => return,
                    Err(error) => {
                        let same = |it: &&Received| it.raw[2..4] == bytes[2..4] && it.raw[8..12] == bytes[8..12];
                        let before: Vec<_> = self.rtp.iter().filter(same).map(|it| &it.raw).collect();
                        panic!("{error:?}: not authentic, or an index was used twice: {bytes:?}, before {before:?}")
                    }
                };
                packet.truncate(len);
                let header = RtpHeader::parse(&packet).expect("well-formed RTP");
                self.rtp.push(Received { at, header, packet, raw: bytes.to_vec() });
            }
            _ => panic!("not a protocol of ours: {bytes:?}"),
        }
    }

    /// Packets of one SSRC, in the order of arrival.
    pub fn stream(&self, ssrc: u32) -> Vec<&Received> {
        self.rtp.iter().filter(|received| received.header.ssrc == ssrc).collect()
    }

    /// SSRCs that the server asked keyframes of.
    pub fn plis(&self) -> Vec<u32> {
        self.packets(|packet| match packet {
            Packet::Pli(pli) => Some(pli.media_ssrc),
            _ => None,
        })
    }

    /// (SSRC, number) that the server asked for.
    pub fn nacks(&self) -> Vec<(u32, u16)> {
        let nacks = self.packets(|packet| match packet {
            Packet::Nack(nack) => Some(nack.seqs().map(|seq| (nack.media_ssrc, seq)).collect::<Vec<_>>()),
            _ => None,
        });
        nacks.into_iter().flatten().collect()
    }

    pub fn packets<T>(&self, choose: impl Fn(Packet<'_>) -> Option<T>) -> Vec<T> {
        let compounds = self.rtcp.iter().map(|bytes| Compound::parse(bytes).expect("checked"));
        compounds
            .flat_map(|compound| compound.packets().filter_map(|it| choose(it.ok()?)).collect::<Vec<_>>())
            .collect()
    }
}
