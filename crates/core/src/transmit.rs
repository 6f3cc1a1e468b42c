//! Where packets to be sent are written: one growing buffer that is reused batch after batch.
//!
//! Packets of one destination that are written one after the other lie side by side in memory, so
//! that the I/O layer hands a run of them to the kernel as one message (`UDP_SEGMENT`). Last stop of
//! a packet in this crate.

use std::net::SocketAddr;

/// Largest datagram that we write: Ethernet's MTU less IPv4 and UDP headers.
pub const MAX_DATAGRAM: usize = 1_472;

/// The kernel takes at most so many segments in one `UDP_SEGMENT` message (`UDP_MAX_SEGMENTS`).
const MAX_TRAIN_SEGMENTS: usize = 64;
/// A UDP message holds 65,507 bytes; a round number below it.
const MAX_TRAIN_BYTES: usize = 65_000;

/// One datagram to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Index of the local socket.
    pub socket: u8,
    pub destination: SocketAddr,
    pub bytes: &'a [u8],
}

/// A run of datagrams to one destination: all of `segment_size` bytes, but the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train<'a> {
    pub socket: u8,
    pub destination: SocketAddr,
    pub segment_size: usize,
    pub segments: usize,
    pub bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    len: usize,
    socket: u8,
    destination: SocketAddr,
}

/// The transmit arena of a shard. Grows up to its limit and keeps what it has grown to, so steady
/// state allocates nothing; what does not fit is refused.
#[derive(Debug)]
pub struct TxArena {
    /// Initialised once when it grows; everything from `used` on is free.
    buffer: Vec<u8>,
    used: usize,
    limit: usize,
    entries: Vec<Entry>,
}

impl TxArena {
    /// An arena that starts with `bytes` and grows to at most 128 MiB: a batch of 64 packets of
    /// 1,200 bytes to 1,500 subscribers.
    pub fn with_capacity(bytes: usize) -> Self {
        Self::with_limit(bytes, 128 << 20)
    }

    /// An arena that never holds more than `limit` bytes.
    pub fn with_limit(bytes: usize, limit: usize) -> Self {
        Self { buffer: vec![0; bytes.min(limit)], used: 0, limit, entries: Vec::with_capacity(bytes / MAX_DATAGRAM) }
    }

    pub fn clear(&mut self) {
        self.used = 0;
        self.entries.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of datagrams.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Sum of the datagrams' sizes.
    pub fn total_bytes(&self) -> usize {
        self.used
    }

    /// Bytes that it may still take.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.used)
    }

    /// Free space of `size` bytes for the next datagram; `None` when the arena is at its limit. What
    /// is written there becomes a datagram by [`TxArena::commit`], else it is written over.
    pub fn reserve(&mut self, size: usize) -> Option<&mut [u8]> {
        let end = self.used.checked_add(size)?;
        if end > self.buffer.len() {
            if end > self.limit {
                return None;
            }
            self.buffer.resize(end.saturating_mul(2).min(self.limit), 0);
        }
        self.buffer.get_mut(self.used..end)
    }

    /// Makes a datagram of the first `len` bytes of the last reservation.
    pub fn commit(&mut self, socket: u8, destination: SocketAddr, len: usize) {
        let len = len.min(self.buffer.len().saturating_sub(self.used));
        self.entries.push(Entry { start: self.used, len, socket, destination });
        self.used = self.used.saturating_add(len);
    }

    /// Copies a datagram in; false when it does not fit.
    pub fn push(&mut self, socket: u8, destination: SocketAddr, bytes: &[u8]) -> bool {
        let Some(space) = self.reserve(bytes.len()) else { return false };
        space.copy_from_slice(bytes);
        self.commit(socket, destination, bytes.len());
        true
    }

    fn bytes(&self, start: usize, len: usize) -> &[u8] {
        self.buffer.get(start..start.saturating_add(len)).unwrap_or(&[])
    }

    /// All datagrams in the order of writing.
    pub fn iter(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.entries.iter().map(|entry| Transmit {
            socket: entry.socket,
            destination: entry.destination,
            bytes: self.bytes(entry.start, entry.len),
        })
    }

