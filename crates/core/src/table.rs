//! Whose a datagram is: by its addresses when they passed a check, else by the username in STUN.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::hash::SeededState;
use crate::rate::TokenBucket;
use crate::slab::Key;
use crate::time::Time;

/// STUN messages from unknown addresses for which a MAC is computed: 300 participants that join in
/// one second send some 6,000 checks; 20,000 MACs take about 30 ms of a core.
const UNAUTHENTICATED_BURST: u32 = 10_000;
const UNAUTHENTICATED_PER_SECOND: u32 = 20_000;

/// The way between one of our sockets and a remote address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Index of the local socket.
    pub socket: u8,
    pub remote: SocketAddr,
}

/// Which transport a path or a username belongs to. Bounded by the transports: each has at most
/// two usernames and a fixed number of validated paths.
#[derive(Debug)]
pub struct Table {
    paths: HashMap<Path, Key, SeededState>,
    /// Usernames come from strangers: hashed with the standard, keyed hasher.
    ufrags: HashMap<String, Key>,
    unauthenticated: TokenBucket,
}

impl Table {
    pub fn new(seed: u64) -> Self {
        Self {
            paths: HashMap::with_hasher(SeededState(seed)),
            ufrags: HashMap::new(),
            unauthenticated: TokenBucket::new(UNAUTHENTICATED_BURST, UNAUTHENTICATED_PER_SECOND),
        }
    }

    pub fn by_path(&self, path: &Path) -> Option<Key> {
        self.paths.get(path).copied()
    }

    pub fn by_ufrag(&self, ufrag: &str) -> Option<Key> {
        self.ufrags.get(ufrag).copied()
    }

    /// The path passed a check of this transport. When it was another's, the newest wins: the client
    /// has opened a new connection from the same port.
    pub fn claim_path(&mut self, path: Path, transport: Key) {
        self.paths.insert(path, transport);
    }

    /// Forgets the path unless it is another transport's by now.
    pub fn release_path(&mut self, path: &Path, transport: Key) {
        if self.by_path(path) == Some(transport) {
            self.paths.remove(path);
        }
    }

    /// False when the username is taken.
    pub fn claim_ufrag(&mut self, ufrag: &str, transport: Key) -> bool {
        if self.ufrags.contains_key(ufrag) {
            return false;
        }
        self.ufrags.insert(ufrag.to_owned(), transport);
        true
    }

    pub fn release_ufrag(&mut self, ufrag: &str) {
        self.ufrags.remove(ufrag);
    }

    /// Whether we may spend a MAC on a stranger now.
    pub fn may_authenticate(&mut self, now: Time) -> bool {
        self.unauthenticated.take(now)
    }

    /// (paths, usernames).
    pub fn sizes(&self) -> (usize, usize) {
        (self.paths.len(), self.ufrags.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    #[test]
    fn the_newest_transport_owns_a_path_and_an_older_one_cannot_release_it() {
        let mut slab = Slab::default();
        let (old, new) = (slab.insert(1), slab.insert(2));
        let path = Path { socket: 0, remote: SocketAddr::from(([10, 0, 0, 1], 5_000)) };
        let mut table = Table::new(1);
        table.claim_path(path, old);
        table.claim_path(path, new);
        table.release_path(&path, old);
        assert_eq!(table.by_path(&path), Some(new));
        assert_eq!(table.by_path(&Path { socket: 1, ..path }), None);
        table.release_path(&path, new);
        assert_eq!(table.sizes(), (0, 0));
    }

    #[test]
    fn a_username_belongs_to_one_transport() {
        let key = Slab::default().insert(());
        let mut table = Table::new(1);
        assert!(table.claim_ufrag("abcd", key));
        assert!(!table.claim_ufrag("abcd", key));
        assert_eq!(table.by_ufrag("abcd"), Some(key));
    }
}
