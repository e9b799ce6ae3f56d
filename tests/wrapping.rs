//! Wrapped keys over TLS: Get, Register, unwrapping and failures.

use kmip_server::internals::crypto::wrap::{self, Wrapping};
use kmip_server::internals::crypto::{Key as Bytes, mac};
use kmip_server::internals::secret::Secret;
use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, CryptographicUsageMask, EncodingOption, KeyFormatType,
    KeyWrapType, Operation, ResultReason, WrappingMethod,
};
use kmip_server::kmip::structures::{CryptographicParameters, UniqueIdentifier, UsageLimits};
use kmip_server::kmip::{
    KeyBlock, KeyInformation, KeyMaterial, KeyValue, KeyWrappingData, KeyWrappingSpecification, Object,
};
use kmip_server::ttlv::{DateTime, Field, Tag, V1_1, V1_2, V1_4, V2_0, V2_1, Value, Version};

use crate::corpus::{attribute, id, named, objects, register, usage};
use crate::dialogue::{Answer, Caller, Live, key};
use crate::harness::Pki;

/// RFC 3394 §4.1.
const KEK: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const KEY: [u8; 16] =
    [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF];
const WRAPPED: [u8; 24] = [
    0x1F, 0xA6, 0x8B, 0x0A, 0x81, 0x12, 0xB4, 0x47, 0xAE, 0xF3, 0x4B, 0xD8, 0xFB, 0x5A, 0x7B, 0x82, 0x9D,
    0x3E, 0x86, 0x23, 0x71, 0xD2, 0xCF, 0xE5,
];

const ENCRYPT: i32 = CryptographicUsageMask::ENCRYPT.0;
const WRAP: i32 = CryptographicUsageMask::WRAP_KEY.0;
const CODE: i32 = CryptographicUsageMask::MAC_GENERATE.0;
const SIGN: i32 = CryptographicUsageMask::SIGN.0;

fn aes(bytes: &[u8]) -> Object {
    let bits = i32::try_from(bytes.len() * 8).unwrap();
    Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, bits, bytes.to_vec()))
}

fn active(mask: i32) -> Vec<Attribute> {
    vec![usage(mask), attribute(Tag::ActivationDate, &DateTime(1_000))]
}

fn by(mode: BlockCipherMode) -> CryptographicParameters {
    CryptographicParameters { block_cipher_mode: Some(mode), ..CryptographicParameters::default() }
}

fn information(id: &str, parameters: Option<CryptographicParameters>) -> Option<KeyInformation> {
    Some(KeyInformation {
        unique_identifier: UniqueIdentifier::Text(id.to_owned()),
        cryptographic_parameters: parameters,
    })
}

/// Returns a specification of AES key wrap with this key and No Encoding.
fn plainly(kek: &str) -> KeyWrappingSpecification {
    KeyWrappingSpecification {
        wrapping_method: WrappingMethod::Encrypt,
        encryption_key_information: information(kek, Some(by(BlockCipherMode::NISTKeyWrap))),
        mac_signature_key_information: None,
        attribute_names: Vec::new(),
        encoding_option: Some(EncodingOption::NoEncoding),
    }
}

fn get(caller: &mut Caller, version: Version, key: &str, how: &KeyWrappingSpecification) -> Answer {
    caller.ask(version, Operation::Get, |writer| {
        id(key, writer);
        how.encode(Tag::KeyWrappingSpecification, writer);
    })
}

fn as_wanted(caller: &mut Caller, key: &str, wrap_type: KeyWrapType) -> Answer {
    caller.ask(V1_4, Operation::Get, |writer| {
        id(key, writer);
        wrap_type.write(Tag::KeyWrapType, writer);
    })
}

fn block(object: &Object) -> &KeyBlock {
    object.key_block().unwrap()
}

fn unwrapping(mode: BlockCipherMode) -> Wrapping<'static> {
    Wrapping {
        method: WrappingMethod::Encrypt,
        algorithm: CryptographicAlgorithm::Aes,
        key: Bytes(&KEK),
        mode: Some(mode),
    }
}

