//! A managed object as the store keeps it.

use std::fmt;

use crate::kmip::Object;
use crate::kmip::attributes::Attributes;
use crate::kmip::enums::ObjectType;
use crate::kmip::structures::UniqueIdentifier;

/// The policy of objects that name none.
pub const DEFAULT_POLICY: &str = "default";

/// The server's number of an object: 1, 2, 3 …, never given twice. Its decimal digits are the object's
/// Unique Identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

impl Id {
    /// The object that a Unique Identifier names; none for a text that this server never gave.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.parse().ok().filter(|id| *id > 0).map(Self)?;
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Id> for UniqueIdentifier {
    fn from(id: Id) -> Self {
        Self::Text(id.to_string())
    }
}

/// A managed object: who owns it, what is known about it, and the object itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number.
    pub id: Id,
    /// The user who made it.
    pub owner: String,
    /// What it is. Kept apart from the attributes, because every decision about access asks for it.
    pub object_type: ObjectType,
    /// Its attributes; Unique Identifier, Object Type and Operation Policy Name among them.
    pub attributes: Attributes,
    /// The object; none once it is destroyed.
    pub object: Option<Object>,
}

impl Record {
    /// The name of the operation policy that says who may do what with the object.
    pub fn policy(&self) -> &str {
        self.attributes.operation_policy_name.as_deref().unwrap_or(DEFAULT_POLICY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_wrote_is_an_identifier() {
        assert_eq!(Id::parse("12"), Some(Id(12)));
        for text in ["", "0", "-1", "+1", "01", " 1", "1 ", "one", "99999999999999999999"] {
            assert_eq!(Id::parse(text), None, "{text:?}");
        }
    }
}
