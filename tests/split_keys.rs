//! Create Split Key and Join Split Key over TLS: results, access and restarts.

use kmip_server::kmip::enums::{
    CryptographicUsageMask, KeyFormatType, LinkType, ObjectType, Operation, ResultReason, SplitKeyMethod,
};
use kmip_server::kmip::structures::{Link, UniqueIdentifier};
use kmip_server::kmip::{Object, SplitKey};
use kmip_server::ttlv::{BigInteger, Field, Tag, V1_2, V1_4, V2_0, V2_1, Version, Writer};

use crate::corpus::{algorithm, attribute, id, length, named, objects, register, template, usage};
use crate::dialogue::{Answer, Caller, Live};
use crate::harness::Pki;

/// The positions in [`objects`].
const AES: usize = 0;
const PASSWORD: usize = 2;
const PRIVATE: usize = 3;
const CERTIFICATE: usize = 5;

const GF8: SplitKeyMethod = SplitKeyMethod::PolynomialSharingGf2_8;
const GF16: SplitKeyMethod = SplitKeyMethod::PolynomialSharingGf2_16;
const FIELD: SplitKeyMethod = SplitKeyMethod::PolynomialSharingPrimeField;

fn put(caller: &mut Caller, version: Version, at: usize) -> String {
    caller.ask(version, Operation::Register, |writer| register(&objects()[at], writer)).id()
}

fn split(
    caller: &mut Caller,
    version: Version,
    key: &str,
    (parts, threshold, method): (i32, i32, SplitKeyMethod),
) -> Answer {
    caller.ask(version, Operation::CreateSplitKey, |writer| {
        ObjectType::SplitKey.write(Tag::ObjectType, writer);
        id(key, writer);
        how(parts, threshold, method, None, writer);
        template(Tag::Attributes, &[], writer);
    })
}

fn how(parts: i32, threshold: i32, method: SplitKeyMethod, prime: Option<&[u8]>, writer: &mut Writer) {
    parts.write(Tag::SplitKeyParts, writer);
    threshold.write(Tag::SplitKeyThreshold, writer);
    method.write(Tag::SplitKeyMethod, writer);
    prime.map(BigInteger::from_magnitude).write(Tag::PrimeFieldSize, writer);
}

fn join(caller: &mut Caller, version: Version, object_type: ObjectType, parts: &[&String]) -> Answer {
    caller.ask(version, Operation::JoinSplitKey, |writer| {
        object_type.write(Tag::ObjectType, writer);
        parts.iter().for_each(|part| id(part, writer));
    })
}

fn part(caller: &mut Caller, version: Version, key: &str) -> SplitKey {
    match caller.get(version, key) {
        Object::SplitKey(part) => part,
        other => panic!("{other:?}"),
    }
}

fn bytes(object: &Object) -> Vec<u8> {
    object.key_block().unwrap().bytes().unwrap().expose().to_vec()
}

#[test]
fn joins_split_keys_with_every_method_in_every_version() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let kinds = [
        (AES, ObjectType::SymmetricKey),
        (PASSWORD, ObjectType::SecretData),
        (PRIVATE, ObjectType::PrivateKey),
    ];
    for version in [V1_2, V1_4, V2_0, V2_1] {
        for (at, object_type) in kinds {
            let key = put(&mut john, version, at);
            let whole = john.get(version, &key);
            for method in SplitKeyMethod::ALL {
                // The prime field is too small for an RSA private key.
                if (*method, object_type) == (FIELD, ObjectType::PrivateKey) {
                    continue;
                }
                let threshold = if *method == SplitKeyMethod::Xor { 4 } else { 3 };
                let parts = split(&mut john, version, &key, (4, threshold, *method)).ids();
                assert_eq!(parts.len(), 4);
                let chosen: Vec<_> = parts.iter().rev().take(usize::try_from(threshold).unwrap()).collect();
                let joined = join(&mut john, version, object_type, &chosen).id();
                let joined = john.get(version, &joined);
                assert_eq!(bytes(&joined), bytes(&whole), "{object_type} by {method} in {version}");
                assert_eq!(joined.object_type(), object_type);
            }
        }
    }
}

