//! How an object leaves the server: in the Key Format Type, the compression and the wrapping that a client requests
//! (KMIP 1.4 §4.11, 2.1 §6.1.18 and §6.1.19), if the object may leave it in that form.

use crate::kmip::enums::{KeyCompressionType, KeyFormatType, KeyWrapType, ResultReason, WrappingMethod};
use crate::kmip::{Error, KeyWrappingSpecification, Object};
use crate::store::Record;

use super::context::Context;
use super::error::{failed, invalid_field, not_found};
use super::{container, key, wrapping};

/// The form in which a client requests an object (1.4 §4.11, 2.1 §6.1.18 and §6.1.19).
#[derive(Clone, Debug)]
pub struct GetOptions {
    /// Key Format Type.
    pub format: Option<KeyFormatType>,
    /// Key Wrap Type.
    pub wrap_type: Option<KeyWrapType>,
    /// Key Compression Type.
    pub compression: Option<KeyCompressionType>,
    /// Key Wrapping Specification.
    pub wrapping: Option<KeyWrappingSpecification>,
}

impl GetOptions {
    /// Returns the record's object in the requested form. A sensitive object leaves the server only encrypted; an
    /// object that is not extractable does not leave it.
    ///
    /// # Errors
    /// Returns Sensitive, Not Extractable, Invalid Field if the Key Wrapping Specification contradicts the Key Wrap
    /// Type, and the errors of [`key::convert`] and [`wrapping::wrap`].
    pub fn apply(&self, cx: &mut Context<'_>, record: &Record) -> Result<Object, Error> {
        let Record { id, attributes, object, .. } = record;
        let object = object.as_ref().ok_or_else(|| not_found(&id.to_string()))?;
        if attributes.extractable == Some(false) {
            return Err(failed(ResultReason::NotExtractable, "The object is not extractable."));
        }
        let wrapped = object.key_block().is_some_and(|block| block.key_wrapping_data.is_some());
        let stays_wrapped = wrapped && self.wrap_type != Some(KeyWrapType::NotWrapped);
        let encrypts = match &self.wrapping {
            Some(specification) => specification.wrapping_method != WrappingMethod::MacSign,
            None => stays_wrapped,
        };
        if !encrypts && attributes.sensitive == Some(true) {
            return Err(failed(
                ResultReason::Sensitive,
                "The object is sensitive; request it with a Key Wrapping Specification.",
            ));
        }
        let mut object = object.clone();
        let Some(specification) = &self.wrapping else {
            if wrapped && !stays_wrapped {
                object = wrapping::unwrap(cx, object)?;
            }
            let stored = object.key_block().map(|block| block.key_format_type);
            if self.format == Some(KeyFormatType::Pkcs12) && stored != self.format {
                return container::pkcs12(cx, &object, attributes);
            }
            return key::convert(object, self.format, self.compression);
        };
        if self.wrap_type == Some(KeyWrapType::AsRegistered) {
            return Err(invalid_field(
                "A Key Wrapping Specification and the Key Wrap Type As Registered contradict each other.",
            ));
        }
        let registered_field = wrapping::wrapped_field(&object);
        object = key::convert(wrapping::unwrap(cx, object)?, self.format, self.compression)?;
        wrapping::wrap(cx, object, registered_field, attributes, specification)
    }
}
