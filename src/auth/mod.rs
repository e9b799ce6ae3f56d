//! Authentication: from the certificate of a connection to a user and the groups of that user.
//!
//! The TLS layer has verified the certificate before this module sees it. The policies decide what a user may do.
//!
//! A request passes two checks, in this order, because the responses to their refusals differ:
//! [`Authenticator::admit`] before the request is parsed (a refusal is sent as KMIP 1.0), and
//! [`Authenticator::identify`] after that (a refusal is sent in the version of the request).

mod certificate;
#[cfg(feature = "slugs")]
pub mod slugs;
#[cfg(not(feature = "slugs"))]
#[path = "no_slugs.rs"]
pub mod slugs;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use certificate::Certificate;
pub use slugs::Service;

use crate::excerpt::Excerpt;
use crate::kmip::Principal;
use crate::kmip::structures::{Authentication, Rights};

/// The maximum length of the name in a credential, in bytes. The name is stored with each object, and no directory has
/// longer ones.
const MAX_CREDENTIAL: usize = 1024;

/// The authenticated user of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The common name of the client certificate's subject, and the name in the request's credential.
    pub principal: Principal,
    /// The groups of the user; `None` without a service, or if the service returned no groups.
    pub groups: Option<Vec<String>>,
    /// The client that acts on behalf of the user, if that is another one.
    pub delegate: Option<Delegate>,
}

impl Identity {
    /// Returns the user of the certificate that sends the request, also if the request runs on behalf of another user.
    pub fn sender(&self) -> &str {
        self.delegate.as_ref().map_or(&self.principal.user, |delegate| &delegate.user)
    }
}

/// A client that acts on behalf of a user (Delegated Login).
#[derive(Clone, Debug, PartialEq)]
pub struct Delegate {
    /// The common name in the client's own certificate.
    pub user: String,
    /// The rights that the ticket grants.
    pub rights: Arc<Rights>,
}

/// The client of one connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address.
    pub address: SocketAddr,
    /// The session number for the log: eight digits, from 1.
    pub session: String,
    /// The certificate from the TLS handshake; `None` if it cannot be parsed.
    pub certificate: Option<Certificate>,
    /// The reason for which the certificate is not accepted any more, although the handshake accepted it.
    refusal: Option<String>,
    // As text, because each audit line contains it.
    address_text: String,
    log_target: String,
}

impl Peer {
    /// Returns the peer of session `number`.
    pub fn new(address: SocketAddr, number: u64, certificate: Option<Certificate>) -> Self {
        let session = format!("{number:08}");
        let log_target = format!("kmip.server.session.{session}");
        Self { address, session, certificate, refusal: None, address_text: address.to_string(), log_target }
    }

    /// Returns the same peer, whose certificate is not accepted any more for this reason.
    #[must_use]
    pub fn refused(&self, reason: String) -> Self {
        Self { refusal: Some(reason), ..self.clone() }
    }

    /// Returns the refusal of the client for the log: what is wrong, which certificate it sent, and what to do.
    pub fn explain(&self, error: &Error) -> String {
        let certificate = self.certificate.as_ref().map(|it| format!(" Its certificate: {}.", it.summary()));
        let (certificate, advice) = (certificate.unwrap_or_default(), error.advice());
        format!("{error}. {advice} (run_server --explain {}).{certificate}", error.code())
    }

    /// Returns the client's address as text.
    pub fn address_text(&self) -> &str {
        &self.address_text
    }

    /// Returns the log target of the session, such as `kmip.server.session.00000001`.
    pub fn log_target(&self) -> &str {
        &self.log_target
    }
}

/// The reason for which a client is refused.
#[derive(Debug)]
pub enum Error {
    /// The client certificate cannot be parsed.
    NoCertificate,
    /// The certificate was accepted when the connection began, and is not accepted any more.
    NotAnyMore(
        /// The reason.
        String,
    ),
    /// The certificate has no extended key usage, and the settings require one.
    NoExtendedKeyUsage,
    /// The extended key usage of the certificate does not include client authentication.
    NotForClients,
    /// The subject of the certificate has no common name.
    NoCommonName,
    /// The subject of the certificate has several common names.
    SeveralCommonNames(
        /// The number of common names.
        usize,
    ),
    /// The name in the request's credential is too long.
    LongCredential(
        /// The length of the name, in bytes.
        usize,
    ),
    /// Services are enabled, and each of them refused the user, with these errors.
    Refused(Vec<(String, slugs::Error)>),
}

