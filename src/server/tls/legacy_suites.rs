//! The cipher suites of OpenSSL.

/// A cipher suite up to TLS 1.2 that OpenSSL can serve.
#[derive(Debug, PartialEq, Eq)]
pub struct LegacySuite {
    /// The standard name.
    pub name: &'static str,
    /// When the suite is offered.
    pub offered: Offered,
}

/// When a suite is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// By default: a suite of PyKMIP's server over TLS 1.2, a mandatory one of the KMIP profiles, or one of rustls.
    Always,
    /// By default if `tls_minimum_version` allows TLS 1.0 or 1.1, whose clients have no other suites.
    OldVersions,
    /// Only if `tls_cipher_suites` names it.
    IfNamed,
}

/// The suites of OpenSSL in the order of preference: forward secrecy first, then authenticated encryption.
///
/// Suites without certificate or without encryption are not among them, nor are those that OpenSSL 3 is built without.
pub const LEGACY_SUITES: &[LegacySuite] = {
    use Offered::{Always, IfNamed, OldVersions};
    const fn suite(name: &'static str, offered: Offered) -> LegacySuite {
        LegacySuite { name, offered }
    }
    &[
        suite("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Always),
        suite("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Always),
        suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Always),
        suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Always),
        suite("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", Always),
        suite("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Always),
        suite("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", IfNamed),
        suite("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", IfNamed),
        suite("TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", IfNamed),
        suite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", Always),
        suite("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", Always),
        suite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", Always),
        suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", Always),
        suite("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", IfNamed),
        suite("TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", IfNamed),
        suite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", OldVersions),
        suite("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", OldVersions),
        suite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", OldVersions),
        suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", OldVersions),
        suite("TLS_DHE_RSA_WITH_AES_256_CBC_SHA", IfNamed),
        suite("TLS_DHE_RSA_WITH_AES_128_CBC_SHA", IfNamed),
        suite("TLS_RSA_WITH_AES_256_GCM_SHA384", IfNamed),
        suite("TLS_RSA_WITH_AES_128_GCM_SHA256", IfNamed),
        suite("TLS_RSA_WITH_AES_256_CBC_SHA256", Always),
        suite("TLS_RSA_WITH_AES_128_CBC_SHA256", Always),
        suite("TLS_RSA_WITH_AES_256_CBC_SHA", OldVersions),
        suite("TLS_RSA_WITH_AES_128_CBC_SHA", Always),
    ]
};

/// Returns OpenSSL's name, such as `ECDHE-RSA-AES256-GCM-SHA384` or `AES128-SHA`. The suites of TLS 1.3 have the same
/// name in both.
pub fn openssl_name(standard: &str) -> String {
    let Some((exchange, cipher)) = standard.strip_prefix("TLS_").and_then(|it| it.split_once("_WITH_"))
    else {
        return standard.to_owned();
    };
    let cipher = cipher.replace("AES_", "AES").replace("POLY1305_SHA256", "POLY1305").replace("_CBC", "");
    let exchange = if exchange == "RSA" { String::new() } else { format!("{exchange}-") };
    format!("{exchange}{cipher}").replace('_', "-")
}
