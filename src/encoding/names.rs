//! The names of tags, types, enumerations and masks as text has them: the standard's, normalised
//! (Additional Message Encodings 1.0 §4.1.3), and which enumeration belongs to which tag.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::kmip::attributes::AttributeDefinition;
use crate::kmip::enums::*;
use crate::ttlv::{ItemType as Kind, Tag};

/// The standard's name in CamelCase, by the six rules of §4.1.3.
pub(super) fn normalise(name: &str) -> String {
    let characters: Vec<char> =
        name.chars().map(|character| if matches!(character, '(' | ')') { ' ' } else { character }).collect();
    let mut spaced = String::with_capacity(name.len());
    for (at, character) in characters.iter().copied().enumerate() {
        let word = is_word(character);
        let before_a_word = matches!(
            (characters.get(at + 1), characters.get(at + 2)),
            (Some(first), Some(second)) if first.is_ascii_alphabetic() && second.is_ascii_lowercase()
        );
        spaced.push(match character {
            ' ' => ' ',
            _ if !word && before_a_word => ' ',
            _ if !word => '_',
            _ => character,
        });
    }
    let mut normalised = String::with_capacity(spaced.len());
    for (at, word) in spaced.split_whitespace().enumerate() {
        let (digits, rest) = match word.find(|character: char| !character.is_ascii_digit()) {
            Some(end) if at == 0 => word.split_at(end),
            _ => ("", word),
        };
        let mut letters = rest.chars();
        normalised.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        normalised.push_str(letters.as_str());
        normalised.push_str(digits);
    }
    normalised
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Names and numbers of one set.
struct Names {
    numbers: HashMap<String, u32>,
    names: HashMap<u32, String>,
}

impl Names {
    fn new(entries: impl Iterator<Item = (u32, &'static str)>) -> Self {
        let mut set = Self { numbers: HashMap::new(), names: HashMap::new() };
        for (number, name) in entries {
            let name = normalise(name);
            set.numbers.entry(name.clone()).or_insert(number);
            set.names.entry(number).or_insert(name);
        }
        set
    }
}

static TAGS: LazyLock<Names> =
    LazyLock::new(|| Names::new(Tag::all().filter_map(|tag| Some((tag.0, tag.name()?)))));

/// The tag of an element: its normalised name, `x` and six hex digits, or the same behind `0x`.
pub(super) fn tag(text: &str) -> Option<Tag> {
    if let Some(number) = TAGS.numbers.get(text) {
        return Some(Tag(*number));
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix(['x', 'X']))?;
    let plain = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if plain { u32::from_str_radix(digits, 16).ok().map(Tag) } else { None }
}

/// The normalised name of a tag that the standard has.
pub(super) fn tag_name(tag: Tag) -> Option<&'static str> {
    TAGS.names.get(&tag.0).map(String::as_str)
}

/// The tag that a 1.x attribute of that name has in 2.x, whose values are the same.
pub(super) fn attribute(name: &str) -> Option<Tag> {
    AttributeDefinition::named(name).map(|row| row.tag).or_else(|| Tag::named(name))
}

/// The type of that normalised name.
pub(super) fn kind(text: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind_name(*kind) == text)
}

/// The normalised name of a type.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Structure => "Structure",
        Kind::Integer => "Integer",
        Kind::LongInteger => "LongInteger",
        Kind::BigInteger => "BigInteger",
        Kind::Enumeration => "Enumeration",
        Kind::Boolean => "Boolean",
        Kind::TextString => "TextString",
        Kind::ByteString => "ByteString",
        Kind::DateTime => "DateTime",
        Kind::Interval => "Interval",
        Kind::DateTimeExtended => "DateTimeExtended",
    }
}

/// The number of an entry of the enumeration that belongs to `tag`.
pub(super) fn number(tag: Tag, name: &str) -> Option<u32> {
    set(tag)?.numbers.get(name).copied()
}

/// The name of an entry of the enumeration that belongs to `tag`.
pub(super) fn name(tag: Tag, number: u32) -> Option<&'static str> {
    set(tag)?.names.get(&number).map(String::as_str)
}

fn set(tag: Tag) -> Option<&'static Names> {
    match tag {
        // Attributes of 2.x are referred to by the number of their tag (2.1 §7.3).
        Tag::AttributeReference | Tag::Tag => Some(&*TAGS),
        _ => ENUMERATIONS.get(&tag),
    }
}

/// Whether the Integers behind `tag` are masks.
pub(super) fn is_mask(tag: Tag) -> bool {
    MASKS.contains_key(&tag)
}

/// The bit of that name in the masks behind `tag`.
pub(super) fn bit(tag: Tag, name: &str) -> Option<u32> {
    MASKS.get(&tag)?.numbers.get(name).copied()
}

/// The name of a bit in the masks behind `tag`.
pub(super) fn bit_name(tag: Tag, bit: u32) -> Option<&'static str> {
    MASKS.get(&tag)?.names.get(&bit).map(String::as_str)
}

macro_rules! enumerations {
    ($($Tag:ident => $Enum:ident,)*) => {
        /// The enumeration of each tag that has one.
        static ENUMERATIONS: LazyLock<HashMap<Tag, Names>> = LazyLock::new(|| {
            HashMap::from([
                $((Tag::$Tag, Names::new($Enum::ALL.iter().map(|entry| (entry.to_wire(), entry.name())))),)*
            ])
        });
    };
}