#[test]
fn wraps_the_test_vector_of_rfc_3394() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in [V1_1, V1_2, V1_4, V2_0, V2_1] {
        let kek = john.register(version, &aes(&KEK), &active(WRAP)).id();
        let parameters = attribute(Tag::CryptographicParameters, &by(BlockCipherMode::NISTKeyWrap));
        let standard = john.register(version, &aes(&KEK), &[active(WRAP), vec![parameters]].concat()).id();
        let key = john.register(version, &aes(&KEY), &[usage(ENCRYPT)]).id();
        let material = KeyValue::of(KeyMaterial::Bytes(Secret::new(WRAPPED.to_vec())));
        let value = KeyValue::Wrapped(Secret::new(WRAPPED.to_vec()));
        for (kek, expected) in [(&kek, material), (&standard, value)] {
            let wrapped = get(&mut john, version, &key, &plainly(kek)).object();
            assert_eq!(block(&wrapped).key_value.as_ref(), Some(&expected), "{version}");
            let data = block(&wrapped).key_wrapping_data.clone().unwrap();
            assert_eq!(data.encryption_key_information, plainly(kek).encryption_key_information);
            assert_eq!(data.encoding_option, Some(EncodingOption::NoEncoding));
            assert_eq!(block(&wrapped).cryptographic_length, Some(128));
        }
    }
}

#[test]
fn wraps_the_key_value_with_its_attributes_if_the_request_names_no_encoding() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    for version in [V1_1, V1_4, V2_1] {
        let kek = john.register(version, &aes(&KEK), &active(WRAP)).id();
        let key = john.register(version, &aes(&KEY), &[usage(ENCRYPT), named("wrapped")]).id();
        let how = KeyWrappingSpecification {
            attribute_names: vec!["Cryptographic Usage Mask".to_owned(), "Link".to_owned()],
            encoding_option: None,
            encryption_key_information: information(&kek, Some(by(BlockCipherMode::AESKeyWrapPadding))),
            ..plainly(&kek)
        };
        let wrapped = get(&mut john, version, &key, &how).object();
        let Some(KeyValue::Wrapped(bytes)) = &block(&wrapped).key_value else { panic!("{wrapped:?}") };
        let plain = wrap::unwrap(&unwrapping(BlockCipherMode::AESKeyWrapPadding), bytes.expose()).unwrap();
        let plain = KeyValue::parse(KeyFormatType::Raw, plain.expose(), version).unwrap();
        let KeyValue::Plain { material, attributes } = plain else { panic!("{plain:?}") };
        assert_eq!(material, KeyMaterial::Bytes(Secret::new(KEY.to_vec())));
        assert_eq!(attributes.0.len(), 1);
        assert_eq!(attributes.0[0].read(), Ok(CryptographicUsageMask(ENCRYPT)));
        // The wrapped key can be registered, and the server unwraps it on request.
        let again = john.register(version, &wrapped, &[usage(ENCRYPT)]).id();
        assert_eq!(john.get(version, &again), wrapped);
        if version == V1_4 {
            let plain = as_wanted(&mut john, &again, KeyWrapType::NotWrapped).object();
            assert_eq!(block(&plain).bytes().unwrap().expose(), KEY);
            assert_eq!(block(&plain).key_wrapping_data, None);
        }
    }
}

