//! Wrapping: keys that travel encrypted, signed or both (KMIP 1.4 §2.1.5, §2.1.6 and §4.11, 2.1 §3.3 and §6.1.19).
//!
//! Keys wrap by AES key wrap; a MAC is an HMAC or a CMAC, a signature any that the cryptography makes. Which key may
//! wrap is judged as for every other use.

use crate::crypto::sign::{SignatureInput, Signing};
use crate::crypto::wrap::{self as aes, Wrapping};
use crate::crypto::{Key, mac, sign};
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
use crate::ttlv::{V2_1, Version};

use super::access::Granted;
use super::context::Context;
use super::error::{failed, invalid_field};
use super::usage::{self, Amount, Use};
use super::{key, lifecycle};

/// How a wrapped value stands in its key block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The Key Value is the wrapped bytes.
    Value,
    /// The Key Material in the Key Value is: so PyKMIP gives it, and so some clients register it.
    Material,
}

/// The shape in which a wrapped key came; none for a key in the clear.
pub fn shape(object: &Object) -> Option<Shape> {
    let block = object.key_block().filter(|block| block.key_wrapping_data.is_some())?;
    match block.key_value.as_ref()? {
        KeyValue::Wrapped(_) => Some(Shape::Value),
        KeyValue::Plain { .. } => Some(Shape::Material),
    }
}

/// Wraps the object's key value as the specification says; `attributes` are those that it may name.
///
/// Without encoding, a key that came wrapped keeps the `shape` in which it came. Any other has the standard's, but
/// PyKMIP's where the wrapping key has no Cryptographic Parameters: the standard demands that it has some, and with
/// PyKMIP it cannot, so that the clients of each get what they read.
///
/// # Errors
/// PyKMIP's reasons: Operation Not Supported for the method; Permission Denied for a specification without the key
/// that the method needs; Item Not Found for a wrapping key that the asker cannot have (from 2.1 on the reasons
/// that say more); those of [`usage::check`]; Illegal Operation for attributes without an encoding that could hold
/// them, and for objects without a key; Encoding Option Error for a transparent key that is to be wrapped without
/// encoding; Invalid Field and Cryptographic Failure of the computation.
pub fn wrap(
    cx: &mut Context<'_>,
    mut object: Object,
    shape: Option<Shape>,
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
    let encryption = match needed(method, Part::Encryption, &specification.encryption_key_information)? {
        Some(information) => Some(WrappingKey::encrypting(cx, information, Use::Wrap)?),
        None => None,
    };
    let signature = match needed(method, Part::Signature, &specification.mac_signature_key_information)? {
        Some(information) => Some(WrappingKey::signing(cx, information)?),
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
        return Err(failed(reason, "Attributes are wrapped with the key in TTLV Encoding only."));
    }
    let Some(block) = object.key_block_mut() else {
        return Err(failed(ResultReason::IllegalOperation, "The object has no key that could be wrapped."));
    };
    let plain = encode(cx, block, attributes, names, encoding)?;
    let (value, code) = apply(method, plain, encryption.as_ref(), signature.as_ref())?;
    let uses = encryption.iter().map(|tool| (tool, Use::Wrap));
    for (tool, purpose) in uses.chain(signature.iter().map(|tool| (tool, tool.signs()))) {
        usage::count(cx, &tool.record, Operation::Get, purpose, Amount::first(value.len()))?;
    }
    let standard = |tool: &WrappingKey| !tool.record.attributes.cryptographic_parameters.is_empty();
    let shape = match encoding {
        Some(EncodingOption::NoEncoding) => shape.unwrap_or_else(|| {
            if encryption.as_ref().is_none_or(standard) { Shape::Value } else { Shape::Material }
        }),
        Some(EncodingOption::TtlvEncoding) | None => Shape::Value,
    };
    block.key_value = Some(match shape {
        Shape::Value => KeyValue::Wrapped(value),
        Shape::Material => KeyValue::of(KeyMaterial::Bytes(value)),
    });
    block.key_wrapping_data = Some(KeyWrappingData {
        wrapping_method: method,
        encryption_key_information: encryption.and(specification.encryption_key_information.clone()),
        mac_signature_key_information: signature.and(specification.mac_signature_key_information.clone()),
        mac_signature: code,
        iv_counter_nonce: None,
        encoding_option: encoding,
    });
    Ok(object)
}