    /// The same datagrams in the same order as runs for segmentation offload.
    pub fn trains(&self) -> impl Iterator<Item = Train<'_>> {
        let mut rest = self.entries.as_slice();
        std::iter::from_fn(move || {
            let (first, _) = rest.split_first()?;
            let segments = train_length(rest);
            let (run, after) = rest.split_at_checked(segments)?;
            rest = after;
            let total = run.iter().map(|entry| entry.len).sum();
            Some(Train {
                socket: first.socket,
                destination: first.destination,
                segment_size: first.len,
                segments,
                bytes: self.bytes(first.start, total),
            })
        })
    }
}

/// How many entries from the first on form one train.
fn train_length(entries: &[Entry]) -> usize {
    let Some(first) = entries.first() else { return 0 };
    let mut total = first.len;
    let mut segments = 1;
    for entry in entries.iter().skip(1).take(MAX_TRAIN_SEGMENTS - 1) {
        total += entry.len;
        let fits = entry.socket == first.socket
            && entry.destination == first.destination
            && entry.len <= first.len
            && entry.len > 0
            && total <= MAX_TRAIN_BYTES;
        if !fits {
            break;
        }
        segments += 1;
        if entry.len < first.len {
            break;
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn arena(packets: &[(u16, usize)]) -> TxArena {
        let mut tx = TxArena::with_capacity(0);
        for (number, &(port, len)) in packets.iter().enumerate() {
            assert!(tx.push(0, address(port), &vec![number as u8; len]));
        }
        tx
    }

    fn shape(tx: &TxArena) -> Vec<(u16, usize, usize, usize)> {
        tx.trains().map(|t| (t.destination.port(), t.segment_size, t.segments, t.bytes.len())).collect()
    }

    #[test]
    fn a_shorter_last_packet_ends_a_train() {
        let tx = arena(&[(1, 100), (1, 100), (1, 40), (1, 40), (1, 100)]);
        assert_eq!(shape(&tx), [(1, 100, 3, 240), (1, 40, 1, 40), (1, 100, 1, 100)]);
    }

    #[test]
    fn another_destination_starts_a_train() {
        let tx = arena(&[(1, 100), (2, 100), (2, 100), (1, 100)]);
        assert_eq!(shape(&tx), [(1, 100, 1, 100), (2, 100, 2, 200), (1, 100, 1, 100)]);
    }

    #[test]
    fn a_train_stays_within_segments_and_bytes() {
        assert_eq!(shape(&arena(&[(1, 10); 65])), [(1, 10, 64, 640), (1, 10, 1, 10)]);
        let long = shape(&arena(&[(1, 1_400); 60]));
        assert!(long.iter().all(|train| train.3 <= MAX_TRAIN_BYTES));
        assert_eq!(long.iter().map(|train| train.2).sum::<usize>(), 60);
    }

    #[test]
    fn trains_hold_the_same_bytes_as_the_datagrams() {
        let tx = arena(&[(1, 100), (1, 100), (2, 7), (2, 7), (2, 3), (1, 5)]);
        let datagrams: Vec<u8> = tx.iter().flat_map(|t| t.bytes.to_vec()).collect();
        let trains: Vec<u8> = tx.trains().flat_map(|t| t.bytes.to_vec()).collect();
        assert_eq!(datagrams, trains);
        assert_eq!(tx.total_bytes(), datagrams.len());
    }

    #[test]
    fn a_full_arena_refuses_and_an_empty_one_takes_again() {
        let mut tx = TxArena::with_limit(0, 150);
        assert!(tx.push(0, address(1), &[1; 100]));
        assert!(!tx.push(0, address(1), &[2; 100]));
        assert_eq!(tx.len(), 1);
        tx.clear();
        assert!(tx.is_empty());
        assert!(tx.push(0, address(1), &[2; 100]));
    }

    #[test]
    fn an_uncommitted_reservation_is_written_over() {
        let mut tx = TxArena::with_capacity(10);
        tx.reserve(50).expect("space").fill(9);
        assert!(tx.push(1, address(1), &[7; 5]));
        assert_eq!(tx.iter().map(|t| t.bytes.to_vec()).collect::<Vec<_>>(), [vec![7; 5]]);
    }
}
