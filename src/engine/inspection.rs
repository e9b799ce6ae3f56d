//! What the management interface shows of objects and policies: attributes and decisions, never the value of an object.
//!
//! The reader is the administrator, not a client, so that no policy applies. Nothing is changed.

use std::sync::Arc;

use crate::kmip::enums::{ObjectType, Operation, ResultReason, State};
use crate::kmip::{Error, Principal};
use crate::policy::{Entries, Permission, Policies, Policy};
use crate::store::{self, Id, Outcome, Record};
use crate::ttlv::{DateTime, STORED, Tag, V2_0, V2_1, Value, Version, Writer};

use super::Services;
use super::access::policy_entries;
use super::usage::Use;
use super::{lifecycle, usage};

/// The maximum number of objects in a listing.
const MAX_LISTED: usize = 100;
/// The maximum number of identifiers that a listing reads.
const MAX_READ: u64 = 500;

/// One object in a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The Unique Identifier.
    pub id: Id,
    /// The Object Type.
    pub object_type: ObjectType,
    /// The values of Name.
    pub names: Vec<String>,
    /// The state, if objects of this type have one.
    pub state: Option<State>,
    /// The owner.
    pub owner: Principal,
    /// The name of its operation policy.
    pub policy: String,
    /// The dates with their names, in the order of a life.
    pub dates: Vec<(&'static str, DateTime)>,
}

impl Listed {
    fn of(record: &Record, now: DateTime) -> Self {
        let attributes = &record.attributes;
        let dates = [
            ("Initial Date", attributes.initial_date),
            ("Activation Date", attributes.activation_date),
            ("Process Start Date", attributes.process_start_date),
            ("Protect Stop Date", attributes.protect_stop_date),
            ("Deactivation Date", attributes.deactivation_date),
            ("Compromise Date", attributes.compromise_date),
            ("Archive Date", attributes.archive_date),
            ("Destroy Date", attributes.destroy_date),
        ];
        Self {
            id: record.id,
            object_type: record.object_type,
            names: attributes.name.iter().map(|name| name.name_value.clone()).collect(),
            state: record.state_at(now),
            owner: record.owner.clone(),
            policy: record.policy().to_owned(),
            dates: dates.into_iter().filter_map(|(name, date)| Some((name, date?))).collect(),
        }
    }

    /// Returns whether identifier, type, names, state, owner or policy contain the text, which is in lower case.
    fn contains(&self, text: &str) -> bool {
        let has = |value: &str| value.to_lowercase().contains(text);
        self.id.to_string() == text
            || has(self.object_type.name())
            || self.names.iter().any(|name| has(name))
            || self.state.is_some_and(|state| has(state.name()))
            || has(&self.owner.user)
            || self.owner.credential.as_deref().is_some_and(has)
            || has(&self.policy)
    }
}

/// A part of the objects, newest first.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Listed>,
    /// The identifier below which the next part begins, or `None` at the end.
    pub next: Option<u64>,
}

/// The reasons why a policy allows or refuses an operation on an object.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The object.
    pub object: Listed,
    /// Whether a policy of that name exists.
    pub has_policy: bool,
    /// The operation whose entry decides.
    pub entry: Operation,
    /// What the entry permits.
    pub permission: Permission,
    /// Whether the user owns the object.
    pub is_owner: bool,
    /// Whether the policy allows the operation.
    pub is_allowed: bool,
    /// Why the object does not allow the operation now, which the server checks after the policy.
    pub obstacle: Option<Obstacle>,
}

/// The state, a date, the type or the Cryptographic Usage Mask of an object that does not allow an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The Result Message.
    pub message: String,
    /// The Result Reason from KMIP 2.1 on.
    pub reason: ResultReason,
    /// The Result Reason before KMIP 2.1.
    pub earlier_reason: ResultReason,
}

impl Obstacle {
    fn of(record: &Record, operation: Operation, now: DateTime) -> Option<Self> {
        let error = obstacle(record, operation, V2_1, now)?;
        let earlier_reason = obstacle(record, operation, V2_0, now)?.reason_in(V2_0);
        Some(Self { reason: error.reason_in(V2_1), earlier_reason, message: error.message.into_owned() })
    }
}

/// Returns the error of an operation that the object does not allow, whatever its policy allows. The parameters of a request
/// and the Usage Limits can refuse it, too.
fn obstacle(record: &Record, operation: Operation, version: Version, now: DateTime) -> Option<Error> {
    let mut record = record.clone();
    lifecycle::update_state(&mut record, now);
    if let Some(purpose) = Use::of(operation) {
        return usage::check(&record, purpose, version, now).err();
    }
    match operation {
        Operation::Get | Operation::Export => {
            let present = lifecycle::object(&record).map(|_| ());
            present.and_then(|()| lifecycle::check_not_archived(&record)).err()
        }
        Operation::Activate => lifecycle::activate(&mut record, now).err(),
        Operation::Archive => lifecycle::archive(&mut record, now).err(),
        Operation::Destroy => lifecycle::destroy(&mut record, now).err(),
        _ => None,
    }
}

/// Returns the entry of a policy that decides on an operation.
pub fn deciding_entries(operation: Operation) -> Entries {
    policy_entries(operation)
}

