//! Fixtures of the tests of cryptographic operations: objects and parameters.

use super::*;

pub(super) fn block(
    format: KeyFormatType,
    algorithm: Option<(CryptographicAlgorithm, i32)>,
    bytes: &[u8],
) -> KeyBlock {
    KeyBlock {
        key_format_type: format,
        key_compression_type: None,
        key_value: Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(bytes.to_vec())))),
        cryptographic_algorithm: algorithm.map(|(algorithm, _)| algorithm),
        cryptographic_length: algorithm.map(|(_, bits)| bits),
        key_wrapping_data: None,
    }
}

pub(super) fn aes() -> Object {
    let algorithm = Some((CryptographicAlgorithm::Aes, 128));
    Object::SymmetricKey(Key { key_block: block(KeyFormatType::Raw, algorithm, &KEY) })
}

pub(super) fn secret() -> Object {
    Object::SecretData(SecretData {
        secret_data_type: SecretDataType::Password,
        key_block: block(KeyFormatType::Opaque, None, b"correct horse"),
    })
}

pub(super) fn opaque() -> Object {
    Object::OpaqueObject(OpaqueObject {
        opaque_data_type: OpaqueDataType(0x8000_0001),
        opaque_data_value: Secret::new(vec![1; 16]),
    })
}

pub(super) fn pair() -> (Object, Object) {
    let pair = rsa::generate(2048).unwrap();
    let algorithm = Some((CryptographicAlgorithm::Rsa, 2048));
    let private = block(KeyFormatType::Pkcs8, algorithm, pair.private_pkcs8.expose());
    let public = block(KeyFormatType::Pkcs1, algorithm, &pair.public_pkcs1);
    (Object::PrivateKey(Key { key_block: private }), Object::PublicKey(Key { key_block: public }))
}

pub(super) fn put(
    caller: &mut Caller,
    version: Version,
    object: &Object,
    attributes: &[Attribute],
) -> String {
    let put = caller.ask(version, Operation::Register, |writer| {
        object.object_type().write(Tag::ObjectType, writer);
        template(Tag::Attributes, attributes, writer);
        object.write(Tag::default(), writer);
    });
    put.id()
}

pub(super) fn since(date: i64) -> Attribute {
    attribute(Tag::ActivationDate, &DateTime(date))
}

/// A key that is active and may be used for everything, with more attributes.
pub(super) fn ready(caller: &mut Caller, version: Version, object: &Object, more: &[Attribute]) -> String {
    let attributes = [&[usage(EVERYTHING), since(1_000)], more].concat();
    put(caller, version, object, &attributes)
}

pub(super) fn cbc() -> CryptographicParameters {
    CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Cbc),
        padding_method: Some(PaddingMethod::Pkcs5),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
        ..CryptographicParameters::default()
    }
}

pub(super) fn ecb() -> CryptographicParameters {
    CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Ecb),
        ..CryptographicParameters::default()
    }
}

pub(super) fn gcm() -> CryptographicParameters {
    CryptographicParameters {
        block_cipher_mode: Some(BlockCipherMode::Gcm),
        tag_length: Some(16),
        ..CryptographicParameters::default()
    }
}

pub(super) fn rsa_sha256() -> CryptographicParameters {
    CryptographicParameters {
        padding_method: Some(PaddingMethod::Pkcs1V1_5),
        hashing_algorithm: Some(HashingAlgorithm::Sha256),
        cryptographic_algorithm: Some(CryptographicAlgorithm::Rsa),
        ..CryptographicParameters::default()
    }
}

pub(super) fn hmac() -> CryptographicParameters {
    CryptographicParameters {
        cryptographic_algorithm: Some(CryptographicAlgorithm::HmacSha256),
        ..CryptographicParameters::default()
    }
}
