//! The table of attributes: type, tag, name, first version and rules of each (KMIP 1.4 §3, 2.1 §4). A new
//! attribute is one row.

use crate::kmip::enums::*;
use crate::kmip::structures::*;
use crate::ttlv::{
    DateTime, Error, Interval, Item, Tag, V1_0, V1_1, V1_2, V1_3, V1_4, V2_0, V2_1, Value, Version, Writer,
};

use super::rules::*;
use super::slot::{Shape, Slot};

/// The definition of one attribute.
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::attributes::AttributeDefinition;
/// use kmip_server::ttlv::{Tag, V1_2, V1_4};
///
/// let comment = AttributeDefinition::named("Comment").expect("Comment is an attribute");
/// assert_eq!((comment.tag, comment.multiple), (Tag::Comment, false));
/// assert!(comment.exists_in(V1_4) && !comment.exists_in(V1_2));
/// ```
pub struct AttributeDefinition {
    /// The tag of the values in 2.x.
    pub tag: Tag,
    /// The Attribute Name in 1.x.
    pub name: &'static str,
    /// The first version that defines the attribute.
    pub since: Version,
    /// Whether an object can have several values.
    pub multiple: bool,
    /// The rules.
    pub rules: Rules,
    slot: fn(&Attributes) -> &dyn Slot,
    slot_mut: fn(&mut Attributes) -> &mut dyn Slot,
    recode: fn(&Item<'_>, Tag, &mut Writer) -> Result<(), Error>,
}

macro_rules! attributes {
    ($($field:ident: $Type:ty = $Tag:ident $name:literal $since:ident, $base:ident { $($rule:ident: $value:expr),* };)*) => {
        /// The attributes of one object (KMIP 1.4 §3, 2.1 §4).
        ///
        /// In 2.x and in the store, it is the Attributes structure (2.1 §5.1).
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Attributes {
            $(#[doc = $name] pub $field: $Type,)*
        }

        /// Every attribute, in the order in which responses list them.
        pub static TABLE: &[AttributeDefinition] = &[$(AttributeDefinition {
            tag: Tag::$Tag,
            name: $name,
            since: $since,
            multiple: <$Type as Shape>::MULTIPLE,
            rules: Rules { $($rule: $value,)* ..Rules::$base },
            slot: |attributes| &attributes.$field,
            slot_mut: |attributes| &mut attributes.$field,
            recode: |item, tag, writer| {
                <$Type as Shape>::Of::decode(item)?.encode(tag, writer);
                Ok(())
            },
        },)*];

        /// The positions of the attributes in [`TABLE`].
        #[expect(non_camel_case_types, reason = "the names are those of the fields")]
        enum Position {
            $($field,)*
        }

        /// Returns the position of the attribute with this tag in [`TABLE`], or `None`.
        fn position(tag: Tag) -> Option<usize> {
            Some(match tag {
                $(Tag::$Tag => Position::$field as usize,)*
                _ => return None,
            })
        }

        impl Attributes {
            /// Adds the value of `item` to the attribute with its tag. Returns `false` if no attribute has
            /// the tag.
            ///
            /// # Errors
            /// Returns an [`Error`] if the item is invalid for the type of the attribute.
            pub(super) fn push_item(&mut self, item: &Item<'_>) -> Result<bool, Error> {
                match item.tag {
                    $(Tag::$Tag => Slot::push(&mut self.$field, item)?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

impl AttributeDefinition {
    /// Returns the attribute with this tag, or `None`.
    pub fn of(tag: Tag) -> Option<&'static AttributeDefinition> {
        TABLE.get(position(tag)?)
    }

    /// Returns the attribute of the standard with this 1.x name, or `None`.
    pub fn named(name: &str) -> Option<&'static AttributeDefinition> {
        TABLE.iter().find(|row| row.name == name && !row.is_vendor())
    }

    /// Returns whether `version` defines the attribute.
    pub fn exists_in(&self, version: Version) -> bool {
        self.since <= version
            && self.rules.until.is_none_or(|until| version <= until || version == crate::ttlv::STORED)
    }

    /// Returns whether this is the definition of all vendor attributes (custom attributes in 1.x).
    pub fn is_vendor(&self) -> bool {
        self.tag == Tag::Attribute
    }

    /// Returns the values of the attribute in `attributes`.
    pub fn slot<'a>(&self, attributes: &'a Attributes) -> &'a dyn Slot {
        (self.slot)(attributes)
    }

    /// Returns the values of the attribute in `attributes` mutably.
    pub fn slot_mut<'a>(&self, attributes: &'a mut Attributes) -> &'a mut dyn Slot {
        (self.slot_mut)(attributes)
    }

    /// Decodes `item` as a value of the attribute and writes it with the tag `tag` for the version of
    /// `writer`.
    ///
    /// # Errors
    /// Returns an [`Error`] if the item is invalid for the type of the attribute.
    pub fn recode(&self, item: &Item<'_>, tag: Tag, writer: &mut Writer) -> Result<(), Error> {
        (self.recode)(item, tag, writer)
    }
}

impl std::fmt::Debug for AttributeDefinition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for AttributeDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for AttributeDefinition {}

attributes! {
    unique_identifier: Option<UniqueIdentifier> = UniqueIdentifier "Unique Identifier" V1_0, ALWAYS {};
    name: Vec<Name> = Name "Name" V1_0, CLIENT { indexed: true };
    object_type: Option<ObjectType> = ObjectType "Object Type" V1_0, ALWAYS {};
    cryptographic_algorithm: Option<CryptographicAlgorithm> = CryptographicAlgorithm "Cryptographic Algorithm" V1_0, ON_CREATION { always: true, applies_to: CRYPTOGRAPHIC_AND_TEMPLATES };
    cryptographic_length: Option<i32> = CryptographicLength "Cryptographic Length" V1_0, ON_CREATION { always: true, applies_to: CRYPTOGRAPHIC_AND_TEMPLATES };
    cryptographic_parameters: Vec<CryptographicParameters> = CryptographicParameters "Cryptographic Parameters" V1_0, CLIENT { applies_to: CRYPTOGRAPHIC_AND_TEMPLATES };
    cryptographic_domain_parameters: Option<CryptographicDomainParameters> = CryptographicDomainParameters "Cryptographic Domain Parameters" V1_0, ON_CREATION { applies_to: ASYMMETRIC_KEYS };
    certificate_type: Option<CertificateType> = CertificateType "Certificate Type" V1_0, ALWAYS { applies_to: CERTIFICATES };
    certificate_identifier: Option<CertificateIdentifier> = CertificateIdentifier "Certificate Identifier" V1_0, ALWAYS { applies_to: CERTIFICATES, until: Some(V1_4), deprecated: Some(V1_1) };
    certificate_subject: Option<CertificateSubject> = CertificateSubject "Certificate Subject" V1_0, ALWAYS { applies_to: CERTIFICATES, until: Some(V1_4), deprecated: Some(V1_1) };
    certificate_issuer: Option<CertificateIssuer> = CertificateIssuer "Certificate Issuer" V1_0, ALWAYS { applies_to: CERTIFICATES, until: Some(V1_4), deprecated: Some(V1_1) };
    digest: Vec<Digest> = Digest "Digest" V1_0, ALWAYS { applies_to: CRYPTOGRAPHIC_AND_OPAQUE };
    operation_policy_name: Option<String> = OperationPolicyName "Operation Policy Name" V1_0, ON_CREATION { until: Some(V1_4), deprecated: Some(V1_3) };
    cryptographic_usage_mask: Option<CryptographicUsageMask> = CryptographicUsageMask "Cryptographic Usage Mask" V1_0, ON_CREATION { always: true };
    lease_time: Option<Interval> = LeaseTime "Lease Time" V1_0, SERVER { applies_to: CRYPTOGRAPHIC_AND_TEMPLATES };
    usage_limits: Option<UsageLimits> = UsageLimits "Usage Limits" V1_0, CLIENT { applies_to: KEYS };
    state: Option<State> = State "State" V1_0, ALWAYS { applies_to: CRYPTOGRAPHIC };
    initial_date: Option<DateTime> = InitialDate "Initial Date" V1_0, ALWAYS {};
    activation_date: Option<DateTime> = ActivationDate "Activation Date" V1_0, CLIENT { client_may_delete: false };
    process_start_date: Option<DateTime> = ProcessStartDate "Process Start Date" V1_0, CLIENT { client_may_delete: false };
    protect_stop_date: Option<DateTime> = ProtectStopDate "Protect Stop Date" V1_0, CLIENT { client_may_delete: false };
    deactivation_date: Option<DateTime> = DeactivationDate "Deactivation Date" V1_0, CLIENT { client_may_delete: false };
    destroy_date: Option<DateTime> = DestroyDate "Destroy Date" V1_0, SERVER { applies_to: CRYPTOGRAPHIC_AND_OPAQUE };
    compromise_occurrence_date: Option<DateTime> = CompromiseOccurrenceDate "Compromise Occurrence Date" V1_0, SERVER { applies_to: CRYPTOGRAPHIC_AND_OPAQUE };
    compromise_date: Option<DateTime> = CompromiseDate "Compromise Date" V1_0, SERVER { applies_to: CRYPTOGRAPHIC_AND_OPAQUE };
    revocation_reason: Option<RevocationReason> = RevocationReason "Revocation Reason" V1_0, SERVER { applies_to: CRYPTOGRAPHIC_AND_OPAQUE };
    archive_date: Option<DateTime> = ArchiveDate "Archive Date" V1_0, SERVER {};
    object_group: Vec<String> = ObjectGroup "Object Group" V1_0, CLIENT { indexed: true };
    link: Vec<Link> = Link "Link" V1_0, CLIENT { indexed: true };
    application_specific_information: Vec<ApplicationSpecificInformation> = ApplicationSpecificInformation "Application Specific Information" V1_0, CLIENT { indexed: true };
    contact_information: Option<String> = ContactInformation "Contact Information" V1_0, CLIENT { indexed: true };
    last_change_date: Option<DateTime> = LastChangeDate "Last Change Date" V1_0, ALWAYS {};
    certificate_length: Option<i32> = CertificateLength "Certificate Length" V1_1, ALWAYS { applies_to: CERTIFICATES };
    x509_certificate_identifier: Option<X509CertificateIdentifier> = X509CertificateIdentifier "X.509 Certificate Identifier" V1_1, ALWAYS { applies_to: CERTIFICATES, indexed: true };
    x509_certificate_subject: Option<X509CertificateSubject> = X509CertificateSubject "X.509 Certificate Subject" V1_1, ALWAYS { applies_to: CERTIFICATES, indexed: true };
    x509_certificate_issuer: Option<X509CertificateIssuer> = X509CertificateIssuer "X.509 Certificate Issuer" V1_1, ALWAYS { applies_to: CERTIFICATES, indexed: true };
    digital_signature_algorithm: Vec<DigitalSignatureAlgorithm> = DigitalSignatureAlgorithm "Digital Signature Algorithm" V1_1, ALWAYS { applies_to: CERTIFICATES };
    fresh: Option<bool> = Fresh "Fresh" V1_1, ON_CREATION {};
    alternative_name: Vec<AlternativeName> = AlternativeName "Alternative Name" V1_2, CLIENT { indexed: true };
    key_value_present: Option<bool> = KeyValuePresent "Key Value Present" V1_2, SERVER { applies_to: KEY_VALUES };
    key_value_location: Vec<KeyValueLocation> = KeyValueLocation "Key Value Location" V1_2, CLIENT { applies_to: KEY_VALUES };
    original_creation_date: Option<DateTime> = OriginalCreationDate "Original Creation Date" V1_2, ON_CREATION {};
    random_number_generator: Option<RngParameters> = RandomNumberGenerator "Random Number Generator" V1_3, ON_CREATION { applies_to: CRYPTOGRAPHIC };
    pkcs12_friendly_name: Option<String> = Pkcs12FriendlyName "PKCS#12 Friendly Name" V1_4, CLIENT { applies_to: CRYPTOGRAPHIC };
    description: Option<String> = Description "Description" V1_4, CLIENT {};
    comment: Option<String> = Comment "Comment" V1_4, CLIENT {};
    sensitive: Option<bool> = Sensitive "Sensitive" V1_4, CLIENT { client_may_delete: false, always: true };
    always_sensitive: Option<bool> = AlwaysSensitive "Always Sensitive" V1_4, ALWAYS {};
    extractable: Option<bool> = Extractable "Extractable" V1_4, CLIENT { client_may_delete: false, always: true };
    never_extractable: Option<bool> = NeverExtractable "Never Extractable" V1_4, ALWAYS {};
    certificate_subject_cn: Vec<String> = CertificateSubjectCn "Certificate Subject CN" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_o: Vec<String> = CertificateSubjectO "Certificate Subject O" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_ou: Vec<String> = CertificateSubjectOu "Certificate Subject OU" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_email: Vec<String> = CertificateSubjectEmail "Certificate Subject Email" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_c: Vec<String> = CertificateSubjectC "Certificate Subject C" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_st: Vec<String> = CertificateSubjectSt "Certificate Subject ST" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_l: Vec<String> = CertificateSubjectL "Certificate Subject L" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_uid: Vec<String> = CertificateSubjectUid "Certificate Subject UID" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_serial_number: Vec<String> = CertificateSubjectSerialNumber "Certificate Subject Serial Number" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_title: Vec<String> = CertificateSubjectTitle "Certificate Subject Title" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_dc: Vec<String> = CertificateSubjectDc "Certificate Subject DC" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_subject_dn_qualifier: Vec<String> = CertificateSubjectDnQualifier "Certificate Subject DN Qualifier" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_cn: Vec<String> = CertificateIssuerCn "Certificate Issuer CN" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_o: Vec<String> = CertificateIssuerO "Certificate Issuer O" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_ou: Vec<String> = CertificateIssuerOu "Certificate Issuer OU" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_email: Vec<String> = CertificateIssuerEmail "Certificate Issuer Email" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_c: Vec<String> = CertificateIssuerC "Certificate Issuer C" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_st: Vec<String> = CertificateIssuerSt "Certificate Issuer ST" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_l: Vec<String> = CertificateIssuerL "Certificate Issuer L" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_uid: Vec<String> = CertificateIssuerUid "Certificate Issuer UID" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_serial_number: Vec<String> = CertificateIssuerSerialNumber "Certificate Issuer Serial Number" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_title: Vec<String> = CertificateIssuerTitle "Certificate Issuer Title" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_dc: Vec<String> = CertificateIssuerDc "Certificate Issuer DC" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    certificate_issuer_dn_qualifier: Vec<String> = CertificateIssuerDnQualifier "Certificate Issuer DN Qualifier" V1_4, ALWAYS { applies_to: CERTIFICATES, always: false };
    key_format_type: Option<KeyFormatType> = KeyFormatType "Key Format Type" V2_0, ALWAYS {};
    nist_key_type: Vec<NistKeyType> = NistKeyType "NIST Key Type" V2_0, ON_CREATION {};
    opaque_data_type: Option<OpaqueDataType> = OpaqueDataType "Opaque Data Type" V2_0, ALWAYS { applies_to: OPAQUE };
    protection_level: Option<ProtectionLevel> = ProtectionLevel "Protection Level" V2_0, CLIENT {};
    protection_period: Option<Interval> = ProtectionPeriod "Protection Period" V2_0, CLIENT {};
    protection_storage_mask: Option<ProtectionStorageMask> = ProtectionStorageMask "Protection Storage Mask" V2_0, ALWAYS {};
    quantum_safe: Option<bool> = QuantumSafe "Quantum Safe" V2_0, CLIENT {};
    short_unique_identifier: Option<Vec<u8>> = ShortUniqueIdentifier "Short Unique Identifier" V2_0, ALWAYS { indexed: true };
    rotate_automatic: Option<bool> = RotateAutomatic "Rotate Automatic" V2_1, ON_CREATION {};
    rotate_date: Option<DateTime> = RotateDate "Rotate Date" V2_1, SERVER {};
    rotate_generation: Option<i32> = RotateGeneration "Rotate Generation" V2_1, SERVER {};
    rotate_interval: Option<Interval> = RotateInterval "Rotate Interval" V2_1, ON_CREATION {};
    rotate_latest: Option<bool> = RotateLatest "Rotate Latest" V2_1, SERVER {};
    rotate_name: Option<RotateName> = RotateName "Rotate Name" V2_1, CLIENT {};
    rotate_offset: Option<Interval> = RotateOffset "Rotate Offset" V2_1, ON_CREATION {};
    vendor: Vec<VendorAttribute> = Attribute "Custom Attribute" V1_0, CLIENT { indexed: true };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_has_a_tag_of_the_standard_and_its_name() {
        for row in TABLE {
            let name = row.tag.name().unwrap();
            assert!(row.is_vendor() || row.name == name, "{} is called {name}", row.name);
            assert_eq!(AttributeDefinition::of(row.tag), Some(row));
        }
    }

    #[test]
    fn clients_cannot_delete_mandatory_attributes() {
        for row in TABLE {
            assert!(!(row.rules.always && row.rules.client_may_delete), "{row:?}");
        }
    }

    #[test]
    fn removed_attributes_do_not_exist_in_later_versions() {
        let row = AttributeDefinition::named("Certificate Identifier").unwrap();
        assert!(row.exists_in(V1_4) && !row.exists_in(V2_0));
        assert!(row.exists_in(crate::ttlv::STORED));
        assert!(!AttributeDefinition::named("Comment").unwrap().exists_in(V1_2));
    }
}
