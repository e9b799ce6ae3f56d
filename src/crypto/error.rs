//! What can go wrong in cryptography: one variant each, wording beside it.
//!
//! No variant carries bytes of a key or of data, so that no text can show them. [`Error::kind`] sorts the
//! variants into the three results that a client can tell apart; the engine turns them into reasons.

use std::fmt;

use super::pkcs12::Fault;
use crate::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, DerivationMethod, DigitalSignatureAlgorithm, HashingAlgorithm,
    PaddingMethod, RecommendedCurve, WrappingMethod,
};

/// Whose fault an error is, and so what a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request's parameters are missing, unsupported or do not fit each other: Invalid Field.
    InvalidParameter,
    /// The parameters are fine, the computation failed: Cryptographic Failure.
    Failure,
    /// The key is of a sort that the operation cannot be done with.
    WrongKey,
}

/// What a computation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Create, of a symmetric key.
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
    /// MAC and MAC Verify.
    Mac,
    /// Hash, and the digest of an object.
    Hash,
    /// Derive Key.
    Derive,
    /// Wrapping a key.
    Wrap,
    /// Unwrapping a key.
    Unwrap,
    /// Turning a key from one format into another.
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

/// What a request may or has to say for a computation, by the standard's names (KMIP 1.4 §3.6, 2.1 §4.13).
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
    /// The key, secret or shared secret that is derived from.
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

/// The part that a key plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// A symmetric key, or a secret.
    Symmetric,
    /// The public half of a pair.
    Public,
    /// The private half of a pair.
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