#[test]
fn returns_a_wrapped_key_as_registered_unwrapped_or_rewrapped() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let parameters = attribute(Tag::CryptographicParameters, &by(BlockCipherMode::NISTKeyWrap));
    let kek = john.register(V1_4, &aes(&KEK), &[active(WRAP), vec![parameters]].concat()).id();
    let mut object = aes(&WRAPPED);
    let part = object.key_block_mut().unwrap();
    part.cryptographic_length = Some(128);
    part.key_wrapping_data = Some(KeyWrappingData {
        wrapping_method: WrappingMethod::Encrypt,
        encryption_key_information: plainly(&kek).encryption_key_information,
        mac_signature_key_information: None,
        mac_signature: None,
        iv_counter_nonce: None,
        encoding_option: Some(EncodingOption::NoEncoding),
    });
    let key = john.register(V1_4, &object, &[usage(ENCRYPT)]).id();
    assert_eq!(john.get(V1_4, &key), object);
    assert_eq!(as_wanted(&mut john, &key, KeyWrapType::AsRegistered).object(), object);
    let plain = as_wanted(&mut john, &key, KeyWrapType::NotWrapped).object();
    assert_eq!(plain, aes(&KEY));
    assert_eq!(get(&mut john, V1_4, &key, &plainly(&kek)).object(), object);

    // A user without access to the wrapping key cannot get the key unwrapped.
    let changed = {
        let mut changed = object.clone();
        let mut bytes = WRAPPED.to_vec();
        bytes[3] ^= 1;
        changed.key_block_mut().unwrap().key_value =
            Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(bytes))));
        john.register(V1_4, &changed, &[usage(ENCRYPT)]).id()
    };
    let refused = as_wanted(&mut john, &changed, KeyWrapType::NotWrapped).refused();
    assert_eq!(refused, ResultReason::CryptographicFailure);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let theirs = jane.register(V1_4, &object, &[usage(ENCRYPT)]).id();
    assert_eq!(jane.get(V1_4, &theirs), object);
    let refused = as_wanted(&mut jane, &theirs, KeyWrapType::NotWrapped).refused();
    assert_eq!(refused, ResultReason::ItemNotFound);
}

#[test]
fn wraps_with_mac_or_signature_before_after_or_instead_of_encryption() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let kek = john.register(V1_4, &aes(&KEK), &active(WRAP)).id();
    let hmac = key(KeyFormatType::Raw, CryptographicAlgorithm::HmacSha256, 256, vec![9; 32]);
    let hmac = john.register(V1_4, &Object::SymmetricKey(hmac), &active(CODE)).id();
    let key = john.register(V1_4, &aes(&KEY), &[usage(ENCRYPT)]).id();
    for method in
        [WrappingMethod::MacSign, WrappingMethod::EncryptThenMacSign, WrappingMethod::MacSignThenEncrypt]
    {
        let how = KeyWrappingSpecification {
            wrapping_method: method,
            mac_signature_key_information: information(&hmac, None),
            ..plainly(&kek)
        };
        let wrapped = get(&mut john, V1_4, &key, &how).object();
        let signed = if method == WrappingMethod::EncryptThenMacSign { &WRAPPED[..] } else { &KEY };
        let code = mac::compute(CryptographicAlgorithm::HmacSha256, Bytes(&[9; 32]), signed).unwrap();
        let data = block(&wrapped).key_wrapping_data.clone().unwrap();
        assert_eq!(data.mac_signature, Some(code), "{method}");
        let again = john.register(V1_4, &wrapped, &[usage(ENCRYPT)]).id();
        let plain = as_wanted(&mut john, &again, KeyWrapType::NotWrapped).object();
        assert_eq!(block(&plain).bytes().unwrap().expose(), KEY, "{method}");

        let mut changed = wrapped;
        let data = changed.key_block_mut().unwrap().key_wrapping_data.as_mut().unwrap();
        data.mac_signature.as_mut().unwrap()[0] ^= 1;
        let changed = john.register(V1_4, &changed, &[usage(ENCRYPT)]).id();
        let refused = as_wanted(&mut john, &changed, KeyWrapType::NotWrapped).refused();
        assert_eq!(refused, ResultReason::CryptographicFailure, "{method}");

        let nothing = KeyWrappingSpecification { mac_signature_key_information: None, ..how.clone() };
        assert_eq!(get(&mut john, V1_4, &key, &nothing).refused(), ResultReason::PermissionDenied);
        let unfit = KeyWrappingSpecification {
            mac_signature_key_information: information(&kek, None),
            ..how.clone()
        };
        assert_eq!(get(&mut john, V1_4, &key, &unfit).refused(), ResultReason::PermissionDenied);
    }
}

