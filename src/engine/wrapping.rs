//! Key wrapping: encryption of keys, and MACs and signatures over them (KMIP 1.4 §2.1.5, §2.1.6 and §4.11, 2.1 §3.3 and
//! §6.1.19).
//!
//! Encryption is AES key wrap, a MAC is an HMAC or a CMAC, and a signature is any that [`crate::crypto`] supports.
//! [`usage::check`] decides whether a key may wrap, as for every other use.

use crate::compatibility::Difference;
use crate::crypto::sign::{SignatureInput, Signing};
use crate::crypto::wrap::{self as aes, Wrapping};
use crate::crypto::{Key, mac, rsa, sign};
use crate::kmip::attributes::{Attribute, AttributeList, AttributeReference, Attributes};
use crate::kmip::enums::{
    CryptographicAlgorithm, EncodingOption, ObjectType, Operation, ResultReason, WrappingMethod,
};
use crate::kmip::structures::CryptographicParameters;
use crate::kmip::{
    Error, KeyBlock, KeyInformation, KeyMaterial, KeyValue, KeyWrappingData, KeyWrappingSpecification, Object,
};
use crate::secret::Secret;
use crate::store::Record;
use crate::ttlv::V2_1;

use super::access::Granted;
use super::attribute_bounds::reported_values;
use super::context::Context;
use super::error::{failed, invalid_field};
use super::usage::{self, Amount, Use};
use super::{key, lifecycle};

/// The field of a Key Block that contains the wrapped bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrappedField {
    /// The Key Value, as the standard defines it.
    KeyValue,
    /// The Key Material inside a Key Value structure, as PyKMIP returns it and some clients register it.
    KeyMaterial,
}

/// Returns the field that contains the wrapped bytes of a registered key, or `None` if the key is not wrapped.
pub fn wrapped_field(object: &Object) -> Option<WrappedField> {
    let block = object.key_block().filter(|block| block.key_wrapping_data.is_some())?;
    match block.key_value.as_ref()? {
        KeyValue::Wrapped(_) => Some(WrappedField::KeyValue),
        KeyValue::Plain { .. } => Some(WrappedField::KeyMaterial),
    }
}

/// Wraps the object's Key Value according to the specification, which can name some of `attributes`.
///
/// With the encoding option No Encoding, a key that was registered wrapped keeps its `registered_field`. Otherwise the
/// wrapped bytes are the Key Value, as the standard defines it; they are the Key Material, as in PyKMIP, if the wrapping
/// key has no Cryptographic Parameters. The standard requires them and PyKMIP cannot store them, so the clients of both
/// get the form that they read.
///
/// # Errors
/// Returns PyKMIP's reasons: Operation Not Supported for the wrapping method; Permission Denied if the specification
/// lacks information about a key that the method requires; Item Not Found if the requester cannot access the wrapping
/// key (from 2.1 on a more precise reason); Illegal Operation (from 2.1 on Encoding Option Error) for attributes with No
/// Encoding; Illegal Operation for an object without a key; Encoding Option Error for a transparent key with No
/// Encoding; and the errors of [`usage::check`], of [`usage::count`] and of the computation.
pub fn wrap(
    cx: &mut Context<'_>,
    mut object: Object,
    registered_field: Option<WrappedField>,
    attributes: &Attributes,
    specification: &KeyWrappingSpecification,
) -> Result<Object, Error> {
    let method = specification.wrapping_method;
    if method == WrappingMethod::Tr31 {
        return Err(failed(
            ResultReason::OperationNotSupported,
            format!("The wrapping method {method} is not supported."),
        ));
    }
    let encryption =
        match required(method, KeyPurpose::Encryption, &specification.encryption_key_information)? {
            Some(information) => Some(WrappingKey::for_encryption(cx, information, Use::Wrap)?),
            None => None,
        };
    let signature =
        match required(method, KeyPurpose::Signature, &specification.mac_signature_key_information)? {
            Some(information) => Some(WrappingKey::for_signing(cx, information)?),
            None => None,
        };
    let names = &specification.attribute_names;
    let encoding = specification.encoding_option;
    if !names.is_empty() && encoding == Some(EncodingOption::NoEncoding) {
        let reason = if cx.version >= V2_1 {
            ResultReason::EncodingOptionError
        } else {
            ResultReason::IllegalOperation
        };
        return Err(failed(reason, "Attributes can be wrapped with the key in TTLV Encoding only."));
    }
    let Some(block) = object.key_block_mut() else {
        if encoding == Some(EncodingOption::NoEncoding)
            && cx.compatibility.has(Difference::WrappedType)
            && let (Some(key), Some(value)) = (&encryption, value_without_key_block(&object))
        {
            aes::wrap(&key.wrapping(), value)?;
        }
        return Err(failed(
            ResultReason::IllegalOperation,
            "The object contains no key that can be wrapped.",
        ));
    };
    let plain = encode(cx, block, attributes, names, encoding)?;
    let (value, mac_signature) = protect(cx, method, plain, encryption.as_ref(), signature.as_ref())?;
    let uses = encryption.iter().map(|key| (key, Use::Wrap));
    for (key, purpose) in uses.chain(signature.iter().map(|key| (key, key.signing_use()))) {
        usage::count(cx, &key.record, Operation::Get, purpose, Amount::first(value.len()))?;
    }
    let has_parameters = |key: &WrappingKey| !key.record.attributes.cryptographic_parameters.is_empty();
    let field = match encoding {
        Some(EncodingOption::NoEncoding) => registered_field.unwrap_or_else(|| {
            if encryption.as_ref().is_none_or(has_parameters) {
                WrappedField::KeyValue
            } else {
                WrappedField::KeyMaterial
            }
        }),
        Some(EncodingOption::TtlvEncoding) | None => WrappedField::KeyValue,
    };
    block.key_value = Some(match field {
        WrappedField::KeyValue => KeyValue::Wrapped(value),
        WrappedField::KeyMaterial => KeyValue::of(KeyMaterial::Bytes(value)),
    });
    block.key_wrapping_data = Some(KeyWrappingData {
        wrapping_method: method,
        encryption_key_information: encryption.and(specification.encryption_key_information.clone()),
        mac_signature_key_information: signature.and(specification.mac_signature_key_information.clone()),
        mac_signature,
        iv_counter_nonce: None,
        encoding_option: encoding,
    });
    Ok(object)
}

