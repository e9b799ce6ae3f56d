//! Derive Key over TLS: known answers of each method, access and restarts.

use kmip_server::internals::secret::Secret;
use kmip_server::kmip::Object;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, CryptographicUsageMask, DerivationMethod, HashingAlgorithm,
    KeyFormatType, LinkType, ObjectType, Operation, PaddingMethod, RecommendedCurve, ResultReason,
    SecretDataType, State,
};
use kmip_server::kmip::structures::{
    CryptographicDomainParameters, CryptographicParameters, DerivationParameters, Link, UniqueIdentifier,
};
use kmip_server::ttlv::{DateTime, Field, SUPPORTED, Tag, V1_0, V1_2, V1_4, V2_1, Value, Version};

use crate::corpus::{algorithm, attribute, id, length, named, objects, register, template, usage};
use crate::dialogue::{Answer, Caller, Live, block, key};
use crate::harness::Pki;

const DERIVE: i32 = CryptographicUsageMask::DERIVE_KEY.0;
const KEY: [u8; 16] =
    [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF];

/// A Derive Key request.
#[derive(Clone)]
struct Ask {
    made: ObjectType,
    bases: Vec<String>,
    method: DerivationMethod,
    parameters: DerivationParameters,
    attributes: Vec<Attribute>,
}

impl Ask {
    /// Creates a request for an AES key of 128 bits by `method` with SHA-256.
    fn new(base: &str, method: DerivationMethod) -> Self {
        Self {
            made: ObjectType::SymmetricKey,
            bases: vec![base.to_owned()],
            method,
            parameters: DerivationParameters {
                cryptographic_parameters: Some(CryptographicParameters {
                    hashing_algorithm: Some(HashingAlgorithm::Sha256),
                    ..CryptographicParameters::default()
                }),
                initialization_vector: None,
                derivation_data: None,
                salt: None,
                iteration_count: None,
            },
            attributes: vec![algorithm(), length(128), usage(0xC)],
        }
    }

    fn data(mut self, data: &[u8]) -> Self {
        self.parameters.derivation_data = Some(Secret::new(data.to_vec()));
        self
    }

    fn send(&self, caller: &mut Caller, version: Version) -> Answer {
        caller.ask(version, Operation::DeriveKey, |writer| {
            self.made.write(Tag::ObjectType, writer);
            self.bases.iter().for_each(|base| id(base, writer));
            self.method.write(Tag::DerivationMethod, writer);
            self.parameters.encode(Tag::DerivationParameters, writer);
            template(Tag::Attributes, &self.attributes, writer);
        })
    }

    /// Returns the bytes of the derived object.
    fn derived(&self, caller: &mut Caller, version: Version) -> Vec<u8> {
        let made = self.send(caller, version).id();
        bytes(&caller.get(version, &made))
    }
}

fn bytes(object: &Object) -> Vec<u8> {
    object.key_block().unwrap().bytes().unwrap().expose().to_vec()
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn aes(caller: &mut Caller, version: Version) -> String {
    let object = key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, KEY.to_vec());
    caller.register(version, &Object::SymmetricKey(object), &[usage(DERIVE)]).id()
}

fn secret(caller: &mut Caller, version: Version, bytes: &[u8]) -> String {
    let secret = kmip_server::kmip::SecretData {
        secret_data_type: SecretDataType::Password,
        key_block: block(KeyFormatType::Opaque, bytes.to_vec()),
    };
    caller.register(version, &Object::SecretData(secret), &[usage(DERIVE)]).id()
}

