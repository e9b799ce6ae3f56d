//! Bit masks (KMIP 1.4 §9.1.3.3, 2.1 §12).

use crate::kmip::macros::wire_mask;

wire_mask! {
    /// Cryptographic Usage Mask: the operations that a key is for (KMIP 1.4 §9.1.3.3.1, 2.1 §12.1).
    pub struct CryptographicUsageMask {
        SIGN = 0x00000001 "Sign" V1_0,
        VERIFY = 0x00000002 "Verify" V1_0,
        ENCRYPT = 0x00000004 "Encrypt" V1_0,
        DECRYPT = 0x00000008 "Decrypt" V1_0,
        WRAP_KEY = 0x00000010 "Wrap Key" V1_0,
        UNWRAP_KEY = 0x00000020 "Unwrap Key" V1_0,
        EXPORT = 0x00000040 "Export" V1_0,
        MAC_GENERATE = 0x00000080 "MAC Generate" V1_0,
        MAC_VERIFY = 0x00000100 "MAC Verify" V1_0,
        DERIVE_KEY = 0x00000200 "Derive Key" V1_0,
        CONTENT_COMMITMENT = 0x00000400 "Content Commitment (Non Repudiation)" V1_0,
        KEY_AGREEMENT = 0x00000800 "Key Agreement" V1_0,
        CERTIFICATE_SIGN = 0x00001000 "Certificate Sign" V1_0,
        CRL_SIGN = 0x00002000 "CRL Sign" V1_0,
        GENERATE_CRYPTOGRAM = 0x00004000 "Generate Cryptogram" V1_0,
        VALIDATE_CRYPTOGRAM = 0x00008000 "Validate Cryptogram" V1_0,
        TRANSLATE_ENCRYPT = 0x00010000 "Translate Encrypt" V1_0,
        TRANSLATE_DECRYPT = 0x00020000 "Translate Decrypt" V1_0,
        TRANSLATE_WRAP = 0x00040000 "Translate Wrap" V1_0,
        TRANSLATE_UNWRAP = 0x00080000 "Translate Unwrap" V1_0,
        AUTHENTICATE = 0x00100000 "Authenticate" V2_0,
        UNRESTRICTED = 0x00200000 "Unrestricted" V2_0,
        FPE_ENCRYPT = 0x00400000 "FPE Encrypt" V2_0,
        FPE_DECRYPT = 0x00800000 "FPE Decrypt" V2_0,
    }
}

wire_mask! {
    /// Storage Status Mask: the storage that Locate searches (KMIP 1.4 §9.1.3.3.2, 2.1 §12.3).
    pub struct StorageStatusMask {
        ON_LINE_STORAGE = 0x00000001 "On-line storage" V1_0,
        ARCHIVAL_STORAGE = 0x00000002 "Archival storage" V1_0,
        DESTROYED_STORAGE = 0x00000004 "Destroyed storage" V2_0,
    }
}

wire_mask! {
    /// Protection Storage Mask: the properties of the storage that protects an object (KMIP 2.1 §12.2).
    pub struct ProtectionStorageMask {
        SOFTWARE = 0x00000001 "Software" V2_0,
        HARDWARE = 0x00000002 "Hardware" V2_0,
        ON_PROCESSOR = 0x00000004 "On Processor" V2_0,
        ON_SYSTEM = 0x00000008 "On System" V2_0,
        OFF_SYSTEM = 0x00000010 "Off System" V2_0,
        HYPERVISOR = 0x00000020 "Hypervisor" V2_0,
        OPERATING_SYSTEM = 0x00000040 "Operating System" V2_0,
        CONTAINER = 0x00000080 "Container" V2_0,
        ON_PREMISES = 0x00000100 "On Premises" V2_0,
        OFF_PREMISES = 0x00000200 "Off Premises" V2_0,
        SELF_MANAGED = 0x00000400 "Self Managed" V2_0,
        OUTSOURCED = 0x00000800 "Outsourced" V2_0,
        VALIDATED = 0x00001000 "Validated" V2_0,
        SAME_JURISDICTION = 0x00002000 "Same Jurisdiction" V2_0,
    }
}
