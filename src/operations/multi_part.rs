//! The parts of a multi-part cryptographic operation (KMIP 1.3 and 1.4 §4, 2.1 §6.1), and the request items that
//! the operations on data share.

use std::any::Any;
use std::marker::PhantomData;

use crate::engine::usage::{self, Amount, Use};
use crate::engine::{Context, Granted, failed, invalid_field};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::{CryptographicParameters, UniqueIdentifier};
use crate::kmip::{Error, structure};
use crate::secret::Secret;
use crate::store::Id;
use crate::ttlv::V1_3;

use super::Operation;

structure! {
    /// The first items of a Request Payload that uses a key.
    pub rows KeyAndData {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CryptographicParameters => cryptographic_parameters: Option<CryptographicParameters>,
        Data => data: Option<Secret>,
    }
}

structure! {
    /// The items of a Request Payload that define which part of an operation it is.
    pub rows PartIndicators {
        CorrelationValue[V1_3..] => correlation_value: Option<Vec<u8>>,
        InitIndicator[V1_3..] => init_indicator: Option<bool>,
        FinalIndicator[V1_3..] => final_indicator: Option<bool>,
    }
}

impl KeyAndData {
    /// Replaces the data by that of `part`, for operations that check the data before they check the key.
    ///
    /// # Errors
    /// Returns the errors of [`Part::data`].
    pub(super) fn with_data_of(mut self, part: &Part) -> Result<Self, Error> {
        self.data = Some(part.data(self.data.take())?);
        Ok(self)
    }
}

/// The position of a request in an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The only part: the request has neither indicator, or both.
    Only,
    /// The first of several parts.
    First,
    /// A part after the first.
    Next {
        /// The Correlation Value from the response to the previous part.
        correlation: Vec<u8>,
        /// Whether it is the last part.
        last: bool,
    },
}

impl Part {
    /// Derives the position from the Correlation Value, Init Indicator and Final Indicator.
    ///
    /// # Errors
    /// Returns Invalid Field if they contradict each other.
    pub(super) fn of(indicators: PartIndicators) -> Result<Self, Error> {
        let init = indicators.init_indicator.unwrap_or_default();
        let last = indicators.final_indicator.unwrap_or_default();
        match (indicators.correlation_value, init, last) {
            (None, false, false) | (None, true, true) => Ok(Self::Only),
            (None, true, false) => Ok(Self::First),
            (Some(correlation), false, last) => Ok(Self::Next { correlation, last }),
            (None, false, true) => Err(invalid_field(
                "The last part of an operation needs the Correlation Value of its first part.",
            )),
            (Some(_), true, _) => {
                Err(invalid_field("The first part of an operation must not have a Correlation Value."))
            }
        }
    }

    /// Returns the data of this part. Data is "always required in cryptographic operations except when either Init
    /// Indicator or Final Indicator is true" (1.3 §4).
    ///
    /// # Errors
    /// Returns Invalid Message if required data is missing, as PyKMIP does.
    pub(super) fn data(&self, data: Option<Secret>) -> Result<Secret, Error> {
        let optional = matches!(self, Self::First | Self::Next { last: true, .. });
        match data {
            Some(data) => Ok(data),
            None if optional => Ok(Secret::new(Vec::new())),
            None => Err(missing("Data")),
        }
    }

    /// Whether no part follows.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Only | Self::Next { last: true, .. })
    }

    /// Returns the amount that `bytes` of data in this part count against the Usage Limits of the key.
    pub(super) fn amount(&self, bytes: usize) -> Amount {
        match self {
            Self::Only | Self::First => Amount::first(bytes),
            Self::Next { .. } => Amount::further(bytes),
        }
    }

    /// Stores `state` for the next part and returns the Correlation Value that identifies it.
    ///
    /// # Errors
    /// Returns the errors of [`Context::begin_stream`] and [`Context::put_back_stream`].
    pub(super) fn suspend<S: Any + Send>(self, cx: &mut Context<'_>, state: S) -> Result<Vec<u8>, Error> {
        let Self::Next { correlation, .. } = self else { return cx.begin_stream(state) };
        cx.put_back_stream(&correlation, state)?;
        Ok(correlation)
    }
}

/// The state `S` of the operation `O` with a key between two parts. `O` is part of the type so that no other
/// operation can resume it.
pub(super) struct Suspended<O, S> {
    key: Id,
    state: S,
    operation: PhantomData<fn() -> O>,
}

impl<O: Operation + 'static, S: Send + 'static> Suspended<O, S> {
    pub(super) fn new(key: Id, state: S) -> Self {
        Self { key, state, operation: PhantomData }
    }

    /// Resumes the operation and checks again that the client may use the key. The request may omit the key.
    ///
    /// # Errors
    /// Returns Invalid Field if the request names another key, and the errors of [`Context::take_stream`] and
    /// [`usage::open`].
    pub(super) fn resume(
        cx: &mut Context<'_>,
        correlation: &[u8],
        identifier: Option<&UniqueIdentifier>,
        purpose: Use,
    ) -> Result<(Granted, S), Error> {
        let Self { key, state, .. } = cx.take_stream(correlation)?;
        let same = UniqueIdentifier::from(key);
        let granted = usage::open(cx, Some(identifier.unwrap_or(&same)), O::CODE, purpose)?;
        if granted.id != key {
            return Err(invalid_field("The Correlation Value belongs to an operation with another key."));
        }
        Ok((granted, state))
    }
}

/// Returns the error for a request without a required item.
pub(super) fn missing(item: &str) -> Error {
    failed(ResultReason::InvalidMessage, format!("The request needs the {item} and does not contain it."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(correlation: Option<u8>, init: Option<bool>, last: Option<bool>) -> Result<Part, ResultReason> {
        let correlation_value = correlation.map(|value| vec![value]);
        Part::of(PartIndicators { correlation_value, init_indicator: init, final_indicator: last })
            .map_err(|error| error.reason)
    }

    #[test]
    fn derives_the_part_from_indicators_and_correlation_value() {
        let next = |last| Part::Next { correlation: vec![1], last };
        assert_eq!(part(None, None, None), Ok(Part::Only));
        assert_eq!(part(None, Some(false), Some(false)), Ok(Part::Only));
        assert_eq!(part(None, Some(true), Some(true)), Ok(Part::Only));
        assert_eq!(part(None, Some(true), None), Ok(Part::First));
        assert_eq!(part(Some(1), None, None), Ok(next(false)));
        assert_eq!(part(Some(1), None, Some(true)), Ok(next(true)));
        for (correlation, init, last) in
            [(None, None, Some(true)), (Some(1), Some(true), None), (Some(1), Some(true), Some(true))]
        {
            assert_eq!(part(correlation, init, last), Err(ResultReason::InvalidField));
        }
    }

    #[test]
    fn requires_data_except_in_the_first_and_last_part() {
        let next = |last| Part::Next { correlation: vec![1], last };
        assert!(Part::First.data(None).is_ok() && next(true).data(None).is_ok());
        for part in [Part::Only, next(false)] {
            assert_eq!(part.data(None).unwrap_err().reason, ResultReason::InvalidMessage);
        }
    }
}
