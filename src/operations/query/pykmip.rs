//! The Query response of PyKMIP's server, which clients that were written for it expect.

use crate::engine::Announced;
use crate::kmip::enums::{Operation, QueryFunction};
use crate::ttlv::{V1_0, V1_1, V1_2, Version};

use super::{Response, profiles};

/// The Vendor Identification of PyKMIP 0.11.
const VENDOR_IDENTIFICATION: &str = "PyKMIP 0.11.0 Software Server";

/// The operations that PyKMIP lists, each with the first version in which it lists it.
const OPERATIONS: [(Operation, Version); 18] = [
    (Operation::Create, V1_0),
    (Operation::CreateKeyPair, V1_0),
    (Operation::Register, V1_0),
    (Operation::DeriveKey, V1_0),
    (Operation::Locate, V1_0),
    (Operation::Get, V1_0),
    (Operation::GetAttributes, V1_0),
    (Operation::GetAttributeList, V1_0),
    (Operation::Activate, V1_0),
    (Operation::Revoke, V1_0),
    (Operation::Destroy, V1_0),
    (Operation::Query, V1_0),
    (Operation::DiscoverVersions, V1_1),
    (Operation::Encrypt, V1_2),
    (Operation::Decrypt, V1_2),
    (Operation::Sign, V1_2),
    (Operation::SignatureVerify, V1_2),
    (Operation::Mac, V1_2),
];

/// Returns PyKMIP's response. Profiles, validations and a Vendor Identification that the administrator configured are
/// returned, too.
pub(super) fn response(functions: &[QueryFunction], announced: &Announced, version: Version) -> Response {
    let asked = |function| functions.contains(&function);
    let listed =
        OPERATIONS.iter().filter(|(_, since)| asked(QueryFunction::QueryOperations) && *since <= version);
    let vendor_identification =
        || announced.vendor_identification.clone().unwrap_or_else(|| VENDOR_IDENTIFICATION.to_owned());
    let profiles = announced.profiles.as_deref().filter(|_| asked(QueryFunction::QueryProfiles));
    let validations = announced.validations.iter().filter(|_| asked(QueryFunction::QueryValidations));
    Response {
        operations: listed.map(|(operation, _)| *operation).collect(),
        vendor_identification: asked(QueryFunction::QueryServerInformation).then(vendor_identification),
        profile_information: profiles
            .map(|profiles| profiles::announced_profiles(Some(profiles), version))
            .unwrap_or_default(),
        validation_information: validations.cloned().collect(),
        ..Response::default()
    }
}
