//! Join Split Key (KMIP 1.4 §4.39, 2.1 §6.1.27): combines the parts of a split key into one object.

use crate::cpu_permits::Effort;
use crate::crypto::split::{MAX_PARTS, Share, join};
use crate::engine::{Context, Granted, NewObject, RequestedAttributes, Requester, failed, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, ObjectType, ResultReason, SecretDataType, UniqueIdentifierValue,
};
use crate::kmip::structures::{ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{
    Error, Key, KeyBlock, KeyMaterial, KeyValue, Object, SecretData, SplitKey, enums, structure,
};
use crate::secret::Secret;
use crate::ttlv::{Tag, V2_0};

use super::split_keys::{self, JoinedObject};
use super::{Operation, register};

structure! {
    /// Request Payload.
    pub struct Request {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifiers: Vec<UniqueIdentifier>,
        SecretDataType => secret_data_type: Option<SecretDataType>,
        Attributes => attributes: Option<TemplateAttribute>,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

structure! {
    /// Response Payload. The standard's test cases omit the Object Type that the table of 1.x contains.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct JoinSplitKey;

impl Operation for JoinSplitKey {
    const CODE: enums::Operation = enums::Operation::JoinSplitKey;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        if !JOINED.contains(&request.object_type) {
            return Err(failed(
                ResultReason::InvalidObjectType,
                format!("Join Split Key does not support the object type {}.", request.object_type),
            ));
        }
        if request.unique_identifiers.len() > MAX_PARTS {
            return Err(invalid_field(format!("The request names more than {MAX_PARTS} parts.")));
        }
        let given = RequestedAttributes::of_optional(cx, request.attributes)?;
        let mut parts = Parts::default();
        for identifier in &request.unique_identifiers {
            parts.add(&cx.open(Some(identifier), Self::CODE)?)?;
        }
        let Some(first) = parts.first else { return Err(invalid_field("The request names no parts.")) };
        let scheme = split_keys::scheme(&first)?;
        let threshold = usize::try_from(first.split_key_threshold).unwrap_or(0);
        let joined = cx.with_cpu_permit(Effort::Seconds, || Ok(join(&scheme, &parts.shares, threshold)?))?;

        let target = JoinedObject {
            object_type: request.object_type,
            algorithm: given
                .read::<CryptographicAlgorithm>(Tag::CryptographicAlgorithm)
                .or(first.key_block.cryptographic_algorithm),
            length: given.read(Tag::CryptographicLength).or(first.key_block.cryptographic_length),
        };
        let secret = target.fit(&scheme, &joined)?;
        let mut object = object(&target, secret, request.secret_data_type)?;
        register::check_length(&mut object)?;
        let mut draft = NewObject::new(object).with_requested(&given)?;
        // Access to the joined object must be no easier than to a part.
        if parts.sensitive {
            draft.attributes.sensitive = Some(true);
        }
        if parts.inextractable {
            draft.attributes.extractable = Some(false);
        }
        let new = draft.finish(&Requester::of(cx))?;
        let id = cx.insert(new)?;
        cx.set_placeholders(UniqueIdentifierValue::JoinSplitKey, id);
        Ok(Response { unique_identifier: id.into() })
    }
}

/// The object types that parts can be joined to.
const JOINED: &[ObjectType] =
    &[ObjectType::SymmetricKey, ObjectType::PublicKey, ObjectType::PrivateKey, ObjectType::SecretData];

/// The parts of a request; all belong to one split.
#[derive(Default)]
struct Parts {
    first: Option<SplitKey>,
    shares: Vec<Share>,
    sensitive: bool,
    inextractable: bool,
}

impl Parts {
    fn add(&mut self, granted: &Granted) -> Result<(), Error> {
        let Object::SplitKey(part) = split_keys::present(granted)? else {
            return Err(failed(
                ResultReason::InvalidObjectType,
                format!("Object {} is not a split key.", granted.id),
            ));
        };
        let first = self.first.get_or_insert_with(|| part.clone());
        let alike = first.split_key_parts == part.split_key_parts
            && first.split_key_threshold == part.split_key_threshold
            && first.split_key_method == part.split_key_method
            && first.prime_field_size == part.prime_field_size;
        if !alike {
            return Err(crate::crypto::Error::SharesDisagree.into());
        }
        self.shares.push(Share {
            // No share has the number 0, so a negative identifier is rejected as well.
            number: u32::try_from(part.key_part_identifier).unwrap_or(0),
            value: split_keys::secret(&part.key_block)?.clone(),
        });
        self.sensitive |= granted.attributes.sensitive == Some(true);
        self.inextractable |= granted.attributes.extractable == Some(false);
        Ok(())
    }
}

fn object(target: &JoinedObject, secret: Secret, kind: Option<SecretDataType>) -> Result<Object, Error> {
    let is_secret = target.object_type == ObjectType::SecretData;
    if kind.is_some() && !is_secret {
        return Err(invalid_field(
            "The request contains a Secret Data Type, but its Object Type is not Secret Data.",
        ));
    }
    if target.algorithm.is_none() && !is_secret {
        return Err(invalid_field("The request does not contain the Cryptographic Algorithm attribute."));
    }
    let key_block = KeyBlock {
        key_format_type: target.format(&secret),
        key_compression_type: None,
        key_value: Some(KeyValue::of(KeyMaterial::Bytes(secret))),
        cryptographic_algorithm: target.algorithm,
        cryptographic_length: target.length,
        key_wrapping_data: None,
    };
    Ok(match target.object_type {
        ObjectType::SecretData => Object::SecretData(SecretData {
            secret_data_type: kind.unwrap_or(SecretDataType::Seed),
            key_block,
        }),
        ObjectType::PublicKey => Object::PublicKey(Key { key_block }),
        ObjectType::PrivateKey => Object::PrivateKey(Key { key_block }),
        _ => Object::SymmetricKey(Key { key_block }),
    })
}