/// Why a computation was not done or did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A parameter that the computation cannot do without is absent.
    Missing(Parameter),
    /// A parameter that the computation has no use for is there.
    Unexpected(Parameter),
    /// Two parameters, or a parameter and the key, contradict each other.
    Conflict {
        /// The one.
        one: Parameter,
        /// The other.
        other: Parameter,
    },
    /// A parameter's value, or its length in bytes or bits, is outside of what is allowed.
    Range {
        /// The parameter.
        parameter: Parameter,
        /// What it has.
        value: u64,
        /// The min that is allowed.
        min: u64,
        /// The maximum.
        max: u64,
    },
    /// The algorithm does not do this, or nobody here does it with this algorithm.
    Algorithm {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// What it was wanted for.
        purpose: Purpose,
    },
    /// The algorithm has no keys of this length.
    KeyLength {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// The length asked for, in bits.
        bits: u32,
    },
    /// The algorithm is not offered in this mode.
    Mode {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// The mode.
        mode: BlockCipherMode,
    },
    /// The padding is not offered for this.
    Padding {
        /// The padding.
        padding: PaddingMethod,
        /// What it was wanted for.
        purpose: Purpose,
    },
    /// The hash is not offered for this.
    Hash {
        /// The hash.
        hash: HashingAlgorithm,
        /// What it was wanted for.
        purpose: Purpose,
    },
    /// The curve is not offered for this.
    Curve {
        /// The curve.
        curve: RecommendedCurve,
        /// What it was wanted for.
        purpose: Purpose,
    },
    /// The signature algorithm is not offered.
    Signature(DigitalSignatureAlgorithm),
    /// The derivation method is not offered.
    Derivation(DerivationMethod),
    /// The wrapping method is not offered.
    Wrapping(WrappingMethod),
    /// The system gave no random bytes.
    Random,
    /// The library could not do it, and says no more.
    Failed(Purpose),
    /// The bytes are no key of the algorithm.
    KeyBytes {
        /// The algorithm.
        algorithm: CryptographicAlgorithm,
        /// How many bits there are.
        bits: u64,
    },
    /// The bytes are a key in no format that can be read. PyKMIP answers Invalid Field for a signing key and
    /// Cryptographic Failure for every other.
    Unreadable {
        /// The sort of key that was expected.
        role: KeyRole,
        /// What it was wanted for.
        purpose: Purpose,
    },
    /// Without padding, data has to be a multiple of the block, or at min as long as one.
    DataLength {
        /// How many bytes there are.
        length: u64,
        /// The block, in bytes.
        block: u64,
    },
    /// Data longer than the key can take.
    DataTooLong {
        /// How many bytes there are.
        length: u64,
        /// The maximum, in bytes.
        max: u64,
    },
    /// The method of derivation gives less than was asked for.
    Derived {
        /// How many bytes it gives.
        length: u64,
        /// How many were asked for.
        wanted: u64,
    },
    /// The tag, or the integrity check of a wrapped key, does not match.
    Authentication,
    /// The padding is wrong after decryption. Says nothing about where, so that it is no oracle.
    Decryption,
    /// Another sort of key is needed.
    WrongKey {
        /// What it was wanted for.
        purpose: Purpose,
        /// The sort that is needed.
        needed: KeyRole,
    },
    /// The key cannot be expressed in the format that is wanted.
    Inexpressible,
    /// The size of a prime field is no prime.
    NotAPrime,
    /// Fewer shares of a secret than it takes to join them.
    TooFewShares {
        /// How many different ones there are.
        given: usize,
        /// The threshold.
        needed: usize,
    },
    /// Shares that are not all of one secret.
    SharesDisagree,
    /// The bytes are no request for a certificate, or one that its own key did not sign.
    Request,
    /// A PKCS#12 container cannot be taken apart.
    Container(Fault),
    /// The certificate of an authority and its private key do not belong together.
    AuthorityKey,
    /// A certificate's time would end before it begins, or is none that a certificate can have.
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

    /// Whose fault it is.
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
            Self::Unexpected(parameter) => write!(f, "{parameter} does not belong to this computation"),
            Self::Conflict { one, other } => write!(f, "{one} and {other} contradict each other"),
            Self::Range { parameter, value, min, max } => {
                write!(f, "{parameter} is {value}, outside of {min} to {max}")
            }
            Self::Algorithm { algorithm, purpose } => {
                write!(f, "{} is not supported for {purpose}", algorithm.name())
            }
            Self::KeyLength { algorithm, bits } => {
                write!(f, "{} has no keys of {bits} bits", algorithm.name())
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
            Self::Derivation(method) => {
                write!(f, "The derivation method {} is not supported", method.name())
            }
            Self::Wrapping(method) => write!(f, "The wrapping method {} is not supported", method.name()),
            Self::Random => f.write_str("The system gave no random bytes"),
            Self::Failed(purpose) => write!(f, "The library failed at {purpose}"),
            Self::KeyBytes { algorithm, bits } => {
                write!(f, "The key of {bits} bits is no {} key", algorithm.name())
            }
            Self::Unreadable { role, .. } => {
                write!(f, "The {role} key is in no format that can be read")
            }
            Self::DataLength { length, block } => {
                write!(f, "Data of {length} bytes does not fit blocks of {block} bytes without padding")
            }
            Self::DataTooLong { length, max } => {
                write!(f, "Data of {length} bytes is longer than the {max} bytes that fit")
            }
            Self::Derived { length, wanted } => {
                write!(f, "The derivation gives {length} bytes, fewer than the {wanted} asked for")
            }
            Self::Authentication => f.write_str("The integrity check failed"),
            Self::Decryption => f.write_str("The data could not be decrypted"),
            Self::WrongKey { purpose, needed } => write!(f, "A {needed} key is needed for {purpose}"),
            Self::Inexpressible => f.write_str("The key cannot be expressed in the format wanted"),
            Self::NotAPrime => f.write_str("The Prime Field Size is no prime"),
            Self::TooFewShares { given, needed } => {
                write!(f, "The parts given are {given} of the {needed} that are needed")
            }
            Self::Request => {
                f.write_str("The certificate request cannot be read, or is not signed by its own key")
            }
            Self::Container(fault) => write!(f, "The PKCS#12 container is refused: {fault}"),
            Self::AuthorityKey => f.write_str("The certificate and the private key do not belong together"),
            Self::Validity => f.write_str("A certificate cannot be valid for that time"),
            Self::SharesDisagree => f.write_str("The parts are not all of one secret"),
        }
    }
}

impl std::error::Error for Error {}
