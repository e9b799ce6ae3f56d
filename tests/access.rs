//! Access control by the whole dispatcher: pseudorandom policies, clients, groups and objects, and every request of the
//! corpus. Each response is compared with a naive model of PyKMIP's server documentation, "Access Control".

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use kmip_server::internals::auth::{Authenticator, Certificate, Peer};
use kmip_server::internals::config::{AuthPlugin, Config};
use kmip_server::internals::dispatch::{Dispatcher, Respond};
use kmip_server::internals::engine::Services;
use kmip_server::internals::policy::{Policies, PolicyStore};
use kmip_server::internals::server::authenticator;
use kmip_server::internals::store::{Id, Memory, Record, Sqlite, Store};
use kmip_server::kmip::enums::{Operation, ResultReason, ResultStatus};
use kmip_server::ttlv::{ItemType, Reader, SUPPORTED, Tag, V1_2, Version, Writer};
use serde_json::json;

use crate::auth::{Slugs, slugs};
use crate::corpus::{OBJECTS, ROWS, attribute, message, message_of, objects, register_as, text};
use crate::dialogue::answers;
use crate::harness::{Draw, Folder, self_signed};
use crate::settings::with;

/// The minimum number of rounds, each with new policies and owners.
const ROUNDS: usize = 8;
/// The maximum number of rounds until every operation was permitted once; some operations need several objects.
const MOST_ROUNDS: usize = 64;
/// One in this number of permitted requests that create key pairs is sent.
const HEAVY: u64 = 40;

const POLICIES: &[&str] = &["one", "two", "three"];
const PERMISSIONS: &[&str] = &["ALLOW_ALL", "ALLOW_ALL", "ALLOW_OWNER", "ALLOW_OWNER", "DISALLOW_ALL"];
/// The object types in the policies.
const GROUPS: &[&str] = &["A", "B", "C"];
/// The users, with their groups if a service supplies them.
const USERS: &[(&str, &[&str])] =
    &[("Alice", &["A"]), ("Bob", &["B", "A"]), ("Carol", &[]), ("Dave", &["D", "C"]), ("Eve", &["D"])];
