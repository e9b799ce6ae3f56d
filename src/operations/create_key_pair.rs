//! Create Key Pair (KMIP 1.4 §4.2, 2.1 §6.1.9): generates a public key and its private key.

use crate::compatibility::Difference;
use crate::cpu_permits::Effort;
use crate::crypto::ec::{self, Curve};
use crate::crypto::{self, Purpose, rsa};
use crate::engine::key::{self, PlainKey};
use crate::engine::{Context, NewObject, RequestedAttributes, Requester, failed, invalid_field};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, CryptographicUsageMask, LinkType, ObjectType, RecommendedCurve, ResultReason,
    UniqueIdentifierValue,
};
use crate::kmip::structures::{
    CryptographicDomainParameters, Link, ProtectionStorageMasks, UniqueIdentifier,
};
use crate::kmip::{Error, Key, KeyBlock, Object, enums, structure};
use crate::ttlv::{Tag, V2_0, Value, Version};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        CommonAttributes => attributes: PairAttributes,
    }
}

structure! {
    /// The attributes and storage masks for the keys of a new pair.
    pub rows PairAttributes {
        CommonAttributes => common: Option<TemplateAttribute>,
        PrivateKeyAttributes => private: Option<TemplateAttribute>,
        PublicKeyAttributes => public: Option<TemplateAttribute>,
        CommonProtectionStorageMasks[V2_0..] => common_storage: Option<ProtectionStorageMasks>,
        PrivateProtectionStorageMasks[V2_0..] => private_storage: Option<ProtectionStorageMasks>,
        PublicProtectionStorageMasks[V2_0..] => public_storage: Option<ProtectionStorageMasks>,
    }
}

impl PairAttributes {
    /// Returns the attributes of the public key and of the private key; both include the common attributes.
    ///
    /// # Errors
    /// Returns the errors of [`RequestedAttributes::of_optional`].
    pub(super) fn requested(
        self,
        cx: &mut Context<'_>,
    ) -> Result<(RequestedAttributes, RequestedAttributes), Error> {
        let public = RequestedAttributes::of_optional(cx, self.public)?;
        let private = RequestedAttributes::of_optional(cx, self.private)?;
        let common = RequestedAttributes::of_optional(cx, self.common)?;
        Ok((public.or(&common), private.or(&common)))
    }
}