impl Error {
    /// Returns the code, which `--explain` knows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "certificate-unreadable",
            Self::NotAnyMore(_) => "no-longer-accepted",
            Self::NoExtendedKeyUsage => "no-extended-key-usage",
            Self::NotForClients => "not-for-clients",
            Self::NoCommonName => "no-common-name",
            Self::SeveralCommonNames(_) => "several-common-names",
            Self::LongCredential(_) => "long-credential",
            Self::Refused(_) => "slugs-refused",
        }
    }

    /// Returns what to do.
    fn advice(&self) -> &'static str {
        match self {
            Self::NoCertificate => "Issue another certificate for the client",
            Self::NotAnyMore(_) => "Let the client connect again, with a certificate that is valid",
            Self::NoExtendedKeyUsage | Self::NotForClients => {
                "Use a certificate for TLS clients, or set enable_tls_client_auth = False"
            }
            Self::NoCommonName | Self::SeveralCommonNames(_) => {
                "Issue a certificate with one common name, which is the user name"
            }
            Self::LongCredential(_) => "Use a shorter name",
            Self::Refused(_) => "Add the user to a service, or correct the section of the settings",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("the client certificate cannot be read"),
            Self::NotAnyMore(reason) => {
                write!(f, "the client certificate was accepted when the connection began, but {reason}")
            }
            Self::NoExtendedKeyUsage => f.write_str("the client certificate has no extended key usage"),
            Self::NotForClients => {
                f.write_str("the extended key usage of the client certificate lacks client authentication")
            }
            Self::NoCommonName => f.write_str("the subject of the client certificate has no common name"),
            Self::SeveralCommonNames(count) => {
                write!(f, "the subject of the client certificate has {count} common names")
            }
            Self::LongCredential(length) => {
                write!(f, "the name in the credential is {length} bytes long; the limit is {MAX_CREDENTIAL}")
            }
            Self::Refused(answers) => {
                f.write_str("no authentication service accepts the user")?;
                answers.iter().try_for_each(|(service, error)| write!(f, "; {service}: {error}"))
            }
        }
    }
}

impl std::error::Error for Error {}

/// The authentication rules of a server.
#[derive(Debug)]
pub struct Authenticator {
    require_client_usage: bool,
    services: Vec<Service>,
    use_credentials: bool,
}

impl Authenticator {
    /// Creates the rules. `require_client_usage` is the setting `enable_tls_client_auth`; `services` are the enabled
    /// services, in the order in which they are queried. Without services, the certificate suffices.
    pub fn new(require_client_usage: bool, services: Vec<Service>) -> Self {
        Self { require_client_usage, services, use_credentials: false }
    }

    /// Sets whether the credentials of requests are used: the setting `enable_credential_identity`.
    #[must_use]
    pub fn with_credentials(self, use_credentials: bool) -> Self {
        Self { use_credentials, ..self }
    }

