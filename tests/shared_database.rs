//! Several servers on one PostgreSQL database: what one server acknowledged, the others see in the next request, also while
//! connections, servers and the database fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::slice;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kmip_server::internals::config::Config;
use kmip_server::internals::server::Server;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    BatchErrorContinuationOption, CryptographicAlgorithm, KeyFormatType, ObjectType, Operation, ResultReason,
    RevocationReasonCode, State, UsageLimitsUnit,
};
use kmip_server::kmip::structures::{RevocationReason, UsageLimits};
use kmip_server::kmip::{Key, Object};
use kmip_server::ttlv::{Field, Tag, V1_4, V2_1, Writer};

use crate::corpus::{algorithm, attribute, id, length, message_of, named, template, usage};
use crate::dialogue::{Answer, Caller, Live, key};
use crate::harness::postgres::{Database, cluster};
use crate::harness::relay::{Fault, Relay};
use crate::harness::{Credential, Pki, Running, skip, within};

/// Returns a new database, or `None` if the test is skipped.
pub(crate) fn database() -> Option<Database> {
    cluster().map(|cluster| cluster.database()).map_err(skip).ok()
}

/// Servers in this process on one database, and the certificates of their clients.
pub(crate) struct Servers {
    pub(crate) pki: Pki,
    live: Vec<Live>,
    pub(crate) database: Database,
}

impl Servers {
    pub(crate) fn start(count: usize) -> Option<Self> {
        let (pki, database) = (Pki::new(), database()?);
        let config = on(&pki, &database.url());
        let live = (0..count).map(|_| Live::start(&config)).collect();
        Some(Self { pki, live, database })
    }

    /// Connects a client to the server with this number, round and round.
    pub(crate) fn caller(&self, number: usize) -> Caller {
        self.caller_as(number, &self.pki.client)
    }

    pub(crate) fn caller_as(&self, number: usize, client: &Credential) -> Caller {
        self.live[number % self.live.len()].caller(&self.pki, client)
    }
}

pub(crate) fn on(pki: &Pki, url: &Path) -> Config {
    let mut config = pki.config();
    config.database_path = url.to_owned();
    config
}

fn aes() -> Key {
    key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16])
}

pub(crate) fn register(caller: &mut Caller, attributes: &[Attribute]) -> String {
    caller.register(V1_4, &Object::SymmetricKey(aes()), attributes).id()
}

pub(crate) fn create(name: &str) -> impl Fn(&mut Writer) {
    let attributes = [algorithm(), length(256), usage(12), named(name)];
    move |writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &attributes, writer);
    }
}

pub(crate) fn locate(caller: &mut Caller, name: &str) -> Vec<String> {
    let found = caller.ask(V1_4, Operation::Locate, |writer| {
        named(name).write(Tag::Attribute, writer);
    });
    found.ids()
}

fn state(caller: &mut Caller, key: &str) -> State {
    caller.attribute(V1_4, key, Tag::State).unwrap()
}

