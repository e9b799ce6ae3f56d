//! Who may use the management interface: clients on this machine, or clients with the token.
//!
//! A page in a browser of this machine must not use it. Such a page names itself in the field Origin, or has made its own
//! host name lead to this machine (DNS rebinding), which the field Host then contains.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::http::{Head, Refusal, Rejection};
use crate::secret::Secret;
use sha2::{Digest, Sha256};

/// The names of this machine for itself.
const LOCAL_NAMES: [&str; 3] = ["localhost", "localhost.localdomain", "ip6-localhost"];

const UNAUTHORIZED: Refusal = Refusal::new(
    "401 Unauthorized",
    "WWW-Authenticate: Bearer\r\n",
    "the field Authorization must contain Bearer and the management_token",
);
const FOREIGN_HOST: Refusal = Refusal::new(
    "403 Forbidden",
    "",
    "the field Host must contain localhost, an address, or the host of management_address",
);
const FOREIGN_ORIGIN: Refusal =
    Refusal::new("403 Forbidden", "", "pages of other origins may not use this interface");

/// The rules of access.
#[derive(Debug)]
pub struct Access {
    /// The SHA-256 of the token, so that a comparison does not depend on the length of the token.
    token: Option<[u8; 32]>,
    /// The host of `management_address`.
    host: String,
}

impl Access {
    /// Returns the rules for a listener on this host. Without a token, every client on this machine has access.
    pub fn new(host: &str, token: Option<&Secret>) -> Self {
        let token = token.map(|token| Sha256::digest(token.expose()).into());
        Self { token, host: host.to_owned() }
    }

    /// Checks the fields Host and Origin, for a file that contains nothing about this server.
    ///
    /// # Errors
    /// Returns the refusal.
    pub(super) fn check_public(&self, head: &Head<'_>) -> Result<(), Rejection> {
        if self.token.is_none() { self.check(head) } else { Self::check_origin(head) }
    }

    fn check_origin(head: &Head<'_>) -> Result<(), Rejection> {
        let host = head.field("Host")?.unwrap_or_default();
        match head.field("Origin")? {
            Some(origin) if origin.strip_prefix("http://") != Some(host) => Err(FOREIGN_ORIGIN.into()),
            _ => Ok(()),
        }
    }

    /// Checks the fields Host, Origin and Authorization.
    ///
    /// # Errors
    /// Returns the refusal.
    pub(super) fn check(&self, head: &Head<'_>) -> Result<(), Rejection> {
        let host = head.field("Host")?.unwrap_or_default();
        Self::check_origin(head)?;
        match &self.token {
            // No page of another origin knows the token, so that its client may use any name of this machine.
            Some(token) => {
                let given = head.field("Authorization")?.and_then(|value| {
                    let (scheme, token) = value.split_once(' ')?;
                    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
                });
                let given: [u8; 32] = Sha256::digest(given.unwrap_or_default()).into();
                if given.ct_eq(token).into() { Ok(()) } else { Err(UNAUTHORIZED.into()) }
            }
            None if self.is_local(host) => Ok(()),
            None => Err(FOREIGN_HOST.into()),
        }
    }

    /// Returns whether the host, which may have a port, is a name that only this machine or its address has. HTTP/1.0 has
    /// no field Host.
    fn is_local(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        name.is_empty()
            || name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case(&self.host)
            || LOCAL_NAMES.iter().any(|local| name.eq_ignore_ascii_case(local))
    }
}
