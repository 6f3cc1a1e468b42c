//! Packing statuses into chunks, greedily: a run while all are alike, else fourteen of one bit while
//! none is a large delta, else seven of two bits.

use super::Status;

const ONE_BIT_CAPACITY: usize = 14;
const TWO_BIT_CAPACITY: usize = 7;
const RUN_CAPACITY: usize = 0x1FFF;

/// Statuses not yet packed. `count` exceeds the array only while all are alike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChunkEncoder {
    statuses: [Status; ONE_BIT_CAPACITY],
    count: usize,
    is_mixed: bool,
    has_large: bool,
}

impl ChunkEncoder {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds `repeat` equal statuses and hands every full chunk to `emit`.
    pub(super) fn push(&mut self, status: Status, mut repeat: usize, emit: &mut impl FnMut(u16)) {
        while repeat > 0 {
            if !self.can_add(status) {
                emit(self.pack_full());
                continue;
            }
            let extends_run = !self.is_mixed && (self.count == 0 || self.first() == status);
            let added = if extends_run { repeat.min(RUN_CAPACITY - self.count) } else { 1 };
            self.add(status, added);
            repeat -= added;
        }
    }

    /// The chunk for what is left, if anything.
    pub(super) fn finish(mut self) -> Option<u16> {
        if self.is_empty() {
            return None;
        }
        if !self.is_mixed {
            return Some(self.pack_run());
        }
        Some(if self.count <= TWO_BIT_CAPACITY { self.pack_two_bit() } else { self.pack_one_bit() })
    }

    fn first(&self) -> Status {
        self.statuses.first().copied().unwrap_or_default()
    }

    fn can_add(&self, status: Status) -> bool {
        let is_small = !self.has_large && status != Status::LargeDelta;
        self.count < TWO_BIT_CAPACITY
            || (self.count < ONE_BIT_CAPACITY && is_small)
            || (self.count < RUN_CAPACITY && !self.is_mixed && self.first() == status)
    }

    fn add(&mut self, status: Status, added: usize) {
        self.is_mixed |= self.count > 0 && self.first() != status;
        self.has_large |= status == Status::LargeDelta;
        for place in self.statuses.iter_mut().skip(self.count).take(added) {
            *place = status;
        }
        self.count += added;
    }

    /// Packs when nothing more can be added; what does not fit into the chunk stays.
    fn pack_full(&mut self) -> u16 {
        if !self.is_mixed {
            self.pack_run()
        } else if self.count >= ONE_BIT_CAPACITY {
            self.pack_one_bit()
        } else {
            self.pack_two_bit()
        }
    }

    fn pack_run(&mut self) -> u16 {
        let chunk = ((self.first() as u16) << 13) | self.count as u16;
        *self = Self::default();
        chunk
    }

    fn pack_one_bit(&mut self) -> u16 {
        let statuses = self.statuses.iter().take(self.count).zip((0..ONE_BIT_CAPACITY).rev());
        let chunk = statuses.fold(0x8000, |chunk, (status, shift)| chunk | ((*status as u16) << shift));
        *self = Self::default();
        chunk
    }

    fn pack_two_bit(&mut self) -> u16 {
        let packed = self.count.min(TWO_BIT_CAPACITY);
        let statuses = self.statuses.iter().take(packed).zip((0..TWO_BIT_CAPACITY).rev());
        let chunk = statuses.fold(0xC000, |chunk, (status, shift)| chunk | ((*status as u16) << (2 * shift)));
        let rest = *self;
        *self = Self::default();
        for status in rest.statuses.iter().take(rest.count).skip(packed) {
            self.add(*status, 1);
        }
        chunk
    }
}

/// How many statuses a chunk holds.
pub(super) fn capacity(chunk: u16) -> usize {
    match chunk >> 14 {
        0b10 => ONE_BIT_CAPACITY,
        0b11 => TWO_BIT_CAPACITY,
        _ => usize::from(chunk) & RUN_CAPACITY,
    }
}

/// The status at a position below [`capacity`]; `None` for the reserved value.
pub(super) fn status_at(chunk: u16, position: usize) -> Option<Status> {
    let bits = match chunk >> 14 {
        0b10 => (chunk >> ONE_BIT_CAPACITY.saturating_sub(position + 1)) & 1,
        0b11 => (chunk >> (2 * TWO_BIT_CAPACITY.saturating_sub(position + 1))) & 3,
        _ => (chunk >> 13) & 3,
    };
    Status::from_bits(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpack(chunk: u16) -> impl Iterator<Item = Option<Status>> {
        (0..capacity(chunk)).map(move |position| status_at(chunk, position))
    }

    fn pack(statuses: &[Status]) -> Vec<u16> {
        let mut chunks = Vec::new();
        let mut encoder = ChunkEncoder::default();
        for status in statuses {
            encoder.push(*status, 1, &mut |chunk| chunks.push(chunk));
        }
        chunks.extend(encoder.finish());
        chunks
    }

    #[test]
    fn the_draft_s_examples_unpack() {
        // §3.1.3: 221 packets not received.
        assert!(unpack(0x00DD).eq(std::iter::repeat_n(Some(Status::NotReceived), 221)));
        // §3.1.4, first example: one lost, five received, three lost, three received, two lost.
        let bits: Vec<u8> = unpack(0b1001_1111_0001_1100).map(|s| s.unwrap() as u8).collect();
        assert_eq!(bits, [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0]);
        // Second example: not received, received with large delta, three small, two not received.
        let bits: Vec<u8> = unpack(0b1100_1001_0101_0000).map(|s| s.unwrap() as u8).collect();
        assert_eq!(bits, [0, 2, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn the_reserved_status_is_refused() {
        assert!(unpack(0x6001).all(|status| status.is_none()));
    }

    #[test]
    fn equal_statuses_make_one_run() {
        assert_eq!(pack(&[Status::SmallDelta; 100]), vec![0x2064]);
        let mut chunks = Vec::new();
        let mut encoder = ChunkEncoder::default();
        encoder.push(Status::NotReceived, 20_000, &mut |chunk| chunks.push(chunk));
        chunks.extend(encoder.finish());
        assert_eq!(chunks, vec![0x1FFF, 0x1FFF, 20_000 - 2 * 0x1FFF]);
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks(bits in proptest::collection::vec((0u16..3, 1usize..20), 0..60)) {
            let statuses: Vec<Status> =
                bits.iter().flat_map(|(bits, n)| std::iter::repeat_n(Status::from_bits(*bits).unwrap(), *n)).collect();
            let chunks = pack(&statuses);
            let unpacked: Vec<Status> =
                chunks.iter().flat_map(|c| unpack(*c)).map(Option::unwrap).take(statuses.len()).collect();
            prop_assert_eq!(&unpacked, &statuses);
            prop_assert!(chunks.len() <= statuses.len().div_ceil(TWO_BIT_CAPACITY) + 1);
            let mut in_runs = Vec::new();
            let mut encoder = ChunkEncoder::default();
            for (bits, n) in bits {
                encoder.push(Status::from_bits(bits).unwrap(), n, &mut |chunk| in_runs.push(chunk));
            }
            in_runs.extend(encoder.finish());
            prop_assert_eq!(in_runs, chunks);
        }
    }
}
