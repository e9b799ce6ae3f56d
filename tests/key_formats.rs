//! Keys over TLS in every Key Format Type: registration, creation, conversion and failures.

use kmip_server::internals::crypto::rsa;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, KeyCompressionType, KeyFormatType, LinkType, ObjectType, Operation,
    RecommendedCurve, ResultReason, SecretDataType,
};
use kmip_server::kmip::structures::{CryptographicDomainParameters, Digest, Link, UniqueIdentifier};
use kmip_server::kmip::{KeyBlock, KeyMaterial, KeyValue, Object, SecretData};
use kmip_server::ttlv::{Field, Tag, V1_0, V1_2, V1_3, V1_4, V2_0, V2_1, Version, Writer};

use crate::corpus::{algorithm, attribute, id, length, objects, register, template, usage};
use crate::dialogue::{Answer, Caller, Live, key};
use crate::harness::Pki;

use KeyFormatType as F;

fn get(caller: &mut Caller, version: Version, key: &str, format: KeyFormatType) -> Answer {
    caller.ask(version, Operation::Get, |writer| {
        id(key, writer);
        format.write(Tag::KeyFormatType, writer);
    })
}

fn compressed(
    caller: &mut Caller,
    version: Version,
    key: &str,
    format: Option<KeyFormatType>,
    compression: KeyCompressionType,
) -> Answer {
    caller.ask(version, Operation::Get, |writer| {
        id(key, writer);
        format.write(Tag::KeyFormatType, writer);
        compression.write(Tag::KeyCompressionType, writer);
    })
}

fn block(object: &Object) -> &KeyBlock {
    object.key_block().unwrap()
}

fn make_pair(caller: &mut Caller, version: Version, common: &[Attribute]) -> Answer {
    caller.ask(version, Operation::CreateKeyPair, |writer| {
        template(Tag::CommonAttributes, common, writer);
        template(Tag::PrivateKeyAttributes, &[usage(0x1)], writer);
        template(Tag::PublicKeyAttributes, &[usage(0x2)], writer);
    })
}

/// Creates a key pair and returns the private and the public key.
fn pair(caller: &mut Caller, version: Version, common: &[Attribute]) -> (String, String) {
    let answer = make_pair(caller, version, common);
    let one = |tag| answer.all::<String>(tag).remove(0);
    (one(Tag::PrivateKeyUniqueIdentifier), one(Tag::PublicKeyUniqueIdentifier))
}

fn on_curve(algorithm: CryptographicAlgorithm, curve: RecommendedCurve) -> Vec<Attribute> {
    let domain = CryptographicDomainParameters { qlength: None, recommended_curve: Some(curve) };
    vec![
        attribute(Tag::CryptographicAlgorithm, &algorithm),
        attribute(Tag::CryptographicDomainParameters, &domain),
    ]
}

#[test]
fn registers_every_key_format_and_converts_it_to_every_other() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let rsa = rsa::generate(1024).unwrap();
    let algorithm = CryptographicAlgorithm::Rsa;
    let private = key(F::Pkcs8, algorithm, 1024, rsa.private_pkcs8.expose().to_vec());
    let public = key(F::Pkcs1, algorithm, 1024, rsa.public_pkcs1);
    for version in [V1_0, V1_4, V2_0, V2_1] {
        let (ec_private, ec_public) =
            pair(&mut john, version, &on_curve(CryptographicAlgorithm::Ec, RecommendedCurve::P384));
        let transparent = if version >= V1_3 {
            [F::TransparentEcPrivateKey, F::TransparentEcPublicKey]
        } else {
            [F::TransparentEcdsaPrivateKey, F::TransparentEcdsaPublicKey]
        };
        let aes = key(F::Raw, CryptographicAlgorithm::Aes, 128, vec![7; 16]);
        let ids = [
            john.register(version, &Object::PrivateKey(private.clone()), &[usage(1)]).id(),
            john.register(version, &Object::PublicKey(public.clone()), &[usage(2)]).id(),
            john.register(version, &Object::SymmetricKey(aes), &[usage(4)]).id(),
            ec_private,
            ec_public,
        ];
        let formats: [&[KeyFormatType]; 5] = [
            &[F::Pkcs1, F::Pkcs8, F::TransparentRsaPrivateKey],
            &[F::Pkcs1, F::X509, F::TransparentRsaPublicKey],
            &[F::Raw, F::Opaque, F::TransparentSymmetricKey],
            &[F::Pkcs8, F::ECPrivateKey, transparent[0]],
            &[F::X509, transparent[1]],
        ];
        for (kept, formats) in ids.iter().zip(formats) {
            for format in formats {
                let object = get(&mut john, version, kept, *format).object();
                assert_eq!(block(&object).key_format_type, *format, "{version}");
                let again = john.register(version, &object, &[usage(0)]).id();
                assert_eq!(john.get(version, &again), object, "given as it came");
                for other in formats {
                    let converted = get(&mut john, version, &again, *other).object();
                    assert_eq!(
                        converted,
                        get(&mut john, version, kept, *other).object(),
                        "{format} to {other}"
                    );
                }
            }
            let refused = get(&mut john, version, kept, F::TransparentDsaPublicKey).refused();
            assert_eq!(refused, ResultReason::KeyFormatTypeNotSupported);
        }
    }
}

