//! Set Defaults over TLS: effect on new objects, scope and restarts.

use kmip_server::internals::engine::constraints::ObjectTypes;
use kmip_server::internals::engine::defaults::{DefaultsInformation, ObjectDefaults};
use kmip_server::kmip::attributes::{Attribute, AttributeList};
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, KeyFormatType, ObjectType, Operation, QueryFunction, ResultReason,
};
use kmip_server::kmip::structures::{ObjectGroups, UniqueIdentifier};
use kmip_server::kmip::{Key, Object};
use kmip_server::ttlv::{Field, Tag, V1_2, V1_4, V2_0, V2_1, Value, Version, Writer};

use crate::corpus::{algorithm, attribute, length, message_of, template, usage};
use crate::dialogue::{Answer, Caller, Live, block, key};
use crate::harness::Pki;

fn set(caller: &mut Caller, defaults: Option<&DefaultsInformation>) -> Answer {
    caller.ask(V2_1, Operation::SetDefaults, |writer| set_payload(defaults, writer))
}

fn set_payload(defaults: Option<&DefaultsInformation>, writer: &mut Writer) {
    if let Some(defaults) = defaults {
        defaults.encode(Tag::DefaultsInformation, writer);
    }
}

fn defaults_of(caller: &mut Caller) -> Vec<DefaultsInformation> {
    let answer = caller.ask(V2_1, Operation::Query, |writer| {
        QueryFunction::QueryDefaultsInformation.write(Tag::QueryFunction, writer);
    });
    answer.all(Tag::DefaultsInformation)
}

fn create_payload(given: &[Attribute], writer: &mut Writer) {
    ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
    template(Tag::Attributes, given, writer);
}

fn create(caller: &mut Caller, version: Version, given: &[Attribute]) -> Answer {
    caller.ask(version, Operation::Create, |writer| create_payload(given, writer))
}

/// Returns the length of a key in bits.
fn bits(caller: &mut Caller, answer: &Answer) -> Option<i32> {
    caller.attribute(V2_1, &answer.id(), Tag::CryptographicLength)
}

fn of(types: &[ObjectType], group: Option<&str>, attributes: Vec<Attribute>) -> ObjectDefaults {
    ObjectDefaults {
        object_type: None,
        object_types: Some(ObjectTypes { types: types.to_vec() }),
        attributes: AttributeList(attributes),
        object_groups: group.map(|group| ObjectGroups { groups: vec![group.to_owned()] }),
    }
}

fn keys() -> DefaultsInformation {
    let general = ObjectDefaults {
        object_type: Some(ObjectType::SymmetricKey),
        object_types: None,
        ..of(&[], None, vec![algorithm(), length(192), usage(0xC)])
    };
    let strong = of(&[ObjectType::SymmetricKey], Some("strong"), vec![length(256)]);
    DefaultsInformation { objects: vec![general, strong] }
}

#[test]
fn new_objects_have_the_defaults_of_their_creator_for_absent_attributes() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("objects");
    {
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        assert_eq!(create(&mut john, V2_1, &[]).refused(), ResultReason::InvalidField);
        assert_eq!(defaults_of(&mut john), []);
        set(&mut john, Some(&keys())).done();
    }
    // They survive a restart and apply to requests of other versions too.
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    assert_eq!(defaults_of(&mut john), [keys()]);
    let strong = attribute(Tag::ObjectGroup, &"strong".to_owned());
    for version in [V1_2, V1_4, V2_0, V2_1] {
        for (given, expected) in [(vec![], 192), (vec![strong.clone()], 256), (vec![length(128)], 128)] {
            let made = create(&mut john, version, &given);
            assert_eq!(bits(&mut john, &made), Some(expected), "{version}: {given:?}");
        }
    }
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    assert_eq!(defaults_of(&mut jane), []);
    assert_eq!(create(&mut jane, V2_1, &[]).refused(), ResultReason::InvalidField);

    set(&mut john, None).done();
    assert_eq!(defaults_of(&mut john), []);
    assert_eq!(create(&mut john, V2_1, &[]).refused(), ResultReason::InvalidField);
}

#[test]
fn defaults_do_not_override_attributes_that_a_registered_object_implies() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    set(&mut john, Some(&keys())).done();
    let aes = |bits| key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, bits, vec![7; 16]);
    let registered = john.register(V2_1, &Object::SymmetricKey(aes(128)), &[]);
    assert_eq!(bits(&mut john, &registered), Some(128));
    let mask: Option<i32> = john.attribute(V2_1, &registered.id(), Tag::CryptographicUsageMask);
    assert_eq!(mask, Some(0xC), "the client left it out");
    let bare = Object::SymmetricKey(Key { key_block: block(KeyFormatType::Raw, vec![7; 16]) });
    let registered = john.register(V2_1, &bare, &[]).id();
    let named: Option<CryptographicAlgorithm> =
        john.attribute(V2_1, &registered, Tag::CryptographicAlgorithm);
    assert_eq!(named, Some(CryptographicAlgorithm::Aes));
}

#[test]
fn key_pairs_have_the_defaults_of_each_key_and_batches_use_the_defaults_they_set() {
    let pki = Pki::new();
    let mut config = pki.config();
    // In a database file, readers see the changes of a batch only after its end.
    config.database_path = pki.folder.path("objects");
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let pair = vec![attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa), length(1024)];
    let both = DefaultsInformation {
        objects: vec![
            of(&[ObjectType::PublicKey, ObjectType::PrivateKey], None, pair),
            of(&[ObjectType::PrivateKey], None, vec![usage(1)]),
        ],
    };
    set(&mut john, Some(&both)).done();
    let made = john.ask(V2_1, Operation::CreateKeyPair, |_| ());
    let private = made.all::<UniqueIdentifier>(Tag::PrivateKeyUniqueIdentifier)[0].to_string();
    assert_eq!(john.attribute(V2_1, &private, Tag::CryptographicUsageMask), Some(1));
    assert_eq!(john.attribute(V2_1, &private, Tag::CryptographicLength), Some(1024));

    let keys = keys();
    let set: &dyn Fn(&mut Writer) = &|writer| set_payload(Some(&keys), writer);
    let create: &dyn Fn(&mut Writer) = &|writer| create_payload(&[], writer);
    let batch = message_of(V2_1, None, &[(Operation::SetDefaults, set), (Operation::Create, create)]);
    let answers = john.send(V2_1, &batch);
    assert_eq!(bits(&mut john, &answers[1]), Some(192));
}

#[test]
fn rejects_defaults_that_no_object_can_have_and_defaults_before_2_1() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut refused =
        |objects: Vec<ObjectDefaults>| set(&mut john, Some(&DefaultsInformation { objects })).refused();
    let keys = [ObjectType::SymmetricKey];
    assert_eq!(refused(vec![of(&keys, None, vec![length(128)]); 65]), ResultReason::InvalidField);
    assert_eq!(refused(vec![of(&[], None, vec![length(128)])]), ResultReason::InvalidField);
    let identifier = attribute(Tag::UniqueIdentifier, &"1".to_owned());
    assert_eq!(refused(vec![of(&keys, None, vec![identifier])]), ResultReason::InvalidField);
    let template = of(&[ObjectType::Template], None, vec![length(128)]);
    assert_eq!(refused(vec![template]), ResultReason::InvalidObjectType);
    assert_eq!(defaults_of(&mut john), []);
    let old = john.ask(V2_0, Operation::SetDefaults, |_| ()).refused();
    assert_eq!(old, ResultReason::OperationNotSupported);
}
