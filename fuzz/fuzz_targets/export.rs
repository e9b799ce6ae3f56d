//! Lines of an export: a line that can be read can be written and read again.

#![no_main]

use kmip_server::internals::backup;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(once) = backup::round_trip(bytes) {
        assert_eq!(backup::round_trip(&once).as_ref(), Ok(&once));
    }
});
