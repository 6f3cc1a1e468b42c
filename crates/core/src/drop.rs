//! Why a datagram or packet ended here: every way has a name and a counter.

/// Every way a packet can end other than being forwarded or consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DropReason {
    /// Shorter than any packet of a protocol we speak, or its first byte belongs to none (RFC 7983).
    UnknownProtocol,
    /// Not STUN, and from an address that passed no check.
    UnknownAddress,
    /// Malformed STUN, or a STUN message that is not a binding request.
    StunMalformed,
    /// STUN for a username that is nobody's.
    StunUnknownUfrag,
    /// STUN whose MESSAGE-INTEGRITY or FINGERPRINT is wrong.
    StunUnauthenticated,
    /// More unauthenticated STUN work than we do in a second.
    StunRate,
    /// More DTLS datagrams than a handshake needs, or too large a one.
    DtlsRate,
    /// Media before the keys.
    SrtpNoKeys,
    /// SRTP or SRTCP that does not authenticate.
    SrtpUnauthenticated,
    /// SRTP or SRTCP index seen before, or older than the replay window.
    SrtpReplayed,
    /// Malformed or oversized SRTP or SRTCP, or a failed protection.
    SrtpMalformed,
    RtpMalformed,
    RtcpMalformed,
    /// SSRC, mid and rid fit no encoding of the transport.
    RtpUnknownStream,
    /// Payload type was not negotiated.
    RtpUnknownPayloadType,
    /// The same packet again.
    RtpDuplicate,
    /// Too old for the history ring, or a first packet far outside the sequence.
    RtpTooOld,
    /// Padding only (probes of a sender): counted, never forwarded.
    RtpPadding,
    /// Retransmission that carries no packet, or for an encoding that has no packets yet.
    RtxMalformed,
    /// The producer is paused.
    ProducerPaused,
    /// A producer on the stage is silent: nobody who hears the stage needs it.
    ProducerSilent,
    /// A packet that a layer gate took out of a consumer's stream.
    LayerGate,
    /// A late packet of a consumer's former source for which no place was kept.
    ConsumerLate,
    /// A consumer that waits for a keyframe.
    ConsumerWaits,
    /// A consumer whose transport cannot receive the codec.
    ConsumerCodec,
    /// A consumer whose transport has no keys or no address.
    ConsumerNotReady,
    /// Retransmission refused: the packet is gone.
    NackUnknown,
    /// Retransmission refused: sent less than one RTT ago.
    NackTooSoon,
    /// Retransmission refused: over the consumer's budget.
    NackBudget,
    /// Did not fit into the transmit arena.
    ArenaFull,
    /// Its outgoing number was given to another packet: a fault of ours, and nothing is sent.
    NumberTaken,
}

/// All reasons with the names under which they are counted.
pub const DROP_REASONS: [(DropReason, &str); DropReason::NumberTaken as usize + 1] = [
    (DropReason::UnknownProtocol, "unknown_protocol"),
    (DropReason::UnknownAddress, "unknown_address"),
    (DropReason::StunMalformed, "stun_malformed"),
    (DropReason::StunUnknownUfrag, "stun_unknown_ufrag"),
    (DropReason::StunUnauthenticated, "stun_unauthenticated"),
    (DropReason::StunRate, "stun_rate"),
    (DropReason::DtlsRate, "dtls_rate"),
    (DropReason::SrtpNoKeys, "srtp_no_keys"),
    (DropReason::SrtpUnauthenticated, "srtp_unauthenticated"),
    (DropReason::SrtpReplayed, "srtp_replayed"),
    (DropReason::SrtpMalformed, "srtp_malformed"),
    (DropReason::RtpMalformed, "rtp_malformed"),
    (DropReason::RtcpMalformed, "rtcp_malformed"),
    (DropReason::RtpUnknownStream, "rtp_unknown_stream"),
    (DropReason::RtpUnknownPayloadType, "rtp_unknown_payload_type"),
    (DropReason::RtpDuplicate, "rtp_duplicate"),
    (DropReason::RtpTooOld, "rtp_too_old"),
    (DropReason::RtpPadding, "rtp_padding"),
    (DropReason::RtxMalformed, "rtx_malformed"),
    (DropReason::ProducerPaused, "producer_paused"),
    (DropReason::ProducerSilent, "producer_silent"),
    (DropReason::LayerGate, "layer_gate"),
    (DropReason::ConsumerLate, "consumer_late"),
    (DropReason::ConsumerWaits, "consumer_waits"),
    (DropReason::ConsumerCodec, "consumer_codec"),
    (DropReason::ConsumerNotReady, "consumer_not_ready"),
    (DropReason::NackUnknown, "nack_unknown"),
    (DropReason::NackTooSoon, "nack_too_soon"),
    (DropReason::NackBudget, "nack_budget"),
    (DropReason::ArenaFull, "arena_full"),
    (DropReason::NumberTaken, "number_taken"),
];

/// One counter for each [`DropReason`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DROP_REASONS.len()]);

impl DropCounts {
    pub fn add(&mut self, reason: DropReason) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count = count.wrapping_add(1);
        }
    }

    pub fn count(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// (name, count) of every reason, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DROP_REASONS.iter().map(|&(reason, name)| (name, self.count(reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_place_and_has_its_own_name() {
        for (place, (reason, name)) in DROP_REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, place, "{name}");
            assert_eq!(DROP_REASONS.iter().filter(|(_, other)| other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn a_drop_is_counted_under_its_name() {
        let mut counts = DropCounts::default();
        counts.add(DropReason::NackBudget);
        counts.add(DropReason::NackBudget);
        assert_eq!(counts.iter().find(|(name, _)| *name == "nack_budget"), Some(("nack_budget", 2)));
    }
}
