//! What a connection begins with: TLS, or another protocol.

use std::fmt;

use super::hello::is_ssl2;

/// The number of bytes of an unknown protocol that the log shows.
const SHOWN: usize = 8;

/// The methods of HTTP requests, and the preface of HTTP/2.
const HTTP: [&str; 9] =
    ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "CONNECT ", "PATCH ", "PRI "];

/// The first bytes of a header of the PROXY protocol, versions 1 and 2.
const PROXY: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// The protocol of the first bytes of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server) enum Opening {
    /// The client sent nothing.
    #[default]
    Nothing,
    /// A record of TLS, which may be malformed.
    Tls,
    /// An HTTP request.
    Http,
    /// The greeting of SSH.
    Ssh,
    /// A KMIP message in TTLV.
    Kmip,
    /// A header of the PROXY protocol, which load balancers send.
    Proxy,
    /// Other bytes, the first ones.
    Other(Box<[u8]>),
}

impl Opening {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Nothing,
            // RFC 8446 §5.1: the content types, then the major version, which is 3 in all versions.
            [0x14..=0x18] | [0x14..=0x18, 3, ..] => Self::Tls,
            bytes if is_ssl2(bytes) => Self::Tls,
            bytes if HTTP.iter().any(|method| bytes.starts_with(method.as_bytes())) => Self::Http,
            [b'S', b'S', b'H', b'-', ..] => Self::Ssh,
            // The tags of request and response message.
            [0x42, 0, 0x78 | 0x7b, ..] => Self::Kmip,
            bytes if PROXY.iter().any(|begin| bytes.starts_with(begin)) => Self::Proxy,
            bytes => Self::Other(bytes.iter().take(SHOWN).copied().collect()),
        }
    }

    /// Returns whether the bytes are those of another protocol than TLS.
    pub(super) fn is_foreign(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Tls)
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Tls => f.write_str("TLS"),
            Self::Http => f.write_str("an HTTP request"),
            Self::Ssh => f.write_str("an SSH greeting"),
            Self::Kmip => f.write_str("a KMIP message"),
            Self::Proxy => f.write_str("a PROXY protocol header"),
            Self::Other(bytes) => {
                write!(f, "bytes that begin with {}", base16ct::lower::encode_string(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_protocols_by_their_first_bytes() {
        for (bytes, expected) in [
            (&b""[..], Opening::Nothing),
            (&[0x16, 3, 1, 2, 0], Opening::Tls),
            (&[0x16], Opening::Tls),
            (&[0x80, 31, 1, 3, 1], Opening::Tls),
            (b"GET /kmip HTTP/1.1\r\n", Opening::Http),
            (b"PRI * HTTP/2.0", Opening::Http),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Opening::Ssh),
            (&[0x42, 0, 0x78, 1], Opening::Kmip),
            (b"PROXY TCP4 10.0.0.1", Opening::Proxy),
            (b"\r\n\r\n\0\r\nQUIT\n\x21", Opening::Proxy),
            (&[0x16, 9, 9], Opening::Other([0x16, 9, 9].into())),
            (&[0; 20], Opening::Other([0; 8].into())),
        ] {
            assert_eq!(Opening::of(bytes), expected, "{bytes:02x?}");
        }
        assert_eq!(Opening::Other([0xff, 1].into()).to_string(), "bytes that begin with ff01");
    }
}