impl Services {
    /// Returns the newest objects with identifiers below `below` that contain the text `search`: at most 100 of the 500
    /// identifiers that it reads.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn list_objects(&self, search: &str, below: Option<u64>) -> Result<Listing, store::Error> {
        let (search, now) = (search.to_lowercase(), self.clock.now());
        let first = match below {
            Some(below) => below,
            None => self.next_number()?,
        };
        let mut listing = Listing::default();
        let last = first.saturating_sub(MAX_READ).max(1);
        for number in (last..first).rev() {
            if let Some(record) = self.store.read(Id(number))? {
                let listed = Listed::of(&record, now);
                if listed.contains(&search) {
                    listing.objects.push(listed);
                }
            }
            if listing.objects.len() == MAX_LISTED {
                listing.next = Some(number).filter(|number| *number > 1);
                return Ok(listing);
            }
        }
        listing.next = Some(last).filter(|last| *last > 1);
        Ok(listing)
    }

    /// Returns the number of the next object, without using it.
    fn next_number(&self) -> Result<u64, store::Error> {
        let mut next = Ok(Id(1));
        self.store.change(&mut |transaction| {
            next = transaction.next_id();
            Outcome::Rollback
        })?;
        next.map(|id| id.0)
    }

    /// Returns an object and its attributes, an Attributes structure of KMIP 2.1 in TTLV.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn describe_object(&self, id: Id) -> Result<Option<(Listed, Vec<u8>)>, store::Error> {
        let Some(mut record) = self.store.read(id)? else { return Ok(None) };
        let now = self.clock.now();
        if record.state_at(now) != record.attributes.state {
            lifecycle::update_state(Arc::make_mut(&mut record), now);
        }
        let mut writer = Writer::new(STORED);
        record.attributes.encode(Tag::Attributes, &mut writer);
        Ok(Some((Listed::of(&record, now), writer.into_bytes())))
    }

    /// Returns the policies in force.
    pub fn policies_in_force(&self) -> Arc<Policies> {
        self.policies.snapshot()
    }

    /// Returns why a user in these groups may perform an operation on an object, or not. `None` as groups means that no
    /// service supplies groups.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub fn explain_access(
        &self,
        user: &Principal,
        groups: Option<&[String]>,
        operation: Operation,
        id: Id,
    ) -> Result<Option<Decision>, store::Error> {
        let Some(record) = self.store.read(id)? else { return Ok(None) };
        let (policies, entries) = (self.policies.snapshot(), policy_entries(operation));
        let policy = policies.policy(record.policy());
        let (object_type, now) = (record.object_type, self.clock.now());
        let has_own = policy.is_some_and(|policy| has_entry(policy, groups, object_type, entries.own));
        Ok(Some(Decision {
            object: Listed::of(&record, now),
            has_policy: policy.is_some(),
            entry: if has_own { entries.own } else { entries.fallback },
            permission: policy
                .map(|policy| policy.permission(groups, object_type, entries))
                .unwrap_or_default(),
            is_owner: user.is_same_owner_as(&record.owner),
            is_allowed: policies.permits(
                record.policy(),
                user,
                groups,
                Some(&record.owner),
                object_type,
                entries,
            ),
            obstacle: Obstacle::of(&record, operation, now),
        }))
    }
}

/// Returns whether the rules that apply to these groups have an entry of this operation.
fn has_entry(
    policy: &Policy,
    groups: Option<&[String]>,
    object_type: ObjectType,
    operation: Operation,
) -> bool {
    match (&policy.groups, groups) {
        (Some(rules), Some(groups)) => {
            groups.iter().filter_map(|group| rules.get(group)).any(|rules| rules.has(object_type, operation))
        }
        _ => policy.preset.as_ref().is_some_and(|rules| rules.has(object_type, operation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::CryptographicUsageMask;

    fn reasons(record: &Record, operation: Operation) -> Option<(ResultReason, ResultReason)> {
        let obstacle = Obstacle::of(record, operation, DateTime(1_000))?;
        Some((obstacle.reason, obstacle.earlier_reason))
    }

    #[test]
    fn state_dates_type_and_mask_are_obstacles() {
        use ResultReason as R;
        let attributes = Attributes {
            state: Some(State::PreActive),
            activation_date: Some(DateTime(1_000)),
            cryptographic_usage_mask: Some(CryptographicUsageMask::ENCRYPT),
            ..Attributes::default()
        };
        let owner = Principal::from("john");
        let object_type = ObjectType::SymmetricKey;
        let mut record = Record { id: Id(1), owner, object_type, attributes, object: None };
        // The Activation Date has passed, so that the key is active.
        assert_eq!(reasons(&record, Operation::Encrypt), None);
        let mask = (R::IncompatibleCryptographicUsageMask, R::PermissionDenied);
        assert_eq!(reasons(&record, Operation::Decrypt), Some(mask));
        assert_eq!(reasons(&record, Operation::Sign), Some((R::InvalidObjectType, R::PermissionDenied)));
        let state = (R::WrongKeyLifecycleState, R::PermissionDenied);
        assert_eq!(reasons(&record, Operation::Destroy), Some(state));
        assert_eq!(reasons(&record, Operation::Activate), Some(state));
        assert_eq!(reasons(&record, Operation::GetAttributes), None);
        record.attributes.activation_date = None;
        assert_eq!(reasons(&record, Operation::Encrypt), Some(state));
        record.attributes.destroy_date = Some(DateTime(1_000));
        let destroyed = (R::ObjectDestroyed, R::ItemNotFound);
        for operation in [Operation::Get, Operation::Encrypt, Operation::Activate, Operation::Archive] {
            assert_eq!(reasons(&record, operation), Some(destroyed), "{operation}");
        }
    }
}
