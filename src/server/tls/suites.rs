//! The TLS versions and cipher suites that the settings select, for rustls and for OpenSSL.

use std::fmt;
use std::slice;

use rustls::crypto::aws_lc_rs;
use rustls::{SignatureAlgorithm, SupportedCipherSuite, SupportedProtocolVersion, version};

#[cfg(feature = "legacy-tls")]
use super::cipher_string;
use super::hello::suite_name;
use super::legacy_suites::{LEGACY_SUITES, Offered, openssl_name};
use crate::config::{AuthSuite, Config, TlsVersion};

/// The type of the server's key, which determines the cipher suites up to TLS 1.2 that it can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA.
    Rsa,
    /// An elliptic curve.
    Ec,
}

impl KeyType {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::Rsa, Self::Ec];

    pub(super) fn of(algorithm: SignatureAlgorithm) -> Self {
        if algorithm == SignatureAlgorithm::RSA { Self::Rsa } else { Self::Ec }
    }

    /// Returns whether a key of this type can serve the suite with this standard name.
    pub(super) fn serves(self, suite: &str) -> bool {
        match suite.split_once("_WITH_") {
            // The suites of TLS 1.3 name no key type.
            None => true,
            Some((exchange, _)) => exchange.ends_with("_ECDSA") == (self == Self::Ec),
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "an RSA certificate",
            Self::Ec => "an EC certificate",
        })
    }
}

/// The cipher suites that a server offers, and warnings about the settings.
#[derive(Debug, Default)]
pub(in crate::server) struct Selection {
    /// The suites of rustls; empty if OpenSSL serves all clients.
    pub(super) rustls: Vec<SupportedCipherSuite>,
    /// The suites of OpenSSL by their standard names; empty if it serves no client.
    pub(super) openssl: Vec<&'static str>,
    /// The suites of connections to client endpoints, which do not depend on the type of the server's key.
    pub(super) outgoing: Vec<SupportedCipherSuite>,
    pub(in crate::server) warnings: Vec<String>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.rustls.is_empty() && self.openssl.is_empty()
    }

    /// Returns the suites that the settings allow and of which `keep` returns true for the standard name.
    fn of(config: &Config, keep: impl Fn(&str) -> bool) -> Self {
        let versions = versions(config.auth_suite);
        let rustls = aws_lc_rs::default_provider().cipher_suites.into_iter();
        let rustls = rustls.filter(|it| versions.contains(&it.version()) && keep(&standard_name(*it)));
        let openssl = LEGACY_SUITES.iter().map(|suite| suite.name);
        let openssl = openssl.filter(|name| uses_openssl(config) && keep(name));
        Self { rustls: rustls.collect(), openssl: openssl.collect(), ..Self::default() }
    }

    fn contains(&self, name: &str) -> bool {
        self.openssl.contains(&name) || self.rustls.iter().any(|suite| standard_name(*suite) == name)
    }

    /// Returns the standard names of the suites of both stacks.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let openssl = self.openssl.iter().map(|&name| name.to_owned());
        self.rustls.iter().copied().map(standard_name).chain(openssl)
    }

    /// Returns one line for each TLS stack that serves clients: its versions and cipher suites.
    pub(in crate::server) fn describe(&self, config: &Config, key: KeyType) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.rustls.is_empty() {
            let names: Vec<_> = self.rustls.iter().copied().map(standard_name).collect();
            lines.push(format!("Speaks TLS {} with {key}: {}", self.rustls_versions(), names.join(", ")));
        }
        if !self.openssl.is_empty() {
            let (versions, names) = (openssl_versions(config), self.openssl.join(", "));
            lines.push(format!("Speaks TLS {versions} by OpenSSL, for older clients, with {key}: {names}"));
        }
        lines
    }

    /// Returns what the server offers as one sentence, with at most `max` suites of each stack.
    pub(super) fn summary(&self, config: &Config, key: KeyType, max: usize) -> String {
        let shown = |names: Vec<String>| match names.len().saturating_sub(max) {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.get(..max).unwrap_or_default().join(", ")),
        };
        let mut stacks = Vec::new();
        if !self.rustls.is_empty() {
            let names = shown(self.rustls.iter().copied().map(standard_name).collect());
            stacks.push(format!("TLS {}: {names}", self.rustls_versions()));
        }
        if !self.openssl.is_empty() {
            let names = shown(self.openssl.iter().map(|&name| name.to_owned()).collect());
            stacks.push(format!("TLS {} by OpenSSL: {names}", openssl_versions(config)));
        }
        format!("The server, with {key}, offers {}", stacks.join("; "))
    }

    fn rustls_versions(&self) -> &'static str {
        let has = |version: &SupportedProtocolVersion| {
            self.rustls.iter().any(|suite| suite.version().version == version.version)
        };
        match (has(&version::TLS12), has(&version::TLS13)) {
            (true, true) => "1.2 and 1.3",
            (true, false) => "1.2",
            _ => "1.3",
        }
    }
}

