//! The TLS versions and cipher suites that the settings select.

use std::slice;

use rustls::crypto::aws_lc_rs;
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::config::{AuthSuite, Config};

pub(super) fn versions(suite: AuthSuite) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST_FIRST: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    let [tls13, tls12] = NEWEST_FIRST.each_ref();
    match suite {
        AuthSuite::Basic => &NEWEST_FIRST,
        AuthSuite::Tls12 => slice::from_ref(tls12),
        AuthSuite::Tls13 => slice::from_ref(tls13),
    }
}

/// Returns the cipher suites to offer: those of `names` that `versions` support, or all if there are none; and a
/// warning with the names that cannot be offered.
pub(super) fn suites(
    all: &[SupportedCipherSuite],
    versions: &[&'static SupportedProtocolVersion],
    names: &[String],
) -> (Vec<SupportedCipherSuite>, Option<String>) {
    let usable = |suite: &&SupportedCipherSuite| versions.contains(&suite.version());
    let all: Vec<_> = all.iter().filter(usable).copied().collect();
    let (offered, unknown): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| all.iter().any(|suite| is_called(*suite, name)));
    let chosen: Vec<_> =
        all.iter().filter(|suite| offered.iter().any(|name| is_called(**suite, name))).copied().collect();
    let warning = (!unknown.is_empty()).then(|| {
        let unknown = unknown.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let rest = if chosen.is_empty() { " None is left: the default cipher suites are offered." } else { "" };
        format!("tls_cipher_suites: not offered: {unknown}.{rest} Remove these names, or see the README for others.")
    });
    (if chosen.is_empty() { all } else { chosen }, warning)
}

/// The TLS versions and cipher suites of a configuration, by name.
pub(in crate::server) struct Offer {
    pub(in crate::server) versions: String,
    pub(in crate::server) cipher_suites: Vec<String>,
    /// A warning about names in `tls_cipher_suites` that cannot be offered.
    pub(in crate::server) warning: Option<String>,
}

/// Returns the versions and cipher suites that a server with these settings offers.
pub(in crate::server) fn offer(config: &Config) -> Offer {
    let versions = versions(config.auth_suite);
    let provider = aws_lc_rs::default_provider();
    let (suites, warning) = suites(&provider.cipher_suites, versions, &config.tls_cipher_suites);
    let names = versions
        .iter()
        .rev()
        .map(|it| if it.version == rustls::ProtocolVersion::TLSv1_3 { "1.3" } else { "1.2" });
    Offer {
        versions: names.collect::<Vec<_>>().join(" and "),
        cipher_suites: suites.into_iter().map(standard_name).collect(),
        warning,
    }
}

fn is_called(suite: SupportedCipherSuite, name: &str) -> bool {
    let standard = standard_name(suite);
    name.eq_ignore_ascii_case(&standard) || name.eq_ignore_ascii_case(&openssl_name(&standard))
}

/// Returns the name in IANA's registry, where names of TLS 1.3 begin with `TLS_`; rustls writes `TLS13_`.
pub(super) fn standard_name(suite: SupportedCipherSuite) -> String {
    suite_name(suite.suite())
}

pub(super) fn suite_name(suite: CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => {
            name.strip_prefix("TLS13_").map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
        }
        None => format!("0x{:04X}", u16::from(suite)),
    }
}

/// Returns OpenSSL's name, such as `ECDHE-RSA-AES256-GCM-SHA384`. The suites of TLS 1.3 have the same name in both.
fn openssl_name(standard: &str) -> String {
    let Some((exchange, cipher)) = standard.strip_prefix("TLS_").and_then(|it| it.split_once("_WITH_"))
    else {
        return standard.to_owned();
    };
    let cipher = cipher.replace("AES_", "AES").replace("POLY1305_SHA256", "POLY1305");
    format!("{exchange}-{cipher}").replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(suite: AuthSuite, names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let (suites, _) = suites(&aws_lc_rs::default_provider().cipher_suites, versions(suite), &names);
        suites.into_iter().map(standard_name).collect()
    }

    #[test]
    fn suites_have_standard_and_openssl_names() {
        let ours = &aws_lc_rs::default_provider().cipher_suites;
        let names: Vec<_> = ours.iter().map(|it| openssl_name(&standard_name(*it))).collect();
        for name in [
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305",
        ] {
            assert!(names.iter().any(|it| it == name), "{name} is not among {names:?}");
        }
        assert_eq!(standard_name(ours[0]), "TLS_AES_256_GCM_SHA384");
    }

    #[test]
    fn offers_only_named_suites_that_the_versions_support() {
        let names =
            ["TLS_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"];
        let both = ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        assert_eq!(chosen(AuthSuite::Basic, &names), both);
        assert_eq!(chosen(AuthSuite::Tls12, &names), both[1..]);
        assert_eq!(chosen(AuthSuite::Tls13, &names), both[..1]);
    }

    #[test]
    fn offers_default_suites_if_no_named_suite_is_supported() {
        let names = ["AES128-SHA256", "TLS_RSA_WITH_AES_256_CBC_SHA256"];
        assert_eq!(chosen(AuthSuite::Tls12, &names), chosen(AuthSuite::Tls12, &[]));
        assert_eq!(chosen(AuthSuite::Tls12, &[]).len(), 6);
        assert_eq!(chosen(AuthSuite::Tls13, &["ECDHE-RSA-AES128-GCM-SHA256"]).len(), 3);
    }
}
