//! The requests of the attacks.

use kmip_server::kmip::attributes::TemplateAttribute;
use kmip_server::kmip::enums::{
    AsynchronousIndicator, BatchErrorContinuationOption, CertificateType, CryptographicAlgorithm,
    CryptographicUsageMask, DerivationMethod, HashingAlgorithm, KeyFormatType, ObjectType, Operation,
};
use kmip_server::kmip::structures::CryptographicParameters;
use kmip_server::kmip::{Asynchronous, RequestHeader};
use kmip_server::ttlv::{Field, Tag, Value, Writer};

use super::super::requests::{VERSION, attribute, key_pair, message, messages, signature};

fn undo(count: i32) -> RequestHeader {
    let option = Some(BatchErrorContinuationOption::Undo);
    RequestHeader { batch_error_continuation_option: option, ..RequestHeader::new(VERSION, count) }
}

fn proceed(count: i32) -> RequestHeader {
    let option = Some(BatchErrorContinuationOption::Continue);
    RequestHeader { batch_error_continuation_option: option, ..RequestHeader::new(VERSION, count) }
}

fn id(id: &str, writer: &mut Writer) {
    id.to_owned().encode(Tag::UniqueIdentifier, writer);
}

/// Returns a Create Key Pair of RSA.
pub(super) fn pair(bits: i32) -> Vec<u8> {
    message(Operation::CreateKeyPair, |writer| key_pair("attack", bits, writer))
}

/// Returns the same as an asynchronous request.
pub(super) fn asynchronous_pair(bits: i32) -> Vec<u8> {
    let indicator = Some(Asynchronous(AsynchronousIndicator::Optional));
    let header = RequestHeader { asynchronous_indicator: indicator, ..RequestHeader::new(VERSION, 1) };
    messages(header, Operation::CreateKeyPair, |writer| key_pair("attack", bits, writer))
}

/// Returns an Undo batch of Create Key Pair of RSA.
pub(super) fn pairs_with_undo(count: i32, bits: i32) -> Vec<u8> {
    messages(undo(count), Operation::CreateKeyPair, |writer| key_pair("attack", bits, writer))
}

/// Returns an Undo batch of Sign.
pub(super) fn signatures_with_undo(count: i32, key: &str) -> Vec<u8> {
    messages(undo(count), Operation::Sign, |writer| signature(key, 20, writer))
}

/// Returns a Register of a private RSA key for signatures.
pub(super) fn register_private(bits: i32, pkcs8: Vec<u8>) -> Vec<u8> {
    message(Operation::Register, |writer| {
        ObjectType::PrivateKey.encode(Tag::ObjectType, writer);
        with_usage(CryptographicUsageMask::SIGN, writer);
        writer.structure(Tag::PrivateKey, |writer| {
            let algorithm = CryptographicAlgorithm::Rsa;
            key_block(KeyFormatType::Pkcs8, algorithm, bits, pkcs8.clone(), writer);
        });
    })
}

/// Returns a Register of a symmetric key from which others are derived.
pub(super) fn register_base() -> Vec<u8> {
    message(Operation::Register, |writer| {
        ObjectType::SymmetricKey.encode(Tag::ObjectType, writer);
        with_usage(CryptographicUsageMask::DERIVE_KEY, writer);
        writer.structure(Tag::SymmetricKey, |writer| {
            key_block(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 256, vec![7; 32], writer);
        });
    })
}

fn with_usage(mask: CryptographicUsageMask, writer: &mut Writer) {
    let attributes = vec![attribute(Tag::CryptographicUsageMask, &mask)];
    TemplateAttribute { templates: Vec::new(), attributes }.write(Tag::Attributes, writer);
}

fn key_block(
    format: KeyFormatType,
    algorithm: CryptographicAlgorithm,
    bits: i32,
    bytes: Vec<u8>,
    writer: &mut Writer,
) {
    writer.structure(Tag::KeyBlock, |writer| {
        format.encode(Tag::KeyFormatType, writer);
        writer.structure(Tag::KeyValue, |writer| bytes.encode(Tag::KeyMaterial, writer));
        algorithm.encode(Tag::CryptographicAlgorithm, writer);
        bits.encode(Tag::CryptographicLength, writer);
    });
}

/// Returns a Derive Key by PBKDF2.
pub(super) fn derive(base: &str, iterations: i32) -> Vec<u8> {
    message(Operation::DeriveKey, |writer| {
        ObjectType::SymmetricKey.encode(Tag::ObjectType, writer);
        id(base, writer);
        DerivationMethod::Pbkdf2.encode(Tag::DerivationMethod, writer);
        writer.structure(Tag::DerivationParameters, |writer| {
            let hash = Some(HashingAlgorithm::Sha256);
            let parameters = CryptographicParameters { hashing_algorithm: hash, ..Default::default() };
            parameters.encode(Tag::CryptographicParameters, writer);
            vec![7_u8; 16].encode(Tag::Salt, writer);
            iterations.encode(Tag::IterationCount, writer);
        });
        let attributes = vec![
            attribute(Tag::CryptographicAlgorithm, &CryptographicAlgorithm::Aes),
            attribute(Tag::CryptographicLength, &256),
            attribute(Tag::CryptographicUsageMask, &CryptographicUsageMask::ENCRYPT),
        ];
        TemplateAttribute { templates: Vec::new(), attributes }.write(Tag::Attributes, writer);
    })
}

/// Returns a batch of RNG Retrieve of the maximum length.
pub(super) fn random(count: i32) -> Vec<u8> {
    messages(proceed(count), Operation::RngRetrieve, |writer| (1 << 20).encode(Tag::DataLength, writer))
}

/// Returns a batch of Activate of an object that does not exist, each of which is an audit line.
pub(super) fn refused(count: i32) -> Vec<u8> {
    messages(proceed(count), Operation::Activate, |writer| id("0", writer))
}

/// Returns a batch of Log of the maximum length.
pub(super) fn log(count: i32) -> Vec<u8> {
    messages(proceed(count), Operation::Log, |writer| "x".repeat(4_096).encode(Tag::LogMessage, writer))
}

/// Writes a custom attribute.
fn custom(name: &str, value: &str, writer: &mut Writer) {
    writer.structure(Tag::Attribute, |writer| {
        name.to_owned().encode(Tag::AttributeName, writer);
        value.to_owned().encode(Tag::AttributeValue, writer);
    });
}

/// Returns a Locate by Certificate Type, which no index contains and no key has.
pub(super) fn locate_everything() -> Vec<u8> {
    let certificate = attribute(Tag::CertificateType, &CertificateType::X509);
    message(Operation::Locate, |writer| certificate.write(Tag::NewAttribute, writer))
}

/// Returns a batch of Add Attribute, each with a custom attribute of another name.
pub(super) fn add_attributes(key: &str, count: i32, series: &str) -> Vec<u8> {
    let number = std::cell::Cell::new(0);
    messages(proceed(count), Operation::AddAttribute, |writer| {
        id(key, writer);
        custom(&format!("x-{series}-{}", number.get()), "value", writer);
        number.set(number.get() + 1);
    })
}

/// Returns a Modify Attribute of a custom attribute.
pub(super) fn modify_attribute(key: &str, name: &str) -> Vec<u8> {
    message(Operation::ModifyAttribute, |writer| {
        id(key, writer);
        custom(name, "another value", writer);
    })
}
