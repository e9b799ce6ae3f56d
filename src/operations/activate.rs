//! Activate (KMIP 1.4 §4.19, 2.1 §6.1.1): activates a pre-active object.

use crate::engine::{Context, lifecycle};
use crate::kmip::{Error, enums};

use super::Operation;
use super::object_payloads::{Request, Response};

pub(super) struct Activate;

impl Operation for Activate {
    const CODE: enums::Operation = enums::Operation::Activate;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, lifecycle::activate)?;
        Ok(Response { unique_identifier: id.into() })
    }
}
