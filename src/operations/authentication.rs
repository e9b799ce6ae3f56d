//! Generation and verification of MACs and digital signatures: what MAC, Sign, MAC Verify and Signature Verify share.

use crate::compatibility::Difference;
use crate::crypto::Key;
use crate::crypto::mac::MacContext;
use crate::engine::usage::{self, Use};
use crate::engine::{Context, Granted, failed, key, lifecycle};
use crate::kmip::enums::{ObjectType, ResultReason, ValidityIndicator};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, Object, enums, structure};
use crate::secret::Secret;
use crate::ttlv::V1_3;

use super::Operation;
use super::multi_part::{KeyAndData, Part, Suspended, missing};

structure! {
    /// Response Payload of a verification. Signature Verify returns no Data, because no supported scheme recovers
    /// data from a signature.
    pub struct Verdict {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        ValidityIndicator => validity_indicator: Option<ValidityIndicator>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
    }
}

/// The result of one part of MAC or Sign.
pub(super) struct Generated {
    pub(super) unique_identifier: UniqueIdentifier,
    /// The MAC or the signature, with the last part.
    pub(super) value: Option<Vec<u8>>,
    pub(super) correlation_value: Option<Vec<u8>>,
}

/// A MAC or a signature under way.
pub(super) trait Authenticator: Send + Sized + 'static {
    /// The item of a request that contains the value to verify.
    const VALUE: &'static str;

    /// Checks that the client may use the key, and begins with no data.
    fn begin(
        cx: &mut Context<'_>,
        identifier: Option<&UniqueIdentifier>,
        operation: enums::Operation,
        purpose: Use,
        parameters: Option<CryptographicParameters>,
    ) -> Result<(Granted, Self), Error>;

    /// Adds the data of a part, or the digest of all data.
    fn update(&mut self, part: &Part, data: Option<Secret>, digest: Option<Vec<u8>>) -> Result<(), Error>;

    /// Returns the MAC or the signature.
    fn generate(self, cx: &mut Context<'_>) -> Result<Vec<u8>, Error>;

    /// Whether `value` is the MAC or the signature.
    fn verify(self, value: &[u8]) -> Result<bool, Error>;
}

/// Runs one part of MAC or Sign.
///
/// # Errors
/// Returns the errors of `A`, [`Suspended::resume`] and [`usage::count`].
pub(super) fn generate<O: Operation + 'static, A: Authenticator>(
    cx: &mut Context<'_>,
    purpose: Use,
    part: Part,
    request: KeyAndData,
    digest: Option<Vec<u8>>,
) -> Result<Generated, Error> {
    let KeyAndData { unique_identifier, cryptographic_parameters, data } = request;
    let identifier = unique_identifier.as_ref();
    let bytes = data.as_ref().map_or(0, Secret::len) + digest.as_ref().map_or(0, Vec::len);
    let amount = part.amount(bytes);
    let (granted, mut authenticator) = match &part {
        Part::Next { correlation, .. } => Suspended::<O, A>::resume(cx, correlation, identifier, purpose)?,
        _ => A::begin(cx, identifier, O::CODE, purpose, cryptographic_parameters)?,
    };
    authenticator.update(&part, data, digest)?;
    let unique_identifier = granted.id.into();
    if part.is_last() {
        let value = Some(authenticator.generate(cx)?);
        usage::count(cx, &granted, O::CODE, purpose, amount)?;
        return Ok(Generated { unique_identifier, value, correlation_value: None });
    }
    usage::count(cx, &granted, O::CODE, purpose, amount)?;
    let correlation_value = Some(part.suspend(cx, Suspended::<O, A>::new(granted.id, authenticator))?);
    Ok(Generated { unique_identifier, value: None, correlation_value })
}

