//! Modify Attribute (KMIP 1.4 §4.15, 2.1 §6.1.34): another value in place of one that is there.

use crate::engine::{Context, failed, invalid_field};
use crate::kmip::attributes::{Attribute, AttributeReference};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{DateTime, V2_0, Version};

use super::{Operation, attribute_rules as rules};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CurrentAttribute[V2_0..] => current: Option<Attribute>,
        NewAttribute => new: Attribute,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attribute[..V2_0] => attribute: Option<Attribute>,
    }
}

pub(super) struct ModifyAttribute;

impl Operation for ModifyAttribute {
    const CODE: enums::Operation = enums::Operation::ModifyAttribute;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let version = cx.version;
        let Request { unique_identifier, current, new } = request;
        let (id, attribute) = cx.modify(unique_identifier.as_ref(), Self::CODE, |record, now| {
            modify(record, current.as_ref(), &new, version, now)
        })?;
        Ok(Response { unique_identifier: id.into(), attribute: Some(attribute) })
    }
}

/// Replaces the value and gives the new one with its index.
fn modify(
    record: &mut Record,
    current: Option<&Attribute>,
    new: &Attribute,
    version: Version,
    now: DateTime,
) -> Result<Attribute, Error> {
    rules::known(new, version)?;
    if !new.row.rules.client_may_modify {
        return Err(failed(
            ResultReason::PermissionDenied,
            format!("The {} attribute is read-only.", new.name()),
        ));
    }
    let (position, index) =
        if version >= V2_0 { by_value(record, current, new)? } else { by_index(record, new)? };
    rules::timely(record, new.row)?;
    record.attributes.replace(position, new);
    rules::conclude(record, now);
    let mut modified = new.clone();
    // Clients that name an index, 0 included, find it in the answer.
    modified.index = index.or(new.index.filter(|_| new.row.multiple));
    Ok(modified)
}

/// The position of the value that a 2.x request means, by the value itself.
fn by_value(
    record: &Record,
    current: Option<&Attribute>,
    new: &Attribute,
) -> Result<(usize, Option<i32>), Error> {
    if current.is_none() && new.row.multiple {
        return Err(failed(
            ResultReason::AttributeInstanceNotFound,
            format!("Which value of the {} attribute is meant? The current one has to be given.", new.name()),
        ));
    }
    let values = record.attributes.values(&AttributeReference::to(new));
    let mut meant = values.into_iter().filter(|(_, own)| {
        current.is_none_or(|current| current.row == own.row && current.stored() == own.stored())
    });
    let (position, found) = meant.next().ok_or_else(|| {
        failed(
            ResultReason::AttributeNotFound,
            format!("The object has no such value of the {} attribute.", new.name()),
        )
    })?;
    Ok((position, found.index))
}

/// The position of the value that a 1.x request means, by its index.
fn by_index(record: &Record, new: &Attribute) -> Result<(usize, Option<i32>), Error> {
    let index = new.index.unwrap_or(0);
    if !new.row.multiple && index != 0 {
        return Err(invalid_field(format!(
            "The {} attribute has one value; its index can only be 0.",
            new.name()
        )));
    }
    let values = record.attributes.values(&AttributeReference::to(new));
    let meant = usize::try_from(index).ok().and_then(|index| values.into_iter().nth(index));
    let (position, found) = meant.ok_or_else(|| {
        let reason = if new.row.multiple { ResultReason::ItemNotFound } else { ResultReason::InvalidField };
        failed(reason, format!("The object has no {} attribute with the index {index}.", new.name()))
    })?;
    Ok((position, found.index))
}
