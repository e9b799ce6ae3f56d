//! Explains a failed handshake in one line: what the client offers or presents, what the server has, and what to do.

mod certificates;
mod negotiation;
mod symptom;

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::SigningKey;
use rustls::{AlertDescription, Error};

use super::failure::{Cause, Failure};
use super::hello::MAX_NAMES;
use super::opening::Opening;
use super::suites::{KeyType, Selection};
use crate::config::{AuthSuite, Config, TlsVersion};
use crate::excerpt::Excerpt;
use crate::x509;
pub(in crate::server) use certificates::examine;
pub use symptom::Symptom;

/// The facts about the server that a diagnosis compares with what a client offers.
pub(in crate::server) struct ServerFacts {
    auth_suite: AuthSuite,
    minimum: TlsVersion,
    legacy_tls: bool,
    key_type: KeyType,
    key: Arc<dyn SigningKey>,
    /// The standard names of the cipher suites of both TLS stacks.
    suites: Vec<String>,
    /// Versions and cipher suites, for the log.
    offer: String,
    /// The server's certificate, for the log.
    certificate: String,
    /// Its issuer.
    issuer: String,
    /// The host names and addresses in it.
    names: String,
}

impl ServerFacts {
    /// Collects the facts. `chain` begins with the server's certificate, whose key is `key`.
    pub(super) fn new(
        config: &Config,
        selection: &Selection,
        chain: &[CertificateDer<'_>],
        key: Arc<dyn SigningKey>,
    ) -> Self {
        let key_type = KeyType::of(key.algorithm());
        let leaf = chain.first().map(|leaf| x509::Certificate::read(leaf)).unwrap_or_default();
        let names = leaf.host_names();
        Self {
            auth_suite: config.auth_suite,
            minimum: config.tls_minimum_version,
            legacy_tls: config.legacy_tls,
            key_type,
            key,
            suites: selection.names().collect(),
            offer: selection.summary(config, key_type, MAX_NAMES),
            issuer: leaf.issuer.as_ref().map(ToString::to_string).unwrap_or_default(),
            certificate: leaf.summary(),
            names: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        }
    }
}

/// The explanation of a failure.
#[derive(Clone, Debug)]
pub(in crate::server) struct Diagnosis {
    pub(in crate::server) symptom: Symptom,
    /// What happened: the end of a sentence, without its full stop.
    pub(in crate::server) what: String,
    /// What to do: a sentence without its full stop.
    advice: String,
    /// What the client offers or presents, and what the server has: the same, or empty.
    facts: String,
}

impl Diagnosis {
    fn new(
        symptom: Symptom,
        what: impl fmt::Display,
        facts: impl fmt::Display,
        advice: impl fmt::Display,
    ) -> Self {
        Self { symptom, what: what.to_string(), advice: advice.to_string(), facts: facts.to_string() }
    }

    /// Returns the diagnosis of a handshake that the server aborts, because too many others are running.
    pub(in crate::server) fn too_many(max: usize) -> Self {
        Self::new(
            Symptom::TooMany,
            format_args!("{max} handshakes are running, most of them from its address"),
            "",
            "Check why clients at that address do not finish their handshakes",
        )
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { symptom, what, advice, facts } = self;
        write!(f, "{what}. {advice} (run_server --explain {}).", symptom.code())?;
        // The longest part is the last one.
        if facts.is_empty() { Ok(()) } else { write!(f, " {facts}.") }
    }
}

/// Diagnoses a failed handshake.
pub(super) fn diagnose(failure: &Failure, server: &ServerFacts) -> Diagnosis {
    if failure.evidence.opening.is_foreign() {
        return foreign(&failure.evidence.opening);
    }
    match &failure.cause {
        Cause::Closed => closed(failure, server),
        Cause::Socket(error) if is_closed(error) => closed(failure, server),
        Cause::Socket(error) => Diagnosis::new(
            Symptom::Connection,
            format_args!("the connection failed: {error}"),
            "",
            "Check the network between client and server",
        ),
        Cause::Late => Diagnosis::new(
            Symptom::Late,
            "the client did not finish the TLS handshake in time",
            match failure.evidence.opening {
                Opening::Nothing => "It sent nothing",
                _ => "It sent a part of it",
            },
            "Check that the client uses TLS, and the network between client and server",
        ),
        Cause::NotTls => foreign(&failure.evidence.opening),
        Cause::NoCommonVersion | Cause::NoCommonSuite => negotiation::diagnose(failure, server),
        Cause::Certificate(refusal) => examine(refusal),
        Cause::Tls(error) => tls_error(error, failure, server),
        #[cfg(feature = "legacy-tls")]
        Cause::OpenSsl(reasons) => other(&reasons.to_string(), failure),
    }
}

/// Returns whether the error means that the client has closed the connection, before it read all that the server sent.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::NotConnected)
}

