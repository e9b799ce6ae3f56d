//! Stands in for the engine: lets clients in by the settings and says to each request that no operation is
//! known.

use crate::auth::{Authenticator, Peer};
use crate::dispatch::{Reply, Respond};
use crate::kmip::enums::{ResultReason, ResultStatus};
use crate::ttlv::{ItemType, Tag, V1_0, Value, Writer};

/// The responder of a server that has no engine.
#[derive(Debug)]
pub(super) struct Canned {
    authenticator: Authenticator,
}

impl Canned {
    pub(super) fn new(authenticator: Authenticator) -> Self {
        Self { authenticator }
    }
}

impl Respond for Canned {
    fn respond(&self, _request: &[u8], peer: &Peer) -> Reply {
        let identity = self.authenticator.admit(peer).and_then(|()| self.authenticator.identify(peer));
        match identity {
            Ok(_) => refusal(ResultReason::OperationNotSupported, "There is no engine."),
            Err(error) => {
                log::warn!(target: peer.log_target(), "Authentication failed: {error}");
                refusal(ResultReason::AuthenticationNotSuccessful, "The client is not let in.")
            }
        }
    }
}

/// One failed item (KMIP 1.0 §7.2), in version 1.0.
fn refusal(reason: ResultReason, message: &str) -> Reply {
    let mut writer = Writer::new(V1_0);
    writer.structure(Tag::ResponseMessage, |writer| {
        writer.structure(Tag::ResponseHeader, |writer| {
            writer.structure(Tag::ProtocolVersion, |writer| {
                1_i32.encode(Tag::ProtocolVersionMajor, writer);
                0_i32.encode(Tag::ProtocolVersionMinor, writer);
            });
            writer.item(Tag::TimeStamp, ItemType::DateTime, &0_i64.to_be_bytes());
            1_i32.encode(Tag::BatchCount, writer);
        });
        writer.structure(Tag::BatchItem, |writer| {
            ResultStatus::OperationFailed.encode(Tag::ResultStatus, writer);
            reason.encode(Tag::ResultReason, writer);
            message.to_owned().encode(Tag::ResultMessage, writer);
        });
    });
    Reply { message: writer.into_bytes(), close: false }
}
