//! Responses of a SLUGS service: the list of groups, and the target of a redirect.

#![no_main]

use kmip_server::internals::auth::slugs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    slugs::groups(bytes);
    if let Some(target) = slugs::follow("http://localhost:8080/slugs/users/john", bytes) {
        assert!(target.starts_with("http://"), "{target}");
    }
});
