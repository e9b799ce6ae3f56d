//! The states of an object and what moves it from one to the next (KMIP 1.4 §3.22, 2.1 §4.57).
//!
//! One table of transitions; the dates of an object's life are set here and nowhere else. A date that the
//! client set for the future moves the state when it has come: [`settle`] applies it whenever an object is
//! looked at, so that nobody sees a stale state.

use crate::kmip::enums::{ObjectType, ResultReason, RevocationReasonCode, State};
use crate::kmip::structures::RevocationReason;
use crate::kmip::{Error, Object};
use crate::store::Record;
use crate::ttlv::DateTime;

use super::error::{destroyed, failed, wrong_state};

/// What can happen to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Activate,
    Deactivate,
    Compromise,
    Destroy,
}

/// From which state which event leads where; what is not listed is refused.
const TRANSITIONS: &[(State, Event, State)] = {
    use Event::*;
    &[
        (State::PreActive, Activate, State::Active),
        (State::PreActive, Compromise, State::Compromised),
        (State::PreActive, Destroy, State::Destroyed),
        (State::Active, Deactivate, State::Deactivated),
        (State::Active, Compromise, State::Compromised),
        (State::Deactivated, Compromise, State::Compromised),
        (State::Deactivated, Destroy, State::Destroyed),
        (State::Compromised, Compromise, State::Compromised),
        (State::Compromised, Destroy, State::DestroyedCompromised),
        (State::Destroyed, Compromise, State::DestroyedCompromised),
        (State::DestroyedCompromised, Compromise, State::DestroyedCompromised),
    ]
};

fn after(state: State, event: Event) -> Option<State> {
    TRANSITIONS.iter().find(|(from, on, _)| (*from, *on) == (state, event)).map(|(.., to)| *to)
}

/// Whether objects of that type have a state at all.
pub fn has_state(object_type: ObjectType) -> bool {
    !matches!(object_type, ObjectType::Template | ObjectType::OpaqueObject)
}

/// Whether the object is destroyed: only its attributes are left.
pub fn is_destroyed(record: &Record) -> bool {
    record.attributes.destroy_date.is_some()
}

/// Returns the object of the record.
///
/// # Errors
/// Returns Object Destroyed (before 2.1 Item Not Found) if only its attributes are left.
pub fn object(record: &Record) -> Result<&Object, Error> {
    record.object.as_ref().ok_or_else(|| destroyed(&record.id.to_string()))
}

/// The first state and the dates that every new object gets.
pub fn begin(record: &mut Record, now: DateTime) {
    record.attributes.initial_date = Some(now);
    record.attributes.last_change_date = Some(now);
    if has_state(record.object_type) {
        record.attributes.state = Some(State::PreActive);
        settle(record, now);
    }
}

/// Moves the state to where the activation and deactivation dates that have come lead.
pub fn settle(record: &mut Record, now: DateTime) {
    record.attributes.state = record.state_at(now);
}

/// Marks a change that a client asked for.
pub fn touch(record: &mut Record, now: DateTime) {
    record.attributes.last_change_date = Some(now);
}

/// Activate (1.4 §4.19).
///
/// # Errors
/// Illegal Operation for an object without state, Wrong Key Lifecycle State (before 2.0 Permission Denied) for
/// one that is not pre-active.
pub fn activate(record: &mut Record, now: DateTime) -> Result<(), Error> {
    if is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    let state = state(record, "activated")?;
    let to = after(state, Event::Activate).ok_or_else(|| {
        wrong_state(format!("The object is {state}, not pre-active, and cannot be activated."))
    })?;
    record.attributes.state = Some(to);
    record.attributes.activation_date = Some(now);
    Ok(())
}

/// Revoke (1.4 §4.20): deactivates an active object, or marks any as compromised.
///
/// # Errors
/// Illegal Operation for an object without state, Wrong Key Lifecycle State (before 2.0 Illegal Operation) for one
/// that is not active when the reason is no compromise.
pub fn revoke(
    record: &mut Record,
    reason: RevocationReason,
    occurrence: Option<DateTime>,
    now: DateTime,
) -> Result<(), Error> {
    use RevocationReasonCode as Code;
    let state = state(record, "revoked")?;
    let compromised = matches!(reason.revocation_reason_code, Code::KeyCompromise | Code::CaCompromise);
    let event = if compromised { Event::Compromise } else { Event::Deactivate };
    let to = after(state, event).ok_or_else(|| {
        let message =
            format!("Only an active object can be revoked without a compromise; this one is {state}.");
        wrong_state(message).with_fallback(ResultReason::IllegalOperation)
    })?;
    let attributes = &mut record.attributes;
    attributes.state = Some(to);
    if compromised {
        attributes.compromise_date = Some(now);
        attributes.compromise_occurrence_date = occurrence.or(Some(now));
    } else {
        attributes.deactivation_date = Some(now);
    }
    attributes.revocation_reason = Some(reason);
    Ok(())
}

/// Destroy (1.4 §4.21): the object goes, and is given back; its attributes stay.
///
/// # Errors
/// Wrong Key Lifecycle State (before 2.0 Permission Denied) for an active object, Object Destroyed (Item Not
/// Found) for one that is destroyed already.
pub fn destroy(record: &mut Record, now: DateTime) -> Result<Option<Object>, Error> {
    if is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    if let Some(state) = record.attributes.state {
        let to = after(state, Event::Destroy)
            .ok_or_else(|| wrong_state("An active object cannot be destroyed; revoke it first."))?;
        record.attributes.state = Some(to);
    }
    record.attributes.destroy_date = Some(now);
    Ok(record.object.take())
}