/// Returns the value of an object that has no Key Block.
fn value_without_key_block(object: &Object) -> Option<&[u8]> {
    match object {
        Object::Certificate(certificate) => Some(&certificate.certificate_value),
        Object::OpaqueObject(opaque) => Some(opaque.opaque_data_value.expose()),
        _ => None,
    }
}

/// Returns the object with its Key Value unwrapped. The requester must be allowed to use the wrapping key for unwrapping
/// or for wrapping.
///
/// # Errors
/// Returns Item Not Found if the requester cannot access the wrapping key (from 2.1 on a more precise reason),
/// Cryptographic Failure if the value was modified or wrapped with another key, and the errors of [`usage::check`].
pub fn unwrap(cx: &mut Context<'_>, mut object: Object) -> Result<Object, Error> {
    let Some(block) = object.key_block_mut() else { return Ok(object) };
    let Some(data) = block.key_wrapping_data.take() else { return Ok(object) };
    let method = data.wrapping_method;
    let encryption = match required(method, KeyPurpose::Encryption, &data.encryption_key_information)? {
        Some(information) => Some(WrappingKey::for_encryption(cx, information, Use::Unwrap)?),
        None => None,
    };
    let signature = match required(method, KeyPurpose::Signature, &data.mac_signature_key_information)? {
        Some(information) => Some(WrappingKey::for_verification(cx, information)?),
        None => None,
    };
    let value = block.bytes().ok_or_else(|| {
        failed(ResultReason::KeyValueNotPresent, "This server does not store the key's wrapped value.")
    })?;
    let mac_signature = data.mac_signature.as_deref().unwrap_or_default();
    let verify = |value: &[u8]| match &signature {
        Some(key) => key.verify(value, mac_signature),
        None => Ok(()),
    };
    if method != WrappingMethod::MacSignThenEncrypt {
        verify(value.expose())?;
    }
    let plain = match &encryption {
        Some(key) => aes::unwrap(&key.wrapping(), value.expose())?,
        None => value.clone(),
    };
    if method == WrappingMethod::MacSignThenEncrypt {
        verify(plain.expose())?;
    }
    block.key_value = Some(match data.encoding_option {
        Some(EncodingOption::NoEncoding) => KeyValue::of(KeyMaterial::Bytes(plain)),
        Some(EncodingOption::TtlvEncoding) | None => {
            KeyValue::parse(block.key_format_type, plain.expose(), cx.version).map_err(|_| {
                failed(
                    ResultReason::CryptographicFailure,
                    "The unwrapped bytes are not a Key Value in TTLV Encoding.",
                )
            })?
        }
    });
    Ok(object)
}

/// The purpose of a key in a Key Wrapping Specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyPurpose {
    Encryption,
    Signature,
}

