//! One-time pads: keys and secret data of the algorithm One Time Pad (KMIP 1.4 §9.1.3.2.13), each byte of which
//! encrypts one byte of all messages together.
//!
//! The standard does not define how such a key is used. This server keeps one position for encryption and one for
//! decryption, so that two parties with the same pad can exchange messages in order. The store keeps the positions under
//! a digest of the pad's bytes and not with the object, so that registering the same pad again does not reset them. A
//! position is durable before the server returns any data.

use base16ct::lower;

use crate::crypto::hash::Hash;
use crate::kmip::Error;
use crate::kmip::enums::{CryptographicAlgorithm, ObjectType, ResultReason};
use crate::secret::Secret;
use crate::store::Record;

use super::access::Granted;
use super::context::Context;
use super::error::{OrGeneralFailure, failed, invalid_field};
use super::{key, lifecycle};

/// Returns whether the object is a one-time pad.
pub fn is_pad(record: &Record) -> bool {
    matches!(record.object_type, ObjectType::SymmetricKey | ObjectType::SecretData)
        && record.attributes.cryptographic_algorithm == Some(CryptographicAlgorithm::OneTimePad)
}

/// The position of a pad that an operation advances.
#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

/// The number of bytes of a pad that are used, for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Positions {
    encrypting: u64,
    decrypting: u64,
}

impl Positions {
    /// Decodes stored positions: zero if none are stored, `None` if they are malformed.
    fn decode(stored: Option<&Secret>) -> Option<Self> {
        let Some(stored) = stored else { return Some(Self::default()) };
        let (encrypting, decrypting) = stored.expose().split_first_chunk::<8>()?;
        let decrypting = u64::from_be_bytes(decrypting.try_into().ok()?);
        Some(Self { encrypting: u64::from_be_bytes(*encrypting), decrypting })
    }

    fn encode(self) -> Secret {
        Secret::new([self.encrypting.to_be_bytes(), self.decrypting.to_be_bytes()].concat())
    }

    /// Marks the next `count` bytes of a pad of `length` bytes as used, and returns the first position.
    fn advance(&mut self, direction: Direction, count: usize, length: usize) -> Result<usize, Error> {
        let used = match direction {
            Direction::Encrypt => &mut self.encrypting,
            Direction::Decrypt => &mut self.decrypting,
        };
        let from = usize::try_from(*used).unwrap_or(usize::MAX);
        let end = from.checked_add(count).filter(|end| *end <= length);
        *used = end.ok_or_else(|| insufficient(length.saturating_sub(from), count))? as u64;
        Ok(from)
    }
}

/// Encrypts with the next bytes of the pad.
///
/// # Errors
/// Returns Permission Denied if too few bytes of the pad are left, Invalid Field if the request contains a counter,
/// Operation Not Supported in a batch with the Undo option, and the errors of [`key::bytes`] and of the store.
pub fn encrypt(
    cx: &mut Context<'_>,
    pad: &Granted,
    data: &[u8],
    counter: Option<&[u8]>,
) -> Result<Secret, Error> {
    if counter.is_some() {
        return Err(invalid_field(
            "A one-time pad encrypts from its next unused byte; remove the IV/Counter/Nonce from the request.",
        ));
    }
    let bytes = key::bytes(lifecycle::object(pad)?)?;
    let from = advance(cx, &bytes, Direction::Encrypt, data.len())?;
    combine(&bytes, from, data)
}

/// Decrypts with the next bytes of the pad. If the request contains a counter, decryption starts at this byte of the
/// pad, counted from zero, and the position does not advance: a client can repeat a request if it lost the response.
///
/// # Errors
/// Returns the errors of [`encrypt`], and Invalid Field for a counter longer than eight bytes.
pub fn decrypt(
    cx: &mut Context<'_>,
    pad: &Granted,
    data: &[u8],
    counter: Option<&[u8]>,
) -> Result<Secret, Error> {
    let bytes = key::bytes(lifecycle::object(pad)?)?;
    let from = match counter {
        None => advance(cx, &bytes, Direction::Decrypt, data.len())?,
        Some(counter) => position(counter)?,
    };
    combine(&bytes, from, data)
}

