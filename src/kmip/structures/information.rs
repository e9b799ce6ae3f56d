//! Structures of Query responses (KMIP 1.4 §2.1.9 to §2.1.21 and §4.25, 2.1 §7).

use crate::kmip::enums::*;
use crate::kmip::macros::structure;
use crate::ttlv::{V1_1, V2_0, V2_1};

structure! {
    /// Extension Information (KMIP 1.4 §2.1.9, 2.1 §7.13).
    pub struct ExtensionInformation {
        ExtensionName => extension_name: String,
        ExtensionTag => extension_tag: Option<i32>,
        ExtensionType => extension_type: Option<i32>,
    }
}

structure! {
    /// Server Information (KMIP 1.4 §4.25, 2.1 §7.37).
    #[derive(Default)]
    pub struct ServerInformation {
        ServerName[V1_1..] => server_name: Option<String>,
        ServerSerialNumber[V1_1..] => server_serial_number: Option<String>,
        ServerVersion[V1_1..] => server_version: Option<String>,
        ServerLoad[V1_1..] => server_load: Option<String>,
        ProductName[V1_1..] => product_name: Option<String>,
        BuildLevel[V1_1..] => build_level: Option<String>,
        BuildDate[V1_1..] => build_date: Option<String>,
        ClusterInfo[V1_1..] => cluster_info: Option<String>,
        AlternateFailoverEndpoints[V1_1..] => alternate_failover_endpoints: Vec<String>,
    }
}

structure! {
    /// Profile Version (KMIP 2.1 §7.32).
    pub struct ProfileVersion {
        ProfileVersionMajor => profile_version_major: i32,
        ProfileVersionMinor => profile_version_minor: i32,
    }
}

structure! {
    /// Profile Information (KMIP 1.4 §2.1.19, 2.1 §7.31).
    pub struct ProfileInformation {
        ProfileName => profile_name: ProfileName,
        ProfileVersion[V2_1..] => profile_version: Option<ProfileVersion>,
        ServerUri => server_uri: Option<String>,
        ServerPort => server_port: Option<i32>,
    }
}

structure! {
    /// Validation Information (KMIP 1.4 §2.1.20, 2.1 §7.41).
    pub struct ValidationInformation {
        ValidationAuthorityType => validation_authority_type: ValidationAuthorityType,
        ValidationAuthorityCountry => validation_authority_country: Option<String>,
        ValidationAuthorityUri => validation_authority_uri: Option<String>,
        ValidationVersionMajor => validation_version_major: i32,
        ValidationVersionMinor => validation_version_minor: Option<i32>,
        ValidationType => validation_type: ValidationType,
        ValidationLevel => validation_level: i32,
        ValidationCertificateIdentifier => validation_certificate_identifier: Option<String>,
        ValidationCertificateUri => validation_certificate_uri: Option<String>,
        ValidationVendorUri => validation_vendor_uri: Option<String>,
        ValidationProfile => validation_profile: Vec<String>,
    }
}

structure! {
    /// Capability Information (KMIP 1.4 §2.1.21, 2.1 §7.5).
    #[derive(Default)]
    pub struct CapabilityInformation {
        StreamingCapability => streaming_capability: Option<bool>,
        AsynchronousCapability => asynchronous_capability: Option<bool>,
        AttestationCapability => attestation_capability: Option<bool>,
        BatchUndoCapability => batch_undo_capability: Option<bool>,
        BatchContinueCapability => batch_continue_capability: Option<bool>,
        UnwrapMode => unwrap_mode: Option<UnwrapMode>,
        DestroyAction => destroy_action: Option<DestroyAction>,
        ShreddingAlgorithm => shredding_algorithm: Option<ShreddingAlgorithm>,
        RngMode => rng_mode: Option<RngMode>,
        QuantumSafeCapability[V2_0..] => quantum_safe_capability: Option<bool>,
    }
}

structure! {
    /// Object Groups (KMIP 2.1 §7.23).
    pub struct ObjectGroups {
        ObjectGroup => groups: Vec<String>,
    }
}

structure! {
    /// Protection Storage Masks: acceptable kinds of storage in order of preference (KMIP 2.1 §7.33).
    pub struct ProtectionStorageMasks {
        ProtectionStorageMask => masks: Vec<ProtectionStorageMask>,
    }
}
