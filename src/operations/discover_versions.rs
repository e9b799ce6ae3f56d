//! Discover Versions (KMIP 1.4 §4.26, 2.1 §6.1.16): returns the protocol versions that both client and server support.

use crate::compatibility::Difference;
use crate::engine::Context;
use crate::kmip::structures::ProtocolVersion;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{SUPPORTED, V2_0, V2_1, Version};

use super::Operation;

structure! {
    /// Request Payload: the client's versions in order of preference, or none to request all.
    pub struct Request {
        ProtocolVersion => protocol_versions: Vec<ProtocolVersion>,
    }
}

structure! {
    /// Response Payload: the supported versions among the client's, in the client's order, or all supported versions if
    /// the client names none.
    pub struct Response {
        ProtocolVersion => protocol_versions: Vec<ProtocolVersion>,
    }
}

pub(super) struct DiscoverVersions;

impl Operation for DiscoverVersions {
    const CODE: enums::Operation = enums::Operation::DiscoverVersions;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let protocol_versions = if request.protocol_versions.is_empty() {
            let last = if cx.compatibility.has(Difference::DiscoveredVersions) { V2_0 } else { V2_1 };
            SUPPORTED.into_iter().filter(|version| *version <= last).map(ProtocolVersion::from).collect()
        } else {
            let supported = |version: &ProtocolVersion| Version::from(version.clone()).is_supported();
            request.protocol_versions.into_iter().filter(supported).collect()
        };
        Ok(Response { protocol_versions })
    }
}
