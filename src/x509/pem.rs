//! PEM files (RFC 7468, RFC 1421), as OpenSSL reads them: text around the blocks, any line ends, a byte order mark, and
//! spaces at the end of lines are no errors. Each block is returned, whatever its label is.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::der::{Elements, tag};

const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// A block of a PEM file.
#[derive(Debug)]
pub struct Block {
    /// The label, such as `CERTIFICATE`.
    pub label: String,
    /// The number of the block in the file, from 1.
    pub number: usize,
    /// The number of the line with its label, from 1.
    pub line: usize,
    /// The contents, or the reason for which they cannot be read.
    pub contents: Result<Zeroizing<Vec<u8>>, Fault>,
}

/// The reason for which a block cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The line that ends the block is missing.
    NoEnd,
    /// The block is not base64.
    NotBase64,
    /// The block is encrypted (RFC 1421 §4.6.1.1).
    Encrypted,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoEnd => "its END line is missing",
            Self::NotBase64 => "it is not base64",
            Self::Encrypted => "it is encrypted",
        })
    }
}

/// Reads the blocks of a file.
pub fn blocks(text: &[u8]) -> Vec<Block> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1..).peekable();
    let mut blocks = Vec::new();
    while let Some((first, line)) = lines.next() {
        let Some(label) = boundary(first, b"-----BEGIN ") else { continue };
        let mut base64 = Zeroizing::new(Vec::new());
        let mut contents = Err(Fault::NoEnd);
        let mut is_encrypted = false;
        // A block without end does not hide the next one.
        while let Some((text, _)) = lines.next_if(|(text, _)| !text.starts_with(b"-----BEGIN ")) {
            if boundary(text, b"-----END ").is_some_and(|end| end == label) {
                contents = decode(&base64);
                break;
            }
            // Headers of RFC 1421; base64 contains no colon.
            if text.contains(&b':') {
                is_encrypted |= text.starts_with(b"Proc-Type:") && text.ends_with(b"ENCRYPTED");
            } else {
                base64.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
            }
        }
        if is_encrypted {
            contents = Err(Fault::Encrypted);
        }
        let label = String::from_utf8_lossy(label).into_owned();
        blocks.push(Block { label, number: blocks.len() + 1, line, contents });
    }
    blocks
}

/// Returns whether `der` is an EncryptedPrivateKeyInfo (RFC 5208 §6), which PEM states in its label.
pub fn is_encrypted_key(der: &[u8]) -> bool {
    let fields = Elements::within(tag::SEQUENCE, der);
    fields.is_some_and(|mut fields| {
        fields.take(tag::SEQUENCE).is_some() && fields.take(tag::OCTET_STRING).is_some() && fields.is_empty()
    })
}

/// Returns the label in a line that begins or ends a block.
fn boundary<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

fn decode(base64: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let text = std::str::from_utf8(base64).map_err(|_| Fault::NotBase64)?;
    let bytes = Base64::decode_vec(text).map_err(|_| Fault::NotBase64)?;
    if bytes.is_empty() { Err(Fault::NotBase64) } else { Ok(Zeroizing::new(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Label, number, line and contents of a block.
    type Row = (String, usize, usize, Result<Vec<u8>, Fault>);

    fn read(text: &str) -> Vec<Row> {
        let row = |it: Block| (it.label, it.number, it.line, it.contents.map(|it| it.to_vec()));
        blocks(text.as_bytes()).into_iter().map(row).collect()
    }

    #[test]
    fn reads_blocks_between_text_with_any_line_ends() {
        let plain = "subject=x\n-----BEGIN A B-----\nAQID\nBA==\n-----END A B-----\ntext\n-----BEGIN C-----\nBQ==\n-----END C-----";
        let expected = vec![("A B".into(), 1, 2, Ok(vec![1, 2, 3, 4])), ("C".into(), 2, 7, Ok(vec![5]))];
        assert_eq!(read(plain), expected);
        assert_eq!(read(&plain.replace('\n', "\r\n")), expected);
        assert_eq!(read(&plain.replace('\n', "  \n")), expected);
        assert_eq!(read(&plain.replace("subject", "\u{FEFF}subject")), expected);
        let marked = format!("\u{FEFF}{}", plain.trim_start_matches("subject=x\n"));
        assert_eq!(
            read(&marked).iter().map(|row| row.3.clone()).collect::<Vec<_>>(),
            [Ok(vec![1, 2, 3, 4]), Ok(vec![5])]
        );
        assert_eq!(read("no block"), []);
    }

    #[test]
    fn returns_each_block_that_cannot_be_read() {
        for (text, fault) in [
            ("-----BEGIN A-----\nAQID\n", Fault::NoEnd),
            ("-----BEGIN A-----\nAQID\n-----END B-----\n", Fault::NoEnd),
            ("-----BEGIN A-----\nAQ!D\n-----END A-----\n", Fault::NotBase64),
            ("-----BEGIN A-----\nAQI\n-----END A-----\n", Fault::NotBase64),
            ("-----BEGIN A-----\n-----END A-----\n", Fault::NotBase64),
            (
                "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQID\n-----END A-----\n",
                Fault::Encrypted,
            ),
        ] {
            let next = "-----BEGIN C-----\nBQ==\n-----END C-----\n";
            let found = read(&format!("{text}{next}"));
            assert_eq!(found[0], ("A".into(), 1, 1, Err(fault)), "{text}");
            assert_eq!((found.len(), &found[1].3), (2, &Ok(vec![5])), "{text}");
        }
    }
}
