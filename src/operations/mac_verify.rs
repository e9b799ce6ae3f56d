//! MAC Verify (KMIP 1.4 §4.34, 2.1 §6.1.33): whether a message authentication code is that of the data.

use crate::crypto::mac::MacContext;
use crate::engine::Context;
use crate::engine::usage::Use;
use crate::kmip::enums::ValidityIndicator;
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::store::Id;
use crate::ttlv::V1_3;

use super::ciphering::again;
use super::parts::{Part, missing, validity};
use super::{Operation, coding};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        Data => data: Option<Secret>,
        MacData => mac_data: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        InitIndicator[V1_3..] => init_indicator: Option<bool>,
        FinalIndicator[V1_3..] => final_indicator: Option<bool>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        ValidityIndicator => validity_indicator: Option<ValidityIndicator>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
    }
}

pub(super) struct MacVerify;

/// What is kept between the parts; the code may come with any of them.
struct Verification {
    key: Id,
    coder: MacContext,
    code: Option<Vec<u8>>,
}

impl Operation for MacVerify {
    const CODE: enums::Operation = enums::Operation::MacVerify;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let Request { unique_identifier, cryptographic_parameters, data, mac_data, .. } = request;
        let identifier = unique_identifier.as_ref();
        let part = Part::of(request.correlation_value, request.init_indicator, request.final_indicator)?;
        let data = part.data(data)?;
        let mut under_way = match &part {
            Part::Next { correlation, .. } => {
                let under_way: Verification = cx.resume(correlation)?;
                again(cx, identifier, under_way.key, Self::CODE, Use::MacVerify)?;
                under_way
            }
            _ => {
                let parameters = cryptographic_parameters;
                let (granted, coder) = coding::begin(cx, identifier, Self::CODE, Use::MacVerify, parameters)?;
                Verification { key: granted.id, coder, code: None }
            }
        };
        under_way.coder.update(data.expose());
        under_way.code = mac_data.or(under_way.code);
        let unique_identifier = under_way.key.into();
        let (validity_indicator, correlation_value) = if part.is_last() {
            let code = under_way.code.ok_or_else(|| missing("MAC Data"))?;
            (Some(validity(under_way.coder.verify(&code))), None)
        } else {
            (None, Some(part.keep(cx, under_way)?))
        };
        Ok(Response { unique_identifier, validity_indicator, correlation_value })
    }
}
