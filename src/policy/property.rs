//! Compares the policies with a naive model of the documentation's sentences, for pseudorandom policies, clients and
//! objects.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Permission, Policies};
use crate::kmip::Principal;
use crate::kmip::enums::{ObjectType, Operation};

/// A pseudorandom generator with a fixed seed (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit).unwrap()
    }

    fn chance(&mut self, percent: u64) -> bool {
        (self.below(100) as u64) < percent
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64)]
    }
}

const OBJECT_TYPES: &[(ObjectType, &str)] = &[
    (ObjectType::Certificate, "CERTIFICATE"),
    (ObjectType::SymmetricKey, "SYMMETRIC_KEY"),
    (ObjectType::OpaqueObject, "OPAQUE_DATA"),
];
const OPERATIONS: &[(Operation, &str)] =
    &[(Operation::Get, "GET"), (Operation::ReKey, "REKEY"), (Operation::SetAttribute, "SET_ATTRIBUTE")];
const PERMISSIONS: &[&str] = &["ALLOW_ALL", "ALLOW_OWNER", "DISALLOW_ALL"];
const GROUPS: &[&str] = &["A", "B", "C"];
const USERS: &[&str] = &["alice", "bob"];
const CREDENTIALS: &[Option<&str>] = &[None, Some("user one"), Some("user two")];
const POLICIES: &[&str] = &["one", "two", "three"];

/// Permissions by object type and operation, with the names of policy files.
type Table = BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>;

#[derive(Default)]
struct Model {
    preset: Option<Table>,
    groups: Option<BTreeMap<&'static str, Table>>,
}

fn table(random: &mut Random) -> Table {
    let mut table = Table::new();
    for (_, object_type) in OBJECT_TYPES {
        if random.chance(90) {
            let row = table.entry(object_type).or_default();
            for (_, operation) in OPERATIONS {
                if random.chance(90) {
                    row.insert(operation, random.one_of(PERMISSIONS));
                }
            }
        }
    }
    table
}

fn model(random: &mut Random) -> Model {
    let mut model = Model::default();
    if random.chance(60) {
        // An empty section is not there.
        model.preset = Some(table(random)).filter(|table| !table.is_empty());
    }
    if random.chance(60) {
        let mut groups = BTreeMap::new();
        for group in GROUPS {
            if random.chance(70) {
                groups.insert(*group, table(random));
            }
        }
        model.groups = Some(groups).filter(|groups| !groups.is_empty());
    }
    model
}

fn json(models: &BTreeMap<&str, Model>) -> String {
    let mut policies = serde_json::Map::new();
    for (name, model) in models {
        let mut sections = serde_json::Map::new();
        if let Some(preset) = &model.preset {
            sections.insert("preset".to_owned(), serde_json::json!(preset));
        }
        if let Some(groups) = &model.groups {
            let groups: serde_json::Map<_, _> =
                groups.iter().map(|(name, table)| ((*name).to_owned(), serde_json::json!(table))).collect();
            sections.insert("groups".to_owned(), serde_json::Value::Object(groups));
        }
        policies.insert((*name).to_owned(), serde_json::Value::Object(sections));
    }
    serde_json::Value::Object(policies).to_string()
}

/// "The user of the certificate is the owner, unless the owner made the object under a credential and the user comes
/// with another."
fn is_owner(requester: &Principal, owner: &Principal) -> bool {
    if requester.user != owner.user {
        return false;
    }
    match owner.credential.as_deref() {
        Some(made_under) => requester.credential.as_deref().is_none_or(|comes_with| comes_with == made_under),
        None => true,
    }
}

/// Implements the documentation's sentences, one by one.
fn allowed(
    models: &BTreeMap<&str, Model>,
    (policy, requester, groups, owner): (&str, &Principal, Option<&[&str]>, Option<&Principal>),
    (object_type, operation): (&str, &str),
) -> bool {
    let Some(model) = models.get(policy) else { return false };
    let by_table = |table: &Table| match table.get(object_type).and_then(|row| row.get(operation)) {
        Some(&"ALLOW_ALL") => true,
        Some(&"ALLOW_OWNER") => owner.is_some_and(|owner| is_owner(requester, owner)),
        Some(&"DISALLOW_ALL") => false,
        Some(other) => panic!("{other}"),
        // "If a policy does not cover a specific object type or operation, the server […] acts as if the
        // permission was set to Disallow All."
        None => false,
    };
    let by_preset = || model.preset.as_ref().is_some_and(by_table);
    match groups {
        Some(groups) => match &model.groups {
            // "Users belonging to both groups will receive the most permissive permissions available."
            Some(tables) => groups.iter().any(|group| tables.get(group).is_some_and(by_table)),
            // "If group information is provided but only preset controls are defined, the preset controls
            // will be enforced."
            None => by_preset(),
        },
        // "If client authentication succeeds but no group information is available, the controls belonging to
        // the preset collection are enforced. […] If group information is not provided but only groups controls
        // are defined, Disallow All will be the only enforced control."
        None => by_preset(),
    }
}

fn principal(random: &mut Random) -> Principal {
    let credential = random.one_of(CREDENTIALS).map(str::to_owned);
    Principal { credential, ..random.one_of(USERS).into() }
}

#[test]
fn random_policies_permit_what_the_documentation_states() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut permitted = 0;
    for _ in 0..400 {
        let mut models = BTreeMap::new();
        for name in POLICIES {
            if random.chance(80) {
                models.insert(*name, model(&mut random));
            }
        }
        let policies = Policies::parse(Path::new("random.json"), json(&models).as_bytes()).unwrap();
        for _ in 0..50 {
            let policy = random.one_of(POLICIES);
            let requester = principal(&mut random);
            let owner = random.chance(90).then(|| principal(&mut random));
            let names: Option<Vec<&str>> = random
                .chance(70)
                .then(|| (0..random.below(4)).map(|_| random.one_of(&["A", "B", "C", "D"])).collect());
            let groups: Option<Vec<String>> =
                names.as_ref().map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            let (object_type, type_name) = random.one_of(OBJECT_TYPES);
            let (operation, operation_name) = random.one_of(OPERATIONS);

            let client = (policy, &requester, names.as_deref(), owner.as_ref());
            let expected = allowed(&models, client, (type_name, operation_name));
            let found = policies.permits(
                policy,
                &requester,
                groups.as_deref(),
                owner.as_ref(),
                object_type,
                operation,
            );
            assert_eq!(found, expected, "{client:?} {type_name} {operation_name} under {}", json(&models));

            let listed = policies.permissions(groups.as_deref(), operation);
            let by_list = listed.iter().any(|(name, of, permission)| {
                let by_owner = *permission == Permission::AllowOwner
                    && owner.as_ref().is_some_and(|owner| is_owner(&requester, owner));
                *name == policy && *of == object_type && (*permission == Permission::AllowAll || by_owner)
            });
            assert_eq!(by_list, expected, "{client:?} {type_name} {operation_name} by list");
            permitted += usize::from(expected);
        }
    }
    assert!((3_000..17_000).contains(&permitted), "both answers occur often: {permitted} of 20000");
}
