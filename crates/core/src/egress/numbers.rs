//! Transport-wide numbers of what a stream without retransmission format (RFC 4588) has sent: what it repeats under its
//! own number carries the same one again, for the packet must be the same bit for bit.

/// A second of 4 Mbit/s in packets of 1,000 bytes. What is older is not repeated.
const PLACES: usize = 512;

/// 4 KiB, allocated with the first number.
#[derive(Debug, Default)]
pub struct Numbers {
    /// (lower bits of the outgoing number, transport-wide number)
    places: Vec<(u32, u16)>,
}

impl Numbers {
    pub fn note(&mut self, ext_seq: u64, transport_seq: u16) {
        if self.places.is_empty() {
            // No number of a stream is its own complement.
            self.places = (0..PLACES).map(|index| (!(index as u32), 0)).collect();
        }
        if let Some(place) = self.places.get_mut(ext_seq as usize % PLACES) {
            *place = (ext_seq as u32, transport_seq);
        }
    }

    pub fn find(&self, ext_seq: u64) -> Option<u16> {
        let (noted, number) = *self.places.get(ext_seq as usize % PLACES)?;
        (noted == ext_seq as u32).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_until_its_place_is_taken_and_never_one_that_was_not_noted() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.find(0), None);
        numbers.note(70_000, 9);
        assert_eq!((numbers.find(70_000), numbers.find(70_000 - 512), numbers.find(70_512)), (Some(9), None, None));
        assert!((0..600).all(|ext_seq| numbers.find(ext_seq).is_none()));
        numbers.note(70_512, 8);
        assert_eq!((numbers.find(70_000), numbers.find(70_512)), (None, Some(8)));
    }
}
