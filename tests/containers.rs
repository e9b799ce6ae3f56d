//! Registered PKCS#12 containers, which the server splits into a key and certificates (KMIP 1.4 §3.35 and
//! §4.3).

use kmip_server::internals::crypto::pkcs12::{self, Contents};
use kmip_server::internals::crypto::rsa;
use kmip_server::internals::secret::Secret;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, KeyFormatType, LinkType, ObjectType, Operation, ResultReason, SecretDataType,
};
use kmip_server::kmip::structures::{Link, UniqueIdentifier};
use kmip_server::kmip::{Key, KeyMaterial, KeyValue, Object, SecretData};
use kmip_server::ttlv::{DateTime, Field, Tag, V1_4, V2_1, Version};

use crate::corpus::{attribute, id, usage};
use crate::dialogue::{Answer, Caller, Live, block};
use crate::harness::{Authority, Pki};
use crate::settings::with;

/// A key, its certificates and a container with all of them.
struct Packed {
    key: Secret,
    certificates: Vec<Vec<u8>>,
    container: Vec<u8>,
}

fn packed(password: &[u8]) -> Packed {
    let key = rsa::generate(1024).unwrap().private_pkcs8;
    let certificates: Vec<_> =
        ["Own", "Above"].map(|name| Authority::new(name).credential.certificate.to_vec()).into();
    let contents = Contents { key: &key, certificates: &certificates, friendly_name: Some("alias") };
    let container = pkcs12::write(&contents, password).unwrap();
    Packed { key, certificates, container }
}

fn password(caller: &mut Caller, text: &[u8], is_active: bool) -> String {
    let key_block = block(KeyFormatType::Opaque, text.to_vec());
    let object = Object::SecretData(SecretData { secret_data_type: SecretDataType::Password, key_block });
    let active = is_active.then(|| attribute(Tag::ActivationDate, &DateTime(1)));
    caller.register(V1_4, &object, &[Vec::from_iter(active), vec![usage(0x200)]].concat()).id()
}

fn link(kind: LinkType, to: &str) -> Attribute {
    let linked_object_identifier = UniqueIdentifier::Text(to.to_owned());
    attribute(Tag::Link, &Link { link_type: kind, linked_object_identifier })
}

fn register(caller: &mut Caller, version: Version, container: &[u8], attributes: &[Attribute]) -> Answer {
    let mut key_block = block(KeyFormatType::Pkcs12, Vec::new());
    key_block.key_value = Some(KeyValue::Wrapped(Secret::new(container.to_vec())));
    let attributes = [&[usage(0x1)], attributes].concat();
    caller.register(version, &Object::PrivateKey(Key { key_block }), &attributes)
}

fn next(caller: &mut Caller, version: Version, of: &str) -> Option<String> {
    let attributes = caller.attributes(version, of);
    let links = attributes.iter().filter(|it| it.row.tag == Tag::Link);
    let links = links.map(|link| link.read::<Link>().unwrap());
    let mut certificates = links.filter(|link| link.link_type == LinkType::Pkcs12CertificateLink);
    certificates.next().map(|link| link.linked_object_identifier.to_string())
}

fn bytes(object: &Object) -> Vec<u8> {
    match object {
        Object::Certificate(certificate) => certificate.certificate_value.clone(),
        other => other.key_block().unwrap().bytes().unwrap().expose().to_vec(),
    }
}

#[test]
fn splits_a_container_into_its_key_and_certificates() {
    let pki = Pki::new();
    let config = with(pki.config(), |it| it.database_path = pki.folder.path("store"));
    let packed = packed(b"password");
    let mut kept = Vec::new();
    {
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let secret = password(&mut john, b"password", true);
        for version in [V1_4, V2_1] {
            let given = [link(LinkType::Pkcs12PasswordLink, &secret)];
            let key = register(&mut john, version, &packed.container, &given).id();
            let own = next(&mut john, version, &key).unwrap();
            let above = next(&mut john, version, &own).unwrap();
            assert_eq!(next(&mut john, version, &above), None);
            kept.push([key, own, above]);
        }
    }
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    for [key, own, above] in &kept {
        let object = john.get(V1_4, key);
        let key_block = object.key_block().unwrap();
        assert_eq!(key_block.key_format_type, KeyFormatType::Pkcs8);
        assert_eq!(key_block.cryptographic_algorithm, Some(CryptographicAlgorithm::Rsa));
        assert_eq!(key_block.cryptographic_length, Some(1024));
        assert_eq!(bytes(&object), packed.key.expose());
        for (id, expected) in [own, above].into_iter().zip(&packed.certificates) {
            assert_eq!(bytes(&john.get(V1_4, id)), *expected);
        }
        let called =
            |caller: &mut Caller, id: &str| caller.attribute::<String>(V1_4, id, Tag::Pkcs12FriendlyName);
        assert_eq!(called(&mut john, key).as_deref(), Some("alias"));
        assert_eq!(called(&mut john, own).as_deref(), Some("alias"));
        assert_eq!(called(&mut john, above), None);
        // A container that the server creates has the same contents.
        let again = john.ask(V1_4, Operation::Get, |writer| {
            id(key, writer);
            KeyFormatType::Pkcs12.write(Tag::KeyFormatType, writer);
        });
        let opened = pkcs12::open(&bytes(&again.object()), b"password", None).unwrap();
        assert_eq!(opened.key, packed.key);
        let certificates: Vec<_> = opened.certificates.into_iter().map(|it| it.der).collect();
        assert_eq!(certificates, packed.certificates);
    }
}