/// Archive (1.4 §4.22): the object stays as it is and is out of reach until it is recovered.
///
/// # Errors
/// Object Destroyed (before 2.1 Item Not Found) where there is nothing left to archive.
pub fn archive(record: &mut Record, now: DateTime) -> Result<(), Error> {
    if is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    record.attributes.archive_date = Some(now);
    Ok(())
}

/// Recover (1.4 §4.23): the object is within reach again. What was not archived is so already.
pub fn recover(record: &mut Record) {
    record.attributes.archive_date = None;
}

/// Checks that an object is not archived, for operations that need more of it than its attributes.
///
/// # Errors
/// Object Archived.
pub fn within_reach(record: &Record) -> Result<(), Error> {
    match record.attributes.archive_date {
        Some(_) => Err(failed(ResultReason::ObjectArchived, "The object is archived; recover it first.")),
        None => Ok(()),
    }
}

fn state(record: &Record, done: &str) -> Result<State, Error> {
    record.attributes.state.ok_or_else(|| {
        failed(
            ResultReason::IllegalOperation,
            format!("An object of the type {} has no state and cannot be {done}.", record.object_type),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::store::Id;
    use crate::ttlv::V1_4;

    const NOW: DateTime = DateTime(1_000);

    fn new(object_type: ObjectType, activation: Option<i64>, deactivation: Option<i64>) -> Record {
        let attributes = Attributes {
            activation_date: activation.map(DateTime),
            deactivation_date: deactivation.map(DateTime),
            ..Attributes::default()
        };
        let mut record = Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None };
        begin(&mut record, NOW);
        record
    }

    fn key() -> Record {
        new(ObjectType::SymmetricKey, None, None)
    }

    fn reason(code: RevocationReasonCode) -> RevocationReason {
        RevocationReason { revocation_reason_code: code, revocation_message: None }
    }

    #[test]
    fn dates_of_the_client_move_the_state_when_they_have_come() {
        let mut record = new(ObjectType::SymmetricKey, Some(2_000), Some(3_000));
        for (now, state) in [(1_999, State::PreActive), (2_000, State::Active), (3_000, State::Deactivated)] {
            settle(&mut record, DateTime(now));
            assert_eq!(record.attributes.state, Some(state), "at {now}");
        }
        let state = |activation, deactivation| {
            new(ObjectType::SymmetricKey, activation, deactivation).attributes.state
        };
        assert_eq!(state(Some(999), None), Some(State::Active));
        assert_eq!(state(Some(10), Some(20)), Some(State::Deactivated));
        assert_eq!(state(None, Some(20)), Some(State::PreActive));
    }

    #[test]
    fn an_active_object_is_not_activated_again_and_not_destroyed() {
        let mut record = key();
        activate(&mut record, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::Active));
        assert_eq!(record.attributes.activation_date, Some(NOW));
        let wrong = |error: Error| (error.reason, error.reason_in(V1_4));
        let expected = (ResultReason::WrongKeyLifecycleState, ResultReason::PermissionDenied);
        assert_eq!(wrong(activate(&mut record, NOW).unwrap_err()), expected);
        assert_eq!(wrong(destroy(&mut record, NOW).unwrap_err()), expected);
    }

    #[test]
    fn revoking_deactivates_what_is_active_and_a_compromise_reaches_every_state() {
        let unspecified = || reason(RevocationReasonCode::Unspecified);
        let mut record = key();
        let early = revoke(&mut record, unspecified(), None, NOW).unwrap_err();
        assert_eq!(early.reason, ResultReason::WrongKeyLifecycleState);
        assert_eq!(early.reason_in(V1_4), ResultReason::IllegalOperation);
        activate(&mut record, NOW).unwrap();
        revoke(&mut record, unspecified(), None, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::Deactivated));
        assert_eq!(record.attributes.deactivation_date, Some(NOW));
        let compromise = reason(RevocationReasonCode::CaCompromise);
        revoke(&mut record, compromise, Some(DateTime(7)), NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::Compromised));
        assert_eq!(record.attributes.compromise_occurrence_date, Some(DateTime(7)));
        destroy(&mut record, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::DestroyedCompromised));
    }

    #[test]
    fn what_is_destroyed_is_not_found_and_can_still_be_reported_as_compromised() {
        let mut record = key();
        destroy(&mut record, NOW).unwrap();
        let again = destroy(&mut record, NOW).unwrap_err();
        assert_eq!(again.reason, ResultReason::ObjectDestroyed);
        assert_eq!(again.reason_in(V1_4), ResultReason::ItemNotFound);
        revoke(&mut record, reason(RevocationReasonCode::KeyCompromise), None, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::DestroyedCompromised));
    }

    #[test]
    fn what_is_archived_is_out_of_reach_until_it_is_recovered() {
        let mut record = key();
        archive(&mut record, NOW).unwrap();
        assert_eq!(record.attributes.archive_date, Some(NOW));
        assert_eq!(within_reach(&record).unwrap_err().reason, ResultReason::ObjectArchived);
        recover(&mut record);
        within_reach(&record).unwrap();
        destroy(&mut record, NOW).unwrap();
        assert_eq!(archive(&mut record, NOW).unwrap_err().reason, ResultReason::ObjectDestroyed);
    }

    #[test]
    fn opaque_objects_have_no_state_to_change() {
        let mut record = new(ObjectType::OpaqueObject, None, None);
        assert_eq!(activate(&mut record, NOW).unwrap_err().reason, ResultReason::IllegalOperation);
        destroy(&mut record, NOW).unwrap();
    }
}
