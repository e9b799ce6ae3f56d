//! The errors of OpenSSL as text.

use std::fmt;

use openssl::error::ErrorStack;

/// The reasons for which OpenSSL failed: its constant texts, which contain no data of the connection.
#[derive(Debug, Default)]
pub struct Reasons(Vec<&'static str>);

impl Reasons {
    pub(super) fn of(errors: &ErrorStack) -> Self {
        Self(errors.errors().iter().filter_map(openssl::error::Error::reason).collect())
    }
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("unknown") } else { f.write_str(&self.0.join(", ")) }
    }
}
