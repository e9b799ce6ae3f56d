//! Names of tags, types, enumeration entries and mask bits in XML and JSON: those of the standard, normalised
//! (Additional Message Encodings 1.0 §4.1.3).

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::kmip::attributes::AttributeDefinition;
use crate::kmip::enums::*;
use crate::ttlv::{self, Tag};

/// Converts a name of the standard to CamelCase by the six rules of §4.1.3.
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

/// The normalised names and the numbers of one enumeration, one mask, or all tags.
struct Names {
    numbers: HashMap<String, u32>,
    names: HashMap<u32, String>,
    /// The names before normalisation.
    standard: HashMap<u32, &'static str>,
}

impl Names {
    fn new(entries: impl Iterator<Item = (u32, &'static str)>) -> Self {
        let mut names = Self { numbers: HashMap::new(), names: HashMap::new(), standard: HashMap::new() };
        for (number, name) in entries {
            names.standard.entry(number).or_insert(name);
            let name = normalise(name);
            names.numbers.entry(name.clone()).or_insert(number);
            names.names.entry(number).or_insert(name);
        }
        names
    }
}

static TAGS: LazyLock<Names> =
    LazyLock::new(|| Names::new(Tag::all().filter_map(|tag| Some((tag.0, tag.name()?)))));

/// Returns the tag with the normalised name `text`, or with the number after `x` or `0x` in six hexadecimal
/// digits.
pub(super) fn tag(text: &str) -> Option<Tag> {
    if let Some(number) = TAGS.numbers.get(text) {
        return Some(Tag(*number));
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix(['x', 'X']))?;
    let is_number = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_number { u32::from_str_radix(digits, 16).ok().map(Tag) } else { None }
}

/// Returns the normalised name of a tag of the standard.
pub(super) fn tag_name(tag: Tag) -> Option<&'static str> {
    TAGS.names.get(&tag.0).map(String::as_str)
}

/// Returns the tag of 2.x for the 1.x attribute with this name.
fn attribute_tag(name: &str) -> Option<Tag> {
    AttributeDefinition::named(name).map(|row| row.tag).or_else(|| Tag::named(name))
}

/// Returns the item type with this normalised name.
pub(super) fn item_type(text: &str) -> Option<ttlv::ItemType> {
    ttlv::ItemType::ALL.into_iter().find(|item_type| item_type_name(*item_type) == text)
}

/// Returns the normalised name of an item type.
pub(super) fn item_type_name(item_type: ttlv::ItemType) -> &'static str {
    use ttlv::ItemType as T;
    match item_type {
        T::Structure => "Structure",
        T::Integer => "Integer",
        T::LongInteger => "LongInteger",
        T::BigInteger => "BigInteger",
        T::Enumeration => "Enumeration",
        T::Boolean => "Boolean",
        T::TextString => "TextString",
        T::ByteString => "ByteString",
        T::DateTime => "DateTime",
        T::Interval => "Interval",
        T::DateTimeExtended => "DateTimeExtended",
    }
}

/// Returns the number of an entry of the enumeration of `tag`.
pub(super) fn number(tag: Tag, name: &str) -> Option<u32> {
    enumeration(tag)?.numbers.get(name).copied()
}

/// Returns the name of an entry of the enumeration of `tag`.
pub(super) fn name(tag: Tag, number: u32) -> Option<&'static str> {
    enumeration(tag)?.names.get(&number).map(String::as_str)
}

/// Returns the name in the standard of an entry of the enumeration of `tag`.
pub(super) fn standard_name(tag: Tag, number: u32) -> Option<&'static str> {
    enumeration(tag)?.standard.get(&number).copied()
}

fn enumeration(tag: Tag) -> Option<&'static Names> {
    match tag {
        // An Attribute Reference is the number of a tag (2.1 §5.5).
        Tag::AttributeReference | Tag::Tag => Some(&*TAGS),
        _ => ENUMERATIONS.get(&tag),
    }
}

/// Returns whether Integers with the tag `tag` are bit masks.
pub(super) fn is_mask(tag: Tag) -> bool {
    MASKS.contains_key(&tag)
}

/// Returns the bit with this name in the mask of `tag`.
pub(super) fn bit(tag: Tag, name: &str) -> Option<u32> {
    MASKS.get(&tag)?.numbers.get(name).copied()
}

/// Returns the name of a bit in the mask of `tag`.
pub(super) fn bit_name(tag: Tag, bit: u32) -> Option<&'static str> {
    MASKS.get(&tag)?.names.get(&bit).map(String::as_str)
}

/// Returns the name in the standard of a bit in the mask of `tag`.
pub(super) fn standard_bit_name(tag: Tag, bit: u32) -> Option<&'static str> {
    MASKS.get(&tag)?.standard.get(&bit).copied()
}

/// Determines the meaning of an Attribute Value of 1.x, whose enumeration follows from the Attribute Name
/// before it in the same structure (KMIP 1.4 §2.1.1).
#[derive(Clone, Copy, Default)]
pub(super) struct AttributeContext {
    attribute: Option<Tag>,
}

impl AttributeContext {
    /// Records an item of the structure.
    pub(super) fn record(&mut self, tag: Tag, text: &str) {
        if tag == Tag::AttributeName {
            self.attribute = attribute_tag(text);
        }
    }

    /// Returns the tag that determines the enumeration or mask of the item with the tag `tag`.
    pub(super) fn meaning(self, tag: Tag) -> Tag {
        match self.attribute {
            Some(attribute) if tag == Tag::AttributeValue => attribute,
            _ => tag,
        }
    }
}

macro_rules! enumerations {
    ($($Tag:ident => $Enum:ident,)*) => {
        /// The enumerations by tag.
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
        /// The bit masks by tag.
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
    fn tags_have_distinct_names_and_every_entry_has_a_name() {
        assert_eq!(TAGS.numbers.len(), Tag::all().count());
        for (tag, names) in ENUMERATIONS.iter().chain(MASKS.iter()) {
            assert!(!names.numbers.is_empty(), "{tag}");
            assert!(
                names.names.iter().all(|(number, name)| names.numbers.get(name) == Some(number)),
                "{tag}"
            );
        }
    }

    #[test]
    fn finds_tags_and_enumeration_entries_by_name_and_number() {
        assert_eq!(number(Tag::ObjectType, "SymmetricKey"), Some(2));
        assert_eq!(name(Tag::AttributeReference, Tag::State.0), Some("State"));
        assert_eq!(attribute_tag("X.509 Certificate Issuer"), Some(Tag::X509CertificateIssuer));
        assert_eq!(tag("X540001"), Some(Tag(0x54_0001)));
        assert_eq!(tag("0x540001"), Some(Tag(0x54_0001)));
        assert_eq!(tag("X54"), None);
    }
}
