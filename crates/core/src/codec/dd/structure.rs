//! `template_dependency_structure` (AV1 RTP payload format 1.0, A.8.2): layers, templates, chains.

use super::super::CodecError;
use super::super::bits::BitReader;
use super::Dtis;
use crate::codec::size::Size;

/// Six bits of template id.
pub const MAX_TEMPLATES: usize = 64;
/// Five bits of count.
pub const MAX_DECODE_TARGETS: usize = 32;
/// A.8.1.3: spatial ids 0..=3, temporal ids 0..=7.
const MAX_SPATIAL_LAYERS: u8 = 4;
const MAX_TEMPORAL_LAYERS: u8 = 8;

/// What many frames have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) sid: u8,
    pub(super) tid: u8,
    pub(super) dtis: Dtis,
    /// Bit i: refers to the frame `i + 1` numbers back.
    pub(super) fdiffs: u16,
    /// Four bits for each chain.
    chain_fdiffs: u128,
}

impl Template {
    pub(super) fn chain_fdiff(&self, chain: usize) -> u8 {
        ((self.chain_fdiffs >> (4 * chain).min(124)) & 0x0F) as u8
    }
}

/// A set of frames that can be decoded together: everything up to a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeTarget {
    pub sid: u8,
    pub tid: u8,
    /// The chain whose frames must all arrive; `None` when there are no chains.
    pub chain: Option<u8>,
}

/// The structure of a coded video sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure {
    template_id_offset: u8,
    template_count: usize,
    templates: [Template; MAX_TEMPLATES],
    target_count: usize,
    targets: [DecodeTarget; MAX_DECODE_TARGETS],
    chain_count: usize,
    /// Highest spatial layer.
    pub max_sid: u8,
    /// (width, height) in pixels of each spatial layer, when told.
    pub resolutions: Option<[(u32, u32); MAX_SPATIAL_LAYERS as usize]>,
}

impl Structure {
    pub(super) fn parse(bits: &mut BitReader<'_>) -> Result<Self, CodecError> {
        let template_id_offset = bits.bits(6)? as u8;
        let target_count = bits.bits(5)? as usize + 1;
        let mut structure = Self {
            template_id_offset,
            template_count: 0,
            templates: [Template::default(); MAX_TEMPLATES],
            target_count,
            targets: [DecodeTarget::default(); MAX_DECODE_TARGETS],
            chain_count: 0,
            max_sid: 0,
            resolutions: None,
        };
        structure.parse_layers(bits)?;
        structure.parse_dtis(bits)?;
        structure.parse_fdiffs(bits)?;
        structure.parse_chains(bits)?;
        structure.place_targets();
        structure.parse_resolutions(bits)?;
        Ok(structure)
    }

    /// The template that a descriptor's id means in this structure.
    pub(super) fn template(&self, template_id: u8) -> Option<&Template> {
        let index = usize::from((template_id + 64 - self.template_id_offset) % 64);
        self.templates.get(..self.template_count)?.get(index)
    }

    pub fn decode_targets(&self) -> &[DecodeTarget] {
        self.targets.get(..self.target_count).unwrap_or_default()
    }

    pub fn chain_count(&self) -> usize {
        self.chain_count
    }

    /// One bit for each decode target.
    pub(super) fn all_decode_targets(&self) -> u32 {
        u32::MAX >> (MAX_DECODE_TARGETS - self.target_count.clamp(1, MAX_DECODE_TARGETS))
    }

    /// The best decode target within these layers.
    pub fn best_target(&self, max_sid: u8, max_tid: u8) -> Option<usize> {
        let within = self.decode_targets().iter().enumerate().filter(|(_, t)| t.sid <= max_sid && t.tid <= max_tid);
        within.max_by_key(|(_, target)| (target.sid, target.tid)).map(|(index, _)| index)
    }

    /// Of the highest spatial layer, when told.
    pub fn largest_size(&self) -> Option<Size> {
        let (width, height) = *self.resolutions?.get(usize::from(self.max_sid))?;
        Some(Size { width, height })
    }

    fn used(&mut self) -> impl Iterator<Item = &mut Template> {
        self.templates.iter_mut().take(self.template_count)
    }

    /// `template_layers`: each template's layer, by steps from the one before.
    fn parse_layers(&mut self, bits: &mut BitReader<'_>) -> Result<(), CodecError> {
        let (mut sid, mut tid) = (0, 0);
        loop {
            let template = self.templates.get_mut(self.template_count).ok_or(CodecError::Malformed)?;
            (template.sid, template.tid) = (sid, tid);
            self.template_count += 1;
            self.max_sid = sid;
            match bits.bits(2)? {
                0 => {}
                1 => tid += 1,
                2 => (sid, tid) = (sid + 1, 0),
                _ => return Ok(()),
            }
            if sid >= MAX_SPATIAL_LAYERS || tid >= MAX_TEMPORAL_LAYERS {
                return Err(CodecError::Malformed);
            }
        }
    }

    fn parse_dtis(&mut self, bits: &mut BitReader<'_>) -> Result<(), CodecError> {
        let targets = self.target_count;
        for template in self.used() {
            for target in 0..targets {
                template.dtis.set(target, bits.bits(2)?);
            }
        }
        Ok(())
    }

    fn parse_fdiffs(&mut self, bits: &mut BitReader<'_>) -> Result<(), CodecError> {
        for template in self.used() {
            while bits.flag()? {
                template.fdiffs |= 1 << bits.bits(4)?;
            }
        }
        Ok(())
    }

    fn parse_chains(&mut self, bits: &mut BitReader<'_>) -> Result<(), CodecError> {
        let targets = self.target_count;
        self.chain_count = bits.below(targets as u32 + 1)? as usize;
        let chains = self.chain_count;
        if chains == 0 {
            return Ok(());
        }
        for target in self.targets.iter_mut().take(targets) {
            target.chain = Some(bits.below(chains as u32)? as u8);
        }
        for template in self.used() {
            for chain in 0..chains {
                template.chain_fdiffs |= u128::from(bits.bits(4)?) << (4 * chain).min(124);
            }
        }
        Ok(())
    }

    /// `decode_target_layers`: a target reaches as far as the highest template that is part of it.
    fn place_targets(&mut self) {
        let templates = self.templates.get(..self.template_count).unwrap_or_default();
        for (index, target) in self.targets.iter_mut().take(self.target_count).enumerate() {
            for template in templates.iter().filter(|t| t.dtis.dti(index) != super::Dti::NotPresent) {
                target.sid = target.sid.max(template.sid);
                target.tid = target.tid.max(template.tid);
            }
        }
    }

    fn parse_resolutions(&mut self, bits: &mut BitReader<'_>) -> Result<(), CodecError> {
        if !bits.flag()? {
            return Ok(());
        }
        let mut resolutions = [(0, 0); MAX_SPATIAL_LAYERS as usize];
        for resolution in resolutions.iter_mut().take(usize::from(self.max_sid) + 1) {
            *resolution = (bits.bits(16)? + 1, bits.bits(16)? + 1);
        }
        self.resolutions = Some(resolutions);
        Ok(())
    }
}
