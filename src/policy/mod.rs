//! Operation policies: which clients may perform which operation on objects of which type (PyKMIP server documentation,
//! "Access Control"; KMIP 1.4 §3.18).
//!
//! [`Policies`] is an immutable set of policies; [`PolicyStore`] contains the current set and follows the policy
//! directory. The engine determines how a client learns of a refusal, and which entry applies to an operation for which
//! a policy has none (the entry of Get applies to Encrypt). Authentication supplies the groups of a client.

mod builtin;
mod directory;
mod error;
mod inspect;
mod names;
mod parse;
#[cfg(test)]
mod property;
mod reload;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::kmip::Principal;
use crate::kmip::enums::{ObjectType, Operation};

pub use directory::check as check_directory;
pub use error::{Error, FilePosition};
pub use inspect::{Inspection, inspect};
pub use reload::PolicyStore;

/// The permission for one operation on one object type. The order is from the most restrictive to the most permissive,
/// so that the most permissive of several is their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// No client may. This is also the permission if a policy has no entry.
    #[default]
    DisallowAll,
    /// The object's owner may.
    AllowOwner,
    /// Every authenticated client may.
    AllowAll,
}

/// One more than the largest wire value of each enumeration: wire values count from 1 without gaps, and row and
/// column 0 stay empty.
const OBJECT_TYPES: usize = ObjectType::ALL.len() + 1;
const OPERATIONS: usize = Operation::ALL.len() + 1;

/// The entries of a policy that can apply to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries {
    /// The entry of the operation itself.
    pub own: Operation,
    /// The entry that applies if the policy has no entry of the operation itself.
    pub fallback: Operation,
}

impl From<Operation> for Entries {
    fn from(operation: Operation) -> Self {
        Self { own: operation, fallback: operation }
    }
}

/// A table of optional permissions by object type and operation, 660 bytes large.
#[derive(Clone, PartialEq, Eq)]
pub struct Rules([[Option<Permission>; OPERATIONS]; OBJECT_TYPES]);

impl Rules {
    /// Returns rules without entries, which disallow everything.
    pub const fn new() -> Self {
        Self([[None; OPERATIONS]; OBJECT_TYPES])
    }

    /// Returns the permission, which is [`Permission::DisallowAll`] without an entry.
    pub fn permission(&self, object_type: ObjectType, entries: impl Into<Entries>) -> Permission {
        let Entries { own, fallback } = entries.into();
        let entry = self.entry(object_type, own).or_else(|| self.entry(object_type, fallback));
        entry.unwrap_or_default()
    }

    /// Returns whether the rules have an entry.
    pub fn has(&self, object_type: ObjectType, operation: Operation) -> bool {
        self.entry(object_type, operation).is_some()
    }

    fn entry(&self, object_type: ObjectType, operation: Operation) -> Option<Permission> {
        let row = self.0.get(object_type.to_wire() as usize);
        row.and_then(|row| row.get(operation.to_wire() as usize)).copied().flatten()
    }

    /// Sets one permission.
    pub fn set(&mut self, object_type: ObjectType, operation: Operation, permission: Permission) {
        let row = self.0.get_mut(object_type.to_wire() as usize);
        if let Some(entry) = row.and_then(|row| row.get_mut(operation.to_wire() as usize)) {
            *entry = Some(permission);
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows the entries that are set.
impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = ObjectType::ALL.iter().flat_map(|t| Operation::ALL.iter().map(move |o| (*t, *o)));
        let entries = pairs.filter_map(|(t, o)| self.entry(t, o).map(|permission| ((t, o), permission)));
        f.debug_map().entries(entries).finish()
    }
}

/// One policy. A section that is missing or empty in the file is `None`; a policy without sections disallows
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The rules for clients without group information.
    pub preset: Option<Box<Rules>>,
    /// The rules for the members of each group.
    pub groups: Option<BTreeMap<String, Box<Rules>>>,
}

impl Policy {
    /// Returns the permission of a client with these groups. `None` means that authentication supplied no group
    /// information; an empty slice means that the client is in no group.
    ///
    /// | policy has \ client has | groups                      | no group information |
    /// |-------------------------|-----------------------------|----------------------|
    /// | groups                  | most permissive of its groups | preset, else nothing |
    /// | preset only             | preset                      | preset               |
    pub fn permission(
        &self,
        groups: Option<&[String]>,
        object_type: ObjectType,
        entries: impl Into<Entries>,
    ) -> Permission {
        let entries = entries.into();
        match (&self.groups, groups) {
            (Some(rules), Some(groups)) => {
                let rules = groups.iter().filter_map(|group| rules.get(group));
                rules.map(|rules| rules.permission(object_type, entries)).max().unwrap_or_default()
            }
            (None, _) | (Some(_), None) => {
                self.preset.as_ref().map(|rules| rules.permission(object_type, entries)).unwrap_or_default()
            }
        }
    }
}

