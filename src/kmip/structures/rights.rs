//! Rights: the operations and objects that a user delegates by a ticket (KMIP 2.1 §7.21, §7.25, §7.34 and
//! §7.35).

use super::{ObjectGroups, UniqueIdentifier, UsageLimits};
use crate::kmip::enums::Operation;
use crate::kmip::macros::structure;
use crate::ttlv::V2_1;

structure! {
    /// Operations (KMIP 2.1 §7.25).
    pub struct Operations {
        Operation => operations: Vec<Operation>,
    }
}

structure! {
    /// Objects (KMIP 2.1 §7.21).
    pub struct Objects {
        UniqueIdentifier => objects: Vec<UniqueIdentifier>,
    }
}

structure! {
    /// Right: an absent field is no restriction (KMIP 2.1 §7.34).
    pub struct Right {
        UsageLimits => usage_limits: Option<UsageLimits>,
        Operations => operations: Option<Operations>,
        Objects => objects: Option<Objects>,
        ObjectGroups[V2_1..] => object_groups: Option<ObjectGroups>,
    }
}

structure! {
    /// Rights: an operation is permitted if at least one of them permits it (KMIP 2.1 §7.35).
    pub struct Rights {
        Right => rights: Vec<Right>,
    }
}

/// The object of an operation, for a check of rights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RightsTarget<'a> {
    /// The identifier of the object; `None` for a new object, and for all objects.
    pub(crate) identifier: Option<&'a str>,
    /// The Object Groups of the object.
    pub(crate) groups: &'a [String],
}

impl Right {
    fn includes_operation(&self, operation: Operation) -> bool {
        self.operations.as_ref().is_none_or(|named| named.operations.contains(&operation))
    }

    fn includes_target(&self, target: RightsTarget<'_>) -> bool {
        let object = self.objects.as_ref().is_none_or(|named| {
            target.identifier.is_some_and(|id| named.objects.iter().any(|object| object.text() == Some(id)))
        });
        let group = self
            .object_groups
            .as_ref()
            .is_none_or(|named| named.groups.iter().any(|group| target.groups.contains(group)));
        object && group
    }
}

impl Rights {
    /// Returns whether the operation is permitted for at least one object.
    pub(crate) fn permit(&self, operation: Operation) -> bool {
        self.rights.iter().any(|right| right.includes_operation(operation))
    }

    /// Returns whether the operation is permitted for `target`.
    pub(crate) fn permit_to(&self, operation: Operation, target: RightsTarget<'_>) -> bool {
        self.rights.iter().any(|right| right.includes_operation(operation) && right.includes_target(target))
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
    fn a_single_right_must_include_both_the_operation_and_the_object() {
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
        assert!(!rights.permit_to(Operation::Get, new(&[])), "a new object has no identifier yet");
        assert!(rights.permit_to(Operation::Encrypt, new(&lent)));
    }

    #[test]
    fn absent_fields_do_not_restrict_and_empty_rights_permit_nothing() {
        let all = Rights { rights: vec![right(None, None, None)] };
        let anything = RightsTarget { identifier: None, groups: &[] };
        assert!(all.permit_to(Operation::Destroy, anything));
        let none = Rights { rights: Vec::new() };
        assert!(!none.permit(Operation::Get) && !none.permit_to(Operation::Get, anything));
        let nothing = Rights { rights: vec![right(Some(&[]), None, None)] };
        assert!(!nothing.permit(Operation::Get));
    }
}