enumerations! {
    AdjustmentType => AdjustmentType,
    AlternativeNameType => AlternativeNameType,
    AsynchronousIndicator => AsynchronousIndicator,
    AttestationType => AttestationType,
    BatchErrorContinuationOption => BatchErrorContinuationOption,
    BlockCipherMode => BlockCipherMode,
    CancellationResult => CancellationResult,
    CertificateRequestType => CertificateRequestType,
    CertificateType => CertificateType,
    ClientRegistrationMethod => ClientRegistrationMethod,
    CredentialType => CredentialType,
    CryptographicAlgorithm => CryptographicAlgorithm,
    Data => DataValue,
    DerivationMethod => DerivationMethod,
    DestroyAction => DestroyAction,
    DigitalSignatureAlgorithm => DigitalSignatureAlgorithm,
    DrbgAlgorithm => DrbgAlgorithm,
    EncodingOption => EncodingOption,
    EndpointRole => EndpointRole,
    ExtensionType => ItemType,
    Fips186Variation => Fips186Variation,
    HashingAlgorithm => HashingAlgorithm,
    InteropFunction => InteropFunction,
    KeyCompressionType => KeyCompressionType,
    KeyFormatType => KeyFormatType,
    KeyRoleType => KeyRoleType,
    KeyValueLocationType => KeyValueLocationType,
    KeyWrapType => KeyWrapType,
    LinkType => LinkType,
    LinkedObjectIdentifier => UniqueIdentifierValue,
    MaskGenerator => MaskGenerator,
    MaskGeneratorHashingAlgorithm => HashingAlgorithm,
    NameType => NameType,
    NistKeyType => NistKeyType,
    ObjectGroupMember => ObjectGroupMember,
    ObjectType => ObjectType,
    Operation => Operation,
    PaddingMethod => PaddingMethod,
    Pkcs11Function => Pkcs11Function,
    Pkcs11ReturnCode => Pkcs11ReturnCode,
    PrivateKeyUniqueIdentifier => UniqueIdentifierValue,
    ProcessingStage => ProcessingStage,
    ProfileName => ProfileName,
    ProtectionLevel => ProtectionLevel,
    PublicKeyUniqueIdentifier => UniqueIdentifierValue,
    PutFunction => PutFunction,
    QueryFunction => QueryFunction,
    RecommendedCurve => RecommendedCurve,
    ResultReason => ResultReason,
    ResultStatus => ResultStatus,
    RevocationReasonCode => RevocationReasonCode,
    RngAlgorithm => RngAlgorithm,
    RngMode => RngMode,
    RotateNameType => RotateNameType,
    SecretDataType => SecretDataType,
    ShreddingAlgorithm => ShreddingAlgorithm,
    SplitKeyMethod => SplitKeyMethod,
    State => State,
    TicketType => TicketType,
    UniqueIdentifier => UniqueIdentifierValue,
    UnwrapMode => UnwrapMode,
    UsageLimitsUnit => UsageLimitsUnit,
    ValidationAuthorityType => ValidationAuthorityType,
    ValidationType => ValidationType,
    ValidityIndicator => ValidityIndicator,
    WrappingMethod => WrappingMethod,
}

macro_rules! masks {
    ($($Tag:ident => $Mask:ident,)*) => {
        /// The mask of each tag that has one.
        static MASKS: LazyLock<HashMap<Tag, Names>> = LazyLock::new(|| {
            HashMap::from([
                $((Tag::$Tag, Names::new($Mask::ALL.iter().map(|(bit, name, _)| (bit.0.cast_unsigned(), *name)))),)*
            ])
        });
    };
}

masks! {
    CryptographicUsageMask => CryptographicUsageMask,
    ProtectionStorageMask => ProtectionStorageMask,
    StorageStatusMask => StorageStatusMask,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_by_the_six_rules() {
        for (name, normalised) in [
            ("Uninterpreted Text String", "UninterpretedTextString"),
            ("3DES", "DES3"),
            ("PKCS#1", "PKCS_1"),
            ("X.509", "X_509"),
            ("HMAC-SHA256", "HMAC_SHA256"),
            ("Common Template-Attribute", "CommonTemplateAttribute"),
            ("ANSI X9.31", "ANSIX9_31"),
            ("ECDSA with SHA256", "ECDSAWithSHA256"),
            ("On-line storage", "OnLineStorage"),
            ("Content Commitment (Non Repudiation)", "ContentCommitmentNonRepudiation"),
            ("Re-key Key Pair", "ReKeyKeyPair"),
            ("C_Initialize", "C_Initialize"),
            ("D", "D"),
        ] {
            assert_eq!(normalise(name), normalised);
        }
    }

    #[test]
    fn no_two_tags_share_a_name_and_no_number_of_an_enumeration_is_without_one() {
        assert_eq!(TAGS.numbers.len(), Tag::all().count());
        for (tag, set) in ENUMERATIONS.iter().chain(MASKS.iter()) {
            assert!(!set.numbers.is_empty(), "{tag}");
            assert!(set.names.iter().all(|(number, name)| set.numbers.get(name) == Some(number)), "{tag}");
        }
    }

    #[test]
    fn every_tag_that_bears_the_name_of_an_enumeration_has_it() {
        assert_eq!(number(Tag::ObjectType, "SymmetricKey"), Some(2));
        assert_eq!(name(Tag::AttributeReference, Tag::State.0), Some("State"));
        assert_eq!(attribute("X.509 Certificate Issuer"), Some(Tag::X509CertificateIssuer));
        assert_eq!(tag("X540001"), Some(Tag(0x54_0001)));
        assert_eq!(tag("0x540001"), Some(Tag(0x54_0001)));
        assert_eq!(tag("X54"), None);
    }
}
