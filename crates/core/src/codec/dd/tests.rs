//! Structures are written here bit by bit, as the specification's syntax tables say.

use super::*;
use proptest::prelude::*;

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        self.0
            .chunks(8)
            .map(|bits| bits.iter().enumerate().fold(0, |b, (i, bit)| b | u8::from(*bit) << (7 - i)))
            .collect()
    }
}

/// Mandatory fields and the five flags.
fn head(starts: bool, ends: bool, template_id: u32, frame_number: u32, flags: u32) -> Bits {
    let mut bits = Bits::default();
    bits.put(u32::from(starts), 1).put(u32::from(ends), 1).put(template_id, 6).put(frame_number, 16).put(flags, 5);
    bits
}

/// L1T2: templates 10 (T0 key), 11 (T0), 12 (T1); targets T1 and T0; one chain; one resolution.
fn put_l1t2(bits: &mut Bits) {
    bits.put(10, 6).put(1, 5);
    bits.put(0, 2).put(1, 2).put(3, 2);
    bits.put(0b10_10, 4).put(0b11_11, 4).put(0b01_00, 4);
    bits.put(0, 1).put(1, 1).put(1, 4).put(0, 1).put(1, 1).put(0, 4).put(0, 1);
    // ns(3) of 1 chain is the two bits 10; ns(1) takes none.
    bits.put(0b10, 2);
    bits.put(0, 4).put(2, 4).put(1, 4);
    bits.put(1, 1).put(639, 16).put(359, 16);
}

fn keyframe() -> Vec<u8> {
    let mut bits = head(true, false, 10, 500, 0b10000);
    put_l1t2(&mut bits);
    bits.bytes()
}

#[test]
fn a_keyframe_brings_the_structure() {
    let mut reader = DependencyReader::default();
    let descriptor = reader.read(&keyframe()).unwrap();
    let structure = reader.structure().unwrap();
    let target = |tid| DecodeTarget { sid: 0, tid, chain: Some(0) };
    assert_eq!(structure.decode_targets(), &[target(1), target(0)]);
    assert_eq!((structure.max_sid, structure.resolutions.unwrap()[0]), (0, (640, 360)));
    assert_eq!((structure.best_target(0, 0), structure.best_target(3, 7)), (Some(1), Some(0)));
    assert_eq!(reader.active_decode_targets(), 0b11);
    assert!(descriptor.has_structure && !descriptor.has_references);
    let marks = reader.marks(&descriptor);
    assert!(marks.starts_keyframe && marks.starts_layer_frame && !marks.ends_layer_frame);
    assert!(marks.switch_here && marks.switch_after);
    assert_eq!(marks.chain_distance, Some(0), "its chain starts here");
}

#[test]
fn later_packets_resolve_their_template() {
    let mut reader = DependencyReader::default();
    reader.read(&keyframe()).unwrap();
    let t0 = reader.read(&[0xCB, 1, 0xF6]).unwrap();
    assert_eq!((t0.tid, t0.mandatory.frame_number, t0.chain_fdiffs[0]), (0, 502, 2));
    assert_eq!((t0.dtis.dti(0), t0.dtis.dti(1), t0.has_references), (Dti::Required, Dti::Required, true));
    let t1 = reader.read(&[0xCC, 1, 0xF7]).unwrap();
    assert_eq!((t1.tid, t1.dtis.dti(0), t1.dtis.dti(1)), (1, Dti::Discardable, Dti::NotPresent));
    assert!(reader.marks(&t1).is_discardable && !reader.marks(&t0).is_discardable);
    assert_eq!((reader.marks(&t0).chain_distance, reader.marks(&t1).chain_distance), (Some(2), Some(1)));
    assert!(!reader.marks(&t0).starts_keyframe && !reader.marks(&t0).switch_after);
}

