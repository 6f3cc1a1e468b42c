//! Width and height of the pictures, from what stands at the front of a keyframe. The payload may be
//! encrypted end to end: then nothing is known, or the dependency descriptor tells ([`super::dd`]).

use super::bits::BitReader;
use super::vp8::Vp8Descriptor;
use super::vp9::Vp9Descriptor;
use super::{CodecError, av1, h264};
use crate::command::Codec;

/// In pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

/// Of the first packet of a keyframe; of the highest spatial layer that it tells of.
pub fn keyframe_size(codec: Codec, payload: &[u8]) -> Option<Size> {
    let size = match codec {
        Codec::Vp8 => vp8(payload),
        Codec::Vp9 => vp9(payload),
        Codec::H264 => h264::parameter_set(payload).and_then(h264_sps),
        Codec::Av1 => av1::sequence_header(payload).and_then(av1_sequence),
        Codec::Opus | Codec::Red => Err(CodecError::Unsupported),
    };
    size.ok().filter(|size| size.width > 0 && size.height > 0)
}

/// RFC 6386 §9.1: three bytes of frame tag, the start code, 14 bits of width and of height.
fn vp8(payload: &[u8]) -> Result<Size, CodecError> {
    let at = Vp8Descriptor::parse(payload)?.len;
    let header: &[u8; 10] = payload.get(at..).and_then(<[u8]>::first_chunk).ok_or(CodecError::Truncated)?;
    let [_, _, _, 0x9D, 0x01, 0x2A, width_low, width_high, height_low, height_high] = *header else {
        return Err(CodecError::Malformed);
    };
    let pixels = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    Ok(Size { width: pixels(width_low, width_high), height: pixels(height_low, height_high) })
}

fn vp9(payload: &[u8]) -> Result<Size, CodecError> {
    let descriptor = Vp9Descriptor::parse(payload)?;
    let structure = descriptor.structure.map(|structure| structure.resolutions.map(|(w, h)| (w.into(), h.into())));
    let largest = structure.into_iter().flatten().max_by_key(|(width, height): &(u32, u32)| width * height);
    match largest.filter(|(width, _)| *width > 0) {
        Some((width, height)) => Ok(Size { width, height }),
        None => vp9_header(payload.get(descriptor.len..).unwrap_or_default()),
    }
}

/// VP9's `CS_RGB`: has no field for the range of its values.
const SRGB: u32 = 7;

/// VP9 bitstream specification 6.2, `uncompressed_header` of a keyframe.
fn vp9_header(frame: &[u8]) -> Result<Size, CodecError> {
    let mut bits = BitReader::new(frame);
    let marker = bits.bits(2)?;
    let (low, high) = (bits.bits(1)?, bits.bits(1)?);
    let profile = high << 1 | low;
    // Profile 3 has a reserved bit; the frame shown again and frames of another kind have no size here.
    let is_other = (profile == 3 && bits.flag()?) || bits.flag()? || bits.flag()?;
    bits.bits(2)?;
    if marker != 2 || is_other || bits.bits(24)? != 0x49_83_42 {
        return Err(CodecError::Malformed);
    }
    if profile >= 2 {
        bits.bits(1)?;
    }
    let has_subsampling = profile & 1 == 1;
    if bits.bits(3)? == SRGB {
        bits.bits(u32::from(has_subsampling))?;
    } else {
        bits.bits(1 + 3 * u32::from(has_subsampling))?;
    }
    Ok(Size { width: bits.bits(16)? + 1, height: bits.bits(16)? + 1 })
}

/// Profiles with `chroma_format_idc` and scaling lists (H.264, 7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// A count that a sequence parameter set may not exceed (`num_ref_frames_in_pic_order_cnt_cycle`).
const MAX_CYCLE: u32 = 255;

