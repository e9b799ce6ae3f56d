//! Wraps and unwraps keys in a store in memory, and checks each rule that refuses it.

use std::sync::Arc;

use super::*;
use crate::auth::Identity;
use crate::crypto::{Purpose, rsa};
use crate::engine::{NewObject, Requester, Services};
use crate::kmip::attributes::AttributeDefinition;
use crate::kmip::enums::{
    BlockCipherMode, CryptographicUsageMask, HashingAlgorithm, KeyFormatType, PaddingMethod, SecretDataType,
    State, UsageLimitsUnit,
};
use crate::kmip::structures::{UniqueIdentifier, UsageLimits};
use crate::policy::{Policies, PolicyStore};
use crate::store::{Id, Memory};
use crate::ttlv::{DateTime, Tag, V1_4, Version};

const NOW: DateTime = DateTime(1_000);
const WRAP: CryptographicUsageMask = CryptographicUsageMask::WRAP_KEY;
const MAC: CryptographicUsageMask = CryptographicUsageMask::MAC_GENERATE;
const MATERIAL: [u8; 16] = [0x55; 16];

/// A store with a context for each request.
struct Engine {
    services: Services,
    john: Identity,
}

impl Engine {
    fn new() -> Self {
        let services = Services::new(Arc::new(Memory::new()), PolicyStore::fixed(Policies::builtin()));
        let john = Identity { principal: "john".into(), groups: None, delegate: None };
        Self { services, john }
    }

    fn context(&self, version: Version) -> Context<'_> {
        Context::new(&self.services, &self.john, version)
    }

    /// Adds an object of john's after `change` set its attributes.
    fn insert(&self, object: Object, change: impl FnOnce(&mut Attributes)) -> Id {
        let mut new = NewObject::new(object);
        change(&mut new.attributes);
        let record = new.finish(&Requester::new("john", NOW)).unwrap();
        self.context(V1_4).insert(record).unwrap()
    }

    /// Adds an active AES key with this usage mask and, if there is a mode, Cryptographic Parameters.
    fn kek(&self, mask: CryptographicUsageMask, mode: Option<BlockCipherMode>) -> Id {
        self.insert(aes([0x0F; 16]), |attributes| {
            activate(attributes, mask);
            attributes.cryptographic_parameters = mode.map(parameters).into_iter().collect();
        })
    }

    /// Adds an active key for HMAC-SHA256.
    fn mac_key(&self) -> Id {
        self.insert(symmetric(CryptographicAlgorithm::HmacSha256, vec![9; 32]), |attributes| {
            activate(attributes, MAC);
        })
    }

    /// Changes the attributes of an object.
    fn change(&self, id: Id, change: impl Fn(&mut Attributes)) {
        let identifier = UniqueIdentifier::from(id);
        let mut cx = self.context(V1_4);
        let changed = cx.modify(Some(&identifier), Operation::ModifyAttribute, |record, _| {
            change(&mut record.attributes);
            Ok(())
        });
        changed.unwrap();
    }

    fn wrap(&self, object: Object, specification: &KeyWrappingSpecification) -> Result<Object, Error> {
        wrap(&mut self.context(V1_4), object, None, &Attributes::default(), specification)
    }

    fn unwrap(&self, object: &Object) -> Result<Object, Error> {
        unwrap(&mut self.context(V1_4), object.clone())
    }

    fn wrap_reason(&self, version: Version, specification: &KeyWrappingSpecification) -> ResultReason {
        let mut cx = self.context(version);
        let wrapped = wrap(&mut cx, aes(MATERIAL), None, &Attributes::default(), specification);
        wrapped.unwrap_err().reason_in(version)
    }
}

fn activate(attributes: &mut Attributes, mask: CryptographicUsageMask) {
    attributes.activation_date = Some(NOW);
    attributes.cryptographic_usage_mask = Some(mask);
}