/// SHA-256 and HMAC-SHA-256 of FIPS 180-4 and RFC 2104 by Python's hashlib, PBKDF2 of RFC 6070 and RFC 7914
/// §11, AES of FIPS 197.
#[test]
fn derives_known_answers_with_every_method_in_every_version() {
    use DerivationMethod::*;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in SUPPORTED {
        let key = aes(&mut john, version);
        let password = secret(&mut john, version, b"passwd");
        let hashed = Ask::new(&key, Hash).derived(&mut john, version);
        assert_eq!(hashed, hex("a8faed6abbf35c12a4b26e40f6feb19d"), "{version}");
        let coded = Ask::new(&key, Hmac).data(&[1, 2]).derived(&mut john, version);
        assert_eq!(coded, hex("1e15c1f1da233629f770fb0a04a5020e"), "{version}");
        // With a salt, even an empty one, it is HKDF.
        let mut hkdf = Ask::new(&key, Hmac).data(&[1, 2]);
        hkdf.parameters.salt = Some(Vec::new());
        assert_eq!(hkdf.derived(&mut john, version), hex("5e46820a3e7e3f7abf0f0f8803e7f7a7"), "{version}");

        let mut pbkdf2 = Ask::new(&password, Pbkdf2);
        pbkdf2.parameters.salt = Some(b"salt".to_vec());
        pbkdf2.parameters.iteration_count = Some(1);
        assert_eq!(pbkdf2.derived(&mut john, version), hex("55ac046e56e3089fec1691c22544b605"), "{version}");
        // Without a Hashing Algorithm, it is the default of the standard.
        let password = secret(&mut john, version, b"password");
        pbkdf2.bases = vec![password];
        pbkdf2.parameters.cryptographic_parameters = None;
        pbkdf2.parameters.iteration_count = Some(2);
        assert_eq!(pbkdf2.derived(&mut john, version), hex("ea6c014dc72d6f8ccd1ed92ace1d41f0"), "{version}");

        let mut encrypted = Ask::new(&key, Encrypt).data(&[0; 16]);
        encrypted.parameters.cryptographic_parameters = Some(CryptographicParameters {
            block_cipher_mode: Some(BlockCipherMode::Ecb),
            padding_method: Some(PaddingMethod::None),
            cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
            ..CryptographicParameters::default()
        });
        assert_eq!(
            encrypted.derived(&mut john, version),
            hex("fde4fbae4a09e020eff722969f83832b"),
            "{version}"
        );

        // More than one block: the first one of the feedback mode without an IV is that of the counter mode.
        let counted = [Nist800_108C, Nist800_108F, Nist800_108Dpi].map(|method| {
            let mut ask = Ask::new(&key, method).data(b"label\0context");
            ask.attributes = vec![algorithm(), length(512), usage(0xC)];
            ask.derived(&mut john, version)
        });
        assert!(counted[0] != counted[1] && counted[1] != counted[2]);
        // Without derivation data in the request, the server uses that of a second object.
        let data = secret(&mut john, version, &[1, 2]);
        let mut two = Ask::new(&key, Hmac);
        two.bases.push(data);
        assert_eq!(two.derived(&mut john, version), coded);
    }
}

#[test]
fn key_agreement_derives_the_same_key_on_both_sides() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for (curve, bits) in [
        (RecommendedCurve::Secp256K1, 256),
        (RecommendedCurve::P224, 128),
        (RecommendedCurve::P384, 384),
        (RecommendedCurve::P521, 256),
    ] {
        let domain = CryptographicDomainParameters { qlength: None, recommended_curve: Some(curve) };
        let common = [
            attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Ec),
            attribute(Tag::CryptographicDomainParameters, &domain),
            usage(DERIVE),
        ];
        let mut pair = || {
            let answer = john.ask(V1_4, Operation::CreateKeyPair, |writer| {
                template(Tag::CommonAttributes, &common, writer);
            });
            let one = |tag| answer.all::<String>(tag).remove(0);
            (one(Tag::PrivateKeyUniqueIdentifier), one(Tag::PublicKeyUniqueIdentifier))
        };
        let (one, other) = (pair(), pair());
        let agree = |private: &str, public: &str| Ask {
            made: ObjectType::SecretData,
            bases: vec![private.to_owned(), public.to_owned()],
            attributes: vec![length(bits), usage(DERIVE)],
            ..Ask::new("", DerivationMethod::AsymmetricKey)
        };
        let here = agree(&one.0, &other.1).derived(&mut john, V1_4);
        assert_eq!(here, agree(&other.0, &one.1).derived(&mut john, V1_4), "{curve}");
        assert_eq!(here.len() * 8, usize::try_from(bits).unwrap());
        let too_long = Ask { attributes: vec![length(1024), usage(DERIVE)], ..agree(&one.0, &other.1) };
        assert_eq!(too_long.send(&mut john, V1_4).refused(), ResultReason::CryptographicFailure);
        assert_eq!(agree(&one.0, &other.0).send(&mut john, V1_4).refused(), ResultReason::InvalidField);
    }
}

