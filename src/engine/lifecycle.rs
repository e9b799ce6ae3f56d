//! The states of an object and the transitions between them (KMIP 1.4 §3.22, 2.1 §4.57).
//!
//! Only this file sets the dates of an object's life cycle. A date that the client sets in the future changes the state
//! when it passes: [`update_state`] applies it at every access, so that no request sees a stale state.

use crate::compatibility::{Behavior, Difference};
use crate::kmip::enums::{ObjectType, ResultReason, RevocationReasonCode, State};
use crate::kmip::structures::RevocationReason;
use crate::kmip::{Error, Object};
use crate::store::Record;
use crate::ttlv::DateTime;

use super::error::{destroyed, failed, wrong_state};

/// An event that changes the state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Activate,
    Deactivate,
    Compromise,
    Destroy,
}

/// The permitted transitions: state, event, next state.
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

fn next_state(state: State, event: Event) -> Option<State> {
    TRANSITIONS.iter().find(|(from, on, _)| (*from, *on) == (state, event)).map(|(.., to)| *to)
}

/// Returns whether objects of this type have a State.
pub fn has_state(object_type: ObjectType) -> bool {
    !matches!(object_type, ObjectType::Template | ObjectType::OpaqueObject)
}

/// Returns whether the object is destroyed, so that only its attributes are left.
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

/// Sets the initial state and dates of a new object.
pub fn initialize(record: &mut Record, now: DateTime) {
    record.attributes.initial_date = Some(now);
    record.attributes.last_change_date = Some(now);
    if has_state(record.object_type) {
        record.attributes.state = Some(State::PreActive);
        update_state(record, now);
    }
}

/// Applies the Activation Date and the Deactivation Date to the state, if they have passed.
pub fn update_state(record: &mut Record, now: DateTime) {
    record.attributes.state = record.state_at(now);
}

/// Sets the Last Change Date, after a client changed the object.
pub fn set_last_change_date(record: &mut Record, now: DateTime) {
    record.attributes.last_change_date = Some(now);
}

/// Activates a pre-active object (1.4 §4.19).
///
/// # Errors
/// Returns Illegal Operation for an object without a state, and Wrong Key Lifecycle State (before 2.1 Permission
/// Denied) for an object that is not pre-active.
pub fn activate(record: &mut Record, now: DateTime) -> Result<(), Error> {
    if is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    let state = state(record, "activated")?;
    let to = next_state(state, Event::Activate).ok_or_else(|| {
        wrong_state(format!("The object is {state}; only a pre-active object can be activated."))
    })?;
    record.attributes.state = Some(to);
    record.attributes.activation_date = Some(now);
    Ok(())
}

