//! Signature Verify (KMIP 1.4 §4.32, 2.1 §6.1.56): whether a signature is that of the data.

use crate::crypto::{self, Parameter, Purpose, sign};
use crate::engine::usage::Use;
use crate::engine::{Context, failed};
use crate::kmip::enums::{PaddingMethod, ResultReason, ValidityIndicator};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::ttlv::{V1_3, V1_4};

use super::Operation;
use super::ciphering::again;
use super::parts::{Part, validity};
use super::signing::{Gathered, SigningKey, further, needed};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        Data => data: Option<Secret>,
        DigestedData[V1_4..] => digested_data: Option<Vec<u8>>,
        SignatureData => signature_data: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        InitIndicator[V1_3..] => init_indicator: Option<bool>,
        FinalIndicator[V1_3..] => final_indicator: Option<bool>,
    }
}

structure! {
    /// Response Payload. No scheme here recovers data from a signature, so none is returned.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        ValidityIndicator => validity_indicator: Option<ValidityIndicator>,
        Data => data: Option<Secret>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
    }
}

pub(super) struct SignatureVerify;

/// What is kept between the parts; the signature may come with any of them.
struct Verification {
    with: SigningKey,
    gathered: Gathered,
    signature: Option<Vec<u8>>,
}

impl Operation for SignatureVerify {
    const CODE: enums::Operation = enums::Operation::SignatureVerify;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let Request {
            unique_identifier, cryptographic_parameters, data, digested_data, signature_data, ..
        } = request;
        let identifier = unique_identifier.as_ref();
        let part = Part::of(request.correlation_value, request.init_indicator, request.final_indicator)?;
        let (with, gathered, signature) = match &part {
            Part::Next { correlation, .. } => {
                let Verification { mut with, gathered, signature } = cx.resume(correlation)?;
                with.granted = again(cx, identifier, with.granted.id, Self::CODE, Use::Verify)?;
                let gathered = gathered.and(&further(&part, data, digested_data.as_ref())?)?;
                (with, gathered, signature_data.or(signature))
            }
            _ => {
                let with =
                    SigningKey::prepare(cx, identifier, Self::CODE, Use::Verify, cryptographic_parameters)?;
                let gathered = with.gather(&part, data, digested_data, Purpose::Verify)?;
                (with, gathered, signature_data)
            }
        };
        let unique_identifier = with.granted.id.into();
        let (validity_indicator, correlation_value) = if part.is_last() {
            let signature = needed(signature)?;
            let valid = gathered.with(|message| sign::verify(&with.signing(), message, &signature));
            (Some(validity(valid.map_err(|error| refused(error, &with))?)), None)
        } else {
            (None, Some(part.keep(cx, Verification { with, gathered, signature })?))
        };
        Ok(Response { unique_identifier, validity_indicator, data: None, correlation_value })
    }
}

/// PyKMIP looks for the hash when it verifies, except for PSS: without one it calls that a failure of the
/// cryptography. For signing it calls the same an Invalid Field.
fn refused(error: crypto::Error, with: &SigningKey) -> Error {
    let hash =
        matches!(error, crypto::Error::Missing(Parameter::HashingAlgorithm) | crypto::Error::Hash { .. });
    if hash && with.signing().padding == Some(PaddingMethod::Pkcs1V1_5) {
        return failed(ResultReason::CryptographicFailure, error.to_string());
    }
    error.into()
}