fn openssl_versions(config: &Config) -> &'static str {
    match config.tls_minimum_version {
        TlsVersion::V1_0 => "1.0 to 1.2",
        TlsVersion::V1_1 => "1.1 and 1.2",
        TlsVersion::V1_2 => "1.2",
    }
}

/// Selects the cipher suites for a server whose certificate has a key of type `key`.
pub(in crate::server) fn select(config: &Config, key: KeyType) -> Selection {
    let old = config.tls_minimum_version < TlsVersion::V1_2;
    let is_default = |name: &str| {
        let legacy = LEGACY_SUITES.iter().find(|suite| suite.name == name);
        legacy.is_none_or(|suite| match suite.offered {
            Offered::Always => true,
            Offered::OldVersions => old,
            Offered::IfNamed => false,
        })
    };
    let defaults = || {
        let outgoing = Selection::of(config, |_| true).rustls;
        Selection { outgoing, ..Selection::of(config, |name| key.serves(name) && is_default(name)) }
    };
    let mut warnings: Vec<_> = version_warning(config).into_iter().collect();
    if config.tls_cipher_suites.is_empty() {
        return Selection { warnings, ..defaults() };
    }
    let Named { suites, mut unknown, is_expression } = Named::read(&config.tls_cipher_suites);
    let is_named =
        |name: &str| suites.iter().any(|suite| suite == name) || (is_expression && !name.contains("_WITH_"));
    let available = Selection::of(config, is_named);
    if !is_expression {
        unknown.extend(suites.iter().filter(|suite| !available.contains(suite)).cloned());
    }
    let selection = Selection::of(config, |name| key.serves(name) && is_named(name));
    let none_left = selection.is_empty().then_some("None is left: the default cipher suites are offered. ");
    if !unknown.is_empty() {
        warnings.push(format!(
            "tls_cipher_suites: not offered: {}. {}Remove these names, or see docs/tls.md for others.",
            unknown.join(", "),
            none_left.unwrap_or_default()
        ));
    } else if selection.is_empty() {
        warnings.push(format!(
            "tls_cipher_suites: a server with {key} cannot use {}: the default cipher suites are offered. Name others \
             (docs/tls.md), or use another certificate.",
            config.tls_cipher_suites.join(", ")
        ));
    }
    if selection.is_empty() {
        return Selection { warnings, ..defaults() };
    }
    let outgoing = if available.rustls.is_empty() { defaults().outgoing } else { available.rustls };
    Selection { outgoing, warnings, ..selection }
}

/// Returns whether OpenSSL serves the clients that rustls cannot serve.
fn uses_openssl(config: &Config) -> bool {
    cfg!(feature = "legacy-tls") && config.legacy_tls && config.auth_suite != AuthSuite::Tls13
}

/// Returns a warning about `tls_minimum_version`, if it is below 1.2.
fn version_warning(config: &Config) -> Option<String> {
    if config.tls_minimum_version == TlsVersion::V1_2 {
        return None;
    }
    let cause = if uses_openssl(config) {
        return Some(
            "tls_minimum_version: TLS 1.0 and 1.1 are insecure. Set it to 1.2 when all clients support TLS 1.2."
                .to_owned(),
        );
    } else if config.auth_suite == AuthSuite::Tls13 {
        "auth_suite is TLS1.3; set it to Basic"
    } else if config.legacy_tls {
        "this build lacks the cargo feature legacy-tls"
    } else {
        "legacy_tls is False; set it to True"
    };
    Some(format!("tls_minimum_version: it has no effect, because {cause}."))
}

