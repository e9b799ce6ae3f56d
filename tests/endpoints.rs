//! Server-to-client requests: Put and Notify report changes of objects to the listener of their owner only, and no client
//! request waits for them.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kmip_server::internals::config::Config;
use kmip_server::kmip::attributes::{Attribute, AttributeList, AttributeReference};
use kmip_server::kmip::enums::{
    BatchErrorContinuationOption, CryptographicAlgorithm, KeyFormatType, ObjectType, Operation, PutFunction,
    QueryFunction, ResultReason, RevocationReasonCode, State,
};
use kmip_server::kmip::structures::{ProtocolVersion, RevocationReason, UniqueIdentifier};
use kmip_server::kmip::{NotifyRequest, Object, PutRequest};
use kmip_server::ttlv::{Field, Reader, Tag, V1_0, V1_2, V1_3, V1_4, V2_0, V2_1, Value, Version, Writer};

use crate::corpus::{self, algorithm, attribute, id, length, message_of, named, template, usage};
use crate::dialogue::{Caller, Live, key};
use crate::harness::{Authority, Client, Credential, PATIENCE, Pki, within};
use crate::listener::{Listener, ServerRequest, endpoint};
use crate::settings::with;

type Payload<'a> = &'a dyn Fn(&mut Writer);

/// The time in which a message that must not be sent is awaited.
const SILENCE: Duration = Duration::from_millis(700);

/// John's listener, a server with it as client endpoint, and John as client.
struct Scene {
    pki: Pki,
    received: Receiver<ServerRequest>,
    // The fields are dropped in this order.
    john: Caller,
    server: Live,
    listener: Listener,
}

impl Scene {
    /// Returns a scene whose listener accepts everything.
    fn new() -> Self {
        Self::with(|request| Some(request.done()))
    }

    fn with(answer: impl Fn(&ServerRequest) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::of(Pki::new(), |pki| pki.config(), answer)
    }

    fn of(
        pki: Pki,
        config: impl Fn(&Pki) -> Config,
        answer: impl Fn(&ServerRequest) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let (listener, received) = listener(&pki, &pki.client, answer);
        let config = with(config(&pki), |it| it.client_endpoints = vec![listener.endpoint("John Doe")]);
        let server = Live::start(&config);
        let john = server.caller(&pki, &pki.client);
        Self { pki, received, john, server, listener }
    }

    /// Returns the next Put or Notify, and skips queries about the listener.
    fn next(&self) -> ServerRequest {
        loop {
            let request = self.received.recv_timeout(PATIENCE).expect("a message of the server");
            if is_push(&request) {
                return request;
            }
        }
    }

    fn next_put(&self) -> (String, PutRequest) {
        let request = self.next();
        assert_eq!(request.operation, Operation::Put, "{request:?}");
        let put: PutRequest = request.payload();
        (put.unique_identifier.to_string(), put)
    }

    /// Returns the object of the next Notify, and the changed attributes.
    fn next_notify(&self) -> (String, Vec<String>) {
        let request = self.next();
        assert_eq!(request.operation, Operation::Notify, "{request:?}");
        (request.payload::<NotifyRequest>().unique_identifier.to_string(), changed(&request))
    }

    fn nothing_comes(&self) {
        match self.received.recv_timeout(SILENCE) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("{other:?}"),
        }
    }

    fn on(&mut self, version: Version, operation: Operation, of: &str) {
        self.john.ask(version, operation, |writer| id(of, writer)).done();
    }
}

fn is_push(request: &ServerRequest) -> bool {
    matches!(request.operation, Operation::Put | Operation::Notify)
}

/// Starts a listener that forwards its requests to a channel.
fn listener(
    pki: &Pki,
    credential: &Credential,
    answer: impl Fn(&ServerRequest) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Listener, Receiver<ServerRequest>) {
    let (sender, received): (Sender<ServerRequest>, _) = mpsc::channel();
    let sender = Mutex::new(sender);
    let listener = Listener::start(pki, credential, move |request| {
        let request = ServerRequest::read(request);
        let response = answer(&request);
        drop(sender.lock().unwrap().send(request));
        response
    });
    (listener, received)
}

