//! Padding to whole blocks, for n missing bytes.
//!
//! - PKCS5: n bytes of the value n, for every block length (RFC 5652 §6.3).
//! - ANSI X9.23: zeros, with n in the last byte.
//! - ISO 10126: random bytes, with n in the last byte.
//! - Zeros: zeros, and none for whole blocks. Removal also removes zeros that the data ends in.
//! - None: data that is not a multiple of the block is an error.

use subtle::{ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};

use crate::crypto::{Error, Purpose, random};
use crate::kmip::enums::PaddingMethod;

/// Whether this file implements the padding.
pub(super) const fn supports(method: PaddingMethod) -> bool {
    matches!(
        method,
        PaddingMethod::None
            | PaddingMethod::Pkcs5
            | PaddingMethod::Zeros
            | PaddingMethod::AnsiX9_23
            | PaddingMethod::Iso10126
    )
}

/// Appends padding to `data`, up to whole blocks of `block` bytes.
pub(super) fn pad(data: &mut Vec<u8>, block: usize, method: PaddingMethod) -> Result<(), Error> {
    let incomplete = data.len() % block;
    // 1 to `block`, for the paddings that encode their own length.
    let missing = block - incomplete;
    let count = u8::try_from(missing).map_err(|_| Error::Failed(Purpose::Encrypt))?;
    let end = data.len() + missing;
    match method {
        PaddingMethod::None if incomplete != 0 => return Err(Error::data_length(data.len(), block)),
        PaddingMethod::None => {}
        PaddingMethod::Zeros if incomplete == 0 => {}
        PaddingMethod::Zeros => data.resize(end, 0),
        PaddingMethod::Pkcs5 => data.resize(end, count),
        PaddingMethod::AnsiX9_23 => {
            data.resize(end - 1, 0);
            data.push(count);
        }
        PaddingMethod::Iso10126 => {
            data.extend_from_slice(&random::bytes(missing - 1)?);
            data.push(count);
        }
        padding => return Err(Error::Padding { padding, purpose: Purpose::Encrypt }),
    }
    Ok(())
}

/// Removes the padding from `data`, whose first `unpadded` bytes contain none.
///
/// Invalid padding has one error, and checking the last block takes the same time for all of its contents, so that
/// neither is a padding oracle.
pub(super) fn unpad(
    data: &mut Vec<u8>,
    block: usize,
    method: PaddingMethod,
    unpadded: usize,
) -> Result<(), Error> {
    let length = match method {
        PaddingMethod::None => data.len(),
        PaddingMethod::Zeros => {
            data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1).max(unpadded)
        }
        PaddingMethod::Pkcs5 | PaddingMethod::AnsiX9_23 | PaddingMethod::Iso10126 => {
            let start = data.len().checked_sub(block).ok_or(Error::Decryption)?;
            let last = data.get(start..).ok_or(Error::Decryption)?;
            start + data_length(last, method).ok_or(Error::Decryption)?
        }
        padding => return Err(Error::Padding { padding, purpose: Purpose::Decrypt }),
    };
    data.truncate(length);
    Ok(())
}

/// Returns how many bytes of the last block are data, or `None` if the padding is invalid.
fn data_length(last: &[u8], method: PaddingMethod) -> Option<usize> {
    let block = u8::try_from(last.len()).ok()?;
    let count = *last.last()?;
    // The count is between 1 and the block length.
    let mut good = !count.ct_eq(&0) & count.ct_lt(&(block + 1));
    for (at, byte) in (0..block).zip(last.iter().rev()) {
        let padding = at.ct_lt(&count);
        let expected = match method {
            PaddingMethod::Pkcs5 => count,
            PaddingMethod::AnsiX9_23 => u8::conditional_select(&0, &count, at.ct_eq(&0)),
            _ => *byte,
        };
        good &= !padding | byte.ct_eq(&expected);
    }
    bool::from(good).then(|| usize::from(block.saturating_sub(count)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test::hex;

    fn padded_with(method: PaddingMethod, data: &[u8], block: usize) -> Result<Vec<u8>, Error> {
        let mut data = data.to_vec();
        pad(&mut data, block, method).map(|()| data)
    }

    fn unpadded_with(method: PaddingMethod, data: &[u8], block: usize) -> Result<Vec<u8>, Error> {
        let mut data = data.to_vec();
        unpad(&mut data, block, method, 0).map(|()| data)
    }

    #[test]
    fn pads_to_whole_blocks() {
        let table = [
            (PaddingMethod::Pkcs5, "010203", "0102030505050505"),
            (PaddingMethod::Pkcs5, "0102030405060708", "01020304050607080808080808080808"),
            (PaddingMethod::Pkcs5, "", "0808080808080808"),
            (PaddingMethod::AnsiX9_23, "010203", "0102030000000005"),
            (PaddingMethod::AnsiX9_23, "0102030405060708", "01020304050607080000000000000008"),
            (PaddingMethod::Zeros, "010203", "0102030000000000"),
            (PaddingMethod::Zeros, "0102030405060708", "0102030405060708"),
            (PaddingMethod::None, "0102030405060708", "0102030405060708"),
        ];
        for (method, data, padded) in table {
            assert_eq!(padded_with(method, &hex(data), 8), Ok(hex(padded)), "{method:?}");
            assert_eq!(unpadded_with(method, &hex(padded), 8), Ok(hex(data)), "{method:?}");
        }
        let padded = padded_with(PaddingMethod::Iso10126, b"abc", 16).unwrap();
        assert_eq!((padded.len(), padded.last()), (16, Some(&13)));
        assert_eq!(unpadded_with(PaddingMethod::Iso10126, &padded, 16), Ok(b"abc".to_vec()));
    }

    #[test]
    fn rejects_invalid_padding_with_one_error() {
        for (method, data) in [
            (PaddingMethod::Pkcs5, "0102030405060700"),
            (PaddingMethod::Pkcs5, "0102030405060709"),
            (PaddingMethod::Pkcs5, "0102030405060302"),
            (PaddingMethod::Pkcs5, "01020304050607ff"),
            (PaddingMethod::AnsiX9_23, "0102030405060002ff00000001000004"),
            (PaddingMethod::AnsiX9_23, "0102030405060700"),
            (PaddingMethod::Iso10126, "0102030405060709"),
            (PaddingMethod::Pkcs5, ""),
        ] {
            assert_eq!(unpadded_with(method, &hex(data), 8), Err(Error::Decryption), "{method:?}");
        }
    }

    #[test]
    fn removes_zeros_from_the_padded_part_only() {
        let mut data = hex("01000000000000000000000000000000");
        unpad(&mut data, 8, PaddingMethod::Zeros, 8).unwrap();
        assert_eq!(data, hex("0100000000000000"));
    }

    #[test]
    fn rejects_incomplete_blocks_without_padding() {
        let error = Error::DataLength { length: 3, block: 8 };
        assert_eq!(padded_with(PaddingMethod::None, b"abc", 8), Err(error));
        assert!(!supports(PaddingMethod::Oaep) && !supports(PaddingMethod::Ssl3));
    }
}
