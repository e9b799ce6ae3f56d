//! Export and Import over TLS: objects that move to another server, and the objects that they replace.

use kmip_server::kmip::Object;
use kmip_server::kmip::attributes::{Attribute, AttributeList};
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, HashingAlgorithm, KeyFormatType, ObjectType, Operation, ProtectionStorageMask,
    ResultReason, RevocationReasonCode, State,
};
use kmip_server::kmip::structures::{Digest, RevocationReason};
use kmip_server::ttlv::{DateTime, Field, Reader, Tag, V1_4, V2_0, V2_1, Value, Version};

use crate::corpus::{attribute, flat, id, named, usage};
use crate::dialogue::{Answer, Caller, Live, key};
use crate::harness::Pki;

/// The response to an Export.
#[derive(Clone, Debug, PartialEq)]
struct Exported {
    attributes: Vec<Attribute>,
    object: Option<Object>,
}

impl Exported {
    fn has(&self, tag: Tag) -> bool {
        self.attributes.iter().any(|attribute| attribute.row.tag == tag)
    }
}

fn aes(byte: u8) -> Object {
    Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![byte; 16]))
}

fn export(caller: &mut Caller, version: Version, of: &str) -> Exported {
    let answer = caller.ask(version, Operation::Export, |writer| id(of, writer));
    let mut rows = Reader::new(answer.done(), version);
    let mut rows = rows.require(Tag::ResponsePayload).unwrap().structure().unwrap();
    ObjectType::read(Tag::ObjectType, &mut rows).unwrap();
    rows.require(Tag::UniqueIdentifier).unwrap();
    let attributes = AttributeList::read(Tag::Attributes, &mut rows).unwrap().0;
    Exported { attributes, object: Option::<Object>::read(Tag::default(), &mut rows).unwrap() }
}

fn import(
    caller: &mut Caller,
    version: Version,
    over: &str,
    replace: Option<bool>,
    (object, attributes): (&Object, &[Attribute]),
) -> Answer {
    caller.ask(version, Operation::Import, |writer| {
        id(over, writer);
        if version >= V2_0 {
            object.object_type().write(Tag::ObjectType, writer);
        }
        replace.write(Tag::ReplaceExisting, writer);
        flat(attributes, writer);
        object.write(Tag::default(), writer);
    })
}

fn revoke(caller: &mut Caller, version: Version, key: &str) {
    let reason = RevocationReason {
        revocation_reason_code: RevocationReasonCode::KeyCompromise,
        revocation_message: Some("lost".to_owned()),
    };
    let revoked = caller.ask(version, Operation::Revoke, |writer| {
        id(key, writer);
        reason.encode(Tag::RevocationReason, writer);
    });
    revoked.done();
}

#[test]
fn an_object_moves_to_another_server_with_all_that_is_known_about_it() {
    let (from, to) = (Pki::new(), Pki::new());
    let (old, new) = (Live::start(&from.config()), Live::start(&to.config()));
    let (mut john, mut jack) = (old.caller(&from, &from.client), new.caller(&to, &to.client));
    for version in [V1_4, V2_0, V2_1] {
        let given =
            [named("moved"), named("twice"), usage(0xC), attribute(Tag::ActivationDate, &DateTime(1_000))];
        let original = john.register(version, &aes(1), &given).id();
        revoke(&mut john, version, &original);
        let exported = export(&mut john, version, &original);
        assert!(exported.has(Tag::State) && exported.has(Tag::RevocationReason) && exported.has(Tag::Digest));
        let object = exported.object.clone().unwrap();
        let imported = import(&mut jack, version, &original, None, (&object, &exported.attributes)).id();
        assert_eq!(imported, original, "import keeps an unused number");
        let arrived = export(&mut jack, version, &imported);
        assert_eq!(arrived.object, exported.object);
        let own = [Tag::Fresh];
        let exported_attributes = |it: Exported| -> Vec<Attribute> {
            it.attributes.into_iter().filter(|attribute| !own.contains(&attribute.row.tag)).collect()
        };
        assert_eq!(exported_attributes(arrived), exported_attributes(exported), "{version}");
        let used = jack.ask(version, Operation::Activate, |writer| id(&imported, writer)).refused();
        assert_ne!(used, ResultReason::ItemNotFound, "import keeps the state Compromised");
    }
}

