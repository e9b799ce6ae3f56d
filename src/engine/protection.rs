//! Whether the state and the dates of an object allow that it protects data or that it processes protected data
//! (KMIP 1.4 §3.22, §3.25 and §3.26).

use std::fmt;

use crate::kmip::Error;
use crate::kmip::enums::State;
use crate::store::Record;
use crate::ttlv::DateTime;

use super::error::wrong_state;

/// The effect of a use on data, which determines the date that restricts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// The use protects data, for example encryption: possible until the Protect Stop Date.
    Apply,
    /// The use processes protected data, for example decryption: possible from the Process Start Date on.
    Process,
}

impl Protection {
    /// Checks the state and the dates of `record`; `purpose` is part of the error message.
    ///
    /// # Errors
    /// Returns Wrong Key Lifecycle State. Before 2.1 it is Permission Denied, as in PyKMIP and in the standard's test
    /// cases.
    pub(super) fn check(
        self,
        record: &Record,
        purpose: &dyn fmt::Display,
        now: DateTime,
    ) -> Result<(), Error> {
        let attributes = &record.attributes;
        let message = match (attributes.state, self) {
            (None, _) => format!("The object has no state, so it cannot be used to {purpose}."),
            (Some(State::Active), Self::Apply)
                if attributes.protect_stop_date.is_some_and(|date| date <= now) =>
            {
                format!("The Protect Stop Date has passed, so the object cannot be used to {purpose}.")
            }
            (Some(State::Active), Self::Process)
                if attributes.process_start_date.is_some_and(|date| date > now) =>
            {
                format!(
                    "The Process Start Date is in the future, so the object cannot be used to {purpose} yet."
                )
            }
            (Some(State::Active), _) => return Ok(()),
            (Some(state), _) => {
                format!("The object is {state} and not Active, so it cannot be used to {purpose}.")
            }
        };
        Err(wrong_state(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::{ObjectType, ResultReason};
    use crate::store::Id;
    use crate::ttlv::{V2_0, V2_1};

    const NOW: DateTime = DateTime(1_000);

    fn check(protection: Protection, state: Option<State>, start: Option<i64>, stop: Option<i64>) -> bool {
        let attributes = Attributes {
            state,
            process_start_date: start.map(DateTime),
            protect_stop_date: stop.map(DateTime),
            ..Attributes::default()
        };
        let object_type = ObjectType::SymmetricKey;
        let record = Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None };
        match protection.check(&record, &"encrypt", NOW) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.reason_in(V2_0), ResultReason::PermissionDenied);
                assert_eq!(error.reason_in(V2_1), ResultReason::WrongKeyLifecycleState);
                false
            }
        }
    }

    #[test]
    fn process_start_date_restricts_processing_and_protect_stop_date_protection() {
        let active = Some(State::Active);
        for (start, stop, applies, processes) in [
            (None, None, true, true),
            (Some(1_000), Some(1_001), true, true),
            (Some(1_001), None, true, false),
            (None, Some(1_000), false, true),
        ] {
            assert_eq!(check(Protection::Apply, active, start, stop), applies, "{start:?} {stop:?}");
            assert_eq!(check(Protection::Process, active, start, stop), processes, "{start:?} {stop:?}");
        }
    }

    #[test]
    fn only_an_active_object_protects_and_processes() {
        for state in [None, Some(State::PreActive), Some(State::Deactivated), Some(State::Compromised)] {
            for protection in [Protection::Apply, Protection::Process] {
                assert!(!check(protection, state, None, None), "{state:?} {protection:?}");
            }
        }
    }
}
