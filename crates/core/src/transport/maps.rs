//! What a transport negotiated, in the forms that the packet path asks for.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::command::{Codec, CodecId, ExtensionKind, PayloadType, RtpMap};

/// More payload types than there are numbers is a mistake of the control plane.
const MAX_PAYLOAD_TYPES: usize = 128;
const MAX_EXTENSIONS: usize = 32;
/// Different maps: clients of a few kinds, with and without a camera.
const MAX_SHARED: usize = 16;

/// Why a map cannot be used.
pub fn fault(map: &RtpMap) -> Option<&'static str> {
    if map.payload_types.len() > MAX_PAYLOAD_TYPES {
        Some("too many payload types")
    } else if map.extensions.len() > MAX_EXTENSIONS {
        Some("too many header extensions")
    } else if map.payload_types.iter().any(|entry| entry.pt > 127 || entry.rtx_pt.is_some_and(|pt| pt > 127)) {
        Some("payload type out of range")
    } else if map.payload_types.iter().any(|entry| entry.clock_rate_hz == 0) {
        Some("clock rate out of range")
    } else if map.extensions.iter().any(|entry| entry.0 == 0) {
        Some("header extension id out of range")
    } else {
        None
    }
}

/// Direction client to server.
#[derive(Clone, Debug, Default)]
pub struct ReceiveMap {
    /// Nearly all clients agree on the same: what is read with each packet is once in memory, not a thousand times.
    map: Arc<RtpMap>,
}

impl ReceiveMap {
    pub fn new(map: Arc<RtpMap>) -> Self {
        Self { map }
    }

    pub fn payload_type(&self, pt: u8) -> Option<PayloadType> {
        self.map.payload_types.iter().find(|entry| entry.pt == pt).copied()
    }

    /// The payload type whose retransmissions come as `pt`.
    pub fn retransmitted_by(&self, pt: u8) -> Option<PayloadType> {
        self.map.payload_types.iter().find(|entry| entry.rtx_pt == Some(pt)).copied()
    }

    pub fn extension(&self, id: u8) -> Option<ExtensionKind> {
        self.map.extensions.iter().find(|entry| entry.0 == id).map(|entry| entry.1)
    }
}

/// Extension ids of the direction server to client; 0: not negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    pub mid: u8,
    pub abs_send_time: u8,
    pub transport_cc: u8,
    pub audio_level: u8,
    pub video_orientation: u8,
    pub playout_delay: u8,
    pub capture_time: u8,
    pub dependency_descriptor: u8,
}

impl ExtensionIds {
    /// An id needs the two-byte form (RFC 8285 §4.2: above 14).
    fn need_two_bytes(self) -> bool {
        let small = [self.mid, self.abs_send_time, self.transport_cc, self.audio_level];
        let large = [self.video_orientation, self.playout_delay, self.capture_time, self.dependency_descriptor];
        small.iter().chain(&large).any(|&id| id > 14)
    }
}

/// The last few maps that transports were given.
#[derive(Debug, Default)]
pub struct SharedMaps {
    known: VecDeque<Arc<RtpMap>>,
}

impl SharedMaps {
    /// The same map, in the memory of one that was there before.
    pub fn share(&mut self, map: RtpMap) -> Arc<RtpMap> {
        if let Some(known) = self.known.iter().find(|known| ***known == map) {
            return Arc::clone(known);
        }
        self.known.truncate(MAX_SHARED - 1);
        let map = Arc::new(map);
        self.known.push_front(Arc::clone(&map));
        map
    }
}

/// Direction server to client.
#[derive(Clone, Debug, Default)]
pub struct SendMap {
    payload_types: Vec<PayloadType>,
    pub ids: ExtensionIds,
    /// An id needs the two-byte form of extensions (RFC 8285 §4.3).
    pub needs_two_bytes: bool,
}

/// How one codec goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What the producer sends.
    pub codec: CodecId,
    pub pt: u8,
    pub rtx_pt: Option<u8>,
    pub clock_rate_hz: u32,
    /// The subscriber has Opus but not RED: it gets the primary block alone.
    pub strips_redundancy: bool,
}