/// Returns the information about the key for this purpose, if the method requires such a key.
///
/// # Errors
/// Returns Permission Denied if the information is required and absent, and Operation Not Supported for the method
/// TR-31.
fn required(
    method: WrappingMethod,
    purpose: KeyPurpose,
    information: &Option<KeyInformation>,
) -> Result<Option<&KeyInformation>, Error> {
    let is_required = match method {
        WrappingMethod::Encrypt => purpose == KeyPurpose::Encryption,
        WrappingMethod::MacSign => purpose == KeyPurpose::Signature,
        WrappingMethod::EncryptThenMacSign | WrappingMethod::MacSignThenEncrypt => true,
        WrappingMethod::Tr31 => {
            return Err(failed(ResultReason::OperationNotSupported, "TR-31 key blocks are not supported."));
        }
    };
    match (is_required, information) {
        (false, _) => Ok(None),
        (true, Some(information)) => Ok(Some(information)),
        (true, None) => {
            let name = match purpose {
                KeyPurpose::Encryption => "Encryption Key Information",
                KeyPurpose::Signature => "MAC/Signature Key Information",
            };
            Err(failed(
                ResultReason::PermissionDenied,
                format!("The wrapping method {method} requires {name}, which the request does not contain."),
            ))
        }
    }
}

/// Returns the bytes to wrap: the Key Material, or the Key Value with the named attributes.
fn encode(
    cx: &Context<'_>,
    block: &KeyBlock,
    attributes: &Attributes,
    names: &[String],
    encoding: Option<EncodingOption>,
) -> Result<Secret, Error> {
    let Some(KeyValue::Plain { material, attributes: present }) = &block.key_value else {
        return Err(failed(ResultReason::KeyValueNotPresent, "This server does not store the key's value."));
    };
    match (encoding, material) {
        (Some(EncodingOption::NoEncoding), KeyMaterial::Bytes(bytes)) => Ok(bytes.clone()),
        (Some(EncodingOption::NoEncoding), _) => Err(failed(
            ResultReason::EncodingOptionError,
            "A transparent key is not a Byte String; it can be wrapped in TTLV Encoding only.",
        )),
        (Some(EncodingOption::TtlvEncoding) | None, material) => {
            let mut included = present.clone();
            included.0.extend(select(attributes, names)?.0);
            let value = KeyValue::Plain { material: material.clone(), attributes: included };
            Ok(value.to_bytes(cx.version))
        }
    }
}

/// Returns the attributes with these names. A name of an attribute that the object does not have selects nothing.
fn select(attributes: &Attributes, names: &[String]) -> Result<AttributeList, Error> {
    if names.len() > MAX_NAMES {
        return Err(invalid_field(format!(
            "The Key Wrapping Specification names {} attributes; the limit is {MAX_NAMES}.",
            names.len()
        )));
    }
    let references: Vec<_> = names.iter().map(|name| AttributeReference::named(name)).collect();
    let values = reported_values(attributes, &references)?.into_iter();
    Ok(AttributeList(values.map(Attribute::without_zero_index).collect()))
}

/// The maximum number of attribute names, so that repeated names cannot enlarge the response without limit. The standard
/// defines fewer attributes.
const MAX_NAMES: usize = 256;

/// Returns the value, encrypted if there is an encryption key, and its MAC or signature, if there is a signature key.
fn protect(
    cx: &mut Context<'_>,
    method: WrappingMethod,
    plain: Secret,
    encryption: Option<&WrappingKey>,
    signature: Option<&WrappingKey>,
) -> Result<(Secret, Option<Vec<u8>>), Error> {
    let value = match encryption {
        Some(key) => Secret::new(aes::wrap(&key.wrapping(), plain.expose())?),
        None => plain.clone(),
    };
    let signed = if method == WrappingMethod::MacSignThenEncrypt { &plain } else { &value };
    let mac_signature = signature.map(|key| key.sign(cx, signed.expose())).transpose()?;
    Ok((value, mac_signature))
}

/// A key that encrypts another key or protects its integrity.
struct WrappingKey {
    record: Granted,
    parameters: CryptographicParameters,
    bytes: Secret,
    /// The algorithm that encrypts.
    algorithm: CryptographicAlgorithm,
}

impl WrappingKey {
    /// Opens the key that encrypts or decrypts.
    fn for_encryption(
        cx: &mut Context<'_>,
        information: &KeyInformation,
        purpose: Use,
    ) -> Result<Self, Error> {
        let record = open(cx, information)?;
        match usage::check(&record, purpose, cx.version, cx.now) {
            Err(_) if purpose == Use::Unwrap => usage::check(&record, Use::Wrap, cx.version, cx.now)?,
            result => result?,
        }
        let wraps_by_aes = record.object_type == ObjectType::SymmetricKey
            && cx.compatibility.has(Difference::WrappingAlgorithm);
        let key = Self::of(record, information)?;
        Ok(if wraps_by_aes { Self { algorithm: CryptographicAlgorithm::Aes, ..key } } else { key })
    }

    /// Opens the key that generates a MAC or a signature.
    fn for_signing(cx: &mut Context<'_>, information: &KeyInformation) -> Result<Self, Error> {
        let record = open(cx, information)?;
        usage::check(&record, signing_use(&record), cx.version, cx.now)?;
        Self::of(record, information)
    }

