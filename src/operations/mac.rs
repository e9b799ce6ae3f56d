//! MAC (KMIP 1.4 §4.33, 2.1 §6.1.32): generates a message authentication code of data.

use crate::crypto::mac::MacContext;
use crate::engine::Context;
use crate::engine::usage::Use;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::V1_3;

use super::multi_part::{KeyAndData, Part, PartIndicators};
use super::{Operation, authentication};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => key_and_data: KeyAndData,
        CorrelationValue => part: PartIndicators,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        MacData => mac_data: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
    }
}

pub(super) struct Mac;

impl Operation for Mac {
    const CODE: enums::Operation = enums::Operation::Mac;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let part = Part::of(request.part)?;
        let request = request.key_and_data.with_data_of(&part)?;
        let generated =
            authentication::generate::<Self, MacContext>(cx, Use::MacGenerate, part, request, None)?;
        Ok(Response {
            unique_identifier: generated.unique_identifier,
            mac_data: generated.value,
            correlation_value: generated.correlation_value,
        })
    }
}