/// The object with its key value in the clear. The key that wrapped it has to be one that the asker may use for
/// unwrapping, or for wrapping: the server does for itself what the client could do with the key.
///
/// # Errors
/// Item Not Found where the wrapping key is not at hand, those of [`usage::check`], Cryptographic Failure where the
/// value was changed or wrapped by another key.
pub fn unwrap(cx: &mut Context<'_>, mut object: Object) -> Result<Object, Error> {
    let Some(block) = object.key_block_mut() else { return Ok(object) };
    let Some(data) = block.key_wrapping_data.take() else { return Ok(object) };
    let method = data.wrapping_method;
    let encryption = match needed(method, Part::Encryption, &data.encryption_key_information)? {
        Some(information) => Some(WrappingKey::encrypting(cx, information, Use::Unwrap)?),
        None => None,
    };
    let signature = match needed(method, Part::Signature, &data.mac_signature_key_information)? {
        Some(information) => Some(WrappingKey::verifying(cx, information)?),
        None => None,
    };
    let value = block.bytes().ok_or_else(|| {
        failed(ResultReason::KeyValueNotPresent, "The wrapped value of the key is not kept by this server.")
    })?;
    let code = data.mac_signature.as_deref().unwrap_or_default();
    let check = |value: &[u8]| match &signature {
        Some(tool) => tool.verify(value, code),
        None => Ok(()),
    };
    if method != WrappingMethod::MacSignThenEncrypt {
        check(value.expose())?;
    }
    let plain = match &encryption {
        Some(tool) => aes::unwrap(&tool.wrapping(), value.expose())?,
        None => value.clone(),
    };
    if method == WrappingMethod::MacSignThenEncrypt {
        check(plain.expose())?;
    }
    block.key_value = Some(match data.encoding_option {
        Some(EncodingOption::NoEncoding) => KeyValue::of(KeyMaterial::Bytes(plain)),
        Some(EncodingOption::TtlvEncoding) | None => {
            KeyValue::parse(block.key_format_type, plain.expose(), cx.version).map_err(|_| {
                failed(
                    ResultReason::CryptographicFailure,
                    "What was wrapped is no Key Value in TTLV Encoding.",
                )
            })?
        }
    });
    Ok(object)
}

/// The part that a wrapping key plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Encryption,
    Signature,
}

/// The information about the key of that part, where the method needs it.
fn needed(
    method: WrappingMethod,
    part: Part,
    given: &Option<KeyInformation>,
) -> Result<Option<&KeyInformation>, Error> {
    let wanted = match method {
        WrappingMethod::Encrypt => part == Part::Encryption,
        WrappingMethod::MacSign => part == Part::Signature,
        WrappingMethod::EncryptThenMacSign | WrappingMethod::MacSignThenEncrypt => true,
        WrappingMethod::Tr31 => {
            return Err(failed(ResultReason::OperationNotSupported, "TR-31 key blocks are not supported."));
        }
    };
    match (wanted, given) {
        (false, _) => Ok(None),
        (true, Some(information)) => Ok(Some(information)),
        (true, None) => {
            let what = match part {
                Part::Encryption => "Encryption Key Information",
                Part::Signature => "MAC/Signature Key Information",
            };
            Err(failed(
                ResultReason::PermissionDenied,
                format!("The wrapping method {method} needs {what}, which is not given."),
            ))
        }
    }
}

/// The bytes that are wrapped: the key material as it is, or the whole Key Value with the attributes it is to carry.
fn encode(
    cx: &Context<'_>,
    block: &KeyBlock,
    attributes: &Attributes,
    names: &[String],
    encoding: Option<EncodingOption>,
) -> Result<Secret, Error> {
    let Some(KeyValue::Plain { material, attributes: carried }) = &block.key_value else {
        return Err(failed(ResultReason::KeyValueNotPresent, "The key's value is not kept by this server."));
    };
    match (encoding, material) {
        (Some(EncodingOption::NoEncoding), KeyMaterial::Bytes(bytes)) => Ok(bytes.clone()),
        (Some(EncodingOption::NoEncoding), _) => Err(failed(
            ResultReason::EncodingOptionError,
            "A transparent key is no Byte String; it is wrapped in TTLV Encoding only.",
        )),
        (Some(EncodingOption::TtlvEncoding) | None, material) => {
            let mut carried = carried.clone();
            carried.0.extend(selected(attributes, names)?.0);
            let value = KeyValue::Plain { material: material.clone(), attributes: carried };
            Ok(value.to_bytes(cx.version))
        }
    }
}

/// The attributes of those names. A name that the object has no attribute for names nothing.
fn selected(attributes: &Attributes, names: &[String]) -> Result<AttributeList, Error> {
    if names.len() > MAX_NAMES {
        return Err(invalid_field("The Key Wrapping Specification names too many attributes."));
    }
    let references = names.iter().map(|name| AttributeReference::named(name));
    let values = references.flat_map(|reference| attributes.values(&reference)).map(|(_, value)| value);
    Ok(AttributeList(values.map(Attribute::without_zero_index).collect()))
}

/// More names than there are attributes, so that a request cannot grow the answer without end.
const MAX_NAMES: usize = 256;

/// The value and its MAC or signature.
fn apply(
    method: WrappingMethod,
    plain: Secret,
    encryption: Option<&WrappingKey>,
    signature: Option<&WrappingKey>,
) -> Result<(Secret, Option<Vec<u8>>), Error> {
    let value = match encryption {
        Some(tool) => Secret::new(aes::wrap(&tool.wrapping(), plain.expose())?),
        None => plain.clone(),
    };
    let signed = if method == WrappingMethod::MacSignThenEncrypt { &plain } else { &value };
    let code = signature.map(|tool| tool.sign(signed.expose())).transpose()?;
    Ok((value, code))
}

