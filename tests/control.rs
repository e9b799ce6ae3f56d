//! Test control: the clock, the faults, seeds, snapshots and recorded messages of a server whose clients are tested.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kmip_server::internals::config::Config;
use kmip_server::internals::server::{Server, Shutdown};
use kmip_server::kmip::enums::{ObjectType, Operation, ResultReason, ResultStatus, State};
use kmip_server::kmip::structures::Ticket;
use kmip_server::ttlv::{Field, Tag, V1_4, V2_1, Writer};
use kmip_server::{Control, ControlError, MessageFilter};

use crate::asynchronous::{about, create, end, pending};
use crate::corpus::{self, aes_key, message_of};
use crate::dialogue::{Answer, Caller};
use crate::harness::{PATIENCE, Pki};

const KEY: &str = r#"{"id": "7", "owner": "John Doe", "type": "Symmetric Key", "algorithm": "AES", "name": "known",
    "key": "000102030405060708090a0b0c0d0e0f", "usage": ["Encrypt", "Decrypt"], "state": "Active"}"#;

/// A server under test, which stops on drop.
struct Bench {
    pki: Pki,
    port: u16,
    control: Control,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Bench {
    fn start() -> Self {
        Self::with(|_, _| ())
    }

    fn with(change: impl FnOnce(&mut Config, &Pki)) -> Self {
        let pki = Pki::new();
        let mut config = pki.config();
        config.test_control = true;
        change(&mut config, &pki);
        let server = Server::bind(&config).unwrap_or_else(|error| panic!("{error}"));
        let (port, shutdown, control) = (server.port(), server.shutdown(), server.control().unwrap());
        Self { pki, port, control, shutdown, thread: Some(std::thread::spawn(move || server.run())) }
    }

    fn on_file() -> Self {
        Self::with(|config, pki| config.database_path = pki.folder.path("kmip.database"))
    }

    fn caller(&self) -> Caller {
        Caller::new(self.pki.connect(self.port, &self.pki.client))
    }

    fn seed(&self) {
        let line = KEY.replace('\n', " ");
        assert_eq!(self.control.seed(&line).unwrap(), ["7"]);
    }

    fn fault(&self, rule: &str) -> u64 {
        self.control.add_fault(rule).unwrap()
    }

    fn hits(&self, fault: u64) -> u64 {
        self.control.fault_hits(fault).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shutdown.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn get(caller: &mut Caller, id: &str) -> std::io::Result<Answer> {
    caller.try_ask(V1_4, Operation::Get, |writer| corpus::id(id, writer))
}

fn register(name: &'static str) -> impl Fn(&mut Writer) {
    let key = aes_key(name, vec![1; 16]);
    move |writer| corpus::register(&key, writer)
}

fn login(caller: &mut Caller) -> Ticket {
    caller.ask(V2_1, Operation::Login, |_| ()).all(Tag::Ticket).remove(0)
}

/// Returns the number of objects that the client can locate.
fn located(caller: &mut Caller) -> usize {
    caller.ask(V1_4, Operation::Locate, |_| ()).all::<String>(Tag::UniqueIdentifier).len()
}

fn state(caller: &mut Caller, id: &str) -> State {
    caller.attribute(V1_4, id, Tag::State).unwrap()
}

#[test]
fn without_the_setting_there_is_no_control() {
    let pki = Pki::new();
    let server = Server::bind(&pki.config()).unwrap();
    assert!(server.control().is_none());
    let mut config = pki.config();
    config.test_control = true;
    let server = Server::bind(&config).unwrap();
    assert!(server.warnings().iter().any(|warning| warning.contains("test_control is on")));
}

#[test]
fn objects_change_their_state_when_the_clock_moves() {
    let bench = Bench::start();
    let now = bench.control.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let line = format!(
        r#"{{"id": "1", "owner": "John Doe", "key": "00112233445566778899aabbccddeeff", "activation_date": {},
             "deactivation_date": {}}}"#,
        now + 100,
        now + 200
    );
    bench.control.seed(&line.replace('\n', " ")).unwrap();
    let mut john = bench.caller();
    assert_eq!(state(&mut john, "1"), State::PreActive);
    bench.control.advance(Duration::from_secs(150)).unwrap();
    assert_eq!(state(&mut john, "1"), State::Active);
    bench.control.freeze().unwrap();
    bench.control.set_time(bench.control.now() + Duration::from_secs(60)).unwrap();
    assert_eq!(state(&mut john, "1"), State::Deactivated);
    bench.control.reset_clock().unwrap();
    assert_eq!(state(&mut john, "1"), State::PreActive);
    let late = bench.control.advance(Duration::from_secs(1 << 50)).unwrap_err();
    assert!(late.to_string().contains("9999"), "{late}");
    // A client connects although the certificates would have expired.
    bench.control.advance(Duration::from_secs(100 * 365 * 86_400)).unwrap();
    assert_eq!(state(&mut bench.caller(), "1"), State::Deactivated);
}

#[test]
fn tickets_end_when_the_clock_moves() {
    let bench = Bench::start();
    let mut john = bench.caller();
    let ticket = login(&mut john);
    let ping = crate::login::ping(&ticket);
    john.send(V2_1, &ping).remove(0).done();
    bench.control.advance(Duration::from_secs(30 * 86_400)).unwrap();
    assert_eq!(john.send(V2_1, &ping).remove(0).refused(), ResultReason::InvalidTicket);
}

#[test]
fn a_rule_makes_an_item_fail_without_executing_it() {
    let bench = Bench::start();
    let fault = bench.fault(
        r#"{"operation": "Register", "nth": 2, "count": 1, "action": "fail", "reason": "Permission Denied", "message": "not today"}"#,
    );
    let mut john = bench.caller();
    let mut registered = || john.ask(V1_4, Operation::Register, register("a"));
    registered().done();
    let refused = registered();
    assert_eq!(refused.status, ResultStatus::OperationFailed);
    assert_eq!(refused.refused(), ResultReason::PermissionDenied);
    registered().done();
    assert_eq!(bench.hits(fault), 1);
    assert_eq!(located(&mut john), 2);
}

#[test]
fn a_lost_answer_leaves_a_durable_change() {
    let bench = Bench::on_file();
    for (action, executes) in [("lose", true), ("cut", true), ("close", false)] {
        bench.control.reset().unwrap();
        let fault = bench.fault(&format!(r#"{{"operation": "Register", "count": 1, "action": "{action}"}}"#));
        let mut john = bench.caller();
        let lost = john.try_ask(V1_4, Operation::Register, register("lost")).unwrap_err();
        assert_eq!(lost.kind(), std::io::ErrorKind::UnexpectedEof, "{action}");
        assert_eq!(bench.hits(fault), 1);
        let found = located(&mut bench.caller());
        assert_eq!(found, usize::from(executes), "{action}");
    }
}

#[test]
fn answers_are_truncated_garbled_and_of_another_version() {
    let bench = Bench::start();
    bench.seed();
    let request = message_of(V1_4, None, &[(Operation::Get, |writer: &mut Writer| corpus::id("7", writer))]);
    let mut john = bench.pki.connect(bench.port, &bench.pki.client);
    let whole = john.exchange(&request).unwrap();
    for action in ["truncate", "garble"] {
        bench.fault(&format!(r#"{{"object": "7", "count": 1, "action": "{action}"}}"#));
        let faulty = john.exchange(&request).unwrap();
        assert_ne!(faulty.len() == whole.len(), action == "truncate");
        assert!(kmip_server::encoding::json::encode(&faulty).is_err(), "{action}");
    }
    bench.fault(r#"{"count": 1, "action": "version", "version": "3.7"}"#);
    let other = kmip_server::encoding::json::encode(&john.exchange(&request).unwrap()).unwrap();
    assert!(other.contains(r#""ProtocolVersionMajor","type":"Integer","value":3"#), "{other}");
    assert!(other.contains(r#""ProtocolVersionMinor","type":"Integer","value":7"#), "{other}");
    assert_eq!(john.exchange(&request).unwrap().len(), whole.len());
}

#[test]
fn answers_are_late_and_slow() {
    let bench = Bench::start();
    bench.seed();
    let mut john = bench.caller();
    let length = bench.pki.connect(bench.port, &bench.pki.client).exchange(&message_of(
        V1_4,
        None,
        &[(Operation::Get, |writer: &mut Writer| corpus::id("7", writer))],
    ));
    let rate = length.unwrap().len() * 4;
    for rule in [
        r#"{"count": 1, "action": "delay", "seconds": 0.2}"#.to_owned(),
        format!(r#"{{"count": 1, "action": "slow", "bytes_per_second": {rate}}}"#),
    ] {
        let fault = bench.fault(&rule);
        let begun = Instant::now();
        get(&mut john, "7").unwrap().done();
        assert!(begun.elapsed() >= Duration::from_millis(190), "{rule}: {:?}", begun.elapsed());
        assert_eq!(bench.hits(fault), 1);
    }
}

#[test]
fn a_handshake_is_refused() {
    let bench = Bench::start();
    let fault = bench.fault(r#"{"action": "refuse_handshake", "count": 1}"#);
    let root = bench.pki.ca.credential.certificate.clone();
    let connect = || {
        let client = Some(&bench.pki.client);
        crate::harness::Client::connect(bench.port, &root, client, rustls::ALL_VERSIONS)
    };
    assert!(connect().err().unwrap().to_string().contains("HandshakeFailure"));
    connect().unwrap();
    assert_eq!(bench.control.wait_for_fault(fault, 1, PATIENCE).unwrap(), 1);
}

#[test]
fn an_operation_is_pending_until_the_clock_has_moved() {
    let bench = Bench::start();
    bench.fault(r#"{"operation": "Create", "count": 1, "action": "pending", "seconds": 3600}"#);
    let mut john = bench.caller();
    let answer = john.ask(V2_1, Operation::Create, create);
    let correlation = pending(&[answer]).remove(0);
    let polled = about(&mut john, V2_1, Operation::Poll, &correlation);
    assert_eq!(polled.status, ResultStatus::OperationPending);
    bench.control.advance(Duration::from_secs(3_600)).unwrap();
    end(&mut john, V2_1, &correlation).done();
}

#[test]
fn seeds_have_fixed_identifiers_and_known_bytes() {
    for bench in [Bench::start(), Bench::on_file()] {
        bench.seed();
        let mut john = bench.caller();
        let object = get(&mut john, "7").unwrap().object();
        assert_eq!(object.object_type(), ObjectType::SymmetricKey);
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(object.key_block().unwrap().bytes().unwrap().expose(), bytes);
        let taken = bench.control.seed(&KEY.replace('\n', " ")).unwrap_err();
        assert!(
            matches!(&taken, ControlError::Invalid(text) if text.contains("already has an object 7")),
            "{taken}"
        );
        // The number after the highest one is next.
        let created = john.ask(V1_4, Operation::Register, register("next"));
        assert_eq!(created.all::<String>(Tag::UniqueIdentifier), ["8"]);
    }
}

#[test]
fn wrong_seeds_are_refused_as_a_whole() {
    let bench = Bench::start();
    for (line, expected) in [
        ("no", "line 2 is no JSON"),
        (r#"{"kee": "00"}"#, "object 2: there is no member \"kee\"; similar: key"),
        (r#"{"id": "x", "key": "00"}"#, "id must be a decimal number"),
        (r#"{"key": "0"}"#, "key must be hexadecimal"),
        (r#"{"type": "Certificate", "key": "00"}"#, "needs the members attributes and object"),
        (r#"{"algorithm": "AEZ", "key": "00"}"#, "there is no algorithm \"AEZ\"; similar: AES"),
        (r#"{"usage": ["Encrpyt"], "key": "00"}"#, "there is no usage \"Encrpyt\"; similar: Encrypt"),
        (r#"{"state": "Destroyed", "key": "00"}"#, "state must be Pre-Active or Active"),
        (r#"{"attributes": {}, "id": "1"}"#, "object 2: "),
    ] {
        let lines = format!("{}\n{line}", KEY.replace('\n', " "));
        let error = bench.control.seed(&lines).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
    assert_eq!(located(&mut bench.caller()), 0);
}

#[test]
fn a_snapshot_restores_objects_tickets_and_numbers() {
    for bench in [Bench::start(), Bench::on_file()] {
        bench.seed();
        let mut john = bench.caller();
        let ticket = login(&mut john);
        let ping = crate::login::ping(&ticket);
        let snapshot = bench.control.snapshot().unwrap();
        for _ in 0..2 {
            get(&mut john, "7").unwrap().done();
            john.ask(V1_4, Operation::Revoke, revoke).done();
            john.ask(V1_4, Operation::Destroy, |writer| corpus::id("7", writer)).done();
            let created = john.ask(V1_4, Operation::Register, register("next"));
            assert_eq!(created.all::<String>(Tag::UniqueIdentifier), ["8"]);
            let later = login(&mut john);
            let begun = Instant::now();
            bench.control.restore(snapshot).unwrap();
            assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
            john.send(V2_1, &ping).remove(0).done();
            let gone = john.send(V2_1, &crate::login::ping(&later)).remove(0);
            assert_eq!(gone.refused(), ResultReason::InvalidTicket);
            assert_eq!(get(&mut john, "8").unwrap().refused(), ResultReason::ItemNotFound);
        }
        assert_eq!(state(&mut john, "7"), State::Active);
        bench.control.reset().unwrap();
        assert_eq!(get(&mut john, "7").unwrap().refused(), ResultReason::ItemNotFound);
        assert_eq!(john.send(V2_1, &ping).remove(0).refused(), ResultReason::InvalidTicket);
        bench.control.restore(snapshot).unwrap();
        get(&mut john, "7").unwrap().done();
        bench.control.forget(snapshot).unwrap();
        assert!(matches!(bench.control.restore(snapshot), Err(ControlError::Unknown(_))));
    }
}

fn revoke(writer: &mut Writer) {
    corpus::id("7", writer);
    writer.structure(Tag::RevocationReason, |writer| {
        kmip_server::kmip::enums::RevocationReasonCode::CessationOfOperation
            .write(Tag::RevocationReasonCode, writer);
    });
}

#[test]
fn a_restored_file_is_what_the_next_start_reads() {
    let bench = Bench::on_file();
    bench.seed();
    let snapshot = bench.control.snapshot().unwrap();
    let mut john = bench.caller();
    for name in ["a", "b", "c"] {
        john.ask(V1_4, Operation::Register, register(name)).done();
    }
    bench.control.restore(snapshot).unwrap();
    let path = bench.pki.folder.path("kmip.database");
    bench.shutdown.stop();
    let mut bench = bench;
    bench.thread.take().unwrap().join().unwrap();
    let checked = kmip_server::internals::store::check(&path, None, &mut |fault| panic!("{fault:?}"));
    assert_eq!(checked.unwrap(), 1);
    let mut config = bench.pki.config();
    config.database_path = path;
    let server = Server::bind(&config).unwrap();
    (bench.port, bench.shutdown) = (server.port(), server.shutdown());
    bench.thread = Some(std::thread::spawn(move || server.run()));
    let mut john = bench.caller();
    assert_eq!(located(&mut john), 1);
    assert!(matches!(bench.control.snapshot(), Err(ControlError::Stopped)));
}

#[test]
fn restoring_beside_transactions_leaves_one_of_both_states() {
    let bench = Bench::on_file();
    bench.seed();
    let snapshot = bench.control.snapshot().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut john = bench.caller();
                for _ in 0..40 {
                    john.ask(V1_4, Operation::Register, register("beside")).done();
                    let id = john.ask(V1_4, Operation::Get, |writer| corpus::id("7", writer));
                    id.done();
                }
            });
        }
        for _ in 0..40 {
            bench.control.restore(snapshot).unwrap();
        }
    });
    bench.control.restore(snapshot).unwrap();
    let mut john = bench.caller();
    assert_eq!(located(&mut john), 1);
}

#[test]
#[cfg(feature = "postgres")]
fn a_server_on_postgresql_refuses_snapshots_and_keeps_its_objects() {
    let Some(database) = crate::shared_database::database() else { return };
    let bench = Bench::with(|config, _| config.database_path = database.url());
    bench.seed();
    for refused in [bench.control.snapshot().map(drop), bench.control.reset()] {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, ControlError::Store(text) if text.contains("change database_path")),
            "{error}"
        );
    }
    get(&mut bench.caller(), "7").unwrap().done();
}

#[test]
fn messages_are_recorded_without_key_material() {
    let bench = Bench::start();
    bench.seed();
    let mut john = bench.caller();
    let after = bench.control.last_message();
    get(&mut john, "7").unwrap().done();
    get(&mut john, "9").unwrap();
    john.ask(V1_4, Operation::Register, register("recorded")).done();
    let filter = MessageFilter { operation: Some("get".to_owned()), after, ..MessageFilter::default() };
    let found = bench.control.messages(&filter);
    let [got, missing] = &found[..] else { panic!("{found:?}") };
    assert_eq!((got.user.as_deref(), &got.operations[..]), (Some("John Doe"), &["Get".to_owned()][..]));
    assert_eq!(got.json["version"], "1.4");
    assert_eq!(got.json["objects"], serde_json::json!(["7", "7"]));
    assert_eq!(got.json["results"][0]["status"], "Success");
    assert_eq!(missing.json["results"][0]["reason"], "ItemNotFound");
    let expected = "RequestMessage\n  RequestHeader\n    ProtocolVersion\n      ProtocolVersionMajor: 1\n";
    assert!(got.request.starts_with(expected), "{}", got.request);
    assert!(
        got.request
            .ends_with("  BatchItem\n    Operation: Get\n    RequestPayload\n      UniqueIdentifier: 7\n")
    );
    assert!(!got.response.contains("TimeStamp"));
    let secret = "000102030405060708090a0b0c0d0e0f";
    assert!(
        !got.response.to_lowercase().contains(secret)
            && !got.json.to_string().to_lowercase().contains(secret)
    );
    let with_secrets = bench.control.messages(&MessageFilter { secrets: true, ..filter.clone() });
    assert!(with_secrets[0].response.to_lowercase().contains(secret), "{}", with_secrets[0].response);
    let last = MessageFilter { last: Some(1), ..filter.clone() };
    assert_eq!(bench.control.messages(&last)[0].number, missing.number);
    let later = MessageFilter { after: bench.control.last_message(), ..MessageFilter::default() };
    let control = bench.control.clone();
    let thread = std::thread::spawn(move || control.wait_for_messages(&later, PATIENCE).len());
    get(&mut john, "7").unwrap().done();
    assert_eq!(thread.join().unwrap(), 1);
    bench.control.clear_messages();
    assert_eq!(bench.control.messages(&filter).len(), 0);
}

#[test]
fn a_message_of_any_version_is_recorded() {
    let bench = Bench::start();
    let mut john = bench.caller();
    for version in [V1_4, V2_1] {
        john.ask(version, Operation::Query, |_| ());
    }
    john.send(V1_4, &message_of(V1_4, None, &[(Operation::DiscoverVersions, |_: &mut Writer| ())]));
    let found = bench.control.messages(&MessageFilter::default());
    let versions: Vec<_> = found.iter().map(|message| message.json["version"].clone()).collect();
    assert_eq!(versions, ["1.4", "2.1", "1.4"]);
}