/// The content of `tls_cipher_suites`.
struct Named {
    /// Standard names.
    suites: Vec<String>,
    /// What names no suite.
    unknown: Vec<String>,
    /// Whether it is a cipher string of OpenSSL, such as `HIGH:!aNULL`, which does not select among the suites of TLS
    /// 1.3.
    is_expression: bool,
}

impl Named {
    /// Reads names of suites, and cipher strings of OpenSSL, which colons may join.
    fn read(names: &[String]) -> Self {
        let tokens: Vec<_> =
            names.iter().flat_map(|name| name.split(':')).filter(|token| !token.is_empty()).collect();
        let mut named = Self { suites: Vec::new(), unknown: Vec::new(), is_expression: false };
        let rustls = aws_lc_rs::default_provider().cipher_suites.into_iter().map(standard_name);
        let known: Vec<_> = rustls.chain(LEGACY_SUITES.iter().map(|it| it.name.to_owned())).collect();
        let mut terms = Vec::new();
        for token in tokens {
            if let Some(name) = known.iter().find(|name| is_called(name, token)) {
                named.suites.push(name.clone());
                terms.push(openssl_name(name));
            } else if is_term(token) {
                named.is_expression = true;
                terms.push(token.to_owned());
            } else {
                named.unknown.push(token.to_owned());
            }
        }
        #[cfg(feature = "legacy-tls")]
        if named.is_expression {
            named.suites = cipher_string::expand(&terms.join(":")).into_iter().map(str::to_owned).collect();
        }
        named
    }
}

/// Returns whether this part of a cipher string selects more than the suite with this name.
#[cfg(feature = "legacy-tls")]
fn is_term(token: &str) -> bool {
    token.starts_with(['!', '+', '-', '@']) || !cipher_string::expand(token).is_empty()
}

#[cfg(not(feature = "legacy-tls"))]
fn is_term(_: &str) -> bool {
    false
}

/// Returns whether the suite is older than authenticated encryption with forward secrecy.
pub(in crate::server) fn is_legacy(name: &str) -> bool {
    name.contains("_CBC_") || name.starts_with("TLS_RSA_")
}

pub(super) fn versions(suite: AuthSuite) -> &'static [&'static SupportedProtocolVersion] {
    static NEWEST_FIRST: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    let [tls13, tls12] = NEWEST_FIRST.each_ref();
    match suite {
        AuthSuite::Basic => &NEWEST_FIRST,
        AuthSuite::Tls12 => slice::from_ref(tls12),
        AuthSuite::Tls13 => slice::from_ref(tls13),
    }
}

fn is_called(standard: &str, name: &str) -> bool {
    name.eq_ignore_ascii_case(standard) || name.eq_ignore_ascii_case(&openssl_name(standard))
}