#[test]
fn rejects_unsupported_formats_and_invalid_points() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let ids: Vec<_> = objects()
        .iter()
        .map(|given| john.ask(V1_4, Operation::Register, |writer| register(given, writer)).id())
        .collect();
    let point = KeyCompressionType::EcPublicKeyTypeUncompressed;
    for id in &ids {
        assert_eq!(
            get(&mut john, V1_4, id, F::ECPrivateKey).refused(),
            ResultReason::KeyFormatTypeNotSupported
        );
        assert_eq!(
            compressed(&mut john, V1_4, id, None, point).refused(),
            ResultReason::KeyCompressionTypeNotSupported
        );
    }
    let garbage = key(F::Pkcs1, CryptographicAlgorithm::Rsa, 1024, b"no key at all".to_vec());
    let garbage = john.register(V1_4, &Object::PrivateKey(garbage), &[usage(1)]).id();
    let refused = get(&mut john, V1_4, &garbage, F::Pkcs8).refused();
    assert_eq!(refused, ResultReason::KeyFormatTypeNotSupported);
    get(&mut john, V1_4, &garbage, F::Pkcs1).done();
}

#[test]
fn compresses_elliptic_curve_points_on_request() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let (_, public) =
        pair(&mut john, V1_4, &on_curve(CryptographicAlgorithm::Ecdsa, RecommendedCurve::Secp256K1));
    let prime = KeyCompressionType::EcPublicKeyTypeX9_62CompressedPrime;
    let long = john.get(V1_4, &public);
    let short = compressed(&mut john, V1_4, &public, None, prime).object();
    assert_eq!(block(&short).key_compression_type, Some(prime));
    assert!(block(&short).bytes().unwrap().len() < block(&long).bytes().unwrap().len());
    let transparent = compressed(&mut john, V1_4, &public, Some(F::TransparentEcPublicKey), prime).object();
    let Some(KeyValue::Plain { material: KeyMaterial::EcPublicKey(point), .. }) =
        &block(&transparent).key_value
    else {
        panic!("{transparent:?}")
    };
    assert_eq!((point.recommended_curve, point.q_string.len()), (RecommendedCurve::Secp256K1, 33));
    // The server can use a key that is registered compressed.
    let again = john.register(V1_4, &short, &[usage(2)]).id();
    let uncompressed = KeyCompressionType::EcPublicKeyTypeUncompressed;
    let back = compressed(&mut john, V1_4, &again, Some(F::X509), uncompressed).object();
    assert_eq!(block(&back).bytes(), block(&long).bytes());
    let hybrid = KeyCompressionType::EcPublicKeyTypeX9_62Hybrid;
    let refused = compressed(&mut john, V1_4, &public, None, hybrid).refused();
    assert_eq!(refused, ResultReason::KeyCompressionTypeNotSupported);
}

