//! Hash (KMIP 1.4 §4.37, 2.1 §6.1.24): computes the digest of data; no key is involved.

use crate::crypto::Purpose;
use crate::crypto::hash::{self, Hasher};
use crate::engine::{Context, invalid_field};
use crate::kmip::structures::CryptographicParameters;
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::ttlv::V1_3;

use super::Operation;
use super::multi_part::{Part, PartIndicators};

structure! {
    /// Request Payload.
    pub struct Request {
        /// The standard requires it in every part; this server accepts later parts without it.
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        Data => data: Option<Secret>,
        CorrelationValue => part: PartIndicators,
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

/// The state between two parts.
struct Hashing(Hasher);

impl Operation for Hash {
    const CODE: enums::Operation = enums::Operation::Hash;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let part = Part::of(request.part)?;
        let data = part.data(request.data)?;
        let Hashing(mut hasher) = match &part {
            Part::Next { correlation, .. } => cx.take_stream(correlation)?,
            _ => Hashing(hasher(&request.cryptographic_parameters.unwrap_or_default())?),
        };
        hasher.update(data.expose());
        if part.is_last() {
            return Ok(Response { data: Some(hasher.finish()), correlation_value: None });
        }
        Ok(Response { data: None, correlation_value: Some(part.suspend(cx, Hashing(hasher))?) })
    }
}

fn hasher(parameters: &CryptographicParameters) -> Result<Hasher, Error> {
    let hash = parameters
        .hashing_algorithm
        .ok_or_else(|| invalid_field("The Cryptographic Parameters do not contain a Hashing Algorithm."))?;
    Ok(Hasher::new(hash::Hash::of(hash, Purpose::Hash)?))
}
