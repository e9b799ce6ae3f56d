//! The kinds of failed handshakes, each with its code.

/// Declares the symptoms with their codes.
macro_rules! symptoms {
    ($($(#[$meta:meta])* $Name:ident $code:literal,)*) => {
        /// The kind of a failed handshake. [`crate::explain`] explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Symptom {
            $($(#[$meta])* $Name,)*
        }

        impl Symptom {
            /// Every symptom.
            pub const ALL: &'static [Self] = &[$(Self::$Name),*];

            /// Returns the code, which `--explain` knows.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$Name => $code,)*
                }
            }
        }
    };
}

symptoms! {
    /// The client closed the connection and had sent nothing.
    PortProbe "port-probe",
    /// The client closed the connection after it had sent something.
    Closed "client-closed",
    /// The client did not finish the handshake in time.
    Late "handshake-timeout",
    /// The operating system reported an error of the connection.
    Connection "connection-failed",
    /// Too many handshakes were running, most of them from the address of the client.
    TooMany "too-many-handshakes",
    /// The client sent HTTP without TLS.
    PlainHttp "plain-http",
    /// The client speaks SSH.
    Ssh "ssh",
    /// The client sent KMIP without TLS.
    PlainKmip "plain-kmip",
    /// A load balancer sent a header of the PROXY protocol.
    ProxyHeader "proxy-header",
    /// The client sent other bytes than TLS.
    NotTls "not-tls",
    /// The client sent TLS records or messages that are malformed.
    BadTls "bad-tls",
    /// Client and server have no protocol version in common.
    NoVersion "no-tls-version",
    /// Client and server have no cipher suite in common.
    NoCipherSuite "no-cipher-suite",
    /// Client and server have no key exchange group in common.
    NoGroup "no-key-exchange-group",
    /// The client supports no signature algorithm of the server's key.
    NoSignatureAlgorithm "no-signature-algorithm",
    /// The client sent no certificate.
    NoCertificate "certificate-required",
    /// No certificate of `ca_path` has the name of the issuer.
    UnknownIssuer "unknown-issuer",
    /// A certificate of `ca_path` has the name of the issuer, and another key.
    OtherIssuerKey "issuer-key-changed",
    /// The certificate of `ca_path` that issued the client's has expired.
    IssuerExpired "issuer-expired",
    /// A certificate of the client has expired.
    Expired "expired",
    /// A certificate of the client is not valid yet.
    NotYetValid "not-yet-valid",
    /// The extended key usage does not contain client authentication.
    NotForClients "not-for-clients",
    /// The client certificate is refused for another reason.
    BadCertificate "certificate-refused",
    /// The client does not trust the server's certificate.
    Distrust "server-certificate-distrusted",
    /// The client ended the handshake with another alert.
    Alert "client-alert",
    /// Any other failure.
    Other "handshake-failed",
}
