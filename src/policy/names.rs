//! The names of types, operations and permissions in policy files, as PyKMIP's enumerations spell them:
//! the standard's name in capitals, words joined by `_`, hyphens dropped. Files need no other spelling.

use super::Permission;
use crate::kmip::enums::{ObjectType, Operation};

/// The names that do not follow from the standard's.
const IRREGULAR_OBJECT_TYPES: &[(ObjectType, &str)] = &[(ObjectType::OpaqueObject, "OPAQUE_DATA")];
const IRREGULAR_OPERATIONS: &[(Operation, &str)] = &[(Operation::Pkcs11, "PKCS_11")];

/// The type of object that a policy file calls so.
pub(super) fn object_type(spelled: &str) -> Option<ObjectType> {
    find(spelled, ObjectType::ALL, IRREGULAR_OBJECT_TYPES, ObjectType::name)
}

/// The operation that a policy file calls so. All operations up to KMIP 2.1, also those PyKMIP lacks.
pub(super) fn operation(spelled: &str) -> Option<Operation> {
    find(spelled, Operation::ALL, IRREGULAR_OPERATIONS, Operation::name)
}

/// The permission that a policy file calls so.
pub(super) fn permission(spelled: &str) -> Option<Permission> {
    match spelled {
        "ALLOW_ALL" => Some(Permission::AllowAll),
        "ALLOW_OWNER" => Some(Permission::AllowOwner),
        "DISALLOW_ALL" => Some(Permission::DisallowAll),
        _ => None,
    }
}

fn find<T: Copy + PartialEq>(
    spelled: &str,
    all: &[T],
    irregular: &[(T, &str)],
    name: fn(T) -> &'static str,
) -> Option<T> {
    all.iter().copied().find(|entry| match irregular.iter().find(|(other, _)| other == entry) {
        Some((_, own)) => *own == spelled,
        None => regular(name(*entry)).eq(spelled.bytes()),
    })
}

/// The regular spelling of a name of the standard.
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

    /// What KMIP 2.1 adds to them.
    const KMIP_2_1_OPERATIONS: &str =
        "SET_DEFAULTS SET_CONSTRAINTS GET_CONSTRAINTS QUERY_ASYNCHRONOUS_REQUESTS PROCESS PING";

    #[test]
    fn object_types_are_spelled_as_pykmip_spells_them() {
        let wire: Vec<_> =
            PYKMIP_OBJECT_TYPES.iter().map(|name| object_type(name).map(ObjectType::to_wire)).collect();
        assert_eq!(wire, (1..=10).map(Some).collect::<Vec<_>>());
        assert_eq!(ObjectType::ALL.len(), PYKMIP_OBJECT_TYPES.len());
    }

    #[test]
    fn operations_are_spelled_as_pykmip_spells_them() {
        let names = PYKMIP_OPERATIONS.split_whitespace().chain(KMIP_2_1_OPERATIONS.split_whitespace());
        let wire: Vec<_> = names.map(|name| (name, operation(name).map(Operation::to_wire))).collect();
        for ((name, found), value) in wire.iter().zip(1..) {
            assert_eq!(*found, Some(value), "{name}");
        }
        assert_eq!(Operation::ALL.len(), wire.len());
    }

    #[test]
    fn other_spellings_are_unknown() {
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
