//! What a shard has counted, as plain values.
//!
//! A [`Snapshot`] is a copy; nothing in it refers to the shard. The names of the fields are the
//! names that the control plane sees (`fields()` of each struct gives them beside their values).

use std::net::SocketAddr;

use crate::drop::DropCounts;
use crate::ids::{ConsumerId, ProducerId, RouterId, TransportId};
use crate::mid::Mid;
use crate::time::Time;

/// A statistic's value when its type does not matter to who reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<u64>),
    None,
}

macro_rules! value_from_integers {
    ($($ty:ty),*) => { $( impl From<$ty> for Value { fn from(value: $ty) -> Self { Self::Uint(u64::from(value)) } } )* };
}
value_from_integers!(u8, u16, u32, u64, bool);

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<const N: usize> From<[u64; N]> for Value {
    fn from(values: [u64; N]) -> Self {
        Self::List(values.to_vec())
    }
}

impl From<Mid> for Value {
    fn from(value: Mid) -> Self {
        Self::Text(value.as_str().to_owned())
    }
}

impl From<SocketAddr> for Value {
    fn from(value: SocketAddr) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// A struct of statistics that can name its fields.
macro_rules! statistics {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl $name {
            /// (name, value) of every field.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, Value)> + use<> {
                [$((stringify!($field), Value::from(self.$field.clone())),)*].into_iter()
            }
        }
    };
}

statistics! {
    /// Totals of a shard since it was made.
    Counters {
        /// Datagrams of every kind.
        rx_packets: u64,
        rx_bytes: u64,
        tx_packets: u64,
        tx_bytes: u64,
        rx_stun: u64,
        tx_stun: u64,
        rx_dtls: u64,
        tx_dtls: u64,
        /// Authenticated RTP packets, retransmissions and padding included.
        rx_rtp: u64,
        /// RTP packets to subscribers, retransmissions included.
        tx_rtp: u64,
        /// Authenticated compound RTCP packets.
        rx_rtcp: u64,
        tx_rtcp: u64,
        /// Packets that publishers sent again and that were missing.
        rx_recovered: u64,
        /// Packets sent again to subscribers.
        tx_retransmitted: u64,
        /// Packets sent to subscribers for probes alone: media once more, or padding.
        tx_probes: u64,
        /// Packets to subscribers that had to wait for their time.
        tx_paced: u64,
        /// Packets of audio that carried the frame before too.
        tx_redundant: u64,
        /// Sequence numbers asked for by subscribers.
        rx_nacks: u64,
        /// Sequence numbers asked for from publishers.
        tx_nacks: u64,
        /// Keyframe requests (PLI and FIR) of subscribers.
        rx_plis: u64,
        tx_plis: u64,
        /// Transport-wide feedback packets sent to publishers, received from subscribers.
        tx_transport_feedback: u64,
        rx_transport_feedback: u64,
        /// Datagrams of it from subscribers whose network nobody estimates: not decrypted.
        rx_feedback_unread: u64,
        rx_keyframes: u64,
        /// Changes of who stands on a stage.
        stage_changes: u64,
        ice_selections: u64,
        consents_expired: u64,
        commands: u64,
        commands_failed: u64,
        /// Events that did not fit into the queue.
        events_lost: u64,
    }
}

