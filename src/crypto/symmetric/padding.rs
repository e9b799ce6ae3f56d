//! Paddings to whole blocks, and their removal.
//!
//! PKCS5 stands for RFC 5652 §6.3, whatever the block: n bytes of the value n. ANSI X9.23: zeros, and n in
//! the last byte. ISO 10126: random bytes, and n in the last. Zeros: as few zeros as needed, none for whole
//! blocks, so that data which ends in zeros comes back without them. None: whole blocks or an error.

use subtle::{ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};
use zeroize::Zeroizing;

use crate::crypto::{Error, Purpose, random};
use crate::kmip::enums::PaddingMethod;
use crate::secret::Secret;

/// Whether this file has the padding.
pub(super) const fn offers(method: PaddingMethod) -> bool {
    matches!(
        method,
        PaddingMethod::None
            | PaddingMethod::Pkcs5
            | PaddingMethod::Zeros
            | PaddingMethod::AnsiX9_23
            | PaddingMethod::Iso10126
    )
}

/// `data` with its padding.
pub(super) fn pad(data: &[u8], block: usize, method: PaddingMethod) -> Result<Vec<u8>, Error> {
    let over = data.len() % block;
    // 1 to a block, for every padding that states its length.
    let missing = block - over;
    let count = u8::try_from(missing).map_err(|_| Error::Failed(Purpose::Encrypt))?;
    let mut padded = Vec::with_capacity(data.len() + block);
    padded.extend_from_slice(data);
    let end = data.len() + missing;
    match method {
        PaddingMethod::None if over != 0 => {
            let wide = |value| u64::try_from(value).unwrap_or(u64::MAX);
            return Err(Error::DataLength { length: wide(data.len()), block: wide(block) });
        }
        PaddingMethod::None => {}
        PaddingMethod::Zeros if over == 0 => {}
        PaddingMethod::Zeros => padded.resize(end, 0),
        PaddingMethod::Pkcs5 => padded.resize(end, count),
        PaddingMethod::AnsiX9_23 => {
            padded.resize(end - 1, 0);
            padded.push(count);
        }
        PaddingMethod::Iso10126 => {
            padded.extend_from_slice(&random::bytes(missing - 1)?);
            padded.push(count);
        }
        padding => return Err(Error::Padding { padding, purpose: Purpose::Encrypt }),
    }
    Ok(padded)
}

/// `data` without its padding.
///
/// Where the padding is wrong the error does not say how, and the look at the last block takes the same time
/// for each.
pub(super) fn unpad(data: Vec<u8>, block: usize, method: PaddingMethod) -> Result<Secret, Error> {
    let mut data = Zeroizing::new(data);
    let length = match method {
        PaddingMethod::None => data.len(),
        PaddingMethod::Zeros => data.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1),
        PaddingMethod::Pkcs5 | PaddingMethod::AnsiX9_23 | PaddingMethod::Iso10126 => {
            let start = data.len().checked_sub(block).ok_or(Error::Decryption)?;
            let last = data.get(start..).ok_or(Error::Decryption)?;
            start + kept(last, method).ok_or(Error::Decryption)?
        }
        padding => return Err(Error::Padding { padding, purpose: Purpose::Decrypt }),
    };
    data.truncate(length);
    Ok(Secret::new(std::mem::take(&mut *data)))
}

/// How many bytes of the last block are data.
fn kept(last: &[u8], method: PaddingMethod) -> Option<usize> {
    let block = u8::try_from(last.len()).ok()?;
    let count = *last.last()?;
    // 1 to a block.
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

    #[test]
    fn pads_to_whole_blocks_as_each_padding_has_it() {
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
            assert_eq!(pad(&hex(data), 8, method), Ok(hex(padded)), "{method:?}");
            assert_eq!(unpad(hex(padded), 8, method).unwrap().expose(), hex(data), "{method:?}");
        }
        let padded = pad(b"abc", 16, PaddingMethod::Iso10126).unwrap();
        assert_eq!((padded.len(), padded.last()), (16, Some(&13)));
        assert_eq!(unpad(padded, 16, PaddingMethod::Iso10126).unwrap().expose(), b"abc");
    }

    #[test]
    fn refuses_padding_that_is_wrong_with_one_error() {
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
            let data = hex(data);
            assert_eq!(unpad(data, 8, method), Err(Error::Decryption), "{method:?}");
        }
    }

    #[test]
    fn refuses_uneven_data_without_padding() {
        assert_eq!(pad(b"abc", 8, PaddingMethod::None), Err(Error::DataLength { length: 3, block: 8 }));
        assert!(!offers(PaddingMethod::Oaep) && !offers(PaddingMethod::Ssl3));
    }
}
