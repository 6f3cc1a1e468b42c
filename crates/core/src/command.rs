//! What the control plane tells a shard. Applied between batches, in order.
//!
//! The control plane chooses every id. A command that names an unknown id, or an id twice, changes
//! nothing and is answered by [`crate::event::Event::CommandFailed`].

use crate::bwe::BweOptions;
use crate::ids::{ConsumerId, ProducerId, RouterId, Ssrc, TransportId};
pub use crate::srtp::SrtpProfile;

/// Media kind of a producer or consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Audio,
    Video,
}

/// Codecs whose headers the shard understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    Opus,
    /// RFC 2198 redundant audio around Opus.
    Red,
    Vp8,
    Vp9,
    H264,
    Av1,
}

/// A codec together with a number for its format parameters.
///
/// `variant` is opaque here: the control plane gives equal numbers to formats that one decoder
/// accepts alike (H264 constrained baseline and high are two variants of one codec).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecId {
    pub codec: Codec,
    pub variant: u8,
}

/// One negotiated payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadType {
    pub pt: u8,
    pub codec: CodecId,
    pub clock_rate_hz: u32,
    /// Payload type of its retransmissions (RFC 4588), when negotiated.
    pub rtx_pt: Option<u8>,
}

/// RTP header extensions that the shard reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionKind {
    /// urn:ietf:params:rtp-hdrext:sdes:mid
    Mid,
    /// urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
    Rid,
    /// urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
    RepairedRid,
    /// urn:ietf:params:rtp-hdrext:ssrc-audio-level (RFC 6464)
    AudioLevel,
    /// abs-send-time (24 bit, 6.18 fixed point seconds)
    AbsSendTime,
    /// transport-wide-cc-01
    TransportCc,
    /// urn:3gpp:video-orientation
    VideoOrientation,
    /// playout-delay
    PlayoutDelay,
    /// AV1 RTP dependency descriptor
    DependencyDescriptor,
    /// abs-capture-time
    AbsCaptureTime,
}

/// What one direction of a transport's RTP session agreed on (BUNDLE: one map for all m-lines).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtpMap {
    pub payload_types: Vec<PayloadType>,
    /// (extension id 1..=255, what it carries)
    pub extensions: Vec<(u8, ExtensionKind)>,
}

/// Master keys of both directions, as exported by DTLS (RFC 5764 §4.2), seen from the server.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    pub profile: SrtpProfile,
    pub send_key: Vec<u8>,
    pub send_salt: Vec<u8>,
    pub receive_key: Vec<u8>,
    pub receive_salt: Vec<u8>,
}

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SrtpKeys({:?}, secrets hidden)", self.profile)
    }
}

/// Local ICE credentials; the shard answers checks that carry them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

/// One encoding of a producer as negotiated. Either `ssrc` or `rid` is known in advance (a single
/// encoding may have neither: it is then found by mid alone).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodingOptions {
    pub rid: Option<String>,
    pub ssrc: Option<Ssrc>,
    pub rtx_ssrc: Option<Ssrc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerOptions {
    pub kind: Kind,
    pub mid: String,
    /// In order of quality, lowest first. At most [`MAX_ENCODINGS`].
    pub encodings: Vec<EncodingOptions>,
}

/// At most so many encodings in a producer.
pub const MAX_ENCODINGS: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerOptions {
    pub kind: Kind,
    /// m-line that this consumer feeds; written into the mid extension.
    pub mid: String,
    pub ssrc: Ssrc,
    pub rtx_ssrc: Option<Ssrc>,
    /// SDES CNAME of the outgoing stream.
    pub cname: String,
}

/// Highest layers a consumer may get. `u8::MAX` means "the best there is".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerLimit {
    /// Index into the producer's encodings (simulcast) or spatial layer (SVC).
    pub spatial: u8,
    pub temporal: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    AddRouter {
        router: RouterId,
    },
    /// Removes the router and all that hangs from it.
    RemoveRouter {
        router: RouterId,
    },
    /// A transport that answers STUN checks with these credentials from now on.
    AddTransport {
        transport: TransportId,
        router: RouterId,
        ice: IceCredentials,
    },
    RemoveTransport {
        transport: TransportId,
    },
    /// ICE restart: the new credentials are accepted beside the old ones until a check with the new
    /// ones nominates a pair; media goes on meanwhile.
    RestartIce {
        transport: TransportId,
        ice: IceCredentials,
    },
    SetSrtpKeys {
        transport: TransportId,
        keys: SrtpKeys,
    },
    /// Sends a DTLS datagram to the selected address (or the latest validated one).
    SendDtls {
        transport: TransportId,
        datagram: Vec<u8>,
    },
    /// What was negotiated, both directions as seen from the server. May be repeated after a re-offer.
    SetRtp {
        transport: TransportId,
        receive: RtpMap,
        send: RtpMap,
        rtcp_reduced_size: bool,
    },
    /// Bounds of the estimate of what the client's network carries, and where it begins.
    SetBandwidth {
        transport: TransportId,
        options: BweOptions,
    },
    /// What would be sent to the client if its network carried it: what probes are for. Zero: nothing more.
    SetDesiredBitrate {
        transport: TransportId,
        bps: u64,
    },
    AddProducer {
        producer: ProducerId,
        transport: TransportId,
        options: ProducerOptions,
    },
    RemoveProducer {
        producer: ProducerId,
    },
    /// While paused nothing of it is forwarded; when it resumes, consumers start with a keyframe.
    PauseProducer {
        producer: ProducerId,
        paused: bool,
    },
    AddConsumer {
        consumer: ConsumerId,
        transport: TransportId,
        options: ConsumerOptions,
    },
    RemoveConsumer {
        consumer: ConsumerId,
    },
    /// Feeds the consumer from another producer of the same router, or from none.
    SwitchConsumer {
        consumer: ConsumerId,
        producer: Option<ProducerId>,
    },
    SetLayers {
        consumer: ConsumerId,
        limit: LayerLimit,
    },
    /// The consumers of a transport shed their layers in this order, the lowest first, when more waits to be sent than
    /// its network carries.
    SetPriority {
        consumer: ConsumerId,
        priority: u8,
    },
    PauseConsumer {
        consumer: ConsumerId,
        paused: bool,
    },
    /// Makes the router's stage, of so many positions and a reserve, or changes whether silence is forwarded. The number
    /// of positions stays what it was at first.
    SetStage {
        router: RouterId,
        slots: u8,
        forward_silence: bool,
    },
    /// Brings an audio producer on its router's stage, or takes it off. `always`: it sounds while it is not digital
    /// silence, as what a screen plays does.
    StageProducer {
        producer: ProducerId,
        staged: bool,
        always: bool,
    },
    /// Feeds an audio consumer from a position of its router's stage from now on, or from nothing.
    StageConsumer {
        consumer: ConsumerId,
        position: Option<u8>,
    },
    /// Who has the floor, and who speaks.
    SetSpeakers {
        router: RouterId,
        dominant: Option<ProducerId>,
        audible: Vec<ProducerId>,
    },
    /// Asks the producer's sender for a keyframe, within the limits of `keyframe`.
    RequestKeyframe {
        producer: ProducerId,
    },
}
