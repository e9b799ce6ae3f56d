//! Reads the ClientHello in the first bytes of a connection: what the client offers, for the choice of the TLS stack
//! and for the log.

use rustls::{CipherSuite, NamedGroup, SignatureScheme};

/// The largest ClientHello that is recorded, with the headers of its records. rustls reads no larger message.
pub(super) const MAX_HELLO: usize = 68 * 1024;

/// The number of names of each kind that the log shows.
pub(super) const MAX_NAMES: usize = 10;

/// The numbers of the newest protocol versions.
pub(super) const TLS_1_2: u16 = 0x0303;
pub(super) const TLS_1_3: u16 = 0x0304;

const HANDSHAKE_RECORD: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;

const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const SUPPORTED_VERSIONS: u16 = 43;

/// What a client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The protocol versions: those of supported_versions (RFC 8446 §4.2.1), else the legacy version alone, which
    /// includes all older ones.
    pub versions: Vec<u16>,
    /// The cipher suites, in the client's order.
    pub cipher_suites: Vec<u16>,
    /// The key exchange groups; empty if the client does not state them.
    pub groups: Vec<u16>,
    /// The signature algorithms; empty if the client does not state them, as before TLS 1.2.
    pub signature_schemes: Vec<u16>,
}

impl ClientHello {
    /// Reads the hello at the start of `bytes`, in TLS records or in the format of SSL 2.0 (RFC 5246 §E.2), which
    /// clients that also speak SSL 2.0 send. Returns `None` if it is incomplete or invalid.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if is_ssl2(bytes) {
            return Self::from_ssl2(Cursor(bytes));
        }
        let message = first_message(Cursor(bytes))?;
        Self::from_message(Cursor(&message))
    }

    /// Reads the body of the handshake message (RFC 8446 §4.1.2).
    fn from_message(mut message: Cursor<'_>) -> Option<Self> {
        let version = message.u16()?;
        message.take(32)?;
        message.vector8()?;
        let cipher_suites = message.vector16()?.all_u16()?;
        message.vector8()?;
        let mut hello = Self { versions: vec![version], cipher_suites, ..Self::default() };
        if message.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = message.vector16()?;
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let mut content = extensions.vector16()?;
            match kind {
                SUPPORTED_GROUPS => hello.groups = content.vector16()?.all_u16()?,
                SIGNATURE_ALGORITHMS => hello.signature_schemes = content.vector16()?.all_u16()?,
                SUPPORTED_VERSIONS => hello.versions = content.vector8()?.all_u16()?,
                _ => {}
            }
        }
        Some(hello)
    }

    fn from_ssl2(mut bytes: Cursor<'_>) -> Option<Self> {
        bytes.take(3)?;
        let version = bytes.u16()?;
        let suites = usize::from(bytes.u16()?);
        bytes.take(4)?;
        // Three bytes each; the first is zero for the suites of TLS.
        let suites = bytes.take(suites)?.chunks_exact(3);
        let cipher_suites = suites.filter_map(|suite| match suite {
            [0, high, low] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        });
        Some(Self { versions: vec![version], cipher_suites: cipher_suites.collect(), ..Self::default() })
    }

    /// Returns the newest version that the client offers.
    pub(super) fn newest_version(&self) -> Option<u16> {
        // Versions beyond 1.3 are drafts, or values that test the server (RFC 8701).
        self.versions.iter().copied().filter(|version| (0x0200..=TLS_1_3).contains(version)).max()
    }

    /// Returns the names of what the client offers, at most ten of each kind.
    pub(in crate::server) fn describe(&self) -> String {
        let versions = names(&self.versions, |version| version_name(version).to_owned());
        let suites = names(&self.cipher_suites, |suite| suite_name(CipherSuite::from(suite)));
        let groups = names(&self.groups, |group| {
            NamedGroup::from(group).as_str().map_or_else(|| format!("0x{group:04X}"), str::to_owned)
        });
        let schemes = names(&self.signature_schemes, |scheme| {
            SignatureScheme::from(scheme).as_str().map_or_else(|| format!("0x{scheme:04X}"), str::to_owned)
        });
        format!(
            "versions {versions}; cipher suites {suites}; groups {groups}; signature algorithms {schemes}"
        )
    }
}

/// Returns whether a connection begins with a ClientHello in the format of SSL 2.0 that offers TLS.
pub(super) fn is_ssl2(bytes: &[u8]) -> bool {
    matches!(bytes, [length, _, CLIENT_HELLO, 3, ..] if length & 0x80 != 0)
}

/// Returns the name of a protocol version.
pub(super) fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        TLS_1_2 => "TLS 1.2",
        TLS_1_3 => "TLS 1.3",
        _ => "another version",
    }
}

/// Returns the name of a cipher suite in IANA's registry, where names of TLS 1.3 begin with `TLS_`; rustls writes
/// `TLS13_`.
pub(super) fn suite_name(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => {
            name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
        }
        None => format!("0x{:04X}", u16::from(suite)),
    }
}

