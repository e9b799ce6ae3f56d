//! The samples of the example `ttlv_dump` in words.

use std::fs;
use std::path::Path;

use kmip_server::encoding::Tree;

#[path = "../examples/ttlv_dump.rs"]
#[expect(dead_code, reason = "the test calls the function that reads a message")]
mod program;

#[test]
fn ttlv_dump_prints_each_sample_in_words() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/messages");
    let mut tested = 0;
    for (sample, line) in [
        ("create_request.hex", "Operation (Enumeration): Create"),
        ("create_request.hex", "Attribute Value (Integer): Encrypt | Decrypt"),
        ("get_response.base64", "Key Material (Byte String): <32 bytes>"),
        ("get_response.base64", "Time Stamp (Date-Time): 2026-11-30T"),
        ("locate_request.xml", "State (Enumeration): Active"),
        ("refused_response.hex", "Result Reason (Enumeration): Item Not Found"),
    ] {
        let tree = Tree::of(&program::decode(fs::read(samples.join(sample)).unwrap()).unwrap());
        assert!(tree.error().is_none(), "{sample}: {tree}");
        assert!(tree.to_string().contains(line), "{line} is not in {tree}");
        tested += 1;
    }
    assert_eq!((fs::read_dir(samples).unwrap().count(), tested), (4, 6), "each sample is tested");
}
