//! Bounds on the attributes of an object, so that no object is too large to be read and changed in little time.

use crate::kmip::Error;
use crate::kmip::attributes::{Attributes, MAX_VALUES, TABLE};
use crate::kmip::enums::ResultReason;
use crate::ttlv::{STORED, Tag, Value, Writer};

use super::error::failed;

/// The maximum size of all attributes of an object, as they are stored, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The number of values of attributes that can have several up to which the size needs no check, because each value is
/// bounded (`MAX_VALUE_BYTES`) and the table of attributes is short.
const FEW: usize = 16;

/// The number and the size of the attributes of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttributeSize {
    values: usize,
    /// The size in bytes; 0 for few values.
    bytes: usize,
}

impl AttributeSize {
    /// Returns the size of `attributes`.
    pub(super) fn of(attributes: &Attributes) -> Self {
        let count = |multiple| {
            let rows = TABLE.iter().filter(move |row| row.multiple == multiple);
            rows.map(|row| row.slot(attributes).count()).sum::<usize>()
        };
        let multiple = count(true);
        let bytes = if multiple > FEW { stored_size(attributes) } else { 0 };
        Self { values: multiple + count(false), bytes }
    }

    /// Checks the attributes of a new object.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded (before 2.0 Invalid Field) if it has more than [`MAX_VALUES`] values or more than
    /// [`MAX_BYTES`] bytes.
    pub(super) fn admit(attributes: &Attributes) -> Result<(), Error> {
        Self { values: 0, bytes: 0 }.admit_change(attributes)
    }

    /// Checks the attributes of a changed object. An object of an older database may exceed a bound, but not grow.
    ///
    /// # Errors
    /// Returns the error of [`AttributeSize::admit`].
    pub(super) fn admit_change(self, changed: &Attributes) -> Result<(), Error> {
        let after = Self::of(changed);
        let refused = |message| failed(ResultReason::ServerLimitExceeded, message);
        let refusal = if after.values > MAX_VALUES.max(self.values) {
            refused(format!(
                "The object would have {} attribute values; the limit is {MAX_VALUES}.",
                after.values
            ))
        } else if after.bytes > MAX_BYTES.max(self.bytes) {
            refused(format!("The attributes would have {} bytes; the limit is {MAX_BYTES}.", after.bytes))
        } else {
            return Ok(());
        };
        Err(refusal.with_fallback(ResultReason::InvalidField))
    }
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
        assert!(AttributeSize::admit(&with_custom(MAX_VALUES, 1)).is_ok());
        assert!(AttributeSize::admit(&with_custom(FEW, 65_000)).is_ok());
        for (count, bytes) in [(MAX_VALUES + 1, 1), (FEW + 1, 65_000)] {
            let large = with_custom(count, bytes);
            let error = AttributeSize::admit(&large).unwrap_err();
            assert_eq!(error.reason, ResultReason::ServerLimitExceeded);
            assert_eq!(error.reason_in(crate::ttlv::V1_4), ResultReason::InvalidField);
            let before = AttributeSize::of(&large);
            assert!(before.admit_change(&large).is_ok(), "unchanged");
            assert!(before.admit_change(&with_custom(count - 1, bytes)).is_ok(), "smaller");
            assert!(before.admit_change(&with_custom(count + 1, bytes)).is_err(), "larger");
        }
    }
}
