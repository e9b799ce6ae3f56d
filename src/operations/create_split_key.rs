//! Create Split Key (KMIP 1.4 §4.38, 2.1 §6.1.10): splits an existing key, or a new key that is never stored whole.

use crate::cpu_permits::Effort;
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
    /// Response Payload. The standard's test cases omit the Object Type that the table of 1.x contains.
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
                format!("Create Split Key requires the Object Type Split Key, not {}.", request.object_type),
            ));
        }
        let mut given = RequestedAttributes::of(cx, request.attributes.clone())?;
        let key = match &request.unique_identifier {
            Some(identifier) => {
                let source = SourceKey::of(&cx.open(Some(identifier), Self::CODE)?)?;
                // The attributes of the key override those of the request.
                given = source.overridden.iter().fold(given, |given, tag| given.without(*tag));
                source
            }
            None => SourceKey::generate(&given)?,
        };
        let scheme = cx.with_cpu_permit(Effort::Seconds, || scheme(&request, key.secret.len()))?;
        let count = |number| usize::try_from(number).unwrap_or(0);
        let (parts, threshold) = (count(request.split_key_parts), count(request.split_key_threshold));
        let shares =
            cx.with_cpu_permit(Effort::Seconds, || Ok(split(&scheme, &key.secret, parts, threshold)?))?;

        let requester = Requester::of(cx);
        let mut new = Vec::with_capacity(parts);
        for share in shares {
            let mut draft =
                NewObject::generated(key.part(share, &request, &scheme), cx.now).with_requested(&given)?;
            key.inherit(&mut draft);
            new.push(draft.finish(&requester)?);
        }
        let ids = cx.insert_linked(new, |_| {})?;
        if let Some(first) = ids.first() {
            cx.set_placeholders(UniqueIdentifierValue::CreateSplitKey, *first);
        }
        Ok(Response { unique_identifiers: ids.into_iter().map(UniqueIdentifier::from).collect() })
    }
}

/// Returns the scheme of the request. The default field is the smallest that can contain the key.
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
        return Err(invalid_field("With XOR, the Split Key Threshold must equal the Split Key Parts."));
    }
    Ok(scheme)
}

/// The key to split, with the attributes that its parts inherit.
struct SourceKey {
    id: Option<Id>,
    secret: Secret,
    algorithm: Option<CryptographicAlgorithm>,
    length: Option<i32>,
    usage: Option<enums::CryptographicUsageMask>,
    sensitive: bool,
    extractable: bool,
    /// The attributes of the request that the key overrides.
    overridden: Vec<Tag>,
}

impl SourceKey {
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
        // Join Split Key needs the length, so secret data without one gets the length of its bytes.
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
        let missing =
            |name| move || invalid_field(format!("The request does not contain the {name} attribute."));
        let algorithm =
            given.read(Tag::CryptographicAlgorithm).ok_or_else(missing("Cryptographic Algorithm"))?;
        let length: i32 = given.read(Tag::CryptographicLength).ok_or_else(missing("Cryptographic Length"))?;
        Ok(Self {
            id: None,
            // No key has the length 0, so a negative length is rejected as well.
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

    /// Copies attributes of the key to a part, so that access to a part is no easier than to the key.
    fn inherit(&self, draft: &mut NewObject) {
        let Some(id) = self.id else { return };
        let attributes = &mut draft.attributes;
        attributes.cryptographic_usage_mask = self.usage.or(attributes.cryptographic_usage_mask);
        attributes.sensitive = Some(self.sensitive);
        attributes.extractable = Some(self.extractable);
        attributes.link.push(Link::new(LinkType::ParentLink, id));
    }
}
