//! Recover (KMIP 1.4 §4.23, 2.1 §6.1.42): brings an archived object back on-line.
//!
//! Recovering an object that is not archived succeeds without effect, because no version defines an error for it.

use crate::engine::{Context, lifecycle};
use crate::kmip::{Error, enums};

use super::Operation;
use super::object_payloads::{Request, Response};

pub(super) struct Recover;

impl Operation for Recover {
    const CODE: enums::Operation = enums::Operation::Recover;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, _| {
            lifecycle::recover(record);
            Ok(())
        })?;
        Ok(Response { unique_identifier: id.into() })
    }
}
