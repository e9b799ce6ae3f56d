//! Defaults that a user sets for the attributes of the objects that this user creates (KMIP 2.1 §6.1.53, §7.11 and
//! §7.22). The store keeps them until the user sets others.
//!
//! Object Defaults apply to the object types and groups that they name. Requested attributes take precedence over the
//! defaults for a group of the object, and these over the defaults that name no group. If several set one attribute, the
//! first one applies.

use crate::kmip::attributes::{AttributeDefinition, AttributeList, Attributes, Origin};
use crate::kmip::enums::{ObjectType, ResultReason};
use crate::kmip::structures::ObjectGroups;
use crate::kmip::{Error, structure};
use crate::secret::Secret;
use crate::store::Transaction;
use crate::ttlv::{Reader, STORED, Tag, V2_1, Value, Writer};

use super::constraints::ObjectTypes;
use super::context::Context;
use super::creation::RequestedAttributes;
use super::error::{OrGeneralFailure, failed, invalid_field};

/// The maximum number of Object Defaults per user, because every new object is matched against each of them.
pub const MAX_DEFAULTS: usize = 64;

structure! {
    /// Object Defaults (2.1 §7.22) for one or several object types.
    pub struct ObjectDefaults {
        ObjectType => object_type: Option<ObjectType>,
        ObjectTypes => object_types: Option<ObjectTypes>,
        Attributes => attributes: AttributeList,
        ObjectGroups => object_groups: Option<ObjectGroups>,
    }
}

structure! {
    /// Defaults Information (2.1 §7.11).
    #[derive(Default)]
    pub struct DefaultsInformation {
        ObjectDefaults => objects: Vec<ObjectDefaults>,
    }
}

impl ObjectDefaults {
    fn types(&self) -> impl Iterator<Item = ObjectType> {
        let several = self.object_types.iter().flat_map(|types| &types.types);
        self.object_type.iter().chain(several).copied()
    }

    /// Checks that the defaults name an object type and contain only attributes that clients of 2.1 can set.
    ///
    /// # Errors
    /// Returns Invalid Field without an object type and for an attribute that no client can set, and Invalid Object
    /// Type for a type that 2.1 does not have.
    fn check(&self) -> Result<(), Error> {
        if self.types().next().is_none() {
            return Err(invalid_field("Object Defaults must contain an Object Type."));
        }
        if let Some(template) = self.types().find(|object_type| *object_type == ObjectType::Template) {
            return Err(failed(
                ResultReason::InvalidObjectType,
                format!("KMIP 2.1 has no objects of the type {template}."),
            ));
        }
        let not_settable =
            self.attributes.0.iter().find(|attribute| {
                !attribute.row.exists_in(V2_1) || attribute.row.rules.origin == Origin::Server
            });
        match not_settable {
            Some(attribute) => Err(invalid_field(format!(
                "The {attribute} attribute cannot have a default, because clients of KMIP 2.1 cannot set it."
            ))),
            None => Ok(()),
        }
    }
}

impl DefaultsInformation {
    /// Adds the defaults that apply to an object of this type, for the attributes that `may_default` accepts.
    fn complete(
        &self,
        requested: RequestedAttributes,
        object_type: ObjectType,
        may_default: impl Fn(&'static AttributeDefinition) -> bool,
    ) -> RequestedAttributes {
        let groups: Vec<String> = requested.all(Tag::ObjectGroup);
        let applicable = |grouped: bool| {
            let of_type = self.objects.iter().filter(|it| it.types().any(|named| named == object_type));
            let of_group = of_type.filter(|it| match &it.object_groups {
                Some(named) => grouped && named.groups.iter().any(|group| groups.contains(group)),
                None => !grouped,
            });
            of_group.collect::<Vec<_>>()
        };
        applicable(true).into_iter().chain(applicable(false)).fold(requested, |requested, defaults| {
            let attributes = defaults.attributes.0.iter().filter(|attribute| {
                may_default(attribute.row) && attribute.row.rules.applies_to.contains(object_type)
            });
            requested.or(&attributes.cloned().collect())
        })
    }

    fn to_stored(&self) -> Secret {
        let mut writer = Writer::new(STORED);
        self.encode(Tag::DefaultsInformation, &mut writer);
        Secret::new(writer.into_bytes())
    }

    fn from_stored(stored: &Secret) -> Result<Self, Error> {
        let read = Reader::new(stored.expose(), STORED).require(Tag::DefaultsInformation);
        read.and_then(|item| Self::decode(&item)).map_err(|error| {
            log::error!(target: "kmip.server.engine", "The stored defaults are malformed: {error}");
            failed(ResultReason::GeneralFailure, "The stored defaults are malformed. See the server log.")
        })
    }
}

/// Returns the name of the server state that contains the defaults of `user`.
fn state_name(user: &str) -> String {
    format!("defaults of {user}")
}

impl Context<'_> {
    /// Returns the requester's defaults.
    ///
    /// # Errors
    /// Returns the errors of the store.
    pub fn defaults(&mut self) -> Result<DefaultsInformation, Error> {
        let stored = self.read_server_state(&state_name(&self.identity.principal.user))?;
        stored.as_ref().map_or_else(|| Ok(DefaultsInformation::default()), DefaultsInformation::from_stored)
    }

