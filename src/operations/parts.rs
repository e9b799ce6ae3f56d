//! What the operations that come in parts share (KMIP 1.4 §4, "Multi-part cryptographic operations", 2.1 §6.1):
//! which part a request is, and what it has to bring.

use std::any::Any;

use crate::engine::usage::Amount;
use crate::engine::{Context, failed, invalid_field};
use crate::kmip::Error;
use crate::kmip::enums::{ResultReason, ValidityIndicator};
use crate::secret::Secret;

/// Which part of an operation a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: no indicator, or both.
    Whole,
    /// The first of several.
    First,
    /// Another one of what this correlation value names.
    Next {
        /// The Correlation Value of the response to the first part.
        correlation: Vec<u8>,
        /// Whether it is the last.
        last: bool,
    },
}

impl Part {
    /// What Correlation Value, Init Indicator and Final Indicator come to.
    ///
    /// # Errors
    /// Invalid Field where they contradict each other.
    pub(super) fn of(
        correlation: Option<Vec<u8>>,
        init: Option<bool>,
        last: Option<bool>,
    ) -> Result<Self, Error> {
        let (init, last) = (init.unwrap_or_default(), last.unwrap_or_default());
        match (correlation, init, last) {
            (None, false, false) | (None, true, true) => Ok(Self::Whole),
            (None, true, false) => Ok(Self::First),
            (Some(correlation), false, last) => Ok(Self::Next { correlation, last }),
            (None, false, true) => {
                Err(invalid_field("The last part of an operation needs the Correlation Value of its first."))
            }
            (Some(_), true, _) => {
                Err(invalid_field("The first part of an operation can have no Correlation Value yet."))
            }
        }
    }

    /// The data of this part; "always required in cryptographic operations except when either Init Indicator or
    /// Final Indicator is true" (1.3 §4).
    ///
    /// # Errors
    /// Invalid Message where it is missing, which is what PyKMIP, whose reader wants it, answers.
    pub(super) fn data(&self, data: Option<Secret>) -> Result<Secret, Error> {
        let optional = matches!(self, Self::First | Self::Next { last: true, .. });
        match data {
            Some(data) => Ok(data),
            None if optional => Ok(Secret::new(Vec::new())),
            None => Err(missing("Data")),
        }
    }

    /// Whether nothing comes after it.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Whole | Self::Next { last: true, .. })
    }

    /// What so many bytes in this part take of the key's usage limits.
    pub(super) fn amount(&self, bytes: usize) -> Amount {
        match self {
            Self::Whole | Self::First => Amount::first(bytes),
            Self::Next { .. } => Amount::further(bytes),
        }
    }

    /// Keeps `work` until the part after this one, and gives the Correlation Value that brings it back.
    ///
    /// # Errors
    /// Those of [`Context::begin`] and [`Context::go_on`].
    pub(super) fn keep<T: Any + Send>(self, cx: &Context<'_>, work: T) -> Result<Vec<u8>, Error> {
        let Self::Next { correlation, .. } = self else { return cx.begin(work) };
        cx.go_on(&correlation, work)?;
        Ok(correlation)
    }
}

/// What became of a code or a signature that was looked at.
pub(super) fn validity(valid: bool) -> ValidityIndicator {
    if valid { ValidityIndicator::Valid } else { ValidityIndicator::Invalid }
}

/// An item is missing that the request cannot do without.
pub(super) fn missing(item: &str) -> Error {
    failed(ResultReason::InvalidMessage, format!("{item} is needed and was not given."))
}

/// Of data that has come to nothing, nothing is said between the first part and the last.
pub(super) fn given_out(data: Secret) -> Option<Secret> {
    (!data.is_empty()).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indicators_and_correlation_value_say_which_part_it_is() {
        let next = |last| Part::Next { correlation: vec![1], last };
        assert_eq!(Part::of(None, None, None), Ok(Part::Whole));
        assert_eq!(Part::of(None, Some(false), Some(false)), Ok(Part::Whole));
        assert_eq!(Part::of(None, Some(true), Some(true)), Ok(Part::Whole));
        assert_eq!(Part::of(None, Some(true), None), Ok(Part::First));
        assert_eq!(Part::of(Some(vec![1]), None, None), Ok(next(false)));
        assert_eq!(Part::of(Some(vec![1]), None, Some(true)), Ok(next(true)));
        for (correlation, init, last) in [
            (None, None, Some(true)),
            (Some(vec![1]), Some(true), None),
            (Some(vec![1]), Some(true), Some(true)),
        ] {
            let error = Part::of(correlation, init, last).unwrap_err();
            assert_eq!(error.reason, ResultReason::InvalidField);
        }
    }

    #[test]
    fn data_can_be_left_out_of_the_first_part_and_the_last() {
        let next = |last| Part::Next { correlation: vec![1], last };
        assert!(Part::First.data(None).is_ok() && next(true).data(None).is_ok());
        for part in [Part::Whole, next(false)] {
            assert_eq!(part.data(None).unwrap_err().reason, ResultReason::InvalidMessage);
        }
    }
}
