//! What new objects have where their client does not say (KMIP 2.1 §6.1.53, §7.11 and §7.22): defaults that a user
//! sets for what that user makes, kept in the store until others take their place.
//!
//! Defaults are about objects of their types and groups. Those that name a group of the object go before those that
//! name none, and what a client gives goes before both. Of several for one attribute, the first counts.

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
use super::error::{failed, invalid_field};

/// How many Object Defaults a user can have: each new object is looked up in all of them.
pub const MAX_DEFAULTS: usize = 64;

structure! {
    /// Object Defaults (2.1 §7.22): about one type, or about several.
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

    /// # Errors
    /// Invalid Field without a type and for an attribute that no client can give, Invalid Object Type for one that
    /// 2.1 does not have.
    fn check(&self) -> Result<(), Error> {
        if self.types().next().is_none() {
            return Err(invalid_field("Object Defaults have to say which Object Type they are about."));
        }
        if let Some(gone) = self.types().find(|object_type| *object_type == ObjectType::Template) {
            return Err(failed(
                ResultReason::InvalidObjectType,
                format!("KMIP 2.1 has no objects of the type {gone}."),
            ));
        }
        let wrong =
            self.attributes.0.iter().find(|attribute| {
                !attribute.row.exists_in(V2_1) || attribute.row.rules.origin == Origin::Server
            });
        match wrong {
            Some(attribute) => Err(invalid_field(format!(
                "The {} attribute cannot be a default: no client of KMIP 2.1 gives it to an object.",
                attribute.name()
            ))),
            None => Ok(()),
        }
    }
}

impl DefaultsInformation {
    /// What is given, and what of the defaults it leaves open, of the attributes that are `open` to defaults.
    fn complete(
        &self,
        given: RequestedAttributes,
        object_type: ObjectType,
        open: impl Fn(&'static AttributeDefinition) -> bool,
    ) -> RequestedAttributes {
        let groups: Vec<String> = given.all(Tag::ObjectGroup);
        let about = |grouped: bool| {
            let typed = self.objects.iter().filter(|it| it.types().any(|named| named == object_type));
            let meant = typed.filter(|it| match &it.object_groups {
                Some(named) => grouped && named.groups.iter().any(|group| groups.contains(group)),
                None => !grouped,
            });
            meant.collect::<Vec<_>>()
        };
        about(true).into_iter().chain(about(false)).fold(given, |given, defaults| {
            let known = defaults.attributes.0.iter().filter(|attribute| {
                open(attribute.row) && attribute.row.rules.applies_to.contains(object_type)
            });
            given.or(&known.cloned().collect())
        })
    }

    fn encode_kept(&self) -> Secret {
        let mut writer = Writer::new(STORED);
        self.encode(Tag::DefaultsInformation, &mut writer);
        Secret::new(writer.into_bytes())
    }

    fn decode_kept(kept: &Secret) -> Result<Self, Error> {
        let read = Reader::new(kept.expose(), STORED).require(Tag::DefaultsInformation);
        read.and_then(|item| Self::decode(&item)).map_err(|why| {
            log::error!(target: "kmip.server.engine", "Kept defaults cannot be read: {why}");
            failed(ResultReason::GeneralFailure, "The defaults cannot be read. See the server log.")
        })
    }
}

/// Under which name the store keeps them.
fn kept_as(user: &str) -> String {
    format!("defaults of {user}")
}

impl Context<'_> {
    /// The defaults of what the asker makes.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn defaults(&mut self) -> Result<DefaultsInformation, Error> {
        let kept = self.read_server_state(&kept_as(&self.identity.principal.user))?;
        kept.as_ref().map_or_else(|| Ok(DefaultsInformation::default()), DefaultsInformation::decode_kept)
    }

    /// Puts these in the place of the defaults that there are. What is there already stays as it is.
    ///
    /// # Errors
    /// Invalid Field for more than [`MAX_DEFAULTS`], without an object type, and for an attribute that no client can
    /// give; Invalid Object Type for one that 2.1 does not have; and where the store fails.
    pub fn set_defaults(&mut self, defaults: &DefaultsInformation) -> Result<(), Error> {
        if defaults.objects.len() > MAX_DEFAULTS {
            return Err(invalid_field(format!("There can be {MAX_DEFAULTS} Object Defaults at the most.")));
        }
        defaults.objects.iter().try_for_each(ObjectDefaults::check)?;
        let (name, kept) = (kept_as(&self.identity.principal.user), defaults.encode_kept());
        self.transact(|transaction: &mut dyn Transaction| Ok(transaction.set_server_state(&name, &kept)?))
    }

    /// What is given for a new object, and of the asker's defaults what it leaves open and the request's version has.
    /// What the object tells of itself needs no default: `told` has it.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn complete(
        &mut self,
        given: RequestedAttributes,
        object_type: ObjectType,
        told: Option<&Attributes>,
    ) -> Result<RequestedAttributes, Error> {
        let version = self.version;
        let open = |row: &'static AttributeDefinition| {
            row.exists_in(version) && told.is_none_or(|told| told.of_row(row).next().is_none())
        };
        Ok(self.defaults()?.complete(given, object_type, open))
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
    fn what_is_given_goes_before_the_group_and_the_group_before_the_rest() {
        let comment = attribute(Tag::Comment, &"default".to_owned());
        let set = DefaultsInformation {
            objects: vec![
                defaults(&[ObjectType::SymmetricKey], None, vec![length(128), comment]),
                defaults(&[ObjectType::SymmetricKey], Some("strong"), vec![length(256)]),
            ],
        };
        let completed = |given: &[Attribute], object_type| {
            let given = set.complete(given.iter().cloned().collect(), object_type, |_| true);
            (given.read::<i32>(Tag::CryptographicLength), given.read::<String>(Tag::Comment))
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
        let old = set.complete(RequestedAttributes::default(), ObjectType::SymmetricKey, |row| {
            row.tag != Tag::Comment
        });
        assert!(!old.has_any(&[Tag::Comment]) && old.has_any(&[Tag::CryptographicLength]));
        assert_eq!(DefaultsInformation::decode_kept(&set.encode_kept()).unwrap(), set);
    }

    #[test]
    fn defaults_are_about_types_and_have_what_clients_give() {
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
