//! Signature Verify (KMIP 1.4 §4.32, 2.1 §6.1.56): verifies the signature of data with a public key.

use crate::engine::Context;
use crate::engine::usage::Use;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::V1_4;

use super::Operation;
use super::authentication::{self, Verdict};
use super::multi_part::{KeyAndData, Part, PartIndicators};
use super::signature::SignatureContext;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => key_and_data: KeyAndData,
        DigestedData[V1_4..] => digested_data: Option<Vec<u8>>,
        SignatureData => signature_data: Option<Vec<u8>>,
        CorrelationValue => part: PartIndicators,
    }
}

pub(super) struct SignatureVerify;

impl Operation for SignatureVerify {
    const CODE: enums::Operation = enums::Operation::SignatureVerify;
    type Request = Request;
    type Response = Verdict;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Verdict, Error> {
        let Request { key_and_data, digested_data, signature_data, part } = request;
        let part = Part::of(part)?;
        authentication::verify::<Self, SignatureContext>(
            cx,
            Use::Verify,
            part,
            key_and_data,
            digested_data,
            signature_data,
        )
    }
}