#[test]
fn a_change_at_one_server_is_seen_at_the_other_at_once() {
    let Some(servers) = Servers::start(2) else { return };
    for turn in 0..4 {
        let (mut one, mut other) = (servers.caller(turn), servers.caller(turn + 1));
        let name = format!("name {turn}");
        let made = one.ask(V1_4, Operation::Create, create(&name)).id();
        assert_eq!(other.get(V1_4, &made).object_type(), ObjectType::SymmetricKey);
        assert_eq!(locate(&mut other, &name), slice::from_ref(&made));
        other.ask(V1_4, Operation::Activate, |writer| id(&made, writer)).done();
        assert_eq!(state(&mut one, &made), State::Active);
        let renamed = format!("renamed {turn}");
        one.ask(V1_4, Operation::ModifyAttribute, |writer| {
            id(&made, writer);
            named(&renamed).write(Tag::Attribute, writer);
        })
        .done();
        assert_eq!(locate(&mut other, &name), [""; 0]);
        assert_eq!(locate(&mut other, &renamed), slice::from_ref(&made));
        let group = attribute(Tag::ObjectGroup, &"group".to_owned());
        other
            .ask(V1_4, Operation::AddAttribute, |writer| {
                id(&made, writer);
                group.write(Tag::Attribute, writer);
            })
            .done();
        assert_eq!(one.attribute::<String>(V1_4, &made, Tag::ObjectGroup), Some("group".to_owned()));
        one.ask(V1_4, Operation::DeleteAttribute, |writer| {
            id(&made, writer);
            "Object Group".to_owned().write(Tag::AttributeName, writer);
        })
        .done();
        assert_eq!(other.attribute::<String>(V1_4, &made, Tag::ObjectGroup), None);
        let reason = RevocationReason {
            revocation_reason_code: RevocationReasonCode::KeyCompromise,
            revocation_message: None,
        };
        other
            .ask(V1_4, Operation::Revoke, |writer| {
                id(&made, writer);
                reason.write(Tag::RevocationReason, writer);
            })
            .done();
        assert_eq!(state(&mut one, &made), State::Compromised);
        one.ask(V1_4, Operation::Destroy, |writer| id(&made, writer)).done();
        assert_eq!(state(&mut other, &made), State::DestroyedCompromised);
        assert_eq!(
            other.ask(V2_1, Operation::Get, |writer| id(&made, writer)).refused(),
            ResultReason::ObjectDestroyed
        );
    }
}

/// Requests an operation on an object with an attribute.
fn with(caller: &mut Caller, operation: Operation, key: &str, attribute: &Attribute) -> Answer {
    caller.ask(V1_4, operation, |writer| {
        id(key, writer);
        attribute.write(Tag::Attribute, writer);
    })
}

#[test]
fn locate_at_one_server_sees_each_kind_of_change_at_the_other() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.caller(0), servers.caller(1));
    let key = register(&mut one, &[usage(12), named("key")]);
    let found = |caller: &mut Caller, criterion: Attribute| {
        let located = caller.ask(V1_4, Operation::Locate, |writer| criterion.write(Tag::Attribute, writer));
        located.ids() == [key.clone()]
    };
    let in_state = |state: State| attribute(Tag::State, &state);
    let contact = |text: &str| attribute(Tag::ContactInformation, &text.to_owned());
    assert!(found(&mut other, in_state(State::PreActive)));
    with(&mut one, Operation::AddAttribute, &key, &contact("here")).done();
    assert!(found(&mut other, contact("here")));
    with(&mut other, Operation::ModifyAttribute, &key, &contact("there")).done();
    assert!(found(&mut one, contact("there")) && !found(&mut one, contact("here")));
    other.ask(V1_4, Operation::Activate, |writer| id(&key, writer)).done();
    assert!(found(&mut one, in_state(State::Active)) && !found(&mut one, in_state(State::PreActive)));
    assert!(found(&mut one, attribute(Tag::CryptographicUsageMask, &12)));
    one.ask(V1_4, Operation::Archive, |writer| id(&key, writer)).done();
    assert!(!found(&mut other, named("key")), "it is off-line");
    let get = |caller: &mut Caller| caller.ask(V1_4, Operation::Get, |writer| id(&key, writer));
    assert_eq!(get(&mut other).refused(), ResultReason::ObjectArchived);
    other.ask(V1_4, Operation::Recover, |writer| id(&key, writer)).done();
    assert!(found(&mut one, named("key")));
    get(&mut one).object();
    let replaced = other.ask(V1_4, Operation::ReKey, |writer| id(&key, writer)).id();
    let named_key = one.ask(V1_4, Operation::Locate, |writer| named("key").write(Tag::Attribute, writer));
    assert_eq!(named_key.ids(), [replaced], "Re-key moves the name");
}