fn symmetric(algorithm: CryptographicAlgorithm, bytes: Vec<u8>) -> Object {
    let bits = i32::try_from(bytes.len() * 8).unwrap();
    key::symmetric_key(Secret::new(bytes), algorithm, bits, None, V1_4).unwrap()
}

fn aes(bytes: [u8; 16]) -> Object {
    symmetric(CryptographicAlgorithm::Aes, bytes.to_vec())
}

fn parameters(mode: BlockCipherMode) -> CryptographicParameters {
    CryptographicParameters { block_cipher_mode: Some(mode), ..CryptographicParameters::default() }
}

fn information(id: Id, parameters: Option<CryptographicParameters>) -> Option<KeyInformation> {
    Some(KeyInformation { unique_identifier: id.into(), cryptographic_parameters: parameters })
}

fn specification(wrapping_method: WrappingMethod) -> KeyWrappingSpecification {
    KeyWrappingSpecification {
        wrapping_method,
        encryption_key_information: None,
        mac_signature_key_information: None,
        attribute_names: Vec::new(),
        encoding_option: None,
    }
}

/// Encryption by AES key wrap with this key.
fn encryption(kek: Id) -> KeyWrappingSpecification {
    KeyWrappingSpecification {
        encryption_key_information: information(kek, Some(parameters(BlockCipherMode::NISTKeyWrap))),
        ..specification(WrappingMethod::Encrypt)
    }
}

fn without_encoding(specification: KeyWrappingSpecification) -> KeyWrappingSpecification {
    KeyWrappingSpecification { encoding_option: Some(EncodingOption::NoEncoding), ..specification }
}

fn wrapped_bytes(object: &Object) -> &[u8] {
    object.key_block().unwrap().bytes().unwrap().expose()
}

#[test]
fn unwraps_what_it_wrapped_with_every_method_and_encoding() {
    let engine = Engine::new();
    let (kek, mac_key) = (engine.kek(WRAP, None), engine.mac_key());
    for method in [
        WrappingMethod::Encrypt,
        WrappingMethod::MacSign,
        WrappingMethod::EncryptThenMacSign,
        WrappingMethod::MacSignThenEncrypt,
    ] {
        for encoding in [None, Some(EncodingOption::TtlvEncoding), Some(EncodingOption::NoEncoding)] {
            let specification = KeyWrappingSpecification {
                wrapping_method: method,
                mac_signature_key_information: information(mac_key, None),
                // A Key Value in TTLV Encoding is padded to eight bytes, as AES key wrap requires.
                encoding_option: encoding,
                ..encryption(kek)
            };
            let wrapped = engine.wrap(aes(MATERIAL), &specification).unwrap();
            let data = wrapped.key_block().unwrap().key_wrapping_data.as_ref().unwrap();
            let (encrypts, signs) = (method != WrappingMethod::MacSign, method != WrappingMethod::Encrypt);
            assert_eq!(data.encryption_key_information.is_some(), encrypts, "{method}");
            assert_eq!(data.mac_signature_key_information.is_some(), signs, "{method}");
            assert_eq!(data.mac_signature.is_some(), signs, "{method}");
            assert_eq!(wrapped_bytes(&wrapped).windows(16).any(|part| part == MATERIAL), !encrypts);
            assert_eq!(engine.unwrap(&wrapped), Ok(aes(MATERIAL)), "{method} {encoding:?}");
        }
    }
}

