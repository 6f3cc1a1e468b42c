//! Writes a fresh RTP header with RFC 8285 extensions into a caller's buffer.

use std::ops::Range;

use crate::rtp::header::{FIXED_HEADER_LEN, RtpError};
use crate::wire::put;

/// How the elements of a header extension are laid out (RFC 8285 §4.2, §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionForm {
    /// Ids 1..=14, values of 1..=16 bytes.
    OneByte,
    /// Ids 1..=255, values of 0..=255 bytes.
    TwoByte,
}

impl ExtensionForm {
    /// Whether an element of this id and value length can be written in this form.
    pub fn fits(self, id: u8, len: usize) -> bool {
        match self {
            Self::OneByte => (1..=14).contains(&id) && (1..=16).contains(&len),
            Self::TwoByte => id != 0 && len <= 255,
        }
    }

    /// The shorter form that carries all `elements`, given as (id, value length).
    pub fn fitting(elements: impl IntoIterator<Item = (u8, usize)>) -> Self {
        if elements.into_iter().all(|(id, len)| Self::OneByte.fits(id, len)) { Self::OneByte } else { Self::TwoByte }
    }
}

/// The fixed part of a header to be written. No CSRCs: the server does not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderFields {
    pub marker: bool,
    pub pt: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// The P bit; whoever appends padding sets it.
    pub has_padding: bool,
}

/// Writes fixed header, then element after element; `finish` closes the extension.
#[derive(Debug)]
pub struct HeaderWriter<'a> {
    buffer: &'a mut [u8],
    form: ExtensionForm,
    len: usize,
    has_extension: bool,
}

