//! Obtain Lease (KMIP 1.4 §4.17, 2.1 §6.1.35): how long a client may go on using what it knows of an object.
//!
//! The server keeps no account of leases: each one is as long as the object's Lease Time, and whether it still
//! holds is for the client to see to.

use crate::engine::{Context, destroyed, failed, lease, lifecycle};
use crate::kmip::enums::{ResultReason, State};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, Interval};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
    }
}

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

/// The lease that the object's state allows (errors: 1.4 §11.18).
fn lease(record: &Record) -> Result<Interval, Error> {
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    // Others still know what a compromised key keeps secret, so nobody may go on with it.
    if record.attributes.state == Some(State::Compromised) {
        return Err(failed(ResultReason::PermissionDenied, "The object is Compromised: no lease is given."));
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
    fn a_lease_is_as_long_as_the_object_says_and_none_is_given_once_it_is_compromised() {
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
    fn objects_from_before_there_were_leases_get_the_longest() {
        let old = Record { attributes: Attributes::default(), ..record(State::Active) };
        assert_eq!(lease(&old), Ok(lease::MAX_LEASE_TIME));
    }
}