fn names(values: &[u16], name: impl Fn(u16) -> String) -> String {
    if values.is_empty() {
        return "not stated".to_owned();
    }
    let mut text = values.iter().take(MAX_NAMES).map(|value| name(*value)).collect::<Vec<_>>().join(", ");
    if let Some(more) = values.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Returns the body of the first handshake message, which must be a ClientHello, out of the records that contain it.
fn first_message(mut records: Cursor<'_>) -> Option<Vec<u8>> {
    let mut handshake = Vec::new();
    loop {
        if let [CLIENT_HELLO, a, b, c, ..] = handshake.as_slice() {
            let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
            if length > MAX_HELLO {
                return None;
            }
            if let Some(body) = handshake.get(4..4 + length) {
                return Some(body.to_vec());
            }
        } else if handshake.len() >= 4 {
            return None;
        }
        if records.u8()? != HANDSHAKE_RECORD {
            return None;
        }
        records.u16()?;
        handshake.extend_from_slice(records.vector16()?.0);
    }
}

/// The bytes that are still to be read. Each method returns `None` if they are too few.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Reads a vector with a length of one byte.
    fn vector8(&mut self) -> Option<Self> {
        let length = usize::from(self.u8()?);
        self.take(length).map(Cursor)
    }

    /// Reads a vector with a length of two bytes.
    fn vector16(&mut self) -> Option<Self> {
        let length = usize::from(self.u16()?);
        self.take(length).map(Cursor)
    }

    /// Reads the rest as numbers of two bytes.
    fn all_u16(mut self) -> Option<Vec<u16>> {
        let mut numbers = Vec::with_capacity(self.0.len() / 2);
        while !self.0.is_empty() {
            numbers.push(self.u16()?);
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::crypto::aws_lc_rs;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// Returns the first bytes of a client of rustls.
    fn first_bytes() -> Vec<u8> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let mut bytes = Vec::new();
        ClientConnection::new(Arc::new(config), name).unwrap().write_tls(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn reads_what_a_client_offers() {
        let hello = ClientHello::read(&first_bytes()).unwrap();
        assert_eq!((&*hello.versions, hello.newest_version()), (&[0x0304, 0x0303][..], Some(0x0304)));
        // TLS_EMPTY_RENEGOTIATION_INFO_SCSV is the last one.
        assert_eq!((hello.cipher_suites.len(), hello.cipher_suites[0]), (10, 0x1302));
        assert!(hello.groups.contains(&0x001d) && hello.signature_schemes.contains(&0x0403));
        let text = hello.describe();
        assert!(
            text.starts_with("versions TLS 1.3, TLS 1.2; cipher suites TLS_AES_256_GCM_SHA384, "),
            "{text}"
        );
        assert!(text.contains("; groups X25519, ") && text.contains("ECDSA_NISTP256_SHA256"), "{text}");
    }

    #[test]
    fn reads_a_hello_in_several_records() {
        let bytes = first_bytes();
        let whole = ClientHello::read(&bytes).unwrap();
        for size in [1, 3, 4, 50] {
            let record = |part: &[u8]| {
                let length = u16::try_from(part.len()).unwrap().to_be_bytes();
                [&[0x16, 3, 1][..], &length, part].concat()
            };
            let records: Vec<u8> = bytes[5..].chunks(size).flat_map(record).collect();
            assert_eq!(ClientHello::read(&records).as_ref(), Some(&whole), "{size}");
        }
    }

    #[test]
    fn incomplete_and_other_bytes_are_no_hello() {
        let bytes = first_bytes();
        for length in 0..bytes.len() {
            assert_eq!(ClientHello::read(&bytes[..length]), None, "{length}");
        }
        assert_eq!(ClientHello::read(b"GET / HTTP/1.1\r\n\r\n"), None);
        // Another message, and one that is too long.
        assert_eq!(ClientHello::read(&[0x16, 3, 1, 0, 4, 2, 0, 0, 0]), None);
        assert_eq!(ClientHello::read(&[0x16, 3, 1, 0, 4, 1, 0xff, 0, 0]), None);
    }

    #[test]
    fn names_at_most_ten_of_a_kind() {
        let hello = ClientHello { cipher_suites: (0..12).collect(), ..ClientHello::default() };
        let text = hello.describe();
        assert!(text.contains(" and 2 more; groups not stated; "), "{text}");
        assert_eq!(text.matches("TLS_").count(), 10, "{text}");
    }

    #[test]
    fn reads_the_format_of_ssl_2() {
        let mut bytes = vec![0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16, 7, 0, 0xc0, 0, 0, 0x2f];
        assert_eq!(ClientHello::read(&bytes[..14]), None);
        bytes.extend([7; 16]);
        let hello = ClientHello::read(&bytes).unwrap();
        assert_eq!((hello.versions, hello.cipher_suites), (vec![0x0301], vec![0x002f]));
    }
}