#[test]
fn split_keys_report_their_parameters_and_have_the_attributes_of_their_key() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = put(&mut john, V2_1, PRIVATE);
    let sensitive = john.ask(V2_1, Operation::SetAttribute, |writer| {
        id(&key, writer);
        attribute(Tag::Sensitive, &true).write(Tag::NewAttribute, writer);
    });
    sensitive.done();
    let parts = split(&mut john, V2_1, &key, (3, 2, GF8)).ids();
    for part in &parts {
        let link: Link = john.attribute(V2_1, part, Tag::Link).unwrap();
        assert_eq!(link.link_type, LinkType::ParentLink);
        assert_eq!(link.linked_object_identifier, UniqueIdentifier::Text(key.clone()));
        assert_eq!(john.attribute(V2_1, part, Tag::Sensitive), Some(true));
        let mask = |caller: &mut Caller, id: &str| {
            caller.attribute::<CryptographicUsageMask>(V2_1, id, Tag::CryptographicUsageMask)
        };
        assert_eq!(mask(&mut john, part), mask(&mut john, &key));
        let refused = john.ask(V2_1, Operation::Get, |writer| id(part, writer)).refused();
        assert_eq!(refused, ResultReason::Sensitive);
    }
    // Splitting and joining a sensitive key does not reveal it.
    let joined = join(&mut john, V2_1, ObjectType::PrivateKey, &[&parts[0], &parts[2]]).id();
    assert_eq!(john.attribute(V2_1, &joined, Tag::Sensitive), Some(true));
    assert_eq!(john.attribute(V2_1, &joined, Tag::KeyFormatType), Some(KeyFormatType::Pkcs8));

    let key = put(&mut john, V1_4, AES);
    let parts = split(&mut john, V1_4, &key, (5, 3, FIELD)).ids();
    for (number, id) in (1..).zip(&parts) {
        let part = part(&mut john, V1_4, id);
        assert_eq!(
            (part.key_part_identifier, part.split_key_parts, part.split_key_threshold),
            (number, 5, 3)
        );
        assert!(part.prime_field_size.is_some());
        assert_eq!(part.key_block.cryptographic_length, Some(128));
    }
}

#[test]
fn splits_a_new_key_without_storing_it() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let create = |caller: &mut Caller, attributes: &[_]| {
        caller.ask(V2_1, Operation::CreateSplitKey, |writer| {
            ObjectType::SplitKey.write(Tag::ObjectType, writer);
            how(3, 2, GF16, None, writer);
            template(Tag::Attributes, attributes, writer);
        })
    };
    let parts = create(&mut john, &[algorithm(), length(256), usage(0xC), named("part")]).ids();
    let joined = |caller: &mut Caller, chosen: &[&String]| {
        let id = join(caller, V2_1, ObjectType::SymmetricKey, chosen).id();
        bytes(&caller.get(V2_1, &id))
    };
    let one = joined(&mut john, &[&parts[0], &parts[1]]);
    assert_eq!(one.len(), 32);
    assert_eq!(one, joined(&mut john, &[&parts[2], &parts[0]]));
    assert_eq!(create(&mut john, &[algorithm()]).refused(), ResultReason::InvalidField);
}

