//! Rights: what a user lets whoever has a ticket do in its name (KMIP 2.1 §7.21, §7.25, §7.34, §7.35).

use super::{ObjectGroups, UniqueIdentifier, UsageLimits};
use crate::kmip::enums::Operation;
use crate::kmip::macros::structure;
use crate::ttlv::V2_1;

structure! {
    /// Operations (2.1 §7.25).
    pub struct Operations {
        Operation => operations: Vec<Operation>,
    }
}

structure! {
    /// Objects (2.1 §7.21).
    pub struct Objects {
        UniqueIdentifier => objects: Vec<UniqueIdentifier>,
    }
}

structure! {
    /// Right (2.1 §7.34): what is left out is not restricted.
    pub struct Right {
        UsageLimits => usage_limits: Option<UsageLimits>,
        Operations => operations: Option<Operations>,
        Objects => objects: Option<Objects>,
        ObjectGroups[V2_1..] => object_groups: Option<ObjectGroups>,
    }
}

structure! {
    /// Rights (2.1 §7.35): one of them is enough.
    pub struct Rights {
        Right => rights: Vec<Right>,
    }
}

/// What an operation is done to, as far as rights speak of it.
#[derive(Clone, Copy, Debug)]
pub struct RightsTarget<'a> {
    /// The identifier of the object; none for one that is not there yet, and for all that there are.
    pub identifier: Option<&'a str>,
    /// The groups that it is in.
    pub groups: &'a [String],
}

impl Right {
    fn is_to(&self, operation: Operation) -> bool {
        self.operations.as_ref().is_none_or(|named| named.operations.contains(&operation))
    }

    fn is_about(&self, subject: RightsTarget<'_>) -> bool {
        let object = self.objects.as_ref().is_none_or(|named| {
            subject.identifier.is_some_and(|id| named.objects.iter().any(|object| object.text() == Some(id)))
        });
        let group = self
            .object_groups
            .as_ref()
            .is_none_or(|named| named.groups.iter().any(|group| subject.groups.contains(group)));
        object && group
    }
}

impl Rights {
    /// Whether there is anything that the operation may be done to.
    pub fn permit(&self, operation: Operation) -> bool {
        self.rights.iter().any(|right| right.is_to(operation))
    }

    /// Whether the operation may be done to that.
    pub fn permit_to(&self, operation: Operation, subject: RightsTarget<'_>) -> bool {
        self.rights.iter().any(|right| right.is_to(operation) && right.is_about(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(operations: Option<&[Operation]>, object: Option<&str>, group: Option<&str>) -> Right {
        Right {
            usage_limits: None,
            operations: operations.map(|named| Operations { operations: named.to_vec() }),
            objects: object.map(|id| Objects { objects: vec![id.to_owned().into()] }),
            object_groups: group.map(|group| ObjectGroups { groups: vec![group.to_owned()] }),
        }
    }

    #[test]
    fn one_right_has_to_allow_the_operation_and_its_object_at_once() {
        let first = right(Some(&[Operation::Get]), Some("1"), None);
        let rights = Rights { rights: vec![first, right(Some(&[Operation::Encrypt]), None, Some("lent"))] };
        let lent = ["lent".to_owned()];
        let one = |groups| RightsTarget { identifier: Some("1"), groups };
        assert!(rights.permit(Operation::Get) && !rights.permit(Operation::Destroy));
        assert!(rights.permit_to(Operation::Get, one(&[])));
        assert!(!rights.permit_to(Operation::Encrypt, one(&[])));
        assert!(rights.permit_to(Operation::Encrypt, one(&lent)));
        let two = |groups| RightsTarget { identifier: Some("2"), groups };
        assert!(!rights.permit_to(Operation::Get, two(&lent)));
        assert!(rights.permit_to(Operation::Encrypt, two(&lent)));
        let new = |groups| RightsTarget { identifier: None, groups };
        assert!(!rights.permit_to(Operation::Get, new(&[])), "no new object is one that is named");
        assert!(rights.permit_to(Operation::Encrypt, new(&lent)));
    }

    #[test]
    fn what_is_left_out_is_not_restricted_and_no_right_allows_nothing() {
        let all = Rights { rights: vec![right(None, None, None)] };
        let anything = RightsTarget { identifier: None, groups: &[] };
        assert!(all.permit_to(Operation::Destroy, anything));
        let none = Rights { rights: Vec::new() };
        assert!(!none.permit(Operation::Get) && !none.permit_to(Operation::Get, anything));
        let nothing = Rights { rights: vec![right(Some(&[]), None, None)] };
        assert!(!nothing.permit(Operation::Get));
    }
}