/// Returns the attributes in a Notify, with a minus before removed ones.
fn changed(request: &ServerRequest) -> Vec<String> {
    let mut rows = Reader::new(&request.payload, request.version);
    rows.require(Tag::UniqueIdentifier).unwrap();
    let mut names = Vec::new();
    if request.version >= V2_0 {
        let AttributeList(values) = Field::read(Tag::Attributes, &mut rows).unwrap();
        names.extend(values.iter().map(|value| value.name().into_owned()));
        let gone: Vec<AttributeReference> = Field::read(Tag::AttributeReference, &mut rows).unwrap();
        names.extend(gone.iter().map(|reference| format!("-{reference}")));
    } else {
        while let Some(item) = rows.take(Tag::Attribute).unwrap() {
            let mut item = item.structure().unwrap();
            let name = String::decode(&item.require(Tag::AttributeName).unwrap()).unwrap();
            item.take(Tag::AttributeIndex).unwrap();
            let gone = if item.peek().unwrap().is_none() { "-" } else { "" };
            names.push(format!("{gone}{name}"));
        }
    }
    rows.finish().unwrap();
    names
}

fn create(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[named("made"), algorithm(), length(128), usage(0xC)], writer);
}

fn aes() -> Object {
    Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16]))
}

#[test]
fn new_object_is_put_in_the_version_of_the_request_that_created_it() {
    for version in [V1_0, V1_2, V1_3, V1_4, V2_0, V2_1] {
        let mut scene = Scene::new();
        let made = scene.john.ask(version, Operation::Create, create).id();
        let request = scene.next();
        assert_eq!((request.operation, request.version), (Operation::Put, version));
        let put: PutRequest = request.payload();
        assert_eq!((put.put_function, &put.replaced_unique_identifier), (PutFunction::New, &None));
        assert_eq!(put.unique_identifier.to_string(), made);
        let expected = scene.john.attributes(version, &made);
        assert_eq!(put.attributes.0, expected, "{version}");
        assert_eq!(put.object, scene.john.get(version, &made));

        let registered = scene.john.register(version, &aes(), &[usage(0xC)]).id();
        let (object, put) = scene.next_put();
        assert_eq!((object, put.object), (registered, aes()));
    }
}

#[test]
fn puts_both_keys_of_a_pair() {
    let mut scene = Scene::new();
    scene.john.ask(V1_4, Operation::CreateKeyPair, |writer| {
        let common = [attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa), length(1024)];
        template(Tag::CommonAttributes, &common, writer);
        template(Tag::PrivateKeyAttributes, &[usage(0x1)], writer);
        template(Tag::PublicKeyAttributes, &[usage(0x2)], writer);
    });
    let mut types = [scene.next_put(), scene.next_put()].map(|(_, put)| put.object.object_type());
    types.sort();
    assert_eq!(types, [ObjectType::PublicKey, ObjectType::PrivateKey]);
}

#[test]
fn put_of_a_replacement_names_the_replaced_object() {
    for version in [V1_2, V2_1] {
        let mut scene = Scene::new();
        let old = scene.john.ask(version, Operation::Create, create).id();
        scene.next_put();
        let new = scene.john.ask(version, Operation::ReKey, |writer| id(&old, writer)).id();
        let (object, changed) = scene.next_notify();
        assert_eq!(object, old);
        assert!(changed.contains(&"-Name".to_owned()) && changed.contains(&"Link".to_owned()), "{changed:?}");
        let (object, put) = scene.next_put();
        assert_eq!((object, put.put_function), (new, PutFunction::Replace));
        assert_eq!(put.replaced_unique_identifier, Some(UniqueIdentifier::Text(old)));
    }
}

#[test]
fn notify_contains_the_changed_attributes() {
    for version in [V1_2, V2_1] {
        let mut scene = Scene::new();
        let made = scene.john.register(version, &aes(), &[usage(0xC)]).id();
        scene.next_put();
        let notified = |scene: &Scene, expected: &[&str]| {
            let (object, changed) = scene.next_notify();
            assert_eq!(object, made);
            for name in expected {
                assert!(changed.contains(&(*name).to_owned()), "{version}: {changed:?} without {name}");
            }
            assert_eq!(changed.iter().filter(|name| *name == "Last Change Date").count(), 1);
            changed.len()
        };
        let change = |scene: &mut Scene, operation, tag, value: &Attribute| {
            scene.john.ask(version, operation, |writer| {
                id(&made, writer);
                value.write(tag, writer);
            })
        };
        let contact = |text: &str| attribute(Tag::ContactInformation, &text.to_owned());
        change(&mut scene, Operation::AddAttribute, Tag::NewAttribute, &contact("here")).done();
        assert_eq!(notified(&scene, &["Contact Information"]), 2);
        change(&mut scene, Operation::ModifyAttribute, Tag::NewAttribute, &contact("there")).done();
        assert_eq!(notified(&scene, &["Contact Information"]), 2);
        scene
            .john
            .ask(version, Operation::DeleteAttribute, |writer| {
                id(&made, writer);
                Some(AttributeReference::named("Contact Information")).write(Tag::AttributeReference, writer);
            })
            .done();
        assert_eq!(notified(&scene, &["-Contact Information"]), 2);
        if version >= V2_0 {
            change(&mut scene, Operation::SetAttribute, Tag::NewAttribute, &contact("set")).done();
            assert_eq!(notified(&scene, &["Contact Information"]), 2);
        }
        scene.on(version, Operation::Activate, &made);
        notified(&scene, &["State", "Activation Date"]);
        scene
            .john
            .ask(version, Operation::Revoke, |writer| {
                id(&made, writer);
                let reason = RevocationReason {
                    revocation_reason_code: RevocationReasonCode::Superseded,
                    revocation_message: None,
                };
                reason.write(Tag::RevocationReason, writer);
            })
            .done();
        notified(&scene, &["State", "Deactivation Date", "Revocation Reason"]);
        scene.on(version, Operation::Destroy, &made);
        notified(&scene, &["State", "Destroy Date"]);
        // Operations that only read send nothing.
        scene.john.ask(version, Operation::GetAttributes, |writer| id(&made, writer)).done();
        scene.nothing_comes();
    }
}

