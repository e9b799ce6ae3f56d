//! Credentials in request headers (KMIP Profiles 2.1 §3.1.3), which distinguish users of one certificate.

use kmip_server::internals::config::Config;
use kmip_server::kmip::enums::{
    AsynchronousIndicator, CertificateType, CryptographicAlgorithm, KeyFormatType, ObjectType, Operation,
    ResultReason,
};
use kmip_server::kmip::structures::{Authentication, Credential, DeviceCredential, UsernameAndPassword};
use kmip_server::kmip::{Asynchronous, Certificate, Object, RequestHeader};
use kmip_server::ttlv::{Field, Tag, V1_2, V1_4, V2_1, Value, Version, Writer};

use crate::corpus::{self, algorithm, header, id, length, message_under, named, template, usage};
use crate::dialogue::{Answer, Caller, Live, key};
use crate::harness::Pki;
use crate::settings::with;

fn user(name: &str, password: &str) -> Credential {
    let password = Some(password.to_owned().into());
    Credential::UsernameAndPassword(UsernameAndPassword { username: name.to_owned(), password })
}

fn device(serial_number: &str, medium: &str) -> Credential {
    Credential::Device(DeviceCredential {
        device_serial_number: Some(serial_number.to_owned()),
        password: None,
        device_identifier: None,
        network_identifier: None,
        machine_identifier: None,
        media_identifier: Some(medium.to_owned()),
    })
}

/// Sends one request with or without a credential.
fn ask(
    caller: &mut Caller,
    credential: Option<&Credential>,
    operation: Operation,
    payload: impl Fn(&mut Writer),
) -> Answer {
    ask_as(caller, V1_2, credential, None, operation, payload)
}

fn ask_as(
    caller: &mut Caller,
    version: Version,
    credential: Option<&Credential>,
    asynchronous_indicator: Option<Asynchronous>,
    operation: Operation,
    payload: impl Fn(&mut Writer),
) -> Answer {
    let authentication =
        credential.map(|credential| Authentication { credentials: vec![credential.clone()] });
    let header = RequestHeader { authentication, asynchronous_indicator, ..header(version, None) };
    caller.send(version, &message_under(version, header, &[(operation, payload)])).remove(0)
}

fn create(caller: &mut Caller, credential: Option<&Credential>) -> String {
    ask(caller, credential, Operation::Create, creation).id()
}

fn creation(writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[named("a key"), algorithm(), length(128), usage(0xC)], writer);
}

fn get(caller: &mut Caller, credential: Option<&Credential>, key: &str) -> Answer {
    ask(caller, credential, Operation::Get, |writer| id(key, writer))
}

fn locate(caller: &mut Caller, credential: Option<&Credential>) -> Vec<String> {
    ask(caller, credential, Operation::Locate, |_: &mut Writer| ()).ids()
}

/// Starts a server, and connects a client.
fn start(change: impl FnOnce(&mut Config)) -> (Pki, Live, Caller) {
    let pki = Pki::new();
    let mut config = pki.config();
    config.enable_credential_identity = true;
    change(&mut config);
    let live = Live::start(&config);
    let john = live.caller(&pki, &pki.client);
    (pki, live, john)
}

#[test]
fn objects_created_under_one_credential_are_not_accessible_under_another() {
    let (pki, live, mut john) = start(|_| ());
    for (one, other) in [
        (user("Ann", "secret"), user("Bob", "secret")),
        (device("1", "a"), device("2", "a")),
        (user("1", "secret"), device("1", "a")),
    ] {
        let [one, other] = [Some(&one), Some(&other)];
        let key = create(&mut john, one);
        for operation in [Operation::Get, Operation::GetAttributes, Operation::Activate, Operation::Destroy] {
            let answer = ask(&mut john, other, operation, |writer| id(&key, writer));
            assert_eq!(answer.refused(), ResultReason::PermissionDenied, "{operation:?}");
        }
        assert!(!locate(&mut john, other).contains(&key));
        assert_eq!(locate(&mut john, one).first(), Some(&key));
        get(&mut john, one, &key).done();
        // The same credential under another certificate is another user.
        let mut jane = live.caller(&pki, &pki.ca.client("Jane Doe"));
        assert_eq!(get(&mut jane, one, &key).refused(), ResultReason::PermissionDenied);
        assert!(locate(&mut jane, one).is_empty());
        ask(&mut john, one, Operation::Destroy, |writer| id(&key, writer)).done();
        assert_eq!(get(&mut john, other, &key).refused(), ResultReason::PermissionDenied);
    }
}