impl<'a> HeaderWriter<'a> {
    /// Writes the fixed header at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8], fields: &HeaderFields, form: ExtensionForm) -> Result<Self, RtpError> {
        let fixed: &mut [u8; FIXED_HEADER_LEN] = buffer.first_chunk_mut().ok_or(RtpError::NoRoom)?;
        let [s0, s1] = fields.seq.to_be_bytes();
        let [t0, t1, t2, t3] = fields.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = fields.ssrc.to_be_bytes();
        let first = 0x80 | (u8::from(fields.has_padding) << 5);
        let second = (u8::from(fields.marker) << 7) | (fields.pt & 0x7F);
        *fixed = [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3];
        Ok(Self { buffer, form, len: FIXED_HEADER_LEN, has_extension: false })
    }

    /// Writes the whole of a header in the form that fits; returns its length.
    pub fn write(buffer: &'a mut [u8], fields: &HeaderFields, elements: &[(u8, &[u8])]) -> Result<usize, RtpError> {
        let form = ExtensionForm::fitting(elements.iter().map(|(id, value)| (*id, value.len())));
        let mut writer = Self::new(buffer, fields, form)?;
        for (id, value) in elements {
            writer.push(*id, value)?;
        }
        writer.finish()
    }

    /// Appends one element; returns where its value lies, so that the pacer can set the time of
    /// departure later. After an error nothing of the element counts as written.
    pub fn push(&mut self, id: u8, value: &[u8]) -> Result<Range<usize>, RtpError> {
        if !self.form.fits(id, value.len()) {
            return Err(RtpError::Extension);
        }
        let head = if self.has_extension { self.len } else { FIXED_HEADER_LEN + 4 };
        // `fits` bounds every cast.
        let start = match self.form {
            ExtensionForm::OneByte => {
                put(self.buffer, head, &[(id << 4) | (value.len().saturating_sub(1) as u8)])?;
                head + 1
            }
            ExtensionForm::TwoByte => {
                put(self.buffer, head, &[id, value.len() as u8])?;
                head + 2
            }
        };
        put(self.buffer, start, value)?;
        self.len = start + value.len();
        self.has_extension = true;
        Ok(start..self.len)
    }

    /// Pads the extension to whole words, sets its length and the X bit; returns the header's length.
    pub fn finish(self) -> Result<usize, RtpError> {
        if !self.has_extension {
            return Ok(self.len);
        }
        let end = self.len.next_multiple_of(4);
        // At most three bytes: byte by byte is faster than a call of memset.
        for at in self.len..end {
            put(self.buffer, at, &[0])?;
        }
        let words = u16::try_from((end - FIXED_HEADER_LEN - 4) / 4).map_err(|_| RtpError::Extension)?;
        put(self.buffer, FIXED_HEADER_LEN, &self.form.profile().to_be_bytes())?;
        put(self.buffer, FIXED_HEADER_LEN + 2, &words.to_be_bytes())?;
        if let Some(first) = self.buffer.first_mut() {
            *first |= 0x10;
        }
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::RtpHeader;
    use proptest::prelude::*;

    const FIELDS: HeaderFields =
        HeaderFields { marker: true, pt: 111, seq: 0xFFFE, timestamp: 0x8000_0001, ssrc: 7, has_padding: false };

    #[test]
    fn without_elements_there_is_no_extension() {
        let mut buffer = [0xFFu8; 64];
        let len = HeaderWriter::write(&mut buffer, &FIELDS, &[]).unwrap();
        let header = RtpHeader::parse(&buffer[..len]).unwrap();
        assert_eq!((len, header.marker, header.pt, header.seq), (12, true, 111, 0xFFFE));
        assert_eq!((header.timestamp, header.ssrc, header.extension_form()), (0x8000_0001, 7, None));
    }

    #[test]
    fn the_form_follows_from_the_elements() {
        assert_eq!(ExtensionForm::fitting([(14, 16), (1, 1)]), ExtensionForm::OneByte);
        for element in [(15, 1), (1, 17), (1, 0)] {
            assert_eq!(ExtensionForm::fitting([(2, 2), element]), ExtensionForm::TwoByte);
        }
    }

    #[test]
    fn a_value_can_be_patched_where_push_said_it_lies() {
        let mut buffer = [0u8; 64];
        let mut writer = HeaderWriter::new(&mut buffer, &FIELDS, ExtensionForm::OneByte).unwrap();
        writer.push(1, b"mid").unwrap();
        let place = writer.push(3, &[0; 3]).unwrap();
        let len = writer.finish().unwrap();
        buffer[place].copy_from_slice(&[1, 2, 3]);
        let header = RtpHeader::parse(&buffer[..len]).unwrap();
        assert_eq!(header.extension(&buffer, 3), Some(&[1, 2, 3][..]));
        assert_eq!(header.extension(&buffer, 1), Some(&b"mid"[..]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut buffer = [0u8; 17];
        assert_eq!(HeaderWriter::write(&mut buffer, &FIELDS, &[(1, &[0])]), Err(RtpError::NoRoom));
        assert_eq!(HeaderWriter::write(&mut buffer[..11], &FIELDS, &[]), Err(RtpError::NoRoom));
        assert_eq!(HeaderWriter::write(&mut buffer, &FIELDS, &[(0, &[0])]), Err(RtpError::Extension));
        let mut writer = HeaderWriter::new(&mut buffer, &FIELDS, ExtensionForm::OneByte).unwrap();
        assert_eq!(writer.push(15, &[0]), Err(RtpError::Extension));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            elements in proptest::collection::vec((1u8..=20, proptest::collection::vec(any::<u8>(), 0..20)), 0..12),
            payload in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut buffer = [0xA5u8; 600];
            let list: Vec<(u8, &[u8])> = elements.iter().map(|(id, value)| (*id, &value[..])).collect();
            let len = HeaderWriter::write(&mut buffer, &FIELDS, &list).unwrap();
            buffer[len..len + payload.len()].copy_from_slice(&payload);
            let packet = &buffer[..len + payload.len()];
            let header = RtpHeader::parse(packet).unwrap();
            prop_assert_eq!(header.header_len(), len);
            prop_assert_eq!(header.payload(packet), &payload[..]);
            let read: Vec<(u8, &[u8])> = header.extensions(packet).collect();
            prop_assert_eq!(read, list);
        }
    }
}
