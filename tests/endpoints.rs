//! What the server sends to clients that listen: Put and Notify for what happened to their objects, to nobody else,
//! and without anybody waiting for it.

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
use crate::harness::{Authority, Credential, PATIENCE, Pki, within};
use crate::listener::{Asked, Listener, endpoint};
use crate::settings::with;

type Payload<'a> = &'a dyn Fn(&mut Writer);

/// How long something may not come that must not come.
const SILENCE: Duration = Duration::from_millis(700);

/// John's listener, a server that knows it, and John.
struct Scene {
    pki: Pki,
    received: Receiver<Asked>,
    // In the order in which they have to go.
    john: Caller,
    server: Live,
    listener: Listener,
}

impl Scene {
    /// One whose listener takes everything.
    fn new() -> Self {
        Self::with(|asked| Some(asked.done()))
    }

    fn with(answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::of(Pki::new(), |pki| pki.config(), answer)
    }

    fn of(
        pki: Pki,
        config: impl Fn(&Pki) -> Config,
        answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let (listener, received) = listener(&pki, &pki.client, answer);
        let config = with(config(&pki), |it| it.client_endpoints = vec![listener.endpoint("John Doe")]);
        let server = Live::start(&config);
        let john = server.caller(&pki, &pki.client);
        Self { pki, received, john, server, listener }
    }

    /// The next Put or Notify. What the server asks about the listener is passed over.
    fn next(&self) -> Asked {
        loop {
            let asked = self.received.recv_timeout(PATIENCE).expect("a message of the server");
            if is_push(&asked) {
                return asked;
            }
        }
    }

    fn next_put(&self) -> (String, PutRequest) {
        let asked = self.next();
        assert_eq!(asked.operation, Operation::Put, "{asked:?}");
        let put: PutRequest = asked.payload();
        (put.unique_identifier.to_string(), put)
    }

