//! Versions, cipher suites, groups and signature algorithms: which of them client and server do not have in common, and
//! which setting would change that.

use rustls::crypto::aws_lc_rs;
use rustls::{CipherSuite, SignatureScheme};

use super::super::failure::Failure;
use super::super::hello::{ClientHello, TLS_1_2, TLS_1_3, suite_name, version_name};
use super::super::legacy_suites::LEGACY_SUITES;
use super::super::suites::{KeyType, standard_name};
use super::{Diagnosis, ServerFacts, Symptom};
use crate::config::{AuthSuite, TlsVersion};

/// The number of a client's cipher suites that are compared with those of the server; no client has as many.
const MAX_COMPARED: usize = 256;

/// The groups of OpenSSL and rustls.
const GROUPS: &str = "X25519MLKEM768, X25519, P-256, P-384; over TLS 1.2 and older also P-521 and X448";
const GROUP_NUMBERS: [u16; 6] = [0x11ec, 0x001d, 0x0017, 0x0018, 0x0019, 0x001e];

/// Diagnoses a client with which the server has no version, suite, group or signature algorithm in common.
pub(super) fn diagnose(failure: &Failure, server: &ServerFacts) -> Diagnosis {
    let Some(hello) = failure.evidence.hello.as_ref() else {
        return Diagnosis::new(
            Symptom::NoCipherSuite,
            "client and server have no TLS version or cipher suite in common",
            &server.offer,
            "Update the client, or see docs/tls.md for the settings that offer more",
        );
    };
    if let Some(diagnosis) = version(hello, failure, server) {
        return diagnosis;
    }
    let offered: Vec<_> =
        hello.cipher_suites.iter().take(MAX_COMPARED).map(|id| suite_name(CipherSuite::from(*id))).collect();
    if !offered.iter().any(|name| server.suites.contains(name)) {
        return cipher_suite(&offered, failure, server);
    }
    let groups = &hello.groups;
    if !groups.is_empty() && !groups.iter().any(|group| GROUP_NUMBERS.contains(group)) {
        return Diagnosis::new(
            Symptom::NoGroup,
            "client and server have no key exchange group in common",
            format_args!("{}. The server has {GROUPS}", failure.offer()),
            "Enable one of the server's groups in the client, for example P-256",
        );
    }
    let schemes: Vec<_> = hello.signature_schemes.iter().copied().map(SignatureScheme::from).collect();
    if !schemes.is_empty() && server.key.choose_scheme(&schemes).is_none() {
        return Diagnosis::new(
            Symptom::NoSignatureAlgorithm,
            "the client supports no signature algorithm of the server's key",
            format_args!("{}. The server has {}", failure.offer(), server.key_type),
            "Enable a signature algorithm for that key in the client, or use another server certificate",
        );
    }
    cipher_suite(&offered, failure, server)
}

/// Diagnoses a client whose versions the settings exclude. Returns `None` if they do not.
fn version(hello: &ClientHello, failure: &Failure, server: &ServerFacts) -> Option<Diagnosis> {
    let newest = hello.newest_version().unwrap_or_default();
    let name = version_name(newest);
    let old = match newest {
        0x0301 => Some(TlsVersion::V1_0),
        0x0302 => Some(TlsVersion::V1_1),
        _ => None,
    };
    let is_served = match server.auth_suite {
        AuthSuite::Basic => true,
        AuthSuite::Tls12 => hello.versions.iter().any(|it| *it <= TLS_1_2),
        AuthSuite::Tls13 => newest > TLS_1_2,
    };
    let mut settings = Vec::new();
    if !is_served {
        settings.push("auth_suite = Basic".to_owned());
    }
    if old.is_some() && !server.legacy_tls {
        settings.push("legacy_tls = True".to_owned());
    }
    if old.is_some_and(|old| old < server.minimum) {
        settings.push(format!("tls_minimum_version = {}", name.trim_start_matches("TLS ")));
    }
    let is_supported = old.is_some() || (TLS_1_2..=TLS_1_3).contains(&newest);
    let advice = if !is_supported {
        "Update the client".to_owned()
    } else if old.is_some() && !cfg!(feature = "legacy-tls") {
        "Update the client; this build lacks the cargo feature legacy-tls".to_owned()
    } else if settings.is_empty() {
        return None;
    } else {
        format!("Set {} to allow it, or update the client", settings.join(" and "))
    };
    Some(Diagnosis::new(
        Symptom::NoVersion,
        format_args!("the client offers only {name}"),
        format_args!("{}. {}", failure.offer(), server.offer),
        advice,
    ))
}

fn cipher_suite(offered: &[String], failure: &Failure, server: &ServerFacts) -> Diagnosis {
    Diagnosis::new(
        Symptom::NoCipherSuite,
        "client and server have no cipher suite in common",
        format_args!("{}. {}", failure.offer(), server.offer),
        suite_advice(offered, server),
    )
}

/// Returns what to do so that one of these suites is offered.
fn suite_advice(offered: &[String], server: &ServerFacts) -> String {
    let modern: Vec<_> = aws_lc_rs::default_provider().cipher_suites.into_iter().map(standard_name).collect();
    let is_legacy = |name: &String| LEGACY_SUITES.iter().any(|suite| suite.name == name);
    let supported: Vec<_> = offered.iter().filter(|name| modern.contains(name) || is_legacy(name)).collect();
    let served = supported.iter().find(|name| server.key_type.serves(name));
    match (served, supported.first()) {
        (Some(name), _) if !modern.contains(name) && !cfg!(feature = "legacy-tls") => {
            "Update the client; this build lacks the cargo feature legacy-tls".to_owned()
        }
        (Some(name), _) if !modern.contains(name) && !server.legacy_tls => {
            "Set legacy_tls = True to allow its cipher suites, or update the client".to_owned()
        }
        (Some(name), _) if server.auth_suite == AuthSuite::Tls13 && name.contains("_WITH_") => {
            "Set auth_suite = Basic to allow TLS 1.2, or update the client".to_owned()
        }
        (Some(name), _) => format!("Add {name} to tls_cipher_suites, or update the client"),
        (None, Some(_)) => {
            let other =
                KeyType::ALL.into_iter().find(|key| *key != server.key_type).unwrap_or(server.key_type);
            format!("Use {other} for the server, which its cipher suites need, or update the client")
        }
        (None, None) => "Update the client: the server supports none of its cipher suites".to_owned(),
    }
}
