//! Big-endian reads and writes that cannot panic: the alphabet of every parser and builder here.

/// The output buffer is too small for what was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    let [high, middle, low] = *bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes([0, high, middle, low]))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Overwrites `bytes[at..at + value.len()]`.
pub fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<(), NoRoom> {
    let end = at.checked_add(value.len()).ok_or(NoRoom)?;
    bytes.get_mut(at..end).ok_or(NoRoom)?.copy_from_slice(value);
    Ok(())
}

/// Appends to a caller's buffer; every write says whether it fitted.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.len)
    }

    /// Takes back everything from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    pub fn bytes(&mut self, value: &[u8]) -> Result<(), NoRoom> {
        put(self.buffer, self.len, value)?;
        self.len += value.len();
        Ok(())
    }

    pub fn u8(&mut self, value: u8) -> Result<(), NoRoom> {
        self.bytes(&[value])
    }

    pub fn u16(&mut self, value: u16) -> Result<(), NoRoom> {
        self.bytes(&value.to_be_bytes())
    }

    /// The low 24 bits of `value`.
    pub fn u24(&mut self, value: u32) -> Result<(), NoRoom> {
        let [_, high, middle, low] = value.to_be_bytes();
        self.bytes(&[high, middle, low])
    }

    pub fn u32(&mut self, value: u32) -> Result<(), NoRoom> {
        self.bytes(&value.to_be_bytes())
    }

    pub fn u64(&mut self, value: u64) -> Result<(), NoRoom> {
        self.bytes(&value.to_be_bytes())
    }

    /// Zeroes up to the next multiple of four bytes.
    pub fn pad_to_word(&mut self) -> Result<(), NoRoom> {
        while !self.len.is_multiple_of(4) {
            self.u8(0)?;
        }
        Ok(())
    }

    /// Overwrites what was written at `at` before; cannot lengthen.
    pub fn patch(&mut self, at: usize, value: &[u8]) -> Result<(), NoRoom> {
        let written = self.buffer.get_mut(..self.len).ok_or(NoRoom)?;
        put(written, at, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_past_the_end_is_none() {
        assert_eq!(u16_at(&[1], 0), None);
        assert_eq!(u32_at(&[0, 0, 0, 1], 0), Some(1));
        assert_eq!(u32_at(&[0, 0, 0, 1], usize::MAX), None);
        assert_eq!(u24_at(&[9, 1, 2, 3], 1), Some(0x01_02_03));
    }

    #[test]
    fn a_write_past_the_end_changes_nothing() {
        let mut buffer = [0u8; 3];
        let mut writer = Writer::new(&mut buffer);
        writer.u16(0x0102).unwrap();
        assert_eq!(writer.u16(0x0304), Err(NoRoom));
        assert_eq!(writer.written(), &[1, 2]);
        assert_eq!(writer.patch(1, &[9, 9]), Err(NoRoom));
        assert_eq!(writer.pad_to_word(), Err(NoRoom));
    }
}