#[test]
fn opens_a_container_only_with_an_active_password_of_the_requester() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let packed = packed(b"password");
    let (right, wrong) = (password(&mut john, b"password", true), password(&mut john, b"another", true));
    let idle = password(&mut john, b"password", false);
    let refused = |caller: &mut Caller, version, container: &[u8], by: &str| {
        register(caller, version, container, &[link(LinkType::Pkcs12PasswordLink, by)]).refused()
    };
    for (by, old, new) in [
        (&*idle, ResultReason::PermissionDenied, ResultReason::WrongKeyLifecycleState),
        (&*wrong, ResultReason::CryptographicFailure, ResultReason::CryptographicFailure),
        ("999", ResultReason::ItemNotFound, ResultReason::ObjectNotFound),
    ] {
        assert_eq!(refused(&mut john, V1_4, &packed.container, by), old);
        assert_eq!(refused(&mut john, V2_1, &packed.container, by), new);
    }
    assert_eq!(refused(&mut jane, V1_4, &packed.container, &right), ResultReason::PermissionDenied);
    for broken in [&packed.container[..100], b"no container", b""] {
        assert_eq!(refused(&mut john, V1_4, broken, &right), ResultReason::CryptographicFailure);
    }
    // The server stored no part of any of them.
    let kept = john.ask(V1_4, Operation::Locate, |_| ()).ids();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(jane.ask(V1_4, Operation::Locate, |_| ()).ids().is_empty());
}

#[test]
fn certificates_of_a_container_have_the_policy_and_groups_of_the_key() {
    let pki = Pki::new();
    let folder = pki.folder.path("policies");
    std::fs::create_dir(&folder).unwrap();
    let rules = r#"{"GET": "ALLOW_OWNER", "GET_ATTRIBUTES": "ALLOW_OWNER", "LOCATE": "ALLOW_OWNER"}"#;
    let policy = format!(r#"{{"mine": {{"preset": {{"PRIVATE_KEY": {rules}, "CERTIFICATE": {rules}}}}}}}"#);
    std::fs::write(folder.join("mine.json"), policy).unwrap();
    let server = Live::start(&with(pki.config(), |it| it.policy_path = Some(folder)));
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let secret = password(&mut john, b"password", true);
    let given = [
        link(LinkType::Pkcs12PasswordLink, &secret),
        attribute(Tag::OperationPolicyName, &"mine".to_owned()),
        attribute(Tag::ObjectGroup, &"servers".to_owned()),
        attribute(Tag::Pkcs12FriendlyName, &"given".to_owned()),
    ];
    let key = register(&mut john, V1_4, &packed(b"password").container, &given).id();
    let own = next(&mut john, V1_4, &key).unwrap();
    assert_eq!(john.attribute(V1_4, &key, Tag::Pkcs12FriendlyName), Some("given".to_owned()));
    assert_eq!(john.attribute(V1_4, &own, Tag::ObjectGroup), Some("servers".to_owned()));
    john.get(V1_4, &own);
    let refused = jane.ask(V1_4, Operation::Get, |writer| id(&own, writer)).refused();
    assert_eq!(refused, ResultReason::PermissionDenied);
}

#[test]
fn stores_a_container_without_password_link_unchanged() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let packed = packed(b"password");
    let key = register(&mut john, V1_4, &packed.container, &[]).id();
    let Object::PrivateKey(Key { key_block }) = john.get(V1_4, &key) else { panic!("a key") };
    assert_eq!(key_block.key_format_type, KeyFormatType::Pkcs12);
    let Some(KeyValue::Wrapped(bytes) | KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) =
        key_block.key_value
    else {
        panic!("bytes")
    };
    assert_eq!(bytes.expose(), packed.container);
    assert_eq!(john.attribute(V1_4, &key, Tag::ObjectType), Some(ObjectType::PrivateKey));
    assert_eq!(john.ask(V1_4, Operation::Locate, |_| ()).ids(), [key]);
}
