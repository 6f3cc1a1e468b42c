//! Reads fields of bits, most significant first.

use super::CodecError;

pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
    /// H.264, 7.3.1: a 3 behind two zeros is no part of the data.
    skips_emulation_prevention: bool,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, skips_emulation_prevention: false }
    }

    /// Of an H.264 NAL unit's payload.
    pub(super) fn without_emulation_prevention(bytes: &'a [u8]) -> Self {
        Self { skips_emulation_prevention: true, ..Self::new(bytes) }
    }

    /// In bits from the start.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn seek(&mut self, position: usize) {
        self.position = position;
    }

    pub(super) fn flag(&mut self) -> Result<bool, CodecError> {
        self.bits(1).map(|bit| bit != 0)
    }

    /// A number of `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, CodecError> {
        let mut value = 0u64;
        let mut left = count;
        while left > 0 {
            let used = (self.position % 8) as u32;
            if used == 0 && self.skips_emulation_prevention && self.is_at_emulation_prevention() {
                self.position += 8;
            }
            let byte = self.bytes.get(self.position / 8).copied().ok_or(CodecError::Truncated)?;
            let taken = left.min(8 - used);
            let field = (u32::from(byte) << used & 0xFF) >> (8 - taken);
            value = value << taken | u64::from(field);
            self.position += taken as usize;
            left -= taken;
        }
        Ok(value as u32)
    }

    fn is_at_emulation_prevention(&self) -> bool {
        let at = self.position / 8;
        at >= 2 && self.bytes.get(at - 2..=at) == Some(&[0, 0, 3][..])
    }

    /// A number in exponential Golomb code: `ue(v)` of H.264, 9.1.
    pub(super) fn golomb(&mut self) -> Result<u32, CodecError> {
        self.prefixed(31)
    }

    /// `uvlc()` of the AV1 specification, 4.10.3.
    pub(super) fn uvlc(&mut self) -> Result<u32, CodecError> {
        self.prefixed(31)
    }

    /// As many zeros as bits follow the one behind them.
    fn prefixed(&mut self, max_zeros: u32) -> Result<u32, CodecError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > max_zeros {
                return Err(CodecError::Malformed);
            }
        }
        Ok((1u32 << zeros) - 1 + self.bits(zeros)?)
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

    #[test]
    fn exponential_golomb_codes_count_their_zeros() {
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0011, 0b1000_0000]);
        let values: Vec<u32> = (0..5).map(|_| reader.golomb().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 6]);
        assert_eq!(BitReader::new(&[0; 4]).golomb(), Err(CodecError::Malformed));
    }

    #[test]
    fn emulation_prevention_is_left_out() {
        let mut reader = BitReader::without_emulation_prevention(&[0, 0, 3, 1, 3, 0, 0, 3]);
        assert_eq!((reader.bits(32), reader.bits(16)), (Ok(0x0103), Ok(0)));
        assert_eq!(reader.bits(1), Err(CodecError::Truncated));
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