#[test]
fn custom_fields_replace_the_template_s() {
    let mut reader = DependencyReader::default();
    reader.read(&keyframe()).unwrap();
    let mut bits = head(true, true, 12, 7, 0b01111);
    // One target left; both required; one reference 17 back in two nibbles; chain 9 back.
    bits.put(0b10, 2).put(0b10_11, 4).put(2, 2).put(16, 8).put(0, 2).put(9, 8);
    let descriptor = reader.read(&bits.bytes()).unwrap();
    assert_eq!((descriptor.dtis.dti(0), descriptor.dtis.dti(1)), (Dti::Switch, Dti::Required));
    assert_eq!((descriptor.has_references, descriptor.chain_fdiffs[0]), (true, 9));
    assert_eq!(reader.active_decode_targets(), 0b10);
    assert!(reader.marks(&descriptor).switch_here);
    let mut none = head(true, true, 12, 8, 0b00010);
    none.put(0, 2);
    assert!(!reader.read(&none.bytes()).unwrap().has_references);
}

#[test]
fn the_frame_number_is_rewritten_in_place() {
    let mut value = keyframe();
    let mut before = DependencyReader::default().read(&value).unwrap();
    rewrite_frame_number(&mut value, 0xABCD).unwrap();
    before.mandatory.frame_number = 0xABCD;
    assert_eq!(DependencyReader::default().read(&value), Ok(before));
    assert_eq!(rewrite_frame_number(&mut value[..2], 1), Err(CodecError::Truncated));
}

#[test]
fn without_its_structure_a_template_means_nothing() {
    let mut reader = DependencyReader::default();
    assert_eq!(reader.read(&[0xCB, 1, 0xF6]), Err(CodecError::Malformed));
    assert_eq!(reader.read(&[0xCB, 1]), Err(CodecError::Truncated));
    reader.read(&keyframe()).unwrap();
    assert_eq!(reader.read(&[0xCD, 1, 0xF6]), Err(CodecError::Malformed));
    assert_eq!(reader.read(&[0xC9, 1, 0xF6]), Err(CodecError::Malformed));
}

#[test]
fn a_cut_descriptor_changes_nothing() {
    let value = keyframe();
    for len in 4..value.len() {
        let mut reader = DependencyReader::default();
        assert!(reader.read(&value[..len]).is_err(), "{len}");
        assert!(reader.structure().is_none());
    }
}

#[test]
fn more_layers_or_templates_than_there_can_be_are_refused() {
    let read = |steps: &[u32]| {
        let mut bits = head(true, true, 0, 0, 0b10000);
        bits.put(0, 6).put(0, 5);
        for step in steps {
            bits.put(*step, 2);
        }
        let mut value = bits.bytes();
        value.resize(250, 0);
        DependencyReader::default().read(&value)
    };
    assert_eq!(read(&[2; 4]), Err(CodecError::Malformed));
    assert_eq!(read(&[1; 8]), Err(CodecError::Malformed));
    assert_eq!(read(&[0; 64]), Err(CodecError::Malformed));
    let most: Vec<u32> = [0; 63].into_iter().chain([3]).collect();
    assert!(read(&most).is_ok());
}

/// L2T1: templates 0 (S0), 1 (S1, refers to S0 alone), 2 (S1, refers also to its last frame). Targets S0 and S1.
fn l2t1(frame_number: u32) -> Vec<u8> {
    let mut bits = head(true, true, 0, frame_number, 0b10000);
    bits.put(0, 6).put(1, 5);
    bits.put(2, 2).put(0, 2).put(3, 2);
    bits.put(0b10_10, 4).put(0b00_10, 4).put(0b00_11, 4);
    bits.put(0, 1).put(1, 1).put(0, 4).put(0, 1).put(1, 1).put(0, 4).put(1, 1).put(1, 4).put(0, 1);
    // ns(3) of no chains is the bit 0; no resolutions.
    bits.put(0, 1).put(0, 1);
    bits.bytes()
}