#[test]
fn get_and_refused_requests_send_nothing() {
    let mut scene = Scene::new();
    let made = scene.john.ask(V1_4, Operation::Create, create).id();
    scene.next_put();
    scene.john.get(V1_4, &made);
    scene.john.ask(V1_4, Operation::Destroy, |writer| id("999", writer)).refused();
    scene.nothing_comes();
}

#[test]
fn notify_contains_the_values_at_the_time_of_the_change() {
    let mut scene = Scene::new();
    let made = scene.john.ask(V1_4, Operation::Create, create).id();
    scene.next_put();
    scene.on(V1_4, Operation::Activate, &made);
    let request = scene.next();
    let mut rows = Reader::new(&request.payload, request.version);
    rows.require(Tag::UniqueIdentifier).unwrap();
    let AttributeList(values) = Field::read(Tag::Attributes, &mut rows).unwrap();
    let state = values.iter().find(|value| value.row.tag == Tag::State).unwrap();
    assert_eq!(state.read(), Ok(State::Active));
}

#[test]
fn batch_sends_only_committed_changes() {
    let mut scene = Scene::new();
    let gone = |writer: &mut Writer| id("999", writer);
    let items: [(Operation, Payload<'_>); 2] = [(Operation::Create, &create), (Operation::Destroy, &gone)];
    let undo = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items);
    scene.john.send(V1_4, &undo);
    scene.nothing_comes();
    let continued = message_of(V1_4, Some(BatchErrorContinuationOption::Continue), &items);
    let made = scene.john.send(V1_4, &continued).remove(0).id();
    assert_eq!(scene.next_put().0, made);
    let items: [(Operation, Payload<'_>); 2] = [(Operation::Create, &create), (Operation::Create, &create)];
    let undo = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items);
    let made: Vec<_> = scene.john.send(V1_4, &undo).iter().map(|answer| answer.id()).collect();
    assert_eq!([scene.next_put().0, scene.next_put().0], made[..]);
    scene.nothing_comes();
}

#[test]
fn sensitive_object_is_not_put_and_its_changes_are_notified() {
    let mut scene = Scene::new();
    for flag in [attribute(Tag::Sensitive, &true), attribute(Tag::Extractable, &false)] {
        let made = scene.john.register(V1_4, &aes(), &[usage(0xC), flag]).id();
        scene.on(V1_4, Operation::Activate, &made);
        assert_eq!(scene.next_notify().0, made);
    }
}

#[test]
fn object_that_the_policy_denies_to_its_owner_is_not_put() {
    let pki = Pki::new();
    std::fs::create_dir_all(pki.folder.path("policies")).unwrap();
    let policy = r#"{"closed": {"preset": {"SYMMETRIC_KEY": {"GET_ATTRIBUTES": "ALLOW_OWNER",
        "ACTIVATE": "ALLOW_OWNER"}}}}"#;
    pki.folder.write("policies/closed.json", policy);
    let config = |pki: &Pki| with(pki.config(), |it| it.policy_path = Some(pki.folder.path("policies")));
    let mut scene = Scene::of(pki, config, |request| Some(request.done()));
    let closed = attribute(Tag::OperationPolicyName, &"closed".to_owned());
    let made = scene.john.register(V1_4, &aes(), &[usage(0xC), closed]).id();
    scene.on(V1_4, Operation::Activate, &made);
    assert_eq!(scene.next_notify().0, made);
}

