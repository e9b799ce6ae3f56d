//! The objects of the corpus.

use super::*;

/// An object to register, with its attributes.
pub(crate) struct Given {
    pub(crate) object: Object,
    pub(super) attributes: Vec<Attribute>,
}

/// Writes a Register payload.
pub(crate) fn register(given: &Given, writer: &mut Writer) {
    register_as(given, &[], writer);
}

/// Writes a Register payload with additional attributes.
pub(crate) fn register_as(given: &Given, more: &[Attribute], writer: &mut Writer) {
    given.object.object_type().write(Tag::ObjectType, writer);
    template(Tag::Attributes, &[&given.attributes, more].concat(), writer);
    given.object.write(Tag::default(), writer);
}

/// Returns a raw AES key to register.
pub(crate) fn aes_key(name: &str, bytes: Vec<u8>) -> Given {
    let bits = i32::try_from(bytes.len() * 8).unwrap();
    let object = Object::SymmetricKey(key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, bits, bytes));
    Given { object, attributes: vec![named(name), usage(0xC)] }
}

fn key(format: KeyFormatType, algorithm: CryptographicAlgorithm, bits: i32, bytes: Vec<u8>) -> Key {
    Key { key_block: block(format, Some((algorithm, bits)), bytes) }
}

fn block(
    format: KeyFormatType,
    algorithm: Option<(CryptographicAlgorithm, i32)>,
    bytes: Vec<u8>,
) -> KeyBlock {
    KeyBlock {
        key_format_type: format,
        key_compression_type: None,
        key_value: Some(KeyValue::of(KeyMaterial::Bytes(Secret::new(bytes)))),
        cryptographic_algorithm: algorithm.map(|(algorithm, _)| algorithm),
        cryptographic_length: algorithm.map(|(_, bits)| bits),
        key_wrapping_data: None,
    }
}

fn part(key_part_identifier: i32, bytes: Vec<u8>) -> SplitKey {
    SplitKey {
        split_key_parts: 3,
        key_part_identifier,
        split_key_threshold: 2,
        split_key_method: SplitKeyMethod::PolynomialSharingGf2_8,
        prime_field_size: None,
        key_block: block(KeyFormatType::Raw, Some((CryptographicAlgorithm::Aes, 128)), bytes),
    }
}

/// The objects in the order of their numbers. All but the last are active, and may be used for everything.
pub(crate) fn objects() -> &'static [Given] {
    static GIVEN: OnceLock<Vec<Given>> = OnceLock::new();
    GIVEN.get_or_init(|| {
        let pair = rsa::generate(1024).unwrap();
        let certificate = Authority::new("Registered").credential.certificate.to_vec();
        let aes = || key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, vec![0x5A; 16]);
        let objects = [
            Object::SymmetricKey(aes()),
            Object::SymmetricKey(key(
                KeyFormatType::Raw,
                CryptographicAlgorithm::HmacSha256,
                256,
                vec![0x5B; 32],
            )),
            Object::SecretData(SecretData {
                secret_data_type: SecretDataType::Password,
                key_block: block(KeyFormatType::Opaque, None, b"correct horse".to_vec()),
            }),
            Object::PrivateKey(key(
                KeyFormatType::Pkcs8,
                CryptographicAlgorithm::Rsa,
                1024,
                pair.private_pkcs8.expose().to_vec(),
            )),
            Object::PublicKey(key(
                KeyFormatType::Pkcs1,
                CryptographicAlgorithm::Rsa,
                1024,
                pair.public_pkcs1,
            )),
            Object::Certificate(CertificateObject {
                certificate_type: CertificateType::X509,
                certificate_value: certificate,
            }),
            Object::OpaqueObject(OpaqueObject {
                // The number of a vendor: the standard defines no Opaque Data Type.
                opaque_data_type: OpaqueDataType(0x8000_0001),
                opaque_data_value: Secret::new(vec![0x5C; 40]),
            }),
            Object::SplitKey(part(1, vec![0x5D; 16])),
            Object::SplitKey(part(2, vec![0x5E; 16])),
            Object::SymmetricKey(aes()),
        ];
        let given = objects.into_iter().enumerate().map(|(at, object)| {
            let mut attributes = vec![named(&format!("object {}", at + 1))];
            if object.object_type() != ObjectType::OpaqueObject {
                attributes.push(usage(EVERYTHING));
                if at == 0 {
                    attributes.push(attribute(Tag::UsageLimits, &limits()));
                }
                if object.object_type() == ObjectType::PrivateKey {
                    let linked_object_identifier = UniqueIdentifier::Text(PUBLIC.to_owned());
                    let link = Link { link_type: LinkType::PublicKeyLink, linked_object_identifier };
                    attributes.push(attribute(Tag::Link, &link));
                }
                if at as u64 + 1 < OBJECTS {
                    attributes.push(attribute(Tag::ActivationDate, &DateTime(1_000)));
                }
            }
            Given { object, attributes }
        });
        given.collect()
    })
}

/// Usage Limits that no test exhausts.
fn limits() -> UsageLimits {
    UsageLimits {
        usage_limits_total: 1 << 40,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Byte,
    }
}

/// Every bit of the Cryptographic Usage Mask that 1.0 has.
const EVERYTHING: i32 = 0xF_FFFF;
