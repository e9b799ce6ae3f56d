//! Set Endpoint Role (KMIP 2.1 §6.1.54): sets the role of the endpoints of a connection.
//!
//! On a client's connection the server accepts only its current role, because it sends no requests there. Notifications
//! use separate connections to listening clients.

use crate::engine::{Context, failed};
use crate::kmip::enums::{EndpointRole, ResultReason};
use crate::kmip::{Error, enums, structure};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        EndpointRole => endpoint_role: EndpointRole,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        EndpointRole => endpoint_role: EndpointRole,
    }
}

pub(super) struct SetEndpointRole;

impl Operation for SetEndpointRole {
    const CODE: enums::Operation = enums::Operation::SetEndpointRole;
    type Request = Request;
    type Response = Response;

    fn execute(_: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        match request.endpoint_role {
            EndpointRole::Server => Ok(Response { endpoint_role: EndpointRole::Server }),
            EndpointRole::Client => Err(failed(
                ResultReason::FeatureNotSupported,
                "The server does not send requests on a client's connection.",
            )),
        }
    }
}