#[test]
fn policy_of_an_object_that_one_server_changes_counts_at_the_other() {
    let Some(servers) = Servers::start(2) else { return };
    let jane = servers.pki.ca.client("Jane Doe");
    let (mut john, mut jane) = (servers.caller(0), servers.caller_as(1, &jane));
    let attributes = |policy: &str| [usage(12), attribute(Tag::OperationPolicyName, &policy.to_owned())];
    let private = register(&mut john, &attributes("default"));
    let get = |caller: &mut Caller, key: &str| caller.ask(V1_4, Operation::Get, |writer| id(key, writer));
    assert_eq!(get(&mut jane, &private).refused(), ResultReason::PermissionDenied);
    assert_eq!(jane.ask(V1_4, Operation::Locate, |_| ()).ids(), [""; 0]);
    assert_eq!(
        jane.ask(V1_4, Operation::Destroy, |writer| id(&private, writer)).refused(),
        ResultReason::PermissionDenied
    );
    get(&mut john, &private).object();
    // What Jane creates at one server, John cannot use at the other.
    let hers = register(&mut jane, &attributes("default"));
    let mut john = servers.caller(0);
    assert_eq!(get(&mut john, &hers).refused(), ResultReason::PermissionDenied);
    assert_eq!(john.ask(V1_4, Operation::Locate, |_| ()).ids(), [private]);
}

#[test]
fn usage_limits_that_one_server_counts_are_seen_and_enforced_at_the_other() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.caller(0), servers.caller(1));
    let limits = UsageLimits {
        usage_limits_total: 3,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Object,
    };
    let key = register(&mut one, &[usage(0x80), attribute(Tag::UsageLimits, &limits)]);
    other.ask(V1_4, Operation::Activate, |writer| id(&key, writer)).done();
    let left = |caller: &mut Caller| {
        let limits: Option<UsageLimits> = caller.attribute(V1_4, &key, Tag::UsageLimits);
        limits.and_then(|limits| limits.usage_limits_count)
    };
    let mac = |caller: &mut Caller| {
        caller.ask(V1_4, Operation::Mac, |writer| {
            id(&key, writer);
            hmac(writer);
            b"data".to_vec().write(Tag::Data, writer);
        })
    };
    mac(&mut one).done();
    assert_eq!(left(&mut other), Some(2));
    let allocated = other.ask(V1_4, Operation::GetUsageAllocation, |writer| {
        id(&key, writer);
        2_i64.write(Tag::UsageLimitsCount, writer);
    });
    allocated.done();
    assert_eq!(left(&mut one), Some(0));
    assert_eq!(mac(&mut one).refused(), ResultReason::PermissionDenied);
    let revoke = |writer: &mut Writer| {
        id(&key, writer);
        let revocation_reason_code = RevocationReasonCode::CessationOfOperation;
        RevocationReason { revocation_reason_code, revocation_message: None }
            .write(Tag::RevocationReason, writer);
    };
    one.ask(V1_4, Operation::Revoke, revoke).done();
    assert_eq!(state(&mut other, &key), State::Deactivated);
    assert_eq!(mac(&mut other).refused(), ResultReason::PermissionDenied);
}