#[test]
fn verifies_the_signature_of_a_wrapped_key_with_the_public_key() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let private = john.ask(V1_4, Operation::Register, |writer| register(&objects()[3], writer)).id();
    let public = john.ask(V1_4, Operation::Register, |writer| register(&objects()[4], writer)).id();
    let key = john.register(V1_4, &aes(&KEY), &[usage(ENCRYPT)]).id();
    let parameters = CryptographicParameters {
        padding_method: Some(kmip_server::kmip::enums::PaddingMethod::Pss),
        hashing_algorithm: Some(kmip_server::kmip::enums::HashingAlgorithm::Sha256),
        ..CryptographicParameters::default()
    };
    let how = KeyWrappingSpecification {
        wrapping_method: WrappingMethod::MacSign,
        encryption_key_information: None,
        mac_signature_key_information: information(&private, Some(parameters.clone())),
        attribute_names: Vec::new(),
        encoding_option: Some(EncodingOption::TtlvEncoding),
    };
    let mut signed = get(&mut john, V1_4, &key, &how).object();
    let data = signed.key_block_mut().unwrap().key_wrapping_data.as_mut().unwrap();
    data.mac_signature_key_information = information(&public, Some(parameters));
    let again = john.register(V1_4, &signed, &[usage(ENCRYPT)]).id();
    let plain = as_wanted(&mut john, &again, KeyWrapType::NotWrapped).object();
    assert_eq!(block(&plain).bytes().unwrap().expose(), KEY);
}

#[test]
fn rejects_invalid_wrapping_with_the_reason_of_the_version() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let mut jane = server.caller(&pki, &pki.ca.client("Jane Doe"));
    let key = john.register(V1_2, &aes(&KEY), &[usage(ENCRYPT)]).id();
    let kek = john.register(V1_2, &aes(&KEK), &active(WRAP)).id();
    let hers = jane.register(V1_2, &aes(&KEK), &active(WRAP)).id();
    let idle = john.register(V1_2, &aes(&KEK), &[usage(WRAP)]).id();
    let unfit = john.register(V1_2, &aes(&KEK), &active(ENCRYPT)).id();
    let secret = john.ask(V1_2, Operation::Register, |writer| register(&objects()[2], writer)).id();
    let certificate = john.ask(V1_2, Operation::Register, |writer| register(&objects()[5], writer)).id();
    use ResultReason as R;
    for (kek, pykmip, table) in [
        ("999", R::ItemNotFound, R::WrappingObjectNotFound),
        (&hers, R::ItemNotFound, R::WrappingObjectNotFound),
        (&secret, R::IllegalOperation, R::InvalidObjectType),
        (&idle, R::PermissionDenied, R::WrongKeyLifecycleState),
        (&unfit, R::PermissionDenied, R::IncompatibleCryptographicUsageMask),
    ] {
        assert_eq!(get(&mut john, V1_2, &key, &plainly(kek)).refused(), pykmip, "{kek}");
        assert_eq!(get(&mut john, V2_1, &key, &plainly(kek)).refused(), table, "{kek}");
    }
    let good = plainly(&kek);
    for (how, reason) in [
        (
            KeyWrappingSpecification { wrapping_method: WrappingMethod::Tr31, ..good.clone() },
            R::OperationNotSupported,
        ),
        (KeyWrappingSpecification { encryption_key_information: None, ..good.clone() }, R::PermissionDenied),
        (
            KeyWrappingSpecification { attribute_names: vec!["Name".to_owned()], ..good.clone() },
            R::IllegalOperation,
        ),
        (
            KeyWrappingSpecification {
                encryption_key_information: information(&kek, Some(by(BlockCipherMode::Cbc))),
                ..good.clone()
            },
            R::InvalidField,
        ),
        (
            KeyWrappingSpecification { encryption_key_information: information(&kek, None), ..good.clone() },
            R::InvalidField,
        ),
    ] {
        assert_eq!(get(&mut john, V1_2, &key, &how).refused(), reason, "{how:?}");
    }
    assert_eq!(get(&mut john, V1_2, &certificate, &good).refused(), R::IllegalOperation);
    let odd = john.register(V1_2, &aes(&KEY[..15]), &[usage(ENCRYPT)]).id();
    assert_eq!(get(&mut john, V1_2, &odd, &good).refused(), R::CryptographicFailure);
    let transparent = john
        .ask(V1_2, Operation::Get, |writer| {
            id(&key, writer);
            KeyFormatType::TransparentSymmetricKey.write(Tag::KeyFormatType, writer);
            good.encode(Tag::KeyWrappingSpecification, writer);
        })
        .refused();
    assert_eq!(transparent, R::EncodingOptionError);
    let both = john.ask(V1_4, Operation::Get, |writer| {
        id(&key, writer);
        KeyWrapType::AsRegistered.write(Tag::KeyWrapType, writer);
        good.encode(Tag::KeyWrappingSpecification, writer);
    });
    assert_eq!(both.refused(), R::InvalidField);
}

