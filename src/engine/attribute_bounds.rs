//! Bounds on the attributes of an object, so that no object is too large to be read and changed in little time.

use crate::kmip::Error;
use crate::kmip::attributes::{Attribute, AttributeReference, Attributes, MAX_VALUES, TABLE};
use crate::kmip::enums::ResultReason;
use crate::ttlv::{STORED, Tag, Value, Writer};

use super::error::failed;

/// The maximum size of all attributes of an object, as they are stored, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The maximum size of the attributes in a response, as they are stored, in bytes. Only a request that names attributes
/// several times asks for more than an object has.
const MAX_REPORTED: usize = 16 << 20;

/// Returns the values of these attributes, in the order of the references.
///
/// # Errors
/// Returns Response Too Large if they have more than [`MAX_REPORTED`] bytes.
pub fn reported_values<'r>(
    attributes: &Attributes,
    references: impl IntoIterator<Item = &'r AttributeReference>,
) -> Result<Vec<Attribute>, Error> {
    let references = references.into_iter();
    let mut values = Vec::with_capacity(references.size_hint().1.unwrap_or_default().min(MANY));
    let (grouped, mut bytes) = (attributes.grouped(), 0);
    for reference in references {
        let begin = values.len();
        grouped.append(reference, &mut values);
        bytes += values.iter().skip(begin).map(|value: &Attribute| value.stored().len()).sum::<usize>();
        if bytes > MAX_REPORTED {
            let message =
                format!("The attributes have more than {MAX_REPORTED} bytes; request fewer at a time.");
            return Err(failed(ResultReason::ResponseTooLarge, message));
        }
    }
    Ok(values)
}

/// The number of values of attributes that can have several up to which the size needs no check, because each value is
/// bounded (`MAX_VALUE_BYTES`) and the table of attributes is short.
const FEW: usize = 16;

/// The number of values above which a change of an object takes long: some milliseconds at the maximum number.
const MANY: usize = 256;

/// Returns whether a change of an object with these attributes takes long, because each change copies all values.
pub(super) fn takes_long(attributes: &Attributes) -> bool {
    AttributeSize::count(attributes, true) > MANY
}

/// The number and the size of the attributes of an object.
#[derive(Clone, Copy, Debug)]
struct AttributeSize {
    values: usize,
    /// The size in bytes; 0 for few values.
    bytes: usize,
}

impl AttributeSize {
    /// Returns the size of `attributes`.
    fn of(attributes: &Attributes) -> Self {
        let multiple = Self::count(attributes, true);
        let bytes = if multiple > FEW { stored_size(attributes) } else { 0 };
        Self { values: multiple + Self::count(attributes, false), bytes }
    }

    /// Returns the number of values of attributes that can have several, or of the others.
    fn count(attributes: &Attributes, multiple: bool) -> usize {
        let rows = TABLE.iter().filter(move |row| row.multiple == multiple);
        rows.map(|row| row.slot(attributes).count()).sum()
    }
}

/// Checks the attributes of a new object.
///
/// # Errors
/// Returns Server Limit Exceeded (before 2.0 Invalid Field) if it has more than [`MAX_VALUES`] values or more than
/// [`MAX_BYTES`] bytes.
pub(super) fn admit(attributes: &Attributes) -> Result<(), Error> {
    admit_change(None, attributes)
}

/// Checks the attributes of a changed object, which were `before`. An object of an older database may exceed a bound, but
/// not grow.
///
/// # Errors
/// Returns the error of [`admit`].
pub(super) fn admit_change(before: Option<&Attributes>, changed: &Attributes) -> Result<(), Error> {
    let after = AttributeSize::of(changed);
    if after.values <= MAX_VALUES && after.bytes <= MAX_BYTES {
        return Ok(());
    }
    let before = before.map_or(AttributeSize { values: 0, bytes: 0 }, AttributeSize::of);
    let refused = |message| failed(ResultReason::ServerLimitExceeded, message);
    let refusal = if after.values > MAX_VALUES.max(before.values) {
        refused(format!(
            "The object would have {} attribute values; the limit is {MAX_VALUES}.",
            after.values
        ))
    } else if after.bytes > MAX_BYTES.max(before.bytes) {
        refused(format!("The attributes would have {} bytes; the limit is {MAX_BYTES}.", after.bytes))
    } else {
        return Ok(());
    };
    Err(refusal.with_fallback(ResultReason::InvalidField))
}

fn stored_size(attributes: &Attributes) -> usize {
    let mut writer = Writer::new(STORED);
    attributes.encode(Tag::Attributes, &mut writer);
    writer.into_bytes().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::structures::{Raw, VendorAttribute};

    fn with_custom(count: usize, bytes: usize) -> Attributes {
        let custom = VendorAttribute {
            vendor_identification: "x".to_owned(),
            attribute_name: "a".to_owned(),
            attribute_value: Raw::of(&vec![7u8; bytes]),
        };
        Attributes { vendor: vec![custom; count], ..Attributes::default() }
    }

    #[test]
    fn bounds_the_number_and_the_bytes_and_lets_a_larger_object_shrink() {
        assert!(admit(&with_custom(MAX_VALUES, 1)).is_ok());
        assert!(admit(&with_custom(FEW, 65_000)).is_ok());
        for (count, bytes) in [(MAX_VALUES + 1, 1), (FEW + 1, 65_000)] {
            let large = with_custom(count, bytes);
            let error = admit(&large).unwrap_err();
            assert_eq!(error.reason, ResultReason::ServerLimitExceeded);
            assert_eq!(error.reason_in(crate::ttlv::V1_4), ResultReason::InvalidField);
            let change = |changed: &Attributes| admit_change(Some(&large), changed);
            assert!(change(&large).is_ok(), "unchanged");
            assert!(change(&with_custom(count - 1, bytes)).is_ok(), "smaller");
            assert!(change(&with_custom(count + 1, bytes)).is_err(), "larger");
        }
    }
}