#[test]
fn a_usage_limit_of_100_allows_exactly_100_uses_over_three_servers() {
    let Some(servers) = Servers::start(3) else { return };
    let limits = UsageLimits {
        usage_limits_total: 100,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Object,
    };
    let key = register(&mut servers.caller(0), &[usage(0x80), attribute(Tag::UsageLimits, &limits)]);
    servers.caller(0).ask(V1_4, Operation::Activate, |writer| id(&key, writer)).done();
    let (used, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for number in 0..9 {
            let (servers, key, used, refused) = (&servers, &key, &used, &refused);
            scope.spawn(move || {
                let mut caller = servers.caller(number);
                for _ in 0..15 {
                    let answer = caller.ask(V1_4, Operation::Mac, |writer| {
                        id(key, writer);
                        hmac(writer);
                        b"data".to_vec().write(Tag::Data, writer);
                    });
                    let count = if answer.is_done() { used } else { refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!((used.into_inner(), refused.into_inner()), (100, 35));
}

pub(crate) fn hmac(writer: &mut Writer) {
    use kmip_server::kmip::enums::CryptographicAlgorithm::HmacSha256;
    let parameters = kmip_server::kmip::structures::CryptographicParameters {
        cryptographic_algorithm: Some(HmacSha256),
        ..Default::default()
    };
    parameters.write(Tag::CryptographicParameters, writer);
}

#[test]
fn writers_over_three_servers_lose_nothing_and_get_ascending_identifiers() {
    let Some(servers) = Servers::start(3) else { return };
    let made = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for writer in 0..64 {
            let (servers, made) = (&servers, &made);
            scope.spawn(move || {
                let mut caller = servers.caller(writer);
                let mut last = 0;
                for number in 0..4 {
                    let name = format!("{writer}.{number}");
                    let new = caller.ask(V1_4, Operation::Create, create(&name)).id();
                    let value = new.parse::<u64>().unwrap();
                    assert!(value > last, "{value} after {last} at one server");
                    last = value;
                    assert_eq!(made.lock().unwrap().insert(new, name), None, "assigned twice");
                }
            });
        }
    });
    let made = made.into_inner().unwrap();
    let names: BTreeSet<_> = made.values().collect();
    assert_eq!((made.len(), names.len()), (256, 256));
    let mut caller = servers.caller(1);
    for (object, name) in made.iter().step_by(8) {
        assert_eq!(locate(&mut caller, name), slice::from_ref(object));
    }
    assert_eq!(caller.ask(V1_4, Operation::Locate, |_| ()).ids().len(), 256);
}

#[test]
fn batches_with_undo_at_two_servers_are_atomic() {
    let Some(servers) = Servers::start(2) else { return };
    thread::scope(|scope| {
        for number in 0..4 {
            let servers = &servers;
            scope.spawn(move || {
                let mut caller = servers.caller(number);
                for round in 0..6 {
                    let name = format!("undo {number} {round}");
                    // Each second batch names an object that does not exist, so that it is undone.
                    let item = |which: usize| {
                        let create = create(&name);
                        move |writer: &mut Writer| match which {
                            0 => create(writer),
                            1 => named("undo").write(Tag::Attribute, writer),
                            _ if round % 2 == 0 => {}
                            _ => id("999999", writer),
                        }
                    };
                    let items = [
                        (Operation::Locate, item(1)),
                        (Operation::Create, item(0)),
                        (Operation::Create, item(0)),
                        (Operation::Get, item(2)),
                    ];
                    let request = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items);
                    let answers = caller.send(V1_4, &request);
                    let is_kept = round % 2 == 0;
                    assert_eq!(answers.iter().all(Answer::is_done), is_kept);
                    assert_eq!(locate(&mut caller, &name).len(), if is_kept { 2 } else { 0 });
                }
            });
        }
    });
}

#[test]
fn ten_servers_that_start_at_once_create_one_schema() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let config = on(&pki, &database.url());
    thread::scope(|scope| {
        let starts: Vec<_> = (0..10).map(|_| scope.spawn(|| Server::bind(&config).map(drop))).collect();
        for start in starts {
            start.join().unwrap().unwrap_or_else(|error| panic!("{error}"));
        }
    });
    let live = Live::start(&config);
    register(&mut live.caller(&pki, &pki.client), &[usage(12)]);
}

#[test]
fn server_recovers_when_the_database_has_closed_all_connections() {
    let Some(servers) = Servers::start(1) else { return };
    let mut caller = servers.caller(0);
    let made = register(&mut caller, &[usage(12)]);
    for _ in 0..3 {
        servers.database.disconnect();
        caller.get(V1_4, &made);
        servers.database.disconnect();
        register(&mut caller, &[usage(12)]);
    }
}

#[test]
fn requests_fail_within_two_seconds_while_the_database_is_away_and_succeed_afterwards() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let relay = Relay::before(&database.url());
    let config = on(&pki, &relay.url(&database.url()));
    let live = Live::start(&config);
    let mut caller = live.caller(&pki, &pki.client);
    let made = register(&mut caller, &[usage(12)]);
    for fault in [Fault::Refuse, Fault::Silent] {
        relay.set(fault);
        for operation in [Operation::Get, Operation::Create, Operation::Locate] {
            let begun = Instant::now();
            let answer = caller.ask(V1_4, operation, |writer| match operation {
                Operation::Get => id(&made, writer),
                Operation::Create => create("away")(writer),
                _ => named("away").write(Tag::Attribute, writer),
            });
            assert_eq!(answer.refused(), ResultReason::GeneralFailure);
            assert!(begun.elapsed() < Duration::from_millis(2500), "{operation}: {:?}", begun.elapsed());
        }
        relay.set(Fault::None);
        within(|| caller.ask(V1_4, Operation::Get, |writer| id(&made, writer)).is_done().then_some(()));
        register(&mut caller, &[usage(12)]);
    }
}

#[test]
fn killed_server_loses_nothing_that_it_acknowledged() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let mut options = pki.options();
    *options.last_mut().unwrap() = database.url().display().to_string();
    let survivor = Live::start(&on(&pki, &database.url()));
    for round in 0..3 {
        let mut running = Running::start(&options);
        let (acknowledged, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        thread::scope(|scope| {
            for writer in 0..4 {
                let (pki, acknowledged, is_over, port) = (&pki, &acknowledged, &is_over, running.port);
                scope.spawn(move || {
                    let mut caller = Caller::new(pki.connect(port, &pki.client));
                    for number in 0.. {
                        let name = format!("{round}.{writer}.{number}");
                        let asked = caller.try_ask(V1_4, Operation::Create, create(&name));
                        let Ok(answer) = asked else { break };
                        acknowledged.lock().unwrap().push((answer.id(), name));
                        if is_over.load(Ordering::SeqCst) {
                            break;
                        }
                    }
                });
            }
            within(|| (acknowledged.lock().unwrap().len() > 20).then_some(()));
            running.child.kill().unwrap();
            is_over.store(true, Ordering::SeqCst);
        });
        let acknowledged = acknowledged.into_inner().unwrap();
        let mut caller = survivor.caller(&pki, &pki.client);
        for (object, name) in acknowledged {
            assert_eq!(locate(&mut caller, &name), slice::from_ref(&object));
            caller.get(V1_4, &object);
        }
    }
}

/// Runs the program and returns its exit code and its standard error.
fn run(options: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_run_server")).args(options).output().unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

#[test]
fn start_refuses_a_database_that_it_cannot_use_in_one_line() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let refused = |url: &str| {
        let settings = pki.settings("database_connect_timeout=1").display().to_string();
        let (code, line) =
            run(&["-f", &settings, "-d", url, "-l", &pki.folder.path("log").display().to_string()]);
        assert_eq!((code, line.trim().lines().count()), (Some(1), 1), "{line}");
        line
    };
    let url = database.url().display().to_string();
    let nobody = refused("postgresql://kmip@127.0.0.1:1/keys");
    assert!(nobody.contains("PostgreSQL 127.0.0.1:1/keys cannot be reached"), "{nobody}");
    let unknown = refused(&url.replace("keys_", "none_"));
    assert!(unknown.contains("does not exist (3D000)"), "{unknown}");
    let password = refused(&url.replace("kmip@", "kmip:geheim@"));
    assert!(password.contains("PGPASSWORD") && !password.contains("geheim"), "{password}");
    assert!(database.execute("CREATE TABLE theirs (x int)"));
    let foreign = refused(&url);
    assert!(foreign.contains("contains the table theirs of another program"), "{foreign}");
    assert!(database.execute("DROP TABLE theirs"));
    drop(Live::start(&on(&pki, &database.url())));
    assert!(database.execute("UPDATE kmip_server_schema SET version = 1000"));
    let newer = refused(&url);
    assert!(newer.contains("has the version 1000 of a newer server"), "{newer}");
}

#[test]
fn export_and_import_move_objects_between_sqlite_and_postgresql() {
    let (Some(first), Some(second)) = (database(), database()) else { return };
    let pki = Pki::new();
    let path = |name| pki.folder.path(name).display().to_string();
    let live = Live::start(&on(&pki, &first.url()));
    let mut caller = live.caller(&pki, &pki.client);
    let made: Vec<_> =
        (0..3).map(|number| register(&mut caller, &[usage(12), named(&number.to_string())])).collect();
    caller.ask(V1_4, Operation::Destroy, |writer| id(&made[1], writer)).done();
    let urls = [first.url(), second.url()].map(|url| url.display().to_string());
    let steps = [(&urls[0], "one"), (&path("sqlite"), "two"), (&urls[1], "three")];
    for (step, next) in steps.iter().zip(steps.iter().skip(1)) {
        let export = path(step.1);
        assert_eq!(run(&["-d", step.0, "--export", &export]), (Some(0), String::new()));
        assert_eq!(run(&["-d", next.0, "--import", &export]), (Some(0), String::new()));
    }
    assert_eq!(run(&["-d", &urls[1], "--export", &path("four")]), (Some(0), String::new()));
    let read = |name| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("two"), read("four"), "the same objects and the same counter");
    let moved = Live::start(&on(&pki, &second.url()));
    let mut caller = moved.caller(&pki, &pki.client);
    caller.get(V1_4, &made[0]);
    let next = register(&mut caller, &[usage(12)]).parse::<u64>().unwrap();
    assert!(next > made[2].parse().unwrap());
}

