//! Messages in XML and JSON: a message in one of them can be written in both and read again.

#![no_main]

use kmip_server::encoding::{json, xml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let read = [xml::decode(bytes), json::decode(bytes)];
    for message in read.into_iter().flatten() {
        if let Ok(text) = xml::encode(&message) {
            assert!(xml::decode(text.as_bytes()).is_ok(), "{text}");
        }
        if let Ok(text) = json::encode(&message) {
            assert!(json::decode(text.as_bytes()).is_ok(), "{text}");
        }
    }
});
