//! The payloads and the computation that Encrypt and Decrypt share.

use crate::compatibility::Difference;
use crate::crypto::{self, Parameter, random, rsa, symmetric};
use crate::engine::usage::{self, Use};
use crate::engine::{Context, Granted, failed, invalid_field, key, lifecycle, one_time_pad};
use crate::kmip::enums::{BlockCipherMode, CryptographicAlgorithm, ObjectType, PaddingMethod, ResultReason};
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, enums, structure};
use crate::secret::Secret;
use crate::ttlv::{V1_3, V1_4};

use super::Operation;
use super::multi_part::{KeyAndData, Part, PartIndicators, Suspended};

structure! {
    /// The items that the Request Payloads share.
    pub rows CipherRequest {
        UniqueIdentifier => key_and_data: KeyAndData,
        IvCounterNonce => iv_counter_nonce: Option<Vec<u8>>,
        CorrelationValue => part: PartIndicators,
        AuthenticatedEncryptionAdditionalData[V1_4..] => additional_data: Option<Vec<u8>>,
    }
}

structure! {
    /// Response Payload; that of Decrypt contains neither an IV nor a tag.
    pub struct CipherResponse {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Data => data: Option<Secret>,
        IvCounterNonce => iv_counter_nonce: Option<Vec<u8>>,
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        AuthenticatedEncryptionTag[V1_4..] => tag: Option<Vec<u8>>,
    }
}

/// The direction of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Encrypt,
    Decrypt,
}

/// Runs the operation `O`; `tag` is the Authenticated Encryption Tag of a Decrypt request.
///
/// # Errors
/// Returns the errors of [`CipherKey::prepare`], [`Suspended::resume`], the computation and [`usage::count`].
pub(super) fn run<O: Operation + 'static>(
    cx: &mut Context<'_>,
    direction: Direction,
    request: CipherRequest,
    tag: Option<&[u8]>,
) -> Result<CipherResponse, Error> {
    let CipherRequest { key_and_data, iv_counter_nonce, part, additional_data } = request;
    let KeyAndData { unique_identifier, cryptographic_parameters, data } = key_and_data;
    let identifier = unique_identifier.as_ref();
    let purpose = match direction {
        Direction::Encrypt => Use::Encrypt,
        Direction::Decrypt => Use::Decrypt,
    };
    let part = Part::of(part)?;
    let data = part.data(data)?;
    let amount = part.amount(data.len());
    let (granted, output) = match &part {
        Part::Next { correlation, last } => {
            let (granted, state) = Suspended::<O, State>::resume(cx, correlation, identifier, purpose)?;
            (granted, state.update(cx, data, *last, tag)?)
        }
        Part::Only | Part::First => {
            let parameters = cryptographic_parameters;
            let (granted, key) = CipherKey::prepare(cx, identifier, O::CODE, direction, purpose, parameters)?;
            let (iv, additional_data) = (iv_counter_nonce.as_deref(), additional_data.as_deref());
            let inputs = Inputs { iv, additional_data, tag };
            let output = match part {
                Part::Only => key.process(cx, &granted, &data, inputs)?,
                _ => key.begin(data, inputs)?,
            };
            (granted, output)
        }
    };
    usage::count(cx, &granted, O::CODE, purpose, amount)?;
    let state = output.state.map(|state| Suspended::<O, State>::new(granted.id, state));
    Ok(CipherResponse {
        unique_identifier: granted.id.into(),
        data: output.data,
        iv_counter_nonce: output.iv,
        correlation_value: state.map(|state| part.suspend(cx, state)).transpose()?,
        tag: output.tag,
    })
}

/// A key with the algorithm and the parameters of the computation.
struct CipherKey {
    direction: Direction,
    key: Secret,
    algorithm: CryptographicAlgorithm,
    parameters: CryptographicParameters,
    /// The Result Reason for a decryption without an IV.
    missing_iv: ResultReason,
}

/// The optional inputs of a computation.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    iv: Option<&'a [u8]>,
    additional_data: Option<&'a [u8]>,
    tag: Option<&'a [u8]>,
}

/// The result of one part.
#[derive(Default)]
struct Output {
    data: Option<Secret>,
    /// The IV, if the server chose it.
    iv: Option<Vec<u8>>,
    tag: Option<Vec<u8>>,
    /// The state for the next part, unless this part is the last.
    state: Option<State>,
}

/// The state of a computation between two parts.
enum State {
    Symmetric(symmetric::CipherContext),
    /// RSA processes a single block, so the data is collected until the last part.
    Rsa(Box<CipherKey>, Secret),
}