/// Marks the next `count` bytes of the pad as used in the store, and returns the first position.
fn advance(cx: &mut Context<'_>, pad: &Secret, direction: Direction, count: usize) -> Result<usize, Error> {
    // Undoing the batch would reset the position, although the client has received data encrypted with these bytes.
    if cx.is_in_transaction() {
        let message = "A one-time pad cannot be used in a batch that may be undone.";
        return Err(failed(ResultReason::OperationNotSupported, message));
    }
    let name = state_name(pad);
    cx.transact(|transaction| {
        let mut positions = Positions::decode(transaction.server_state(&name).or_general_failure()?.as_ref())
            .ok_or_else(|| {
                failed(ResultReason::GeneralFailure, "The stored position of the one-time pad is malformed.")
            })?;
        let from = positions.advance(direction, count, pad.len())?;
        transaction.set_server_state(&name, &positions.encode()).or_general_failure()?;
        Ok(from)
    })
}

/// Returns the name of the server state that contains the positions of a pad.
fn state_name(pad: &Secret) -> String {
    format!("pad {}", lower::encode_string(&Hash::Sha256.digest(pad.expose())))
}

/// Returns the position that a big-endian counter states.
fn position(counter: &[u8]) -> Result<usize, Error> {
    let invalid = || invalid_field("The counter of a one-time pad must not be longer than eight bytes.");
    if counter.len() > size_of::<u64>() {
        return Err(invalid());
    }
    let number = counter.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).map_err(|_| invalid())
}

/// Returns the exclusive OR of the data and the pad's bytes from `from` on.
fn combine(pad: &Secret, from: usize, data: &[u8]) -> Result<Secret, Error> {
    let end = from.checked_add(data.len());
    let pad_bytes = end.and_then(|end| pad.expose().get(from..end));
    let pad_bytes = pad_bytes.ok_or_else(|| insufficient(pad.len().saturating_sub(from), data.len()))?;
    Ok(Secret::new(data.iter().zip(pad_bytes).map(|(byte, pad_byte)| byte ^ pad_byte).collect()))
}

fn insufficient(left: usize, needed: usize) -> Error {
    failed(
        ResultReason::PermissionDenied,
        format!("The one-time pad has {left} bytes from this position on, but the data has {needed}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_each_byte_once_per_direction() {
        let mut positions = Positions::default();
        assert_eq!(positions.advance(Direction::Encrypt, 6, 10), Ok(0));
        assert_eq!(positions.advance(Direction::Decrypt, 4, 10), Ok(0));
        assert_eq!(positions.advance(Direction::Encrypt, 5, 10), Err(insufficient(4, 5)));
        assert_eq!(positions.advance(Direction::Encrypt, 4, 10), Ok(6));
        assert_eq!(positions.advance(Direction::Encrypt, 0, 10), Ok(10));
        assert_eq!(positions.advance(Direction::Encrypt, usize::MAX, 10), Err(insufficient(0, usize::MAX)));
        assert_eq!(positions, Positions { encrypting: 10, decrypting: 4 });
        assert_eq!(Positions::decode(Some(&positions.encode())), Some(positions));
        assert_eq!(Positions::decode(None), Some(Positions::default()));
        assert_eq!(Positions::decode(Some(&Secret::new(vec![0; 15]))), None);
    }

    #[test]
    fn decrypts_from_a_counter_of_up_to_eight_bytes() {
        assert_eq!(position(&[]), Ok(0));
        assert_eq!(position(&[1, 0]), Ok(256));
        assert_eq!(position(&[0xff; 8]).ok(), usize::try_from(u64::MAX).ok());
        assert!(position(&[0; 9]).is_err());
        let pad = Secret::new(vec![0x0f; 4]);
        assert_eq!(combine(&pad, 1, &[0xff; 3]).unwrap().expose(), [0xf0; 3]);
        assert!(combine(&pad, 2, &[0xff; 3]).is_err());
        assert!(combine(&pad, usize::MAX, &[0xff; 3]).is_err());
    }
}