#[test]
fn signs_with_a_private_key_and_verifies_with_the_public_key() {
    let engine = Engine::new();
    let private =
        rsa::PrivateKey::read(rsa::generate(2048).unwrap().private_pkcs8.expose(), Purpose::Sign).unwrap();
    let public = key::PlainKey::RsaPublic(private.public().unwrap());
    let block = |key: &key::PlainKey| key::key_block(key, None, V1_4).unwrap();
    let pkcs1 = CryptographicParameters {
        padding_method: Some(PaddingMethod::Pkcs1V1_5),
        hashing_algorithm: Some(HashingAlgorithm::Sha256),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Rsa),
        ..CryptographicParameters::default()
    };
    let public_key = Object::PublicKey(crate::kmip::Key { key_block: block(&public) });
    let verifying = engine.insert(public_key, |it| activate(it, CryptographicUsageMask::VERIFY));
    let private_key =
        Object::PrivateKey(crate::kmip::Key { key_block: block(&key::PlainKey::RsaPrivate(private)) });
    let signing = engine.insert(private_key, |it| activate(it, CryptographicUsageMask::SIGN));
    let mut wrapped = engine
        .wrap(
            aes(MATERIAL),
            &KeyWrappingSpecification {
                mac_signature_key_information: information(signing, Some(pkcs1.clone())),
                ..specification(WrappingMethod::MacSign)
            },
        )
        .unwrap();
    let data = wrapped.key_block_mut().unwrap().key_wrapping_data.as_mut().unwrap();
    data.mac_signature_key_information = information(verifying, Some(pkcs1));
    assert_eq!(engine.unwrap(&wrapped), Ok(aes(MATERIAL)));
}

#[test]
fn includes_the_named_attributes_in_ttlv_encoding_only() {
    let engine = Engine::new();
    let kek = engine.kek(WRAP, None);
    let attributes = Attributes { comment: Some("with the key".to_owned()), ..Attributes::default() };
    let names = vec!["Comment".to_owned(), "Contact Information".to_owned()];
    let named = KeyWrappingSpecification { attribute_names: names, ..encryption(kek) };
    let wrapped = wrap(&mut engine.context(V1_4), aes(MATERIAL), None, &attributes, &named).unwrap();
    let unwrapped = engine.unwrap(&wrapped).unwrap();
    let Some(KeyValue::Plain { attributes, .. }) = &unwrapped.key_block().unwrap().key_value else {
        panic!("the key is still wrapped");
    };
    let comment = AttributeDefinition::of(Tag::Comment).unwrap();
    assert_eq!(attributes.0, [Attribute::of(comment, &"with the key".to_owned())]);

    let bare = without_encoding(named.clone());
    assert_eq!(engine.wrap_reason(V1_4, &bare), ResultReason::IllegalOperation);
    assert_eq!(engine.wrap_reason(V2_1, &bare), ResultReason::EncodingOptionError);
    let many = KeyWrappingSpecification {
        attribute_names: vec!["Comment".to_owned(); MAX_NAMES + 1],
        ..encryption(kek)
    };
    assert_eq!(engine.wrap_reason(V1_4, &many), ResultReason::InvalidField);
}

#[test]
fn the_parameters_of_the_wrapping_key_select_the_wrapped_field() {
    let engine = Engine::new();
    let standard = without_encoding(encryption(engine.kek(WRAP, Some(BlockCipherMode::NISTKeyWrap))));
    let pykmip = without_encoding(encryption(engine.kek(WRAP, None)));
    let field = |specification, registered| {
        let mut cx = engine.context(V1_4);
        wrapped_field(
            &wrap(&mut cx, aes(MATERIAL), registered, &Attributes::default(), specification).unwrap(),
        )
    };
    assert_eq!(field(&standard, None), Some(WrappedField::KeyValue));
    assert_eq!(field(&pykmip, None), Some(WrappedField::KeyMaterial));
    let (value, material) = (Some(WrappedField::KeyValue), Some(WrappedField::KeyMaterial));
    assert_eq!(field(&standard, material), material);
    assert_eq!(field(&pykmip, value), value);
    let encoded = KeyWrappingSpecification { encoding_option: None, ..pykmip.clone() };
    assert_eq!(field(&encoded, material), value);
    assert_eq!(wrapped_field(&aes(MATERIAL)), None);
}

