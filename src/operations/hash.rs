//! Hash (KMIP 1.4 §4.37, 2.1 §6.1.24): a digest of data, without any key.

use crate::crypto::Purpose;
use crate::crypto::hash::{self, Hasher};
use crate::engine::{Context, invalid_field};
use crate::kmip::structures::CryptographicParameters;
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::ttlv::V1_3;

use super::Operation;
use super::parts::Part;

structure! {
    /// Request Payload.
    pub struct Request {
        /// Only later parts can do without; the standard has it in all.
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
        Data => data: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
    }
}

pub(super) struct Hash;

/// What is kept between the parts.
struct Hashing(Hasher);

impl Operation for Hash {
    const CODE: enums::Operation = enums::Operation::Hash;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, mut request: Request) -> Result<Response, Error> {
        let part =
            Part::of(request.correlation_value.take(), request.init_indicator, request.final_indicator)?;
        let data = part.data(request.data.take())?;
        let parameters = request.cryptographic_parameters.unwrap_or_default();
        let Hashing(mut hasher) = match &part {
            Part::Whole | Part::First => Hashing(begin(&parameters)?),
            Part::Next { correlation, .. } => cx.resume(correlation)?,
        };
        hasher.update(data.expose());
        if part.is_last() {
            return Ok(Response { data: Some(hasher.finish()), correlation_value: None });
        }
        Ok(Response { data: None, correlation_value: Some(part.keep(cx, Hashing(hasher))?) })
    }
}

/// The digest that the parameters ask for; later parts go on with that of the first.
fn begin(parameters: &CryptographicParameters) -> Result<Hasher, Error> {
    let hash = parameters
        .hashing_algorithm
        .ok_or_else(|| invalid_field("The Hashing Algorithm has to be given."))?;
    Ok(Hasher::new(hash::Hash::of(hash, Purpose::Hash)?))
}