    /// Checks that the certificate of `peer` can authenticate a client.
    ///
    /// # Errors
    /// Returns [`Error::NoCertificate`], [`Error::NotAnyMore`], [`Error::NoExtendedKeyUsage`] or [`Error::NotForClients`].
    pub fn admit(&self, peer: &Peer) -> Result<(), Error> {
        if let Some(reason) = &peer.refusal {
            return Err(Error::NotAnyMore(reason.clone()));
        }
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

    /// Returns the user of `peer`, with the groups from the first service that knows the user.
    ///
    /// The services are queried for each request, so that a user who leaves a group loses its rights with the next
    /// request. `authentication` is that of the request header: its passwords are not verified, and the name in it is an
    /// unverified claim.
    ///
    /// # Errors
    /// Returns [`Error::NoCertificate`], [`Error::NoCommonName`], [`Error::SeveralCommonNames`], [`Error::LongCredential`] or
    /// [`Error::Refused`].
    pub fn identify(&self, peer: &Peer, authentication: Option<&Authentication>) -> Result<Identity, Error> {
        let certificate = peer.certificate.as_ref().ok_or(Error::NoCertificate)?;
        let user = match certificate.common_names() {
            [] => return Err(Error::NoCommonName),
            [name] => name.clone(),
            several => return Err(Error::SeveralCommonNames(several.len())),
        };
        let credential =
            authentication.filter(|_| self.use_credentials).and_then(Authentication::principal_name);
        let length = credential.as_ref().map_or(0, String::len);
        if length > MAX_CREDENTIAL {
            return Err(Error::LongCredential(length));
        }
        self.with_groups(Principal { user, credential }, peer)
    }

    /// Returns the identity of a user on whose behalf `peer` acts by a ticket. The services are queried for that user.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if no service accepts the user.
    pub fn on_behalf_of(
        &self,
        principal: Principal,
        delegate: Delegate,
        peer: &Peer,
    ) -> Result<Identity, Error> {
        Ok(Identity { delegate: Some(delegate), ..self.with_groups(principal, peer)? })
    }

    /// Queries the services for the groups of a user.
    fn with_groups(&self, principal: Principal, peer: &Peer) -> Result<Identity, Error> {
        if self.services.is_empty() {
            return Ok(Identity { principal, groups: None, delegate: None });
        }
        let user = &principal.user;
        let shown = Excerpt(user);
        let mut errors = Vec::new();
        for service in &self.services {
            match service.groups(user) {
                Ok(groups) => {
                    log::debug!(target: peer.log_target(), "Service {} accepts user {shown:?}", service.name());
                    return Ok(Identity { principal, groups, delegate: None });
                }
                Err(error) => {
                    log::debug!(target: peer.log_target(), "Service {} refuses user {shown:?}: {error}", service.name());
                    errors.push((service.name().to_owned(), error));
                }
            }
        }
        Err(Error::Refused(errors))
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
    fn extended_key_usage_is_required_only_if_the_setting_does() {
        let (strict, lax) = (Authenticator::new(true, vec![]), Authenticator::new(false, vec![]));
        for (usage, refusal) in [(Some(true), None), (Some(false), Some("lacks")), (None, Some("has no"))] {
            let peer = peer(certificate(&["A"], usage));
            let answer = strict.admit(&peer).err();
            assert_eq!(answer.is_some(), refusal.is_some(), "{usage:?}");
            if let (Some(error), Some(words)) = (answer, refusal) {
                assert!(error.to_string().contains(words), "{error}");
            }
            lax.admit(&peer).unwrap();
        }
        assert!(matches!(lax.admit(&peer(None)), Err(Error::NoCertificate)));
    }

    #[test]
    fn a_certificate_that_the_connection_lost_is_refused() {
        let rules = Authenticator::new(false, vec![]);
        let peer = peer(certificate(&["A"], Some(true)));
        rules.admit(&peer).unwrap();
        let error = rules.admit(&peer.refused("it has expired".to_owned())).unwrap_err();
        assert!(error.to_string().ends_with("but it has expired"), "{error}");
    }

    #[test]
    fn user_is_the_only_common_name_of_the_subject() {
        let rules = Authenticator::new(true, vec![]);
        let one = rules.identify(&peer(certificate(&["John Doe"], None)), None).unwrap();
        assert_eq!(one, Identity { principal: "John Doe".into(), groups: None, delegate: None });
        assert!(matches!(rules.identify(&peer(certificate(&[], None)), None), Err(Error::NoCommonName)));
        let two = rules.identify(&peer(certificate(&["A", "B"], None)), None);
        assert!(matches!(two, Err(Error::SeveralCommonNames(2))));
    }

    #[test]
    fn log_target_contains_session_number_of_eight_digits() {
        assert_eq!(peer(None).log_target(), "kmip.server.session.00000001");
    }
}
