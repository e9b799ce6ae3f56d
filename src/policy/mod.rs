//! Operation policies: who may do which operation on objects of which type (PyKMIP server documentation,
//! "Access Control"; KMIP 1.4 §3.18).
//!
//! [`Policies`] answers from memory and never changes; [`PolicyStore`] holds the current ones and follows the
//! policy directory. What a refusal means to a client, and which entry judges an operation where a policy has none
//! of its own for it (Encrypt is judged by Get), is for the engine to say. Groups come from authentication.

mod builtin;
mod directory;
mod error;
mod look;
mod names;
mod parse;
mod position;
#[cfg(test)]
mod property;
mod reload;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::kmip::Principal;
use crate::kmip::enums::{ObjectType, Operation};

pub use error::{Error, Place};
pub use look::{Look, look};
pub use reload::PolicyStore;

/// What a policy says about one operation on one type of object. In the order of what it gives away, so that
/// the most permissive of several is their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// Nobody may. Also what a policy says where it says nothing.
    #[default]
    DisallowAll,
    /// The object's owner may.
    AllowOwner,
    /// Every authenticated client may.
    AllowAll,
}

/// One more than the largest wire value of each enumeration: both count from 1 without gaps, and row and
/// column 0 stay empty.
const OBJECT_TYPES: usize = ObjectType::ALL.len() + 1;
const OPERATIONS: usize = Operation::ALL.len() + 1;

/// The entries that can judge an operation: its own, and the one that does where there is none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries {
    /// That of the operation itself.
    pub own: Operation,
    /// That of the operation which it is like.
    pub otherwise: Operation,
}

impl From<Operation> for Entries {
    fn from(operation: Operation) -> Self {
        Self { own: operation, otherwise: operation }
    }
}

/// A permission for each type of object and operation, or none: 660 bytes, read by two additions.
#[derive(Clone, PartialEq, Eq)]
pub struct Rules([[Option<Permission>; OPERATIONS]; OBJECT_TYPES]);

impl Rules {
    /// Rules that say nothing, and so disallow everything.
    pub const fn new() -> Self {
        Self([[None; OPERATIONS]; OBJECT_TYPES])
    }

    /// What the rules say; [`Permission::DisallowAll`] where they say nothing.
    pub fn permission(&self, object_type: ObjectType, entries: impl Into<Entries>) -> Permission {
        let Entries { own, otherwise } = entries.into();
        let entry = self.entry(object_type, own).or_else(|| self.entry(object_type, otherwise));
        entry.unwrap_or_default()
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

/// The entries that there are.
impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = ObjectType::ALL.iter().flat_map(|t| Operation::ALL.iter().map(move |o| (*t, *o)));
        let entries = pairs.filter_map(|(t, o)| self.entry(t, o).map(|permission| ((t, o), permission)));
        f.debug_map().entries(entries).finish()
    }
}

/// One policy. A collection that its file leaves out, or gives as empty, is `None`; a policy without either
/// disallows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The rules for clients of whose groups nothing is known.
    pub preset: Option<Box<Rules>>,
    /// The rules for the members of each group.
    pub groups: Option<BTreeMap<String, Box<Rules>>>,
}

impl Policy {
    /// What the policy says to a client with these groups; `None` means that authentication tells of no
    /// groups, an empty slice that the client is in none.
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
    /// The name of the policy of objects for which their creator names none.
    pub const DEFAULT: &'static str = "default";
    /// The name of the built-in policy for templates that everybody may read.
    pub const PUBLIC: &'static str = "public";

    /// The built-in policies alone.
    pub fn builtin() -> Self {
        Self::new(BTreeMap::new())
    }

    /// The given policies and the built-in ones, which replace any of the same name.
    pub fn new(mut policies: BTreeMap<String, Arc<Policy>>) -> Self {
        policies.insert(Self::DEFAULT.to_owned(), Arc::new(builtin::default_policy()));
        policies.insert(Self::PUBLIC.to_owned(), Arc::new(builtin::public_policy()));
        Self(policies)
    }

    /// The built-in policies and those of one file's text. `file` only names it in errors.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(file: &Path, json: &[u8]) -> Result<Self, Error> {
        let policies = parse::policies(file, json)?;
        Ok(Self::new(policies.into_iter().map(|(name, policy)| (name, Arc::new(policy))).collect()))
    }

    /// Whether no policy file may define the name.
    pub fn is_reserved(name: &str) -> bool {
        name == Self::DEFAULT || name == Self::PUBLIC
    }

    /// The policy of a name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.0.get(name).map(Arc::as_ref)
    }

    /// Whether the policy of that name lets the client do the operation on an object of that type and owner.
    /// A policy that does not exist allows nothing, and an object without an owner is nobody's. Neither
    /// allocates nor locks.
    pub fn permits(
        &self,
        policy: &str,
        asker: &Principal,
        groups: Option<&[String]>,
        owner: Option<&Principal>,
        object_type: ObjectType,
        entries: impl Into<Entries>,
    ) -> bool {
        let Some(policy) = self.policy(policy) else { return false };
        match policy.permission(groups, object_type, entries) {
            Permission::AllowAll => true,
            Permission::AllowOwner => owner.is_some_and(|owner| asker.is_same_owner_as(owner)),
            Permission::DisallowAll => false,
        }
    }

    /// Every policy and type of object for which the operation is allowed to the client, or to it as the
    /// owner: what [`Policies::permits`] says, in the form of a WHERE clause. What is not listed is
    /// disallowed. By name, then by type.
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
    fn every_pair_of_type_and_operation_has_its_own_place() {
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
    fn owner_rule_asks_for_the_owner_and_nobody_owns_an_object_without_one() {
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
        assert!(!all.permits("nobody's", &"alice".into(), None, Some(&"alice".into()), KEY, Operation::Get));
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
    fn an_operation_is_judged_by_its_own_entry_where_there_is_one() {
        let all = policies(
            r#"{"p": {"groups": {
                "A": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL", "ENCRYPT": "DISALLOW_ALL"}},
                "B": {"SYMMETRIC_KEY": {"GET": "DISALLOW_ALL", "ENCRYPT": "ALLOW_ALL"}},
                "C": {"SYMMETRIC_KEY": {"GET": "ALLOW_OWNER"}}}}}"#,
        );
        let encrypt = Entries { own: Operation::Encrypt, otherwise: Operation::Get };
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
    fn preset_serves_where_the_policy_has_no_groups() {
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
    fn groups_alone_disallow_all_to_a_client_without_group_information() {
        let all = policies(r#"{"p": {"groups": {"A": {"SYMMETRIC_KEY": {"GET": "ALLOW_ALL"}}}}}"#);
        assert!(!all.permits("p", &"alice".into(), None, Some(&"alice".into()), KEY, Operation::Get));
        assert!(all.permissions(None, Operation::Get).iter().all(|(name, ..)| *name != "p"));
    }

    #[test]
    fn permissions_list_what_a_where_clause_needs() {
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
