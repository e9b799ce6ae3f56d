//! Set Attribute (KMIP 2.1 §6.1.51): the value of a single-valued attribute, whether it has one or not.

use crate::engine::{Context, failed, invalid_field};
use crate::kmip::attributes::Attribute;
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::DateTime;

use super::{Operation, attribute_rules as rules};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        NewAttribute => attribute: Attribute,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
    }
}

pub(super) struct SetAttribute;

impl Operation for SetAttribute {
    const CODE: enums::Operation = enums::Operation::SetAttribute;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (id, ()) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, now| {
            set(record, &request.attribute, now)
        })?;
        Ok(Response { unique_identifier: id.into() })
    }
}

fn set(record: &mut Record, new: &Attribute, now: DateTime) -> Result<(), Error> {
    let (row, name) = (new.row, new.name());
    if row.multiple {
        return Err(failed(
            ResultReason::MultiValuedAttribute,
            format!("The {name} attribute can have several values; Set Attribute is for those with one."),
        ));
    }
    if !row.rules.client_may_modify {
        return Err(failed(ResultReason::ReadOnlyAttribute, format!("The {name} attribute is read-only.")));
    }
    if !row.rules.applies_to.contains(record.object_type) {
        return Err(invalid_field(format!(
            "Objects of the type {} have no {name} attribute.",
            record.object_type
        )));
    }
    rules::timely(record, row)?;
    record.attributes.push(new);
    rules::conclude(record, now);
    Ok(())
}
