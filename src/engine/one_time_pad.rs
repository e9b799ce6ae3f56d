//! One-time pads (the algorithm One Time Pad, KMIP 1.4 §9.1.3.2.13): keys or secret data as long as all that they
//! encrypt, each byte of which is used once.
//!
//! The standard names the algorithm and says nothing of its use. Here a pad goes on from where it stands, once for
//! what it encrypts and once for what it decrypts, so that two ends with the same pad take messages in their order.
//! Where it stands is kept by the pad's bytes and not by the object: an end that registers its pad again, or twice,
//! does not encrypt with the same bytes again. It is on the disk before anything is given out.

use base16ct::lower;

use crate::crypto::hash::Hash;
use crate::kmip::Error;
use crate::kmip::enums::{CryptographicAlgorithm, ObjectType, ResultReason};
use crate::secret::Secret;
use crate::store::Record;

use super::access::Granted;
use super::context::Context;
use super::error::{failed, invalid_field};
use super::{key, lifecycle};

/// Whether the object is a pad: what it is used for, and how, is different then.
pub fn is_pad(record: &Record) -> bool {
    matches!(record.object_type, ObjectType::SymmetricKey | ObjectType::SecretData)
        && record.attributes.cryptographic_algorithm == Some(CryptographicAlgorithm::OneTimePad)
}

/// Which way a pad is gone through.
#[derive(Clone, Copy)]
enum Way {
    Encrypt,
    Decrypt,
}

/// How many bytes of a pad are used up, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    encrypting: u64,
    decrypting: u64,
}

impl Used {
    /// Reads what the store keeps; nothing is used where it keeps nothing.
    fn read(kept: Option<&Secret>) -> Option<Self> {
        let Some(kept) = kept else { return Some(Self::default()) };
        let (encrypting, decrypting) = kept.expose().split_first_chunk::<8>()?;
        let decrypting = u64::from_be_bytes(decrypting.try_into().ok()?);
        Some(Self { encrypting: u64::from_be_bytes(*encrypting), decrypting })
    }

    fn write(self) -> Secret {
        Secret::new([self.encrypting.to_be_bytes(), self.decrypting.to_be_bytes()].concat())
    }

    /// Takes the next `count` bytes of a pad of `length`, and gives the first of them.
    fn take(&mut self, way: Way, count: usize, length: usize) -> Result<usize, Error> {
        let used = match way {
            Way::Encrypt => &mut self.encrypting,
            Way::Decrypt => &mut self.decrypting,
        };
        let from = usize::try_from(*used).unwrap_or(usize::MAX);
        let end = from.checked_add(count).filter(|end| *end <= length);
        *used = end.ok_or_else(|| used_up(length.saturating_sub(from), count))? as u64;
        Ok(from)
    }
}

/// Encrypts with the next bytes of the pad.
///
/// # Errors
/// Permission Denied where less is left of the pad, Invalid Field where the client chooses the place in it,
/// Operation Not Supported in a batch with Undo, those of [`key::bytes`], and where the store fails.
pub fn encrypt(
    cx: &mut Context<'_>,
    pad: &Granted,
    data: &[u8],
    counter: Option<&[u8]>,
) -> Result<Secret, Error> {
    if counter.is_some() {
        return Err(invalid_field("A one-time pad encrypts from where it stands, and takes no counter."));
    }
    let bytes = key::bytes(lifecycle::object(pad)?)?;
    let from = advance(cx, &bytes, Way::Encrypt, data.len())?;
    combine(&bytes, from, data)
}

/// Decrypts with the next bytes of the pad; or, where the client tells by a counter which byte is the first, counted
/// from zero and big-endian, with those, and the pad stays where it stands: an answer that was lost can be asked for
/// again.
///
/// # Errors
/// Those of [`encrypt`], and Invalid Field for a counter longer than eight bytes.
pub fn decrypt(
    cx: &mut Context<'_>,
    pad: &Granted,
    data: &[u8],
    counter: Option<&[u8]>,
) -> Result<Secret, Error> {
    let bytes = key::bytes(lifecycle::object(pad)?)?;
    let from = match counter {
        None => advance(cx, &bytes, Way::Decrypt, data.len())?,
        Some(counter) => place(counter)?,
    };
    combine(&bytes, from, data)
}

