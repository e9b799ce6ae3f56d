//! Obtain Lease (KMIP 1.4 §4.17, 2.1 §6.1.35): grants a lease on an object.
//!
//! The server does not track leases: each lease lasts for the object's Lease Time, and the client observes its end.

use crate::engine::{Context, destroyed, failed, lease, lifecycle};
use crate::kmip::enums::{ResultReason, State};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, Interval};

use super::Operation;
use super::object_payloads::Request;

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        LeaseTime => lease_time: Interval,
        LastChangeDate => last_change_date: DateTime,
    }
}

pub(super) struct ObtainLease;

impl Operation for ObtainLease {
    const CODE: enums::Operation = enums::Operation::ObtainLease;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let granted = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        let lease_time = lease(&granted)?;
        let last_change_date = granted.attributes.last_change_date.unwrap_or(cx.now);
        Ok(Response { unique_identifier: granted.id.into(), lease_time, last_change_date })
    }
}

/// Returns the lease that the object's state permits (errors: 1.4 §11.18).
fn lease(record: &Record) -> Result<Interval, Error> {
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    // No client must continue to use a compromised key.
    if record.attributes.state == Some(State::Compromised) {
        return Err(failed(
            ResultReason::PermissionDenied,
            "The server grants no lease on a compromised object.",
        ));
    }
    Ok(record.attributes.lease_time.unwrap_or(lease::MAX_LEASE_TIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmip::attributes::Attributes;
    use crate::kmip::enums::ObjectType;
    use crate::store::Id;

    fn record(state: State) -> Record {
        let attributes =
            Attributes { state: Some(state), lease_time: Some(Interval(9)), ..Attributes::default() };
        let object_type = ObjectType::SymmetricKey;
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: None }
    }

    #[test]
    fn grants_the_lease_time_unless_the_object_is_compromised() {
        for state in [State::PreActive, State::Active, State::Deactivated] {
            assert_eq!(lease(&record(state)), Ok(Interval(9)));
        }
        let error = lease(&record(State::Compromised)).unwrap_err();
        assert_eq!(error.reason, ResultReason::PermissionDenied);
        let mut gone = record(State::Destroyed);
        gone.attributes.destroy_date = Some(DateTime(1));
        assert_eq!(lease(&gone).unwrap_err().reason, ResultReason::ObjectDestroyed);
    }

    #[test]
    fn grants_the_maximum_for_objects_without_a_lease_time() {
        let old = Record { attributes: Attributes::default(), ..record(State::Active) };
        assert_eq!(lease(&old), Ok(lease::MAX_LEASE_TIME));
    }
}