#[test]
fn an_object_is_replaced_only_by_its_owner_and_only_if_that_is_wanted() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    for version in [V1_4, V2_1] {
        let original = john.register(version, &aes(1), &[named("old"), usage(0xC)]).id();
        let given = [named("new"), usage(0xC)];
        let by =
            |caller: &mut Caller, replace| import(caller, version, &original, replace, (&aes(2), &given));
        for replace in [None, Some(false)] {
            assert_eq!(by(&mut john, replace).refused(), ResultReason::ObjectAlreadyExists);
        }
        assert_eq!(by(&mut jane, Some(true)).refused(), ResultReason::PermissionDenied);
        assert_eq!(john.get(version, &original), aes(1));
        assert_eq!(by(&mut john, Some(true)).id(), original);
        assert_eq!(john.get(version, &original), aes(2));
        let names = john.attributes(version, &original).into_iter().filter(|it| it.row.tag == Tag::Name);
        assert_eq!(names.map(|it| it.stored().to_vec()).collect::<Vec<_>>(), [named("new").stored()]);
    }
}

#[test]
fn of_a_destroyed_object_only_the_attributes_move() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let original = john.register(V2_1, &aes(1), &[usage(0xC)]).id();
    john.ask(V2_1, Operation::Destroy, |writer| id(&original, writer)).done();
    let exported = export(&mut john, V2_1, &original);
    assert_eq!(exported.object, None);
    let imported = import(&mut john, V2_1, "none", None, (&aes(1), &exported.attributes)).id();
    assert_eq!(export(&mut john, V2_1, &imported).object, None);
    assert_eq!(john.attribute(V2_1, &imported, Tag::State), Some(State::Destroyed));
}

#[test]
fn attributes_that_contradict_the_object_or_stand_twice_are_refused() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let wrong = [
        vec![attribute(Tag::CryptographicLength, &256)],
        vec![attribute(Tag::ObjectType, &ObjectType::SecretData)],
        vec![attribute(Tag::State, &State::Active), attribute(Tag::State, &State::Active)],
        vec![attribute(Tag::CertificateLength, &1)],
        vec![sha256(&[1; 16]), sha256(&[2; 16])],
        vec![named("same"), named("same")],
    ];
    for attributes in wrong {
        let refused = import(&mut john, V2_1, "none", None, (&aes(1), &attributes)).refused();
        assert_eq!(refused, ResultReason::InvalidField, "{attributes:?}");
    }
}

/// Returns the Digest of a key with these bytes.
fn sha256(bytes: &[u8]) -> Attribute {
    let digest = Digest {
        hashing_algorithm: HashingAlgorithm::Sha256,
        digest_value: Some(
            kmip_server::internals::crypto::hash::digest(HashingAlgorithm::Sha256, bytes).unwrap(),
        ),
        key_format_type: Some(KeyFormatType::Raw),
    };
    attribute(Tag::Digest, &digest)
}

#[test]
fn what_says_how_the_object_came_is_said_by_the_object() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let given = [
        sha256(&[1; 16]),
        attribute(Tag::KeyFormatType, &KeyFormatType::Opaque),
        attribute(Tag::ProtectionStorageMask, &ProtectionStorageMask::HARDWARE),
    ];
    let imported = import(&mut john, V2_1, "none", None, (&aes(1), &given)).id();
    assert_eq!(john.attribute(V2_1, &imported, Tag::KeyFormatType), Some(KeyFormatType::Raw));
    let storage = john.attribute(V2_1, &imported, Tag::ProtectionStorageMask);
    assert_eq!(storage, Some(ProtectionStorageMask::SOFTWARE));
}

