//! XML and JSON encodings of KMIP messages (Additional Message Encodings 1.0 §4.1 and §6.1, KMIP Profiles 2.1
//! §5.4 and §5.5).
//!
//! [`xml`] and [`json`] convert between text and TTLV bytes. They convert any item, including those with tags
//! that the standard does not define; they do not check whether a message is valid, which [`crate::kmip`]
//! does. [`Tree`] prints them in words, and [`mask`] removes their secrets.
//!
//! # Examples
//!
//! ```
//! use kmip_server::encoding::{json, xml};
//! use kmip_server::ttlv::{Tag, V1_2, Value, Writer};
//!
//! let mut writer = Writer::new(V1_2);
//! "7".to_owned().encode(Tag::UniqueIdentifier, &mut writer);
//! let message = writer.into_bytes();
//!
//! assert_eq!(xml::encode(&message)?, r#"<UniqueIdentifier type="TextString" value="7"/>"#);
//! assert_eq!(json::encode(&message)?, r#"{"tag":"UniqueIdentifier","type":"TextString","value":"7"}"#);
//! # Ok::<(), kmip_server::encoding::Error>(())
//! ```

mod date;
mod error;
pub mod json;
mod masking;
mod names;
mod tree;
mod value;
pub mod xml;

pub use error::Error;
pub use masking::mask;
#[cfg(feature = "management")]
pub(crate) use masking::{find_masked, is_masked_name};
pub use tree::{Line, Tree};

/// Returns `time` in the format of the HTTP header field Date (RFC 9110 §5.6.7).
pub(crate) fn http_date(time: crate::ttlv::DateTime) -> String {
    date::print_for_http(time.0)
}

/// Returns `time` as xsd:dateTime in UTC, as XML and JSON contain it.
#[cfg(feature = "management")]
pub(crate) fn iso_8601(time: crate::ttlv::DateTime) -> String {
    date::print(time.0)
}

/// Returns `time` as RFC 3339 date-time in UTC with milliseconds.
pub(crate) fn rfc_3339(time: std::time::SystemTime) -> String {
    let since_epoch = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or_default();
    date::print_precise(seconds, since_epoch.subsec_millis())
}
