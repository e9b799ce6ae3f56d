//! What may be done with an attribute, and by whom: the columns of the standard's tables of rules.

use crate::kmip::enums::ObjectType;
use crate::ttlv::Version;

/// A set of object types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectTypes(u16);

impl ObjectTypes {
    /// The set of `types`.
    pub const fn of(types: &[ObjectType]) -> Self {
        let mut bits = 0;
        let mut rest = types;
        while let [first, after @ ..] = rest {
            bits |= 1 << first.to_wire();
            rest = after;
        }
        Self(bits)
    }

    /// The types of both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has the type.
    pub const fn contains(self, object_type: ObjectType) -> bool {
        self.0 & (1 << object_type.to_wire()) != 0
    }
}

/// Who gives an attribute its first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The server alone.
    Server,
    /// A client alone.
    Client,
    /// Either.
    Both,
}

/// The rules of one attribute. Where the standard's versions, its test cases and the server that this one
/// replaces differ, the row is the widest that all of them allow.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The objects that can have it.
    pub applies_to: ObjectTypes,
    /// Who gives it its first value.
    pub origin: Origin,
    /// Whether every object it applies to has a value.
    pub always: bool,
    /// Whether a client may change it.
    pub client_may_modify: bool,
    /// Whether a client may delete it.
    pub client_may_delete: bool,
    /// The last version that has it, where a later one dropped it.
    pub until: Option<Version>,
    /// The version that first marks it deprecated.
    pub deprecated: Option<Version>,
    /// Whether the store keeps an index of its values for Locate.
    pub indexed: bool,
    /// The first version in which Get Attributes tells it to those who name no attributes, where that is not
    /// its own first one. PyKMIP's clients, which speak 1.2 unless told otherwise, cannot read a reply with it.
    pub reported_by_default_from: Option<Version>,
}

impl Rules {
    /// A value that only the server sets, on every kind of object.
    pub const SERVER: Self = Self {
        applies_to: ALL,
        origin: Origin::Server,
        always: false,
        client_may_modify: false,
        client_may_delete: false,
        until: None,
        deprecated: None,
        indexed: false,
        reported_by_default_from: None,
    };

    /// The same, present on every object that it applies to.
    pub const ALWAYS: Self = Self { always: true, ..Self::SERVER };

    /// A value that a client sets, changes and deletes.
    pub const CLIENT: Self =
        Self { origin: Origin::Both, client_may_modify: true, client_may_delete: true, ..Self::SERVER };

    /// A value that a client may give when the object is made, and not change.
    pub const ON_CREATION: Self = Self { origin: Origin::Both, ..Self::SERVER };
}

use ObjectType as T;

/// Every object.
pub(super) const ALL: ObjectTypes = ObjectTypes(u16::MAX);
/// Certificates.
pub(super) const CERTIFICATES: ObjectTypes = ObjectTypes::of(&[T::Certificate]);
/// Keys, and the templates that keys are made by.
pub(super) const KEYS: ObjectTypes =
    ObjectTypes::of(&[T::SymmetricKey, T::PublicKey, T::PrivateKey, T::SplitKey, T::PgpKey, T::Template]);
/// Keys of a pair.
pub(super) const ASYMMETRIC_KEYS: ObjectTypes = ObjectTypes::of(&[T::PublicKey, T::PrivateKey, T::Template]);
/// Objects with a value that stands in a key block.
pub(super) const KEY_VALUES: ObjectTypes =
    ObjectTypes::of(&[T::SymmetricKey, T::PublicKey, T::PrivateKey, T::SplitKey, T::SecretData, T::PgpKey]);
/// Cryptographic objects: those with a life cycle.
pub(super) const CRYPTOGRAPHIC: ObjectTypes =
    KEY_VALUES.and(CERTIFICATES).and(ObjectTypes::of(&[T::CertificateRequest]));
/// Cryptographic objects and templates.
pub(super) const CRYPTOGRAPHIC_AND_TEMPLATES: ObjectTypes =
    CRYPTOGRAPHIC.and(ObjectTypes::of(&[T::Template]));
/// Cryptographic objects and opaque ones.
pub(super) const CRYPTOGRAPHIC_AND_OPAQUE: ObjectTypes =
    CRYPTOGRAPHIC.and(ObjectTypes::of(&[T::OpaqueObject]));
/// Opaque objects.
pub(super) const OPAQUE: ObjectTypes = ObjectTypes::of(&[T::OpaqueObject]);
