//! Constraints that a user sets on the objects that this user creates (KMIP 2.1 §6.1.22, §6.1.52 and §7.6). The store
//! keeps them until the user sets others.
//!
//! A constraint applies to the object types and groups that it names, and to all types if it names none. Constraints that
//! name a group of the object take precedence over those that name no group. The object must meet at least one of the
//! applicable constraints: it has every attribute value of the constraint.

use crate::kmip::attributes::AttributeList;
use crate::kmip::enums::{ObjectType, ResultReason};
use crate::kmip::structures::ObjectGroups;
use crate::kmip::{Error, structure};
use crate::secret::Secret;
use crate::store::{Record, Transaction};
use crate::ttlv::{Reader, STORED, Tag, V2_1, Value, Writer};

use super::context::Context;
use super::error::{OrGeneralFailure, failed, invalid_field};

/// The maximum number of constraints per user, because every new object is checked against each of them.
pub const MAX_CONSTRAINTS: usize = 64;

structure! {
    /// Object Types (2.1 §7.24).
    pub struct ObjectTypes {
        ObjectType => types: Vec<ObjectType>,
    }
}

structure! {
    /// Constraint (2.1 §7.6).
    pub struct Constraint {
        ObjectTypes => object_types: Option<ObjectTypes>,
        ObjectGroups => object_groups: Option<ObjectGroups>,
        Attributes => attributes: AttributeList,
    }
}

structure! {
    /// Constraints (2.1 §7.7).
    #[derive(Default)]
    pub struct Constraints {
        Constraint => constraints: Vec<Constraint>,
    }
}

impl Constraint {
    fn applies_to_type(&self, object_type: ObjectType) -> bool {
        self.object_types.as_ref().is_none_or(|types| types.types.contains(&object_type))
    }

    fn applies_to_group_of(&self, record: &Record) -> bool {
        let groups = &record.attributes.object_group;
        self.object_groups
            .as_ref()
            .is_some_and(|named| named.groups.iter().any(|group| groups.contains(group)))
    }

    fn is_met_by(&self, record: &Record) -> bool {
        self.attributes.0.iter().all(|required| {
            record.attributes.of_row(required.row).any(|own| own.stored() == required.stored())
        })
    }
}

impl Constraints {
    /// Checks a new object.
    ///
    /// # Errors
    /// Returns Constraint Violation (before 2.1 Permission Denied).
    fn check(&self, record: &Record) -> Result<(), Error> {
        let of_type = || self.constraints.iter().filter(|it| it.applies_to_type(record.object_type));
        let mut applicable: Vec<_> = of_type().filter(|it| it.applies_to_group_of(record)).collect();
        if applicable.is_empty() {
            applicable = of_type().filter(|it| it.object_groups.is_none()).collect();
        }
        if applicable.is_empty() || applicable.iter().any(|it| it.is_met_by(record)) {
            return Ok(());
        }
        Err(failed(
            ResultReason::ConstraintViolation,
            "The object meets none of the constraints that apply to it; see Get Constraints.",
        ))
    }

    fn to_stored(&self) -> Secret {
        let mut writer = Writer::new(STORED);
        self.encode(Tag::Constraints, &mut writer);
        Secret::new(writer.into_bytes())
    }

    fn from_stored(stored: &Secret) -> Result<Self, Error> {
        let read = Reader::new(stored.expose(), STORED).require(Tag::Constraints);
        read.and_then(|item| Self::decode(&item)).map_err(|error| {
            log::error!(target: "kmip.server.engine", "The stored constraints are malformed: {error}");
            failed(ResultReason::GeneralFailure, "The stored constraints are malformed. See the server log.")
        })
    }
}

/// Returns the constraints of `user`.
fn of(transaction: &mut dyn Transaction, user: &str) -> Result<Constraints, Error> {
    let stored = transaction.server_state(&state_name(user)).or_general_failure()?;
    stored.as_ref().map_or_else(|| Ok(Constraints::default()), Constraints::from_stored)
}

