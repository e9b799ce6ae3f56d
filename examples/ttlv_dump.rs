//! Shows TTLV as a tree: `cargo run --example ttlv_dump < message`, the bytes as they are or in hexadecimal digits.
//!
//! Several messages may follow each other. Key material, passwords and data are told by their length only.

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
    // The last line tells where the bytes stop making sense.
    let whole = !tree.lines().last().is_some_and(|line| line.starts_with("!! "));
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The bytes that hexadecimal digits stand for, white space left out; none where it is something else.
fn from_hex(input: &[u8]) -> Option<Vec<u8>> {
    let text: String = std::str::from_utf8(input).ok()?.split_whitespace().collect();
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(16 * high + low).ok(),
        _ => None,
    });
    bytes.collect()
}