#[test]
fn rejects_methods_without_the_key_that_they_require() {
    let engine = Engine::new();
    let kek = engine.kek(WRAP, None);
    for method in [WrappingMethod::Encrypt, WrappingMethod::MacSign, WrappingMethod::EncryptThenMacSign] {
        assert_eq!(engine.wrap_reason(V1_4, &specification(method)), ResultReason::PermissionDenied);
    }
    let encrypt_only =
        KeyWrappingSpecification { wrapping_method: WrappingMethod::MacSignThenEncrypt, ..encryption(kek) };
    assert_eq!(engine.wrap_reason(V1_4, &encrypt_only), ResultReason::PermissionDenied);
    let tr31 = KeyWrappingSpecification { wrapping_method: WrappingMethod::Tr31, ..encryption(kek) };
    assert_eq!(engine.wrap_reason(V1_4, &tr31), ResultReason::OperationNotSupported);
}

#[test]
fn rejects_wrapping_keys_that_may_not_wrap() {
    let engine = Engine::new();
    let unable = engine.kek(CryptographicUsageMask::ENCRYPT, None);
    let reason = |version, id| engine.wrap_reason(version, &encryption(id));
    assert_eq!(reason(V1_4, unable), ResultReason::PermissionDenied);
    assert_eq!(reason(V2_1, unable), ResultReason::IncompatibleCryptographicUsageMask);
    let inactive = engine.kek(WRAP, None);
    engine.change(inactive, |attributes| attributes.state = Some(State::Deactivated));
    engine.change(inactive, |attributes| attributes.deactivation_date = Some(NOW));
    assert_eq!(reason(V1_4, inactive), ResultReason::PermissionDenied);
    let secret = key::secret_data(Secret::new(vec![1; 16]), SecretDataType::Password, None, V1_4).unwrap();
    let secret = engine.insert(secret, |attributes| activate(attributes, WRAP));
    assert_eq!(reason(V1_4, secret), ResultReason::IllegalOperation);
    let mode = KeyWrappingSpecification {
        encryption_key_information: information(
            engine.kek(WRAP, None),
            Some(parameters(BlockCipherMode::Cbc)),
        ),
        ..specification(WrappingMethod::Encrypt)
    };
    assert_eq!(engine.wrap_reason(V1_4, &mode), ResultReason::InvalidField);
}

#[test]
fn reports_an_inaccessible_wrapping_key_as_missing() {
    let engine = Engine::new();
    let reason = |version, id| engine.wrap_reason(version, &encryption(id));
    assert_eq!(reason(V1_4, Id(99)), ResultReason::ItemNotFound);
    assert_eq!(reason(V2_1, Id(99)), ResultReason::WrappingObjectNotFound);
    let foreign = engine.kek(WRAP, None);
    let jane = Identity { principal: "jane".into(), groups: None, delegate: None };
    let mut cx = Context::new(&engine.services, &jane, V1_4);
    let wrapped = wrap(&mut cx, aes(MATERIAL), None, &Attributes::default(), &encryption(foreign));
    assert_eq!(wrapped.unwrap_err().reason, ResultReason::ItemNotFound);
    let archived = engine.kek(WRAP, None);
    engine.change(archived, |attributes| attributes.archive_date = Some(NOW));
    assert_eq!(reason(V1_4, archived), ResultReason::ItemNotFound);
    assert_eq!(reason(V2_1, archived), ResultReason::WrappingObjectArchived);
    let destroyed = engine.kek(WRAP, None);
    engine.change(destroyed, |attributes| attributes.destroy_date = Some(NOW));
    assert_eq!(reason(V1_4, destroyed), ResultReason::ItemNotFound);
    assert_eq!(reason(V2_1, destroyed), ResultReason::WrappingObjectDestroyed);
}

