//! Server Correlation Values: names for responses, by which clients and the log speak of the same one
//! (KMIP 1.4 §6.19, 2.1 §9.10).

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use base16ct::upper;

use crate::crypto::random;
use crate::kmip::RequestHeader;
use crate::ttlv::{V1_4, V2_1, Version};

/// The bytes that tell the values of one start of the server from those of all others.
const START_BYTES: usize = 8;

/// A name for the response to a request with that header, where the client can read one and has use for it.
///
/// Clients of 1.4 and 2.0 exist, PyKMIP's among them, that take the item for a broken header. In 1.4 a client that
/// sends a value of its own knows the item; in 2.1 every client does, and one with a value of its own has its name.
pub(super) fn value(version: Version, header: &RequestHeader) -> Option<String> {
    let named = header.client_correlation_value.is_some();
    let wanted = if version == V1_4 { named } else { version >= V2_1 && !named };
    wanted.then(next)
}

fn next() -> String {
    static START: LazyLock<String> =
        LazyLock::new(|| upper::encode_string(&random::bytes(START_BYTES).unwrap_or_default()));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", *START, COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_comes_twice() {
        assert_ne!(next(), next());
        assert_eq!(next().split_once('-').map(|(start, _)| start.len()), Some(2 * START_BYTES));
    }
}
