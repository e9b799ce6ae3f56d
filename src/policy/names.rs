//! The names of object types, operations and permissions in policy files, which are those of PyKMIP's enumerations:
//! the standard's name in capitals, with `_` between words and without hyphens.

use super::Permission;
use crate::kmip::enums::{ObjectType, Operation};

/// The names that do not follow from those of the standard.
const IRREGULAR_OBJECT_TYPES: &[(ObjectType, &str)] = &[(ObjectType::OpaqueObject, "OPAQUE_DATA")];
const IRREGULAR_OPERATIONS: &[(Operation, &str)] = &[(Operation::Pkcs11, "PKCS_11")];

/// Returns the object type with this name.
pub(super) fn object_type(spelled: &str) -> Option<ObjectType> {
    find(spelled, ObjectType::ALL, IRREGULAR_OBJECT_TYPES, ObjectType::name)
}

/// Returns the operation with this name: any up to KMIP 2.1, including those that PyKMIP lacks.
pub(super) fn operation(spelled: &str) -> Option<Operation> {
    find(spelled, Operation::ALL, IRREGULAR_OPERATIONS, Operation::name)
}

/// Returns the permission with this name.
pub(super) fn permission(spelled: &str) -> Option<Permission> {
    match spelled {
        "ALLOW_ALL" => Some(Permission::AllowAll),
        "ALLOW_OWNER" => Some(Permission::AllowOwner),
        "DISALLOW_ALL" => Some(Permission::DisallowAll),
        _ => None,
    }
}

/// Returns the names of all object types.
pub(super) fn object_types() -> impl Iterator<Item = String> {
    ObjectType::ALL.iter().map(|entry| spelling(*entry, IRREGULAR_OBJECT_TYPES, ObjectType::name))
}

/// Returns the names of all operations.
pub(super) fn operations() -> impl Iterator<Item = String> {
    Operation::ALL.iter().map(|entry| spelling(*entry, IRREGULAR_OPERATIONS, Operation::name))
}

fn spelling<T: PartialEq + Copy>(entry: T, irregular: &[(T, &str)], name: fn(T) -> &'static str) -> String {
    match irregular.iter().find(|(other, _)| *other == entry) {
        Some((_, exception)) => (*exception).to_owned(),
        None => regular(name(entry)).map(char::from).collect(),
    }
}

fn find<T: Copy + PartialEq>(
    spelled: &str,
    all: &[T],
    irregular: &[(T, &str)],
    name: fn(T) -> &'static str,
) -> Option<T> {
    all.iter().copied().find(|entry| spelling(*entry, irregular, name) == spelled)
}

/// Spells a name of the standard by the regular rule.
fn regular(name: &str) -> impl Iterator<Item = u8> {
    let letters = name.bytes().filter(|byte| *byte != b'-');
    letters.map(|byte| if byte == b' ' { b'_' } else { byte.to_ascii_uppercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyKMIP 0.11, `enums.ObjectType`, by wire value from 1.
    const PYKMIP_OBJECT_TYPES: &[&str] = &[
        "CERTIFICATE",
        "SYMMETRIC_KEY",
        "PUBLIC_KEY",
        "PRIVATE_KEY",
        "SPLIT_KEY",
        "TEMPLATE",
        "SECRET_DATA",
        "OPAQUE_DATA",
        "PGP_KEY",
        "CERTIFICATE_REQUEST",
    ];

    /// PyKMIP 0.11, `enums.Operation`, by wire value from 1.
    const PYKMIP_OPERATIONS: &str = "CREATE CREATE_KEY_PAIR REGISTER REKEY DERIVE_KEY CERTIFY RECERTIFY LOCATE \
        CHECK GET GET_ATTRIBUTES GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE OBTAIN_LEASE \
        GET_USAGE_ALLOCATION ACTIVATE REVOKE DESTROY ARCHIVE RECOVER VALIDATE QUERY CANCEL POLL NOTIFY PUT \
        REKEY_KEY_PAIR DISCOVER_VERSIONS ENCRYPT DECRYPT SIGN SIGNATURE_VERIFY MAC MAC_VERIFY RNG_RETRIEVE RNG_SEED \
        HASH CREATE_SPLIT_KEY JOIN_SPLIT_KEY IMPORT EXPORT LOG LOGIN LOGOUT DELEGATED_LOGIN ADJUST_ATTRIBUTE \
        SET_ATTRIBUTE SET_ENDPOINT_ROLE PKCS_11 INTEROP REPROVISION";

    /// The operations that KMIP 2.1 adds.
    const KMIP_2_1_OPERATIONS: &str =
        "SET_DEFAULTS SET_CONSTRAINTS GET_CONSTRAINTS QUERY_ASYNCHRONOUS_REQUESTS PROCESS PING";

    #[test]
    fn object_type_names_are_those_of_pykmip() {
        let wire: Vec<_> =
            PYKMIP_OBJECT_TYPES.iter().map(|name| object_type(name).map(ObjectType::to_wire)).collect();
        assert_eq!(wire, (1..=10).map(Some).collect::<Vec<_>>());
        assert_eq!(ObjectType::ALL.len(), PYKMIP_OBJECT_TYPES.len());
    }

    #[test]
    fn operation_names_are_those_of_pykmip() {
        let names = PYKMIP_OPERATIONS.split_whitespace().chain(KMIP_2_1_OPERATIONS.split_whitespace());
        let wire: Vec<_> = names.map(|name| (name, operation(name).map(Operation::to_wire))).collect();
        for ((name, found), value) in wire.iter().zip(1..) {
            assert_eq!(*found, Some(value), "{name}");
        }
        assert_eq!(Operation::ALL.len(), wire.len());
    }

    #[test]
    fn rejects_other_spellings() {
        for name in ["", "get", "Get", "RE_KEY", "RE-KEY", "GET ATTRIBUTES", "PKCS#11", "GET_", "ALL"] {
            assert_eq!(operation(name), None, "{name}");
        }
        for name in ["", "OPAQUE_OBJECT", "Certificate", "SYMMETRICKEY", "PGP-KEY"] {
            assert_eq!(object_type(name), None, "{name}");
        }
        for name in ["", "allow_all", "Allow All", "DISALLOW_OWNER"] {
            assert_eq!(permission(name), None, "{name}");
        }
    }
}