#[test]
fn client_that_starts_or_stops_sending_a_credential_finds_its_objects() {
    let (_pki, _live, mut john) = start(|_| ());
    let (ann, bob) = (user("Ann", "secret"), user("Bob", "secret"));
    let (with, without) = (create(&mut john, Some(&ann)), create(&mut john, None));
    for credential in [None, Some(&ann)] {
        get(&mut john, credential, &with).done();
        get(&mut john, credential, &without).done();
        assert_eq!(locate(&mut john, credential).len(), 2);
    }
    get(&mut john, Some(&bob), &without).done();
    assert_eq!(locate(&mut john, Some(&bob)), [without]);
    // Passwords are not verified and do not distinguish users; neither does a credential without a name.
    get(&mut john, Some(&user("Ann", "another")), &with).done();
    get(&mut john, Some(&user("", "another")), &with).done();
    // The medium does not distinguish devices.
    let key = create(&mut john, Some(&device("1", "a")));
    get(&mut john, Some(&device("1", "b")), &key).done();
}

#[test]
fn replacement_object_has_the_owner_of_the_replaced_object() {
    let (_pki, _live, mut john) = start(|_| ());
    let (ann, bob) = (user("Ann", "secret"), user("Bob", "secret"));
    let old = create(&mut john, Some(&ann));
    let new = ask(&mut john, None, Operation::ReKey, |writer| id(&old, writer)).id();
    assert_eq!(get(&mut john, Some(&bob), &new).refused(), ResultReason::PermissionDenied);
    get(&mut john, Some(&ann), &new).done();
}

#[test]
fn allow_all_applies_to_every_credential() {
    let (pki, _live, mut john) = start(|_| ());
    let (ann, bob) = (user("Ann", "secret"), user("Bob", "secret"));
    let certificate_value = pki.client.certificate.to_vec();
    let object =
        Object::Certificate(Certificate { certificate_type: CertificateType::X509, certificate_value });
    let register = |writer: &mut Writer| {
        ObjectType::Certificate.write(Tag::ObjectType, writer);
        template(Tag::Attributes, &[named("a certificate")], writer);
        object.write(Tag::default(), writer);
    };
    let certificate = ask(&mut john, Some(&ann), Operation::Register, register).id();
    get(&mut john, Some(&bob), &certificate).done();
    assert_eq!(locate(&mut john, Some(&bob)), std::slice::from_ref(&certificate));
    let destroyed = ask(&mut john, Some(&bob), Operation::Destroy, |writer| id(&certificate, writer));
    assert_eq!(destroyed.refused(), ResultReason::PermissionDenied);
}

#[test]
fn credential_survives_a_restart() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| {
        it.enable_credential_identity = true;
        it.database_path = pki.folder.path("store");
    });
    let (ann, bob) = (user("Ann", "secret"), user("Bob", "secret"));
    let key = {
        let live = Live::start(&config);
        create(&mut live.caller(&pki, &pki.client), Some(&ann))
    };
    let live = Live::start(&config);
    let mut john = live.caller(&pki, &pki.client);
    assert_eq!(get(&mut john, Some(&bob), &key).refused(), ResultReason::PermissionDenied);
    assert!(locate(&mut john, Some(&bob)).is_empty());
    get(&mut john, Some(&ann), &key).done();
    let database = std::fs::read(pki.folder.path("store")).unwrap();
    let holds = |text: &str| database.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(!holds("secret"), "no password is stored");
}

