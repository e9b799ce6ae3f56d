//! The structures that attributes hold (KMIP 1.4 §3, 2.1 §4).

use crate::kmip::enums::*;
use crate::kmip::macros::structure;
use crate::ttlv::{V1_1, V1_2, V1_4};

use super::{Raw, UniqueIdentifier};

structure! {
    /// Name (1.4 §3.2, 2.1 §4.34): what a client calls an object by.
    pub struct Name {
        NameValue => name_value: String,
        NameType => name_type: NameType,
    }
}

structure! {
    /// Alternative Name (1.4 §3.40, 2.1 §4.2).
    pub struct AlternativeName {
        AlternativeNameValue => alternative_name_value: String,
        AlternativeNameType => alternative_name_type: AlternativeNameType,
    }
}

structure! {
    /// Cryptographic Parameters (1.4 §3.6, 2.1 §4.16): how a key is to be used. PyKMIP's client sends the fields of
    /// 1.2 in 1.0 and 1.1, too.
    #[derive(Default)]
    pub struct CryptographicParameters {
        BlockCipherMode => block_cipher_mode: Option<BlockCipherMode>,
        PaddingMethod => padding_method: Option<PaddingMethod>,
        HashingAlgorithm => hashing_algorithm: Option<HashingAlgorithm>,
        KeyRoleType => key_role_type: Option<KeyRoleType>,
        DigitalSignatureAlgorithm[V1_2.., lenient] => digital_signature_algorithm: Option<DigitalSignatureAlgorithm>,
        CryptographicAlgorithm[V1_2.., lenient] => cryptographic_algorithm: Option<CryptographicAlgorithm>,
        RandomIv[V1_2.., lenient] => random_iv: Option<bool>,
        /// Bits.
        IvLength[V1_2.., lenient] => iv_length: Option<i32>,
        /// Bytes.
        TagLength[V1_2.., lenient] => tag_length: Option<i32>,
        /// Bits.
        FixedFieldLength[V1_2.., lenient] => fixed_field_length: Option<i32>,
        /// Bits.
        InvocationFieldLength[V1_2.., lenient] => invocation_field_length: Option<i32>,
        /// Bits.
        CounterLength[V1_2.., lenient] => counter_length: Option<i32>,
        InitialCounterValue[V1_2.., lenient] => initial_counter_value: Option<i32>,
        /// Bytes.
        SaltLength[V1_4..] => salt_length: Option<i32>,
        MaskGenerator[V1_4..] => mask_generator: Option<MaskGenerator>,
        MaskGeneratorHashingAlgorithm[V1_4..] => mask_generator_hashing_algorithm: Option<HashingAlgorithm>,
        PSource[V1_4..] => p_source: Option<Vec<u8>>,
        TrailerField[V1_4..] => trailer_field: Option<i32>,
    }
}

structure! {
    /// Cryptographic Domain Parameters (1.4 §3.7, 2.1 §4.14).
    pub struct CryptographicDomainParameters {
        /// Bits.
        Qlength => qlength: Option<i32>,
        RecommendedCurve => recommended_curve: Option<RecommendedCurve>,
    }
}

structure! {
    /// X.509 Certificate Identifier (1.4 §3.10, 2.1 §4.62): DER of the issuer's name, and the serial number.
    pub struct X509CertificateIdentifier {
        IssuerDistinguishedName => issuer_distinguished_name: Vec<u8>,
        CertificateSerialNumber => certificate_serial_number: Vec<u8>,
    }
}

structure! {
    /// X.509 Certificate Subject (1.4 §3.11, 2.1 §4.64): DER of the names.
    pub struct X509CertificateSubject {
        SubjectDistinguishedName => subject_distinguished_name: Vec<u8>,
        SubjectAlternativeName => subject_alternative_name: Vec<Vec<u8>>,
    }
}

structure! {
    /// X.509 Certificate Issuer (1.4 §3.12, 2.1 §4.63): DER of the names.
    pub struct X509CertificateIssuer {
        IssuerDistinguishedName => issuer_distinguished_name: Vec<u8>,
        IssuerAlternativeName => issuer_alternative_name: Vec<Vec<u8>>,
    }
}

structure! {
    /// Certificate Identifier (1.4 §3.13), deprecated since 1.1.
    pub struct CertificateIdentifier {
        Issuer => issuer: String,
        SerialNumber => serial_number: Option<String>,
    }
}

structure! {
    /// Certificate Subject (1.4 §3.14), deprecated since 1.1.
    pub struct CertificateSubject {
        CertificateSubjectDistinguishedName => certificate_subject_distinguished_name: String,
        CertificateSubjectAlternativeName => certificate_subject_alternative_name: Vec<String>,
    }
}

structure! {
    /// Certificate Issuer (1.4 §3.15), deprecated since 1.1.
    pub struct CertificateIssuer {
        CertificateIssuerDistinguishedName => certificate_issuer_distinguished_name: String,
        CertificateIssuerAlternativeName => certificate_issuer_alternative_name: Vec<String>,
    }
}

