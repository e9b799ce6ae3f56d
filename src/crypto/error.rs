//! The errors of the crypto layer and their messages.
//!
//! No variant contains bytes of a key or of data, so that no message can reveal them. [`Error::kind`] classifies the
//! variants; the engine maps each class to a Result Reason.

use std::fmt;

use crate::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, DerivationMethod, DigitalSignatureAlgorithm, HashingAlgorithm,
    PaddingMethod, RecommendedCurve, WrappingMethod,
};

/// The class of an error, which determines the Result Reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A parameter is missing, not supported, or conflicts with another: Invalid Field.
    InvalidParameter,
    /// The computation failed with valid parameters: Cryptographic Failure.
    Failure,
    /// The operation does not support this type of key: Permission Denied.
    WrongKey,
}

/// The purpose of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Create a symmetric key.
    Create,
    /// Create Key Pair.
    CreateKeyPair,
    /// Encrypt.
    Encrypt,
    /// Decrypt.
    Decrypt,
    /// Sign.
    Sign,
    /// Signature Verify.
    Verify,
    /// MAC or MAC Verify.
    Mac,
    /// Hash, or the digest of an object.
    Hash,
    /// Derive Key.
    Derive,
    /// Wrap a key.
    Wrap,
    /// Unwrap a key.
    Unwrap,
    /// Convert a key to another format.
    Convert,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "creating a symmetric key",
            Self::CreateKeyPair => "creating a key pair",
            Self::Encrypt => "encryption",
            Self::Decrypt => "decryption",
            Self::Sign => "signing",
            Self::Verify => "verifying a signature",
            Self::Mac => "a MAC",
            Self::Hash => "a digest",
            Self::Derive => "key derivation",
            Self::Wrap => "wrapping a key",
            Self::Unwrap => "unwrapping a key",
            Self::Convert => "converting a key",
        })
    }
}

/// A parameter of a computation, under the name that KMIP gives it (1.4 §3.6, 2.1 §4.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Cryptographic Algorithm.
    CryptographicAlgorithm,
    /// Block Cipher Mode.
    BlockCipherMode,
    /// Padding Method.
    PaddingMethod,
    /// Hashing Algorithm.
    HashingAlgorithm,
    /// Digital Signature Algorithm.
    DigitalSignatureAlgorithm,
    /// Mask Generator Hashing Algorithm.
    MaskGeneratorHashingAlgorithm,
    /// IV/Counter/Nonce.
    Iv,
    /// Counter Length.
    CounterLength,
    /// Authenticated Encryption Additional Data.
    AdditionalData,
    /// Authenticated Encryption Tag.
    Tag,
    /// P Source, the label of OAEP.
    Label,
    /// Tag Length.
    TagLength,
    /// Salt Length.
    SaltLength,
    /// Trailer Field.
    TrailerField,
    /// Data.
    Data,
    /// Digested Data.
    DigestedData,
    /// Cryptographic Length.
    CryptographicLength,
    /// Derivation Data.
    DerivationData,
    /// The key, secret or shared secret that a key is derived from.
    KeyMaterial,
    /// Salt.
    Salt,
    /// Iteration Count.
    IterationCount,
    /// Recommended Curve.
    RecommendedCurve,
    /// Split Key Parts.
    SplitKeyParts,
    /// Split Key Threshold.
    SplitKeyThreshold,
    /// Key Part Identifier.
    KeyPartIdentifier,
    /// Prime Field Size.
    PrimeFieldSize,
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CryptographicAlgorithm => "Cryptographic Algorithm",
            Self::BlockCipherMode => "Block Cipher Mode",
            Self::PaddingMethod => "Padding Method",
            Self::HashingAlgorithm => "Hashing Algorithm",
            Self::DigitalSignatureAlgorithm => "Digital Signature Algorithm",
            Self::MaskGeneratorHashingAlgorithm => "Mask Generator Hashing Algorithm",
            Self::Iv => "IV/Counter/Nonce",
            Self::CounterLength => "Counter Length",
            Self::AdditionalData => "Authenticated Encryption Additional Data",
            Self::Tag => "Authenticated Encryption Tag",
            Self::Label => "P Source",
            Self::TagLength => "Tag Length",
            Self::SaltLength => "Salt Length",
            Self::TrailerField => "Trailer Field",
            Self::Data => "Data",
            Self::DigestedData => "Digested Data",
            Self::CryptographicLength => "Cryptographic Length",
            Self::DerivationData => "Derivation Data",
            Self::KeyMaterial => "key material",
            Self::Salt => "Salt",
            Self::IterationCount => "Iteration Count",
            Self::RecommendedCurve => "Recommended Curve",
            Self::SplitKeyParts => "Split Key Parts",
            Self::SplitKeyThreshold => "Split Key Threshold",
            Self::KeyPartIdentifier => "Key Part Identifier",
            Self::PrimeFieldSize => "Prime Field Size",
        })
    }
}

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// A symmetric key or a secret.
    Symmetric,
    /// The public key of a key pair.
    Public,
    /// The private key of a key pair.
    Private,
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Symmetric => "symmetric",
            Self::Public => "public",
            Self::Private => "private",
        })
    }
}