fn foreign(opening: &Opening) -> Diagnosis {
    let (symptom, advice) = match opening {
        Opening::Http => (Symptom::PlainHttp, "Let the client use https"),
        Opening::Ssh => (Symptom::Ssh, "Give the SSH client the port of an SSH server"),
        Opening::Kmip => (Symptom::PlainKmip, "Switch TLS on in the client, with a client certificate"),
        Opening::Proxy => (Symptom::ProxyHeader, "Switch the PROXY protocol off in the load balancer"),
        Opening::Nothing | Opening::Tls | Opening::Other(_) => {
            (Symptom::NotTls, "Let the client use TLS, or a health check only connect")
        }
    };
    Diagnosis::new(symptom, format_args!("it sent {opening}, which is not TLS"), "", advice)
}

fn closed(failure: &Failure, server: &ServerFacts) -> Diagnosis {
    if failure.evidence.opening == Opening::Nothing {
        return Diagnosis::new(
            Symptom::PortProbe,
            "the client closed the connection without sending anything",
            "",
            "Nothing is to be done: port scans and health checks do this",
        );
    }
    let what = "the client closed the connection during the TLS handshake";
    if failure.evidence.has_answered {
        Diagnosis::new(
            Symptom::Closed,
            format_args!("{what}, after the server sent its certificate"),
            format_args!("The server's certificate: {}", server.certificate),
            "Check in the client's log whether it trusts this certificate",
        )
    } else {
        Diagnosis::new(
            Symptom::Closed,
            format_args!("{what}, before the server answered"),
            "",
            "Check the client's log",
        )
    }
}

fn tls_error(error: &Error, failure: &Failure, server: &ServerFacts) -> Diagnosis {
    match error {
        Error::NoCertificatesPresented | Error::AlertReceived(AlertDescription::NoCertificate) => {
            Diagnosis::new(
                Symptom::NoCertificate,
                "the client presented no certificate",
                "",
                "Configure a client certificate and its private key in the client",
            )
        }
        Error::AlertReceived(AlertDescription::CloseNotify | AlertDescription::UserCanceled) => {
            closed(failure, server)
        }
        Error::AlertReceived(alert) => alerted(*alert, failure, server),
        Error::PeerIncompatible(_) => negotiation::diagnose(failure, server),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::PeerSentOversizedRecord
        | Error::InappropriateHandshakeMessage { .. } => Diagnosis::new(
            Symptom::BadTls,
            format_args!(
                "it sent a TLS record or message that is malformed: {}",
                Excerpt(&error.to_string())
            ),
            "",
            "Check that nothing between client and server changes the data, and update the client",
        ),
        error => other(&error.to_string(), failure),
    }
}

/// Diagnoses an alert of the client, in the handshake or, over TLS 1.3, after it.
pub(in crate::server) fn alerted(
    alert: AlertDescription,
    failure: &Failure,
    server: &ServerFacts,
) -> Diagnosis {
    use AlertDescription as A;
    let name = alert_name(alert);
    let issuer = Excerpt(&server.issuer);
    let advice = match alert {
        A::UnknownCA | A::DecryptError => {
            format!("Give the client the certificate of the CA {issuer:?}, and no other one of that name")
        }
        A::BadCertificate | A::CertificateUnknown | A::UnrecognisedName | A::AccessDenied => format!(
            "Check that the client connects by one of these names: {}; and that it has the certificate of the CA \
             {issuer:?}",
            server.names
        ),
        A::CertificateExpired => {
            "Replace the server's certificate if it has expired; correct the client's clock otherwise".to_owned()
        }
        A::CertificateRevoked => "Replace the server's certificate, which its CA has revoked".to_owned(),
        A::UnsupportedCertificate => {
            "Use a server certificate for server authentication, with a key of a type that the client supports".to_owned()
        }
        _ => {
            return Diagnosis::new(
                Symptom::Alert,
                format_args!("the client ended the TLS handshake with the alert {name}"),
                failure.offer(),
                "Read the client's log, which states the cause",
            );
        }
    };
    Diagnosis::new(
        Symptom::Distrust,
        format_args!("the client does not trust the server's certificate: it sent the alert {name}"),
        format_args!("The server's certificate: {}", server.certificate),
        advice,
    )
}

fn other(error: &str, failure: &Failure) -> Diagnosis {
    Diagnosis::new(
        Symptom::Other,
        format_args!("the TLS handshake failed: {}", Excerpt(error)),
        failure.offer(),
        "Read the client's log, and update the client",
    )
}

/// Returns the name in RFC 8446 §6.
fn alert_name(alert: AlertDescription) -> String {
    let Some(name) = alert.as_str() else { return u8::from(alert).to_string() };
    let mut text = String::new();
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && after_lower {
            text.push('_');
        }
        after_lower = c.is_ascii_lowercase();
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_standard() {
        for (alert, name) in [
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::BadCertificate, "bad_certificate"),
            (AlertDescription::CertificateUnknown, "certificate_unknown"),
            (AlertDescription::HandshakeFailure, "handshake_failure"),
            (AlertDescription::Unknown(200), "200"),
        ] {
            assert_eq!(alert_name(alert), name);
        }
    }
}
