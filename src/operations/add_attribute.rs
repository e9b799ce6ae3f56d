//! Add Attribute (KMIP 1.4 §4.14, 2.1 §6.1.2): one more attribute, or one more value of one.

use crate::engine::{Context, failed, invalid_field};
use crate::kmip::attributes::{Attribute, AttributeReference, Origin};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, Tag, V2_0, Version};

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
        Attribute[..V2_0] => attribute: Option<Attribute>,
    }
}

pub(super) struct AddAttribute;

impl Operation for AddAttribute {
    const CODE: enums::Operation = enums::Operation::AddAttribute;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let version = cx.version;
        let (id, attribute) = cx.modify(request.unique_identifier.as_ref(), Self::CODE, |record, now| {
            add(record, &request.attribute, version, now)
        })?;
        Ok(Response { unique_identifier: id.into(), attribute })
    }
}

/// Adds the value and gives it with its index (errors: 1.4 §11.15).
fn add(
    record: &mut Record,
    new: &Attribute,
    version: Version,
    now: DateTime,
) -> Result<Option<Attribute>, Error> {
    let (row, name) = (new.row, new.name());
    rules::known(new, version)?;
    if new.index.is_some() {
        return Err(invalid_field("The index of a new attribute is chosen by the server."));
    }
    if !row.rules.client_may_modify && row.rules.origin == Origin::Server {
        return Err(failed(
            ResultReason::PermissionDenied,
            format!("The {name} attribute is set by the server alone."),
        ));
    }
    if !row.rules.applies_to.contains(record.object_type) {
        return Err(failed(
            ResultReason::PermissionDenied,
            format!("Objects of the type {} have no {name} attribute.", record.object_type),
        ));
    }
    if !row.multiple && row.slot(&record.attributes).count() > 0 {
        let reason = if version >= V2_0 {
            ResultReason::AttributeSingleValued
        } else {
            ResultReason::IllegalOperation
        };
        return Err(failed(reason, format!("The {name} attribute has its one value already.")));
    }
    // Names tell objects apart, so the same one twice says nothing (1.4 §3.2).
    if row.tag == Tag::Name && record.attributes.of_row(row).any(|own| own.stored() == new.stored()) {
        return Err(failed(ResultReason::IllegalOperation, "The object has that Name already."));
    }
    rules::timely(record, row)?;
    record.attributes.push(new);
    rules::conclude(record, now);
    let added = record.attributes.values(&AttributeReference::to(new)).pop();
    Ok(added.map(|(_, mut attribute)| {
        // The first value's index goes without saying, as in the standard's test cases.
        attribute.index = attribute.index.filter(|index| *index > 0);
        attribute
    }))
}