#[test]
fn an_object_that_takes_the_place_of_another_stays_under_its_policy() {
    let pki = Pki::new();
    let folder = pki.folder.path("policies");
    std::fs::create_dir(&folder).unwrap();
    let entries = r#""GET": "DISALLOW_ALL", "DESTROY": "ALLOW_OWNER", "GET_ATTRIBUTES": "ALLOW_OWNER""#;
    let policy = format!(r#"{{"closed": {{"preset": {{"SYMMETRIC_KEY": {{{entries}}}}}}}}}"#);
    std::fs::write(folder.join("closed.json"), policy).unwrap();
    let mut config = pki.config();
    config.policy_path = Some(folder);
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let named = |policy: &str| attribute(Tag::OperationPolicyName, &policy.to_owned());
    let original = john.register(V1_4, &aes(1), &[usage(0xC), named("closed")]).id();
    for version in [V1_4, V2_1] {
        import(&mut john, version, &original, Some(true), (&aes(2), &[usage(0xC)])).done();
        let get = john.ask(version, Operation::Get, |writer| id(&original, writer));
        assert_eq!(get.refused(), ResultReason::PermissionDenied, "{version}");
    }
    // A policy in the request replaces the policy of the old object.
    import(&mut john, V1_4, &original, Some(true), (&aes(2), &[usage(0xC), named("default")])).done();
    assert_eq!(john.get(V1_4, &original), aes(2));
}

#[test]
fn an_object_is_marked_as_quantum_safe_only_if_it_is() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let safe = attribute(Tag::QuantumSafe, &true);
    let long = Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 256, vec![1; 32]));
    assert_eq!(
        john.register(V2_1, &aes(1), &[usage(0xC), safe.clone()]).refused(),
        ResultReason::GeneralFailure
    );
    let long = john.register(V2_1, &long, &[usage(0xC), safe.clone()]).id();
    assert_eq!(john.attribute(V2_1, &long, Tag::QuantumSafe), Some(true));
    let short = john.register(V2_1, &aes(1), &[usage(0xC)]).id();
    let set = john.ask(V2_1, Operation::SetAttribute, |writer| {
        id(&short, writer);
        safe.write(Tag::NewAttribute, writer);
    });
    assert_eq!(set.refused(), ResultReason::GeneralFailure);
    assert_eq!(john.attribute::<bool>(V2_1, &short, Tag::QuantumSafe), None);
}

#[test]
fn a_free_number_is_kept_as_identifier_and_anything_else_gets_a_new_one() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut bring = |at: &str| import(&mut john, V2_1, at, None, (&aes(1), &[usage(0xC)]));
    assert_eq!(bring("50").id(), "50");
    assert_eq!(bring("50").refused(), ResultReason::ObjectAlreadyExists);
    assert_eq!(bring("7").id(), "7");
    assert_eq!(bring("mine").id(), "51", "new numbers come after the largest");
    // Import leaves 2^62 numbers for new objects.
    assert_eq!(bring("4611686018427387905").id(), "52");
    assert_eq!(bring("4611686018427387904").id(), "4611686018427387904");
    assert_eq!(bring("").id(), "4611686018427387905");
}

#[test]
fn a_policy_has_to_allow_getting_an_object_and_its_attributes_to_export_it() {
    let cases = [("", ResultReason::PermissionDenied.into()), (r#", "GET_ATTRIBUTES": "ALLOW_ALL""#, None)];
    for (entry, expected) in cases {
        let pki = Pki::new();
        let folder = pki.folder.path("policies");
        std::fs::create_dir(&folder).unwrap();
        let policy =
            format!(r#"{{"shared": {{"preset": {{"SYMMETRIC_KEY": {{"GET": "ALLOW_ALL"{entry}}}}}}}}}"#);
        std::fs::write(folder.join("shared.json"), policy).unwrap();
        let mut config = pki.config();
        config.policy_path = Some(folder);
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
        let shared = attribute(Tag::OperationPolicyName, &"shared".to_owned());
        let original = john.register(V1_4, &aes(1), &[usage(0xC), shared]).id();
        jane.get(V1_4, &original);
        let exported = jane.ask(V1_4, Operation::Export, |writer| id(&original, writer));
        assert_eq!(exported.reason, expected, "{entry}");
    }
}