/// Uses the next `count` bytes of the pad up.
fn advance(cx: &mut Context<'_>, pad: &Secret, way: Way, count: usize) -> Result<usize, Error> {
    // What such a batch did is told although it is undone, and what was told must not be encrypted with again.
    if cx.holds_the_store() {
        let message = "A one-time pad cannot be used in a batch that may be undone.";
        return Err(failed(ResultReason::OperationNotSupported, message));
    }
    let name = kept_as(pad);
    cx.transact(|transaction| {
        let mut used = Used::read(transaction.server_state(&name)?.as_ref()).ok_or_else(|| {
            failed(ResultReason::GeneralFailure, "Where the pad stands cannot be read from the store.")
        })?;
        let from = used.take(way, count, pad.len())?;
        transaction.set_server_state(&name, &used.write())?;
        Ok(from)
    })
}

/// Under which name the store keeps where a pad stands.
fn kept_as(pad: &Secret) -> String {
    format!("pad {}", lower::encode_string(&Hash::Sha256.digest(pad.expose())))
}

fn place(counter: &[u8]) -> Result<usize, Error> {
    let invalid = || invalid_field("The counter of a one-time pad is a number of eight bytes at the most.");
    if counter.len() > size_of::<u64>() {
        return Err(invalid());
    }
    let number = counter.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).map_err(|_| invalid())
}

/// The data with the pad's bytes from `from` on over it.
fn combine(pad: &Secret, from: usize, data: &[u8]) -> Result<Secret, Error> {
    let end = from.checked_add(data.len());
    let over = end.and_then(|end| pad.expose().get(from..end));
    let over = over.ok_or_else(|| used_up(pad.len().saturating_sub(from), data.len()))?;
    Ok(Secret::new(data.iter().zip(over).map(|(byte, over)| byte ^ over).collect()))
}

fn used_up(left: usize, wanted: usize) -> Error {
    failed(
        ResultReason::PermissionDenied,
        format!("The one-time pad has {left} bytes left from there on, and {wanted} are needed."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_goes_through_the_pad_once_and_no_further() {
        let mut used = Used::default();
        assert_eq!(used.take(Way::Encrypt, 6, 10), Ok(0));
        assert_eq!(used.take(Way::Decrypt, 4, 10), Ok(0));
        assert_eq!(used.take(Way::Encrypt, 5, 10), Err(used_up(4, 5)));
        assert_eq!(used.take(Way::Encrypt, 4, 10), Ok(6));
        assert_eq!(used.take(Way::Encrypt, 0, 10), Ok(10));
        assert_eq!(used.take(Way::Encrypt, usize::MAX, 10), Err(used_up(0, usize::MAX)));
        assert_eq!(used, Used { encrypting: 10, decrypting: 4 });
        assert_eq!(Used::read(Some(&used.write())), Some(used));
        assert_eq!(Used::read(None), Some(Used::default()));
        assert_eq!(Used::read(Some(&Secret::new(vec![0; 15]))), None);
    }

    #[test]
    fn a_counter_is_a_number_of_up_to_eight_bytes() {
        assert_eq!(place(&[]), Ok(0));
        assert_eq!(place(&[1, 0]), Ok(256));
        assert_eq!(place(&[0xff; 8]).ok(), usize::try_from(u64::MAX).ok());
        assert!(place(&[0; 9]).is_err());
        let pad = Secret::new(vec![0x0f; 4]);
        assert_eq!(combine(&pad, 1, &[0xff; 3]).unwrap().expose(), [0xf0; 3]);
        assert!(combine(&pad, 2, &[0xff; 3]).is_err());
        assert!(combine(&pad, usize::MAX, &[0xff; 3]).is_err());
    }
}