/// Checks new objects of `user`.
///
/// # Errors
/// Returns Constraint Violation (before 2.1 Permission Denied), and the errors of the store.
pub(super) fn check<'a>(
    transaction: &mut dyn Transaction,
    user: &str,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Error> {
    let constraints = of(transaction, user)?;
    records.into_iter().try_for_each(|record| constraints.check(record))
}

/// Returns the name of the server state that contains the constraints of `user`.
fn state_name(user: &str) -> String {
    format!("constraints of {user}")
}

impl Context<'_> {
    /// Returns the requester's constraints.
    ///
    /// # Errors
    /// Returns the errors of the store.
    pub fn constraints(&mut self) -> Result<Constraints, Error> {
        let identity = self.identity;
        self.transact(|transaction| of(transaction, &identity.principal.user))
    }

    /// Replaces the requester's constraints. Existing objects are not checked.
    ///
    /// # Errors
    /// Returns Invalid Field for more than [`MAX_CONSTRAINTS`] and for an attribute that 2.1 does not have, and the
    /// errors of the store.
    pub fn set_constraints(&mut self, constraints: &Constraints) -> Result<(), Error> {
        if constraints.constraints.len() > MAX_CONSTRAINTS {
            return Err(invalid_field(format!(
                "The request contains {} constraints; the limit is {MAX_CONSTRAINTS}.",
                constraints.constraints.len()
            )));
        }
        let attributes = constraints.constraints.iter().flat_map(|it| &it.attributes.0);
        if let Some(unknown) = attributes.into_iter().find(|attribute| !attribute.row.exists_in(V2_1)) {
            return Err(invalid_field(format!("KMIP 2.1 has no {unknown} attribute.")));
        }
        let (identity, stored) = (self.identity, constraints.to_stored());
        self.transact(|transaction| {
            transaction.set_server_state(&state_name(&identity.principal.user), &stored).or_general_failure()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::{Attribute, AttributeDefinition, Attributes};
    use crate::store::Id;

    fn constraint(types: Option<Vec<ObjectType>>, groups: Option<&str>, length: i32) -> Constraint {
        let row = AttributeDefinition::of(Tag::CryptographicLength).unwrap();
        Constraint {
            object_types: types.map(|types| ObjectTypes { types }),
            object_groups: groups.map(|group| ObjectGroups { groups: vec![group.to_owned()] }),
            attributes: AttributeList(vec![Attribute::of(row, &length)]),
        }
    }

    fn object(object_type: ObjectType, group: Option<&str>, length: i32) -> Record {
        let attributes = Attributes {
            cryptographic_length: Some(length),
            object_group: group.map(str::to_owned).into_iter().collect(),
            ..Attributes::default()
        };
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None }
    }

    #[test]
    fn constraints_of_a_group_take_precedence() {
        use ObjectType::{PublicKey, SymmetricKey};
        let keys = || Some(vec![SymmetricKey]);
        let set = Constraints {
            constraints: vec![constraint(keys(), Some("strong"), 256), constraint(keys(), None, 192)],
        };
        let allowed = |object_type, group, length| set.check(&object(object_type, group, length)).is_ok();
        assert!(allowed(SymmetricKey, Some("strong"), 256) && !allowed(SymmetricKey, Some("strong"), 192));
        assert!(allowed(SymmetricKey, None, 192) && !allowed(SymmetricKey, None, 256));
        assert!(allowed(SymmetricKey, Some("other"), 192) && !allowed(SymmetricKey, Some("other"), 128));
        assert!(allowed(PublicKey, Some("strong"), 1));
        let refused = set.check(&object(SymmetricKey, None, 128)).unwrap_err();
        assert_eq!(refused.reason, ResultReason::ConstraintViolation);
    }

    #[test]
    fn one_met_constraint_suffices_and_a_constraint_without_types_applies_to_all() {
        let set = Constraints { constraints: vec![constraint(None, None, 128), constraint(None, None, 256)] };
        for (length, allowed) in [(128, true), (192, false), (256, true)] {
            for object_type in [ObjectType::SymmetricKey, ObjectType::SecretData] {
                assert_eq!(set.check(&object(object_type, None, length)).is_ok(), allowed, "{length}");
            }
        }
        let stored = set.to_stored();
        assert_eq!(Constraints::from_stored(&stored).unwrap(), set);
    }
}
