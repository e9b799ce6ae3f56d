//! Get Attributes (KMIP 1.4 §4.12, 2.1 §6.1.20): returns the values of an object's attributes.

use std::collections::HashSet;

use crate::compatibility::Difference;
use crate::engine::{Context, failed, reported_values};
use crate::kmip::attributes::{AttributeList, AttributeReference};
use crate::kmip::enums::ResultReason;
use crate::kmip::structures::UniqueIdentifier;
use crate::kmip::{Error, enums, structure};

use super::{Operation, attribute_rules as rules};

structure! {
    /// Request Payload.
    pub struct Request {
        UniqueIdentifier => unique_identifier: Option<UniqueIdentifier>,
        AttributeReference => attribute_references: Vec<AttributeReference>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        UniqueIdentifier => unique_identifier: UniqueIdentifier,
        Attributes => attributes: AttributeList,
    }
}

pub(super) struct GetAttributes;

impl Operation for GetAttributes {
    const CODE: enums::Operation = enums::Operation::GetAttributes;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let granted = cx.open(request.unique_identifier.as_ref(), Self::CODE)?;
        let mut references = request.attribute_references;
        if !cx.compatibility.has(Difference::RepeatedAttributeName)
            && let Some(twice) = repeated(&references)
        {
            return Err(failed(
                ResultReason::InvalidMessage,
                format!("The request names the {twice} attribute twice."),
            ));
        }
        if references.is_empty() {
            references = rules::reported(cx, &granted);
        }
        let there = references.iter().filter(|reference| {
            // Attributes that the version does not define are ignored, like unknown ones.
            reference.row().is_some_and(|row| row.exists_in(cx.version))
        });
        let values = reported_values(&granted.attributes, there)?.into_iter();
        let attributes = AttributeList(values.map(|value| rules::in_response(cx, value)).collect());
        Ok(Response { unique_identifier: granted.id.into(), attributes })
    }
}

/// Returns the first reference that repeats an earlier one.
fn repeated(references: &[AttributeReference]) -> Option<&AttributeReference> {
    let mut seen = HashSet::new();
    references.iter().find(|reference| !seen.insert(reference.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::key;

    #[test]
    fn finds_a_repeated_reference() {
        let named = AttributeReference::named;
        assert_eq!(repeated(&[named("Name"), named("State"), named("x-a"), named("x-b")]), None);
        assert_eq!(repeated(&[named("x-a"), named("State"), named("x-a")]), Some(&named("x-a")));
    }

    #[test]
    fn returns_index_0_only_for_standard_attributes_with_several_values() {
        let key = key();
        let indices = |name: &str| -> Vec<Option<i32>> {
            let values = key.attributes.values(&AttributeReference::named(name)).into_iter();
            values.map(|(_, value)| value.index).collect()
        };
        assert_eq!(indices("Name"), [Some(0), Some(1)]);
        assert_eq!(indices("Object Group"), [Some(0)]);
        assert_eq!(indices("x-colour"), [None, Some(1)], "counted by their names");
        assert_eq!(indices("x-shape"), [None]);
        assert_eq!(indices("State"), [None], "single-instance");
    }
}