#[test]
fn returns_sensitive_keys_only_wrapped_and_unextractable_keys_never() {
    let pki = Pki::new();
    let server = Live::start(&pki.config());
    let mut john = server.caller(&pki, &pki.client);
    let kek = john.register(V1_4, &aes(&KEK), &active(WRAP | SIGN | CODE)).id();
    let sensitive = john.register(V1_4, &aes(&KEY), &[usage(ENCRYPT), attribute(Tag::Sensitive, &true)]).id();
    let fixed = john.register(V1_4, &aes(&KEY), &[usage(ENCRYPT), attribute(Tag::Extractable, &false)]).id();
    let signed = KeyWrappingSpecification {
        wrapping_method: WrappingMethod::MacSign,
        encryption_key_information: None,
        mac_signature_key_information: information(&kek, None),
        ..plainly(&kek)
    };
    get(&mut john, V1_4, &sensitive, &plainly(&kek)).done();
    assert_eq!(get(&mut john, V1_4, &sensitive, &signed).refused(), ResultReason::Sensitive);
    let plain = as_wanted(&mut john, &sensitive, KeyWrapType::NotWrapped).refused();
    assert_eq!(plain, ResultReason::Sensitive);
    assert_eq!(get(&mut john, V1_4, &fixed, &plainly(&kek)).refused(), ResultReason::NotExtractable);
    let plain = john.ask(V1_4, Operation::Get, |writer| id(&fixed, writer)).refused();
    assert_eq!(plain, ResultReason::NotExtractable);
}

#[test]
fn wrapping_reduces_the_usage_limits_of_the_wrapping_key_durably() {
    let pki = Pki::new();
    let mut config = pki.config();
    config.database_path = pki.folder.path("kmip.db");
    let limits = UsageLimits {
        usage_limits_total: 2,
        usage_limits_count: None,
        usage_limits_unit: kmip_server::kmip::enums::UsageLimitsUnit::Object,
    };
    let (kek, key, wrapped) = {
        let server = Live::start(&config);
        let mut john = server.caller(&pki, &pki.client);
        let limited = [active(WRAP), vec![attribute(Tag::UsageLimits, &limits)]].concat();
        let kek = john.register(V1_4, &aes(&KEK), &limited).id();
        let key = john.register(V1_4, &aes(&KEY), &[usage(ENCRYPT)]).id();
        let object = get(&mut john, V1_4, &key, &plainly(&kek)).object();
        let wrapped = john.register(V1_4, &object, &[usage(ENCRYPT)]).id();
        (kek, key, (wrapped, object))
    };
    let server = Live::start(&config);
    let mut john = server.caller(&pki, &pki.client);
    assert_eq!(john.get(V1_4, &wrapped.0), wrapped.1);
    get(&mut john, V1_4, &key, &plainly(&kek)).done();
    let left: UsageLimits = john.attribute(V1_4, &kek, Tag::UsageLimits).unwrap();
    assert_eq!(left.usage_limits_count, Some(0));
    assert_eq!(get(&mut john, V1_4, &key, &plainly(&kek)).refused(), ResultReason::PermissionDenied);
}