#[test]
fn creates_key_pairs_on_every_curve_and_reports_the_curve() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    use CryptographicAlgorithm as A;
    let curves = [
        (A::Ec, RecommendedCurve::P224, 224),
        (A::Ecdsa, RecommendedCurve::P256, 256),
        (A::Ecdh, RecommendedCurve::P384, 384),
        (A::Ec, RecommendedCurve::P521, 521),
        (A::Ec, RecommendedCurve::Secp256K1, 256),
        (A::Ecdh, RecommendedCurve::Curve25519, 256),
        (A::Ed25519, RecommendedCurve::Curve25519, 256),
    ];
    for (algorithm, curve, bits) in curves {
        let (private, public) = pair(&mut john, V2_1, &on_curve(algorithm, curve));
        for id in [&private, &public] {
            assert_eq!(john.attribute(V2_1, id, Tag::CryptographicAlgorithm), Some(algorithm));
            assert_eq!(john.attribute(V2_1, id, Tag::CryptographicLength), Some(bits));
            let domain: CryptographicDomainParameters =
                john.attribute(V2_1, id, Tag::CryptographicDomainParameters).unwrap();
            assert_eq!(domain.recommended_curve, Some(curve));
        }
        get(&mut john, V2_1, &private, F::Pkcs8).done();
        get(&mut john, V2_1, &public, F::X509).done();
        let bare = get(&mut john, V2_1, &public, F::Raw);
        if curve == RecommendedCurve::Curve25519 {
            let again = john.register(V2_1, &bare.object(), &[usage(2)]).id();
            assert_eq!(
                get(&mut john, V2_1, &again, F::X509).object(),
                get(&mut john, V2_1, &public, F::X509).object()
            );
        } else {
            assert_eq!(bare.refused(), ResultReason::KeyFormatTypeNotSupported);
        }
    }
    let by_length = |algorithm: A, bits| {
        [attribute(Tag::CryptographicAlgorithm, &algorithm), attribute(Tag::CryptographicLength, &bits)]
    };
    let (private, _) = pair(&mut john, V1_0, &by_length(A::Ecdsa, 384));
    assert_eq!(block(&john.get(V1_0, &private)).key_format_type, F::Pkcs8);
    for refused in [
        on_curve(A::Ec, RecommendedCurve::Sect113R1),
        by_length(A::Ec, 257).to_vec(),
        by_length(A::Dsa, 2048).to_vec(),
        vec![attribute(Tag::CryptographicAlgorithm, &A::Ec)],
    ] {
        assert_eq!(make_pair(&mut john, V1_0, &refused).refused(), ResultReason::InvalidField);
    }
}

#[test]
fn created_keys_have_the_default_or_the_requested_key_format() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let rsa = [attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Rsa), length(1024)];
    let ec = on_curve(CryptographicAlgorithm::Ec, RecommendedCurve::P256);
    for (version, attributes, private_format, public_format) in [
        (V1_4, rsa.to_vec(), F::Pkcs8, F::Pkcs1),
        (V2_0, rsa.to_vec(), F::Pkcs8, F::Pkcs1),
        (V2_1, rsa.to_vec(), F::Pkcs1, F::Pkcs1),
        (V1_4, ec.clone(), F::Pkcs8, F::X509),
        (V2_1, ec.clone(), F::TransparentEcPrivateKey, F::TransparentEcPublicKey),
    ] {
        let (private, public) = pair(&mut john, version, &attributes);
        assert_eq!(block(&john.get(version, &private)).key_format_type, private_format, "{version}");
        assert_eq!(block(&john.get(version, &public)).key_format_type, public_format, "{version}");
    }
    let asked = [ec.as_slice(), &[attribute(Tag::KeyFormatType, &F::Pkcs8)]].concat();
    // One format for both keys is rejected, because a public key has no PKCS#8.
    assert_eq!(make_pair(&mut john, V2_1, &asked).refused(), ResultReason::KeyFormatTypeNotSupported);
    let create = |writer: &mut Writer| {
        ObjectType::SymmetricKey.write(Tag::ObjectType, writer);
        let format = attribute(Tag::KeyFormatType, &F::TransparentSymmetricKey);
        template(Tag::Attributes, &[algorithm(), length(128), usage(4), format], writer);
    };
    let made = john.ask(V2_1, Operation::Create, create).id();
    assert_eq!(john.attribute(V2_1, &made, Tag::KeyFormatType), Some(F::TransparentSymmetricKey));
    let digests = john.attributes(V2_1, &made);
    let digests: Vec<_> = digests.iter().filter(|it| it.row.tag == Tag::Digest).collect();
    let formats: Vec<_> =
        digests.iter().map(|digest| digest.read::<Digest>().unwrap().key_format_type).collect();
    assert_eq!(formats, [Some(F::TransparentSymmetricKey), Some(F::Raw)]);
}

