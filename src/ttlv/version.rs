//! Protocol versions (KMIP 1.4 §6.1, 2.1 §9.16).
//!
//! The tables of tags (`tag.rs`), enumerations (`kmip/enums`) and structures (the ranged rows of
//! `structure!`) state the versions that define each entry.

use std::fmt;

/// A protocol version; versions are ordered by major number, then by minor number.
///
/// # Examples
///
/// ```
/// use kmip_server::ttlv::{SUPPORTED, V1_4, V2_1, Version};
///
/// let version = Version::new(1, 4);
/// assert_eq!(version, V1_4);
/// assert!(version < V2_1);
/// assert!(SUPPORTED.contains(&version));
/// assert_eq!(version.to_string(), "1.4");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Protocol Version Major.
    pub major: i32,
    /// Protocol Version Minor.
    pub minor: i32,
}

impl Version {
    /// Creates the version `major.minor`, whether or not the server supports it.
    pub const fn new(major: i32, minor: i32) -> Self {
        Self { major, minor }
    }

    /// Returns whether the server supports this version.
    pub fn is_supported(self) -> bool {
        SUPPORTED.contains(&self)
    }
}

/// KMIP 1.0.
pub const V1_0: Version = Version::new(1, 0);
/// KMIP 1.1.
pub const V1_1: Version = Version::new(1, 1);
/// KMIP 1.2.
pub const V1_2: Version = Version::new(1, 2);
/// KMIP 1.3.
pub const V1_3: Version = Version::new(1, 3);
/// KMIP 1.4.
pub const V1_4: Version = Version::new(1, 4);
/// KMIP 2.0.
pub const V2_0: Version = Version::new(2, 0);
/// KMIP 2.1.
pub const V2_1: Version = Version::new(2, 1);

/// The version of objects and attributes in the store: it has every row of every structure and attribute
/// table, in the form of 2.x, including rows that a later version removed. Never sent to or accepted from a
/// peer.
pub const STORED: Version = Version::new(i32::MAX, 0);

/// The versions that the server supports, in descending order, as Discover Versions lists them (1.4 §4.26,
/// 2.1 §6.1.16).
pub const SUPPORTED: [Version; 7] = [V2_1, V2_0, V1_4, V1_3, V1_2, V1_1, V1_0];

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_major_then_minor() {
        assert!(SUPPORTED.is_sorted_by(|newer, older| newer > older));
        assert!(STORED > V2_1);
    }

    #[test]
    fn supports_1_0_to_2_1_and_no_other_version() {
        for version in SUPPORTED {
            assert!(version.is_supported(), "{version}");
        }
        for other in [Version::new(0, 9), Version::new(1, 5), Version::new(2, 2), Version::new(3, 0), STORED]
        {
            assert!(!other.is_supported(), "{other}");
        }
    }
}
