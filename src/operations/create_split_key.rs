//! Create Split Key (KMIP 1.4 §4.38, 2.1 §6.1.10): splits an existing key, or a new key that is never stored whole.

use crate::crypto::split::{Prime, Scheme, Share, split};
use crate::crypto::symmetric_key;
use crate::engine::{Context, Granted, NewObject, RequestedAttributes, Requester, failed, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, KeyFormatType, LinkType, ObjectType, ResultReason, SplitKeyMethod,
    UniqueIdentifierValue,
};
use crate::kmip::structures::{Link, ProtectionStorageMasks, UniqueIdentifier};
use crate::kmip::{Error, KeyBlock, KeyMaterial, KeyValue, Object, SplitKey, enums, structure};
use crate::secret::Secret;
use crate::store::Id;
use crate::ttlv::{BigInteger, Tag, V2_0};

use super::{Operation, split_keys};

structure! {
    /// Request Payload.
    pub struct Request {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        SplitKeyParts => split_key_parts: i32,
        SplitKeyThreshold => split_key_threshold: i32,
        SplitKeyMethod => split_key_method: SplitKeyMethod,
        PrimeFieldSize => prime_field_size: Option<BigInteger>,
        Attributes => attributes: TemplateAttribute,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

structure! {
    /// Response Payload. The Object Type that the table of 1.x has is in no response of the standard's own cases.
    pub struct Response {
        UniqueIdentifier => unique_identifiers: Vec<UniqueIdentifier>,
    }
}

pub(super) struct CreateSplitKey;

impl Operation for CreateSplitKey {
    const CODE: enums::Operation = enums::Operation::CreateSplitKey;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        if request.object_type != ObjectType::SplitKey {
            return Err(failed(
                ResultReason::InvalidObjectType,
                format!("Create Split Key makes split keys, no object of the type {}.", request.object_type),
            ));
        }
        let mut given = RequestedAttributes::of(cx, &request.attributes)?;
        let key = match &request.unique_identifier {
            Some(identifier) => {
                let whole = Key::of(&cx.open(Some(identifier), Self::CODE)?)?;
                // The attributes of the key count more than those of the request.
                given = whole.overridden.iter().fold(given, |given, tag| given.without(*tag));
                whole
            }
            None => Key::generate(&given)?,
        };
        let scheme = cx.with_cpu_permit(|| scheme(&request, key.secret.len()))?;
        let count = |number| usize::try_from(number).unwrap_or(0);
        let (parts, threshold) = (count(request.split_key_parts), count(request.split_key_threshold));
        let shares = cx.with_cpu_permit(|| Ok(split(&scheme, &key.secret, parts, threshold)?))?;

        let asker = Requester::of(cx);
        let mut new = Vec::with_capacity(parts);
        for share in shares {
            let mut draft =
                NewObject::generated(key.part(share, &request, &scheme), cx.now).with_requested(&given)?;
            key.inherit(&mut draft);
            new.push(draft.finish(&asker)?);
        }
        let ids = cx.insert_linked(new, |_| {})?;
        if let Some(first) = ids.first() {
            cx.leave(UniqueIdentifierValue::CreateSplitKey, *first);
        }
        Ok(Response { unique_identifiers: ids.into_iter().map(UniqueIdentifier::from).collect() })
    }
}

/// How the request wants the key split; where it names no field, the smallest that has room for the key.
fn scheme(request: &Request, length: usize) -> Result<Scheme, Error> {
    let wants_field = request.split_key_method == SplitKeyMethod::PolynomialSharingPrimeField;
    let prime = match &request.prime_field_size {
        Some(size) => Some(Prime::read(split_keys::digits(size))?),
        None if wants_field => Some(Prime::above(length)?),
        None => None,
    };
    let scheme = Scheme::of(request.split_key_method, prime)?;
    // With XOR, Split Key Parts is identical to Split Key Threshold (2.1 §13.1).
    if matches!(scheme, Scheme::Xor) && request.split_key_parts != request.split_key_threshold {
        return Err(invalid_field("With XOR, all parts are needed: the threshold is the number of parts."));
    }
    Ok(scheme)
}

/// The key that is split, with what its parts have from it.
struct Key {
    id: Option<Id>,
    secret: Secret,
    algorithm: Option<CryptographicAlgorithm>,
    length: Option<i32>,
    usage: Option<enums::CryptographicUsageMask>,
    sensitive: bool,
    extractable: bool,
    /// The attributes of a request that do not count beside it.
    overridden: Vec<Tag>,
}

impl Key {
    fn of(granted: &Granted) -> Result<Self, Error> {
        let object = split_keys::present(granted)?;
        let block = match object {
            Object::SymmetricKey(key) | Object::PrivateKey(key) | Object::PublicKey(key) => &key.key_block,
            Object::SecretData(secret) => &secret.key_block,
            _ => {
                return Err(failed(
                    ResultReason::InvalidObjectType,
                    format!("An object of the type {} cannot be split.", object.object_type()),
                ));
            }
        };
        let secret = split_keys::secret(block)?.clone();
        let attributes = &granted.attributes;
        // A secret without a length has the one of its bytes, so that joining knows it.
        let length = attributes.cryptographic_length.or_else(|| i32::try_from(secret.len() * 8).ok());
        let mut overridden = vec![Tag::CryptographicLength, Tag::Sensitive, Tag::Extractable];
        overridden.extend(attributes.cryptographic_algorithm.map(|_| Tag::CryptographicAlgorithm));
        overridden.extend(attributes.cryptographic_usage_mask.map(|_| Tag::CryptographicUsageMask));
        Ok(Self {
            id: Some(granted.id),
            secret,
            algorithm: attributes.cryptographic_algorithm,
            length,
            usage: attributes.cryptographic_usage_mask,
            sensitive: attributes.sensitive == Some(true),
            extractable: attributes.extractable != Some(false),
            overridden,
        })
    }

    fn generate(given: &RequestedAttributes) -> Result<Self, Error> {
        let missing = |name| move || invalid_field(format!("The {name} attribute has to be given."));
        let algorithm =
            given.read(Tag::CryptographicAlgorithm).ok_or_else(missing("Cryptographic Algorithm"))?;
        let length: i32 = given.read(Tag::CryptographicLength).ok_or_else(missing("Cryptographic Length"))?;
        Ok(Self {
            id: None,
            // A negative length is no length of any algorithm.
            secret: symmetric_key::generate(algorithm, u32::try_from(length).unwrap_or(0))?,
            algorithm: Some(algorithm),
            length: Some(length),
            usage: None,
            sensitive: false,
            extractable: true,
            overridden: Vec::new(),
        })
    }

    fn part(&self, share: Share, request: &Request, scheme: &Scheme) -> Object {
        let prime_field_size = match scheme {
            Scheme::PrimeField(prime) => Some(BigInteger::from_magnitude(&prime.digits())),
            _ => None,
        };
        Object::SplitKey(SplitKey {
            split_key_parts: request.split_key_parts,
            key_part_identifier: i32::try_from(share.number).unwrap_or(i32::MAX),
            split_key_threshold: request.split_key_threshold,
            split_key_method: request.split_key_method,
            prime_field_size,
            key_block: KeyBlock {
                key_format_type: KeyFormatType::Raw,
                key_compression_type: None,
                key_value: Some(KeyValue::of(KeyMaterial::Bytes(share.value))),
                cryptographic_algorithm: self.algorithm,
                cryptographic_length: self.length,
                key_wrapping_data: None,
            },
        })
    }

    /// What a part has from the key: it must not be easier to get at than the key.
    fn inherit(&self, draft: &mut NewObject) {
        let Some(id) = self.id else { return };
        let attributes = &mut draft.attributes;
        attributes.cryptographic_usage_mask = self.usage.or(attributes.cryptographic_usage_mask);
        attributes.sensitive = Some(self.sensitive);
        attributes.extractable = Some(self.extractable);
        attributes.link.push(Link::new(LinkType::ParentLink, id));
    }
}