#[test]
fn sealed_database_opens_only_with_its_key() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let keys = ["one", "two"].map(|name| pki.folder.write(name, [name.as_bytes()[0]; 32]));
    let config = |key: Option<&Path>| {
        let mut config = on(&pki, &database.url());
        config.key_encryption_key_path = key.map(Path::to_owned);
        config
    };
    let live = Live::start(&config(Some(&keys[0])));
    let made = register(&mut live.caller(&pki, &pki.client), &[usage(12)]);
    let secret = "SELECT 1 / (CASE WHEN position('\\x07070707070707'::bytea IN object) > 0 THEN 0 ELSE 1 END) FROM object";
    assert!(database.execute(secret), "the key is not in clear");
    let refused = |key| Server::bind(&config(key)).map(drop).unwrap_err().to_string();
    assert!(refused(None).contains("are sealed"));
    assert!(refused(Some(keys[1].as_path())).contains("is not the key"));
    let url = database.url().display().to_string();
    let [one, two] = keys.each_ref().map(|path| path.display().to_string());
    let settings = pki.settings(&format!("key_encryption_key_path={one}")).display().to_string();
    let (code, error) = run(&["-f", &settings, "-d", &url, "--rotate-key-encryption-key", &two]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    live.caller(&pki, &pki.client).get(V1_4, &made);
    assert!(refused(Some(keys[0].as_path())).contains("is not the key"));
    let other = Live::start(&config(Some(&keys[1])));
    other.caller(&pki, &pki.client).get(V1_4, &made);
}

#[test]
fn database_that_exists_is_not_sealed_later() {
    let Some(database) = database() else { return };
    let pki = Pki::new();
    let mut config = on(&pki, &database.url());
    drop(Live::start(&config));
    config.key_encryption_key_path = Some(pki.folder.write("key", [7; 32]));
    let error = Server::bind(&config).map(drop).unwrap_err().to_string();
    assert!(error.contains("only a new PostgreSQL database can be"), "{error}");
}

#[test]
fn settings_of_the_page_are_valid() {
    let page = std::fs::read_to_string("docs/many-servers.md").unwrap();
    let block = page.split_once("```ini\n[server]\n").unwrap().1;
    let pki = Pki::new();
    let given = std::fs::read_to_string(pki.settings(block.split_once("```").unwrap().0)).unwrap();
    let other = given.lines().filter(|line| *line != "database_path=:memory:");
    let settings = pki.folder.write("page.conf", other.collect::<Vec<_>>().join("\n")).display().to_string();
    assert_eq!(run(&["-f", &settings, "--check-settings"]), (Some(0), String::new()));
}
