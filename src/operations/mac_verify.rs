//! MAC Verify (KMIP 1.4 §4.34, 2.1 §6.1.33): verifies the message authentication code of data.

use crate::crypto::mac::MacContext;
use crate::engine::Context;
use crate::engine::usage::Use;
use crate::kmip::{Error, enums, structure};

use super::Operation;
use super::authentication::{self, Verdict};
use super::multi_part::{KeyAndData, Part, PartIndicators};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => key_and_data: KeyAndData,
        MacData => mac_data: Option<Vec<u8>>,
        CorrelationValue => part: PartIndicators,
    }
}

pub(super) struct MacVerify;

impl Operation for MacVerify {
    const CODE: enums::Operation = enums::Operation::MacVerify;
    type Request = Request;
    type Response = Verdict;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Verdict, Error> {
        let Request { key_and_data, mac_data, part } = request;
        let part = Part::of(part)?;
        let request = key_and_data.with_data_of(&part)?;
        authentication::verify::<Self, MacContext>(cx, Use::MacVerify, part, request, None, mac_data)
    }
}
