//! A cache of private RSA keys that signed lately. aws-lc-rs checks a key when it reads it and precomputes values at
//! the first signature; both together cost several times as much as a signature.
//!
//! The digest of its bytes identifies a key, so only callers that have the key find it. A key is wiped when it leaves
//! the cache: when it is destroyed, when newer keys need its room, or at the first signature after a minute without
//! use.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::KeyPair;

use super::PrivateKey;
use crate::bounded_map::{BoundedMap, Bounds, WhenFull};
use crate::crypto::{Error, KeyRole, Purpose};
use crate::lock::IgnorePoison;

/// The number of cached keys, of a few kilobytes each. The cache has one owner, whose share is all of it.
const CAPACITY: usize = 64;

const BOUNDS: Bounds = Bounds {
    capacity: CAPACITY,
    when_full: WhenFull::EvictOldest,
    share: CAPACITY,
    when_share_used: WhenFull::EvictOldest,
};

/// The time after its last use for which a key stays.
const IDLE: Duration = Duration::from_secs(60);

static READY: LazyLock<Mutex<BoundedMap<Vec<u8>, Arc<KeyPair>>>> =
    LazyLock::new(|| Mutex::new(BoundedMap::new(BOUNDS)));

/// Returns the key, ready to sign.
///
/// # Errors
/// Returns [`Error::Unreadable`] if aws-lc-rs rejects the key.
pub(super) fn pair(key: &PrivateKey) -> Result<Arc<KeyPair>, Error> {
    let digest = digest_of(key);
    if let Some(pair) = find(&digest, Instant::now()) {
        return Ok(pair);
    }
    // The lock is free meanwhile, so that other threads can sign.
    let pair = KeyPair::from_pkcs8(key.pkcs8()?.expose());
    let unreadable = Error::Unreadable { role: KeyRole::Private, purpose: Purpose::Sign };
    let pair = Arc::new(pair.map_err(|_| unreadable)?);
    insert(digest, Arc::clone(&pair), Instant::now());
    Ok(pair)
}

/// Removes a key that is destroyed.
pub fn forget(key: &PrivateKey) {
    READY.lock().ignore_poison().remove(&digest_of(key));
}

/// Returns whether the key is in the cache.
#[cfg(test)]
pub(crate) fn is_ready(key: &PrivateKey) -> bool {
    find(&digest_of(key), Instant::now()).is_some()
}

fn digest_of(key: &PrivateKey) -> Vec<u8> {
    digest(&SHA256, key.pkcs1().expose()).as_ref().to_vec()
}

fn find(digest: &[u8], now: Instant) -> Option<Arc<KeyPair>> {
    let mut ready = READY.lock().ignore_poison();
    ready.expire(now);
    ready.renew(digest, Some(IDLE), now);
    ready.get(digest).cloned()
}

fn insert(digest: Vec<u8>, pair: Arc<KeyPair>, now: Instant) {
    let mut ready = READY.lock().ignore_poison();
    ready.remove(&digest);
    // Both bounds evict, so the insertion cannot fail.
    let _ = ready.insert(digest, "", pair, Some(IDLE), now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_while_they_are_used_and_within_the_capacity() {
        let pair = Arc::new(KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap());
        let name = |number: usize| digest(&SHA256, &number.to_be_bytes()).as_ref().to_vec();
        let now = Instant::now();
        for number in 0..CAPACITY + 10 {
            insert(name(number), Arc::clone(&pair), now + Duration::from_millis(number as u64));
        }
        let later = now + Duration::from_secs(30);
        assert!(find(&name(9), later).is_none() && find(&name(CAPACITY + 9), later).is_some());
        assert!(READY.lock().unwrap().len() <= CAPACITY);
        assert!(find(&name(CAPACITY + 9), later + IDLE - Duration::from_secs(1)).is_some(), "it was used");
        assert!(find(&name(CAPACITY + 8), later + IDLE).is_none(), "it was not used");
    }
}