#[test]
fn derived_objects_have_their_attributes_and_links_to_the_base_object() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("kmip.db");
    let (base, made, data) = {
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let base = aes(&mut john, V1_2);
        let data = secret(&mut john, V1_2, b"data");
        let mut ask = Ask::new(&base, DerivationMethod::Hmac);
        ask.bases.push(data.clone());
        ask.attributes.extend([named("derived"), attribute(Tag::ActivationDate, &DateTime(1_000))]);
        let made = ask.send(&mut john, V1_2).id();
        (base, made, data)
    };
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    let links = |caller: &mut Caller, id: &str| -> Vec<Link> {
        let attributes = caller.attributes(V1_2, id);
        attributes.iter().filter(|it| it.row.tag == Tag::Link).map(|it| it.read().unwrap()).collect()
    };
    let link = |link_type, to: &str| Link {
        link_type,
        linked_object_identifier: UniqueIdentifier::Text(to.to_owned()),
    };
    let own = links(&mut john, &made);
    let expected =
        [link(LinkType::DerivationBaseObjectLink, &base), link(LinkType::DerivationBaseObjectLink, &data)];
    assert_eq!(own, expected);
    for base in [&base, &data] {
        assert_eq!(links(&mut john, base), [link(LinkType::DerivedKeyLink, &made)]);
    }
    assert_eq!(john.attribute(V1_2, &made, Tag::State), Some(State::Active));
    assert_eq!(john.attribute(V1_2, &made, Tag::CryptographicLength), Some(128));
    assert_eq!(john.attribute(V1_2, &made, Tag::CryptographicAlgorithm), Some(CryptographicAlgorithm::Aes));
    assert_eq!(john.attribute(V1_2, &made, Tag::CryptographicUsageMask), Some(CryptographicUsageMask(0xC)));
}

#[test]
fn rejects_invalid_derivations_without_creating_an_object() {
    use DerivationMethod::*;
    use ResultReason as R;
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let key = aes(&mut john, V1_0);
    let certificate = john.ask(V1_0, Operation::Register, |writer| register(&objects()[5], writer)).id();
    let good = Ask::new(&key, Hmac).data(b"info");
    let unfit = {
        let object = crate::dialogue::key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![1; 16]);
        john.register(V1_0, &Object::SymmetricKey(object), &[usage(4)]).id()
    };
    assert_eq!(good.send(&mut jane, V1_0).refused(), R::PermissionDenied);
    let of =
        |bases: &[&str]| Ask { bases: bases.iter().map(|it| (*it).to_owned()).collect(), ..good.clone() };
    let with = |attributes: Vec<Attribute>| Ask { attributes, ..good.clone() };
    let hash = |hash| {
        let mut ask = good.clone();
        ask.parameters.cryptographic_parameters =
            Some(CryptographicParameters { hashing_algorithm: hash, ..CryptographicParameters::default() });
        ask
    };
    let pbkdf2 = |salt: Option<&[u8]>, iteration_count| {
        let mut ask = Ask::new(&key, Pbkdf2);
        ask.parameters.salt = salt.map(<[u8]>::to_vec);
        ask.parameters.iteration_count = iteration_count;
        ask
    };
    for (number, (ask, reason)) in [
        (of(&["999"]), R::ItemNotFound),
        (of(&[&certificate]), R::InvalidField),
        (of(&[&unfit]), R::InvalidField),
        (of(&[&key, &unfit]), R::InvalidField),
        (of(&[]), R::InvalidField),
        (of(&[key.as_str(); 17]), R::InvalidField),
        (with(vec![algorithm(), usage(4)]), R::InvalidField),
        (with(vec![algorithm(), length(127), usage(4)]), R::InvalidField),
        (with(vec![algorithm(), length(0), usage(4)]), R::InvalidField),
        (with(vec![length(128), usage(4)]), R::InvalidField),
        (Ask { made: ObjectType::PrivateKey, ..good.clone() }, R::InvalidField),
        (hash(None), R::InvalidField),
        (hash(Some(HashingAlgorithm::Tiger)), R::InvalidField),
        (pbkdf2(None, Some(1)), R::InvalidField),
        (pbkdf2(Some(b"salt"), None), R::InvalidField),
        (pbkdf2(Some(b"salt"), Some(0)), R::InvalidField),
        (pbkdf2(Some(b"salt"), Some(i32::MAX)), R::InvalidField),
        (Ask { method: Hash, ..good.clone() }, R::InvalidField),
        (Ask { method: AsymmetricKey, ..good.clone() }, R::InvalidField),
        (
            Ask { attributes: vec![algorithm(), length(512), usage(4)], ..Ask::new(&key, Hash) },
            R::CryptographicFailure,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask.send(&mut john, V1_0).refused(), reason, "case {number}");
    }
    assert_eq!(of(&[&certificate]).send(&mut john, V2_1).refused(), R::InvalidObjectType);
    assert_eq!(of(&[&unfit]).send(&mut john, V2_1).refused(), R::IncompatibleCryptographicUsageMask);
    let found = john.ask(V1_0, Operation::Locate, |_| ()).ids();
    assert_eq!(found.len(), 3, "nothing but what was registered: {found:?}");
}
