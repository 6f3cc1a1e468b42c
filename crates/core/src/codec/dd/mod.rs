//! The dependency descriptor (AV1 RTP payload format 1.0, appendix A): an RTP header extension that
//! tells layers and references of a frame without the payload, which may be end-to-end encrypted.
//!
//! A packet names a *template*; the templates come with a keyframe, in a structure that the reader
//! remembers. One [`DependencyReader`] serves one stream, fed in the order of sequence numbers.

pub mod rewrite;
mod structure;

#[cfg(test)]
mod tests;

pub use structure::{DecodeTarget, MAX_DECODE_TARGETS, MAX_TEMPLATES, Structure};

pub use rewrite::MaskPlace;

use super::bits::BitReader;
use super::{CodecError, FrameMarks};
use crate::wire::{put, u8_at, u16_at};

/// Bytes of the fields that every descriptor has.
const MANDATORY_LEN: usize = 3;

/// What a frame is to a decode target (A.8.1.2, "decode target indication").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dti {
    NotPresent,
    /// Of the target, and no other frame of the target refers to it.
    Discardable,
    /// Of the target; a decoder that decoded all frames of this frame's layers can go on with it.
    Switch,
    Required,
}

/// Indications for up to 32 decode targets, two bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dtis(u64);

impl Dtis {
    fn set(&mut self, target: usize, bits: u32) {
        self.0 |= u64::from(bits & 3) << (2 * target).min(62);
    }

    /// Of a decode target below [`MAX_DECODE_TARGETS`].
    pub fn dti(self, target: usize) -> Dti {
        match (self.0 >> (2 * target).min(62)) & 3 {
            0 => Dti::NotPresent,
            1 => Dti::Discardable,
            2 => Dti::Switch,
            _ => Dti::Required,
        }
    }
}

/// The fields that stand in front of every descriptor and need no structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mandatory {
    pub starts_frame: bool,
    pub ends_frame: bool,
    pub template_id: u8,
    pub frame_number: u16,
}

impl Mandatory {
    pub fn parse(value: &[u8]) -> Result<Self, CodecError> {
        let first = u8_at(value, 0).ok_or(CodecError::Truncated)?;
        Ok(Self {
            starts_frame: first & 0x80 != 0,
            ends_frame: first & 0x40 != 0,
            template_id: first & 0x3F,
            frame_number: u16_at(value, 1).ok_or(CodecError::Truncated)?,
        })
    }
}

/// Replaces the frame number in place; references are distances and stay right.
pub fn rewrite_frame_number(value: &mut [u8], frame_number: u16) -> Result<(), CodecError> {
    put(value, 1, &frame_number.to_be_bytes()).map_err(|_| CodecError::Truncated)
}

/// One packet's descriptor, its template resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor {
    pub mandatory: Mandatory,
    /// The packet brought a new structure.
    pub has_structure: bool,
    pub sid: u8,
    pub tid: u8,
    pub dtis: Dtis,
    /// The frame refers to earlier ones.
    pub has_references: bool,
    /// How many frame numbers back the farthest of them is; 0 without any.
    pub farthest_reference: u16,
    /// For each chain, how many frame numbers back its previous frame is; 0: it starts here.
    pub chain_fdiffs: [u8; MAX_DECODE_TARGETS],
    /// Bit i: decode target i is still sent. Told when it changes; the reader remembers it.
    pub active_decode_targets: Option<u32>,
    pub mask_place: MaskPlace,
}

/// Reads the descriptors of one stream.
#[derive(Clone, Debug, Default)]
pub struct DependencyReader {
    /// Some 2.5 kB, allocated when the first structure comes, overwritten by later ones.
    structure: Option<Box<Structure>>,
    active_decode_targets: u32,
    /// Number of the newest frame of the lowest spatial layer: a picture begins with it.
    picture_start: Option<u16>,
}

impl DependencyReader {
    pub fn structure(&self) -> Option<&Structure> {
        self.structure.as_deref()
    }

    /// Decode targets that the sender still sends, one bit each.
    pub fn active_decode_targets(&self) -> u32 {
        self.active_decode_targets
    }