/// A key at work.
struct WrappingKey {
    record: Granted,
    parameters: CryptographicParameters,
    bytes: Secret,
}

impl WrappingKey {
    /// The key that encrypts or decrypts.
    fn encrypting(cx: &mut Context<'_>, information: &KeyInformation, purpose: Use) -> Result<Self, Error> {
        let record = open(cx, information)?;
        let judged = usage::check(&record, purpose, cx.version, cx.now);
        match judged {
            Err(_) if purpose == Use::Unwrap => usage::check(&record, Use::Wrap, cx.version, cx.now)?,
            judged => judged?,
        }
        Self::of(record, information)
    }

    /// The key that makes a MAC or a signature.
    fn signing(cx: &mut Context<'_>, information: &KeyInformation) -> Result<Self, Error> {
        let record = open(cx, information)?;
        usage::check(&record, signing_use(&record), cx.version, cx.now)?;
        Self::of(record, information)
    }

    /// The key that checks a MAC or a signature: the same key, or the public half of the pair that signed.
    fn verifying(cx: &mut Context<'_>, information: &KeyInformation) -> Result<Self, Error> {
        let record = open(cx, information)?;
        let purpose = match record.object_type {
            ObjectType::SymmetricKey | ObjectType::SecretData => Use::MacVerify,
            _ => Use::Verify,
        };
        match usage::check(&record, purpose, cx.version, cx.now) {
            Err(_) if purpose == Use::MacVerify => {
                usage::check(&record, Use::MacGenerate, cx.version, cx.now)?;
            }
            judged => judged?,
        }
        Self::of(record, information)
    }

    fn of(record: Granted, information: &KeyInformation) -> Result<Self, Error> {
        let parameters = usage::parameters(information.cryptographic_parameters.clone(), &record);
        let bytes = key::bytes(lifecycle::object(&record)?)?;
        Ok(Self { record, parameters: parameters.unwrap_or_default(), bytes })
    }

    fn wrapping(&self) -> Wrapping<'_> {
        Wrapping {
            method: WrappingMethod::Encrypt,
            algorithm: self.record.attributes.cryptographic_algorithm.unwrap_or(CryptographicAlgorithm::Aes),
            key: Key(self.bytes.expose()),
            mode: self.parameters.block_cipher_mode,
        }
    }

    fn signs(&self) -> Use {
        signing_use(&self.record)
    }

    fn sign(&self, value: &[u8]) -> Result<Vec<u8>, Error> {
        if self.signs() == Use::MacGenerate {
            return Ok(mac::compute(self.mac_algorithm()?, Key(self.bytes.expose()), value)?);
        }
        Ok(sign::sign(&self.signature(), SignatureInput::Data(value))?)
    }

    fn verify(&self, value: &[u8], code: &[u8]) -> Result<(), Error> {
        let right = if self.signs() == Use::MacGenerate {
            mac::verify(self.mac_algorithm()?, Key(self.bytes.expose()), value, code)?
        } else {
            sign::verify(&self.signature(), SignatureInput::Data(value), code)?
        };
        if right {
            Ok(())
        } else {
            Err(failed(
                ResultReason::CryptographicFailure,
                "The MAC or signature of the wrapped key is wrong.",
            ))
        }
    }

    fn mac_algorithm(&self) -> Result<CryptographicAlgorithm, Error> {
        usage::algorithm(&self.parameters, &self.record).ok_or_else(|| {
            invalid_field("The algorithm of the MAC is said neither by the request nor by the key.")
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

/// The wrapping key, if the asker may have it. Up to 2.0 one that is refused is told as one that does not exist, as
/// PyKMIP does.
fn open(cx: &mut Context<'_>, information: &KeyInformation) -> Result<Granted, Error> {
    let version = cx.version;
    let missing = || {
        let reason = table(version, ResultReason::WrappingObjectNotFound, ResultReason::ItemNotFound);
        failed(reason, "Wrapping key does not exist.")
    };
    let opened = cx.open(Some(&information.unique_identifier), Operation::Get);
    let granted = opened.map_err(|error| match error.reason {
        ResultReason::ObjectArchived if version >= V2_1 => {
            failed(ResultReason::WrappingObjectArchived, "The wrapping key is archived.")
        }
        _ => missing(),
    })?;
    if version >= V2_1 && lifecycle::is_destroyed(&granted) {
        return Err(failed(ResultReason::WrappingObjectDestroyed, "The wrapping key is destroyed."));
    }
    Ok(granted)
}

/// The reason of the standard's own table from 2.1 on, and PyKMIP's before.
fn table(version: Version, standard: ResultReason, pykmip: ResultReason) -> ResultReason {
    if version >= V2_1 { standard } else { pykmip }
}
