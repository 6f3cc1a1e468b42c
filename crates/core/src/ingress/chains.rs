//! Whether a packet that was lost on the way to the server is worth a keyframe, should it not come any more.
//!
//! A dependency descriptor names, for each decode target, a *chain* of frames without which the target cannot be decoded
//! (AV1 RTP payload format 1.0, A.8.1.3), and each frame says how far back the last one of each chain is. Frames in none
//! of the chains may be missing: what refers to them is not decoded, and the next frame of a chain is.

use crate::cache::{Cached, HistoryRing};
use crate::wire::u16_at;

/// Packets to each side of a gap among which its neighbours are looked for; a longer frame counts as needed.
const SEARCH: u64 = 64;

/// Whether something stays undecodable until a keyframe without this packet. Yes, unless descriptors say otherwise.
pub fn is_needed(ring: &HistoryRing, ext_seq: u64) -> bool {
    breaks_chain(ring, ext_seq).unwrap_or(true)
}

fn breaks_chain(ring: &HistoryRing, ext_seq: u64) -> Option<bool> {
    let before = (1..=SEARCH).find_map(|back| ring.get(ext_seq.checked_sub(back)?))?;
    let starts_frame = |cached: &Cached<'_>| cached.meta.marks.starts_layer_frame && cached.meta.payload_len > 0;
    let after = (1..=SEARCH).find_map(|ahead| ring.get(ext_seq + ahead).filter(starts_frame))?;
    // The last frame of which all came; what is between it and the frame that begins next may be damaged.
    let whole = frame_number(&before)?.wrapping_sub(u16::from(!before.meta.marks.ends_layer_frame));
    let distance = after.meta.marks.chain_distance?;
    Some(distance > 0 && u16::from(distance) < frame_number(&after)?.wrapping_sub(whole))
}

/// Of the dependency descriptor: bits 8 to 23.
pub fn frame_number(cached: &Cached<'_>) -> Option<u16> {
    let place = cached.meta.extensions.dependency_descriptor;
    if place.len < 3 {
        return None;
    }
    u16_at(cached.bytes, usize::from(place.start) + 1)
}