    /// Opens the key that verifies a MAC or a signature: the key of the MAC, or the public key of the signature.
    fn for_verification(cx: &mut Context<'_>, information: &KeyInformation) -> Result<Self, Error> {
        let record = open(cx, information)?;
        let purpose = match record.object_type {
            ObjectType::SymmetricKey | ObjectType::SecretData => Use::MacVerify,
            _ => Use::Verify,
        };
        match usage::check(&record, purpose, cx.version, cx.now) {
            Err(_) if purpose == Use::MacVerify => {
                usage::check(&record, Use::MacGenerate, cx.version, cx.now)?;
            }
            result => result?,
        }
        Self::of(record, information)
    }

    fn of(record: Granted, information: &KeyInformation) -> Result<Self, Error> {
        let parameters = usage::parameters(information.cryptographic_parameters.clone(), &record);
        let bytes = key::bytes(lifecycle::object(&record)?)?;
        let algorithm = record.attributes.cryptographic_algorithm.unwrap_or(CryptographicAlgorithm::Aes);
        Ok(Self { record, parameters: parameters.unwrap_or_default(), bytes, algorithm })
    }

    fn wrapping(&self) -> Wrapping<'_> {
        Wrapping {
            method: WrappingMethod::Encrypt,
            algorithm: self.algorithm,
            key: Key(self.bytes.expose()),
            mode: self.parameters.block_cipher_mode,
        }
    }

    fn signing_use(&self) -> Use {
        signing_use(&self.record)
    }

    fn sign(&self, cx: &mut Context<'_>, value: &[u8]) -> Result<Vec<u8>, Error> {
        if self.signing_use() == Use::MacGenerate {
            return Ok(mac::compute(self.mac_algorithm()?, Key(self.bytes.expose()), value)?);
        }
        cx.with_private_key(rsa::is_slow(self.bytes.expose()), || {
            Ok(sign::sign(&self.signature(), SignatureInput::Data(value))?)
        })
    }

    fn verify(&self, value: &[u8], mac_signature: &[u8]) -> Result<(), Error> {
        let is_valid = if self.signing_use() == Use::MacGenerate {
            mac::verify(self.mac_algorithm()?, Key(self.bytes.expose()), value, mac_signature)?
        } else {
            sign::verify(&self.signature(), SignatureInput::Data(value), mac_signature)?
        };
        if is_valid {
            Ok(())
        } else {
            Err(failed(
                ResultReason::CryptographicFailure,
                "The MAC or signature of the wrapped key is invalid.",
            ))
        }
    }

    fn mac_algorithm(&self) -> Result<CryptographicAlgorithm, Error> {
        usage::algorithm(&self.parameters, &self.record).ok_or_else(|| {
            invalid_field("Neither the request nor the key states the Cryptographic Algorithm of the MAC.")
        })
    }

    fn signature(&self) -> Signing<'_> {
        let parameters = &self.parameters;
        Signing {
            key: Key(self.bytes.expose()),
            signature: parameters.digital_signature_algorithm,
            algorithm: usage::algorithm(parameters, &self.record),
            hash: parameters.hashing_algorithm,
            padding: parameters.padding_method,
            mask_hash: parameters.mask_generator_hashing_algorithm,
            salt_length: parameters.salt_length.and_then(|length| usize::try_from(length).ok()),
        }
    }
}

fn signing_use(record: &Record) -> Use {
    match record.object_type {
        ObjectType::SymmetricKey | ObjectType::SecretData => Use::MacGenerate,
        _ => Use::Sign,
    }
}

/// Returns the wrapping key.
///
/// # Errors
/// Returns Item Not Found, as in PyKMIP, if the requester cannot access the key; from 2.1 on Wrapping Object Not Found,
/// Wrapping Object Archived or Wrapping Object Destroyed.
fn open(cx: &mut Context<'_>, information: &KeyInformation) -> Result<Granted, Error> {
    let version = cx.version;
    let opened = cx.open(Some(&information.unique_identifier), Operation::Get);
    let granted = opened.map_err(|error| match error.reason {
        ResultReason::ObjectArchived if version >= V2_1 => {
            failed(ResultReason::WrappingObjectArchived, "The wrapping key is archived.")
        }
        _ if version >= V2_1 => failed(ResultReason::WrappingObjectNotFound, NO_WRAPPING_KEY),
        _ => failed(ResultReason::ItemNotFound, NO_WRAPPING_KEY),
    })?;
    if version >= V2_1 && lifecycle::is_destroyed(&granted) {
        return Err(failed(ResultReason::WrappingObjectDestroyed, "The wrapping key is destroyed."));
    }
    Ok(granted)
}

/// PyKMIP's message for a wrapping key that the requester cannot access.
const NO_WRAPPING_KEY: &str = "Wrapping key does not exist.";

#[cfg(test)]
mod tests;