/// Runs one part of MAC Verify or Signature Verify. Any part may contain the value to verify.
///
/// # Errors
/// Returns Invalid Message if no part contained the value, and the errors of `A` and [`Suspended::resume`].
pub(super) fn verify<O: Operation + 'static, A: Authenticator>(
    cx: &mut Context<'_>,
    purpose: Use,
    part: Part,
    request: KeyAndData,
    digest: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
) -> Result<Verdict, Error> {
    let KeyAndData { unique_identifier, cryptographic_parameters, data } = request;
    let identifier = unique_identifier.as_ref();
    let (granted, (mut authenticator, earlier)) = match &part {
        Part::Next { correlation, .. } => {
            Suspended::<O, (A, Option<Vec<u8>>)>::resume(cx, correlation, identifier, purpose)?
        }
        _ => {
            let (granted, authenticator) =
                A::begin(cx, identifier, O::CODE, purpose, cryptographic_parameters)?;
            (granted, (authenticator, None))
        }
    };
    authenticator.update(&part, data, digest)?;
    let value = value.or(earlier);
    let unique_identifier = granted.id.into();
    if !part.is_last() {
        let state = Suspended::<O, _>::new(granted.id, (authenticator, value));
        let correlation_value = Some(part.suspend(cx, state)?);
        return Ok(Verdict { unique_identifier, validity_indicator: None, correlation_value });
    }
    let value = value.ok_or_else(|| missing(A::VALUE))?;
    let validity = match authenticator.verify(&value)? {
        true => ValidityIndicator::Valid,
        false => ValidityIndicator::Invalid,
    };
    Ok(Verdict { unique_identifier, validity_indicator: Some(validity), correlation_value: None })
}

impl Authenticator for MacContext {
    const VALUE: &'static str = "MAC Data";

    /// The order of the checks is PyKMIP's: algorithm, state and usage mask, key material.
    ///
    /// # Errors
    /// Returns Permission Denied if no algorithm is known, as PyKMIP does, and the errors of [`Context::open`],
    /// [`usage::check`], [`key::bytes`] and [`MacContext::new`].
    fn begin(
        cx: &mut Context<'_>,
        identifier: Option<&UniqueIdentifier>,
        operation: enums::Operation,
        purpose: Use,
        parameters: Option<CryptographicParameters>,
    ) -> Result<(Granted, Self), Error> {
        let granted = cx.open(identifier, operation)?;
        let as_pykmip = purpose == Use::MacGenerate && cx.compatibility.has(Difference::MacKeyTypes);
        let parameters = usage::parameters(parameters, &granted).unwrap_or_default();
        let algorithm = match granted.object_type {
            // PyKMIP's certificates have no algorithm.
            ObjectType::Certificate if as_pykmip => parameters.cryptographic_algorithm,
            _ => usage::algorithm(&parameters, &granted),
        };
        let algorithm = algorithm.ok_or_else(|| {
            let message = "The Cryptographic Algorithm is missing from both the request and the key.";
            failed(ResultReason::PermissionDenied, message)
        })?;
        if as_pykmip && matches!(granted.object_type, ObjectType::Certificate | ObjectType::SplitKey) {
            usage::check_any_type(&granted, purpose, cx.version, cx.now)?;
        } else {
            usage::check(&granted, purpose, cx.version, cx.now)?;
        }
        let key = match lifecycle::object(&granted)? {
            Object::Certificate(certificate) => Secret::new(certificate.certificate_value.clone()),
            object => key::bytes(object)?,
        };
        let mac = Self::new(algorithm, Key(key.expose()))?;
        Ok((granted, mac))
    }

    fn update(&mut self, part: &Part, data: Option<Secret>, _: Option<Vec<u8>>) -> Result<(), Error> {
        Self::update(self, part.data(data)?.expose());
        Ok(())
    }

    fn generate(self, _: &mut Context<'_>) -> Result<Vec<u8>, Error> {
        Ok(self.finish())
    }

    fn verify(self, value: &[u8]) -> Result<bool, Error> {
        Ok(Self::verify(self, value))
    }
}
