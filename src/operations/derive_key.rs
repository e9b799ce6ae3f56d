//! Derive Key (KMIP 1.4 §4.6, 2.1 §6.1.14): derives a symmetric key or secret data from stored objects.

use crate::compatibility::Difference;
use crate::cpu_permits::Effort;
use crate::crypto::derive::{self, Derivation};
use crate::crypto::{Key, KeyRole, Purpose, ec};
use crate::engine::usage::{self, Use};
use crate::engine::{
    Context, Granted, NewObject, RequestedAttributes, Requester, failed, invalid_field, key, lifecycle,
};
use crate::kmip::attributes::TemplateAttribute;
use crate::kmip::enums::{
    CryptographicAlgorithm, DerivationMethod, HashingAlgorithm, KeyFormatType, LinkType, ObjectType,
    PaddingMethod, ResultReason, SecretDataType, UniqueIdentifierValue,
};
use crate::kmip::structures::{CryptographicParameters, DerivationParameters, Link, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::store::Id;
use crate::ttlv::Tag;

use super::Operation;
use super::object_payloads::Response;
use super::register::check_as_pykmip;

structure! {
    /// Request Payload.
    pub struct Request {
        ObjectType => object_type: ObjectType,
        UniqueIdentifier => unique_identifiers: Vec<UniqueIdentifier>,
        DerivationMethod => derivation_method: DerivationMethod,
        DerivationParameters => derivation_parameters: DerivationParameters,
        Attributes => attributes: TemplateAttribute,
    }
}

pub(super) struct DeriveKey;

/// The maximum number of objects that a request derives from. No method uses more than two.
const MAX_BASES: usize = 16;

impl Operation for DeriveKey {
    const CODE: enums::Operation = enums::Operation::DeriveKey;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let given = RequestedAttributes::of(cx, request.attributes)?;
        let given = cx.complete(given, request.object_type, None)?;
        if !matches!(request.object_type, ObjectType::SymmetricKey | ObjectType::SecretData) {
            return Err(invalid_field(
                "Derive Key supports only the object types Symmetric Key and Secret Data.",
            ));
        }
        let bases = bases(cx, &request.unique_identifiers)?;
        let length = length(&given)?;
        let algorithm: Option<CryptographicAlgorithm> = given.read(Tag::CryptographicAlgorithm);
        if request.object_type == ObjectType::SymmetricKey && algorithm.is_none() {
            return Err(invalid_field(
                "The request does not contain the Cryptographic Algorithm of the derived key.",
            ));
        }
        let (method, parameters) = (request.derivation_method, &request.derivation_parameters);
        if encrypts_by_rsa(method, parameters, &bases) && cx.compatibility.has(Difference::DerivationByRsa) {
            let message = "The object to derive from is no RSA public key.";
            return Err(failed(ResultReason::CryptographicFailure, message));
        }
        let hmac_is_hkdf = cx.compatibility.has(Difference::HmacDerivation);
        let derived = if method == DerivationMethod::Pbkdf2 {
            cx.with_cpu_permit(Effort::Seconds, || derive(&bases, method, hmac_is_hkdf, parameters, length))?
        } else {
            derive(&bases, method, hmac_is_hkdf, parameters, length)?
        };

        let format = given.read::<KeyFormatType>(Tag::KeyFormatType);
        let object = match algorithm {
            Some(algorithm) if request.object_type == ObjectType::SymmetricKey => {
                let bits = i32::try_from(length * 8).unwrap_or(i32::MAX);
                key::symmetric_key(derived, algorithm, bits, format, cx.version)?
            }
            _ => key::secret_data(derived, SecretDataType::Seed, format, cx.version)?,
        };
        // Secret data has no Cryptographic Length attribute.
        let given = if request.object_type == ObjectType::SymmetricKey {
            given
        } else {
            given.without(Tag::CryptographicLength)
        };
        check_as_pykmip(&given, request.object_type, cx.compatibility)?;
        let mut draft = NewObject::new(object).with_requested(&given)?;
        draft.attributes.original_creation_date = Some(cx.now);
        draft
            .attributes
            .link
            .extend(bases.iter().map(|base| Link::new(LinkType::DerivationBaseObjectLink, base.id)));
        let requester = Requester::of(cx);
        let id = store(cx, draft, &requester, &bases)?;
        cx.set_placeholders(UniqueIdentifierValue::DeriveKey, id);
        Ok(Response { unique_identifier: id.into() })
    }
}

/// Returns the objects to derive from, after checking that each may be used for derivation.
fn bases(cx: &mut Context<'_>, identifiers: &[UniqueIdentifier]) -> Result<Vec<Granted>, Error> {
    if identifiers.is_empty() || identifiers.len() > MAX_BASES {
        return Err(invalid_field(format!(
            "The request names {} objects to derive from; 1 to {MAX_BASES} are supported.",
            identifiers.len()
        )));
    }
    let open = |identifier| usage::open(cx, Some(identifier), DeriveKey::CODE, Use::Derive);
    identifiers.iter().map(open).collect()
}

