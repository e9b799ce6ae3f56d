//! Delete Attribute (KMIP 1.4 §4.16, 2.1 §6.1.13): deletes one value of an attribute, or (2.x) all values.

use crate::compatibility::{Behavior, Difference};
use crate::engine::{Context, failed, invalid_field};
use crate::kmip::attributes::{Attribute, AttributeDefinition, AttributeReference};
use crate::kmip::enums::{ObjectType, ResultReason};
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};
use crate::store::Record;
use crate::ttlv::{Tag, V2_0, Version};

use super::{Operation, attribute_rules as rules};

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

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let (version, behavior) = (cx.version, cx.compatibility);
        let Request { unique_identifier, current, reference, index } = request;
        let (id, attribute) = cx.modify(unique_identifier.as_ref(), Self::CODE, |record, _| {
            // If a 2.x request contains both, the value takes precedence over the reference.
            let reference = current.as_ref().map(AttributeReference::to).or_else(|| reference.clone());
            let reference = reference.ok_or_else(|| {
                failed(ResultReason::InvalidMessage, "The request names no attribute to delete.")
            })?;
            let which = match &current {
                Some(current) => Which::Equal(current),
                None if version >= V2_0 => Which::All,
                None => Which::At(index.unwrap_or(0)),
            };
            match missing_as_pykmip(record, &reference, &which, version, behavior) {
                Some(outcome) => outcome,
                None => delete(record, &reference, which, version),
            }
        })?;
        // The response contains the index that the request contains, even if it is 0.
        let attribute = attribute.map(|mut attribute| {
            attribute.index = attribute.index.or(index.filter(|_| attribute.row.multiple));
            rules::in_response(cx, attribute)
        });
        Ok(Response { unique_identifier: id.into(), attribute })
    }
}

/// The values to delete.
enum Which<'a> {
    /// The value with this index.
    At(i32),
    /// The value that equals this one.
    Equal(&'a Attribute),
    /// All values.
    All,
}

/// Returns PyKMIP's outcome if the object does not have the attribute and the standard requires another one.
fn missing_as_pykmip(
    record: &Record,
    reference: &AttributeReference,
    which: &Which<'_>,
    version: Version,
    behavior: Behavior,
) -> Option<Result<Option<Attribute>, Error>> {
    let unsupported = |name: &str| {
        let message = format!("The object has no {name} attribute to delete.");
        behavior.has(Difference::UnsupportedDeletion).then(|| Err(invalid_field(message)))
    };
    let row = match reference {
        AttributeReference::Standard(row) => row,
        // PyKMIP knows this name, but no attribute that has it.
        AttributeReference::Vendor(_, name) | AttributeReference::Unknown(name) => {
            return if name == "Custom Attribute" { unsupported(name) } else { None };
        }
    };
    let count = row.slot(&record.attributes).count();
    let exists = count > 0;
    let is_inapplicable = !applies_in_pykmip(row.tag, record.object_type);
    // A value that PyKMIP does not store can be deleted.
    let is_addition = row.rules.client_may_delete && exists;
    if is_inapplicable && !is_addition && behavior.has(Difference::InapplicableDeletion) {
        let message = format!("Objects of the type {} have no {} attribute.", record.object_type, row.name);
        return Some(Err(failed(ResultReason::ItemNotFound, message)));
    }
    let is_missing =
        matches!(which, Which::At(index) if usize::try_from(*index).is_ok_and(|index| index >= count));
    if is_missing
        && exists
        && row.exists_in(version)
        && rules::is_stored_by_pykmip(row.tag, record.object_type)
        && behavior.has(Difference::IndexOfMissingInstance)
    {
        let message = format!("The object does not have this instance of the {} attribute.", row.name);
        return Some(Err(failed(ResultReason::ItemNotFound, message)));
    }
    let is_deletable = row.rules.client_may_delete && row.rules.applies_to.contains(record.object_type);
    if !is_deletable || exists {
        return None;
    }
    match row.tag {
        Tag::Name | Tag::ObjectGroup | Tag::ApplicationSpecificInformation => {
            let is_reference = matches!(which, Which::All);
            (is_reference && behavior.has(Difference::DeletionOfNothing)).then_some(Ok(None))
        }
        _ => unsupported(row.name),
    }
}

/// Returns whether objects of that type can have the attribute in PyKMIP.
fn applies_in_pykmip(tag: Tag, object_type: ObjectType) -> bool {
    use ObjectType as T;
    match tag {
        Tag::CryptographicAlgorithm | Tag::CryptographicLength | Tag::CryptographicParameters => {
            !matches!(object_type, T::SecretData | T::OpaqueObject)
        }
        Tag::CryptographicUsageMask | Tag::ActivationDate | Tag::DeactivationDate => {
            object_type != T::OpaqueObject
        }
        Tag::ProcessStartDate | Tag::ProtectStopDate => {
            matches!(object_type, T::SymmetricKey | T::SplitKey | T::Template)
        }
        _ => true,
    }
}

