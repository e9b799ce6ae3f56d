//! What Encrypt and Decrypt share: the key, the parameters, the way they come to a computation, and what is kept
//! between the parts of one (KMIP 1.4 §4.29 and §4.30, 2.1 §6.1.14 and §6.1.11).

use crate::crypto::{self, Parameter, random, rsa, symmetric};
use crate::engine::usage::{self, Use};
use crate::engine::{Context, Granted, failed, invalid_field, key, lifecycle, one_time_pad};
use crate::kmip::Error;
use crate::kmip::enums::{
    BlockCipherMode, CryptographicAlgorithm, ObjectType, Operation, PaddingMethod, ResultReason,
};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::secret::Secret;
use crate::store::Id;

use super::parts::given_out;

/// A key that may be used, and how.
pub(super) struct Ciphering {
    pub(super) granted: Granted,
    key: Secret,
    algorithm: CryptographicAlgorithm,
    parameters: CryptographicParameters,
    /// Whether the key is a one-time pad.
    pub(super) is_pad: bool,
}

/// What is kept between the parts.
pub(super) struct Kept {
    /// The key.
    pub(super) key: Id,
    /// What has been computed so far.
    pub(super) work: Work,
}

/// What has been computed so far.
pub(super) enum Work {
    /// With a symmetric key.
    Symmetric(symmetric::Parts),
    /// RSA takes one block: the key and the data so far are held until the end.
    Rsa(Box<Ciphering>, Secret),
}

/// What another part of the data comes to.
pub(super) struct Outcome {
    /// What is given out now, if anything is.
    pub(super) data: Option<Secret>,
    /// The tag, behind the last part of an authenticated encryption.
    pub(super) tag: Option<Vec<u8>>,
    /// What has been computed so far, unless this was the last part.
    pub(super) rest: Option<Work>,
}

impl Work {
    /// Takes another part of the data; `tag` is the one that a decryption is to find at the end, and `rsa` is what RSA
    /// does with all of the data.
    ///
    /// # Errors
    /// Those of the computation, and of [`append`].
    pub(super) fn go_on(
        self,
        data: &Secret,
        last: bool,
        tag: Option<&[u8]>,
        rsa: impl FnOnce(&Ciphering, &[u8]) -> Result<Secret, Error>,
    ) -> Result<Outcome, Error> {
        let (data, tag, rest) = match self {
            Self::Symmetric(parts) if last => {
                let (data, tag) = parts.finish(data.expose(), tag).map_err(refused)?;
                (given_out(data), tag, None)
            }
            Self::Symmetric(mut parts) => {
                let data = parts.update(data.expose()).map_err(refused)?;
                (given_out(data), None, Some(Self::Symmetric(parts)))
            }
            Self::Rsa(with, held) => {
                let held = append(&held, data.expose())?;
                match last {
                    true => (given_out(rsa(&with, held.expose())?), None, None),
                    false => (None, None, Some(Self::Rsa(with, held))),
                }
            }
        };
        Ok(Outcome { data, tag, rest })
    }
}

impl Ciphering {
    /// Finds the key, the parameters and the algorithm, and judges whether the key may be used, in PyKMIP's order.
    ///
    /// # Errors
    /// Those of [`Context::open`], [`usage::judge`] and [`key::bytes`]; Invalid Field without an algorithm,
    /// and where a one-time pad is to be used with another algorithm or another key as a pad;
    /// Permission Denied for a key of a pair with an algorithm other than RSA.
    pub(super) fn prepare(
        cx: &mut Context<'_>,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
        purpose: Use,
        parameters: Option<CryptographicParameters>,
    ) -> Result<Self, Error> {
        let granted = cx.open(identifier, operation)?;
        let parameters = usage::parameters(parameters, &granted);
        usage::judge(&granted, purpose, cx.version, cx.now)?;
        let parameters = parameters.unwrap_or_else(|| defaults(granted.attributes.cryptographic_algorithm));
        let algorithm = usage::algorithm(&parameters, &granted)
            .ok_or_else(|| invalid_field("The Cryptographic Algorithm has to be given."))?;
        let is_pad = one_time_pad::is_pad(&granted);
        if is_pad != (algorithm == CryptographicAlgorithm::OneTimePad) {
            return Err(invalid_field(format!("The key is not one for the algorithm {algorithm}.")));
        }
        if !is_pad
            && granted.object_type != ObjectType::SymmetricKey
            && algorithm != CryptographicAlgorithm::Rsa
        {
            return Err(failed(
                ResultReason::PermissionDenied,
                format!("The algorithm {algorithm} does not {purpose} with a key of a pair."),
            ));
        }
        let key = key::bytes(lifecycle::object(&granted)?)?;
        Ok(Self { granted, key, algorithm, parameters, is_pad })
    }

    /// Checks that the key takes data in parts.
    ///
    /// # Errors
    /// Invalid Field for a one-time pad: what comes between two parts would tear a message apart.
    pub(super) fn takes_parts(&self) -> Result<(), Error> {
        if self.is_pad { Err(invalid_field("A one-time pad takes a message in one part.")) } else { Ok(()) }
    }

