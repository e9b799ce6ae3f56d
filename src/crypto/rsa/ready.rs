//! Private keys that signed lately, ready to sign again. aws-lc-rs checks a key when it reads it and prepares it at
//! its first signature, which together cost several times what a signature costs.
//!
//! A key is known by the digest of its bytes, so nobody gets it here who does not have it already. It is wiped when
//! it leaves: when it is destroyed, when others come, or at the first signature after it has not been used for a
//! minute.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::rsa::KeyPair;

use super::PrivateKey;
use crate::crypto::{Error, KeyRole, Purpose};
use crate::lock::IgnorePoison;

/// How many keys are kept: 64, of a few kilobytes each.
const KEPT: usize = 64;
/// How long a key is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

static READY: Mutex<Vec<Ready>> = Mutex::new(Vec::new());

struct Ready {
    digest: Digest,
    pair: Arc<KeyPair>,
    used: Instant,
}

/// The key, ready to sign.
///
/// # Errors
/// [`Error::Unreadable`] where aws-lc-rs does not take it.
pub(super) fn pair(key: &PrivateKey) -> Result<Arc<KeyPair>, Error> {
    let digest = digest(&SHA256, key.pkcs1().expose());
    if let Some(pair) = find(&digest, Instant::now()) {
        return Ok(pair);
    }
    // Outside of the lock: others sign meanwhile.
    let pair = KeyPair::from_pkcs8(key.pkcs8()?.expose());
    let unreadable = Error::Unreadable { role: KeyRole::Private, purpose: Purpose::Sign };
    let pair = Arc::new(pair.map_err(|_| unreadable)?);
    keep(digest, Arc::clone(&pair), Instant::now());
    Ok(pair)
}

/// Lets go of a key that is destroyed.
pub fn forget(key: &PrivateKey) {
    forget_digest(&digest(&SHA256, key.pkcs1().expose()));
}

/// Whether the key is ready.
#[cfg(test)]
pub(crate) fn is_ready(key: &PrivateKey) -> bool {
    find(&digest(&SHA256, key.pkcs1().expose()), Instant::now()).is_some()
}

fn forget_digest(digest: &Digest) {
    let mut ready = READY.lock().ignore_poison();
    ready.retain(|kept| kept.digest.as_ref() != digest.as_ref());
}

fn find(digest: &Digest, now: Instant) -> Option<Arc<KeyPair>> {
    let mut ready = READY.lock().ignore_poison();
    ready.retain(|kept| now.saturating_duration_since(kept.used) < IDLE);
    let kept = ready.iter_mut().find(|kept| kept.digest.as_ref() == digest.as_ref())?;
    kept.used = now;
    Some(Arc::clone(&kept.pair))
}

fn keep(digest: Digest, pair: Arc<KeyPair>, now: Instant) {
    forget_digest(&digest);
    let mut ready = READY.lock().ignore_poison();
    if ready.len() >= KEPT {
        let oldest = ready.iter().enumerate().min_by_key(|(_, kept)| kept.used).map(|(place, _)| place);
        if let Some(place) = oldest {
            ready.swap_remove(place);
        }
    }
    ready.push(Ready { digest, pair, used: now });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_while_they_are_used_and_no_more_than_fit() {
        let first = Arc::new(KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap());
        let name = |number: usize| digest(&SHA256, &number.to_be_bytes());
        let now = Instant::now();
        for number in 0..KEPT + 10 {
            keep(name(number), Arc::clone(&first), now + Duration::from_millis(number as u64));
        }
        let later = now + Duration::from_secs(30);
        assert!(find(&name(9), later).is_none() && find(&name(KEPT + 9), later).is_some());
        assert!(READY.lock().unwrap().len() <= KEPT);
        assert!(find(&name(KEPT + 9), later + IDLE - Duration::from_secs(1)).is_some(), "it was used");
        assert!(find(&name(KEPT + 8), later + IDLE).is_none(), "it was not");
    }
}