/// The reason why a PKCS#12 container cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerFault {
    /// The bytes are not a container, or an element of it is malformed.
    Malformed,
    /// The password is wrong, or the container was modified.
    Password,
    /// The protection is not supported: public-key modes, no protection, or another algorithm.
    Protection,
    /// It exceeds the maximum number of parts or of iterations.
    Bounds,
    /// It contains no private key.
    NoKey,
    /// It contains several private keys, and the requested name does not select exactly one.
    SeveralKeys,
}

impl fmt::Display for ContainerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is malformed",
            Self::Password => "the password is wrong, or the container was modified",
            Self::Protection => "its protection is not supported",
            Self::Bounds => "it has too many parts or iterations",
            Self::NoKey => "it contains no private key",
            Self::SeveralKeys => {
                "it contains several private keys; state the PKCS#12 Friendly Name of one of them"
            }
        })
    }
}

impl From<ContainerFault> for Error {
    fn from(fault: ContainerFault) -> Self {
        Self::Container(fault)
    }
}

/// The reason why a computation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A required parameter is missing.
    Missing(Parameter),
    /// The computation does not use this parameter.
    Unexpected(Parameter),
    /// Two parameters, or a parameter and the key, conflict.
    Conflict {
        /// One parameter.
        one: Parameter,
        /// The other parameter.
        other: Parameter,
    },
    /// A number, or the length of a parameter in bytes or bits, is out of range.
    Range {
        /// The parameter.
        parameter: Parameter,
        /// The value or the length.
        value: u64,
        /// The minimum.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// The algorithm is not supported for this purpose.
    Algorithm {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// The purpose.
        purpose: Purpose,
    },
    /// The algorithm does not have keys of this length.
    KeyLength {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// The requested length, in bits.
        bits: u32,
    },
    /// The algorithm is not supported in this mode.
    Mode {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// The mode.
        mode: BlockCipherMode,
    },
    /// The padding is not supported for this purpose.
    Padding {
        /// The padding.
        padding: PaddingMethod,
        /// The purpose.
        purpose: Purpose,
    },
    /// The hash is not supported for this purpose.
    Hash {
        /// The hash.
        hash: HashingAlgorithm,
        /// The purpose.
        purpose: Purpose,
    },
    /// The curve is not supported for this purpose.
    Curve {
        /// The curve.
        curve: RecommendedCurve,
        /// The purpose.
        purpose: Purpose,
    },
    /// The signature algorithm is not supported.
    Signature(DigitalSignatureAlgorithm),
    /// The derivation method is not supported.
    Derivation(DerivationMethod),
    /// The wrapping method is not supported.
    Wrapping(WrappingMethod),
    /// The operating system returned no random bytes.
    Random,
    /// The library failed and returned no reason.
    Failed(Purpose),
    /// The bytes are not a key of the algorithm.
    KeyBytes {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// The length of the bytes, in bits.
        bits: u64,
    },
    /// The key is in no supported format. As in PyKMIP, the class is [`ErrorKind::InvalidParameter`] for a signing
    /// key, and [`ErrorKind::Failure`] otherwise.
    Unreadable {
        /// The expected type of key.
        role: KeyRole,
        /// The purpose.
        purpose: Purpose,
    },
    /// Without padding, the length of the data must be a multiple of the block, or at least one block.
    DataLength {
        /// The length, in bytes.
        length: u64,
        /// The block length, in bytes.
        block: u64,
    },
    /// The data exceeds the maximum length.
    DataTooLong {
        /// The length, in bytes.
        length: u64,
        /// The maximum, in bytes.
        max: u64,
    },
    /// The derivation method returns fewer bytes than requested.
    Derived {
        /// The length of its output, in bytes.
        length: u64,
        /// The requested length, in bytes.
        wanted: u64,
    },
    /// The authentication tag, or the integrity check of a wrapped key, does not match.
    Authentication,
    /// The padding is invalid after decryption. Without details, so that the error is not a padding oracle.
    Decryption,
    /// The operation requires another type of key.
    WrongKey {
        /// The purpose.
        purpose: Purpose,
        /// The required type.
        needed: KeyRole,
    },
    /// The key is a key of another algorithm.
    OtherKey(CryptographicAlgorithm),
    /// The key does not have the requested format.
    Inexpressible,
    /// The Prime Field Size is not a prime.
    NotAPrime,
    /// There are fewer shares of a secret than its threshold.
    TooFewShares {
        /// The number of different shares.
        given: usize,
        /// The threshold.
        needed: usize,
    },
    /// The shares do not belong to one secret.
    SharesDisagree,
    /// The bytes are not a certificate request, or its own key did not sign it.
    Request,
    /// A PKCS#12 container cannot be opened.
    Container(ContainerFault),
    /// The certificate of an authority does not contain the public key of its private key.
    AuthorityKey,
    /// The validity of a certificate would end before it begins, or X.509 cannot express it.
    Validity,
}

