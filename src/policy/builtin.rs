//! The two built-in policies, which no file can change (PyKMIP server documentation, "Reserved Operation Policies";
//! KMIP 1.4 §3.18.2). Set Attribute, which KMIP 2.0 added, has the permissions of Modify Attribute, as in PyKMIP.

use super::{Permission, Policy, Rules};
use crate::kmip::enums::{ObjectType, Operation};

/// A permission for several object types and operations.
type Row = (&'static [ObjectType], &'static [Operation], Permission);

/// Operations that read an object. Every client may perform them on certificates and public keys.
const READ: &[Operation] = &[
    Operation::Locate,
    Operation::Check,
    Operation::Get,
    Operation::GetAttributes,
    Operation::GetAttributeList,
    Operation::ObtainLease,
];

/// Operations that change an object.
const CHANGE: &[Operation] = &[
    Operation::AddAttribute,
    Operation::ModifyAttribute,
    Operation::DeleteAttribute,
    Operation::SetAttribute,
    Operation::Activate,
    Operation::Revoke,
    Operation::Destroy,
    Operation::Archive,
    Operation::Recover,
];

/// Operations that derive new keys from a key, or allocate its usage limits.
const DERIVE: &[Operation] =
    &[Operation::ReKey, Operation::ReKeyKeyPair, Operation::DeriveKey, Operation::GetUsageAllocation];

/// Operations that read a template, which has no lease and no usage limits.
const READ_TEMPLATE: &[Operation] =
    &[Operation::Locate, Operation::Get, Operation::GetAttributes, Operation::GetAttributeList];

/// Operations that change a template, which has no state.
const CHANGE_TEMPLATE: &[Operation] = &[
    Operation::AddAttribute,
    Operation::ModifyAttribute,
    Operation::DeleteAttribute,
    Operation::SetAttribute,
    Operation::Destroy,
];

const PUBLIC_OBJECTS: &[ObjectType] = &[ObjectType::Certificate, ObjectType::PublicKey];

const PRIVATE_OBJECTS: &[ObjectType] = &[
    ObjectType::SymmetricKey,
    ObjectType::PrivateKey,
    ObjectType::SplitKey,
    ObjectType::SecretData,
    ObjectType::OpaqueObject,
    ObjectType::PgpKey,
];

/// Certificate requests, which PyKMIP does not support. No keys can be derived from them.
const REQUESTS: &[ObjectType] = &[ObjectType::CertificateRequest];

const TEMPLATES: &[ObjectType] = &[ObjectType::Template];

const DEFAULT: &[Row] = &[
    (PUBLIC_OBJECTS, READ, Permission::AllowAll),
    (PUBLIC_OBJECTS, CHANGE, Permission::AllowOwner),
    (PRIVATE_OBJECTS, READ, Permission::AllowOwner),
    (PRIVATE_OBJECTS, CHANGE, Permission::AllowOwner),
    (PRIVATE_OBJECTS, DERIVE, Permission::AllowOwner),
    (REQUESTS, READ, Permission::AllowOwner),
    (REQUESTS, CHANGE, Permission::AllowOwner),
    (TEMPLATES, READ_TEMPLATE, Permission::AllowOwner),
    (TEMPLATES, CHANGE_TEMPLATE, Permission::AllowOwner),
];

const PUBLIC: &[Row] = &[
    (TEMPLATES, READ_TEMPLATE, Permission::AllowAll),
    (TEMPLATES, CHANGE_TEMPLATE, Permission::DisallowAll),
];

/// Returns the policy `default`: the owner of an object may perform all operations on it; every client may read
/// certificates and public keys.
pub(super) fn default_policy() -> Policy {
    policy(DEFAULT)
}

/// Returns the policy `public`: every client may read templates, and no client may change them.
pub(super) fn public_policy() -> Policy {
    policy(PUBLIC)
}

