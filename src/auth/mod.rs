//! Who is asking: from the certificate of a connection to a user and the groups of that user.
//!
//! Knows certificates and SLUGS services. What a user may do is left to the policies; the check that a
//! certificate is genuine has been made by the TLS layer before anything here runs.
//!
//! A request passes two questions, in this order, because their refusals are answered differently:
//! [`Authenticator::admit`] before the request is parsed (refused: KMIP 1.0), [`Authenticator::identify`]
//! after it (refused: the version of the request).

mod certificate;
pub mod slugs;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

pub use certificate::Certificate;
pub use slugs::Service;

use crate::kmip::Principal;
use crate::kmip::structures::{Authentication, Rights};

/// How long whom a credential names may be, in bytes: it is kept with each object, and no directory has longer
/// names.
const MAX_CREDENTIAL: usize = 1024;

/// The user behind a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The common name of the client certificate's subject, and whom the request's credential names.
    pub principal: Principal,
    /// The groups of the user; `None` where no service was asked, or the one asked names no groups.
    pub groups: Option<Vec<String>>,
    /// Who acts in the name of the user, where it is somebody else.
    pub delegate: Option<Delegate>,
}

/// Somebody who acts in the name of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Delegate {
    /// The common name of the subject of its own certificate.
    pub user: String,
    /// What it may do.
    pub rights: Arc<Rights>,
}

/// The other end of one connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// The number of the session as logs show it: eight digits, counted from 1.
    pub session: String,
    /// What it showed in the TLS handshake; `None` where that cannot be read.
    pub certificate: Option<Certificate>,
    /// When the connection was accepted.
    pub since: SystemTime,
    log_target: String,
}

impl Peer {
    /// The peer of session `number`, as of now.
    pub fn new(address: SocketAddr, number: u64, certificate: Option<Certificate>) -> Self {
        let session = format!("{number:08}");
        let log_target = format!("kmip.server.session.{session}");
        Self { address, session, certificate, since: SystemTime::now(), log_target }
    }

    /// The logger of the session: `kmip.server.session.00000001`.
    pub fn log_target(&self) -> &str {
        &self.log_target
    }
}

/// Why a peer is not let in.
#[derive(Debug)]
pub enum Error {
    /// The connection has no certificate that can be read.
    NoCertificate,
    /// The certificate has no extended key usage, and the settings ask for one.
    NoExtendedKeyUsage,
    /// The extended key usage of the certificate does not list client authentication.
    NotForClients,
    /// The subject of the certificate has no common name.
    NoCommonName,
    /// The subject of the certificate has several common names.
    SeveralCommonNames(
        /// How many.
        usize,
    ),
    /// A credential of the request names somebody by a text that is too long to be kept with each object.
    LongCredential(
        /// How long it is, in bytes.
        usize,
    ),
    /// Services are enabled, and none knows the user: what each of them said.
    Refused(Vec<(String, slugs::Error)>),
}

impl Error {
    /// Whether the certificate itself is not usable: what [`Authenticator::admit`] refuses.
    pub fn is_about_the_certificate(&self) -> bool {
        matches!(self, Self::NoCertificate | Self::NoExtendedKeyUsage | Self::NotForClients)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("the client certificate cannot be read"),
            Self::NoExtendedKeyUsage => f.write_str(
                "the client certificate has no extended key usage (enable_tls_client_auth asks for one)",
            ),
            Self::NotForClients => {
                f.write_str("the extended key usage of the client certificate lacks client authentication")
            }
            Self::NoCommonName => f.write_str("the subject of the client certificate has no common name"),
            Self::SeveralCommonNames(count) => {
                write!(f, "the subject of the client certificate has {count} common names")
            }
            Self::LongCredential(length) => {
                write!(f, "whom the credential names takes {length} bytes, more than {MAX_CREDENTIAL}")
            }
            Self::Refused(answers) => {
                f.write_str("no authentication service accepts the user")?;
                answers.iter().try_for_each(|(service, error)| write!(f, "; {service}: {error}"))
            }
        }
    }
}

impl std::error::Error for Error {}

/// The rules by which peers are let in.
#[derive(Debug)]
pub struct Authenticator {
    require_client_usage: bool,
    services: Vec<Service>,
    credentials_count: bool,
}

impl Authenticator {
    /// `require_client_usage` is the setting `enable_tls_client_auth`; `services` are the enabled ones, in the
    /// order they are asked in. Without any, the certificate's word is enough.
    pub fn new(require_client_usage: bool, services: Vec<Service>) -> Self {
        Self { require_client_usage, services, credentials_count: false }
    }

    /// The same rules, with or without regard to the credentials of requests: the setting
    /// `enable_credential_identity`.
    #[must_use]
    pub fn with_credentials(self, count: bool) -> Self {
        Self { credentials_count: count, ..self }
    }