/// Deletes the values and returns the first of them, with its index.
fn delete(
    record: &mut Record,
    reference: &AttributeReference,
    which: Which<'_>,
    version: Version,
) -> Result<Option<Attribute>, Error> {
    let row = deletable(reference, record.object_type, version)?;
    rules::timely(record, row)?;
    let values = record.attributes.values(reference);
    let meant: Vec<_> = match which {
        Which::At(index) => {
            usize::try_from(index).ok().and_then(|index| values.into_iter().nth(index)).into_iter().collect()
        }
        Which::Equal(current) => {
            values.into_iter().filter(|(_, own)| own.stored() == current.stored()).take(1).collect()
        }
        Which::All => values,
    };
    if meant.is_empty() {
        return Err(failed(
            ResultReason::ItemNotFound,
            format!("The object does not have this value of the {reference} attribute."),
        ));
    }
    let slot = row.slot_mut(&mut record.attributes);
    // From the last to the first, so that the other positions remain valid.
    for (position, _) in meant.iter().rev() {
        slot.remove(*position);
    }
    Ok(meant.into_iter().next().map(|(_, attribute)| attribute))
}

/// The row of the attribute, if a client can delete it from objects of that type.
fn deletable(
    reference: &AttributeReference,
    object_type: ObjectType,
    version: Version,
) -> Result<&'static AttributeDefinition, Error> {
    let missing = || {
        failed(
            ResultReason::ItemNotFound,
            format!("Objects of the type {object_type} have no {reference} attribute."),
        )
    };
    let row = reference.row().filter(|row| row.rules.applies_to.contains(object_type)).ok_or_else(missing)?;
    // PyKMIP returns this also for attributes that the version does not define.
    if !row.rules.client_may_delete {
        return Err(failed(
            ResultReason::PermissionDenied,
            format!("The {reference} attribute cannot be deleted."),
        ));
    }
    if row.exists_in(version) { Ok(row) } else { Err(missing()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::*;
    use crate::ttlv::{V1_2, V1_4, V2_1};

    fn reference(name: &str) -> AttributeReference {
        AttributeReference::named(name)
    }

    #[test]
    fn deletes_by_index_by_value_or_by_reference() {
        let mut key = key();
        let deleted = delete(&mut key, &reference("x-colour"), Which::At(1), V1_2).unwrap();
        assert_eq!(
            deleted.map(|it| (it.name().into_owned(), it.index)),
            Some(("x-colour".to_owned(), Some(1)))
        );
        assert_eq!((customs(&key, "colour"), customs(&key, "shape").len()), (vec!["red".to_owned()], 1));
        delete(&mut key, &reference("Name"), Which::Equal(&named("first")), V2_1).unwrap();
        assert_eq!(names(&key), ["second"]);

        let mut key = self::key();
        delete(&mut key, &reference("x-colour"), Which::All, V2_1).unwrap();
        assert_eq!((customs(&key, "colour").len(), customs(&key, "shape").len()), (0, 1));
        delete(&mut key, &reference("Name"), Which::All, V2_1).unwrap();
        assert!(names(&key).is_empty());
    }

    #[test]
    fn reports_missing_values_and_attributes_as_not_found() {
        let mut key = key();
        let mut not_found = |name: &str, which: Which<'_>, version| {
            let outcome = delete(&mut key, &reference(name), which, version);
            assert_eq!(reason(outcome), ResultReason::ItemNotFound, "{name} in {version}");
        };
        not_found("Name", Which::At(2), V1_2);
        not_found("Name", Which::At(-1), V1_2);
        not_found("Name", Which::Equal(&named("none")), V2_1);
        not_found("Contact Information", Which::At(0), V1_2);
        not_found("Contact Information", Which::All, V2_1);
        not_found("Comment", Which::At(0), V1_2);
        not_found("Certificate Type", Which::At(0), V1_2);
        not_found("No Such Attribute", Which::At(0), V1_2);
        not_found("Link", Which::All, V2_1);
        not_found("x-no-such-attribute", Which::All, V2_1);
    }

    #[test]
    fn rejects_deletion_of_required_attributes() {
        let mut key = key();
        for (name, version) in [
            ("State", V1_2),
            ("Cryptographic Length", V2_1),
            ("Sensitive", V1_2),
            ("Operation Policy Name", V2_1),
        ] {
            let outcome = delete(&mut key, &reference(name), Which::All, version);
            assert_eq!(reason(outcome), ResultReason::PermissionDenied, "{name} in {version}");
        }
        assert_eq!(AttributeDefinition::of(Tag::Sensitive).map(|row| row.exists_in(V1_4)), Some(true));
    }
}
