//! Set Endpoint Role (KMIP 2.1 §6.1.54): which end of the connection asks from now on.
//!
//! By the connection of a client this server answers and never asks, so it takes the role that it has and no other.
//! What it sends of its own accord goes to where clients listen.

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
                "This server sends no requests by the connection of a client.",
            )),
        }
    }
}