structure! {
    /// Digest (1.4 §3.17, 2.1 §4.20): the hash of the key material, secret data or certificate.
    pub struct Digest {
        HashingAlgorithm => hashing_algorithm: HashingAlgorithm,
        DigestValue => digest_value: Option<Vec<u8>>,
        KeyFormatType[V1_1..] => key_format_type: Option<KeyFormatType>,
    }
}

structure! {
    /// Usage Limits (1.4 §3.21, 2.1 §4.60): how much a key may still be used for.
    pub struct UsageLimits {
        UsageLimitsTotal => usage_limits_total: i64,
        UsageLimitsCount => usage_limits_count: Option<i64>,
        UsageLimitsUnit => usage_limits_unit: UsageLimitsUnit,
    }
}

structure! {
    /// Revocation Reason (1.4 §3.31, 2.1 §4.47).
    pub struct RevocationReason {
        RevocationReasonCode => revocation_reason_code: RevocationReasonCode,
        RevocationMessage => revocation_message: Option<String>,
    }
}

structure! {
    /// Link (1.4 §3.35, 2.1 §4.32): points from an object to one that belongs to it.
    pub struct Link {
        LinkType => link_type: LinkType,
        LinkedObjectIdentifier => linked_object_identifier: UniqueIdentifier,
    }
}

impl Link {
    /// Returns a link of this type to `linked`.
    pub fn new(link_type: LinkType, linked: impl Into<UniqueIdentifier>) -> Self {
        Self { link_type, linked_object_identifier: linked.into() }
    }
}

structure! {
    /// Application Specific Information (1.4 §3.36, 2.1 §4.5).
    pub struct ApplicationSpecificInformation {
        ApplicationNamespace => application_namespace: String,
        ApplicationData => application_data: Option<String>,
    }
}

structure! {
    /// Key Value Location (1.4 §3.42, 2.1 §4.28).
    pub struct KeyValueLocation {
        KeyValueLocationValue => key_value_location_value: String,
        KeyValueLocationType => key_value_location_type: KeyValueLocationType,
    }
}

structure! {
    /// RNG Parameters (1.4 §2.1.18, 2.1 §7.34): how random numbers are made.
    pub struct RngParameters {
        RngAlgorithm => rng_algorithm: RngAlgorithm,
        CryptographicAlgorithm => cryptographic_algorithm: Option<CryptographicAlgorithm>,
        /// Bits.
        CryptographicLength => cryptographic_length: Option<i32>,
        HashingAlgorithm => hashing_algorithm: Option<HashingAlgorithm>,
        DrbgAlgorithm => drbg_algorithm: Option<DrbgAlgorithm>,
        RecommendedCurve => recommended_curve: Option<RecommendedCurve>,
        Fips186Variation => fips186_variation: Option<Fips186Variation>,
        PredictionResistance => prediction_resistance: Option<bool>,
    }
}

structure! {
    /// Rotate Name (2.1 §4.53).
    pub struct RotateName {
        RotateNameValue => rotate_name_value: String,
        RotateNameType => rotate_name_type: RotateNameType,
    }
}

structure! {
    /// Vendor Attribute (2.1 §4.61): an attribute that the standard does not know. In 1.x it is a
    /// Custom Attribute (1.4 §3.39) whose name begins with `x-` or `y-`.
    pub struct VendorAttribute {
        VendorIdentification => vendor_identification: String,
        AttributeName => attribute_name: String,
        AttributeValue => attribute_value: Raw,
    }
}

structure! {
    /// Derivation Parameters (1.4 §4.6, 2.1 §7.16). Salt and Iteration Count belong to PBKDF2 only.
    pub struct DerivationParameters {
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        InitializationVector => initialization_vector: Option<Vec<u8>>,
        DerivationData => derivation_data: Option<crate::secret::Secret>,
        Salt => salt: Option<Vec<u8>>,
        IterationCount => iteration_count: Option<i32>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttlv::{Field, Reader, Tag, V1_0, Writer};

    #[test]
    fn later_fields_of_cryptographic_parameters_are_read_in_every_version_and_not_written() {
        let parameters = CryptographicParameters {
            block_cipher_mode: Some(BlockCipherMode::Cbc),
            cryptographic_algorithm: Some(CryptographicAlgorithm::Aes),
            ..CryptographicParameters::default()
        };
        let written = |version, parameters: &CryptographicParameters| {
            let mut writer = Writer::new(version);
            parameters.write(Tag::CryptographicParameters, &mut writer);
            writer.into_bytes()
        };
        let read = |bytes: &[u8]| {
            CryptographicParameters::read(Tag::CryptographicParameters, &mut Reader::new(bytes, V1_0))
        };
        assert_eq!(read(&written(V1_2, &parameters)), Ok(parameters.clone()));
        let without = CryptographicParameters { cryptographic_algorithm: None, ..parameters.clone() };
        assert_eq!(read(&written(V1_0, &parameters)), Ok(without));
    }
}