#[test]
fn import_does_not_replace_objects_of_another_credential() {
    let (_pki, _live, mut john) = start(|_| ());
    let (ann, bob) = (user("Ann", "secret"), user("Bob", "secret"));
    let there = create(&mut john, Some(&ann));
    let object = Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16]));
    let mut import = |credential| {
        ask_as(&mut john, V1_4, Some(credential), None, Operation::Import, |writer| {
            id(&there, writer);
            true.write(Tag::ReplaceExisting, writer);
            corpus::flat(&[usage(0xC)], writer);
            object.write(Tag::default(), writer);
        })
    };
    assert_eq!(import(&bob).refused(), ResultReason::PermissionDenied);
    assert_eq!(import(&ann).id(), there);
}

#[test]
fn asynchronous_result_is_for_the_credential_of_the_request() {
    let (_pki, _live, mut john) = start(|_| ());
    let (ann, bob) = (user("Ann", "secret"), user("Bob", "secret"));
    let later = Some(Asynchronous(AsynchronousIndicator::Mandatory));
    let pending = ask_as(&mut john, V2_1, Some(&ann), later, Operation::Create, creation);
    let correlation = pending.correlation.unwrap();
    let poll = |writer: &mut Writer| correlation.clone().write(Tag::AsynchronousCorrelationValue, writer);
    let refused = ask_as(&mut john, V2_1, Some(&bob), None, Operation::Poll, poll).refused();
    assert_eq!(refused, ResultReason::InvalidAsynchronousCorrelationValue);
    let key = crate::harness::within(|| {
        let answer = ask_as(&mut john, V2_1, Some(&ann), None, Operation::Poll, poll);
        answer.correlation.is_none().then(|| answer.id())
    });
    assert_eq!(get(&mut john, Some(&bob), &key).refused(), ResultReason::PermissionDenied);
    get(&mut john, Some(&ann), &key).done();
}

#[test]
fn multi_part_operation_continues_under_its_credential_only() {
    let (_pki, _live, mut john) = start(|_| ());
    let (ann, bob) = (user("Ann", "secret"), user("Bob", "secret"));
    let part = |correlation: Option<Vec<u8>>| {
        move |writer: &mut Writer| {
            let parameters = kmip_server::kmip::structures::CryptographicParameters {
                hashing_algorithm: Some(kmip_server::kmip::enums::HashingAlgorithm::Sha256),
                ..Default::default()
            };
            parameters.encode(Tag::CryptographicParameters, writer);
            vec![1u8; 4].write(Tag::Data, writer);
            correlation.write(Tag::CorrelationValue, writer);
            correlation.is_none().then_some(true).write(Tag::InitIndicator, writer);
            correlation.is_some().then_some(true).write(Tag::FinalIndicator, writer);
        }
    };
    let begun = ask_as(&mut john, V1_4, Some(&ann), None, Operation::Hash, part(None));
    let correlation = begun.all::<Vec<u8>>(Tag::CorrelationValue).first().cloned();
    assert!(correlation.is_some());
    let stolen = ask_as(&mut john, V1_4, Some(&bob), None, Operation::Hash, part(correlation.clone()));
    assert_eq!(stolen.refused(), ResultReason::ItemNotFound);
    ask_as(&mut john, V1_4, Some(&ann), None, Operation::Hash, part(correlation)).done();
}

#[test]
fn refuses_overlong_credential_name() {
    let (_pki, _live, mut john) = start(|_| ());
    create(&mut john, Some(&user(&"a".repeat(1000), "secret")));
    let answer = ask(&mut john, Some(&user(&"a".repeat(1025), "secret")), Operation::Create, creation);
    assert_eq!(answer.refused(), ResultReason::AuthenticationNotSuccessful);
}

#[test]
fn setting_disables_credential_identity() {
    let (_pki, _live, mut john) = start(|config| config.enable_credential_identity = false);
    let key = create(&mut john, Some(&user("Ann", "secret")));
    get(&mut john, Some(&user("Bob", "secret")), &key).done();
    assert_eq!(locate(&mut john, Some(&device("1", "a"))), [key]);
}
