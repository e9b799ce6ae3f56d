//! Calls of the services with the requester, the time and the transactions of one request.

use std::any::Any;
use std::sync::Arc;

use crate::cpu_permits::Effort;
use crate::kmip::Error;
use crate::secret::Secret;
use crate::store::{Record, SortKey};
use crate::x509::issuer::Issuer;

use super::context::Context;
use super::error::OrGeneralFailure;
use super::services::AuthorityHost;

impl Context<'_> {
    /// Stores the state of a new multi-part operation until its next part and returns its Correlation Value.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded (before 2.0 General Failure) if too many operations are under way.
    pub fn begin_stream<T: Any + Send>(&mut self, state: T) -> Result<Vec<u8>, Error> {
        self.forbid_repetition()?;
        self.services.streams.begin(&self.identity.principal, state, self.instant())
    }

    /// Removes and returns the state of a multi-part operation; [`Context::put_back_stream`] stores it again.
    ///
    /// # Errors
    /// Returns Invalid Correlation Value (before 2.0 Item Not Found) if the user has no such operation under way.
    pub fn take_stream<T: Any + Send>(&mut self, correlation: &[u8]) -> Result<T, Error> {
        self.forbid_repetition()?;
        self.services.streams.take(&self.identity.principal, correlation, self.instant())
    }

    /// Stores the state that [`Context::take_stream`] returned until the part after this one.
    ///
    /// # Errors
    /// Returns Invalid Correlation Value if the value does not have the length of a Correlation Value.
    pub fn put_back_stream<T: Any + Send>(&self, correlation: &[u8], state: T) -> Result<(), Error> {
        self.services.streams.put_back(&self.identity.principal, correlation, state, self.instant())
    }

    /// Returns the sort key of the member of `group` that the requester got last, or `None` if the first is next.
    ///
    /// # Errors
    /// Returns General Failure if the store fails.
    pub fn last_served(&self, group: &str) -> Result<Option<SortKey>, Error> {
        let (rotation, user) = (&self.services.group_rotation, &self.identity.principal);
        rotation.last_served(user, group, self.instant()).or_general_failure()
    }

    /// Moves the rotation of the groups of `record`, which the requester gets. If the store fails, the rotation stays, and
    /// the log contains the reason.
    pub(super) fn rotate_groups(&self, record: &Record) {
        let groups = &record.attributes.object_group;
        if groups.is_empty() {
            return;
        }
        let (rotation, user) = (&self.services.group_rotation, &self.identity.principal);
        let moved = rotation.record(user, groups, record.sort_key(), self.instant());
        drop(moved.or_general_failure());
    }

    /// Returns the issuer of certificates. The first use creates it if the settings name none.
    ///
    /// # Errors
    /// Returns Cryptographic Failure if the key cannot be generated, and General Failure if the store fails.
    pub fn issuer(&mut self) -> Result<Arc<Issuer>, Error> {
        let (services, now) = (self.services, self.now);
        services.authority.issuer(self, now)
    }

    /// Returns the certificate of the server's authority in DER, or `None` if the server's own authority was never
    /// used.
    ///
    /// # Errors
    /// Returns General Failure if the store fails.
    pub fn authority_certificate(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.services.authority.certificate(self)
    }
}

impl AuthorityHost for Context<'_> {
    fn server_state(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        self.read_server_state(name)
    }

    fn server_state_or_set(&mut self, name: &str, value: &Secret) -> Result<Secret, Error> {
        self.transact(|transaction| {
            if let Some(stored) = transaction.server_state(name).or_general_failure()? {
                return Ok(stored);
            }
            transaction.set_server_state(name, value).or_general_failure()?;
            Ok(value.clone())
        })
    }

    fn compute<T: Send>(&mut self, job: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
        self.with_cpu_permit(Effort::Seconds, job)
    }
}