impl Error {
    pub(super) fn key_bytes(algorithm: CryptographicAlgorithm, key: &[u8]) -> Self {
        Self::KeyBytes { algorithm, bits: wide(key.len()).saturating_mul(8) }
    }

    pub(super) fn range(parameter: Parameter, value: usize, min: usize, max: usize) -> Self {
        Self::Range { parameter, value: wide(value), min: wide(min), max: wide(max) }
    }

    pub(super) fn data_length(length: usize, block: usize) -> Self {
        Self::DataLength { length: wide(length), block: wide(block) }
    }

    pub(super) fn data_too_long(length: usize, max: usize) -> Self {
        Self::DataTooLong { length: wide(length), max: wide(max) }
    }

    pub(super) fn derived(length: usize, wanted: usize) -> Self {
        Self::Derived { length: wide(length), wanted: wide(wanted) }
    }

    /// Returns the class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_)
            | Self::Unexpected(_)
            | Self::Conflict { .. }
            | Self::Range { .. }
            | Self::Algorithm { .. }
            | Self::KeyLength { .. }
            | Self::Mode { .. }
            | Self::Padding { .. }
            | Self::Hash { .. }
            | Self::Curve { .. }
            | Self::Signature(_)
            | Self::OtherKey(_)
            | Self::Derivation(_)
            | Self::Wrapping(_)
            | Self::NotAPrime
            | Self::Request
            | Self::AuthorityKey
            | Self::Validity
            | Self::Unreadable { purpose: Purpose::Sign, .. } => ErrorKind::InvalidParameter,
            Self::Random
            | Self::Failed(_)
            | Self::KeyBytes { .. }
            | Self::Unreadable { .. }
            | Self::DataLength { .. }
            | Self::DataTooLong { .. }
            | Self::Derived { .. }
            | Self::Authentication
            | Self::TooFewShares { .. }
            | Self::SharesDisagree
            | Self::Container(_)
            | Self::Decryption => ErrorKind::Failure,
            Self::WrongKey { .. } | Self::Inexpressible => ErrorKind::WrongKey,
        }
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(parameter) => write!(f, "{parameter} is needed and was not given"),
            Self::Unexpected(parameter) => {
                write!(f, "{parameter} is not used by this computation; leave it out")
            }
            Self::Conflict { one, other } => write!(f, "{one} and {other} contradict each other"),
            Self::Range { parameter, value, min, max } => {
                write!(f, "{parameter} is {value}, which is not between {min} and {max}")
            }
            Self::Algorithm { algorithm, purpose } => {
                write!(f, "{} is not supported for {purpose}", algorithm.name())
            }
            Self::KeyLength { algorithm, bits } => {
                write!(f, "{} does not have keys of {bits} bits", algorithm.name())
            }
            Self::Mode { algorithm, mode } => {
                write!(f, "{} is not supported in the mode {}", algorithm.name(), mode.name())
            }
            Self::Padding { padding, purpose } => {
                write!(f, "The padding {} is not supported for {purpose}", padding.name())
            }
            Self::Hash { hash, purpose } => write!(f, "{} is not supported for {purpose}", hash.name()),
            Self::Curve { curve, purpose } => {
                write!(f, "The curve {} is not supported for {purpose}", curve.name())
            }
            Self::Signature(algorithm) => write!(f, "{} is not supported", algorithm.name()),
            Self::OtherKey(algorithm) => {
                write!(f, "The key is a key of another algorithm than {}", algorithm.name())
            }
            Self::Derivation(method) => {
                write!(f, "The derivation method {} is not supported", method.name())
            }
            Self::Wrapping(method) => write!(f, "The wrapping method {} is not supported", method.name()),
            Self::Random => f.write_str("The operating system returned no random bytes"),
            Self::Failed(purpose) => write!(f, "The library failed at {purpose}"),
            Self::KeyBytes { algorithm, bits } => {
                write!(f, "The key of {bits} bits is not a key for {}", algorithm.name())
            }
            Self::Unreadable { role, .. } => {
                write!(f, "The {role} key is in no supported format")
            }
            Self::DataLength { length, block } => {
                write!(f, "Data of {length} bytes does not fit blocks of {block} bytes without padding")
            }
            Self::DataTooLong { length, max } => {
                write!(f, "Data of {length} bytes exceeds the maximum of {max} bytes")
            }
            Self::Derived { length, wanted } => {
                write!(
                    f,
                    "The derivation method returns {length} bytes, fewer than the {wanted} bytes requested"
                )
            }
            Self::Authentication => f.write_str("The integrity check failed"),
            Self::Decryption => f.write_str("The data could not be decrypted"),
            Self::WrongKey { purpose, needed } => write!(f, "A {needed} key is required for {purpose}"),
            Self::Inexpressible => f.write_str("The key does not have the requested format"),
            Self::NotAPrime => f.write_str("The Prime Field Size is not a prime"),
            Self::TooFewShares { given, needed } => {
                write!(f, "{given} different parts were given, but {needed} are required")
            }
            Self::Request => {
                f.write_str("The certificate request cannot be read, or is not signed by its own key")
            }
            Self::Container(fault) => write!(f, "The PKCS#12 container cannot be opened: {fault}"),
            Self::AuthorityKey => f.write_str("The certificate and the private key do not belong together"),
            Self::Validity => {
                f.write_str("The validity ends before it begins, or a certificate cannot express it")
            }
            Self::SharesDisagree => f.write_str("The parts do not belong to one secret"),
        }
    }
}

impl std::error::Error for Error {}
