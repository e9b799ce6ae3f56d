//! What new objects have to be (KMIP 2.1 §6.1.22, §6.1.52 and §7.6): constraints that a user sets on what that user
//! makes, kept in the store until others take their place.
//!
//! A constraint is about objects of its types and groups; one that names no types is about all of them. Those that
//! name a group of the object come before those that name none: an exception goes before the rule. Of those that are
//! about an object, it has to meet one: it has every value that the constraint has.

use crate::kmip::attributes::AttributeList;
use crate::kmip::enums::{ObjectType, ResultReason};
use crate::kmip::structures::ObjectGroups;
use crate::kmip::{Error, structure};
use crate::secret::Secret;
use crate::store::{Record, Transaction};
use crate::ttlv::{Reader, STORED, Tag, V2_1, Value, Writer};

use super::context::Context;
use super::error::{failed, invalid_field};

/// How many constraints a user can have: each new object is held to all of them.
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
    fn is_about_type(&self, object_type: ObjectType) -> bool {
        self.object_types.as_ref().is_none_or(|types| types.types.contains(&object_type))
    }

    fn is_about_group_of(&self, record: &Record) -> bool {
        let groups = &record.attributes.object_group;
        self.object_groups.as_ref().is_some_and(|named| named.groups.iter().any(|it| groups.contains(it)))
    }

    fn is_met_by(&self, record: &Record) -> bool {
        self.attributes
            .0
            .iter()
            .all(|wanted| record.attributes.of_row(wanted.row).any(|there| there.stored() == wanted.stored()))
    }
}

impl Constraints {
    /// Checks a new object.
    ///
    /// # Errors
    /// Constraint Violation (before 2.1 Permission Denied).
    fn check(&self, record: &Record) -> Result<(), Error> {
        let typed = || self.constraints.iter().filter(|it| it.is_about_type(record.object_type));
        let mut about: Vec<_> = typed().filter(|it| it.is_about_group_of(record)).collect();
        if about.is_empty() {
            about = typed().filter(|it| it.object_groups.is_none()).collect();
        }
        if about.is_empty() || about.iter().any(|it| it.is_met_by(record)) {
            return Ok(());
        }
        Err(failed(ResultReason::ConstraintViolation, "The object meets none of the constraints set for it."))
    }

    fn encode_kept(&self) -> Secret {
        let mut writer = Writer::new(STORED);
        self.encode(Tag::Constraints, &mut writer);
        Secret::new(writer.into_bytes())
    }

    fn decode_kept(kept: &Secret) -> Result<Self, Error> {
        let read = Reader::new(kept.expose(), STORED).require(Tag::Constraints);
        read.and_then(|item| Self::decode(&item)).map_err(|why| {
            log::error!(target: "kmip.server.engine", "Kept constraints cannot be read: {why}");
            failed(ResultReason::GeneralFailure, "The constraints cannot be read. See the server log.")
        })
    }
}

/// The constraints on what `user` makes.
fn of(transaction: &mut dyn Transaction, user: &str) -> Result<Constraints, Error> {
    let kept = transaction.server_state(&kept_as(user))?;
    kept.as_ref().map_or_else(|| Ok(Constraints::default()), Constraints::decode_kept)
}

/// Checks new objects of `user`.
///
/// # Errors
/// Constraint Violation (before 2.1 Permission Denied), and where the store fails.
pub(super) fn check<'a>(
    transaction: &mut dyn Transaction,
    user: &str,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Error> {
    let constraints = of(transaction, user)?;
    records.into_iter().try_for_each(|record| constraints.check(record))
}

/// Under which name the store keeps them.
fn kept_as(user: &str) -> String {
    format!("constraints of {user}")
}

impl Context<'_> {
    /// The constraints on what the asker makes.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn constraints(&mut self) -> Result<Constraints, Error> {
        let identity = self.identity;
        self.transact(|transaction| of(transaction, &identity.principal.user))
    }

    /// Puts these in the place of the constraints that there are. What is there already stays as it is.
    ///
    /// # Errors
    /// Invalid Field for more than [`MAX_CONSTRAINTS`] and for an attribute that 2.1 does not have, and where the
    /// store fails.
    pub fn set_constraints(&mut self, constraints: &Constraints) -> Result<(), Error> {
        if constraints.constraints.len() > MAX_CONSTRAINTS {
            return Err(invalid_field(format!("There can be {MAX_CONSTRAINTS} constraints at the most.")));
        }
        let attributes = constraints.constraints.iter().flat_map(|it| &it.attributes.0);
        if let Some(unknown) = attributes.into_iter().find(|attribute| !attribute.row.exists_in(V2_1)) {
            return Err(invalid_field(format!("KMIP 2.1 has no {} attribute.", unknown.name())));
        }
        let (identity, kept) = (self.identity, constraints.encode_kept());
        self.transact(|transaction| {
            Ok(transaction.set_server_state(&kept_as(&identity.principal.user), &kept)?)
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
    fn a_constraint_of_the_group_goes_before_one_of_none() {
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
    fn one_of_several_constraints_is_enough_and_without_types_all_are_meant() {
        let set = Constraints { constraints: vec![constraint(None, None, 128), constraint(None, None, 256)] };
        for (length, allowed) in [(128, true), (192, false), (256, true)] {
            for object_type in [ObjectType::SymmetricKey, ObjectType::SecretData] {
                assert_eq!(set.check(&object(object_type, None, length)).is_ok(), allowed, "{length}");
            }
        }
        let kept = set.encode_kept();
        assert_eq!(Constraints::decode_kept(&kept).unwrap(), set);
    }
}