#[test]
fn a_spatial_layer_opens_with_a_frame_that_refers_to_its_own_picture_alone() {
    let mut reader = DependencyReader::default();
    let key = reader.read(&l2t1(10)).unwrap();
    assert!(reader.marks(&key).starts_keyframe && !reader.marks(&key).opens_layer);
    let opens = |reader: &mut DependencyReader, template: u8, number: u8| {
        let descriptor = reader.read(&[0xC0 | template, 0, number]).unwrap();
        assert_eq!(descriptor.sid, 1);
        reader.marks(&descriptor).opens_layer
    };
    assert!(opens(&mut reader, 1, 11));
    assert!(!opens(&mut reader, 2, 11), "refers to the picture before, and switches nothing");
    assert!(!opens(&mut reader, 1, 13), "the lowest layer's frame of this picture is missing");
}

#[test]
fn a_mask_is_written_where_it_belongs_and_nothing_else_changes() {
    let mut mask = head(true, false, 11, 9, 0b01000);
    mask.put(0b01, 2);
    let mut custom = head(true, true, 12, 7, 0b01111);
    custom.put(0b10, 2).put(0b10_11, 4).put(2, 2).put(16, 8).put(0, 2).put(9, 8);
    for value in [keyframe(), vec![0xCB, 1, 0xF6], mask.bytes(), custom.bytes()] {
        let mut reader = DependencyReader::default();
        reader.read(&keyframe()).unwrap();
        let before = reader.read(&value).unwrap();
        let mut out = [0; rewrite::MAX_LEN];
        let len = rewrite::write(&value, 0x1234, 0b01, before.mask_place, &mut out).unwrap();
        let after = reader.read(&out[..len]).unwrap();
        assert_eq!((after.mandatory.frame_number, after.active_decode_targets), (0x1234, Some(0b01)));
        assert_eq!(reader.active_decode_targets(), 0b01);
        let mandatory = Mandatory { frame_number: before.mandatory.frame_number, ..after.mandatory };
        let (active_decode_targets, mask_place) = (before.active_decode_targets, before.mask_place);
        assert_eq!(DependencyDescriptor { mandatory, active_decode_targets, mask_place, ..after }, before);
        let len = rewrite::write(&value, before.mandatory.frame_number, 0, before.mask_place, &mut out).unwrap();
        assert_eq!(out[..len], value[..]);
    }
}

proptest! {
    #[test]
    fn any_descriptor_is_written_within_its_bounds(
        value in proptest::collection::vec(any::<u8>(), 0..255), at in any::<u16>(), targets in 0u8..33,
        is_there in any::<bool>(), mask in any::<u32>(),
    ) {
        let mut out = [0; rewrite::MAX_LEN];
        let place = MaskPlace { at, targets, is_there };
        if let Ok(len) = rewrite::write(&value, 7, mask, place, &mut out) {
            prop_assert!(len <= rewrite::MAX_LEN && len >= value.len().min(3));
        }
    }

    #[test]
    fn any_bytes_give_a_descriptor_or_an_error(
        values in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..255), any::<bool>()), 1..5),
    ) {
        let mut reader = DependencyReader::default();
        for (mut value, keyframe) in values {
            // Without its flag a structure would come too rarely to be tried.
            if let Some(flags) = value.get_mut(3).filter(|_| keyframe) {
                *flags |= 0x80;
            }
            if let Ok(descriptor) = reader.read(&value) {
                prop_assert!(descriptor.sid < 4 && descriptor.tid < 8);
                let _ = reader.marks(&descriptor);
            }
        }
    }

    #[test]
    fn a_damaged_keyframe_gives_a_descriptor_or_an_error(at in 0usize..18, byte in any::<u8>(), id in any::<u8>()) {
        let mut value = keyframe();
        let at = at % value.len();
        value[at] = byte;
        let mut reader = DependencyReader::default();
        if reader.read(&value).is_ok() {
            let _ = reader.read(&[id, 0, 0]);
        }
    }
}