/// All policies in force at one moment: the built-in ones and those of the policy files.
#[derive(Clone, Debug)]
pub struct Policies(BTreeMap<String, Arc<Policy>>);

impl Policies {
    /// The name of the policy of objects whose creator named none.
    pub const DEFAULT: &'static str = "default";
    /// The name of the built-in policy for templates that every client may read.
    pub const PUBLIC: &'static str = "public";

    /// Returns the built-in policies.
    pub fn builtin() -> Self {
        Self::new(BTreeMap::new())
    }

    /// Combines policies with the built-in ones, which replace any of the same name.
    pub fn new(mut policies: BTreeMap<String, Arc<Policy>>) -> Self {
        policies.insert(Self::DEFAULT.to_owned(), Arc::new(builtin::default_policy()));
        policies.insert(Self::PUBLIC.to_owned(), Arc::new(builtin::public_policy()));
        Self(policies)
    }

    /// Parses the text of one file, and adds the built-in policies. `file` is the path for errors.
    ///
    /// # Errors
    /// Returns the first error of the text with its position.
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, Error> {
        let policies = parse::policies(file, json)?;
        Ok(Self::new(policies.into_iter().map(|(name, policy)| (name, Arc::new(policy))).collect()))
    }

    /// Returns whether the name is reserved for a built-in policy.
    pub fn is_reserved(name: &str) -> bool {
        name == Self::DEFAULT || name == Self::PUBLIC
    }

