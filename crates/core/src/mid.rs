//! The name of an m-line in the group that is bundled (RFC 9143): a short text that is copied like a number.

use std::fmt;

/// Ours are numbers; browsers make them as short.
pub const MAX_MID_LEN: usize = 16;

/// At most [`MAX_MID_LEN`] bytes of text, in place.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Mid {
    len: u8,
    text: [u8; MAX_MID_LEN],
}

impl Mid {
    /// `None`: it is too long.
    pub fn new(text: &str) -> Option<Self> {
        let mut mid = Self { len: text.len() as u8, ..Self::default() };
        mid.text.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(mid)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mid_is_the_text_that_it_was_made_of_and_a_long_one_is_refused() {
        for text in ["", "0", "video-17", "sixteen-bytes-16", "\u{e4}"] {
            assert_eq!(Mid::new(text).map(|mid| mid.as_str().to_owned()).as_deref(), Some(text));
        }
        assert_eq!(Mid::new("seventeen-bytes-7"), None);
        assert_eq!(Mid::new(&"x".repeat(300)), None);
    }
}
