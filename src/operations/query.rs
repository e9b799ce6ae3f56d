//! Query (KMIP 1.4 §4.25, 2.1 §6.1.40): returns the server's capabilities, read from its own tables.

mod profiles;
mod pykmip;

use crate::compatibility::Difference;
use crate::engine::defaults::DefaultsInformation;
use crate::engine::{Announced, Context, failed};
use crate::kmip::enums::*;
use crate::kmip::structures::*;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::{V1_1, V1_2, V1_3, V2_0, V2_1};

use super::{Entry, OPERATIONS};

structure! {
    /// Request Payload.
    pub struct Request {
        QueryFunction => query_functions: Vec<QueryFunction>,
        /// The object groups; the response does not depend on them.
        ObjectGroups[V2_1..] => object_groups: Option<ObjectGroups>,
    }
}

structure! {
    /// Response Payload.
    #[derive(Default)]
    pub struct Response {
        Operation => operations: Vec<enums::Operation>,
        ObjectType => object_types: Vec<ObjectType>,
        VendorIdentification => vendor_identification: Option<String>,
        ServerInformation => server_information: Option<ServerInformation>,
        ApplicationNamespace => application_namespaces: Vec<String>,
        ExtensionInformation[V1_1..] => extension_information: Vec<ExtensionInformation>,
        AttestationType[V1_2..] => attestation_types: Vec<AttestationType>,
        RngParameters[V1_3..] => rng_parameters: Vec<RngParameters>,
        ProfileInformation[V1_3..] => profile_information: Vec<ProfileInformation>,
        ValidationInformation[V1_3..] => validation_information: Vec<ValidationInformation>,
        CapabilityInformation[V1_3..] => capability_information: Vec<CapabilityInformation>,
        ClientRegistrationMethod[V1_3..] => client_registration_methods: Vec<ClientRegistrationMethod>,
        DefaultsInformation[V2_0..] => defaults_information: Option<DefaultsInformation>,
        ProtectionStorageMasks[V2_0..] => protection_storage_masks: Option<ProtectionStorageMasks>,
    }
}

pub(super) struct Query;

impl crate::operations::Operation for Query {
    const CODE: enums::Operation = enums::Operation::Query;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        if request.query_functions.is_empty() {
            return Err(failed(ResultReason::InvalidMessage, "The request contains no Query Function."));
        }
        if cx.compatibility.has(Difference::QueryAnswer) {
            return Ok(pykmip::response(&request.query_functions, &cx.services.announced, cx.version));
        }
        let asked = |function| request.query_functions.contains(&function);
        let (version, announced) = (cx.version, &cx.services.announced);
        let defaults_information = if asked(QueryFunction::QueryDefaultsInformation) && version >= V2_0 {
            Some(cx.defaults()?).filter(|defaults| !defaults.objects.is_empty())
        } else {
            None
        };
        let operations = OPERATIONS.iter().filter(|entry| entry.exists_in(version)).map(|entry| entry.code);
        let operations =
            operations.chain(SENT.into_iter().filter(|_| cx.services.notifications.has_listeners()));
        let object_types = OBJECT_TYPES
            .iter()
            .copied()
            .filter(|kind| kind.since() <= version && (*kind != ObjectType::Template || version < V2_0));
        Ok(Response {
            operations: list(asked(QueryFunction::QueryOperations), operations),
            object_types: list(asked(QueryFunction::QueryObjects), object_types),
            vendor_identification: asked(QueryFunction::QueryServerInformation)
                .then(|| announced.vendor_identification()),
            server_information: asked(QueryFunction::QueryServerInformation)
                .then(|| server_information(announced)),
            application_namespaces: Vec::new(),
            extension_information: Vec::new(),
            attestation_types: Vec::new(),
            rng_parameters: list(
                asked(QueryFunction::QueryRNGs),
                [RngParameters::OF_THIS_SERVER].into_iter(),
            ),
            profile_information: list(
                asked(QueryFunction::QueryProfiles),
                profiles::announced_profiles(announced.profiles.as_deref(), version).into_iter(),
            ),
            validation_information: list(
                asked(QueryFunction::QueryValidations),
                announced.validations.iter().cloned(),
            ),
            capability_information: list(
                asked(QueryFunction::QueryCapabilities),
                [capabilities()].into_iter(),
            ),
            client_registration_methods: list(
                asked(QueryFunction::QueryClientRegistrationMethods),
                registration_methods().into_iter(),
            ),
            defaults_information,
            protection_storage_masks: asked(QueryFunction::QueryStorageProtectionMasks)
                .then(|| ProtectionStorageMasks { masks: vec![ProtectionStorageMask::SOFTWARE] }),
        })
    }
}

/// The operations that the server sends to listening clients.
const SENT: [enums::Operation; 2] = [enums::Operation::Notify, enums::Operation::Put];

/// The object types that Register accepts.
const OBJECT_TYPES: [ObjectType; 10] = [
    ObjectType::Certificate,
    ObjectType::SymmetricKey,
    ObjectType::PublicKey,
    ObjectType::PrivateKey,
    ObjectType::SplitKey,
    ObjectType::Template,
    ObjectType::SecretData,
    ObjectType::OpaqueObject,
    ObjectType::PgpKey,
    ObjectType::CertificateRequest,
];

fn list<T>(asked: bool, values: impl Iterator<Item = T>) -> Vec<T> {
    if asked { values.collect() } else { Vec::new() }
}

fn server_information(announced: &Announced) -> ServerInformation {
    ServerInformation {
        server_name: Some(announced.product.clone()),
        server_version: Some(announced.version.clone()),
        product_name: Some(format!("{} {}", announced.product, announced.version)),
        ..ServerInformation::default()
    }
}

/// The supported ways to provide a client with a key and a certificate.
fn registration_methods() -> Vec<ClientRegistrationMethod> {
    use ClientRegistrationMethod as Method;
    let certifies = Entry::find(enums::Operation::Certify.to_wire()).is_some();
    let certified = [Method::ServerPreGenerated, Method::ServerOnDemand, Method::ClientGenerated];
    certified.into_iter().filter(|_| certifies).chain([Method::ClientRegistered]).collect()
}

/// The static capabilities. The server stores wrapped keys unchanged, leaves overwriting of deleted keys to SQLite, and
/// uses the random number generator of the operating system.
fn capabilities() -> CapabilityInformation {
    CapabilityInformation {
        streaming_capability: Some(true),
        asynchronous_capability: Some(true),
        attestation_capability: Some(false),
        batch_undo_capability: Some(true),
        batch_continue_capability: Some(true),
        unwrap_mode: Some(UnwrapMode::NotProcessed),
        destroy_action: Some(DestroyAction::KeyMaterialDeleted),
        shredding_algorithm: Some(ShreddingAlgorithm::Unsupported),
        rng_mode: Some(RngMode::Unspecified),
        quantum_safe_capability: Some(true),
    }
}

#[cfg(test)]
mod vectors;
