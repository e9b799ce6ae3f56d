//! The key, the parameters and the message of a digital signature under way, for Sign and Signature Verify.

use crate::compatibility::Difference;
use crate::crypto::hash::Hasher;
use crate::crypto::sign::{self, SignatureInput, Signing};
use crate::crypto::{self, Key, Parameter, Purpose, rsa};
use crate::engine::usage::{self, Use};
use crate::engine::{Context, Granted, failed, invalid_field, key, lifecycle};
use crate::kmip::Error;
use crate::kmip::enums::{
    CryptographicAlgorithm, DigitalSignatureAlgorithm, HashingAlgorithm, Operation, PaddingMethod,
    ResultReason,
};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::secret::Secret;

use super::authentication::Authenticator;
use super::cipher::append;
use super::multi_part::Part;

/// A signature under way.
pub(super) struct SignatureContext {
    key: SigningKey,
    message: PartialMessage,
}

/// A key with the parameters and the purpose of a signature.
struct SigningKey {
    key: Secret,
    parameters: CryptographicParameters,
    purpose: Purpose,
}

/// The message so far.
enum PartialMessage {
    /// A digest that the client computed.
    ClientDigest(Vec<u8>),
    /// The running digest of the parts.
    Hash(Hasher),
    /// The data itself: that of a request in one part, or of a scheme that signs the message instead of a digest.
    Data(Secret),
}

impl SigningKey {
    fn signing(&self) -> Signing<'_> {
        let parameters = &self.parameters;
        Signing {
            key: Key(self.key.expose()),
            signature: parameters.digital_signature_algorithm,
            algorithm: parameters.cryptographic_algorithm,
            hash: parameters.hashing_algorithm,
            padding: parameters.padding_method,
            mask_hash: parameters.mask_generator_hashing_algorithm,
            // No salt is that long, so a negative length is rejected.
            salt_length: parameters.salt_length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)),
        }
    }

    /// Converts the error of a verification. Without a hash, PyKMIP returns Cryptographic Failure for RSA with
    /// PKCS#1 v1.5 here, but Invalid Field when it signs.
    fn refused(&self, error: crypto::Error) -> Error {
        let hash =
            matches!(error, crypto::Error::Missing(Parameter::HashingAlgorithm) | crypto::Error::Hash { .. });
        let is_rsa = self.parameters.cryptographic_algorithm == Some(CryptographicAlgorithm::Rsa);
        if hash && is_rsa && self.parameters.padding_method == Some(PaddingMethod::Pkcs1V1_5) {
            return failed(ResultReason::CryptographicFailure, error.to_string());
        }
        error.into()
    }
}

impl PartialMessage {
    fn finish<T>(self, job: impl FnOnce(SignatureInput<'_>) -> T) -> T {
        match self {
            Self::ClientDigest(digest) => job(SignatureInput::Digest(&digest)),
            Self::Hash(hasher) => job(SignatureInput::Digest(&hasher.finish())),
            Self::Data(data) => job(SignatureInput::Data(data.expose())),
        }
    }
}

/// Removes a Hashing Algorithm that PyKMIP does not support beside a Digital Signature Algorithm that it supports.
fn ignore_unknown_hash(parameters: &mut CryptographicParameters) {
    use DigitalSignatureAlgorithm as D;
    use HashingAlgorithm as H;
    let names_hash = matches!(
        parameters.digital_signature_algorithm,
        Some(
            D::Md5WithRsaEncryption
                | D::Sha1WithRsaEncryption
                | D::Sha224WithRsaEncryption
                | D::Sha256WithRsaEncryption
                | D::Sha384WithRsaEncryption
                | D::Sha512WithRsaEncryption
        )
    );
    let is_supported = |hash: &HashingAlgorithm| {
        matches!(hash, H::Md5 | H::Sha1 | H::Sha224 | H::Sha256 | H::Sha384 | H::Sha512)
    };
    if names_hash {
        parameters.hashing_algorithm = parameters.hashing_algorithm.filter(is_supported);
    }
}

impl Authenticator for SignatureContext {
    const VALUE: &'static str = "Signature Data";

    /// The order of the checks is PyKMIP's: parameters, state and usage mask, key material.
    ///
    /// # Errors
    /// Returns Invalid Field if neither the request nor the key has parameters, and the errors of
    /// [`Context::open`], [`usage::check`] and [`key::bytes`].
    fn begin(
        cx: &mut Context<'_>,
        identifier: Option<&UniqueIdentifier>,
        operation: Operation,
        purpose: Use,
        parameters: Option<CryptographicParameters>,
    ) -> Result<(Granted, Self), Error> {
        let granted = cx.open(identifier, operation)?;
        let own = granted.attributes.cryptographic_parameters.first();
        let mut parameters = parameters.or_else(|| own.cloned()).ok_or_else(|| {
            invalid_field("The Cryptographic Parameters are missing from both the request and the key.")
        })?;
        if parameters.cryptographic_algorithm == Some(CryptographicAlgorithm::Ecdsa) {
            let hash = own.and_then(|own| own.hashing_algorithm);
            parameters.hashing_algorithm = parameters.hashing_algorithm.or(hash);
        }
        if purpose == Use::Verify && cx.compatibility.has(Difference::UnknownHash) {
            ignore_unknown_hash(&mut parameters);
        }
        usage::check(&granted, purpose, cx.version, cx.now)?;
        let key = key::bytes(lifecycle::object(&granted)?)?;
        let purpose = if purpose == Use::Sign { Purpose::Sign } else { Purpose::Verify };
        let message = PartialMessage::Data(Secret::new(Vec::new()));
        Ok((granted, Self { key: SigningKey { key, parameters, purpose }, message }))
    }

    /// # Errors
    /// Returns Invalid Message if required data is missing, Invalid Field for a digest together with data or in
    /// several parts, Cryptographic Failure if the data exceeds the limit of [`append`].
    fn update(&mut self, part: &Part, data: Option<Secret>, digest: Option<Vec<u8>>) -> Result<(), Error> {
        if let Some(digest) = digest {
            if *part != Part::Only {
                return Err(invalid_field("Digested Data must be sent in one part."));
            }
            if data.is_some() {
                return Err(invalid_field("A request must not contain both Data and Digested Data."));
            }
            self.message = PartialMessage::ClientDigest(digest);
            return Ok(());
        }
        let data = part.data(data)?;
        if *part == Part::First
            && let Some(hash) = self.key.signing().hash(self.key.purpose)?
        {
            self.message = PartialMessage::Hash(Hasher::new(hash));
        }
        match &mut self.message {
            PartialMessage::Hash(hasher) => hasher.update(data.expose()),
            PartialMessage::Data(held) if *part == Part::Only => *held = data,
            PartialMessage::Data(held) => *held = append(held, data.expose())?,
            // A digest is the only part, so no part follows it.
            PartialMessage::ClientDigest(_) => {}
        }
        Ok(())
    }

    fn generate(self, cx: &mut Context<'_>) -> Result<Vec<u8>, Error> {
        let Self { key, message } = self;
        let is_slow = rsa::is_slow(key.key.expose());
        cx.with_private_key(is_slow, || Ok(message.finish(|message| sign::sign(&key.signing(), message))?))
    }

    fn verify(self, value: &[u8]) -> Result<bool, Error> {
        let Self { key, message } = self;
        let valid = message.finish(|message| sign::verify(&key.signing(), message, value));
        valid.map_err(|error| key.refused(error))
    }
}