/// H.264, 7.3.2.1.1, `seq_parameter_set_data`, behind the NAL unit's header byte.
fn h264_sps(unit: &[u8]) -> Result<Size, CodecError> {
    let mut bits = BitReader::without_emulation_prevention(unit);
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.golomb()?;
    let mut chroma_format = 1;
    if HIGH_PROFILES.contains(&profile) {
        chroma_format = skip_high_profile(&mut bits)?;
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.bits(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(MAX_CYCLE) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.bits(1)?;
    let (columns, rows) = (bits.golomb()?.saturating_add(1), bits.golomb()?.saturating_add(1));
    let is_interlaced = !bits.flag()?;
    bits.bits(1 + u32::from(is_interlaced))?;
    let (mut width, mut height) =
        (columns.saturating_mul(16), rows.saturating_mul(16 * (1 + u32::from(is_interlaced))));
    if bits.flag()? {
        let (unit_x, unit_y) = match chroma_format {
            0 | 3 => (1, 1),
            2 => (2, 1),
            _ => (2, 2),
        };
        let unit_y = unit_y * (1 + u32::from(is_interlaced));
        let crop: [u32; 4] = [bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?];
        let [left, right, top, bottom] = crop;
        width = width.saturating_sub(left.saturating_add(right).saturating_mul(unit_x));
        height = height.saturating_sub(top.saturating_add(bottom).saturating_mul(unit_y));
    }
    Ok(Size { width, height })
}

/// The fields that only these profiles have; returns `chroma_format_idc`.
fn skip_high_profile(bits: &mut BitReader<'_>) -> Result<u32, CodecError> {
    let chroma_format = bits.golomb()?;
    if chroma_format == 3 {
        bits.bits(1)?;
    }
    bits.golomb()?;
    bits.golomb()?;
    bits.bits(1)?;
    if bits.flag()? {
        let lists = if chroma_format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(chroma_format)
}

/// 7.3.2.1.1.1: it ends early where a scale becomes 0.
fn skip_scaling_list(bits: &mut BitReader<'_>, len: usize) -> Result<(), CodecError> {
    let mut last = 8i64;
    for _ in 0..len {
        let code = i64::from(bits.golomb()?);
        // 9.1.1: signed codes alternate, 1, -1, 2, -2, …
        let delta = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
        last = (last + delta + 256).rem_euclid(256);
        if last == 0 {
            break;
        }
    }
    Ok(())
}

/// AV1 specification 5.5, `sequence_header_obu`, behind the OBU's header.
fn av1_sequence(obu: &[u8]) -> Result<Size, CodecError> {
    let mut bits = BitReader::new(obu);
    bits.bits(4)?;
    if bits.flag()? {
        bits.bits(5)?;
    } else {
        skip_operating_points(&mut bits)?;
    }
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    Ok(Size { width: bits.bits(width_bits)? + 1, height: bits.bits(height_bits)? + 1 })
}

fn skip_operating_points(bits: &mut BitReader<'_>) -> Result<(), CodecError> {
    let mut delay_len = None;
    if bits.flag()? {
        bits.bits(32)?;
        bits.bits(32)?;
        if bits.flag()? {
            bits.uvlc()?;
        }
        if bits.flag()? {
            delay_len = Some(bits.bits(5)? + 1);
            bits.bits(32)?;
            bits.bits(10)?;
        }
    }
    let has_display_delay = bits.flag()?;
    for _ in 0..=bits.bits(5)? {
        bits.bits(12)?;
        if bits.bits(5)? > 7 {
            bits.bits(1)?;
        }
        if let Some(len) = delay_len
            && bits.flag()?
        {
            bits.bits(len)?;
            bits.bits(len)?;
            bits.bits(1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.bits(4)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: Option<Size> = Some(Size { width: 640, height: 360 });

    /// First packets of keyframes, as libvpx, x264 and SVT-AV1 make them.
    #[test]
    fn each_codec_tells_its_size() {
        let vp8 = [0x90, 0x80, 0x81, 0x23, 0x50, 0x1F, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01, 0];
        assert_eq!(keyframe_size(Codec::Vp8, &vp8), SIZE);
        let vp9 = [0x08, 0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xF0, 0x16, 0x70, 0x00];
        assert_eq!(keyframe_size(Codec::Vp9, &vp9), SIZE);
        let structure = [0x0A, 0x30, 1, 64, 0, 180, 2, 128, 1, 104];
        assert_eq!(keyframe_size(Codec::Vp9, &structure), SIZE);
        // High profile, the last eight lines cropped.
        let sps =
            [0x67, 0x64, 0, 0x1E, 0xAC, 0xB2, 0x01, 0x40, 0x5F, 0xF2, 0xC2, 0, 0, 3, 0, 2, 0, 0, 3, 0, 0x79, 0x1E];
        assert_eq!(keyframe_size(Codec::H264, &sps), SIZE);
        let len = sps.len() as u8;
        let aggregate = [&[0x78, 0, len], &sps[..], &[0, 1, 0x68]].concat();
        assert_eq!(keyframe_size(Codec::H264, &aggregate), SIZE);
        let av1 = [0x18, 0x08, 0, 0, 0, 0x0C, 0xC4, 0xFF, 0x67, 0x12, 0xBE, 0x40, 0x10];
        assert_eq!(keyframe_size(Codec::Av1, &av1), SIZE);
        let with_length = [&[0x18, 0x0A, 0x0B], &av1[2..]].concat();
        assert_eq!(keyframe_size(Codec::Av1, &with_length), SIZE);
    }

    #[test]
    fn a_payload_that_is_encrypted_has_no_size() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            assert_eq!(keyframe_size(codec, &[0x18, 0x33, 0x51, 0x90, 0x77, 0x01, 0x29]), None, "{codec:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_size_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for (codec, head) in
                [(Codec::Vp8, 0x10), (Codec::Vp9, 0x08), (Codec::H264, 0x67), (Codec::Av1, 0x18)]
            {
                keyframe_size(codec, &[&[head], &bytes[..]].concat());
            }
            let _ = (h264_sps(&bytes), av1_sequence(&bytes), vp9_header(&bytes));
        }
    }
}