    /// Reads the extension's value. After an error the reader is as before.
    pub fn read(&mut self, value: &[u8]) -> Result<DependencyDescriptor, CodecError> {
        let mandatory = Mandatory::parse(value)?;
        let mut bits = BitReader::new(value.get(MANDATORY_LEN..).unwrap_or_default());
        let flags = Flags::parse(&mut bits, value.len() > MANDATORY_LEN)?;
        if !flags.has_structure {
            let structure = self.structure.as_deref().ok_or(CodecError::Malformed)?;
            let descriptor = resolve(mandatory, flags, structure, &mut bits)?;
            self.active_decode_targets = descriptor.active_decode_targets.unwrap_or(self.active_decode_targets);
            self.note_picture(&descriptor);
            return Ok(descriptor);
        }
        let structure = Structure::parse(&mut bits)?;
        let descriptor = resolve(mandatory, flags, &structure, &mut bits)?;
        self.active_decode_targets = descriptor.active_decode_targets.unwrap_or(structure.all_decode_targets());
        match &mut self.structure {
            Some(known) => **known = structure,
            None => self.structure = Some(Box::new(structure)),
        }
        self.picture_start = None;
        self.note_picture(&descriptor);
        Ok(descriptor)
    }

    fn note_picture(&mut self, descriptor: &DependencyDescriptor) {
        let number = descriptor.mandatory.frame_number;
        let is_newer = |start: u16| number.wrapping_sub(start).cast_signed() > 0;
        if descriptor.sid == 0 && self.picture_start.is_none_or(is_newer) {
            self.picture_start = Some(number);
        }
    }

    /// The frame refers to frames of its own picture alone.
    fn is_within_picture(&self, descriptor: &DependencyDescriptor) -> bool {
        let Some(start) = self.picture_start else { return false };
        let behind = descriptor.mandatory.frame_number.wrapping_sub(start);
        // A picture has one frame of each spatial layer: farther away it is another one.
        behind <= u16::from(descriptor.sid) && descriptor.farthest_reference <= behind
    }

    /// Decode targets, a bit each, that are sent and lie within these layers.
    pub fn targets_within(&self, max_sid: u8, max_tid: u8) -> u32 {
        let targets = self.structure().map(Structure::decode_targets).unwrap_or_default().iter().enumerate();
        let within = targets.filter(|(_, target)| target.sid <= max_sid && target.tid <= max_tid);
        within.fold(0, |mask, (index, _)| mask | 1 << index) & self.active_decode_targets
    }

    fn chain_distance(&self, descriptor: &DependencyDescriptor) -> Option<u8> {
        let structure = self.structure().filter(|structure| structure.chain_count() > 0)?;
        let targets = structure.decode_targets().iter().enumerate();
        let active = targets.filter(|(index, _)| self.active_decode_targets >> index & 1 == 1);
        let back = active.filter_map(|(_, target)| descriptor.chain_fdiffs.get(usize::from(target.chain?)).copied());
        Some(back.filter(|&distance| distance > 0).min().unwrap_or(0))
    }

