//! Structures of attribute values (KMIP 1.4 §3, 2.1 §4), and of Derive Key (1.4 §4.6, 2.1 §7.12).

use crate::kmip::enums::*;
use crate::kmip::macros::structure;
use crate::ttlv::{V1_1, V1_2, V1_4};

use super::{Raw, UniqueIdentifier};

structure! {
    /// Name: a name that a client gives to an object (KMIP 1.4 §3.2, 2.1 §4.32).
    pub struct Name {
        NameValue => name_value: String,
        NameType => name_type: NameType,
    }
}

structure! {
    /// Alternative Name (KMIP 1.4 §3.40, 2.1 §4.2).
    pub struct AlternativeName {
        AlternativeNameValue => alternative_name_value: String,
        AlternativeNameType => alternative_name_type: AlternativeNameType,
    }
}

structure! {
    /// Cryptographic Parameters: the mode and parameters of a cryptographic operation (KMIP 1.4 §3.6, 2.1
    /// §4.16). PyKMIP's client sends the fields of 1.2 also in 1.0 and 1.1.
    #[derive(Default)]
    pub struct CryptographicParameters {
        BlockCipherMode => block_cipher_mode: Option<BlockCipherMode>,
        PaddingMethod => padding_method: Option<PaddingMethod>,
        HashingAlgorithm => hashing_algorithm: Option<HashingAlgorithm>,
        KeyRoleType => key_role_type: Option<KeyRoleType>,
        DigitalSignatureAlgorithm[V1_2.., lenient] => digital_signature_algorithm: Option<DigitalSignatureAlgorithm>,
        CryptographicAlgorithm[V1_2.., lenient] => cryptographic_algorithm: Option<CryptographicAlgorithm>,
        RandomIv[V1_2.., lenient] => random_iv: Option<bool>,
        /// In bits.
        IvLength[V1_2.., lenient] => iv_length: Option<i32>,
        /// In bytes.
        TagLength[V1_2.., lenient] => tag_length: Option<i32>,
        /// In bits.
        FixedFieldLength[V1_2.., lenient] => fixed_field_length: Option<i32>,
        /// In bits.
        InvocationFieldLength[V1_2.., lenient] => invocation_field_length: Option<i32>,
        /// In bits.
        CounterLength[V1_2.., lenient] => counter_length: Option<i32>,
        InitialCounterValue[V1_2.., lenient] => initial_counter_value: Option<i32>,
        /// In bytes.
        SaltLength[V1_4..] => salt_length: Option<i32>,
        MaskGenerator[V1_4..] => mask_generator: Option<MaskGenerator>,
        MaskGeneratorHashingAlgorithm[V1_4..] => mask_generator_hashing_algorithm: Option<HashingAlgorithm>,
        PSource[V1_4..] => p_source: Option<Vec<u8>>,
        TrailerField[V1_4..] => trailer_field: Option<i32>,
    }
}

structure! {
    /// Cryptographic Domain Parameters (KMIP 1.4 §3.7, 2.1 §4.14).
    pub struct CryptographicDomainParameters {
        /// In bits.
        Qlength => qlength: Option<i32>,
        RecommendedCurve => recommended_curve: Option<RecommendedCurve>,
    }
}

structure! {
    /// X.509 Certificate Identifier: the issuer name in DER and the serial number (KMIP 1.4 §3.10, 2.1
    /// §4.61).
    pub struct X509CertificateIdentifier {
        IssuerDistinguishedName => issuer_distinguished_name: Vec<u8>,
        CertificateSerialNumber => certificate_serial_number: Vec<u8>,
    }
}

structure! {
    /// X.509 Certificate Subject: names in DER (KMIP 1.4 §3.11, 2.1 §4.63).
    pub struct X509CertificateSubject {
        SubjectDistinguishedName => subject_distinguished_name: Vec<u8>,
        SubjectAlternativeName => subject_alternative_name: Vec<Vec<u8>>,
    }
}

structure! {
    /// X.509 Certificate Issuer: names in DER (KMIP 1.4 §3.12, 2.1 §4.62).
    pub struct X509CertificateIssuer {
        IssuerDistinguishedName => issuer_distinguished_name: Vec<u8>,
        IssuerAlternativeName => issuer_alternative_name: Vec<Vec<u8>>,
    }
}

structure! {
    /// Certificate Identifier (KMIP 1.4 §3.13), deprecated since 1.1.
    pub struct CertificateIdentifier {
        Issuer => issuer: String,
        SerialNumber => serial_number: Option<String>,
    }
}