/// Returns the name in IANA's registry.
pub(super) fn standard_name(suite: SupportedCipherSuite) -> String {
    suite_name(suite.suite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(names: &[&str]) -> Config {
        let mut config = Config::new("server.pem", "ca.pem");
        config.tls_cipher_suites = names.iter().map(|&name| name.to_owned()).collect();
        config
    }

    /// Returns the names of the suites of both stacks.
    fn offered(selection: &Selection) -> [Vec<String>; 2] {
        let openssl = selection.openssl.iter().map(|&name| name.to_owned()).collect();
        [selection.rustls.iter().copied().map(standard_name).collect(), openssl]
    }

    const TLS_1_3: &str = "TLS_AES_128_GCM_SHA256";
    const GCM: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    const CBC: &str = "TLS_RSA_WITH_AES_128_CBC_SHA256";

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
        assert_eq!(openssl_name(CBC), "AES128-SHA256");
        assert_eq!(openssl_name("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"), "ECDHE-ECDSA-AES256-SHA");
    }

    #[test]
    #[cfg(feature = "legacy-tls")]
    fn offers_only_named_suites_that_the_versions_support() {
        let mut config = config(&["aes128-sha256", GCM, TLS_1_3]);
        for (suite, rustls, openssl) in [
            (AuthSuite::Basic, vec![TLS_1_3, GCM], vec![GCM, CBC]),
            (AuthSuite::Tls12, vec![GCM], vec![GCM, CBC]),
            (AuthSuite::Tls13, vec![TLS_1_3], vec![]),
        ] {
            config.auth_suite = suite;
            let selection = select(&config, KeyType::Rsa);
            assert_eq!(offered(&selection), [rustls, openssl], "{suite:?}");
            assert_eq!(selection.warnings.is_empty(), suite == AuthSuite::Basic, "{:?}", selection.warnings);
        }
        config.auth_suite = AuthSuite::Basic;
        config.legacy_tls = false;
        let selection = select(&config, KeyType::Rsa);
        assert_eq!(offered(&selection), [vec![TLS_1_3, GCM], vec![]]);
        assert!(selection.warnings[0].contains(CBC), "{:?}", selection.warnings);
    }

    #[test]
    fn offers_default_suites_if_the_certificate_serves_no_named_suite() {
        for (name, key) in [
            ("ECDHE-ECDSA-AES128-GCM-SHA256", KeyType::Rsa),
            (GCM, KeyType::Ec),
            ("DES-CBC3-SHA", KeyType::Rsa),
        ] {
            let selection = select(&config(&[name]), key);
            assert_eq!(offered(&selection), offered(&select(&config(&[]), key)), "{name}");
            let [warning] = &*selection.warnings else { panic!("{:?}", selection.warnings) };
            assert!(warning.contains("the default cipher suites are offered"), "{warning}");
        }
        let mut config = config(&[GCM]);
        config.auth_suite = AuthSuite::Tls13;
        assert_eq!(select(&config, KeyType::Rsa).rustls.len(), 3);
    }

    #[test]
    fn each_certificate_serves_suites_of_its_own_key() {
        let mut config = config(&[]);
        for key in KeyType::ALL {
            let selection = select(&config, key);
            assert_eq!((selection.rustls.len(), selection.outgoing.len()), (6, 9), "{key}");
        }
        config.tls_minimum_version = TlsVersion::V1_0;
        assert_eq!(select(&config, KeyType::Ec).warnings.len(), 1);
    }

    #[test]
    #[cfg(feature = "legacy-tls")]
    fn older_suites_are_offered_if_older_versions_are() {
        let mut config = config(&[]);
        let sha1 = |config: &Config, key| {
            let names = select(config, key).openssl.into_iter();
            names.filter(|name| name.ends_with("_SHA")).collect::<Vec<_>>()
        };
        assert_eq!(sha1(&config, KeyType::Rsa), ["TLS_RSA_WITH_AES_128_CBC_SHA"]);
        assert_eq!(sha1(&config, KeyType::Ec).len(), 0);
        config.tls_minimum_version = TlsVersion::V1_1;
        assert_eq!(sha1(&config, KeyType::Rsa).len(), 4);
        assert_eq!(sha1(&config, KeyType::Ec).len(), 2);
        config.legacy_tls = false;
        let warnings = select(&config, KeyType::Ec).warnings;
        assert!(warnings[0].contains("no effect, because legacy_tls is False"), "{warnings:?}");
    }

    #[test]
    #[cfg(feature = "legacy-tls")]
    fn reads_cipher_strings_of_openssl() {
        let selection = select(&config(&["AES128-SHA256:AES256-SHA256"]), KeyType::Rsa);
        let [rustls, openssl] = offered(&selection);
        assert_eq!((rustls.len(), openssl.len(), selection.warnings.len()), (0, 2, 0));

        let [rustls, openssl] = offered(&select(&config(&["HIGH:!aNULL:!kRSA:!DHE:!SHA1"]), KeyType::Rsa));
        assert_eq!(rustls.len(), 6, "TLS 1.3, and ECDHE-RSA with AEAD: {rustls:?}");
        assert_eq!(openssl.len(), 5, "{openssl:?}");

        let selection = select(&config(&["kRSA", "!AESGCM", "Nonsense"]), KeyType::Rsa);
        let [_, openssl] = offered(&selection);
        assert_eq!(openssl.len(), 4, "{openssl:?}");
        assert!(selection.warnings[0].contains("not offered: Nonsense."), "{:?}", selection.warnings);
    }
}