#[test]
fn owner_is_notified_of_changes_by_any_client() {
    let pki = Pki::new();
    std::fs::create_dir_all(pki.folder.path("policies")).unwrap();
    let policy = r#"{"open": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_OWNER",
        "GET_ATTRIBUTES": "ALLOW_ALL", "ACTIVATE": "ALLOW_ALL"}}}}"#;
    pki.folder.write("policies/open.json", policy);
    let config = |pki: &Pki| with(pki.config(), |it| it.policy_path = Some(pki.folder.path("policies")));
    let mut scene = Scene::of(pki, config, |request| Some(request.done()));
    let open = attribute(Tag::OperationPolicyName, &"open".to_owned());
    let made = scene.john.register(V1_4, &aes(), &[usage(0xC), open]).id();
    scene.next_put();
    let mut jane = scene.server.caller(&scene.pki, &scene.pki.ca.client("Jane Doe"));
    jane.ask(V1_4, Operation::Activate, |writer| id(&made, writer)).done();
    assert_eq!(scene.next_notify().0, made);
    jane.ask(V1_4, Operation::Create, create).done();
    scene.nothing_comes();
}

#[test]
fn listener_with_the_certificate_of_another_user_receives_nothing() {
    let pki = Pki::new();
    let stranger = Authority::new("Root CA");
    for credential in [pki.ca.client("Jane Doe"), stranger.client("John Doe"), pki.ca.server()] {
        let (listener, received) = listener(&pki, &credential, |request| Some(request.done()));
        let endpoints = vec![listener.endpoint("John Doe")];
        let server = Live::start(&with(pki.config(), |it| it.client_endpoints = endpoints));
        let mut john = server.caller(&pki, &pki.client);
        john.ask(V1_4, Operation::Create, create).done();
        within(|| (listener.accepted() > 1).then_some(()));
        assert!(received.recv_timeout(SILENCE).is_err());
    }
}

#[test]
fn listener_whose_ca_was_removed_receives_nothing_over_its_open_connection() {
    let (pki, other) = (Pki::new(), Authority::new("Other CA"));
    pki.folder.write("ca.pem", [pki.ca.pem(), other.pem()].concat());
    let credential = other.client("John Doe");
    let (listener, received) = listener(&pki, &credential, |request| Some(request.done()));
    let endpoints = vec![listener.endpoint("John Doe")];
    let server = Live::start(&with(pki.config(), |it| it.client_endpoints = endpoints));
    let mut john = server.caller(&pki, &pki.client);
    john.ask(V1_2, Operation::Create, create).done();
    within(|| is_push(&received.recv_timeout(PATIENCE).unwrap()).then_some(()));
    assert_eq!(listener.accepted(), 1);
    pki.folder.write("ca.pem", pki.ca.pem());
    let root = &pki.ca.credential.certificate;
    within(|| {
        let client = Client::connect(server.port, root, Some(&credential), &[&rustls::version::TLS12]);
        client.is_err().then_some(())
    });
    while received.try_recv().is_ok() {}
    john.ask(V1_2, Operation::Create, create).done();
    within(|| (listener.accepted() > 1).then_some(()));
    assert!(received.recv_timeout(SILENCE).is_err());
}

