//! MAC (KMIP 1.4 §4.33, 2.1 §6.1.32): a message authentication code of data.

use crate::crypto::mac::MacContext;
use crate::engine::Context;
use crate::engine::usage::{self, Use};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::store::Id;
use crate::ttlv::V1_3;

use super::ciphering::again;
use super::parts::Part;
use super::{Operation, coding};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        Data => data: Option<Secret>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        InitIndicator[V1_3..] => init_indicator: Option<bool>,
        FinalIndicator[V1_3..] => final_indicator: Option<bool>,
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

/// What is kept between the parts.
struct Coding(Id, MacContext);

impl Operation for Mac {
    const CODE: enums::Operation = enums::Operation::Mac;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let Request { unique_identifier, cryptographic_parameters, data, .. } = request;
        let identifier = unique_identifier.as_ref();
        let part = Part::of(request.correlation_value, request.init_indicator, request.final_indicator)?;
        let data = part.data(data)?;
        let (granted, mut coder) = match &part {
            Part::Next { correlation, .. } => {
                let Coding(key, coder) = cx.resume(correlation)?;
                (again(cx, identifier, key, Self::CODE, Use::MacGenerate)?, coder)
            }
            _ => coding::begin(cx, identifier, Self::CODE, Use::MacGenerate, cryptographic_parameters)?,
        };
        coder.update(data.expose());
        usage::spend(cx, &granted, Self::CODE, Use::MacGenerate, part.amount(data.len()))?;
        let key = granted.id;
        let (mac_data, correlation_value) = if part.is_last() {
            (Some(coder.finish()), None)
        } else {
            (None, Some(part.keep(cx, Coding(key, coder))?))
        };
        Ok(Response { unique_identifier: key.into(), mac_data, correlation_value })
    }
}
