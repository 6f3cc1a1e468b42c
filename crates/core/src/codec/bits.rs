//! Reads fields of bits, most significant first.

use super::CodecError;

pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn flag(&mut self) -> Result<bool, CodecError> {
        self.bits(1).map(|bit| bit != 0)
    }

    /// A number of `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, CodecError> {
        let mut value = 0u64;
        let mut left = count;
        while left > 0 {
            let byte = self.bytes.get(self.position / 8).copied().ok_or(CodecError::Truncated)?;
            let used = (self.position % 8) as u32;
            let taken = left.min(8 - used);
            let field = (u32::from(byte) << used & 0xFF) >> (8 - taken);
            value = value << taken | u64::from(field);
            self.position += taken as usize;
            left -= taken;
        }
        Ok(value as u32)
    }

    /// A number below `limit` (at least 1) in as few bits as possible: `ns(n)` of the AV1
    /// specification, 4.10.7.
    pub(super) fn below(&mut self, limit: u32) -> Result<u32, CodecError> {
        let width = u32::BITS - limit.leading_zeros();
        let short_codes = (1u32 << width) - limit;
        let value = self.bits(width.saturating_sub(1))?;
        if value < short_codes {
            return Ok(value);
        }
        let extra = self.bits(1)?;
        Ok((value << 1) - short_codes + extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_cross_bytes() {
        let mut reader = BitReader::new(&[0b1010_1100, 0xFF, 0x00, 0x12, 0x34]);
        assert_eq!(reader.bits(3), Ok(0b101));
        assert!(!reader.flag().unwrap());
        assert_eq!(reader.bits(8), Ok(0b1100_1111));
        assert_eq!(reader.bits(28), Ok(0xF00_1234));
        assert_eq!(reader.bits(1), Err(CodecError::Truncated));
        assert_eq!(reader.bits(0), Ok(0));
    }

    #[test]
    fn a_number_below_five_takes_two_or_three_bits() {
        let mut reader = BitReader::new(&[0b0001_1011, 0b0111_0000]);
        let values: Vec<u32> = (0..5).map(|_| reader.below(5).unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        assert_eq!(reader.below(1), Ok(0));
    }

    proptest! {
        #[test]
        fn a_number_below_a_limit_is_below_it(bytes in any::<[u8; 8]>(), limit in 1u32..100) {
            let mut reader = BitReader::new(&bytes);
            while let Ok(value) = reader.below(limit) {
                prop_assert!(value < limit);
                if limit == 1 {
                    break;
                }
            }
        }
    }
}