    /// The object of the next Notify, and what has changed.
    fn next_notify(&self) -> (String, Vec<String>) {
        let asked = self.next();
        assert_eq!(asked.operation, Operation::Notify, "{asked:?}");
        (asked.payload::<NotifyRequest>().unique_identifier.to_string(), changed(&asked))
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

fn is_push(asked: &Asked) -> bool {
    matches!(asked.operation, Operation::Put | Operation::Notify)
}

/// A listener that hands on what it receives.
fn listener(
    pki: &Pki,
    credential: &Credential,
    answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Listener, Receiver<Asked>) {
    let (sender, received): (Sender<Asked>, _) = mpsc::channel();
    let sender = Mutex::new(sender);
    let listener = Listener::start(pki, credential, move |request| {
        let asked = Asked::read(request);
        let response = answer(&asked);
        drop(sender.lock().unwrap().send(asked));
        response
    });
    (listener, received)
}

/// The attributes that a Notify tells, the gone ones with a minus before them.
fn changed(asked: &Asked) -> Vec<String> {
    let mut rows = Reader::new(&asked.payload, asked.version);
    rows.require(Tag::UniqueIdentifier).unwrap();
    let mut names = Vec::new();
    if asked.version >= V2_0 {
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
fn a_new_object_is_put_as_its_owner_would_get_it_in_the_version_that_made_it() {
    for version in [V1_0, V1_2, V1_3, V1_4, V2_0, V2_1] {
        let mut scene = Scene::new();
        let made = scene.john.ask(version, Operation::Create, create).id();
        let asked = scene.next();
        assert_eq!((asked.operation, asked.version), (Operation::Put, version));
        let put: PutRequest = asked.payload();
        assert_eq!((put.put_function, &put.replaced_unique_identifier), (PutFunction::New, &None));
        assert_eq!(put.unique_identifier.to_string(), made);
        let told = scene.john.attributes(version, &made);
        assert_eq!(put.attributes.0, told, "{version}");
        assert_eq!(put.object, scene.john.get(version, &made));

        let registered = scene.john.register(version, &aes(), &[usage(0xC)]).id();
        let (object, put) = scene.next_put();
        assert_eq!((object, put.object), (registered, aes()));
    }
}

#[test]
fn both_keys_of_a_pair_are_put() {
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
fn what_takes_the_place_of_another_object_says_so() {
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
fn each_change_is_told_with_what_it_changed() {
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
        // What only reads tells nobody anything.
        scene.john.ask(version, Operation::GetAttributes, |writer| id(&made, writer)).done();
        scene.nothing_comes();
    }
}

#[test]
fn a_get_is_no_change_and_neither_is_what_was_refused() {
    let mut scene = Scene::new();
    let made = scene.john.ask(V1_4, Operation::Create, create).id();
    scene.next_put();
    scene.john.get(V1_4, &made);
    scene.john.ask(V1_4, Operation::Destroy, |writer| id("999", writer)).refused();
    scene.nothing_comes();
}

#[test]
fn the_values_of_a_notify_are_those_of_its_change() {
    let mut scene = Scene::new();
    let made = scene.john.ask(V1_4, Operation::Create, create).id();
    scene.next_put();
    scene.on(V1_4, Operation::Activate, &made);
    let asked = scene.next();
    let mut rows = Reader::new(&asked.payload, asked.version);
    rows.require(Tag::UniqueIdentifier).unwrap();
    let AttributeList(values) = Field::read(Tag::Attributes, &mut rows).unwrap();
    let state = values.iter().find(|value| value.row.tag == Tag::State).unwrap();
    assert_eq!(state.read(), Ok(State::Active));
}

#[test]
fn a_batch_tells_what_is_kept_of_it_and_nothing_else() {
    let mut scene = Scene::new();
    let gone = |writer: &mut Writer| id("999", writer);
    let items: [(Operation, Payload<'_>); 2] = [(Operation::Create, &create), (Operation::Destroy, &gone)];
    let undo = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items);
    scene.john.send(V1_4, &undo);
    scene.nothing_comes();
    let kept = message_of(V1_4, Some(BatchErrorContinuationOption::Continue), &items);
    let made = scene.john.send(V1_4, &kept).remove(0).id();
    assert_eq!(scene.next_put().0, made);
    let items: [(Operation, Payload<'_>); 2] = [(Operation::Create, &create), (Operation::Create, &create)];
    let undo = message_of(V1_4, Some(BatchErrorContinuationOption::Undo), &items);
    let made: Vec<_> = scene.john.send(V1_4, &undo).iter().map(|answer| answer.id()).collect();
    assert_eq!([scene.next_put().0, scene.next_put().0], made[..]);
    scene.nothing_comes();
}

#[test]
fn an_object_that_must_not_leave_the_server_is_not_put_and_its_changes_are_told() {
    let mut scene = Scene::new();
    for kept in [attribute(Tag::Sensitive, &true), attribute(Tag::Extractable, &false)] {
        let made = scene.john.register(V1_4, &aes(), &[usage(0xC), kept]).id();
        scene.on(V1_4, Operation::Activate, &made);
        assert_eq!(scene.next_notify().0, made);
    }
}

#[test]
fn what_the_policy_keeps_from_the_owner_is_not_put() {
    let pki = Pki::new();
    std::fs::create_dir_all(pki.folder.path("policies")).unwrap();
    let policy = r#"{"closed": {"preset": {"SYMMETRIC_KEY": {"GET_ATTRIBUTES": "ALLOW_OWNER",
        "ACTIVATE": "ALLOW_OWNER"}}}}"#;
    pki.folder.write("policies/closed.json", policy);
    let config = |pki: &Pki| with(pki.config(), |it| it.policy_path = Some(pki.folder.path("policies")));
    let mut scene = Scene::of(pki, config, |asked| Some(asked.done()));
    let closed = attribute(Tag::OperationPolicyName, &"closed".to_owned());
    let made = scene.john.register(V1_4, &aes(), &[usage(0xC), closed]).id();
    scene.on(V1_4, Operation::Activate, &made);
    assert_eq!(scene.next_notify().0, made);
}

#[test]
fn the_owner_is_told_whoever_changed_the_object_and_others_are_not() {
    let pki = Pki::new();
    std::fs::create_dir_all(pki.folder.path("policies")).unwrap();
    let policy = r#"{"open": {"preset": {"SYMMETRIC_KEY": {"GET": "ALLOW_OWNER",
        "GET_ATTRIBUTES": "ALLOW_ALL", "ACTIVATE": "ALLOW_ALL"}}}}"#;
    pki.folder.write("policies/open.json", policy);
    let config = |pki: &Pki| with(pki.config(), |it| it.policy_path = Some(pki.folder.path("policies")));
    let mut scene = Scene::of(pki, config, |asked| Some(asked.done()));
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
fn a_listener_with_the_certificate_of_another_gets_nothing_at_all() {
    let pki = Pki::new();
    let stranger = Authority::new("Root CA");
    for credential in [pki.ca.client("Jane Doe"), stranger.client("John Doe"), pki.ca.server()] {
        let (listener, received) = listener(&pki, &credential, |asked| Some(asked.done()));
        let endpoints = vec![listener.endpoint("John Doe")];
        let server = Live::start(&with(pki.config(), |it| it.client_endpoints = endpoints));
        let mut john = server.caller(&pki, &pki.client);
        john.ask(V1_4, Operation::Create, create).done();
        within(|| (listener.accepted() > 1).then_some(()));
        assert!(received.recv_timeout(SILENCE).is_err());
    }
}

#[test]
fn a_listener_that_is_dead_or_does_not_answer_holds_up_no_request_and_no_end() {
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
        // Each connection to it takes longer than that.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        drop(john);
        let begun = Instant::now();
        drop(server);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}

#[test]
fn what_could_not_be_sent_is_sent_again() {
    let drops = Arc::new(Mutex::new(3));
    let mut scene = Scene::with(move |asked| {
        let mut drops = drops.lock().unwrap();
        if is_push(asked) && *drops > 0 {
            *drops -= 1;
            return None;
        }
        Some(asked.done())
    });
    let made = scene.john.ask(V1_2, Operation::Create, create).id();
    for _ in 0..=3 {
        assert_eq!(scene.next_put().0, made);
    }
    scene.nothing_comes();
    assert_eq!(scene.listener.accepted(), 4);
}

#[test]
fn what_a_server_still_has_at_its_end_is_sent() {
    let mut scene = Scene::new();
    let made: Vec<_> = (0..4).map(|_| scene.john.ask(V1_4, Operation::Create, create).id()).collect();
    let Scene { pki, received, john, server, listener } = scene;
    drop((john, server));
    let puts = received.try_iter().filter(is_push).map(|asked| asked.payload::<PutRequest>());
    let puts: Vec<_> = puts.map(|put| put.unique_identifier.to_string()).collect();
    assert_eq!(puts, made);
    drop((listener, pki));
}

#[test]
fn from_1_3_on_a_listener_is_asked_first_and_gets_what_it_takes() {
    let mut scene = Scene::with(|asked| {
        Some(match asked.operation {
            Operation::DiscoverVersions => asked.answer(None, |writer| {
                for version in [V1_3, V1_2] {
                    ProtocolVersion::from(version).write(Tag::ProtocolVersion, writer);
                }
            }),
            Operation::Query => asked.answer(None, |writer| {
                vec![Operation::Locate, Operation::Put].write(Tag::Operation, writer);
                vec![ObjectType::SymmetricKey].write(Tag::ObjectType, writer);
            }),
            _ => asked.done(),
        })
    });
    let made = scene.john.ask(V2_1, Operation::Create, create).id();
    let asked: Vec<_> = (0..3).map(|_| scene.received.recv_timeout(PATIENCE).unwrap()).collect();
    let told: Vec<_> = asked.iter().map(|asked| (asked.operation, asked.version)).collect();
    assert_eq!(
        told,
        [(Operation::DiscoverVersions, V2_1), (Operation::Query, V1_3), (Operation::Put, V1_3)],
        "the newest version that both speak"
    );
    let mut rows = Reader::new(&asked[1].payload, V1_3);
    let functions: Vec<QueryFunction> = Field::read(Tag::QueryFunction, &mut rows).unwrap();
    assert!(functions.contains(&QueryFunction::QueryOperations), "{functions:?}");
    // It lists Put and not Notify, and no secret data.
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
fn before_1_3_nothing_is_asked_and_what_is_not_supported_is_not_sent_twice() {
    let mut scene = Scene::with(|asked| {
        Some(match asked.operation {
            Operation::Notify => asked.refused(ResultReason::OperationNotSupported),
            _ => asked.done(),
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
fn a_listener_that_hangs_up_on_questions_gets_what_it_is_sent() {
    let mut scene = Scene::with(|asked| is_push(asked).then(|| asked.done()));
    let made = scene.john.ask(V1_4, Operation::Create, create).id();
    let first = scene.received.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first.operation, Operation::DiscoverVersions);
    let second = scene.received.recv_timeout(PATIENCE).unwrap();
    assert_eq!((second.operation, second.version), (Operation::Put, V1_4));
    assert_eq!(second.payload::<PutRequest>().unique_identifier.to_string(), made);
}

#[test]
fn notify_and_put_are_announced_where_somebody_listens_and_only_there() {
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
    // No client can ask for them, there as here.
    for caller in [&mut john, &mut scene.john] {
        for operation in [Operation::Notify, Operation::Put] {
            let answer = caller.ask(V1_2, operation, |writer| id("1", writer));
            assert_eq!(answer.refused(), ResultReason::OperationNotSupported);
        }
    }
}
