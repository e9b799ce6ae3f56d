//! Messages as XML and as JSON: the same items as in TTLV, spelled in text (KMIP Additional Message Encodings 1.0
//! §4.1 and §6.1, KMIP Profiles 2.1 §5.4 and §5.5).
//!
//! Any item can be spelled, known or not. What an item means in its place is left to [`crate::kmip`]; only names are
//! looked up there. [`xml`] and [`json`] know the two notations, `value` the notation of values, `names` that of
//! tags and numbers.

mod date;
mod error;
pub mod json;
mod names;
mod value;
pub mod xml;

pub use error::Error;

/// A moment as the Date field of HTTP has it (RFC 9110 §5.6.7).
pub(crate) fn http_date(moment: crate::ttlv::DateTime) -> String {
    date::print_for_http(moment.0)
}

/// The element or object that holds an item of a tag without name in the general form of XML (§6.1.6).
const GENERAL_ELEMENT: &str = "TTLV";

/// What the values of a structure's `AttributeValue` mean: a 1.x attribute is told by its name alone, and the type
/// and the enumeration of its value follow from it (KMIP 1.4 §2.1.1).
#[derive(Clone, Copy, Default)]
struct Siblings {
    attribute: Option<crate::ttlv::Tag>,
}

impl Siblings {
    /// Takes note of an item of the structure.
    fn note(&mut self, tag: crate::ttlv::Tag, text: &str) {
        if tag == crate::ttlv::Tag::AttributeName {
            self.attribute = names::attribute(text);
        }
    }

    /// The tag that the value of an item behind `tag` is named after.
    fn meaning(self, tag: crate::ttlv::Tag) -> crate::ttlv::Tag {
        match self.attribute {
            Some(attribute) if tag == crate::ttlv::Tag::AttributeValue => attribute,
            _ => tag,
        }
    }
}
