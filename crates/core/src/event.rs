//! What a shard tells the control plane. Bounded: what does not fit is counted, and the control
//! plane re-reads its state from a snapshot.

use std::net::SocketAddr;

use crate::command::CodecId;
use crate::ids::{ConsumerId, ProducerId, Ssrc, TransportId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A DTLS datagram from an address that passed an ICE check of this transport.
    Dtls { transport: TransportId, datagram: Vec<u8> },
    /// First nomination, or the client moved (roaming, ICE restart). `socket` is the index of the
    /// local socket. `restarted` is true when it came with the credentials of a `RestartIce`.
    IceSelected { transport: TransportId, remote: SocketAddr, socket: u8, restarted: bool },
    /// No valid check for the consent time; the transport sends nothing any more.
    ConsentExpired { transport: TransportId },
    /// First packet of an encoding, or its codec changed.
    EncodingStarted { producer: ProducerId, encoding: u8, ssrc: Ssrc, codec: CodecId },
    /// What a consumer forwards from now on. Sent at the keyframe where a switch takes effect.
    ConsumerLayers { consumer: ConsumerId, producer: ProducerId, spatial: u8, temporal: u8 },
    /// The consumer's transport did not negotiate the codec its producer sends; nothing is forwarded.
    ConsumerCodecUnsupported { consumer: ConsumerId, producer: ProducerId, codec: CodecId },
    /// A command named an unknown or doubled id, or values out of range.
    CommandFailed { command: &'static str, id: u32, reason: &'static str },
    /// So many events did not fit since the last one that did.
    Overflow { lost: u64 },
}