#[test]
fn rejects_too_few_parts_parts_of_different_keys_and_other_objects() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = put(&mut john, V1_2, AES);
    let parts = split(&mut john, V1_2, &key, (4, 3, GF8)).ids();
    let others = split(&mut john, V1_2, &key, (4, 2, GF8)).ids();
    let symmetric = ObjectType::SymmetricKey;
    let refused =
        |caller: &mut Caller, version, parts: &[&String]| join(caller, version, symmetric, parts).refused();
    let failure = ResultReason::CryptographicFailure;
    assert_eq!(refused(&mut john, V1_2, &[&parts[0], &parts[1]]), failure);
    assert_eq!(refused(&mut john, V1_2, &[&parts[0], &parts[1], &parts[0]]), failure);
    assert_eq!(refused(&mut john, V1_2, &[&parts[0], &parts[1], &others[2]]), failure);
    assert_eq!(refused(&mut john, V1_2, &[&parts[0], &parts[1], &key]), ResultReason::InvalidField);
    assert_eq!(refused(&mut john, V2_1, &[&parts[0], &parts[1], &key]), ResultReason::InvalidObjectType);
    assert_eq!(refused(&mut john, V1_2, &[]), ResultReason::InvalidField);
    let missing = "999".to_owned();
    assert_eq!(refused(&mut john, V1_2, &[&parts[0], &parts[1], &missing]), ResultReason::ItemNotFound);
    let archived = |caller: &mut Caller, id: &str| {
        caller.ask(V1_2, Operation::Archive, |writer| crate::corpus::id(id, writer))
    };
    if archived(&mut john, &parts[2]).reason != Some(ResultReason::OperationNotSupported) {
        assert_eq!(
            refused(&mut john, V1_2, &[&parts[0], &parts[1], &parts[2]]),
            ResultReason::ObjectArchived
        );
    }
    john.ask(V1_2, Operation::Destroy, |writer| id(&parts[3], writer)).done();
    assert_eq!(refused(&mut john, V1_2, &[&parts[0], &parts[1], &parts[3]]), ResultReason::ItemNotFound);
    let certificate = join(&mut john, V1_2, ObjectType::Certificate, &[&parts[0]]).refused();
    assert_eq!(certificate, ResultReason::InvalidField);
}

#[test]
fn rejects_unsplittable_objects_and_numbers_out_of_range() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let key = put(&mut john, V2_1, AES);
    let refused = |caller: &mut Caller, how| split(caller, V2_1, &key, how).refused();
    for how in [(1, 1, GF8), (256, 2, GF8), (4, 5, GF8), (-1, -1, GF16), (4, 3, SplitKeyMethod::Xor)] {
        assert_eq!(refused(&mut john, how), ResultReason::InvalidField, "{how:?}");
    }
    let certificate = put(&mut john, V2_1, CERTIFICATE);
    let refused = split(&mut john, V2_1, &certificate, (3, 2, GF8)).refused();
    assert_eq!(refused, ResultReason::InvalidObjectType);
    let by = |caller: &mut Caller, object_type: ObjectType, method, prime: &'static [u8]| {
        let answer = caller.ask(V2_1, Operation::CreateSplitKey, |writer| {
            object_type.write(Tag::ObjectType, writer);
            id(&key, writer);
            how(3, 2, method, Some(prime), writer);
            template(Tag::Attributes, &[], writer);
        });
        answer.refused()
    };
    // 15 is not a prime, 251 is smaller than the key, and GF(2^8) has no parameter.
    assert_eq!(by(&mut john, ObjectType::SplitKey, FIELD, &[15]), ResultReason::InvalidField);
    assert_eq!(by(&mut john, ObjectType::SplitKey, FIELD, &[251]), ResultReason::InvalidField);
    assert_eq!(by(&mut john, ObjectType::SplitKey, GF8, &[251]), ResultReason::InvalidField);
    assert_eq!(by(&mut john, ObjectType::PublicKey, FIELD, &[251]), ResultReason::InvalidObjectType);
}

#[test]
fn splitting_and_joining_require_permission_to_get() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let key = put(&mut john, V1_4, AES);
    let parts = split(&mut john, V1_4, &key, (2, 2, GF8)).ids();
    assert_eq!(split(&mut jane, V1_4, &key, (2, 2, GF8)).refused(), ResultReason::PermissionDenied);
    let symmetric = ObjectType::SymmetricKey;
    let refused = join(&mut jane, V1_4, symmetric, &[&parts[0], &parts[1]]).refused();
    assert_eq!(refused, ResultReason::PermissionDenied);
    let located = jane.ask(V1_4, Operation::Locate, |writer| {
        kmip_server::kmip::attributes::AttributeList(vec![attribute(Tag::ObjectType, &ObjectType::SplitKey)])
            .write(Tag::Attributes, writer);
    });
    assert!(located.ids().is_empty());
}

#[test]
fn split_keys_survive_a_restart() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("objects");
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let key = put(&mut john, V1_4, AES);
    let parts = split(&mut john, V1_4, &key, (3, 2, GF16)).ids();
    drop(john);
    drop(server);
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let joined = join(&mut john, V1_4, ObjectType::SymmetricKey, &[&parts[1], &parts[2]]).id();
    assert_eq!(bytes(&john.get(V1_4, &joined)), bytes(&john.get(V1_4, &key)));
}