structure! {
    /// Certificate Subject (KMIP 1.4 §3.14), deprecated since 1.1.
    pub struct CertificateSubject {
        CertificateSubjectDistinguishedName => certificate_subject_distinguished_name: String,
        CertificateSubjectAlternativeName => certificate_subject_alternative_name: Vec<String>,
    }
}

structure! {
    /// Certificate Issuer (KMIP 1.4 §3.15), deprecated since 1.1.
    pub struct CertificateIssuer {
        CertificateIssuerDistinguishedName => certificate_issuer_distinguished_name: String,
        CertificateIssuerAlternativeName => certificate_issuer_alternative_name: Vec<String>,
    }
}

structure! {
    /// Digest: the hash of key material, secret data or a certificate (KMIP 1.4 §3.17, 2.1 §4.21).
    pub struct Digest {
        HashingAlgorithm => hashing_algorithm: HashingAlgorithm,
        DigestValue => digest_value: Option<Vec<u8>>,
        KeyFormatType[V1_1..] => key_format_type: Option<KeyFormatType>,
    }
}

structure! {
    /// Usage Limits: the amount of use that is left for a key (KMIP 1.4 §3.21, 2.1 §4.59).
    pub struct UsageLimits {
        UsageLimitsTotal => usage_limits_total: i64,
        UsageLimitsCount => usage_limits_count: Option<i64>,
        UsageLimitsUnit => usage_limits_unit: UsageLimitsUnit,
    }
}

structure! {
    /// Revocation Reason (KMIP 1.4 §3.31, 2.1 §4.47).
    pub struct RevocationReason {
        RevocationReasonCode => revocation_reason_code: RevocationReasonCode,
        RevocationMessage => revocation_message: Option<String>,
    }
}

structure! {
    /// Link: a reference to a related object (KMIP 1.4 §3.35, 2.1 §4.31).
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
    /// Application Specific Information (KMIP 1.4 §3.36, 2.1 §4.4).
    pub struct ApplicationSpecificInformation {
        ApplicationNamespace => application_namespace: String,
        ApplicationData => application_data: Option<String>,
    }
}

structure! {
    /// Key Value Location (KMIP 1.4 §3.42, 2.1 §4.27).
    pub struct KeyValueLocation {
        KeyValueLocationValue => key_value_location_value: String,
        KeyValueLocationType => key_value_location_type: KeyValueLocationType,
    }
}

structure! {
    /// RNG Parameters: the random number generator of a server (KMIP 1.4 §2.1.18, 2.1 §7.36).
    pub struct RngParameters {
        RngAlgorithm => rng_algorithm: RngAlgorithm,
        CryptographicAlgorithm => cryptographic_algorithm: Option<CryptographicAlgorithm>,
        /// In bits.
        CryptographicLength => cryptographic_length: Option<i32>,
        HashingAlgorithm => hashing_algorithm: Option<HashingAlgorithm>,
        DrbgAlgorithm => drbg_algorithm: Option<DrbgAlgorithm>,
        RecommendedCurve => recommended_curve: Option<RecommendedCurve>,
        Fips186Variation => fips186_variation: Option<Fips186Variation>,
        PredictionResistance => prediction_resistance: Option<bool>,
    }
}

impl RngParameters {
    /// The parameters of this server's generator, which it does not specify.
    pub const OF_THIS_SERVER: Self = Self {
        rng_algorithm: RngAlgorithm::Unspecified,
        cryptographic_algorithm: None,
        cryptographic_length: None,
        hashing_algorithm: None,
        drbg_algorithm: None,
        recommended_curve: None,
        fips186_variation: None,
        prediction_resistance: None,
    };
}

structure! {
    /// Rotate Name (KMIP 2.1 §4.53).
    pub struct RotateName {
        RotateNameValue => rotate_name_value: String,
        RotateNameType => rotate_name_type: RotateNameType,
    }
}

structure! {
    /// Vendor Attribute: an attribute that the standard does not define (KMIP 2.1 §4.60). In 1.x, it is a
    /// Custom Attribute with a name that begins with `x-` or `y-` (1.4 §3.39).
    pub struct VendorAttribute {
        VendorIdentification => vendor_identification: String,
        AttributeName => attribute_name: String,
        AttributeValue => attribute_value: Raw,
    }
}

structure! {
    /// Derivation Parameters (KMIP 1.4 §4.6, 2.1 §7.12). Only PBKDF2 uses Salt and Iteration Count.
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
    fn reads_later_fields_of_cryptographic_parameters_in_every_version_and_does_not_write_them() {
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
