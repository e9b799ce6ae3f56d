//! What Sign and Signature Verify share: the key, the parameters, and the message so far
//! (KMIP 1.4 §4.31 and §4.32, 2.1 §6.1.55 and §6.1.56).

use crate::crypto::hash::Hasher;
use crate::crypto::sign::{Message, Signing};
use crate::crypto::{Key, Purpose};
use crate::engine::usage::{self, Use};
use crate::engine::{Context, Granted, invalid_field, key, lifecycle};
use crate::kmip::Error;
use crate::kmip::enums::Operation;
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::secret::Secret;

use super::ciphering::append;
use super::parts::{Part, missing};

/// A key that may be used, and how.
pub(super) struct SigningKey {
    pub(super) granted: Granted,
    key: Secret,
    parameters: CryptographicParameters,
}

/// The message so far.
pub(super) enum Gathered {
    /// A digest that the client made.
    RequestedAttributes(Vec<u8>),
    /// The digest of the parts so far.
    Digest(Hasher),
    /// The parts themselves, for what signs no digest but the message.
    Data(Secret),
}

impl SigningKey {
    /// Finds the key and the parameters and judges whether the key may be used, in PyKMIP's order.
    ///
    /// # Errors
    /// Invalid Field where neither the request nor the key has parameters, and those of [`Context::open`],
    /// [`usage::judge`] and [`key::bytes`].
    pub(super) fn prepare(
        cx: &mut Context<'_>,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
        purpose: Use,
        parameters: Option<CryptographicParameters>,
    ) -> Result<Self, Error> {
        let granted = cx.open(identifier, operation)?;
        let parameters = usage::parameters(parameters, &granted)
            .ok_or_else(|| invalid_field("The Cryptographic Parameters have to be given."))?;
        usage::judge(&granted, purpose, cx.version, cx.now)?;
        let key = key::bytes(lifecycle::object(&granted)?)?;
        Ok(Self { granted, key, parameters })
    }

    pub(super) fn signing(&self) -> Signing<'_> {
        let parameters = &self.parameters;
        Signing {
            key: Key(self.key.expose()),
            signature: parameters.digital_signature_algorithm,
            algorithm: parameters.cryptographic_algorithm,
            hash: parameters.hashing_algorithm,
            padding: parameters.padding_method,
            mask_hash: parameters.mask_generator_hashing_algorithm,
            // A negative length is no length of any salt, nor is the longest number.
            salt_length: parameters.salt_length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)),
        }
    }

    /// The message that this request begins, or is.
    ///
    /// # Errors
    /// Invalid Message without data, Invalid Field for data and a digest at once, and for a digest in parts.
    pub(super) fn gather(
        &self,
        part: &Part,
        data: Option<Secret>,
        digested: Option<Vec<u8>>,
        purpose: Purpose,
    ) -> Result<Gathered, Error> {
        let Some(digested) = digested else {
            let data = part.data(data)?;
            if *part == Part::Whole {
                return Ok(Gathered::Data(data));
            }
            let gathered = match self.signing().hash(purpose)? {
                Some(hash) => Gathered::Digest(Hasher::new(hash)),
                None => Gathered::Data(Secret::new(Vec::new())),
            };
            return gathered.and(&data);
        };
        if data.is_some() {
            return Err(invalid_field("Data and Digested Data cannot be given both."));
        }
        match part {
            Part::Whole => Ok(Gathered::RequestedAttributes(digested)),
            _ => Err(invalid_field("Digested Data comes in one part.")),
        }
    }
}

impl Gathered {
    /// The message with another part of it.
    ///
    /// # Errors
    /// Cryptographic Failure where more would have to be held than there is room for.
    pub(super) fn and(self, part: &Secret) -> Result<Self, Error> {
        Ok(match self {
            Self::Digest(mut hasher) => {
                hasher.update(part.expose());
                Self::Digest(hasher)
            }
            Self::Data(data) => Self::Data(append(&data, part.expose())?),
            Self::RequestedAttributes(digest) => Self::RequestedAttributes(digest),
        })
    }

    /// Hands the message over to be signed or verified.
    pub(super) fn with<T>(self, job: impl FnOnce(Message<'_>) -> T) -> T {
        match self {
            Self::RequestedAttributes(digest) => job(Message::Digest(&digest)),
            Self::Digest(hasher) => job(Message::Digest(&hasher.finish())),
            Self::Data(data) => job(Message::Data(data.expose())),
        }
    }
}

/// The further data of an operation under way.
///
/// # Errors
/// Invalid Message without data before the last part, Invalid Field for a digest.
pub(super) fn further(
    part: &Part,
    data: Option<Secret>,
    digested: Option<&Vec<u8>>,
) -> Result<Secret, Error> {
    match digested {
        Some(_) => Err(invalid_field("Digested Data comes in one part.")),
        None => part.data(data),
    }
}

/// The signature, which some part has to bring.
pub(super) fn needed(signature: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
    signature.ok_or_else(|| missing("Signature Data"))
}
