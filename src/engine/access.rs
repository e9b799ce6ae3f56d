//! Access control: the only source of [`Granted`] records (KMIP 1.4 §3.18; PyKMIP server documentation, "Access
//! Control").

use std::ops::Deref;
use std::sync::Arc;

use crate::auth::Identity;
use crate::kmip::Error;
use crate::kmip::enums::{Operation, ResultReason};
use crate::kmip::structures::RightsTarget;
use crate::policy::{Entries, Permission, Policies};
use crate::store::{Grant, Record};
use crate::ttlv::DateTime;

use super::error::{failed, not_found, refused};
use super::lifecycle;

/// A record that the requester may access: its operation policy allows the operation. Only this file creates one.
///
/// A [`Context`](super::Context) returns one after it has checked the policy:
///
/// ```
/// use kmip_server::internals::engine::{Context, Granted};
/// use kmip_server::kmip::{Error, enums::Operation, structures::UniqueIdentifier};
///
/// fn read(cx: &mut Context<'_>, id: &UniqueIdentifier) -> Result<Granted, Error> {
///     cx.open(Some(id), Operation::Get)
/// }
/// ```
///
/// No other code can create one from a record,
///
/// ```compile_fail,E0423
/// fn grant(record: kmip_server::internals::store::Record) -> kmip_server::internals::engine::Granted {
///     kmip_server::internals::engine::Granted(record)
/// }
/// ```
///
/// or call the access decision,
///
/// ```compile_fail,E0432
/// use kmip_server::internals::engine::access::decide;
/// ```
///
/// and an operation cannot bypass its context, whose access to the store is private.
///
/// ```compile_fail,E0616
/// fn read(cx: &mut kmip_server::internals::engine::Context<'_>) {
///     drop(&cx.scope);
/// }
/// ```
///
/// An opened record is read-only: a change requires the context again.
///
/// ```compile_fail,E0594
/// fn rename(granted: &mut kmip_server::internals::engine::Granted) {
///     granted.owner = "another".into();
/// }
/// ```
#[derive(Debug)]
pub struct Granted(Arc<Record>);

impl Granted {
    /// Returns the record, to change it or to move its fields out.
    pub fn into_record(self) -> Record {
        Arc::unwrap_or_clone(self.0)
    }
}