/// Revokes an object (1.4 §4.20): a compromise is possible in every state, any other reason deactivates an active
/// object. Whether CA Compromise is a compromise depends on `behavior`.
///
/// # Errors
/// Returns Illegal Operation for an object without a state, and Wrong Key Lifecycle State (before 2.1 Illegal Operation)
/// if the object is not active and the reason is not a compromise.
pub fn revoke(
    record: &mut Record,
    reason: RevocationReason,
    occurrence: Option<DateTime>,
    behavior: Behavior,
    now: DateTime,
) -> Result<(), Error> {
    use RevocationReasonCode as Code;
    let state = state(record, "revoked")?;
    let compromised = match reason.revocation_reason_code {
        Code::KeyCompromise => true,
        Code::CaCompromise => !behavior.has(Difference::CaCompromise),
        _ => false,
    };
    let event = if compromised { Event::Compromise } else { Event::Deactivate };
    let to = next_state(state, event).ok_or_else(|| {
        let message =
            format!("The object is {state}; only an active object can be revoked for a reason other than a compromise.");
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

/// Destroys an object (1.4 §4.21) and returns its former value; its attributes remain.
///
/// # Errors
/// Returns Wrong Key Lifecycle State (before 2.1 Permission Denied) for an active object, and Object Destroyed (before
/// 2.1 Item Not Found) for a destroyed one.
pub fn destroy(record: &mut Record, now: DateTime) -> Result<Option<Object>, Error> {
    if is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    if let Some(state) = record.attributes.state {
        let to = next_state(state, Event::Destroy)
            .ok_or_else(|| wrong_state("An active object cannot be destroyed; revoke it first."))?;
        record.attributes.state = Some(to);
    }
    record.attributes.destroy_date = Some(now);
    Ok(record.object.take())
}

/// Archives an object (1.4 §4.22): only its attributes can be read until it is recovered.
///
/// # Errors
/// Returns Object Destroyed (before 2.1 Item Not Found) for a destroyed object.
pub fn archive(record: &mut Record, now: DateTime) -> Result<(), Error> {
    if is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    record.attributes.archive_date = Some(now);
    Ok(())
}

/// Recovers an archived object (1.4 §4.23); does nothing to any other.
pub fn recover(record: &mut Record) {
    record.attributes.archive_date = None;
}

/// Checks that an object is not archived. Operations that need more than its attributes call this.
///
/// # Errors
/// Returns Object Archived.
pub fn check_not_archived(record: &Record) -> Result<(), Error> {
    match record.attributes.archive_date {
        Some(_) => Err(failed(ResultReason::ObjectArchived, "The object is archived; recover it first.")),
        None => Ok(()),
    }
}

/// Returns the state of the record; `participle` names the event in the error message.
fn state(record: &Record, participle: &str) -> Result<State, Error> {
    record.attributes.state.ok_or_else(|| {
        failed(
            ResultReason::IllegalOperation,
            format!("An object of the type {} has no state and cannot be {participle}.", record.object_type),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compatibility::Compatibility;
    use crate::kmip::attributes::Attributes;
    use crate::store::Id;
    use crate::ttlv::V1_4;

    const NOW: DateTime = DateTime(1_000);
    const STANDARD: Behavior = Compatibility::Standard.in_version(1, 4);

    fn new(object_type: ObjectType, activation: Option<i64>, deactivation: Option<i64>) -> Record {
        let attributes = Attributes {
            activation_date: activation.map(DateTime),
            deactivation_date: deactivation.map(DateTime),
            ..Attributes::default()
        };
        let mut record = Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None };
        initialize(&mut record, NOW);
        record
    }

    fn key() -> Record {
        new(ObjectType::SymmetricKey, None, None)
    }

    fn reason(code: RevocationReasonCode) -> RevocationReason {
        RevocationReason { revocation_reason_code: code, revocation_message: None }
    }

    #[test]
    fn dates_in_the_past_determine_the_state() {
        let mut record = new(ObjectType::SymmetricKey, Some(2_000), Some(3_000));
        for (now, state) in [(1_999, State::PreActive), (2_000, State::Active), (3_000, State::Deactivated)] {
            update_state(&mut record, DateTime(now));
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
    fn rejects_activation_and_destruction_of_an_active_object() {
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
    fn revocation_deactivates_active_objects_and_a_compromise_applies_to_every_state() {
        let unspecified = || reason(RevocationReasonCode::Unspecified);
        let mut record = key();
        let too_early = revoke(&mut record, unspecified(), None, STANDARD, NOW).unwrap_err();
        assert_eq!(too_early.reason, ResultReason::WrongKeyLifecycleState);
        assert_eq!(too_early.reason_in(V1_4), ResultReason::IllegalOperation);
        activate(&mut record, NOW).unwrap();
        revoke(&mut record, unspecified(), None, STANDARD, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::Deactivated));
        assert_eq!(record.attributes.deactivation_date, Some(NOW));
        let compromise = reason(RevocationReasonCode::CaCompromise);
        revoke(&mut record, compromise, Some(DateTime(7)), STANDARD, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::Compromised));
        assert_eq!(record.attributes.compromise_occurrence_date, Some(DateTime(7)));
        destroy(&mut record, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::DestroyedCompromised));
    }

    #[test]
    fn a_destroyed_object_can_still_become_compromised() {
        let mut record = key();
        destroy(&mut record, NOW).unwrap();
        let again = destroy(&mut record, NOW).unwrap_err();
        assert_eq!(again.reason, ResultReason::ObjectDestroyed);
        assert_eq!(again.reason_in(V1_4), ResultReason::ItemNotFound);
        revoke(&mut record, reason(RevocationReasonCode::KeyCompromise), None, STANDARD, NOW).unwrap();
        assert_eq!(record.attributes.state, Some(State::DestroyedCompromised));
    }

    #[test]
    fn rejects_access_to_an_archived_object_until_it_is_recovered() {
        let mut record = key();
        archive(&mut record, NOW).unwrap();
        assert_eq!(record.attributes.archive_date, Some(NOW));
        assert_eq!(check_not_archived(&record).unwrap_err().reason, ResultReason::ObjectArchived);
        recover(&mut record);
        check_not_archived(&record).unwrap();
        destroy(&mut record, NOW).unwrap();
        assert_eq!(archive(&mut record, NOW).unwrap_err().reason, ResultReason::ObjectDestroyed);
    }

    #[test]
    fn opaque_objects_have_no_state() {
        let mut record = new(ObjectType::OpaqueObject, None, None);
        assert_eq!(activate(&mut record, NOW).unwrap_err().reason, ResultReason::IllegalOperation);
        destroy(&mut record, NOW).unwrap();
    }
}
