//! SLUGS services of a build without the cargo feature `slugs`: they refuse each user, so that an enabled service never
//! becomes a permission.

use std::fmt;

/// The reason why a service refuses a user.
#[derive(Debug)]
pub struct Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build has no SLUGS support (cargo feature `slugs`)")
    }
}

impl std::error::Error for Error {}

/// A SLUGS service of the settings.
#[derive(Debug)]
pub struct Service {
    name: String,
}

impl Service {
    /// Returns the service of the section `name`.
    ///
    /// # Errors
    /// Returns none: the settings refuse an enabled service, and an embedded server refuses each user.
    pub fn new(name: &str, _url: Option<&str>) -> Result<Self, Error> {
        Ok(Self { name: name.to_owned() })
    }

    /// Returns the name of the section.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Refuses the user.
    ///
    /// # Errors
    /// Always returns [`Error`].
    pub fn groups(&self, _user: &str) -> Result<Option<Vec<String>>, Error> {
        Err(Error)
    }
}