    /// Whether the certificate of `peer` may speak for a client at all.
    ///
    /// # Errors
    /// [`Error::NoCertificate`], [`Error::NoExtendedKeyUsage`] or [`Error::NotForClients`].
    pub fn admit(&self, peer: &Peer) -> Result<(), Error> {
        let certificate = peer.certificate.as_ref().ok_or(Error::NoCertificate)?;
        if !self.require_client_usage {
            return Ok(());
        }
        match certificate.is_for_clients() {
            Some(true) => Ok(()),
            Some(false) => Err(Error::NotForClients),
            None => Err(Error::NoExtendedKeyUsage),
        }
    }

    /// The user of `peer`, and the groups as the first service that knows the user tells them. Services are
    /// asked anew each time: a user who loses a group loses it with the next request. `shown` is what the request
    /// has for Authentication: no password of it is checked, and whom it names is no more than a claim.
    ///
    /// # Errors
    /// [`Error::NoCertificate`], [`Error::NoCommonName`], [`Error::SeveralCommonNames`], [`Error::LongCredential`] or
    /// [`Error::Refused`].
    pub fn identify(&self, peer: &Peer, shown: Option<&Authentication>) -> Result<Identity, Error> {
        let certificate = peer.certificate.as_ref().ok_or(Error::NoCertificate)?;
        let user = match certificate.common_names() {
            [] => return Err(Error::NoCommonName),
            [name] => name.clone(),
            several => return Err(Error::SeveralCommonNames(several.len())),
        };
        let credential = shown.filter(|_| self.credentials_count).and_then(Authentication::named);
        if let Some(long) = credential.as_ref().map(String::len).filter(|length| *length > MAX_CREDENTIAL) {
            return Err(Error::LongCredential(long));
        }
        self.known(Principal { user, credential }, peer)
    }

    /// The user who gave `peer` a ticket: the services are asked for it as they are for one that is there itself.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn on_behalf_of(
        &self,
        principal: Principal,
        delegate: Delegate,
        peer: &Peer,
    ) -> Result<Identity, Error> {
        Ok(Identity { delegate: Some(delegate), ..self.known(principal, peer)? })
    }

    fn known(&self, principal: Principal, peer: &Peer) -> Result<Identity, Error> {
        if self.services.is_empty() {
            return Ok(Identity { principal, groups: None, delegate: None });
        }
        let user = &principal.user;
        let mut answers = Vec::new();
        for service in &self.services {
            match service.groups(user) {
                Ok(groups) => {
                    log::debug!(target: peer.log_target(), "{} knows {user}", service.name());
                    return Ok(Identity { principal, groups, delegate: None });
                }
                Err(error) => {
                    log::debug!(target: peer.log_target(), "{} refuses {user}: {error}", service.name());
                    answers.push((service.name().to_owned(), error));
                }
            }
        }
        Err(Error::Refused(answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(certificate: Option<Certificate>) -> Peer {
        Peer::new(([127, 0, 0, 1], 1).into(), 1, certificate)
    }

    fn certificate(names: &[&str], for_clients: Option<bool>) -> Option<Certificate> {
        Some(Certificate::of(names.iter().map(|&name| name.to_owned()).collect(), for_clients))
    }

    #[test]
    fn the_extended_key_usage_is_asked_for_only_where_the_setting_says_so() {
        let (strict, lax) = (Authenticator::new(true, vec![]), Authenticator::new(false, vec![]));
        for (usage, refusal) in [(Some(true), None), (Some(false), Some("lacks")), (None, Some("has no"))] {
            let peer = peer(certificate(&["A"], usage));
            let answer = strict.admit(&peer).err();
            assert_eq!(answer.is_some(), refusal.is_some(), "{usage:?}");
            if let (Some(error), Some(words)) = (answer, refusal) {
                assert!(error.is_about_the_certificate() && error.to_string().contains(words), "{error}");
            }
            lax.admit(&peer).unwrap();
        }
        assert!(matches!(lax.admit(&peer(None)), Err(Error::NoCertificate)));
    }

    #[test]
    fn the_identity_is_the_one_common_name_of_the_subject() {
        let rules = Authenticator::new(true, vec![]);
        let one = rules.identify(&peer(certificate(&["John Doe"], None)), None).unwrap();
        assert_eq!(one, Identity { principal: "John Doe".into(), groups: None, delegate: None });
        assert!(matches!(rules.identify(&peer(certificate(&[], None)), None), Err(Error::NoCommonName)));
        let two = rules.identify(&peer(certificate(&["A", "B"], None)), None);
        assert!(matches!(two, Err(Error::SeveralCommonNames(2))));
        assert!(!Error::NoCommonName.is_about_the_certificate());
    }

    #[test]
    fn a_session_is_numbered_with_eight_digits() {
        assert_eq!(peer(None).log_target(), "kmip.server.session.00000001");
    }
}