#[test]
fn unresponsive_listener_delays_neither_requests_nor_shutdown() {
    let pki = Pki::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for port in [silent.local_addr().unwrap().port(), dead] {
        let endpoints = vec![endpoint("John Doe", port)];
        let server = Live::start(&with(pki.config(), |it| it.client_endpoints = endpoints));
        let mut john = server.caller(&pki, &pki.client);
        let begun = Instant::now();
        for _ in 0..20 {
            john.ask(V1_4, Operation::Create, create).done();
        }
        // Each connection attempt to the listener takes longer than that.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        drop(john);
        let begun = Instant::now();
        drop(server);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[test]
fn failed_delivery_is_repeated() {
    let drops = Arc::new(Mutex::new(3));
    let mut scene = Scene::with(move |request| {
        let mut drops = drops.lock().unwrap();
        if is_push(request) && *drops > 0 {
            *drops -= 1;
            return None;
        }
        Some(request.done())
    });
    let made = scene.john.ask(V1_2, Operation::Create, create).id();
    for _ in 0..=3 {
        assert_eq!(scene.next_put().0, made);
    }
    scene.nothing_comes();
    assert_eq!(scene.listener.accepted(), 4);
}

#[test]
fn queued_notifications_are_delivered_at_shutdown() {
    let mut scene = Scene::new();
    let made: Vec<_> = (0..4).map(|_| scene.john.ask(V1_4, Operation::Create, create).id()).collect();
    let Scene { pki, received, john, server, listener } = scene;
    drop((john, server));
    let puts = received.try_iter().filter(is_push).map(|request| request.payload::<PutRequest>());
    let puts: Vec<_> = puts.map(|put| put.unique_identifier.to_string()).collect();
    assert_eq!(puts, made);
    drop((listener, pki));
}

#[test]
fn from_1_3_on_listener_is_queried_and_receives_what_it_supports() {
    let mut scene = Scene::with(|request| {
        Some(match request.operation {
            Operation::DiscoverVersions => request.answer(None, |writer| {
                for version in [V1_3, V1_2] {
                    ProtocolVersion::from(version).write(Tag::ProtocolVersion, writer);
                }
            }),
            Operation::Query => request.answer(None, |writer| {
                vec![Operation::Locate, Operation::Put].write(Tag::Operation, writer);
                vec![ObjectType::SymmetricKey].write(Tag::ObjectType, writer);
            }),
            _ => request.done(),
        })
    });
    let made = scene.john.ask(V2_1, Operation::Create, create).id();
    let request: Vec<_> = (0..3).map(|_| scene.received.recv_timeout(PATIENCE).unwrap()).collect();
    let sent: Vec<_> = request.iter().map(|request| (request.operation, request.version)).collect();
    assert_eq!(
        sent,
        [(Operation::DiscoverVersions, V2_1), (Operation::Query, V1_3), (Operation::Put, V1_3)],
        "the newest version that both speak"
    );
    let mut rows = Reader::new(&request[1].payload, V1_3);
    let functions: Vec<QueryFunction> = Field::read(Tag::QueryFunction, &mut rows).unwrap();
    assert!(functions.contains(&QueryFunction::QueryOperations), "{functions:?}");
    // The listener supports Put, not Notify, and no secret data.
    scene.on(V1_4, Operation::Activate, &made);
    scene
        .john
        .ask(V1_4, Operation::Register, |writer| corpus::register(&corpus::objects()[2], writer))
        .done();
    let again = scene.john.ask(V1_2, Operation::Create, create).id();
    let next = scene.received.recv_timeout(PATIENCE).unwrap();
    assert_eq!((next.operation, next.version), (Operation::Put, V1_2));
    assert_eq!(next.payload::<PutRequest>().unique_identifier.to_string(), again);
}

#[test]
fn before_1_3_listener_is_not_queried_and_unsupported_operation_is_not_repeated() {
    let mut scene = Scene::with(|request| {
        Some(match request.operation {
            Operation::Notify => request.refused(ResultReason::OperationNotSupported),
            _ => request.done(),
        })
    });
    let made = scene.john.ask(V1_2, Operation::Create, create).id();
    let first = scene.received.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first.operation, Operation::Put);
    scene.on(V1_2, Operation::Activate, &made);
    assert_eq!(scene.next_notify().0, made);
    for usage_of in 0..2 {
        scene
            .john
            .ask(V1_2, Operation::AddAttribute, |writer| {
                id(&made, writer);
                attribute(Tag::ObjectGroup, &format!("group {usage_of}")).write(Tag::NewAttribute, writer);
            })
            .done();
    }
    scene.nothing_comes();
}

#[test]
fn listener_that_disconnects_on_query_still_receives_notifications() {
    let mut scene = Scene::with(|request| is_push(request).then(|| request.done()));
    let made = scene.john.ask(V1_4, Operation::Create, create).id();
    let first = scene.received.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first.operation, Operation::DiscoverVersions);
    let second = scene.received.recv_timeout(PATIENCE).unwrap();
    assert_eq!((second.operation, second.version), (Operation::Put, V1_4));
    assert_eq!(second.payload::<PutRequest>().unique_identifier.to_string(), made);
}

#[test]
fn query_lists_notify_and_put_only_with_client_endpoints() {
    let announced = |caller: &mut Caller| {
        let answer = caller.ask(V1_2, Operation::Query, |writer| {
            vec![QueryFunction::QueryOperations].write(Tag::QueryFunction, writer);
        });
        let operations = answer.all::<Operation>(Tag::Operation);
        [Operation::Notify, Operation::Put].map(|operation| operations.contains(&operation))
    };
    let mut scene = Scene::new();
    assert_eq!(announced(&mut scene.john), [true, true]);
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    assert_eq!(announced(&mut john), [false, false]);
    // Clients cannot request these operations, with or without endpoints.
    for caller in [&mut john, &mut scene.john] {
        for operation in [Operation::Notify, Operation::Put] {
            let answer = caller.ask(V1_2, operation, |writer| id("1", writer));
            assert_eq!(answer.refused(), ResultReason::OperationNotSupported);
        }
    }
}
