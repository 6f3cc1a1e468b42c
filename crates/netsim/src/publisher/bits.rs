//! Writes fields of bits, most significant first.

#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits written.
    len: usize,
}

impl BitWriter {
    /// The lowest `count` bits of a value.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.len % 8);
            }
            self.len += 1;
        }
    }

    /// A number below `limit`: `ns(n)` of the AV1 specification, 4.10.7.
    pub(super) fn put_below(&mut self, value: u32, limit: u32) {
        let width = u32::BITS - limit.leading_zeros();
        let short_codes = (1 << width) - limit;
        if value < short_codes {
            self.put(value, width - 1);
        } else {
            self.put(value + short_codes, width);
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
