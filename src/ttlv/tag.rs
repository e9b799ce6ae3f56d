//! Tags of KMIP 1.0 to 2.1 (1.4 §9.1.3.1, 2.1 §11.56).

use std::fmt;

use super::version::*;

/// A tag: the three-byte number that identifies an item (KMIP 1.4 §9.1.1.1, 2.1 §10.1.1).
///
/// The associated constants are the tags of the standard, under its names without blanks. A tag that the
/// standard does not define, such as that of a vendor extension, has no name and prints as a hexadecimal
/// number.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{Tag, V1_0};
///
/// assert_eq!(Tag::UniqueIdentifier.0, 0x42_0094);
/// assert_eq!(Tag::UniqueIdentifier.to_string(), "Unique Identifier");
/// assert_eq!(Tag::UniqueIdentifier.since(), Some(V1_0));
/// assert_eq!(Tag::named("Unique Identifier"), Some(Tag::UniqueIdentifier));
/// assert_eq!(Tag(0x54_0001).to_string(), "0x540001");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

macro_rules! tags {
    ($($ident:ident = $value:literal $name:literal $since:ident,)*) => {
        #[allow(non_upper_case_globals, reason = "the names are those of the standard, without blanks")]
        impl Tag {
            $(#[doc = $name] pub const $ident: Tag = Tag($value);)*
        }

        /// Number, name and first version of each tag, in ascending order of the number.
        static TABLE: &[(Tag, &str, Version)] = &[$((Tag($value), $name, $since),)*];
    };
}

impl Tag {
    /// Returns every tag of the standard, in ascending order.
    pub fn all() -> impl Iterator<Item = Tag> {
        TABLE.iter().map(|(tag, ..)| *tag)
    }

    /// Returns the name of the tag in the standard, such as `Unique Identifier`, or `None` if it is not a tag
    /// of the standard.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|(_, name, _)| *name)
    }

    /// Returns the first version that defines the tag, or `None` if it is not a tag of the standard.
    pub fn since(self) -> Option<Version> {
        self.row().map(|(.., since)| *since)
    }

    /// Returns the tag with this name in the standard, such as `Unique Identifier`, or `None`.
    pub fn named(name: &str) -> Option<Tag> {
        TABLE.iter().find(|(_, known, _)| *known == name).map(|(tag, ..)| *tag)
    }

    fn row(self) -> Option<&'static (Tag, &'static str, Version)> {
        TABLE.binary_search_by_key(&self, |(tag, ..)| *tag).ok().and_then(|at| TABLE.get(at))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:06X}", self.0),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

