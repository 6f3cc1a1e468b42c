//! What handshakes have in common. To build a configuration proves every cipher against its vectors, and to load a key
//! computes its public half: a millisecond of each join, which is five times the handshake itself. Both are done once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dimpl::crypto::{Buf, CryptoProvider, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey, aws_lc_rs};
use dimpl::{Config, CryptoError, Error};

/// First retransmission after 100 ms: what RFC 9147 §5.8.2 recommends for time-sensitive applications. Doubles.
const FIRST_RETRANSMISSION: Duration = Duration::from_millis(100);
/// 100 ms doubled eight times is 25 s, near the limit of the whole handshake.
const RETRANSMISSIONS: usize = 8;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Of each kind, the last ones used: a server has one certificate, and another while that is renewed.
const KEPT: usize = 8;

pub const VERSIONS: [&str; 3] = ["auto", "1.2", "1.3"];

static CONFIGS: Mutex<Recent<(String, usize), Config>> = Mutex::new(Recent::new());
static KEYS: Mutex<Recent<Vec<u8>, LoadedKey>> = Mutex::new(Recent::new());

type LoadedKey = Mutex<Box<dyn SigningKey>>;

/// A few values by name, the latest first.
struct Recent<K, V>(VecDeque<(K, Arc<V>)>);

impl<K: PartialEq, V> Recent<K, V> {
    const fn new() -> Self {
        Self(VecDeque::new())
    }

    fn find_or<E>(&mut self, key: K, make: impl FnOnce(&K) -> Result<V, E>) -> Result<Arc<V>, E> {
        if let Some((_, known)) = self.0.iter().find(|(known, _)| *known == key) {
            return Ok(Arc::clone(known));
        }
        let value = Arc::new(make(&key)?);
        self.0.truncate(KEPT - 1);
        self.0.push_front((key, Arc::clone(&value)));
        Ok(value)
    }
}

/// Of a version of [`VERSIONS`]. With a `seed` the times at which lost flights are sent again are the same in each run,
/// for simulations.
pub fn config(version: &str, mtu: usize, seed: Option<u64>) -> Result<Arc<Config>, Error> {
    if seed.is_some() {
        return build(version, mtu, seed).map(Arc::new);
    }
    lock(&CONFIGS).find_or((version.to_owned(), mtu), |_| build(version, mtu, None))
}

fn build(version: &str, mtu: usize, seed: Option<u64>) -> Result<Config, Error> {
    let provider = CryptoProvider { key_provider: &KnownKeys, ..aws_lc_rs::default_provider() };
    let builder = Config::builder()
        .with_crypto_provider(provider)
        .mtu(mtu)
        .flight_start_rto(FIRST_RETRANSMISSION)
        .flight_retries(RETRANSMISSIONS)
        .handshake_timeout(HANDSHAKE_TIMEOUT)
        .require_client_certificate(true)
        // The shard hands over datagrams of addresses that passed an authenticated ICE check only: the round trip of
        // a cookie would prove the same again.
        .use_server_cookie(false);
    let builder = if let Some(seed) = seed { builder.dangerously_set_rng_seed(seed) } else { builder };
    match version {
        "1.2" => builder.dtls13_cipher_suites(&[]),
        "1.3" => builder.dtls12_cipher_suites(&[]),
        _ => builder,
    }
    .build()
}

/// Keys that were loaded before are the same again.
#[derive(Debug)]
struct KnownKeys;

impl KeyProvider for KnownKeys {
    fn load_private_key(&self, key_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let load = |der: &Vec<u8>| aws_lc_rs::default_provider().key_provider.load_private_key(der).map(Mutex::new);
        let key = lock(&KEYS).find_or(key_der.to_vec(), load)?;
        let known = lock(&key);
        let (algorithm, hash) = (known.algorithm(), known.hash_algorithm());
        let hashes = known.supported_hash_algorithms().to_vec();
        drop(known);
        Ok(Box::new(SharedKey { key, algorithm, hash, hashes }))
    }
}

/// One key of many handshakes.
#[derive(Debug)]
struct SharedKey {
    key: Arc<LoadedKey>,
    algorithm: SignatureAlgorithm,
    hash: HashAlgorithm,
    hashes: Vec<HashAlgorithm>,
}

impl SigningKey for SharedKey {
    fn sign(&mut self, data: &[u8], hash_alg: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        lock(&self.key).sign(data, hash_alg, out)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &self.hashes
    }
}

/// What a panic has left behind is whole: it is replaced, not changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
