//! Delete Attribute (KMIP 1.4 §4.16, 2.1 §6.1.13): one value of an attribute goes, or (2.x) all of them.

use crate::engine::{Context, failed};
use crate::kmip::attributes::{Attribute, AttributeReference, Row};
use crate::kmip::enums::{ObjectType, ResultReason};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{V2_0, Version};

use super::Operation;

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        CurrentAttribute[V2_0..] => current: Option<Attribute>,
        AttributeReference => reference: Option<AttributeReference>,
        AttributeIndex[..V2_0] => index: Option<i32>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attribute[..V2_0] => attribute: Option<Attribute>,
    }
}

pub(super) struct DeleteAttribute;

impl Operation for DeleteAttribute {
    const CODE: enums::Operation = enums::Operation::DeleteAttribute;
    type Request = Request;
    type Response = Response;

    fn run(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let version = cx.version;
        let Request { unique_identifier, current, reference, index } = request;
        let (id, attribute) = cx.modify(unique_identifier.as_ref(), Self::CODE, |record, _| {
            // Where a 2.x request has both, the value says more than the reference.
            let reference = current.as_ref().map(AttributeReference::to).or(reference).ok_or_else(|| {
                failed(ResultReason::InvalidMessage, "The request does not say which attribute to delete.")
            })?;
            let which = match &current {
                Some(current) => Which::Equal(current),
                None if version >= V2_0 => Which::All,
                None => Which::At(index.unwrap_or(0)),
            };
            delete(record, &reference, which, version)
        })?;
        // Clients that name an index, 0 included, find it in the answer.
        let attribute = attribute.map(|mut attribute| {
            attribute.index = attribute.index.or(index.filter(|_| attribute.row.multiple));
            attribute
        });
        Ok(Response { unique_identifier: id.into(), attribute })
    }
}

/// Which values of the attribute are meant.
enum Which<'a> {
    /// The one with that index.
    At(i32),
    /// The one that equals this.
    Equal(&'a Attribute),
    /// Every one.
    All,
}

/// Deletes the values and gives the first of them, with its index.
fn delete(
    record: &mut Record,
    reference: &AttributeReference,
    which: Which<'_>,
    version: Version,
) -> Result<Option<Attribute>, Error> {
    let row = deletable(reference, record.object_type, version)?;
    let values = record.attributes.values(reference);
    let meant: Vec<_> = match which {
        Which::At(index) => {
            usize::try_from(index).ok().and_then(|index| values.into_iter().nth(index)).into_iter().collect()
        }
        Which::Equal(current) => {
            values.into_iter().filter(|(_, own)| own.stored() == current.stored()).take(1).collect()
        }
        // No values are all values, too: clients delete an attribute that can have several without looking.
        Which::All if row.multiple && values.is_empty() => return Ok(None),
        Which::All => values,
    };
    if meant.is_empty() {
        return Err(failed(
            ResultReason::ItemNotFound,
            format!("The object has no such value of the {reference} attribute."),
        ));
    }
    let slot = row.slot_mut(&mut record.attributes);
    // From the last, so that the positions of the others stay what they are.
    for (position, _) in meant.iter().rev() {
        slot.remove(*position);
    }
    Ok(meant.into_iter().next().map(|(_, attribute)| attribute))
}

/// The row of the attribute, if a client may delete it from objects of that type.
fn deletable(
    reference: &AttributeReference,
    object_type: ObjectType,
    version: Version,
) -> Result<&'static Row, Error> {
    let missing = || {
        failed(
            ResultReason::ItemNotFound,
            format!("Objects of the type {object_type} have no {reference} attribute."),
        )
    };
    let row = reference.row().filter(|row| row.rules.applies_to.contains(object_type)).ok_or_else(missing)?;
    // PyKMIP says so of attributes that the version does not have, too.
    if !row.rules.client_may_delete {
        return Err(failed(
            ResultReason::PermissionDenied,
            format!("The {reference} attribute cannot be deleted."),
        ));
    }
    if row.exists_in(version) { Ok(row) } else { Err(missing()) }
}