tags! {
    ActivationDate = 0x420001 "Activation Date" V1_0,
    ApplicationData = 0x420002 "Application Data" V1_0,
    ApplicationNamespace = 0x420003 "Application Namespace" V1_0,
    ApplicationSpecificInformation = 0x420004 "Application Specific Information" V1_0,
    ArchiveDate = 0x420005 "Archive Date" V1_0,
    AsynchronousCorrelationValue = 0x420006 "Asynchronous Correlation Value" V1_0,
    AsynchronousIndicator = 0x420007 "Asynchronous Indicator" V1_0,
    Attribute = 0x420008 "Attribute" V1_0,
    AttributeIndex = 0x420009 "Attribute Index" V1_0,
    AttributeName = 0x42000a "Attribute Name" V1_0,
    AttributeValue = 0x42000b "Attribute Value" V1_0,
    Authentication = 0x42000c "Authentication" V1_0,
    BatchCount = 0x42000d "Batch Count" V1_0,
    BatchErrorContinuationOption = 0x42000e "Batch Error Continuation Option" V1_0,
    BatchItem = 0x42000f "Batch Item" V1_0,
    BatchOrderOption = 0x420010 "Batch Order Option" V1_0,
    BlockCipherMode = 0x420011 "Block Cipher Mode" V1_0,
    CancellationResult = 0x420012 "Cancellation Result" V1_0,
    Certificate = 0x420013 "Certificate" V1_0,
    CertificateIdentifier = 0x420014 "Certificate Identifier" V1_0,
    CertificateIssuer = 0x420015 "Certificate Issuer" V1_0,
    CertificateIssuerAlternativeName = 0x420016 "Certificate Issuer Alternative Name" V1_0,
    CertificateIssuerDistinguishedName = 0x420017 "Certificate Issuer Distinguished Name" V1_0,
    CertificateRequest = 0x420018 "Certificate Request" V1_0,
    CertificateRequestType = 0x420019 "Certificate Request Type" V1_0,
    CertificateSubject = 0x42001a "Certificate Subject" V1_0,
    CertificateSubjectAlternativeName = 0x42001b "Certificate Subject Alternative Name" V1_0,
    CertificateSubjectDistinguishedName = 0x42001c "Certificate Subject Distinguished Name" V1_0,
    CertificateType = 0x42001d "Certificate Type" V1_0,
    CertificateValue = 0x42001e "Certificate Value" V1_0,
    CommonTemplateAttribute = 0x42001f "Common Template-Attribute" V1_0,
    CompromiseDate = 0x420020 "Compromise Date" V1_0,
    CompromiseOccurrenceDate = 0x420021 "Compromise Occurrence Date" V1_0,
    ContactInformation = 0x420022 "Contact Information" V1_0,
    Credential = 0x420023 "Credential" V1_0,
    CredentialType = 0x420024 "Credential Type" V1_0,
    CredentialValue = 0x420025 "Credential Value" V1_0,
    CriticalityIndicator = 0x420026 "Criticality Indicator" V1_0,
    CrtCoefficient = 0x420027 "CRT Coefficient" V1_0,
    CryptographicAlgorithm = 0x420028 "Cryptographic Algorithm" V1_0,
    CryptographicDomainParameters = 0x420029 "Cryptographic Domain Parameters" V1_0,
    CryptographicLength = 0x42002a "Cryptographic Length" V1_0,
    CryptographicParameters = 0x42002b "Cryptographic Parameters" V1_0,
    CryptographicUsageMask = 0x42002c "Cryptographic Usage Mask" V1_0,
    CustomAttribute = 0x42002d "Custom Attribute" V1_0,
    D = 0x42002e "D" V1_0,
    DeactivationDate = 0x42002f "Deactivation Date" V1_0,
    DerivationData = 0x420030 "Derivation Data" V1_0,
    DerivationMethod = 0x420031 "Derivation Method" V1_0,
    DerivationParameters = 0x420032 "Derivation Parameters" V1_0,
    DestroyDate = 0x420033 "Destroy Date" V1_0,
    Digest = 0x420034 "Digest" V1_0,
    DigestValue = 0x420035 "Digest Value" V1_0,
    EncryptionKeyInformation = 0x420036 "Encryption Key Information" V1_0,
    G = 0x420037 "G" V1_0,
    HashingAlgorithm = 0x420038 "Hashing Algorithm" V1_0,
    InitialDate = 0x420039 "Initial Date" V1_0,
    InitializationVector = 0x42003a "Initialization Vector" V1_0,
    Issuer = 0x42003b "Issuer" V1_0,
    IterationCount = 0x42003c "Iteration Count" V1_0,
    IvCounterNonce = 0x42003d "IV/Counter/Nonce" V1_0,
    J = 0x42003e "J" V1_0,
    Key = 0x42003f "Key" V1_0,
    KeyBlock = 0x420040 "Key Block" V1_0,
    KeyCompressionType = 0x420041 "Key Compression Type" V1_0,
    KeyFormatType = 0x420042 "Key Format Type" V1_0,
    KeyMaterial = 0x420043 "Key Material" V1_0,
    KeyPartIdentifier = 0x420044 "Key Part Identifier" V1_0,
    KeyValue = 0x420045 "Key Value" V1_0,
    KeyWrappingData = 0x420046 "Key Wrapping Data" V1_0,
    KeyWrappingSpecification = 0x420047 "Key Wrapping Specification" V1_0,
    LastChangeDate = 0x420048 "Last Change Date" V1_0,
    LeaseTime = 0x420049 "Lease Time" V1_0,
    Link = 0x42004a "Link" V1_0,
    LinkType = 0x42004b "Link Type" V1_0,
    LinkedObjectIdentifier = 0x42004c "Linked Object Identifier" V1_0,
    MacSignature = 0x42004d "MAC/Signature" V1_0,
    MacSignatureKeyInformation = 0x42004e "MAC/Signature Key Information" V1_0,
    MaximumItems = 0x42004f "Maximum Items" V1_0,
    MaximumResponseSize = 0x420050 "Maximum Response Size" V1_0,
    MessageExtension = 0x420051 "Message Extension" V1_0,
    Modulus = 0x420052 "Modulus" V1_0,
    Name = 0x420053 "Name" V1_0,
    NameType = 0x420054 "Name Type" V1_0,
    NameValue = 0x420055 "Name Value" V1_0,
    ObjectGroup = 0x420056 "Object Group" V1_0,
    ObjectType = 0x420057 "Object Type" V1_0,
    Offset = 0x420058 "Offset" V1_0,
    OpaqueDataType = 0x420059 "Opaque Data Type" V1_0,
    OpaqueDataValue = 0x42005a "Opaque Data Value" V1_0,
    OpaqueObject = 0x42005b "Opaque Object" V1_0,
    Operation = 0x42005c "Operation" V1_0,
    OperationPolicyName = 0x42005d "Operation Policy Name" V1_0,
    P = 0x42005e "P" V1_0,
    PaddingMethod = 0x42005f "Padding Method" V1_0,
    PrimeExponentP = 0x420060 "Prime Exponent P" V1_0,
    PrimeExponentQ = 0x420061 "Prime Exponent Q" V1_0,
    PrimeFieldSize = 0x420062 "Prime Field Size" V1_0,
    PrivateExponent = 0x420063 "Private Exponent" V1_0,
    PrivateKey = 0x420064 "Private Key" V1_0,
    PrivateKeyTemplateAttribute = 0x420065 "Private Key Template-Attribute" V1_0,
    PrivateKeyUniqueIdentifier = 0x420066 "Private Key Unique Identifier" V1_0,
    ProcessStartDate = 0x420067 "Process Start Date" V1_0,
    ProtectStopDate = 0x420068 "Protect Stop Date" V1_0,
    ProtocolVersion = 0x420069 "Protocol Version" V1_0,
    ProtocolVersionMajor = 0x42006a "Protocol Version Major" V1_0,
    ProtocolVersionMinor = 0x42006b "Protocol Version Minor" V1_0,
    PublicExponent = 0x42006c "Public Exponent" V1_0,
    PublicKey = 0x42006d "Public Key" V1_0,
    PublicKeyTemplateAttribute = 0x42006e "Public Key Template-Attribute" V1_0,
    PublicKeyUniqueIdentifier = 0x42006f "Public Key Unique Identifier" V1_0,
    PutFunction = 0x420070 "Put Function" V1_0,
    Q = 0x420071 "Q" V1_0,
    QString = 0x420072 "Q String" V1_0,
    Qlength = 0x420073 "Qlength" V1_0,
    QueryFunction = 0x420074 "Query Function" V1_0,
    RecommendedCurve = 0x420075 "Recommended Curve" V1_0,
    ReplacedUniqueIdentifier = 0x420076 "Replaced Unique Identifier" V1_0,
    RequestHeader = 0x420077 "Request Header" V1_0,
    RequestMessage = 0x420078 "Request Message" V1_0,
    RequestPayload = 0x420079 "Request Payload" V1_0,
    ResponseHeader = 0x42007a "Response Header" V1_0,
    ResponseMessage = 0x42007b "Response Message" V1_0,
    ResponsePayload = 0x42007c "Response Payload" V1_0,
    ResultMessage = 0x42007d "Result Message" V1_0,
    ResultReason = 0x42007e "Result Reason" V1_0,
    ResultStatus = 0x42007f "Result Status" V1_0,
    RevocationMessage = 0x420080 "Revocation Message" V1_0,
    RevocationReason = 0x420081 "Revocation Reason" V1_0,
    RevocationReasonCode = 0x420082 "Revocation Reason Code" V1_0,
    KeyRoleType = 0x420083 "Key Role Type" V1_0,
    Salt = 0x420084 "Salt" V1_0,
    SecretData = 0x420085 "Secret Data" V1_0,
    SecretDataType = 0x420086 "Secret Data Type" V1_0,
    SerialNumber = 0x420087 "Serial Number" V1_0,
    ServerInformation = 0x420088 "Server Information" V1_0,
    SplitKey = 0x420089 "Split Key" V1_0,
    SplitKeyMethod = 0x42008a "Split Key Method" V1_0,
    SplitKeyParts = 0x42008b "Split Key Parts" V1_0,
    SplitKeyThreshold = 0x42008c "Split Key Threshold" V1_0,
    State = 0x42008d "State" V1_0,
    StorageStatusMask = 0x42008e "Storage Status Mask" V1_0,
    SymmetricKey = 0x42008f "Symmetric Key" V1_0,
    Template = 0x420090 "Template" V1_0,
    TemplateAttribute = 0x420091 "Template-Attribute" V1_0,
    TimeStamp = 0x420092 "Time Stamp" V1_0,
    UniqueBatchItemId = 0x420093 "Unique Batch Item ID" V1_0,
    UniqueIdentifier = 0x420094 "Unique Identifier" V1_0,
    UsageLimits = 0x420095 "Usage Limits" V1_0,
    UsageLimitsCount = 0x420096 "Usage Limits Count" V1_0,
    UsageLimitsTotal = 0x420097 "Usage Limits Total" V1_0,
    UsageLimitsUnit = 0x420098 "Usage Limits Unit" V1_0,
    Username = 0x420099 "Username" V1_0,
    ValidityDate = 0x42009a "Validity Date" V1_0,
    ValidityIndicator = 0x42009b "Validity Indicator" V1_0,
    VendorExtension = 0x42009c "Vendor Extension" V1_0,
    VendorIdentification = 0x42009d "Vendor Identification" V1_0,
    WrappingMethod = 0x42009e "Wrapping Method" V1_0,
    X = 0x42009f "X" V1_0,
    Y = 0x4200a0 "Y" V1_0,
    Password = 0x4200a1 "Password" V1_0,
    DeviceIdentifier = 0x4200a2 "Device Identifier" V1_1,
    EncodingOption = 0x4200a3 "Encoding Option" V1_1,
    ExtensionInformation = 0x4200a4 "Extension Information" V1_1,
    ExtensionName = 0x4200a5 "Extension Name" V1_1,
    ExtensionTag = 0x4200a6 "Extension Tag" V1_1,
    ExtensionType = 0x4200a7 "Extension Type" V1_1,
    Fresh = 0x4200a8 "Fresh" V1_1,
    MachineIdentifier = 0x4200a9 "Machine Identifier" V1_1,
    MediaIdentifier = 0x4200aa "Media Identifier" V1_1,
    NetworkIdentifier = 0x4200ab "Network Identifier" V1_1,
    ObjectGroupMember = 0x4200ac "Object Group Member" V1_1,
    CertificateLength = 0x4200ad "Certificate Length" V1_1,
    DigitalSignatureAlgorithm = 0x4200ae "Digital Signature Algorithm" V1_1,
    CertificateSerialNumber = 0x4200af "Certificate Serial Number" V1_1,
    DeviceSerialNumber = 0x4200b0 "Device Serial Number" V1_1,
    IssuerAlternativeName = 0x4200b1 "Issuer Alternative Name" V1_1,
    IssuerDistinguishedName = 0x4200b2 "Issuer Distinguished Name" V1_1,
    SubjectAlternativeName = 0x4200b3 "Subject Alternative Name" V1_1,
    SubjectDistinguishedName = 0x4200b4 "Subject Distinguished Name" V1_1,
    X509CertificateIdentifier = 0x4200b5 "X.509 Certificate Identifier" V1_1,
    X509CertificateIssuer = 0x4200b6 "X.509 Certificate Issuer" V1_1,
    X509CertificateSubject = 0x4200b7 "X.509 Certificate Subject" V1_1,
    KeyValueLocation = 0x4200b8 "Key Value Location" V1_2,
    KeyValueLocationValue = 0x4200b9 "Key Value Location Value" V1_2,
    KeyValueLocationType = 0x4200ba "Key Value Location Type" V1_2,
    KeyValuePresent = 0x4200bb "Key Value Present" V1_2,
    OriginalCreationDate = 0x4200bc "Original Creation Date" V1_2,
    PgpKey = 0x4200bd "PGP Key" V1_2,
    PgpKeyVersion = 0x4200be "PGP Key Version" V1_2,
    AlternativeName = 0x4200bf "Alternative Name" V1_2,
    AlternativeNameValue = 0x4200c0 "Alternative Name Value" V1_2,
    AlternativeNameType = 0x4200c1 "Alternative Name Type" V1_2,
    Data = 0x4200c2 "Data" V1_2,
    SignatureData = 0x4200c3 "Signature Data" V1_2,
    DataLength = 0x4200c4 "Data Length" V1_2,
    RandomIv = 0x4200c5 "Random IV" V1_2,
    MacData = 0x4200c6 "MAC Data" V1_2,
    AttestationType = 0x4200c7 "Attestation Type" V1_2,
    Nonce = 0x4200c8 "Nonce" V1_2,
    NonceId = 0x4200c9 "Nonce ID" V1_2,
    NonceValue = 0x4200ca "Nonce Value" V1_2,
    AttestationMeasurement = 0x4200cb "Attestation Measurement" V1_2,
    AttestationAssertion = 0x4200cc "Attestation Assertion" V1_2,
    IvLength = 0x4200cd "IV Length" V1_2,
    TagLength = 0x4200ce "Tag Length" V1_2,
    FixedFieldLength = 0x4200cf "Fixed Field Length" V1_2,
    CounterLength = 0x4200d0 "Counter Length" V1_2,
    InitialCounterValue = 0x4200d1 "Initial Counter Value" V1_2,
    InvocationFieldLength = 0x4200d2 "Invocation Field Length" V1_2,
    AttestationCapableIndicator = 0x4200d3 "Attestation Capable Indicator" V1_2,
    OffsetItems = 0x4200d4 "Offset Items" V1_3,
    LocatedItems = 0x4200d5 "Located Items" V1_3,
    CorrelationValue = 0x4200d6 "Correlation Value" V1_3,
    InitIndicator = 0x4200d7 "Init Indicator" V1_3,
    FinalIndicator = 0x4200d8 "Final Indicator" V1_3,
    RngParameters = 0x4200d9 "RNG Parameters" V1_3,
    RngAlgorithm = 0x4200da "RNG Algorithm" V1_3,
    DrbgAlgorithm = 0x4200db "DRBG Algorithm" V1_3,
    Fips186Variation = 0x4200dc "FIPS186 Variation" V1_3,
    PredictionResistance = 0x4200dd "Prediction Resistance" V1_3,
    RandomNumberGenerator = 0x4200de "Random Number Generator" V1_3,
    ValidationInformation = 0x4200df "Validation Information" V1_3,
    ValidationAuthorityType = 0x4200e0 "Validation Authority Type" V1_3,
    ValidationAuthorityCountry = 0x4200e1 "Validation Authority Country" V1_3,
    ValidationAuthorityUri = 0x4200e2 "Validation Authority URI" V1_3,
    ValidationVersionMajor = 0x4200e3 "Validation Version Major" V1_3,
    ValidationVersionMinor = 0x4200e4 "Validation Version Minor" V1_3,
    ValidationType = 0x4200e5 "Validation Type" V1_3,
    ValidationLevel = 0x4200e6 "Validation Level" V1_3,
    ValidationCertificateIdentifier = 0x4200e7 "Validation Certificate Identifier" V1_3,
    ValidationCertificateUri = 0x4200e8 "Validation Certificate URI" V1_3,
    ValidationVendorUri = 0x4200e9 "Validation Vendor URI" V1_3,
    ValidationProfile = 0x4200ea "Validation Profile" V1_3,
    ProfileInformation = 0x4200eb "Profile Information" V1_3,
    ProfileName = 0x4200ec "Profile Name" V1_3,
    ServerUri = 0x4200ed "Server URI" V1_3,
    ServerPort = 0x4200ee "Server Port" V1_3,
    StreamingCapability = 0x4200ef "Streaming Capability" V1_3,
    AsynchronousCapability = 0x4200f0 "Asynchronous Capability" V1_3,
    AttestationCapability = 0x4200f1 "Attestation Capability" V1_3,
    UnwrapMode = 0x4200f2 "Unwrap Mode" V1_3,
    DestroyAction = 0x4200f3 "Destroy Action" V1_3,
    ShreddingAlgorithm = 0x4200f4 "Shredding Algorithm" V1_3,
    RngMode = 0x4200f5 "RNG Mode" V1_3,
    ClientRegistrationMethod = 0x4200f6 "Client Registration Method" V1_3,
    CapabilityInformation = 0x4200f7 "Capability Information" V1_3,
    KeyWrapType = 0x4200f8 "Key Wrap Type" V1_4,
    BatchUndoCapability = 0x4200f9 "Batch Undo Capability" V1_4,
    BatchContinueCapability = 0x4200fa "Batch Continue Capability" V1_4,
    Pkcs12FriendlyName = 0x4200fb "PKCS#12 Friendly Name" V1_4,
    Description = 0x4200fc "Description" V1_4,
    Comment = 0x4200fd "Comment" V1_4,
    AuthenticatedEncryptionAdditionalData = 0x4200fe "Authenticated Encryption Additional Data" V1_4,
    AuthenticatedEncryptionTag = 0x4200ff "Authenticated Encryption Tag" V1_4,
    SaltLength = 0x420100 "Salt Length" V1_4,
    MaskGenerator = 0x420101 "Mask Generator" V1_4,
    MaskGeneratorHashingAlgorithm = 0x420102 "Mask Generator Hashing Algorithm" V1_4,
    PSource = 0x420103 "P Source" V1_4,
    TrailerField = 0x420104 "Trailer Field" V1_4,
    ClientCorrelationValue = 0x420105 "Client Correlation Value" V1_4,
    ServerCorrelationValue = 0x420106 "Server Correlation Value" V1_4,
    DigestedData = 0x420107 "Digested Data" V1_4,
    CertificateSubjectCn = 0x420108 "Certificate Subject CN" V1_4,
    CertificateSubjectO = 0x420109 "Certificate Subject O" V1_4,
    CertificateSubjectOu = 0x42010a "Certificate Subject OU" V1_4,
    CertificateSubjectEmail = 0x42010b "Certificate Subject Email" V1_4,
    CertificateSubjectC = 0x42010c "Certificate Subject C" V1_4,
    CertificateSubjectSt = 0x42010d "Certificate Subject ST" V1_4,
    CertificateSubjectL = 0x42010e "Certificate Subject L" V1_4,
    CertificateSubjectUid = 0x42010f "Certificate Subject UID" V1_4,
    CertificateSubjectSerialNumber = 0x420110 "Certificate Subject Serial Number" V1_4,
    CertificateSubjectTitle = 0x420111 "Certificate Subject Title" V1_4,
    CertificateSubjectDc = 0x420112 "Certificate Subject DC" V1_4,
    CertificateSubjectDnQualifier = 0x420113 "Certificate Subject DN Qualifier" V1_4,
    CertificateIssuerCn = 0x420114 "Certificate Issuer CN" V1_4,
    CertificateIssuerO = 0x420115 "Certificate Issuer O" V1_4,
    CertificateIssuerOu = 0x420116 "Certificate Issuer OU" V1_4,
    CertificateIssuerEmail = 0x420117 "Certificate Issuer Email" V1_4,
    CertificateIssuerC = 0x420118 "Certificate Issuer C" V1_4,
    CertificateIssuerSt = 0x420119 "Certificate Issuer ST" V1_4,
    CertificateIssuerL = 0x42011a "Certificate Issuer L" V1_4,
    CertificateIssuerUid = 0x42011b "Certificate Issuer UID" V1_4,
    CertificateIssuerSerialNumber = 0x42011c "Certificate Issuer Serial Number" V1_4,
    CertificateIssuerTitle = 0x42011d "Certificate Issuer Title" V1_4,
    CertificateIssuerDc = 0x42011e "Certificate Issuer DC" V1_4,
    CertificateIssuerDnQualifier = 0x42011f "Certificate Issuer DN Qualifier" V1_4,
    Sensitive = 0x420120 "Sensitive" V1_4,
    AlwaysSensitive = 0x420121 "Always Sensitive" V1_4,
    Extractable = 0x420122 "Extractable" V1_4,
    NeverExtractable = 0x420123 "Never Extractable" V1_4,
    ReplaceExisting = 0x420124 "Replace Existing" V1_4,
    Attributes = 0x420125 "Attributes" V2_0,
    CommonAttributes = 0x420126 "Common Attributes" V2_0,
    PrivateKeyAttributes = 0x420127 "Private Key Attributes" V2_0,
    PublicKeyAttributes = 0x420128 "Public Key Attributes" V2_0,
    ExtensionEnumeration = 0x420129 "Extension Enumeration" V2_0,
    ExtensionAttribute = 0x42012a "Extension Attribute" V2_0,
    ExtensionParentStructureTag = 0x42012b "Extension Parent Structure Tag" V2_0,
    ExtensionDescription = 0x42012c "Extension Description" V2_0,
    ServerName = 0x42012d "Server Name" V2_0,
    ServerSerialNumber = 0x42012e "Server Serial Number" V2_0,
    ServerVersion = 0x42012f "Server Version" V2_0,
    ServerLoad = 0x420130 "Server Load" V2_0,
    ProductName = 0x420131 "Product Name" V2_0,
    BuildLevel = 0x420132 "Build Level" V2_0,
    BuildDate = 0x420133 "Build Date" V2_0,
    ClusterInfo = 0x420134 "Cluster Info" V2_0,
    AlternateFailoverEndpoints = 0x420135 "Alternate Failover Endpoints" V2_0,
    ShortUniqueIdentifier = 0x420136 "Short Unique Identifier" V2_0,
    Reserved = 0x420137 "Reserved" V2_0,
    Tag = 0x420138 "Tag" V2_0,
    CertificateRequestUniqueIdentifier = 0x420139 "Certificate Request Unique Identifier" V2_0,
    NistKeyType = 0x42013a "NIST Key Type" V2_0,
    AttributeReference = 0x42013b "Attribute Reference" V2_0,
    CurrentAttribute = 0x42013c "Current Attribute" V2_0,
    NewAttribute = 0x42013d "New Attribute" V2_0,
    CertificateRequestValue = 0x420140 "Certificate Request Value" V2_0,
    LogMessage = 0x420141 "Log Message" V2_0,
    ProfileVersion = 0x420142 "Profile Version" V2_0,
    ProfileVersionMajor = 0x420143 "Profile Version Major" V2_0,
    ProfileVersionMinor = 0x420144 "Profile Version Minor" V2_0,
    ProtectionLevel = 0x420145 "Protection Level" V2_0,
    ProtectionPeriod = 0x420146 "Protection Period" V2_0,
    QuantumSafe = 0x420147 "Quantum Safe" V2_0,
    QuantumSafeCapability = 0x420148 "Quantum Safe Capability" V2_0,
    Ticket = 0x420149 "Ticket" V2_0,
    TicketType = 0x42014a "Ticket Type" V2_0,
    TicketValue = 0x42014b "Ticket Value" V2_0,
    RequestCount = 0x42014c "Request Count" V2_0,
    Rights = 0x42014d "Rights" V2_0,
    Objects = 0x42014e "Objects" V2_0,
    Operations = 0x42014f "Operations" V2_0,
    Right = 0x420150 "Right" V2_0,
    EndpointRole = 0x420151 "Endpoint Role" V2_0,
    DefaultsInformation = 0x420152 "Defaults Information" V2_0,
    ObjectDefaults = 0x420153 "Object Defaults" V2_0,
    Ephemeral = 0x420154 "Ephemeral" V2_0,
    ServerHashedPassword = 0x420155 "Server Hashed Password" V2_0,
    OneTimePassword = 0x420156 "One Time Password" V2_0,
    HashedPassword = 0x420157 "Hashed Password" V2_0,
    AdjustmentType = 0x420158 "Adjustment Type" V2_0,
    Pkcs11Interface = 0x420159 "PKCS#11 Interface" V2_0,
    Pkcs11Function = 0x42015a "PKCS#11 Function" V2_0,
    Pkcs11InputParameters = 0x42015b "PKCS#11 Input Parameters" V2_0,
    Pkcs11OutputParameters = 0x42015c "PKCS#11 Output Parameters" V2_0,
    Pkcs11ReturnCode = 0x42015d "PKCS#11 Return Code" V2_0,
    ProtectionStorageMask = 0x42015e "Protection Storage Mask" V2_0,
    ProtectionStorageMasks = 0x42015f "Protection Storage Masks" V2_0,
    InteropFunction = 0x420160 "Interop Function" V2_0,
    InteropIdentifier = 0x420161 "Interop Identifier" V2_0,
    AdjustmentValue = 0x420162 "Adjustment Value" V2_0,
    CommonProtectionStorageMasks = 0x420163 "Common Protection Storage Masks" V2_0,
    PrivateProtectionStorageMasks = 0x420164 "Private Protection Storage Masks" V2_0,
    PublicProtectionStorageMasks = 0x420165 "Public Protection Storage Masks" V2_0,
    ObjectGroups = 0x420166 "Object Groups" V2_1,
    ObjectTypes = 0x420167 "Object Types" V2_1,
    Constraints = 0x420168 "Constraints" V2_1,
    Constraint = 0x420169 "Constraint" V2_1,
    RotateInterval = 0x42016a "Rotate Interval" V2_1,
    RotateAutomatic = 0x42016b "Rotate Automatic" V2_1,
    RotateOffset = 0x42016c "Rotate Offset" V2_1,
    RotateDate = 0x42016d "Rotate Date" V2_1,
    RotateGeneration = 0x42016e "Rotate Generation" V2_1,
    RotateName = 0x42016f "Rotate Name" V2_1,
    RotateNameValue = 0x420170 "Rotate Name Value" V2_1,
    RotateNameType = 0x420171 "Rotate Name Type" V2_1,
    RotateLatest = 0x420172 "Rotate Latest" V2_1,
    AsynchronousRequest = 0x420173 "Asynchronous Request" V2_1,
    SubmissionDate = 0x420174 "Submission Date" V2_1,
    ProcessingStage = 0x420175 "Processing Stage" V2_1,
    AsynchronousCorrelationValues = 0x420176 "Asynchronous Correlation Values" V2_1,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_ascending_order_for_binary_search() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn prints_known_tags_as_names_and_unknown_tags_as_hexadecimal_numbers() {
        assert_eq!(Tag::UniqueIdentifier.to_string(), "Unique Identifier");
        assert_eq!(Tag(0x54_0001).to_string(), "0x540001");
        assert_eq!(Tag::named("X.509 Certificate Issuer"), Some(Tag::X509CertificateIssuer));
    }
}
