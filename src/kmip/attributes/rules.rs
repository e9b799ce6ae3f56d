//! Attribute rules: the columns of the rule tables of the standard (KMIP 1.4 §3, 2.1 §4).

use crate::kmip::enums::ObjectType;
use crate::ttlv::Version;

/// A set of object types.
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::attributes::ObjectTypes;
/// use kmip_server::kmip::enums::ObjectType;
///
/// let keys = ObjectTypes::of(&[ObjectType::PublicKey, ObjectType::PrivateKey]);
/// assert!(keys.contains(ObjectType::PublicKey));
/// assert!(!keys.contains(ObjectType::Certificate));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectTypes(u16);

impl ObjectTypes {
    /// Creates the set of `types`.
    pub const fn of(types: &[ObjectType]) -> Self {
        let mut bits = 0;
        let mut rest = types;
        while let [first, after @ ..] = rest {
            bits |= 1 << first.to_wire();
            rest = after;
        }
        Self(bits)
    }

    /// Returns the union of both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the set as a number whose bit `n` stands for the object type with the value `n`.
    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    /// Returns whether the set contains `object_type`.
    pub const fn contains(self, object_type: ObjectType) -> bool {
        self.0 & (1 << object_type.to_wire()) != 0
    }
}

/// The party that sets the initial value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Only the server.
    Server,
    /// Only a client.
    Client,
    /// The server or a client.
    Both,
}

/// The rules of one attribute. If the versions of the standard, its test cases and PyKMIP's server differ,
/// the rules are the most permissive of them.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The object types that can have the attribute.
    pub applies_to: ObjectTypes,
    /// The party that sets the initial value.
    pub origin: Origin,
    /// Whether every object of these types has a value.
    pub always: bool,
    /// Whether a client can modify the value.
    pub client_may_modify: bool,
    /// Whether a client can delete the value.
    pub client_may_delete: bool,
    /// The last version that defines the attribute, if a later one removed it.
    pub until: Option<Version>,
    /// The first version that deprecates the attribute.
    pub deprecated: Option<Version>,
    /// Whether the store has an index of the values for Locate.
    pub indexed: bool,
}

impl Rules {
    /// Only the server sets the value; every object type can have it.
    pub const SERVER: Self = Self {
        applies_to: ALL,
        origin: Origin::Server,
        always: false,
        client_may_modify: false,
        client_may_delete: false,
        until: None,
        deprecated: None,
        indexed: false,
    };

    /// Only the server sets the value; every object has it.
    pub const ALWAYS: Self = Self { always: true, ..Self::SERVER };

    /// A client can set, modify and delete the value.
    pub const CLIENT: Self =
        Self { origin: Origin::Both, client_may_modify: true, client_may_delete: true, ..Self::SERVER };

    /// A client can set the value on creation, and cannot modify it.
    pub const ON_CREATION: Self = Self { origin: Origin::Both, ..Self::SERVER };
}

use ObjectType as T;

/// All object types.
pub(super) const ALL: ObjectTypes = ObjectTypes(u16::MAX);
/// Certificates.
pub(super) const CERTIFICATES: ObjectTypes = ObjectTypes::of(&[T::Certificate]);
/// Keys and templates.
pub(super) const KEYS: ObjectTypes =
    ObjectTypes::of(&[T::SymmetricKey, T::PublicKey, T::PrivateKey, T::SplitKey, T::PgpKey, T::Template]);
/// Public keys, private keys and templates.
pub(super) const ASYMMETRIC_KEYS: ObjectTypes = ObjectTypes::of(&[T::PublicKey, T::PrivateKey, T::Template]);
/// Objects with a key block.
pub(super) const KEY_VALUES: ObjectTypes =
    ObjectTypes::of(&[T::SymmetricKey, T::PublicKey, T::PrivateKey, T::SplitKey, T::SecretData, T::PgpKey]);
/// Cryptographic objects: those with a State.
pub(super) const CRYPTOGRAPHIC: ObjectTypes =
    KEY_VALUES.and(CERTIFICATES).and(ObjectTypes::of(&[T::CertificateRequest]));
/// Cryptographic objects and templates.
pub(super) const CRYPTOGRAPHIC_AND_TEMPLATES: ObjectTypes =
    CRYPTOGRAPHIC.and(ObjectTypes::of(&[T::Template]));
/// Cryptographic objects and opaque objects.
pub(super) const CRYPTOGRAPHIC_AND_OPAQUE: ObjectTypes =
    CRYPTOGRAPHIC.and(ObjectTypes::of(&[T::OpaqueObject]));
/// Opaque objects.
pub(super) const OPAQUE: ObjectTypes = ObjectTypes::of(&[T::OpaqueObject]);