    /// Marks of a packet whose descriptor this reader has just read.
    pub fn marks(&self, descriptor: &DependencyDescriptor) -> FrameMarks {
        let targets = self.structure().map(Structure::decode_targets).unwrap_or_default();
        let dti = |target: usize| descriptor.dtis.dti(target);
        let of_layer = || targets.iter().enumerate().filter(|(_, target)| target.sid == descriptor.sid);
        let switches = |(index, _): (usize, &DecodeTarget)| dti(index) == Dti::Switch;
        // In all spatial layers from its own on, as far as the subscriber may get.
        let same_tid = || {
            let from = |target: &DecodeTarget| target.sid >= descriptor.sid && target.tid == descriptor.tid;
            targets.iter().enumerate().filter(move |(_, target)| from(target))
        };
        let switch_here = same_tid().next().is_some() && same_tid().all(switches);
        // A decoder that has this frame can go on with every target that it is a switch for.
        let has_higher = of_layer().any(|(_, target)| target.tid > descriptor.tid);
        let switch_after = has_higher && of_layer().filter(|(_, target)| target.tid > descriptor.tid).all(switches);
        let mandatory = descriptor.mandatory;
        let goes_on = || of_layer().filter(|(_, target)| target.tid >= descriptor.tid).all(switches);
        let opens_layer = descriptor.sid > 0 && goes_on() && self.is_within_picture(descriptor);
        let is_independent = descriptor.has_structure && !descriptor.has_references && descriptor.sid == 0;
        FrameMarks {
            starts_keyframe: mandatory.starts_frame && is_independent,
            starts_layer_frame: mandatory.starts_frame,
            ends_layer_frame: mandatory.ends_frame,
            switch_here,
            switch_after,
            opens_layer,
            targets: descriptor.mask_place,
            chain_distance: self.chain_distance(descriptor),
            is_discardable: (0..targets.len()).all(|t| matches!(dti(t), Dti::NotPresent | Dti::Discardable)),
            sid: descriptor.sid,
            tid: descriptor.tid,
            ..FrameMarks::default()
        }
    }
}

/// The five flags in front of the optional parts (A.8.2, `extended_descriptor_fields`).
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    has_structure: bool,
    has_active_decode_targets: bool,
    has_custom_dtis: bool,
    has_custom_fdiffs: bool,
    has_custom_chains: bool,
}

impl Flags {
    fn parse(bits: &mut BitReader<'_>, is_extended: bool) -> Result<Self, CodecError> {
        if !is_extended {
            return Ok(Self::default());
        }
        Ok(Self {
            has_structure: bits.flag()?,
            has_active_decode_targets: bits.flag()?,
            has_custom_dtis: bits.flag()?,
            has_custom_fdiffs: bits.flag()?,
            has_custom_chains: bits.flag()?,
        })
    }
}

/// `frame_dependency_definition` (A.8.2) behind flags and structure.
fn resolve(
    mandatory: Mandatory,
    flags: Flags,
    structure: &Structure,
    bits: &mut BitReader<'_>,
) -> Result<DependencyDescriptor, CodecError> {
    let targets = structure.decode_targets().len();
    let mask_place = MaskPlace {
        at: (8 * MANDATORY_LEN + bits.position()) as u16,
        targets: targets as u8,
        is_there: flags.has_active_decode_targets,
    };
    let active_decode_targets = if flags.has_active_decode_targets { Some(bits.bits(targets as u32)?) } else { None };
    let template = structure.template(mandatory.template_id).ok_or(CodecError::Malformed)?;
    let mut descriptor = DependencyDescriptor {
        mandatory,
        has_structure: flags.has_structure,
        sid: template.sid,
        tid: template.tid,
        dtis: template.dtis,
        has_references: template.fdiffs != 0,
        farthest_reference: (u16::BITS - template.fdiffs.leading_zeros()) as u16,
        chain_fdiffs: [0; MAX_DECODE_TARGETS],
        active_decode_targets,
        mask_place,
    };
    if flags.has_custom_dtis {
        descriptor.dtis = Dtis::default();
        for target in 0..targets {
            descriptor.dtis.set(target, bits.bits(2)?);
        }
    }
    if flags.has_custom_fdiffs {
        descriptor.farthest_reference = farthest_fdiff(bits)?;
        descriptor.has_references = descriptor.farthest_reference > 0;
    }
    for (chain, fdiff) in descriptor.chain_fdiffs.iter_mut().take(structure.chain_count()).enumerate() {
        *fdiff = if flags.has_custom_chains { bits.bits(8)? as u8 } else { template.chain_fdiff(chain) };
    }
    Ok(descriptor)
}

/// Custom references: two bits of size in nibbles, then so many; size 0 ends. Bounded by the value's
/// 255 bytes.
fn farthest_fdiff(bits: &mut BitReader<'_>) -> Result<u16, CodecError> {
    let mut farthest = 0;
    loop {
        let nibbles = bits.bits(2)?;
        if nibbles == 0 {
            return Ok(farthest);
        }
        farthest = farthest.max(bits.bits(4 * nibbles)? as u16 + 1);
    }
}