    /// Returns the number of policies.
    #[expect(clippy::len_without_is_empty, reason = "the built-in policies always exist")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the policies in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Policy)> {
        self.0.iter().map(|(name, policy)| (name.as_str(), policy.as_ref()))
    }

    /// Returns the policy with this name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.0.get(name).map(Arc::as_ref)
    }

    /// Returns whether the policy allows the client to perform the operation on an object of this type and owner.
    ///
    /// A policy that does not exist allows nothing. No client is the owner of an object without owner. This method
    /// neither allocates nor locks.
    pub fn permits(
        &self,
        policy: &str,
        requester: &Principal,
        groups: Option<&[String]>,
        owner: Option<&Principal>,
        object_type: ObjectType,
        entries: impl Into<Entries>,
    ) -> bool {
        let Some(policy) = self.policy(policy) else { return false };
        match policy.permission(groups, object_type, entries) {
            Permission::AllowAll => true,
            Permission::AllowOwner => owner.is_some_and(|owner| requester.is_same_owner_as(owner)),
            Permission::DisallowAll => false,
        }
    }

    /// Returns each policy and object type for which the client may perform the operation, at least as the owner, in the
    /// order of names and types. This is the information of [`Policies::permits`] as input for an SQL `WHERE` clause:
    /// combinations that are not in the list are disallowed.
    pub fn permissions(
        &self,
        groups: Option<&[String]>,
        entries: impl Into<Entries>,
    ) -> Vec<(&str, ObjectType, Permission)> {
        let entries = entries.into();
        let pairs = self.0.iter().flat_map(|(name, policy)| {
            ObjectType::ALL.iter().map(move |object_type| (name.as_str(), policy, *object_type))
        });
        pairs
            .map(|(name, policy, object_type)| {
                (name, object_type, policy.permission(groups, object_type, entries))
            })
            .filter(|(_, _, permission)| *permission != Permission::DisallowAll)
            .collect()
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self::builtin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ObjectType = ObjectType::SymmetricKey;

    fn policies(json: &str) -> Policies {
        Policies::parse(Path::new("test.json"), json.as_bytes()).unwrap()
    }

    fn groups(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_pair_of_object_type_and_operation_has_its_own_entry() {
        let pairs: Vec<_> =
            ObjectType::ALL.iter().flat_map(|t| Operation::ALL.iter().map(move |o| (*t, *o))).collect();
        for (object_type, operation) in &pairs {
            let mut rules = Rules::new();
            rules.set(*object_type, *operation, Permission::AllowAll);
            let allowed: Vec<_> = pairs
                .iter()
                .filter(|(t, o)| rules.permission(*t, *o) == Permission::AllowAll)
                .copied()
                .collect();
            assert_eq!(allowed, [(*object_type, *operation)]);
        }
    }

    #[test]
    fn allow_owner_requires_the_owner_and_an_object_without_owner_has_none() {
        let all = Policies::builtin();
        assert!(all.permits("default", &"alice".into(), None, Some(&"alice".into()), KEY, Operation::Get));
        assert!(!all.permits("default", &"bob".into(), None, Some(&"alice".into()), KEY, Operation::Get));
        assert!(!all.permits("default", &"".into(), None, None, KEY, Operation::Get));
        assert!(all.permits(
            "default",
            &"bob".into(),
            None,
            Some(&"alice".into()),
            ObjectType::Certificate,
            Operation::Get
        ));
    }

    #[test]
    fn unknown_policy_and_missing_entry_allow_nothing() {
        let all = Policies::builtin();
        assert!(!all.permits("unknown", &"alice".into(), None, Some(&"alice".into()), KEY, Operation::Get));
        assert!(!all.permits(
            "default",
            &"alice".into(),
            None,
            Some(&"alice".into()),
            KEY,
            Operation::Encrypt
        ));
        assert!(!all.permits("public", &"alice".into(), None, Some(&"alice".into()), KEY, Operation::Get));
    }

    #[test]
    fn most_permissive_group_wins() {
        let all = policies(
            r#"{"p": {"preset": {"SYMMETRIC_KEY": {"LOCATE": "ALLOW_ALL"}}, "groups": {
                "A": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "DESTROY": "ALLOW_OWNER"}},
                "B": {"SYMMETRIC_KEY": {"GET": "DISALLOW_ALL", "DESTROY": "DISALLOW_ALL"}}}}}"#,
        );
        let permits = |names: &[&str], operation| {
            all.permits("p", &"bob".into(), Some(&groups(names)), Some(&"alice".into()), KEY, operation)
        };
        assert!(permits(&["A"], Operation::Get));
        assert!(!permits(&["B"], Operation::Get));
        assert!(permits(&["A", "B"], Operation::Get));
        assert!(permits(&["B", "A"], Operation::Get));
        assert!(!permits(&["A", "B"], Operation::Destroy));
        assert!(all.permits(
            "p",
            &"alice".into(),
            Some(&groups(&["B", "A"])),
            Some(&"alice".into()),
            KEY,
            Operation::Destroy
        ));
        assert!(!permits(&["C"], Operation::Get));
        assert!(!permits(&[], Operation::Get));
        assert!(!permits(&["A"], Operation::Locate), "preset does not add to groups");
    }

    #[test]
    fn entry_of_the_operation_itself_precedes_the_fallback() {
        let all = policies(
            r#"{"p": {"groups": {
                "A": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "ENCRYPT": "DISALLOW_ALL"}},
                "B": {"SYMMETRIC_KEY": {"GET": "DISALLOW_ALL", "ENCRYPT": "ALLOW_ALL"}},
                "C": {"SYMMETRIC_KEY": {"GET": "ALLOW_OWNER"}}}}}"#,
        );
        let encrypt = Entries { own: Operation::Encrypt, fallback: Operation::Get };
        let permission =
            |names: &[&str]| all.policy("p").unwrap().permission(Some(&groups(names)), KEY, encrypt);
        for (names, expected) in [
            (&["A"][..], Permission::DisallowAll),
            (&["B"], Permission::AllowAll),
            (&["C"], Permission::AllowOwner),
            (&["A", "C"], Permission::AllowOwner),
        ] {
            assert_eq!(permission(names), expected, "{names:?}");
        }
        let listed = all.permissions(Some(&groups(&["B"])), encrypt);
        assert!(listed.contains(&("p", KEY, Permission::AllowAll)));
    }

    #[test]
    fn preset_applies_if_the_policy_has_no_groups() {
        let all = policies(r#"{"p": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}, "groups": {}}}"#);
        for names in [&["A"][..], &[]] {
            assert!(all.permits(
                "p",
                &"bob".into(),
                Some(&groups(names)),
                Some(&"alice".into()),
                KEY,
                Operation::Get
            ));
            assert!(all.permits(
                "default",
                &"bob".into(),
                Some(&groups(names)),
                Some(&"bob".into()),
                KEY,
                Operation::Get
            ));
        }
    }

    #[test]
    fn policy_with_groups_only_disallows_all_without_group_information() {
        let all = policies(r#"{"p": {"groups": {"A": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}}"#);
        assert!(!all.permits("p", &"alice".into(), None, Some(&"alice".into()), KEY, Operation::Get));
        assert!(all.permissions(None, Operation::Get).iter().all(|(name, ..)| *name != "p"));
    }

    #[test]
    fn permissions_list_every_allowed_pair_of_policy_and_object_type() {
        let all = policies(r#"{"p": {"groups": {"A": {"SYMMETRIC_KEY": {"LOCATE": "ALLOW_ALL"}}}}}"#);
        let listed = all.permissions(Some(&groups(&["A"])), Operation::Locate);
        assert_eq!(listed.iter().filter(|(name, ..)| *name == "default").count(), 10);
        assert!(listed.contains(&("default", ObjectType::Certificate, Permission::AllowAll)));
        assert!(listed.contains(&("default", KEY, Permission::AllowOwner)));
        assert!(listed.contains(&("p", KEY, Permission::AllowAll)));
        assert!(listed.contains(&("public", ObjectType::Template, Permission::AllowAll)));
        assert_eq!(listed.len(), 12);
    }
}
