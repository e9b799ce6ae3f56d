//! The profiles that the server announces (KMIP 1.4 §2.1.19, 2.1 §7.31; KMIP Profiles 2.1 §5): those whose operations
//! it supports. Support for a profile's cipher suites depends on the TLS settings.

use crate::engine::AnnouncedProfile;
use crate::kmip::enums::{Operation, ProfileName};
use crate::kmip::structures::{ProfileInformation, ProfileVersion};
use crate::operations::Entry;
use crate::ttlv::{V2_0, Version};

/// A family of profiles: its name without version, and the operations that it requires beyond the baseline.
struct Family(&'static str, &'static [Operation]);

/// The operations that every profile requires.
const BASELINE: &[Operation] = &[
    Operation::Locate,
    Operation::Check,
    Operation::Get,
    Operation::GetAttributes,
    Operation::GetAttributeList,
    Operation::AddAttribute,
    Operation::ModifyAttribute,
    Operation::DeleteAttribute,
    Operation::Activate,
    Operation::Revoke,
    Operation::Destroy,
    Operation::Query,
];

const CREATE: &[Operation] = &[Operation::Create];
const REGISTER: &[Operation] = &[Operation::Register];
const KEY_PAIRS: &[Operation] = &[Operation::CreateKeyPair, Operation::Register];
const BASIC: &[Operation] = &[Operation::Create, Operation::Register, Operation::Encrypt, Operation::Decrypt];
const ADVANCED: &[Operation] =
    &[Operation::Sign, Operation::SignatureVerify, Operation::Mac, Operation::MacVerify, Operation::Hash];
const RANDOM: &[Operation] = &[Operation::RngRetrieve, Operation::RngSeed];
const BASELINE_2: &[Operation] = &[
    Operation::AdjustAttribute,
    Operation::Export,
    Operation::Import,
    Operation::Interop,
    Operation::Log,
    Operation::Register,
    Operation::SetAttribute,
    Operation::SetEndpointRole,
];

/// PKCS#11 Server is absent, because the server has no slots and sessions.
const FAMILIES: [Family; 18] = [
    Family("Baseline Server Basic", &[]),
    Family("Baseline Server", BASELINE_2),
    Family("Tape Library Server", CREATE),
    Family("Symmetric Key Lifecycle Server", CREATE),
    Family("Asymmetric Key Lifecycle Server", KEY_PAIRS),
    Family("Basic Cryptographic Server", BASIC),
    Family("Advanced Cryptographic Server", ADVANCED),
    Family("RNG Cryptographic Server", RANDOM),
    Family("Symmetric Key Foundry Server", CREATE),
    Family("Opaque Managed Object Store Server", REGISTER),
    Family("Suite B minLOS_128 Server", &[]),
    Family("Suite B minLOS_192 Server", &[]),
    Family("Storage Array with Self Encrypting Drive Server", REGISTER),
    Family("HTTPS Server", &[]),
    Family("JSON Server", &[]),
    Family("XML Server", &[]),
    Family("AES XTS Server", BASIC),
    Family("Quantum Safe Server", BASELINE_2),
];

/// The families that need the cargo feature `http`.
const NEED_HTTP: [&str; 3] = ["HTTPS Server", "JSON Server", "XML Server"];

/// The separator between family and version in the name of a 1.x profile.
const VERSION: &str = " KMIP v";

/// Returns the configured profiles, or else the supported ones, by their names in `version`. From 2.0 on, names do not
/// contain a version.
pub(super) fn announced_profiles(
    announced: Option<&[AnnouncedProfile]>,
    version: Version,
) -> Vec<ProfileInformation> {
    let known = |name: ProfileName| {
        let named_version = name.name().contains(VERSION);
        name.since() <= version && named_version == (version < V2_0)
    };
    let information = |name: ProfileName| ProfileInformation {
        profile_name: name,
        profile_version: (version >= V2_0).then_some(ProfileVersion {
            profile_version_major: version.major,
            profile_version_minor: version.minor,
        }),
        server_uri: None,
        server_port: None,
    };
    let Some(announced) = announced else {
        let met = ProfileName::ALL.iter().copied().filter(|name| known(*name) && is_met(*name));
        return met.map(information).collect();
    };
    let announced = announced.iter().filter(|profile| known(profile.name));
    announced
        .map(|profile| ProfileInformation {
            server_uri: profile.uri.clone(),
            server_port: profile.port.map(i32::from),
            ..information(profile.name)
        })
        .collect()
}

/// Whether the server supports the operations of the profile.
fn is_met(profile: ProfileName) -> bool {
    let name = profile.name();
    let family = name.split_once(VERSION).map_or(name, |(family, _)| family);
    if !cfg!(feature = "http") && NEED_HTTP.contains(&family) {
        return false;
    }
    let has = |operation: &Operation| Entry::find(operation.to_wire()).is_some();
    FAMILIES.iter().any(|Family(known, more)| *known == family && BASELINE.iter().chain(*more).all(has))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{V1_3, V1_4, V2_1};

    #[test]
    fn every_family_exists_in_the_standard() {
        for Family(family, _) in FAMILIES {
            let named = |name: &&ProfileName| name.name().split(VERSION).next() == Some(family);
            assert!(ProfileName::ALL.iter().any(|name| named(&name)), "{family}");
        }
    }

    #[test]
    fn returns_the_names_of_the_clients_version() {
        let names = |version| -> Vec<_> {
            announced_profiles(None, version).into_iter().map(|it| it.profile_name).collect()
        };
        assert!(names(V1_3).contains(&ProfileName::TapeLibraryServerKmipV1_0));
        assert!(!names(V1_3).contains(&ProfileName::TapeLibraryServerKmipV1_4));
        assert!(names(V1_4).contains(&ProfileName::TapeLibraryServerKmipV1_4));
        assert!(!names(V1_4).contains(&ProfileName::TapeLibraryClientKmipV1_0));
        assert!(names(V2_1).contains(&ProfileName::TapeLibraryServer));
        assert!(!names(V2_1).contains(&ProfileName::TapeLibraryServerKmipV1_4));
    }

    #[test]
    fn announces_a_profile_only_with_all_its_operations() {
        assert!(is_met(ProfileName::XmlServerKmipV1_4));
        assert!(!is_met(ProfileName::CompleteServerBasicKmipV1_4));
    }
}