/// Returns the length of the derived object in bytes.
fn length(given: &RequestedAttributes) -> Result<usize, Error> {
    let bits: i32 = given.read(Tag::CryptographicLength).ok_or_else(|| {
        invalid_field("The request does not contain the Cryptographic Length of the derived object.")
    })?;
    let bits = usize::try_from(bits).unwrap_or_default();
    if bits == 0 || !bits.is_multiple_of(8) {
        return Err(invalid_field("The Cryptographic Length must be a whole number of bytes, at least one."));
    }
    Ok(bits / 8)
}

/// Returns whether the request encrypts by RSA with PKCS#1 v1.5 padding, with an object that is no public key.
fn encrypts_by_rsa(method: DerivationMethod, parameters: &DerivationParameters, bases: &[Granted]) -> bool {
    method == DerivationMethod::Encrypt
        && bases.first().is_some_and(|base| base.object_type != ObjectType::PublicKey)
        && parameters.cryptographic_parameters.as_ref().is_some_and(|own| {
            own.cryptographic_algorithm == Some(CryptographicAlgorithm::Rsa)
                && own.padding_method == Some(PaddingMethod::Pkcs1V1_5)
        })
}

fn derive(
    bases: &[Granted],
    method: DerivationMethod,
    hmac_is_hkdf: bool,
    parameters: &DerivationParameters,
    length: usize,
) -> Result<Secret, Error> {
    if method == DerivationMethod::AsymmetricKey {
        return agree(bases, length);
    }
    let Some((base, others)) = bases.split_first() else {
        return Err(invalid_field("The request names no object to derive from."));
    };
    let key = key::bytes(lifecycle::object(base)?)?;
    let data = match &parameters.derivation_data {
        Some(data) => Some(data.clone()),
        // The first Secret Data object after the key is the derivation data (1.4 §4.6).
        None => match others.iter().find(|other| other.object_type == ObjectType::SecretData) {
            Some(secret) => Some(key::bytes(lifecycle::object(secret)?)?),
            None => None,
        },
    };
    let own = usage::parameters(parameters.cryptographic_parameters.clone(), base).unwrap_or_default();
    let iterations = parameters.iteration_count.map(|count| u32::try_from(count).unwrap_or_default());
    Ok(derive::derive(&Derivation {
        method,
        hmac_is_hkdf,
        length,
        key: Some(Key(key.expose())),
        data: data.as_ref().map(Secret::expose),
        hash: hash(method, &own, base),
        salt: parameters.salt.as_deref(),
        iterations,
        iv: parameters.initialization_vector.as_deref(),
        algorithm: usage::algorithm(&own, base),
        mode: own.block_cipher_mode,
        padding: own.padding_method,
    })?)
}

/// Returns the hash of the parameters, or else that of the HMAC algorithm of the parameters or the key, or else for
/// PBKDF2 the default of RFC 8018 A.2.
fn hash(
    method: DerivationMethod,
    parameters: &CryptographicParameters,
    base: &Granted,
) -> Option<HashingAlgorithm> {
    let own = || {
        let algorithm = parameters.cryptographic_algorithm.or(base.attributes.cryptographic_algorithm)?;
        crate::crypto::mac::hash_of(algorithm).map(|hash| hash.entry())
    };
    parameters
        .hashing_algorithm
        .or_else(own)
        .or_else(|| (method == DerivationMethod::Pbkdf2).then_some(HashingAlgorithm::Sha1))
}

/// Derives the shared secret of a private key and a public key (1.4 §9.1.3.2.21: Asymmetric Key).
fn agree(bases: &[Granted], length: usize) -> Result<Secret, Error> {
    let of = |kind| {
        let mut fitting = bases.iter().filter(|base| base.object_type == kind);
        match (fitting.next(), fitting.next()) {
            (Some(base), None) => key::bytes(lifecycle::object(base)?),
            _ => Err(invalid_field("Key agreement needs one private key and one public key.")),
        }
    };
    let (private, public) = (of(ObjectType::PrivateKey)?, of(ObjectType::PublicKey)?);
    let private =
        ec::PrivateKey::read(private.expose(), Purpose::Derive).map_err(|_| unfit(KeyRole::Private))?;
    let public = ec::PublicKey::read(public.expose(), Purpose::Derive).map_err(|_| unfit(KeyRole::Public))?;
    let secret = ec::agree(&private, &public)?;
    let cut = secret.expose().get(..length).ok_or_else(|| {
        failed(
            ResultReason::CryptographicFailure,
            format!("Key agreement yields {} bytes, but the request needs {length}.", secret.len()),
        )
    })?;
    Ok(Secret::new(cut.to_vec()))
}

fn unfit(role: KeyRole) -> Error {
    invalid_field(format!("The {role} key is not on an elliptic curve that supports key agreement."))
}

/// Stores the derived object and links the objects that it is derived from to it, in one transaction.
fn store(
    cx: &mut Context<'_>,
    draft: NewObject,
    requester: &Requester,
    bases: &[Granted],
) -> Result<Id, Error> {
    let identifiers: Vec<Id> = bases.iter().map(|base| base.id).collect();
    cx.insert_and_modify(draft.finish(requester)?, (&identifiers, DeriveKey::CODE), |record, made| {
        record.attributes.link.push(Link::new(LinkType::DerivedKeyLink, made));
    })
}
