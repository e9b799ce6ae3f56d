//! The operations: one file each, with the Request Payload, the Response Payload and the implementation.
//!
//! [`OPERATIONS`] is the registry that dispatch and Query read. A new operation needs one file and its line here.

mod activate;
mod add_attribute;
mod adjust_attribute;
mod archive;
pub(crate) mod attribute_rules;
mod authentication;
mod cancel;
mod certification;
mod certify;
mod check;
mod cipher;
mod create;
mod create_key_pair;
mod create_split_key;
mod decrypt;
mod delegated_login;
mod delete_attribute;
mod derive_key;
mod destroy;
mod discover_versions;
mod encrypt;
mod excess;
mod export;
mod get;
mod get_attribute_list;
mod get_attributes;
mod get_constraints;
mod get_usage_allocation;
mod hash;
mod import;
mod interop;
mod join_split_key;
mod locate;
mod log;
mod login;
mod logout;
mod mac;
mod mac_verify;
mod modify_attribute;
mod multi_part;
mod object_payloads;
mod obtain_lease;
mod ping;
mod pkcs11;
mod poll;
mod process;
mod query;
mod query_asynchronous_requests;
mod re_certify;
mod re_key;
mod re_key_key_pair;
mod recover;
mod register;
mod revoke;
mod rng_retrieve;
mod rng_seed;
mod set_attribute;
mod set_constraints;
mod set_defaults;
mod set_endpoint_role;
mod sign;
mod signature;
mod signature_verify;
mod split_keys;
#[cfg(test)]
mod testing;
mod validate;

use crate::engine::Context;
use crate::engine::services::jobs::Polled;
use crate::kmip::Error;
use crate::kmip::enums;
use crate::ttlv::{self, Item, Tag, Value, Version, Writer};

/// One operation of the standard.
pub trait Operation {
    /// The operation's value in the Operation enumeration.
    const CODE: enums::Operation;
    /// The Request Payload.
    type Request: Value + Clone + Send + 'static;
    /// The Response Payload.
    type Response: Value + Send + 'static;

    /// Executes the operation.
    ///
    /// # Errors
    /// Returns the error for the response; the operation then has no effect.
    fn execute(cx: &mut Context<'_>, request: Self::Request) -> Result<Self::Response, Error>;
}

/// An operation with its decoded Request Payload.
pub trait Prepared: Send {
    /// Executes the operation.
    ///
    /// # Errors
    /// Returns the errors of [`Operation::execute`].
    fn execute(self: Box<Self>, cx: &mut Context<'_>) -> Result<Reply, Error>;

    /// Returns a copy, which executes the operation again in a transaction that is repeated.
    fn duplicate(&self) -> Box<dyn Prepared>;
}

/// The result of a successful operation.
pub enum Reply {
    /// The Response Payload.
    Done(Payload),
    /// The result of another operation, for Poll.
    Of {
        /// The other operation.
        operation: enums::Operation,
        /// Its result.
        polled: Polled,
        /// Its Asynchronous Correlation Value.
        correlation: Vec<u8>,
    },
}

/// Writes a Response Payload in the protocol version of the writer.
pub type Payload = Box<dyn FnOnce(&mut Writer) + Send>;

/// A registered operation.
pub struct Entry {
    /// The operation.
    pub code: enums::Operation,
    prepare: fn(&Item<'_>) -> Result<Box<dyn Prepared>, ttlv::Error>,
}

impl Entry {
    /// Reads a Request Payload of this operation.
    ///
    /// # Errors
    /// Returns the error of the first item that violates the payload's structure.
    pub fn prepare(&self, payload: &Item<'_>) -> Result<Box<dyn Prepared>, ttlv::Error> {
        (self.prepare)(payload)
    }

    /// Whether the operation exists in `version`.
    pub fn exists_in(&self, version: Version) -> bool {
        self.code.since() <= version
    }

    /// Returns the operation with this value, or `None` if the server does not support it.
    pub fn find(code: u32) -> Option<&'static Self> {
        OPERATIONS.iter().find(|entry| entry.code.to_wire() == code)
    }
}

/// The supported operations, in the order in which Query lists them.
pub static OPERATIONS: &[Entry] = &[
    entry::<create::Create>(),
    entry::<create_key_pair::CreateKeyPair>(),
    entry::<register::Register>(),
    entry::<derive_key::DeriveKey>(),
    entry::<re_key::ReKey>(),
    entry::<re_key_key_pair::ReKeyKeyPair>(),
    entry::<locate::Locate>(),
    entry::<check::Check>(),
    entry::<get::Get>(),
    entry::<get_attributes::GetAttributes>(),
    entry::<get_attribute_list::GetAttributeList>(),
    entry::<add_attribute::AddAttribute>(),
    entry::<modify_attribute::ModifyAttribute>(),
    entry::<delete_attribute::DeleteAttribute>(),
    entry::<obtain_lease::ObtainLease>(),
    entry::<get_usage_allocation::GetUsageAllocation>(),
    entry::<activate::Activate>(),
    entry::<revoke::Revoke>(),
    entry::<destroy::Destroy>(),
    entry::<archive::Archive>(),
    entry::<recover::Recover>(),
    entry::<validate::Validate>(),
    entry::<query::Query>(),
    entry::<cancel::Cancel>(),
    poll::ENTRY,
    entry::<discover_versions::DiscoverVersions>(),
    entry::<certify::Certify>(),
    entry::<re_certify::ReCertify>(),
    entry::<create_split_key::CreateSplitKey>(),
    entry::<join_split_key::JoinSplitKey>(),
    entry::<export::Export>(),
    entry::<import::Import>(),
    entry::<log::Log>(),
    entry::<login::Login>(),
    entry::<logout::Logout>(),
    entry::<delegated_login::DelegatedLogin>(),
    entry::<encrypt::Encrypt>(),
    entry::<decrypt::Decrypt>(),
    entry::<sign::Sign>(),
    entry::<signature_verify::SignatureVerify>(),
    entry::<mac::Mac>(),
    entry::<mac_verify::MacVerify>(),
    entry::<hash::Hash>(),
    entry::<rng_retrieve::RngRetrieve>(),
    entry::<rng_seed::RngSeed>(),
    entry::<adjust_attribute::AdjustAttribute>(),
    entry::<set_attribute::SetAttribute>(),
    entry::<set_endpoint_role::SetEndpointRole>(),
    entry::<pkcs11::Pkcs11>(),
    entry::<interop::Interop>(),
    entry::<ping::Ping>(),
    entry::<set_constraints::SetConstraints>(),
    entry::<get_constraints::GetConstraints>(),
    entry::<set_defaults::SetDefaults>(),
    entry::<query_asynchronous_requests::QueryAsynchronousRequests>(),
    entry::<process::Process>(),
];

const fn entry<O: Operation + 'static>() -> Entry {
    Entry {
        code: O::CODE,
        prepare: |payload| {
            let request = O::Request::decode(payload)?;
            Ok(Box::new(Request::<O>(request)))
        },
    }
}

struct Request<O: Operation>(O::Request);

impl<O: Operation + 'static> Prepared for Request<O> {
    fn execute(self: Box<Self>, cx: &mut Context<'_>) -> Result<Reply, Error> {
        let response = O::execute(cx, self.0)?;
        Ok(Reply::Done(Box::new(move |writer| response.encode(Tag::ResponsePayload, writer))))
    }

    fn duplicate(&self) -> Box<dyn Prepared> {
        Box::new(Self(self.0.clone()))
    }
}