fn policy(rows: &[Row]) -> Policy {
    let mut rules = Rules::new();
    for (object_types, operations, permission) in rows {
        for object_type in *object_types {
            for operation in *operations {
                rules.set(*object_type, *operation, *permission);
            }
        }
    }
    Policy { preset: Some(Box::new(rules)), groups: None }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    /// The documentation's table for `default`: for each object type the operations of every client, and behind the bar
    /// those of the owner. SET_ATTRIBUTE is PyKMIP's addition.
    const DEFAULT_TABLE: &str = "
        CERTIFICATE: LOCATE CHECK GET GET_ATTRIBUTES GET_ATTRIBUTE_LIST OBTAIN_LEASE | ADD_ATTRIBUTE
            MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        SYMMETRIC_KEY: | REKEY REKEY_KEY_PAIR DERIVE_KEY LOCATE CHECK GET GET_ATTRIBUTES
            GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE
            OBTAIN_LEASE GET_USAGE_ALLOCATION ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        PUBLIC_KEY: LOCATE CHECK GET GET_ATTRIBUTES GET_ATTRIBUTE_LIST OBTAIN_LEASE | ADD_ATTRIBUTE
            MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        PRIVATE_KEY: | REKEY REKEY_KEY_PAIR DERIVE_KEY LOCATE CHECK GET GET_ATTRIBUTES
            GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE
            OBTAIN_LEASE GET_USAGE_ALLOCATION ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        SPLIT_KEY: | REKEY REKEY_KEY_PAIR DERIVE_KEY LOCATE CHECK GET GET_ATTRIBUTES
            GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE
            OBTAIN_LEASE GET_USAGE_ALLOCATION ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        TEMPLATE: | LOCATE GET GET_ATTRIBUTES GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE
            DELETE_ATTRIBUTE SET_ATTRIBUTE DESTROY
        SECRET_DATA: | REKEY REKEY_KEY_PAIR DERIVE_KEY LOCATE CHECK GET GET_ATTRIBUTES
            GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE
            OBTAIN_LEASE GET_USAGE_ALLOCATION ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        OPAQUE_DATA: | REKEY REKEY_KEY_PAIR DERIVE_KEY LOCATE CHECK GET GET_ATTRIBUTES
            GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE
            OBTAIN_LEASE GET_USAGE_ALLOCATION ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        PGP_KEY: | REKEY REKEY_KEY_PAIR DERIVE_KEY LOCATE CHECK GET GET_ATTRIBUTES
            GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE
            OBTAIN_LEASE GET_USAGE_ALLOCATION ACTIVATE REVOKE DESTROY ARCHIVE RECOVER
        CERTIFICATE_REQUEST: | LOCATE CHECK GET GET_ATTRIBUTES GET_ATTRIBUTE_LIST ADD_ATTRIBUTE MODIFY_ATTRIBUTE
            DELETE_ATTRIBUTE SET_ATTRIBUTE OBTAIN_LEASE ACTIVATE REVOKE DESTROY ARCHIVE RECOVER";

    /// The documentation's table for `public`, with the forbidden operations behind a second bar.
    const PUBLIC_TABLE: &str = "
        TEMPLATE: LOCATE GET GET_ATTRIBUTES GET_ATTRIBUTE_LIST | |
            ADD_ATTRIBUTE MODIFY_ATTRIBUTE DELETE_ATTRIBUTE SET_ATTRIBUTE DESTROY";

    fn table(text: &str) -> Rules {
        let mut rules = Rules::new();
        let mut row = None;
        for word in text.split_whitespace() {
            match (word.strip_suffix(':'), row) {
                (Some(name), _) => row = names::object_type(name).map(|of| (of, Permission::AllowAll)),
                (None, Some((of, Permission::AllowAll))) if word == "|" => {
                    row = Some((of, Permission::AllowOwner));
                }
                (None, Some((of, _))) if word == "|" => row = Some((of, Permission::DisallowAll)),
                (None, Some((of, to))) => rules.set(of, names::operation(word).unwrap(), to),
                (None, None) => panic!("{word} precedes the first object type"),
            }
        }
        rules
    }

    #[test]
    fn built_in_policies_are_the_documented_tables() {
        for (policy, text) in [(default_policy(), DEFAULT_TABLE), (public_policy(), PUBLIC_TABLE)] {
            assert_eq!(*policy.preset.unwrap(), table(text));
            assert_eq!(policy.groups, None);
        }
    }
}
