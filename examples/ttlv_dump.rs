//! Prints KMIP messages in words: `cargo run --example ttlv_dump < examples/messages/create_request.hex`.
//!
//! A message is binary TTLV, TTLV in hexadecimal or in Base64, XML or JSON; TTLV may contain several messages. Of key
//! material, passwords and data, only the length is printed. `examples/messages` has samples.

use std::io::Read;
use std::process::ExitCode;

use base64ct::{Base64, Encoding};
use kmip_server::encoding::{Error, Tree, json, xml};

pub(crate) fn main() -> ExitCode {
    let mut input = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut input) {
        eprintln!("ttlv_dump: standard input cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    let message = match decode(input) {
        Ok(message) => message,
        Err(error) => {
            eprintln!("ttlv_dump: {error}");
            return ExitCode::FAILURE;
        }
    };
    let tree = Tree::of(&message);
    print!("{tree}");
    if tree.error().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Converts a message in any of the forms to TTLV.
pub(crate) fn decode(input: Vec<u8>) -> Result<Vec<u8>, Error> {
    match input.trim_ascii_start().first() {
        Some(b'<') => xml::decode(&input),
        Some(b'{') => json::decode(&input),
        _ => Ok(from_text(&input).unwrap_or(input)),
    }
}

/// Decodes hexadecimal digits or Base64, ignoring white space. Returns `None` for any other input.
fn from_text(input: &[u8]) -> Option<Vec<u8>> {
    let text: String = std::str::from_utf8(input).ok()?.split_whitespace().collect();
    base16ct::mixed::decode_vec(&text).ok().or_else(|| Base64::decode_vec(&text).ok())
}
