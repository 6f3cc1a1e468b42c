//! Fields of a dependency descriptor, written bit by bit.

#[derive(Default)]
pub struct Bits(Vec<bool>);

impl Bits {
    /// The lowest `count` bits of a value, the highest first.
    pub fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at));
        self.0.chunks(8).map(byte).collect()
    }
}