    pub(super) fn is_rsa(&self) -> bool {
        self.algorithm == CryptographicAlgorithm::Rsa
    }

    /// The computation with a symmetric key.
    pub(super) fn cipher<'a>(
        &'a self,
        iv: Option<&'a [u8]>,
        additional_data: Option<&'a [u8]>,
    ) -> symmetric::Cipher<'a> {
        let CryptographicParameters { block_cipher_mode: mode, padding_method, tag_length, .. } =
            self.parameters;
        // The standard's test cases encrypt whole blocks in ECB without naming a padding. PyKMIP wants one named,
        // which is still asked for in CBC.
        let padding = match mode {
            Some(BlockCipherMode::Ecb) => padding_method.or(Some(PaddingMethod::None)),
            _ => padding_method,
        };
        symmetric::Cipher {
            algorithm: self.algorithm,
            key: crypto::Key(self.key.expose()),
            mode,
            padding,
            iv,
            additional_data,
            // A negative length is no length of any tag.
            tag_length: tag_length.map(|length| usize::try_from(length).unwrap_or(0)),
        }
    }

    /// An IV of the length that the parameters ask for, where they do. Without, the mode has its own.
    ///
    /// # Errors
    /// Invalid Field for a length that no IV has, Cryptographic Failure without random bytes.
    pub(super) fn random_iv(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(bits) = self.parameters.iv_length else { return Ok(None) };
        let length = usize::try_from(bits).ok().filter(|bits| bits.is_multiple_of(8)).map(|bits| bits / 8);
        match length.filter(|length| (1..=MOST_IV).contains(length)) {
            Some(length) => Ok(Some(random::bytes(length)?)),
            None => Err(invalid_field(format!("An IV of {bits} bits cannot be made."))),
        }
    }

    pub(super) fn rsa_encrypt(&self, data: &[u8]) -> Result<Secret, Error> {
        Ok(Secret::new(rsa::encrypt(self.key.expose(), &padding(&self.parameters), data)?))
    }

    pub(super) fn rsa_decrypt(&self, data: &[u8]) -> Result<Secret, Error> {
        Ok(rsa::decrypt(self.key.expose(), &padding(&self.parameters), data)?)
    }
}

/// The key of an operation under way, for another part of it: the same key, which must still be allowed to be
/// used. A request may leave out which key it is.
///
/// # Errors
/// Invalid Field for another key, and those of [`Context::open`] and [`usage::judge`].
pub(super) fn again(
    cx: &mut Context<'_>,
    identifier: Option<&UniqueIdentifier>,
    key: Id,
    operation: Operation,
    purpose: Use,
) -> Result<Granted, Error> {
    let same = UniqueIdentifier::from(key);
    let granted = usage::open(cx, Some(identifier.unwrap_or(&same)), operation, purpose)?;
    if granted.id != key {
        return Err(invalid_field("The Correlation Value belongs to an operation with another key."));
    }
    Ok(granted)
}

/// The longest IV that is made here, in bytes. None that a mode asks for is longer than a block; GCM takes any.
const MOST_IV: usize = 64;

/// The parameters where neither the request nor the key has any: CBC with PKCS5, which clients that leave them
/// out expect. RSA has none: every choice would be a bad one for somebody.
fn defaults(algorithm: Option<CryptographicAlgorithm>) -> CryptographicParameters {
    let none = CryptographicParameters::default();
    match algorithm {
        Some(CryptographicAlgorithm::Rsa) => none,
        _ => CryptographicParameters {
            block_cipher_mode: Some(BlockCipherMode::Cbc),
            padding_method: Some(PaddingMethod::Pkcs5),
            ..none
        },
    }
}

fn padding(parameters: &CryptographicParameters) -> rsa::Padding<'_> {
    rsa::Padding {
        method: parameters.padding_method,
        hash: parameters.hashing_algorithm,
        mask_hash: parameters.mask_generator_hashing_algorithm,
        label: parameters.p_source.as_deref(),
    }
}

/// The data so far and another part of it; no block of RSA is longer than [`symmetric::MOST_HELD`].
///
/// # Errors
/// Cryptographic Failure where it becomes too long.
pub(super) fn append(data: &Secret, part: &[u8]) -> Result<Secret, Error> {
    if data.len().saturating_add(part.len()) > symmetric::MOST_HELD {
        return Err(failed(
            ResultReason::CryptographicFailure,
            format!("More than {} bytes cannot be held until the last part.", symmetric::MOST_HELD),
        ));
    }
    Ok(Secret::new([data.expose(), part].concat()))
}

/// The failure of a symmetric computation. The standard's test cases ask for Invalid Message where a decryption
/// lacks its IV, and for General Failure where a tag cannot have the length; both are PyKMIP's in part.
pub(super) fn refused(error: crypto::Error) -> Error {
    let reason = match error {
        crypto::Error::Missing(Parameter::Iv) => ResultReason::InvalidMessage,
        crypto::Error::Range { parameter: Parameter::TagLength, .. } => ResultReason::GeneralFailure,
        error => return error.into(),
    };
    failed(reason, error.to_string())
}