#[test]
fn rejects_objects_that_have_nothing_to_wrap() {
    let engine = Engine::new();
    let specification = encryption(engine.kek(WRAP, None));
    let reason = |object, specification| engine.wrap(object, specification).unwrap_err().reason;
    let opaque = Object::OpaqueObject(crate::kmip::OpaqueObject {
        opaque_data_type: crate::kmip::enums::OpaqueDataType(0x8000_0000),
        opaque_data_value: Secret::new(vec![1]),
    });
    assert_eq!(reason(opaque, &specification), ResultReason::IllegalOperation);
    let mut absent = aes(MATERIAL);
    absent.key_block_mut().unwrap().key_value = None;
    assert_eq!(reason(absent, &specification), ResultReason::KeyValueNotPresent);
    let transparent = key::symmetric_key(
        Secret::new(MATERIAL.to_vec()),
        CryptographicAlgorithm::Aes,
        128,
        Some(KeyFormatType::TransparentSymmetricKey),
        V1_4,
    );
    let bare = without_encoding(specification.clone());
    assert_eq!(reason(transparent.unwrap(), &bare), ResultReason::EncodingOptionError);
}

#[test]
fn subtracts_each_use_from_the_limits_of_the_wrapping_key() {
    let engine = Engine::new();
    let kek = engine.kek(WRAP, None);
    engine.change(kek, |attributes| {
        attributes.usage_limits = Some(UsageLimits {
            usage_limits_total: 1,
            usage_limits_count: Some(1),
            usage_limits_unit: UsageLimitsUnit::Object,
        });
    });
    let wrapped = engine.wrap(aes(MATERIAL), &encryption(kek)).unwrap();
    assert_eq!(engine.wrap_reason(V1_4, &encryption(kek)), ResultReason::PermissionDenied);
    assert_eq!(engine.unwrap(&wrapped), Ok(aes(MATERIAL)), "unwrapping protects nothing");
}

#[test]
fn rejects_modified_values_and_signatures_at_unwrapping() {
    let engine = Engine::new();
    let specification = KeyWrappingSpecification {
        wrapping_method: WrappingMethod::EncryptThenMacSign,
        mac_signature_key_information: information(engine.mac_key(), None),
        ..encryption(engine.kek(WRAP, None))
    };
    let wrapped = engine.wrap(aes(MATERIAL), &specification).unwrap();
    let reason = |change: &dyn Fn(&mut KeyBlock)| {
        let mut modified = wrapped.clone();
        change(modified.key_block_mut().unwrap());
        engine.unwrap(&modified).unwrap_err().reason
    };
    let other_value = |block: &mut KeyBlock| {
        block.key_value = Some(KeyValue::Wrapped(Secret::new(vec![3; 40])));
    };
    assert_eq!(reason(&other_value), ResultReason::CryptographicFailure);
    let no_mac = |block: &mut KeyBlock| {
        block.key_wrapping_data.as_mut().unwrap().mac_signature = None;
    };
    assert_eq!(reason(&no_mac), ResultReason::CryptographicFailure);
    let encrypted_only = |block: &mut KeyBlock| {
        other_value(block);
        block.key_wrapping_data.as_mut().unwrap().wrapping_method = WrappingMethod::Encrypt;
    };
    assert_eq!(reason(&encrypted_only), ResultReason::CryptographicFailure);
    let absent = |block: &mut KeyBlock| block.key_value = None;
    assert_eq!(reason(&absent), ResultReason::KeyValueNotPresent);
    // Without TTLV Encoding the wrapped bytes are key material, which is not a Key Value.
    let bare = without_encoding(encryption(engine.kek(WRAP, None)));
    let mut bare = engine.wrap(aes(MATERIAL), &bare).unwrap();
    let data = bare.key_block_mut().unwrap().key_wrapping_data.as_mut().unwrap();
    data.encoding_option = Some(EncodingOption::TtlvEncoding);
    assert_eq!(engine.unwrap(&bare).unwrap_err().reason, ResultReason::CryptographicFailure);
    assert_eq!(engine.unwrap(&aes(MATERIAL)), Ok(aes(MATERIAL)), "a key that is not wrapped");
}
