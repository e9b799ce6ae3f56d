//! Sign (KMIP 1.4 §4.31, 2.1 §6.1.55): a signature of data with a private key.

use crate::crypto::{Purpose, sign};
use crate::engine::Context;
use crate::engine::usage::{self, Use};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::ttlv::{V1_3, V1_4};

use super::Operation;
use super::ciphering::again;
use super::parts::Part;
use super::signing::{Gathered, SigningKey, further};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        Data => data: Option<Secret>,
        DigestedData[V1_4..] => digested_data: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        InitIndicator[V1_3..] => init_indicator: Option<bool>,
        FinalIndicator[V1_3..] => final_indicator: Option<bool>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        SignatureData => signature_data: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
    }
}

pub(super) struct Sign;

/// What is kept between the parts.
struct Signature(SigningKey, Gathered);

impl Operation for Sign {
    const CODE: enums::Operation = enums::Operation::Sign;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let Request { unique_identifier, cryptographic_parameters, data, digested_data, .. } = request;
        let identifier = unique_identifier.as_ref();
        let part = Part::of(request.correlation_value, request.init_indicator, request.final_indicator)?;
        let bytes = data.as_ref().map_or(0, Secret::len) + digested_data.as_ref().map_or(0, Vec::len);
        let amount = part.amount(bytes);
        let (with, gathered) = match &part {
            Part::Next { correlation, .. } => {
                let Signature(mut with, gathered) = cx.resume(correlation)?;
                with.granted = again(cx, identifier, with.granted.id, Self::CODE, Use::Sign)?;
                let gathered = gathered.and(&further(&part, data, digested_data.as_ref())?)?;
                (with, gathered)
            }
            _ => {
                let with =
                    SigningKey::prepare(cx, identifier, Self::CODE, Use::Sign, cryptographic_parameters)?;
                let gathered = with.gather(&part, data, digested_data, Purpose::Sign)?;
                (with, gathered)
            }
        };
        let unique_identifier = with.granted.id.into();
        if part.is_last() {
            let signature = gathered.with(|message| sign::sign(&with.signing(), message))?;
            usage::spend(cx, &with.granted, Self::CODE, Use::Sign, amount)?;
            return Ok(Response {
                unique_identifier,
                signature_data: Some(signature),
                correlation_value: None,
            });
        }
        usage::spend(cx, &with.granted, Self::CODE, Use::Sign, amount)?;
        let correlation = part.keep(cx, Signature(with, gathered))?;
        Ok(Response { unique_identifier, signature_data: None, correlation_value: Some(correlation) })
    }
}