impl SendMap {
    pub fn new(map: RtpMap) -> Self {
        let mut ids = ExtensionIds::default();
        for (id, kind) in map.extensions {
            match kind {
                ExtensionKind::Mid => ids.mid = id,
                ExtensionKind::AbsSendTime => ids.abs_send_time = id,
                ExtensionKind::TransportCc => ids.transport_cc = id,
                ExtensionKind::AudioLevel => ids.audio_level = id,
                ExtensionKind::VideoOrientation => ids.video_orientation = id,
                ExtensionKind::PlayoutDelay => ids.playout_delay = id,
                ExtensionKind::AbsCaptureTime => ids.capture_time = id,
                ExtensionKind::DependencyDescriptor => ids.dependency_descriptor = id,
                // Names of the sender's encodings: a consumer's stream is not one of them.
                ExtensionKind::Rid | ExtensionKind::RepairedRid => {}
            }
        }
        Self { payload_types: map.payload_types, ids, needs_two_bytes: ids.need_two_bytes() }
    }

    /// `None` when the subscriber cannot decode this codec.
    pub fn outgoing(&self, codec: CodecId) -> Option<Outgoing> {
        let found = |wanted: CodecId| self.payload_types.iter().find(|entry| entry.codec == wanted).copied();
        let (entry, strips_redundancy) = match found(codec) {
            Some(entry) => (entry, false),
            None if codec.codec == Codec::Red => {
                (self.payload_types.iter().find(|entry| entry.codec.codec == Codec::Opus).copied()?, true)
            }
            None => return None,
        };
        Some(Outgoing {
            codec,
            pt: entry.pt,
            rtx_pt: entry.rtx_pt,
            clock_rate_hz: entry.clock_rate_hz,
            strips_redundancy,
        })
    }

    /// Of redundant audio (RFC 2198).
    pub fn red_pt(&self) -> Option<u8> {
        self.payload_types.iter().find(|entry| entry.codec.codec == Codec::Red).map(|entry| entry.pt)
    }

    /// For padding before the first media: a payload type of retransmissions.
    pub fn any_rtx_pt(&self) -> Option<u8> {
        self.payload_types.iter().find_map(|entry| entry.rtx_pt)
    }

    /// Nothing was negotiated yet.
    pub fn is_empty(&self) -> bool {
        self.payload_types.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pt: u8, codec: Codec) -> PayloadType {
        PayloadType { pt, codec: CodecId { codec, variant: 0 }, clock_rate_hz: 48_000, rtx_pt: None }
    }

    #[test]
    fn red_without_a_payload_type_goes_out_as_opus() {
        let map = SendMap::new(RtpMap { payload_types: vec![entry(111, Codec::Opus)], extensions: vec![] });
        let outgoing = map.outgoing(CodecId { codec: Codec::Red, variant: 0 }).expect("as opus");
        assert_eq!((outgoing.pt, outgoing.strips_redundancy), (111, true));
        assert_eq!(map.outgoing(CodecId { codec: Codec::Vp8, variant: 0 }), None);
    }

    #[test]
    fn equal_maps_are_shared_and_of_many_different_ones_few_are_kept() {
        let map = |pt| RtpMap { payload_types: vec![entry(pt, Codec::Opus)], extensions: vec![] };
        let mut shared = SharedMaps::default();
        let first = shared.share(map(100));
        assert!(Arc::ptr_eq(&first, &shared.share(map(100))));
        assert!((0..100).all(|pt| *shared.share(map(pt)) == map(pt)));
        assert_eq!(shared.known.len(), MAX_SHARED);
        assert_eq!(*first, map(100));
    }

    #[test]
    fn every_fault_of_a_map_has_its_reason() {
        let good = RtpMap { payload_types: vec![entry(96, Codec::Vp8)], extensions: vec![(4, ExtensionKind::Mid)] };
        assert_eq!(fault(&good), None);
        let with = |change: &dyn Fn(&mut RtpMap)| {
            let mut map = good.clone();
            change(&mut map);
            fault(&map)
        };
        assert_eq!(with(&|map| map.payload_types = vec![entry(1, Codec::Vp8); 129]), Some("too many payload types"));
        assert_eq!(with(&|map| map.extensions = vec![(1, ExtensionKind::Mid); 33]), Some("too many header extensions"));
        assert_eq!(with(&|map| map.payload_types = vec![entry(200, Codec::Vp8)]), Some("payload type out of range"));
        let silent = PayloadType { clock_rate_hz: 0, ..entry(9, Codec::Opus) };
        assert_eq!(with(&|map| map.payload_types = vec![silent]), Some("clock rate out of range"));
        assert_eq!(
            with(&|map| map.extensions = vec![(0, ExtensionKind::Mid)]),
            Some("header extension id out of range")
        );
    }
}
