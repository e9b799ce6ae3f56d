//! Protocol versions: the pair every message opens with (KMIP 1.4 §6.1, 2.1 §8.20), ordered.
//!
//! Which versions the server speaks is [`SUPPORTED`]; what a version holds is told by the tables that
//! name one (`tag.rs`, `kmip/enums`, the ranged rows of `structure!`).

use std::fmt;

/// A protocol version, major number first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Protocol Version Major.
    pub major: i32,
    /// Protocol Version Minor.
    pub minor: i32,
}

impl Version {
    /// The version `major.minor`, spoken by this server or not.
    pub const fn new(major: i32, minor: i32) -> Self {
        Self { major, minor }
    }

    /// The version by whose rules a message that names this one is read and answered: 2.1 for 3.0, itself for every
    /// other. What 3.0 shares with 2.1 works, and what it changed is not known here.
    pub fn processed_as(self) -> Self {
        if self == V3_0 { V2_1 } else { self }
    }

    /// Whether a message that names the version is answered.
    pub fn is_accepted(self) -> bool {
        SUPPORTED.contains(&self.processed_as())
    }
}

/// KMIP 1.0
pub const V1_0: Version = Version::new(1, 0);
/// KMIP 1.1
pub const V1_1: Version = Version::new(1, 1);
/// KMIP 1.2
pub const V1_2: Version = Version::new(1, 2);
/// KMIP 1.3
pub const V1_3: Version = Version::new(1, 3);
/// KMIP 1.4
pub const V1_4: Version = Version::new(1, 4);
/// KMIP 2.0
pub const V2_0: Version = Version::new(2, 0);
/// KMIP 2.1
pub const V2_1: Version = Version::new(2, 1);
/// KMIP 3.0, which is [understood as](Version::processed_as) 2.1 and not among the [`SUPPORTED`].
pub const V3_0: Version = Version::new(3, 0);

/// The form in which the store keeps objects and attributes: every row of every table, whatever version
/// brought it or dropped it, in the dialect of 2.x. Never sent and never accepted from a peer.
pub const STORED: Version = Version::new(i32::MAX, 0);

/// The versions this server speaks, newest first, as Discover Versions lists them.
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
        assert!(STORED > V3_0);
    }

    #[test]
    fn a_version_that_is_named_is_answered_by_the_rules_of_one_that_is_spoken() {
        for version in SUPPORTED {
            assert_eq!(version.processed_as(), version);
        }
        assert_eq!(V3_0.processed_as(), V2_1);
        assert!(V3_0.is_accepted() && !SUPPORTED.contains(&V3_0));
        for other in [Version::new(0, 9), Version::new(1, 5), Version::new(2, 2), Version::new(3, 1), STORED]
        {
            assert!(!other.is_accepted(), "{other}");
        }
    }
}
