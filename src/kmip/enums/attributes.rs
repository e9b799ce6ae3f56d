//! Enumerations of attribute values.

use crate::kmip::macros::wire_enum;

wire_enum! {
    /// State: a state in the life cycle of an object (KMIP 1.4 §9.1.3.2.18, 2.1 §11.55).
    pub enum State {
        PreActive = 0x00000001 "Pre-Active" V1_0,
        Active = 0x00000002 "Active" V1_0,
        Deactivated = 0x00000003 "Deactivated" V1_0,
        Compromised = 0x00000004 "Compromised" V1_0,
        Destroyed = 0x00000005 "Destroyed" V1_0,
        DestroyedCompromised = 0x00000006 "Destroyed Compromised" V1_0,
    }
}

wire_enum! {
    /// Name Type: the type of a Name (KMIP 1.4 §9.1.3.2.11, 2.1 §11.31).
    pub enum NameType {
        UninterpretedTextString = 0x00000001 "Uninterpreted Text String" V1_0,
        Uri = 0x00000002 "URI" V1_0,
    }
}

wire_enum! {
    /// Alternative Name Type: the type of an Alternative Name (KMIP 1.4 §9.1.3.2.34, 2.1 §11.2).
    pub enum AlternativeNameType {
        UninterpretedTextString = 0x00000001 "Uninterpreted Text String" V1_2,
        Uri = 0x00000002 "URI" V1_2,
        ObjectSerialNumber = 0x00000003 "Object Serial Number" V1_2,
        EmailAddress = 0x00000004 "Email Address" V1_2,
        DnsName = 0x00000005 "DNS Name" V1_2,
        X500DistinguishedName = 0x00000006 "X.500 Distinguished Name" V1_2,
        IpAddress = 0x00000007 "IP Address" V1_2,
    }
}

wire_enum! {
    /// Link Type: the relation between linked objects (KMIP 1.4 §9.1.3.2.20, 2.1 §11.28).
    pub enum LinkType {
        CertificateLink = 0x00000101 "Certificate Link" V1_0,
        PublicKeyLink = 0x00000102 "Public Key Link" V1_0,
        PrivateKeyLink = 0x00000103 "Private Key Link" V1_0,
        DerivationBaseObjectLink = 0x00000104 "Derivation Base Object Link" V1_0,
        DerivedKeyLink = 0x00000105 "Derived Key Link" V1_0,
        ReplacementObjectLink = 0x00000106 "Replacement Object Link" V1_0,
        ReplacedObjectLink = 0x00000107 "Replaced Object Link" V1_0,
        ParentLink = 0x00000108 "Parent Link" V1_2,
        ChildLink = 0x00000109 "Child Link" V1_2,
        PreviousLink = 0x0000010a "Previous Link" V1_2,
        NextLink = 0x0000010b "Next Link" V1_2,
        Pkcs12CertificateLink = 0x0000010c "PKCS#12 Certificate Link" V1_4,
        Pkcs12PasswordLink = 0x0000010d "PKCS#12 Password Link" V1_4,
        WrappingKeyLink = 0x0000010e "Wrapping Key Link" V2_0,
    }
}

wire_enum! {
    /// Revocation Reason Code: the reason of a Revoke request (KMIP 1.4 §9.1.3.2.19, 2.1 §11.48).
    pub enum RevocationReasonCode {
        Unspecified = 0x00000001 "Unspecified" V1_0,
        KeyCompromise = 0x00000002 "Key Compromise" V1_0,
        CaCompromise = 0x00000003 "CA Compromise" V1_0,
        AffiliationChanged = 0x00000004 "Affiliation Changed" V1_0,
        Superseded = 0x00000005 "Superseded" V1_0,
        CessationOfOperation = 0x00000006 "Cessation of Operation" V1_0,
        PrivilegeWithdrawn = 0x00000007 "Privilege Withdrawn" V1_0,
    }
}

wire_enum! {
    /// Usage Limits Unit: the unit of Usage Limits (KMIP 1.4 §9.1.3.2.31, 2.1 §11.60).
    pub enum UsageLimitsUnit {
        Byte = 0x00000001 "Byte" V1_0,
        Object = 0x00000002 "Object" V1_0,
    }
}

wire_enum! {
    /// Object Group Member: the members of an Object Group that Locate returns (KMIP 1.4 §9.1.3.2.33, 2.1
    /// §11.33).
    pub enum ObjectGroupMember {
        GroupMemberFresh = 0x00000001 "Group Member Fresh" V1_1,
        GroupMemberDefault = 0x00000002 "Group Member Default" V1_1,
    }
}

wire_enum! {
    /// Rotate Name Type: the type of a Rotate Name (KMIP 2.1 §11.51).
    pub enum RotateNameType {
        UninterpretedTextString = 0x00000001 "Uninterpreted Text String" V2_1,
        Uri = 0x00000002 "URI" V2_1,
    }
}

wire_enum! {
    /// Adjustment Type: the calculation of Adjust Attribute (KMIP 2.1 §11.1).
    pub enum AdjustmentType {
        Increment = 0x00000001 "Increment" V2_0,
        Decrement = 0x00000002 "Decrement" V2_0,
        Negate = 0x00000003 "Negate" V2_0,
    }
}
