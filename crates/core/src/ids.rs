//! Handles: small integers chosen by the control plane, unique in the life of a shard.

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
    };
}

handle!(/// The media scope of one meeting on one shard.
    RouterId);
handle!(/// One ICE + DTLS association with one client.
    TransportId);
handle!(/// One published source.
    ProducerId);
handle!(/// One outgoing RTP stream.
    ConsumerId);
handle!(/// RTP synchronisation source (RFC 3550 §3).
    Ssrc);
