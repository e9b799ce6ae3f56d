//! The JSON of test control: fault rules and seeds.

#![no_main]

use kmip_server::internals::control::seed;
use kmip_server::internals::faults::Rule;
use kmip_server::internals::store::Id;
use kmip_server::ttlv::DateTime;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    if let Ok(rule) = Rule::parse(&value) {
        assert_eq!(Rule::parse(&rule.json()), Ok(rule));
    }
    let objects = match &value {
        Value::Array(objects) => objects.as_slice(),
        object => std::slice::from_ref(object),
    };
    if let Ok(records) = seed::records(objects, Id(1), DateTime(1_000)) {
        assert!(records.len() <= objects.len());
    }
});