const SERVICE: &[(&str, &str)] = &[
    ("/slugs/users/Alice/", "null"),
    ("/slugs/users/Alice/groups/", r#"{"groups": ["A"]}"#),
    ("/slugs/users/Bob/", "null"),
    ("/slugs/users/Bob/groups/", r#"{"groups": ["B", "A"]}"#),
    ("/slugs/users/Carol/", "null"),
    ("/slugs/users/Carol/groups/", r#"{"groups": []}"#),
    ("/slugs/users/Dave/", "null"),
    ("/slugs/users/Dave/groups/", r#"{"groups": ["D", "C"]}"#),
    ("/slugs/users/Eve/", "null"),
    ("/slugs/users/Eve/groups/", r#"{"groups": ["D"]}"#),
];

/// The types of the corpus' objects, by identifier, with the names of policy files.
const TYPES: [&str; 10] = [
    "SYMMETRIC_KEY",
    "SYMMETRIC_KEY",
    "SECRET_DATA",
    "PRIVATE_KEY",
    "PUBLIC_KEY",
    "CERTIFICATE",
    "OPAQUE_DATA",
    "SPLIT_KEY",
    "SPLIT_KEY",
    "SYMMETRIC_KEY",
];

/// Returns the entries of a policy that must allow an operation on the objects that a request names; none if it needs no
/// permission. PyKMIP's server requires GET for every use of a key; COMPATIBILITY.md lists the rest.
fn entries(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Get => &["GET"],
        Operation::GetAttributes => &["GET_ATTRIBUTES"],
        Operation::GetAttributeList => &["GET_ATTRIBUTE_LIST"],
        Operation::AddAttribute | Operation::Certify | Operation::ReCertify => &["ADD_ATTRIBUTE"],
        Operation::ModifyAttribute | Operation::AdjustAttribute => &["MODIFY_ATTRIBUTE"],
        Operation::DeleteAttribute => &["DELETE_ATTRIBUTE"],
        Operation::SetAttribute => &["SET_ATTRIBUTE"],
        Operation::Activate => &["ACTIVATE"],
        Operation::Revoke => &["REVOKE"],
        Operation::Destroy | Operation::Import => &["DESTROY"],
        Operation::Check => &["CHECK"],
        Operation::ObtainLease => &["OBTAIN_LEASE"],
        Operation::GetUsageAllocation => &["GET_USAGE_ALLOCATION"],
        Operation::Archive => &["ARCHIVE"],
        Operation::Recover => &["RECOVER"],
        Operation::ReKey => &["REKEY"],
        Operation::ReKeyKeyPair => &["REKEY_KEY_PAIR"],
        Operation::Export => &["GET", "GET_ATTRIBUTES"],
        Operation::Encrypt
        | Operation::Decrypt
        | Operation::Sign
        | Operation::SignatureVerify
        | Operation::Mac
        | Operation::MacVerify
        | Operation::DeriveKey
        | Operation::CreateSplitKey
        | Operation::JoinSplitKey
        | Operation::Validate => &["GET"],
        _ => &[],
    }
}

/// All entries in the model's policies.
const ENTRIES: &[&str] = &[
    "LOCATE",
    "GET",
    "GET_ATTRIBUTES",
    "GET_ATTRIBUTE_LIST",
    "ADD_ATTRIBUTE",
    "MODIFY_ATTRIBUTE",
    "DELETE_ATTRIBUTE",
    "SET_ATTRIBUTE",
    "ACTIVATE",
    "REVOKE",
    "DESTROY",
    "CHECK",
    "OBTAIN_LEASE",
    "GET_USAGE_ALLOCATION",
    "ARCHIVE",
    "RECOVER",
    "REKEY",
    "REKEY_KEY_PAIR",
];

/// Permissions by object type and entry.
type Table = BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>;

/// One policy in the terms of the documentation.
#[derive(Default)]
struct Model {
    preset: Option<Table>,
    groups: Option<BTreeMap<&'static str, Table>>,
}

impl Model {
    fn draw(draw: &mut Draw) -> Self {
        let mut model = Self::default();
        let kind = draw.below(10);
        // Both sections or one of them; an empty section counts as missing.
        if kind < 7 {
            model.preset = Some(table(draw)).filter(|table| !table.is_empty());
        }
        if kind > 3 {
            let mut groups = BTreeMap::new();
            for group in GROUPS {
                if draw.below(10) < 7 {
                    groups.insert(*group, table(draw));
                }
            }
            model.groups = Some(groups).filter(|groups| !groups.is_empty());
        }
        model
    }

    fn json(&self) -> serde_json::Value {
        let mut sections = serde_json::Map::new();
        sections.extend(self.preset.as_ref().map(|preset| ("preset".to_owned(), json!(preset))));
        sections.extend(self.groups.as_ref().map(|groups| ("groups".to_owned(), json!(groups))));
        sections.into()
    }
}

fn table(draw: &mut Draw) -> Table {
    let mut table = Table::new();
    for object_type in TYPES {
        if table.contains_key(object_type) || draw.below(10) == 0 {
            continue;
        }
        let rows = ENTRIES.iter().filter_map(|entry| {
            let permission = *draw.one_of(PERMISSIONS);
            (draw.below(10) > 0).then_some((*entry, permission))
        });
        table.insert(object_type, rows.collect());
    }
    table
}

/// The policy, owner and type of an object.
struct ObjectSpec {
    policy: &'static str,
    owner: &'static str,
    object_type: &'static str,
}

/// Policies and the objects under them.
struct World {
    models: BTreeMap<&'static str, Model>,
    objects: Vec<ObjectSpec>,
    policies: Policies,
}

impl World {
    fn draw(draw: &mut Draw) -> Self {
        let mut models = BTreeMap::new();
        for name in POLICIES {
            // An object may name a policy that does not exist.
            if draw.below(10) > 0 {
                models.insert(*name, Model::draw(draw));
            }
        }
        let json: serde_json::Map<_, _> =
            models.iter().map(|(name, model)| ((*name).to_owned(), model.json())).collect();
        let text = serde_json::Value::from(json).to_string();
        let objects = TYPES.map(|object_type| ObjectSpec {
            policy: draw.one_of::<&str>(POLICIES),
            owner: draw.one_of(USERS).0,
            object_type,
        });
        let policies = Policies::parse(Path::new("drawn.json"), text.as_bytes()).unwrap();
        Self { models, objects: objects.into(), policies }
    }

    fn dispatcher(&self, store: Arc<impl Store>, authenticator: Authenticator) -> Dispatcher {
        Dispatcher::new(Services::new(store, PolicyStore::fixed(self.policies.clone())), authenticator)
    }

    /// Registers each object as its owner.
    fn fill(&self, store: Arc<impl Store>, people: &People) {
        let dispatcher = self.dispatcher(store, people.without_groups());
        for (given, drawn) in objects().iter().zip(&self.objects) {
            let policy = attribute(Tag::OperationPolicyName, &drawn.policy.to_owned());
            let payload = |w: &mut Writer| register_as(given, std::slice::from_ref(&policy), w);
            let request = message_of(V1_2, None, &[(Operation::Register, payload)]);
            let reply = dispatcher.respond(&request, people.peer(drawn.owner));
            assert_eq!(answers(V1_2, &reply.message)[0].status, ResultStatus::Success);
        }
    }

    /// Implements the documentation's sentences, one by one.
    fn allows(&self, (user, groups): (&str, Option<&[&str]>), object: &ObjectSpec, entry: &str) -> bool {
        let Some(model) = self.models.get(object.policy) else { return false };
        let by_table = |table: &Table| match table.get(object.object_type).and_then(|row| row.get(entry)) {
            // "the operation is allowed for the client regardless of the client's identity"
            Some(&"ALLOW_ALL") => true,
            // "only if the client's identity matches the object's owner"
            Some(&"ALLOW_OWNER") => object.owner == user,
            // "the server will refuse […] regardless of the client's identity"
            Some(&"DISALLOW_ALL") => false,
            Some(other) => panic!("{other}"),
            // "If a policy does not cover a specific object type or operation, the server […] acts as if the
            // permission was set to Disallow All."
            None => false,
        };
        match (groups, &model.groups) {
            // "Users belonging to both groups will receive the most permissive permissions available"
            (Some(names), Some(tables)) => names.iter().any(|name| tables.get(name).is_some_and(by_table)),
            // "If group information is provided but only preset controls are defined, the preset controls will be
            // enforced." "If […] no group information is available, the controls belonging to the preset
            // collection are enforced." "[…] but only groups controls are defined, Disallow All"
            _ => model.preset.as_ref().is_some_and(by_table),
        }
    }

    /// Returns whether every entry that the request needs allows it.
    fn permits(&self, client: (&str, Option<&[&str]>), operation: Operation, named: &[u64]) -> bool {
        let object = |number: u64| &self.objects[usize::try_from(number).unwrap() - 1];
        let direct = named
            .iter()
            .all(|number| entries(operation).iter().all(|entry| self.allows(client, object(*number), entry)));
        let beside = match operation {
            // The operation also replaces the public key of the pair.
            Operation::ReKeyKeyPair => self.allows(client, object(5), "MODIFY_ATTRIBUTE"),
            // The replaced object keeps its owner.
            Operation::Import => named.iter().all(|number| object(*number).owner == client.0),
            _ => true,
        };
        direct && beside
    }
}

/// The certificates of the users, and the service for their groups.
struct People {
    peers: BTreeMap<&'static str, Peer>,
    service: Slugs,
}

impl People {
    fn new() -> Self {
        let peers = USERS.iter().map(|(name, _)| {
            let certificate = Certificate::from_der(&self_signed(name, |_| ()).certificate).unwrap();
            (*name, Peer::new(([127, 0, 0, 1], 5696).into(), 1, Some(certificate)))
        });
        Self { peers: peers.collect(), service: slugs(SERVICE) }
    }

    fn peer(&self, name: &str) -> &Peer {
        &self.peers[name]
    }

    fn without_groups(&self) -> Authenticator {
        Authenticator::new(false, Vec::new())
    }

    fn with_groups(&self) -> Authenticator {
        let mut config = with(Config::new("server.pem", "ca.pem"), |it| it.enable_tls_client_auth = false);
        let url = Some(self.service.url.clone());
        config.auth_plugins = vec![AuthPlugin { name: "auth:slugs".to_owned(), enabled: true, url }];
        authenticator(&config).unwrap()
    }
}

/// Returns the identifiers in the payload of a request.
fn named(request: &[u8], version: Version) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut open = vec![Reader::new(request, version)];
    while let Some(mut reader) = open.pop() {
        while let Some(item) = reader.next().unwrap() {
            if [Tag::UniqueIdentifier, Tag::PrivateKeyUniqueIdentifier].contains(&item.tag) {
                numbers.extend(std::str::from_utf8(item.bytes).unwrap().parse::<u64>());
            } else if item.kind == ItemType::Structure
                && [Tag::RequestMessage, Tag::BatchItem, Tag::RequestPayload].contains(&item.tag)
            {
                open.push(item.structure().unwrap());
            }
        }
    }
    numbers
}

/// Returns all records, to detect changes.
fn records(store: &Memory) -> Vec<Option<Arc<Record>>> {
    (1..=OBJECTS + 4).map(|number| store.read(Id(number)).unwrap()).collect()
}

#[test]
fn every_request_is_permitted_or_refused_by_the_documented_rules() {
    let people = People::new();
    let mut draw = Draw::new(0x2545_f491_4f6c_dd1d);
    let (mut permitted, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let mut counts = [0usize; 2];
    let light = || {
        ROWS.iter().filter(|row| !row.heavy && row.operation != Operation::Locate && !row.is_refused(V1_2))
    };
    let missing = |permitted: &BTreeSet<_>| {
        let names = light().map(|row| row.operation.name());
        names.filter(|name| !permitted.contains(name)).collect::<Vec<_>>()
    };
    for round in 0..MOST_ROUNDS {
        if round >= ROUNDS && missing(&permitted).is_empty() {
            break;
        }
        let world = World::draw(&mut draw);
        let store_with_objects = Arc::new(Memory::new());
        world.fill(Arc::clone(&store_with_objects), &people);
        let before = records(&store_with_objects);
        for row in ROWS.iter().flat_map(|row| [row; 3]) {
            let since: Vec<_> = SUPPORTED.into_iter().filter(|it| row.operation.since() <= *it).collect();
            let version = *draw.one_of(&since);
            let request = message(version, &[row]);
            let (user, groups) = *draw.one_of(USERS);
            let groups = (draw.below(2) == 0).then_some(groups);
            let may = world.permits((user, groups), row.operation, &named(&request, version));
            if may && row.heavy && draw.below(HEAVY) > 0 {
                continue;
            }
            let rules = if groups.is_some() { people.with_groups() } else { people.without_groups() };
            let store = Arc::new(Memory::clone(&store_with_objects));
            let reply = world.dispatcher(Arc::clone(&store), rules).respond(&request, people.peer(user));
            let answer = &answers(version, &reply.message)[0];
            let request_text = format!("{} by {user} in {groups:?}: {}", row.operation, text(&reply.message));
            if row.operation == Operation::Locate {
                assert_eq!(answer.status, ResultStatus::Success, "{request_text}");
            } else if may {
                let expected = if row.is_refused(version) {
                    ResultStatus::OperationFailed
                } else {
                    ResultStatus::Success
                };
                assert_eq!(answer.status, expected, "{request_text}");
                assert_ne!(answer.reason, Some(ResultReason::PermissionDenied), "{request_text}");
                permitted.insert(row.operation.name());
            } else {
                assert_eq!(answer.status, ResultStatus::OperationFailed, "{request_text}");
                assert_eq!(answer.reason, Some(ResultReason::PermissionDenied), "{request_text}");
                assert!(answer.payload.is_empty(), "{request_text}");
                assert!(records(&store) == before, "a refused request changed a record: {request_text}");
                refused.insert(row.operation.name());
            }
            counts[usize::from(may)] += 1;
        }
    }
    let judged = ROWS.iter().filter(|row| !entries(row.operation).is_empty());
    let judged: BTreeSet<_> = judged.map(|row| row.operation.name()).collect();
    assert_eq!(refused, judged, "every operation on an object is refused once");
    let missing = missing(&permitted);
    assert!(missing.is_empty(), "never permitted: {missing:?}");
    assert!(counts.iter().all(|count| *count > 10 * ROUNDS), "both outcomes occur often: {counts:?}");
}

#[test]
fn locate_finds_exactly_the_objects_that_a_client_may_see() {
    let people = People::new();
    let mut draw = Draw::new(0x9e37_79b9_7f4a_7c15);
    let everything = message_of(V1_2, None, &[(Operation::Locate, |_: &mut Writer| ())]);
    let (mut seen, mut hidden) = (0, 0);
    for round in 0..ROUNDS {
        let world = World::draw(&mut draw);
        let folder = Folder::new();
        // The SQLite store filters by SQL, the memory store object by object.
        let world = &world;
        let store: Box<dyn Fn(Authenticator) -> Dispatcher + '_> = if round % 2 == 0 {
            let store_with_objects = Arc::new(Sqlite::open(&folder.path("database")).unwrap());
            world.fill(Arc::clone(&store_with_objects), &people);
            Box::new(move |rules| world.dispatcher(Arc::clone(&store_with_objects), rules))
        } else {
            let store_with_objects = Arc::new(Memory::new());
            world.fill(Arc::clone(&store_with_objects), &people);
            Box::new(move |rules| world.dispatcher(Arc::clone(&store_with_objects), rules))
        };
        for (user, groups) in USERS {
            for groups in [None, Some(*groups)] {
                let rules = if groups.is_some() { people.with_groups() } else { people.without_groups() };
                let reply = store(rules).respond(&everything, people.peer(user));
                let found = answers(V1_2, &reply.message)[0].ids();
                let found: BTreeSet<u64> = found.iter().map(|id| id.parse().unwrap()).collect();
                let visible = (1..).zip(&world.objects);
                let visible = visible.filter(|(_, object)| world.allows((user, groups), object, "LOCATE"));
                let visible: BTreeSet<u64> = visible.map(|(number, _)| number).collect();
                assert_eq!(found, visible, "{user} in {groups:?}");
                seen += visible.len();
                hidden += TYPES.len() - visible.len();
            }
        }
    }
    assert!(seen > 10 * ROUNDS && hidden > 10 * ROUNDS, "{seen} seen, {hidden} hidden");
}