impl State {
    /// Processes another part of the data; `tag` is the Authenticated Encryption Tag that ends a decryption.
    ///
    /// # Errors
    /// Returns the errors of the computation and of [`append`].
    fn update(
        self,
        cx: &mut Context<'_>,
        data: Secret,
        last: bool,
        tag: Option<&[u8]>,
    ) -> Result<Output, Error> {
        Ok(match self {
            Self::Symmetric(parts) if last => {
                let (data, tag) = parts.finish(data.expose(), tag).map_err(refused)?;
                Output { data: unless_empty(data), tag, ..Output::default() }
            }
            Self::Symmetric(mut parts) => {
                let data = parts.update(data.expose()).map_err(refused)?;
                let state = Some(Self::Symmetric(parts));
                Output { data: unless_empty(data), state, ..Output::default() }
            }
            Self::Rsa(key, collected) => {
                let collected = append(&collected, data.expose())?;
                if last {
                    Output { data: unless_empty(key.rsa(cx, collected.expose())?), ..Output::default() }
                } else {
                    Output { state: Some(Self::Rsa(key, collected)), ..Output::default() }
                }
            }
        })
    }
}

impl CipherKey {
    /// Determines the key, the parameters and the algorithm, and checks that the client may use the key; the order
    /// of the checks is PyKMIP's.
    ///
    /// # Errors
    /// Returns Invalid Field if no algorithm is known, or if only one of key and algorithm is a one-time pad;
    /// Permission Denied for a key of a pair with an algorithm other than RSA; and the errors of
    /// [`Context::open`], [`usage::check`], [`check_stream_cipher`] and [`key::bytes`].
    fn prepare(
        cx: &mut Context<'_>,
        identifier: Option<&UniqueIdentifier>,
        operation: enums::Operation,
        direction: Direction,
        purpose: Use,
        parameters: Option<CryptographicParameters>,
    ) -> Result<(Granted, Self), Error> {
        let granted = cx.open(identifier, operation)?;
        let is_pad = one_time_pad::is_pad(&granted);
        // PyKMIP keeps no parameters of keys, so its behavior applies to the parameters of requests.
        let of_request = parameters.is_some();
        let requires_parameters = cx.compatibility.has(Difference::CipherParameters) && !is_pad;
        let requires_algorithm =
            requires_parameters && of_request && granted.object_type == ObjectType::SymmetricKey;
        let parameters = usage::parameters(parameters, &granted);
        if parameters.is_none() && requires_parameters {
            return Err(invalid_field("The request does not contain Cryptographic Parameters."));
        }
        usage::check(&granted, purpose, cx.version, cx.now)?;
        let mut parameters =
            parameters.unwrap_or_else(|| defaults(granted.attributes.cryptographic_algorithm));
        // The standard's test cases encrypt whole blocks in ECB without a Padding Method. CBC requires one, as
        // in PyKMIP.
        if parameters.block_cipher_mode == Some(BlockCipherMode::Ecb)
            && !(of_request && cx.compatibility.has(Difference::EcbWithoutPadding))
        {
            parameters.padding_method = parameters.padding_method.or(Some(PaddingMethod::None));
        }
        let algorithm = match requires_algorithm {
            true => parameters.cryptographic_algorithm,
            false => usage::algorithm(&parameters, &granted),
        };
        let algorithm = algorithm.ok_or_else(|| {
            invalid_field(match requires_algorithm {
                true => "The Cryptographic Parameters of the request have no Cryptographic Algorithm.",
                false => "The Cryptographic Algorithm is missing from both the request and the key.",
            })
        })?;
        if is_pad != (algorithm == CryptographicAlgorithm::OneTimePad) {
            return Err(invalid_field(format!("The key does not fit the algorithm {algorithm}.")));
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
        check_stream_cipher(algorithm, &parameters, &granted)?;
        let tag_length = match direction {
            Direction::Encrypt => parameters.tag_length,
            Direction::Decrypt => Some(shortest_tag(parameters.tag_length, &granted)),
        };
        let parameters = CryptographicParameters { tag_length, ..parameters };
        let key = key::bytes(lifecycle::object(&granted)?)?;
        let missing_iv = match of_request && cx.compatibility.has(Difference::DecryptWithoutIv) {
            true => ResultReason::InvalidField,
            false => ResultReason::InvalidMessage,
        };
        Ok((granted, Self { direction, key, algorithm, parameters, missing_iv }))
    }

    /// Encrypts or decrypts all of the data.
    fn process(
        &self,
        cx: &mut Context<'_>,
        key: &Granted,
        data: &Secret,
        inputs: Inputs<'_>,
    ) -> Result<Output, Error> {
        let data = data.expose();
        let data = match (self.algorithm, self.direction) {
            (CryptographicAlgorithm::OneTimePad, Direction::Encrypt) => {
                one_time_pad::encrypt(cx, key, data, inputs.iv)?
            }
            (CryptographicAlgorithm::OneTimePad, Direction::Decrypt) => {
                one_time_pad::decrypt(cx, key, data, inputs.iv)?
            }
            (CryptographicAlgorithm::Rsa, _) => self.rsa(cx, data)?,
            (_, Direction::Encrypt) => {
                let iv = self.random_iv(inputs)?;
                let cipher = self.cipher(Inputs { iv: inputs.iv.or(iv.as_deref()), ..inputs });
                let encrypted =
                    symmetric::encrypt(&cipher, data).map_err(|error| self.not_started(inputs, error))?;
                return Ok(Output {
                    data: Some(Secret::new(encrypted.data)),
                    iv: iv.or(encrypted.iv),
                    tag: encrypted.tag,
                    state: None,
                });
            }
            (_, Direction::Decrypt) => symmetric::decrypt(&self.cipher(inputs), data, inputs.tag)
                .map_err(|error| self.not_started(inputs, error))?,
        };
        Ok(Output { data: Some(data), ..Output::default() })
    }

    /// Processes the first part of the data.
    ///
    /// # Errors
    /// Returns Invalid Field for a one-time pad, because a request between two parts would split the message, and
    /// the errors of the computation.
    fn begin(self, data: Secret, inputs: Inputs<'_>) -> Result<Output, Error> {
        let (mut parts, iv) = match (self.algorithm, self.direction) {
            (CryptographicAlgorithm::OneTimePad, _) => {
                return Err(invalid_field("A one-time pad needs the message in one part."));
            }
            (CryptographicAlgorithm::Rsa, _) => {
                let state = Some(State::Rsa(Box::new(self), data));
                return Ok(Output { state, ..Output::default() });
            }
            (_, Direction::Encrypt) => {
                let iv = self.random_iv(inputs)?;
                let cipher = self.cipher(Inputs { iv: inputs.iv.or(iv.as_deref()), ..inputs });
                let parts = symmetric::CipherContext::encrypt(&cipher)
                    .map_err(|error| self.not_started(inputs, error))?;
                let iv = iv.or_else(|| parts.iv().map(<[u8]>::to_vec));
                (parts, iv)
            }
            (_, Direction::Decrypt) => {
                let parts = symmetric::CipherContext::decrypt(&self.cipher(inputs), inputs.tag);
                (parts.map_err(|error| self.not_started(inputs, error))?, None)
            }
        };
        let data = unless_empty(parts.update(data.expose()).map_err(refused)?);
        Ok(Output { data, iv, tag: None, state: Some(State::Symmetric(parts)) })
    }

    fn cipher<'a>(&'a self, inputs: Inputs<'a>) -> symmetric::Cipher<'a> {
        let CryptographicParameters { block_cipher_mode: mode, padding_method: padding, tag_length, .. } =
            self.parameters;
        symmetric::Cipher {
            algorithm: self.algorithm,
            key: crypto::Key(self.key.expose()),
            mode,
            padding,
            iv: inputs.iv,
            additional_data: inputs.additional_data,
            // No tag has a length of 0, so a negative length is rejected as well.
            tag_length: tag_length.map(|length| usize::try_from(length).unwrap_or(0)),
        }
    }

    /// Generates an IV if the request contains none and the parameters state its length. Otherwise the cipher
    /// generates an IV of the default length of its mode.
    ///
    /// # Errors
    /// Returns Invalid Field for an unsupported length, Cryptographic Failure if there are no random bytes.
    fn random_iv(&self, inputs: Inputs<'_>) -> Result<Option<Vec<u8>>, Error> {
        let (None, Some(bits)) = (inputs.iv, self.parameters.iv_length) else { return Ok(None) };
        let length = usize::try_from(bits).ok().filter(|bits| bits.is_multiple_of(8)).map(|bits| bits / 8);
        match length.filter(|length| (1..=MAX_IV_LENGTH).contains(length)) {
            Some(length) => Ok(Some(random::bytes(length)?)),
            None => Err(invalid_field(format!("The server cannot generate an IV of {bits} bits."))),
        }
    }

    /// Converts the error of a symmetric computation that did not start. PyKMIP checks the additional data before the
    /// mode, so additional data without a usable mode is the reported error.
    fn not_started(&self, inputs: Inputs<'_>, error: crypto::Error) -> Error {
        use crypto::Error::{Missing, Mode, Unexpected};
        match error {
            Missing(Parameter::BlockCipherMode) | Mode { .. } if inputs.additional_data.is_some() => {
                Unexpected(Parameter::AdditionalData).into()
            }
            Missing(Parameter::Iv) => failed(self.missing_iv, error.to_string()),
            error => refused(error),
        }
    }

    fn rsa(&self, cx: &mut Context<'_>, data: &[u8]) -> Result<Secret, Error> {
        let parameters = &self.parameters;
        let padding = rsa::Padding {
            method: parameters.padding_method,
            hash: parameters.hashing_algorithm,
            mask_hash: parameters.mask_generator_hashing_algorithm,
            label: parameters.p_source.as_deref(),
        };
        let key = self.key.expose();
        match self.direction {
            Direction::Encrypt => Ok(Secret::new(rsa::encrypt(key, &padding, data)?)),
            Direction::Decrypt => {
                cx.with_private_key(rsa::is_slow(key), || Ok(rsa::decrypt(key, &padding, data)?))
            }
        }
    }
}

/// The greatest length of a generated IV in bytes. Only GCM accepts an IV that is longer than a block.
const MAX_IV_LENGTH: usize = 64;

/// Returns the parameters for a request and a key that have none: CBC with PKCS5, which clients that omit the
/// parameters expect. RSA has no defaults, because no padding suits every client.
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

/// Returns `data` unless it is empty: a response before the last part omits empty data.
fn unless_empty(data: Secret) -> Option<Secret> {
    (!data.is_empty()).then_some(data)
}

/// Concatenates the collected data and another part of it.
///
/// # Errors
/// Returns Cryptographic Failure if the result exceeds [`symmetric::MAX_BUFFERED`], which no RSA block does.
pub(super) fn append(data: &Secret, part: &[u8]) -> Result<Secret, Error> {
    if data.len().saturating_add(part.len()) > symmetric::MAX_BUFFERED {
        return Err(failed(
            ResultReason::CryptographicFailure,
            format!(
                "The data exceeds the {} bytes that are held until the last part.",
                symmetric::MAX_BUFFERED
            ),
        ));
    }
    Ok(Secret::new([data.expose(), part].concat()))
}

/// Checks that a stream cipher is not requested in a block cipher mode with a key of another algorithm: the client
/// expects the algorithm of the key then.
///
/// # Errors
/// Returns Cryptographic Failure, as PyKMIP does for a key that is not compatible with the algorithm.
fn check_stream_cipher(
    algorithm: CryptographicAlgorithm,
    parameters: &CryptographicParameters,
    key: &Granted,
) -> Result<(), Error> {
    use CryptographicAlgorithm::{ChaCha20, ChaCha20Poly1305, Rc4};
    let other = key.attributes.cryptographic_algorithm.filter(|own| *own != algorithm);
    match (other, parameters.block_cipher_mode) {
        (Some(own), Some(_)) if matches!(algorithm, Rc4 | ChaCha20 | ChaCha20Poly1305) => Err(failed(
            ResultReason::CryptographicFailure,
            format!(
                "The key for {own} is not compatible with the algorithm {algorithm}, which has no modes."
            ),
        )),
        _ => Ok(()),
    }
}

/// Returns the length of the shortest tag that a decryption accepts: the Tag Length of the request, but at least that of
/// the key. Without one at the key, it is 12, so that only who registers a key can allow short tags, which are easy to
/// forge.
fn shortest_tag(requested: Option<i32>, key: &Granted) -> i32 {
    let lengths = key.attributes.cryptographic_parameters.iter().filter_map(|one| one.tag_length);
    let registered =
        lengths.min().or(i32::try_from(symmetric::SHORTEST_DEFAULT_TAG).ok()).unwrap_or_default();
    requested.map_or(registered, |requested| requested.max(registered))
}

/// Converts the error of a symmetric computation. The standard's test cases expect General Failure for an unsupported
/// tag length.
fn refused(error: crypto::Error) -> Error {
    match error {
        crypto::Error::Range { parameter: Parameter::TagLength, .. } => {
            failed(ResultReason::GeneralFailure, error.to_string())
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_additional_data_before_an_unusable_mode() {
        let message = |mode, additional_data| {
            let key = CipherKey {
                direction: Direction::Encrypt,
                key: Secret::new(vec![7; 16]),
                algorithm: CryptographicAlgorithm::Aes,
                parameters: CryptographicParameters {
                    block_cipher_mode: mode,
                    ..CryptographicParameters::default()
                },
                missing_iv: ResultReason::InvalidMessage,
            };
            let inputs = Inputs { iv: None, additional_data, tag: None };
            let error = symmetric::encrypt(&key.cipher(inputs), b"data").unwrap_err();
            key.not_started(inputs, error).message.to_string()
        };
        let expected = crypto::Error::Unexpected(Parameter::AdditionalData).to_string();
        for mode in [None, Some(BlockCipherMode::Pcbc), Some(BlockCipherMode::Cbc)] {
            assert_eq!(message(mode, Some(b"")), expected, "{mode:?}");
            assert_ne!(message(mode, None), expected, "{mode:?}");
        }
    }
}