#[test]
fn derives_algorithm_and_length_from_a_registered_key() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let rsa = rsa::generate(1024).unwrap();
    let mut public = key(F::Pkcs1, CryptographicAlgorithm::Rsa, 0, rsa.public_pkcs1);
    public.key_block.cryptographic_algorithm = None;
    public.key_block.cryptographic_length = None;
    let public = john.register(V1_4, &Object::PublicKey(public), &[usage(2)]).id();
    assert_eq!(john.attribute(V1_4, &public, Tag::CryptographicAlgorithm), Some(CryptographicAlgorithm::Rsa));
    assert_eq!(john.attribute(V1_4, &public, Tag::CryptographicLength), Some(1024));
}

#[test]
fn creates_secret_data_since_1_3_with_a_length_in_whole_bytes() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let create = |caller: &mut Caller, version, bits| {
        caller.ask(version, Operation::Create, |writer| {
            ObjectType::SecretData.write(Tag::ObjectType, writer);
            template(Tag::Attributes, &[length(bits)], writer);
        })
    };
    for (version, format) in [(V1_3, F::Opaque), (V1_4, F::Opaque), (V2_0, F::Opaque), (V2_1, F::Raw)] {
        let made = create(&mut john, version, 80).id();
        let Object::SecretData(secret) = john.get(version, &made) else { panic!("{version}") };
        assert_eq!(secret.secret_data_type, SecretDataType::Password);
        assert_eq!(secret.key_block.key_format_type, format);
        assert_eq!(secret.key_block.bytes().unwrap().len(), 10);
    }
    assert_eq!(create(&mut john, V1_2, 80).refused(), ResultReason::InvalidField);
    for bits in [0, -8, 81, i32::MAX - 7] {
        assert_eq!(create(&mut john, V1_4, bits).refused(), ResultReason::InvalidField, "{bits}");
    }
}

#[test]
fn returns_a_private_key_as_a_container_with_the_linked_password() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let link = |link_type, to: &str| {
        let linked_object_identifier = UniqueIdentifier::Text(to.to_owned());
        attribute(Tag::Link, &Link { link_type, linked_object_identifier })
    };
    let certificate = john.ask(V1_4, Operation::Register, |writer| register(&objects()[5], writer)).id();
    let active = john.ask(V1_4, Operation::Register, |writer| register(&objects()[2], writer)).id();
    let idle = SecretData {
        secret_data_type: SecretDataType::Password,
        key_block: crate::dialogue::block(F::Opaque, b"password".to_vec()),
    };
    let idle = john.register(V1_4, &Object::SecretData(idle), &[usage(0)]).id();
    let rsa = rsa::generate(1024).unwrap();
    let private = key(F::Pkcs8, CryptographicAlgorithm::Rsa, 1024, rsa.private_pkcs8.expose().to_vec());
    let private = Object::PrivateKey(private);
    let linked = |caller: &mut Caller, links: &[Attribute]| {
        caller.register(V1_4, &private, &[&[usage(1)], links].concat()).id()
    };
    let whole =
        [link(LinkType::Pkcs12PasswordLink, &active), link(LinkType::Pkcs12CertificateLink, &certificate)];
    let id = linked(&mut john, &whole);
    let container = get(&mut john, V1_4, &id, F::Pkcs12).object();
    assert_eq!(
        (block(&container).key_format_type, block(&container).cryptographic_length),
        (F::Pkcs12, None)
    );
    let bytes = block(&container).bytes().unwrap();
    assert!(bytes.len() > 1024 && bytes.expose()[0] == 0x30);
    for (links, reason) in [
        (vec![], ResultReason::KeyFormatTypeNotSupported),
        (vec![link(LinkType::Pkcs12PasswordLink, &idle)], ResultReason::PermissionDenied),
        (vec![link(LinkType::Pkcs12PasswordLink, "999")], ResultReason::ItemNotFound),
        (vec![link(LinkType::Pkcs12PasswordLink, &certificate)], ResultReason::InvalidField),
    ] {
        let id = linked(&mut john, &links);
        assert_eq!(get(&mut john, V1_4, &id, F::Pkcs12).refused(), reason, "{links:?}");
    }
    // The password of another user cannot protect a container.
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let theirs = linked(&mut jane, &whole);
    assert_eq!(get(&mut jane, V1_4, &theirs, F::Pkcs12).refused(), ResultReason::PermissionDenied);
}