impl Deref for Granted {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

/// Returns the entries of a policy that apply to an operation: its own entry, otherwise that of a related operation.
/// Most policies in use have no entries for the cryptographic operations and for operations of later versions: a
/// requester that may get a key may then also use and export it.
pub(super) fn policy_entries(operation: Operation) -> Entries {
    let otherwise = match operation {
        Operation::Encrypt
        | Operation::Decrypt
        | Operation::Sign
        | Operation::SignatureVerify
        | Operation::Mac
        | Operation::MacVerify
        | Operation::DeriveKey
        | Operation::CreateSplitKey
        | Operation::JoinSplitKey
        | Operation::Export
        | Operation::Validate => Operation::Get,
        Operation::AdjustAttribute => Operation::ModifyAttribute,
        // An import that replaces an object destroys its value.
        Operation::Import => Operation::Destroy,
        // Both add a link to the certified object.
        Operation::Certify | Operation::ReCertify => Operation::AddAttribute,
        other => other,
    };
    Entries { own: operation, fallback: otherwise }
}

/// Returns the record if its policy allows `operation`, and if the ticket of a delegate allows it as well.
pub(super) fn decide(
    policies: &Policies,
    identity: &Identity,
    operation: Operation,
    record: Arc<Record>,
) -> Option<Granted> {
    let allowed_by_ticket = identity.delegate.as_ref().is_none_or(|delegate| {
        let identifier = record.id.to_string();
        let groups = &record.attributes.object_group;
        delegate.rights.permit_to(operation, RightsTarget { identifier: Some(&identifier), groups })
    });
    let allowed = allowed_by_ticket
        && policies.permits(
            record.policy(),
            &identity.principal,
            identity.groups.as_deref(),
            Some(&record.owner),
            record.object_type,
            policy_entries(operation),
        );
    allowed.then_some(Granted(record))
}

/// Checks that the ticket of a delegate allows to add these objects by `operation`. A right that names groups covers only
/// objects in these groups.
///
/// # Errors
/// Returns Permission Denied.
pub(super) fn admit_new<'a>(
    identity: &Identity,
    operation: Option<Operation>,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Error> {
    let Some(delegate) = &identity.delegate else { return Ok(()) };
    let is_allowed = |record: &Record| {
        let subject = RightsTarget { identifier: None, groups: &record.attributes.object_group };
        operation.is_some_and(|operation| delegate.rights.permit_to(operation, subject))
    };
    if records.into_iter().all(is_allowed) { Ok(()) } else { Err(no_right()) }
}

/// Checks that the ticket of a delegate allows `operation` on all objects.
///
/// # Errors
/// Returns Permission Denied.
pub(super) fn admit_all(identity: &Identity, operation: Operation) -> Result<(), Error> {
    let all = RightsTarget { identifier: None, groups: &[] };
    match &identity.delegate {
        Some(delegate) if !delegate.rights.permit_to(operation, all) => Err(no_right()),
        _ => Ok(()),
    }
}

/// Checks that the ticket of a delegate allows `operation` on some object. A delegate cannot obtain further tickets.
///
/// # Errors
/// Returns Permission Denied.
pub(super) fn admit_operation(identity: &Identity, operation: Operation) -> Result<(), Error> {
    let issues_ticket = matches!(operation, Operation::Login | Operation::DelegatedLogin);
    match &identity.delegate {
        Some(delegate) if issues_ticket || !delegate.rights.permit(operation) => Err(no_right()),
        _ => Ok(()),
    }
}

fn no_right() -> Error {
    failed(
        ResultReason::PermissionDenied,
        "The ticket in the request contains no right to this operation on this object.",
    )
}

/// The policies, the requester and the time of an access decision.
pub(super) struct Gate<'a> {
    pub(super) policies: &'a Policies,
    pub(super) identity: &'a Identity,
    pub(super) now: DateTime,
    /// The operation of the current batch item, if there is one.
    pub(super) item_operation: Option<Operation>,
    /// Whether a destroyed object is treated as an unknown one.
    pub(super) hides_destroyed: bool,
}

impl Gate<'_> {
    /// Returns the record with its current state, if its policy allows `operation`. `text` is its identifier in error
    /// messages.
    ///
    /// # Errors
    /// Returns Object Not Found (before 2.1 Item Not Found) if `record` is `None` or hidden, and Permission Denied.
    pub(super) fn permit(
        &self,
        record: Option<Arc<Record>>,
        text: &str,
        operation: Operation,
    ) -> Result<Granted, Error> {
        let known = record.filter(|record| !(self.hides_destroyed && lifecycle::is_destroyed(record)));
        let mut record = known.ok_or_else(|| not_found(text))?;
        if record.state_at(self.now) != record.attributes.state {
            lifecycle::update_state(Arc::make_mut(&mut record), self.now);
        }
        decide(self.policies, self.identity, operation, record).ok_or_else(|| refused(text))
    }

    /// Returns the same as [`Gate::permit`], unless the object is archived and the operation needs more than its
    /// attributes.
    ///
    /// # Errors
    /// Returns the errors of [`Gate::permit`], and Object Archived.
    pub(super) fn admit(
        &self,
        record: Option<Arc<Record>>,
        text: &str,
        operation: Operation,
    ) -> Result<Granted, Error> {
        let granted = self.permit(record, text, operation)?;
        if !works_on_archived(operation) {
            lifecycle::check_not_archived(&granted)?;
        }
        Ok(granted)
    }
}

/// Returns whether an operation is allowed on an archived object (1.4 §4.22), whose attributes can be read and not
/// changed.
fn works_on_archived(operation: Operation) -> bool {
    matches!(operation, Operation::GetAttributes | Operation::GetAttributeList | Operation::Recover)
}

/// Returns the grants that restrict a query for many objects to those that the requester may access.
pub(super) fn grants(policies: &Policies, identity: &Identity, operation: Operation) -> Vec<Grant> {
    let permissions = policies.permissions(identity.groups.as_deref(), policy_entries(operation));
    let grants = permissions.into_iter().map(|(policy, object_type, permission)| Grant {
        policy: policy.to_owned(),
        object_type,
        owner_only: permission == Permission::AllowOwner,
    });
    grants.collect()
}