    /// Replaces the requester's defaults. Existing objects do not change.
    ///
    /// # Errors
    /// Returns Invalid Field for more than [`MAX_DEFAULTS`], without an object type, and for an attribute that no client
    /// can set; Invalid Object Type for a type that 2.1 does not have; and the errors of the store.
    pub fn set_defaults(&mut self, defaults: &DefaultsInformation) -> Result<(), Error> {
        if defaults.objects.len() > MAX_DEFAULTS {
            return Err(invalid_field(format!(
                "The request contains {} Object Defaults; the limit is {MAX_DEFAULTS}.",
                defaults.objects.len()
            )));
        }
        defaults.objects.iter().try_for_each(ObjectDefaults::check)?;
        let (name, stored) = (state_name(&self.identity.principal.user), defaults.to_stored());
        self.transact(|transaction: &mut dyn Transaction| {
            transaction.set_server_state(&name, &stored).or_general_failure()
        })
    }

    /// Adds the requester's defaults to the requested attributes of a new object, except attributes that the request's
    /// version does not have and those that follow from the object itself, which are `derived`.
    ///
    /// # Errors
    /// Returns the errors of the store.
    pub fn complete(
        &mut self,
        requested: RequestedAttributes,
        object_type: ObjectType,
        derived: Option<&Attributes>,
    ) -> Result<RequestedAttributes, Error> {
        let version = self.version;
        let may_default = |row: &'static AttributeDefinition| {
            row.exists_in(version) && derived.is_none_or(|derived| derived.of_row(row).next().is_none())
        };
        Ok(self.defaults()?.complete(requested, object_type, may_default))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attribute;

    fn attribute<T: Value>(tag: Tag, value: &T) -> Attribute {
        Attribute::of(AttributeDefinition::of(tag).unwrap(), value)
    }

    fn length(bits: i32) -> Attribute {
        attribute(Tag::CryptographicLength, &bits)
    }

    fn defaults(types: &[ObjectType], group: Option<&str>, attributes: Vec<Attribute>) -> ObjectDefaults {
        ObjectDefaults {
            object_type: None,
            object_types: Some(ObjectTypes { types: types.to_vec() }),
            attributes: AttributeList(attributes),
            object_groups: group.map(|group| ObjectGroups { groups: vec![group.to_owned()] }),
        }
    }

    #[test]
    fn requested_attributes_override_group_defaults_and_these_the_others() {
        let comment = attribute(Tag::Comment, &"default".to_owned());
        let set = DefaultsInformation {
            objects: vec![
                defaults(&[ObjectType::SymmetricKey], None, vec![length(128), comment]),
                defaults(&[ObjectType::SymmetricKey], Some("strong"), vec![length(256)]),
            ],
        };
        let completed = |requested: &[Attribute], object_type| {
            let attributes = set.complete(requested.iter().cloned().collect(), object_type, |_| true);
            (attributes.read::<i32>(Tag::CryptographicLength), attributes.read::<String>(Tag::Comment))
        };
        let strong = attribute(Tag::ObjectGroup, &"strong".to_owned());
        let comment = || Some("default".to_owned());
        assert_eq!(completed(&[], ObjectType::SymmetricKey), (Some(128), comment()));
        assert_eq!(
            completed(std::slice::from_ref(&strong), ObjectType::SymmetricKey),
            (Some(256), comment())
        );
        assert_eq!(completed(&[strong, length(192)], ObjectType::SymmetricKey), (Some(192), comment()));
        assert_eq!(completed(&[], ObjectType::SecretData), (None, None));
        let without_comment = set.complete(RequestedAttributes::default(), ObjectType::SymmetricKey, |row| {
            row.tag != Tag::Comment
        });
        assert!(
            !without_comment.has_any(&[Tag::Comment]) && without_comment.has_any(&[Tag::CryptographicLength])
        );
        assert_eq!(DefaultsInformation::from_stored(&set.to_stored()).unwrap(), set);
    }

    #[test]
    fn rejects_defaults_without_types_and_attributes_that_clients_cannot_set() {
        let reason = |defaults: ObjectDefaults| defaults.check().map_err(|error| error.reason);
        let keys = [ObjectType::SymmetricKey];
        assert_eq!(reason(defaults(&keys, None, vec![length(128)])), Ok(()));
        let invalid = Err(ResultReason::InvalidField);
        assert_eq!(reason(defaults(&[], None, vec![length(128)])), invalid);
        assert_eq!(reason(defaults(&keys, None, vec![attribute(Tag::State, &1)])), invalid);
        let policy = attribute(Tag::OperationPolicyName, &"public".to_owned());
        assert_eq!(reason(defaults(&keys, None, vec![policy])), invalid);
        let template = defaults(&[ObjectType::Template], None, vec![length(128)]);
        assert_eq!(reason(template), Err(ResultReason::InvalidObjectType));
    }
}