structure! {
    /// Response Payload, also of Re-key Key Pair.
    pub struct Response {
        PrivateKeyUniqueIdentifier => private_key_unique_identifier: UniqueIdentifier,
        PublicKeyUniqueIdentifier => public_key_unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct CreateKeyPair;

impl Operation for CreateKeyPair {
    const CODE: enums::Operation = enums::Operation::CreateKeyPair;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (public, private) = request.attributes.requested(cx)?;
        let public = cx.complete(public, ObjectType::PublicKey, None)?;
        let private = cx.complete(private, ObjectType::PrivateKey, None)?;

        if cx.compatibility.has(Difference::MissingUsageMask) {
            requested::<CryptographicUsageMask>(&public, Tag::CryptographicUsageMask, "public")?;
            requested::<CryptographicUsageMask>(&private, Tag::CryptographicUsageMask, "private")?;
        }
        let pair = generate(cx, &public, &private)?;
        let mut public_key =
            NewObject::generated(pair.public_key(&public, cx.version)?, cx.now).with_requested(&public)?;
        let mut private_key =
            NewObject::generated(pair.private_key(&private, cx.version)?, cx.now).with_requested(&private)?;
        pair.complete(&mut public_key, &mut private_key);

        let requester = Requester::of(cx);
        let ids = cx.insert_linked(
            vec![public_key.finish(&requester)?, private_key.finish(&requester)?],
            |pair| {
                let [public_key, private_key] = pair else { return };
                public_key.attributes.link.push(Link::new(LinkType::PrivateKeyLink, private_key.id));
                private_key.attributes.link.push(Link::new(LinkType::PublicKeyLink, public_key.id));
            },
        )?;
        let [public_id, private_id] =
            ids.try_into().map_err(|_| invalid_field("The server stored no key pair."))?;
        cx.set_placeholders(UniqueIdentifierValue::CreateKeyPairPublicKey, public_id);
        cx.set_placeholders(UniqueIdentifierValue::CreateKeyPairPrivateKey, private_id);
        Ok(Response {
            private_key_unique_identifier: private_id.into(),
            public_key_unique_identifier: public_id.into(),
        })
    }
}

/// Generates a pair with these attributes.
///
/// # Errors
/// Returns Invalid Field for missing or conflicting attributes, Cryptographic Failure for an unsupported length.
pub(super) fn generate(
    cx: &mut Context<'_>,
    public: &RequestedAttributes,
    private: &RequestedAttributes,
) -> Result<Pair, Error> {
    let algorithm = agreed::<CryptographicAlgorithm>(public, private, Tag::CryptographicAlgorithm)?;
    match algorithm {
        CryptographicAlgorithm::Rsa => rsa_pair(cx, public, private),
        _ => curve_pair(algorithm, public, private),
    }
}

/// A generated pair with the properties of its algorithm.
pub(super) struct Pair {
    algorithm: CryptographicAlgorithm,
    public: PlainKey,
    private: PlainKey,
    bits: i32,
    curve: Option<RecommendedCurve>,
    /// The default usage mask of the public key.
    public_usage: CryptographicUsageMask,
    /// The default usage mask of the private key.
    private_usage: CryptographicUsageMask,
}

impl Pair {
    /// Returns the public key in the Key Format Type of its attributes.
    ///
    /// # Errors
    /// Returns Key Format Type Not Supported if the key cannot have this format.
    pub(super) fn public_key(&self, given: &RequestedAttributes, version: Version) -> Result<Object, Error> {
        self.key(&self.public, given, version).map(Object::PublicKey)
    }

    /// Returns the private key in the Key Format Type of its attributes.
    ///
    /// # Errors
    /// Returns the errors of [`Pair::public_key`].
    pub(super) fn private_key(&self, given: &RequestedAttributes, version: Version) -> Result<Object, Error> {
        self.key(&self.private, given, version).map(Object::PrivateKey)
    }

    fn key(&self, key: &PlainKey, given: &RequestedAttributes, version: Version) -> Result<Key, Error> {
        let block = key::key_block(key, given.read(Tag::KeyFormatType), version)?;
        let (cryptographic_algorithm, cryptographic_length) = (Some(self.algorithm), Some(self.bits));
        Ok(Key { key_block: KeyBlock { cryptographic_algorithm, cryptographic_length, ..block } })
    }

    /// Adds the attributes that the pair determines; the client's attributes win.
    pub(super) fn complete(&self, public: &mut NewObject, private: &mut NewObject) {
        for (draft, usage) in [(public, self.public_usage), (private, self.private_usage)] {
            draft.attributes.cryptographic_usage_mask.get_or_insert(usage);
            if let Some(curve) = self.curve {
                draft.attributes.cryptographic_domain_parameters.get_or_insert(
                    CryptographicDomainParameters {
                        qlength: Some(self.bits),
                        recommended_curve: Some(curve),
                    },
                );
            }
        }
    }
}

fn rsa_pair(
    cx: &mut Context<'_>,
    public: &RequestedAttributes,
    private: &RequestedAttributes,
) -> Result<Pair, Error> {
    use CryptographicUsageMask as M;
    let bits = agreed::<i32>(public, private, Tag::CryptographicLength)?;
    let failure = |error: crypto::Error| failed(ResultReason::CryptographicFailure, error.to_string());
    // No key has the length 0, so a negative length is rejected as well.
    let length = u32::try_from(bits).unwrap_or(0);
    let effort = if rsa::takes_minutes(length) { Effort::Minutes } else { Effort::Seconds };
    let pair = cx.with_cpu_permit(effort, || rsa::generate(length).map_err(failure))?;
    let purpose = Purpose::CreateKeyPair;
    Ok(Pair {
        algorithm: CryptographicAlgorithm::Rsa,
        public: rsa::PublicKey::read(&pair.public_pkcs1, purpose)
            .map(PlainKey::RsaPublic)
            .map_err(failure)?,
        private: rsa::PrivateKey::read(pair.private_pkcs8.expose(), purpose)
            .map(PlainKey::RsaPrivate)
            .map_err(failure)?,
        bits,
        curve: None,
        public_usage: M::VERIFY | M::ENCRYPT,
        private_usage: M::SIGN | M::DECRYPT,
    })
}

/// Generates a pair on the curve of the Cryptographic Domain Parameters, or on one with the requested length.
fn curve_pair(
    algorithm: CryptographicAlgorithm,
    public: &RequestedAttributes,
    private: &RequestedAttributes,
) -> Result<Pair, Error> {
    use CryptographicUsageMask as M;
    let domain = |given: &RequestedAttributes| -> Option<CryptographicDomainParameters> {
        given.read(Tag::CryptographicDomainParameters)
    };
    let length = |given: &RequestedAttributes| -> Option<i32> {
        given.read(Tag::CryptographicLength).or_else(|| domain(given)?.qlength)
    };
    let named = |given: &RequestedAttributes| domain(given)?.recommended_curve;
    let curve = same(named(public), named(private), Tag::RecommendedCurve)?;
    // No key has the length 0, so a negative length is rejected as well.
    let bits = same(length(public), length(private), Tag::CryptographicLength)?
        .map(|bits| u32::try_from(bits).unwrap_or(0));
    let curve = Curve::choose(algorithm, curve, bits, Purpose::CreateKeyPair)?;
    let key = ec::generate(curve)?;
    let (public_usage, private_usage) = match curve {
        Curve::X25519 => (M::DERIVE_KEY, M::DERIVE_KEY),
        _ => (M::VERIFY, M::SIGN),
    };
    Ok(Pair {
        algorithm,
        public: PlainKey::EcPublic(key.public()?),
        private: PlainKey::EcPrivate(key),
        bits: i32::try_from(curve.bits()).unwrap_or(i32::MAX),
        curve: Some(curve.entry()),
        public_usage,
        private_usage,
    })
}

/// Returns the value that the attributes of one or both keys contain.
fn same<T: PartialEq>(public: Option<T>, private: Option<T>, what: Tag) -> Result<Option<T>, Error> {
    match (public, private) {
        (Some(public), Some(private)) if public != private => {
            Err(invalid_field(format!("The {what} attributes of the two keys of a pair differ.")))
        }
        (public, private) => Ok(public.or(private)),
    }
}

/// Returns the value that the attributes of the key must contain; `key` is public or private.
fn requested<T: Value>(given: &RequestedAttributes, tag: Tag, key: &str) -> Result<T, Error> {
    given.read(tag).ok_or_else(|| {
        invalid_field(format!("The request does not contain the {tag} attribute of the {key} key."))
    })
}

/// Returns the value that the attributes of both keys must contain.
fn agreed<T: Value + PartialEq>(
    public: &RequestedAttributes,
    private: &RequestedAttributes,
    tag: Tag,
) -> Result<T, Error> {
    let (public, private) = (requested::<T>(public, tag, "public")?, requested(private, tag, "private")?);
    if public != private {
        return Err(invalid_field(format!("The {tag} attributes of the two keys of a pair differ.")));
    }
    Ok(public)
}
