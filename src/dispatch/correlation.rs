//! Server Correlation Values: identifiers of responses, by which a client finds the log lines about its request
//! (KMIP 1.4 §6.19, 2.1 §9.10).

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use base16ct::upper;

use crate::crypto::random;
use crate::kmip::RequestHeader;
use crate::ttlv::{V1_4, V2_1, Version};

/// The number of random bytes that distinguish the values of one server process from those of others.
const PROCESS_BYTES: usize = 8;

/// Returns a new value for the response to a request with that header, or `None` if the response has no value.
///
/// Some clients of 1.4 and 2.0, PyKMIP's among them, reject a header with this item. A 1.4 client that sends a Client
/// Correlation Value knows the item. Every 2.1 client knows it, and needs it only without a Client Correlation Value.
pub(super) fn value(version: Version, header: &RequestHeader) -> Option<String> {
    let has_client_value = header.client_correlation_value.is_some();
    let needed = if version == V1_4 { has_client_value } else { version >= V2_1 && !has_client_value };
    needed.then(next)
}

/// Returns a new value.
pub(super) fn next() -> String {
    static PROCESS: LazyLock<String> =
        LazyLock::new(|| upper::encode_string(&random::bytes(PROCESS_BYTES).unwrap_or_default()));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_unique_and_begin_with_the_random_bytes_of_the_process() {
        assert_ne!(next(), next());
        assert_eq!(next().split_once('-').map(|(process, _)| process.len()), Some(2 * PROCESS_BYTES));
    }
}
