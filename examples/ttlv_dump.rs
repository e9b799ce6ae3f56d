//! Prints TTLV as a tree: `cargo run --example ttlv_dump < message`, where the message is binary or hexadecimal.
//!
//! The input may contain several messages. Of key material, passwords and data, only the length is printed.

use std::io::Read;
use std::process::ExitCode;

use kmip_server::ttlv::{V2_1, dump};

fn main() -> ExitCode {
    let mut input = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut input) {
        eprintln!("ttlv_dump: standard input cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    let tree = dump(&from_hex(&input).unwrap_or(input), V2_1);
    print!("{tree}");
    // The last line contains the position of the first invalid byte.
    let whole = !tree.lines().last().is_some_and(|line| line.starts_with("!! "));
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Decodes hexadecimal digits, ignoring white space. Returns `None` for any other input.
fn from_hex(input: &[u8]) -> Option<Vec<u8>> {
    let text: String = std::str::from_utf8(input).ok()?.split_whitespace().collect();
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(16 * high + low).ok(),
        _ => None,
    });
    bytes.collect()
}
