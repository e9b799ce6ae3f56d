//! The gate: no record without a decision (KMIP 1.4 §3.18; PyKMIP server documentation, "Access Control").

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

/// A record that its policy allows the asker to have, for the operation that was asked about. Only
/// this file makes one.
///
/// A context has one to give, and asks the policy first:
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
/// Nobody else can make one of a record,
///
/// ```compile_fail,E0423
/// fn grant(record: kmip_server::internals::store::Record) -> kmip_server::internals::engine::Granted {
///     kmip_server::internals::engine::Granted(record)
/// }
/// ```
///
/// nor decide without the gate,
///
/// ```compile_fail,E0432
/// use kmip_server::internals::engine::access::decide;
/// ```
///
/// and an operation cannot go around its context, whose way to the store is its own.
///
/// ```compile_fail,E0616
/// fn read(cx: &mut kmip_server::internals::engine::Context<'_>) {
///     drop(&cx.scope);
/// }
/// ```
///
/// What is opened for reading cannot be changed: a change goes through the context again.
///
/// ```compile_fail,E0594
/// fn rename(granted: &mut kmip_server::internals::engine::Granted) {
///     granted.owner = "another".into();
/// }
/// ```
#[derive(Debug)]
pub struct Granted(Arc<Record>);

impl Granted {
    /// The record itself, to change it or to take it apart.
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

/// The entries of a policy that judge an operation: its own where the policy has one. Those in use seldom have one for
/// using a key: whoever may read a key may use it then. Nor do they know the operations that came later: exporting and
/// validating are reading, and adjusting an attribute is modifying it.
pub(super) fn judged_as(operation: Operation) -> Entries {
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
        // What is imported over an object leaves nothing of it.
        Operation::Import => Operation::Destroy,
        // Each makes a certificate of the object and notes it on the object.
        Operation::Certify | Operation::ReCertify => Operation::AddAttribute,
        other => other,
    };
    Entries { own: operation, fallback: otherwise }
}

/// Gives the record out if its policy allows `operation` on it; otherwise nothing of it.
pub(super) fn decide(
    policies: &Policies,
    identity: &Identity,
    operation: Operation,
    record: Arc<Record>,
) -> Option<Granted> {
    // Whoever acts for another needs a right to it as well.
    let delegated = identity.delegate.as_ref().is_none_or(|delegate| {
        let identifier = record.id.to_string();
        let groups = &record.attributes.object_group;
        delegate.rights.permit_to(operation, RightsTarget { identifier: Some(&identifier), groups })
    });
    let allowed = delegated
        && policies.permits(
            record.policy(),
            &identity.principal,
            identity.groups.as_deref(),
            Some(&record.owner),
            record.object_type,
            judged_as(operation),
        );
    allowed.then_some(Granted(record))
}

/// Whether the asker may add those objects by `operation`: whoever acts for another needs a right to do so, in the
/// groups that it names where it names some.
///
/// # Errors
/// Permission Denied.
pub(super) fn admit_new(
    identity: &Identity,
    operation: Option<Operation>,
    records: &[Record],
) -> Result<(), Error> {
    let Some(delegate) = &identity.delegate else { return Ok(()) };
    let may = |record: &Record| {
        let subject = RightsTarget { identifier: None, groups: &record.attributes.object_group };
        operation.is_some_and(|operation| delegate.rights.permit_to(operation, subject))
    };
    if records.iter().all(may) { Ok(()) } else { Err(no_right()) }
}

/// Whether the asker may do `operation` to whatever there is.
///
/// # Errors
/// Permission Denied.
pub(super) fn admit_all(identity: &Identity, operation: Operation) -> Result<(), Error> {
    let all = RightsTarget { identifier: None, groups: &[] };
    match &identity.delegate {
        Some(delegate) if !delegate.rights.permit_to(operation, all) => Err(no_right()),
        _ => Ok(()),
    }
}

/// Whether the asker may do `operation` at all. Rights are not handed on, and no ticket comes of a ticket.
///
/// # Errors
/// Permission Denied.
pub(super) fn admit_operation(identity: &Identity, operation: Operation) -> Result<(), Error> {
    let from_ticket = matches!(operation, Operation::Login | Operation::DelegatedLogin);
    match &identity.delegate {
        Some(delegate) if from_ticket || !delegate.rights.permit(operation) => Err(no_right()),
        _ => Ok(()),
    }
}

fn no_right() -> Error {
    failed(ResultReason::PermissionDenied, "The ticket in the request gives no right to do that.")
}

/// Who asks, by which policies, and when: what every way to a record goes through.
pub(super) struct Gate<'a> {
    pub(super) policies: &'a Policies,
    pub(super) identity: &'a Identity,
    pub(super) now: DateTime,
    /// What is being done, where an item of a request is.
    pub(super) doing: Option<Operation>,
}

impl Gate<'_> {
    /// The record that was read for `text`, in its state of this moment, if its policy allows `operation`.
    ///
    /// # Errors
    /// Object Not Found (before 2.1 Item Not Found), Permission Denied.
    pub(super) fn permit(
        &self,
        record: Option<Arc<Record>>,
        text: &str,
        operation: Operation,
    ) -> Result<Granted, Error> {
        let mut record = record.ok_or_else(|| not_found(text))?;
        if record.state_at(self.now) != record.attributes.state {
            lifecycle::update_state(Arc::make_mut(&mut record), self.now);
        }
        decide(self.policies, self.identity, operation, record).ok_or_else(|| refused(text))
    }

    /// The same, if it is not archived where the operation needs more than its attributes.
    ///
    /// # Errors
    /// Those of [`Gate::permit`], and Object Archived.
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

/// Whether an operation needs nothing of an object but its attributes, so that the object may be archived
/// (1.4 §4.22). Of an archived object, attributes can be read and nothing can be changed.
fn works_on_archived(operation: Operation) -> bool {
    matches!(operation, Operation::GetAttributes | Operation::GetAttributeList | Operation::Recover)
}

/// What the asker may see of the store, for a question about many objects.
pub(super) fn grants(policies: &Policies, identity: &Identity, operation: Operation) -> Vec<Grant> {
    let permissions = policies.permissions(identity.groups.as_deref(), judged_as(operation));
    let grants = permissions.into_iter().map(|(policy, object_type, permission)| Grant {
        policy: policy.to_owned(),
        object_type,
        owner_only: permission == Permission::AllowOwner,
    });
    grants.collect()
}