statistics! {
    /// One transport.
    TransportStats {
        router: u32,
        /// "new": no nominated address yet; "connected"; "expired": consent is gone.
        state: &'static str,
        /// Selected remote address.
        remote: Option<SocketAddr>,
        socket: Option<u8>,
        /// SRTP profile once there are keys.
        srtp_profile: Option<&'static str>,
        validated_addresses: u64,
        rx_packets: u64,
        rx_bytes: u64,
        tx_packets: u64,
        tx_bytes: u64,
        /// Round trip by the reports of what we send (RFC 3550 §6.4.1), else by extended reports.
        rtt_us: Option<u64>,
        /// Since the last valid check.
        consent_age_us: Option<u64>,
        producers: u64,
        consumers: u64,
        /// What the client's network carries; `None` without video consumers.
        estimate_bps: Option<u64>,
        /// What arrived, and what was sent, over about the last half second.
        acked_bps: Option<u64>,
        sent_bps: Option<u64>,
        /// Share of packets that did not arrive, 0..1.
        loss: Option<f64>,
        /// How long packets wait in the network's queues.
        queue_us: Option<u64>,
        /// Bytes of media that wait for their time to be sent.
        pacer_bytes: u64,
        /// What the estimate rests on: "`transport_cc`", "remb", or `None` (nothing, or reception reports alone).
        feedback: Option<&'static str>,
    }
}

statistics! {
    /// One encoding of a producer.
    EncodingStats {
        rid: Option<String>,
        ssrc: Option<u32>,
        rtx_ssrc: Option<u32>,
        codec: Option<&'static str>,
        /// The control plane's number for the codec's format.
        codec_variant: Option<u8>,
        /// Packets arrived within the last second or so.
        active: bool,
        packets: u64,
        bytes: u64,
        bitrate_bps: u64,
        /// Cumulative, RFC 3550 (what was recovered is not lost).
        lost: u64,
        duplicates: u64,
        /// Came by retransmission.
        recovered: u64,
        /// Sequence numbers asked for.
        nacks: u64,
        plis: u64,
        jitter_us: u64,
        keyframes: u64,
        /// Highest layers seen lately.
        spatial_layers: u8,
        temporal_layers: u8,
        /// What is sent up to a layer, at spatial * 4 + temporal; 0 for layers that do not come.
        layer_bitrates_bps: [u64; 16],
        /// Of the highest spatial layer, by the last keyframe.
        width: Option<u32>,
        height: Option<u32>,
        /// Frames per second with all layers.
        frame_rate: Option<f64>,
        /// Memory of the history ring.
        history_bytes: u64,
    }
}

statistics! {
    /// One producer; its encodings are beside it in [`ProducerSnapshot`].
    ProducerStats {
        transport: u32,
        kind: &'static str,
        mid: Mid,
        paused: bool,
        consumers: u64,
        /// Of the last packet that told, -dBov (0 loudest, 127 silence).
        audio_level_dbov: Option<u8>,
        voice_activity: Option<bool>,
    }
}

statistics! {
    /// One consumer.
    ConsumerStats {
        transport: u32,
        producer: Option<u32>,
        kind: &'static str,
        mid: Mid,
        ssrc: u32,
        rtx_ssrc: Option<u32>,
        paused: bool,
        packets: u64,
        bytes: u64,
        bitrate_bps: u64,
        retransmitted: u64,
        /// Sequence numbers that the subscriber asked for.
        nacks: u64,
        plis: u64,
        /// Of the last interval, by the subscriber's report.
        fraction_lost: Option<f64>,
        lost: Option<u64>,
        jitter_us: Option<u64>,
        rtt_us: Option<u64>,
        spatial_layer: Option<u8>,
        temporal_layer: Option<u8>,
        preferred_spatial_layer: u8,
        preferred_temporal_layer: u8,
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProducerSnapshot {
    pub id: ProducerId,
    pub stats: ProducerStats,
    pub encodings: Vec<EncodingStats>,
}

/// Everything a shard knows about itself: nothing in it is older than `now`, and one gathered in pieces is a little younger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub now: Time,
    pub counters: Counters,
    pub drops: DropCounts,
    pub routers: Vec<RouterId>,
    /// Who stands where on the routers' stages; the last position is the reserve.
    pub stages: Vec<(RouterId, Vec<Option<ProducerId>>)>,
    pub transports: Vec<(TransportId, TransportStats)>,
    pub producers: Vec<ProducerSnapshot>,
    pub consumers: Vec<(ConsumerId, ConsumerStats)>,
}
