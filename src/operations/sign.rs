//! Sign (KMIP 1.4 §4.31, 2.1 §6.1.55): signs data with a private key.

use crate::engine::Context;
use crate::engine::usage::Use;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{V1_3, V1_4};

use super::excess::WithExcess;
use super::multi_part::{KeyAndData, Part, PartIndicators};
use super::signature::SignatureContext;
use super::{Operation, authentication};

structure! {
    /// Request Payload.
    pub rows Request {
        UniqueIdentifier => key_and_data: KeyAndData,
        DigestedData[V1_4..] => digested_data: Option<Vec<u8>>,
        CorrelationValue => part: PartIndicators,
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

impl Operation for Sign {
    const CODE: enums::Operation = enums::Operation::Sign;
    type Request = WithExcess<Request>;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Self::Request) -> Result<Response, Error> {
        let Request { key_and_data, digested_data, part } = request.admit(cx.compatibility)?;
        let part = Part::of(part)?;
        let generated = authentication::generate::<Self, SignatureContext>(
            cx,
            Use::Sign,
            part,
            key_and_data,
            digested_data,
        )?;
        Ok(Response {
            unique_identifier: generated.unique_identifier,
            signature_data: generated.value,
            correlation_value: generated.correlation_value,
        })
    }
}
