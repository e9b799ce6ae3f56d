//! How long a lease lasts (KMIP 1.4 §3.20, 2.1 §4.30).

use crate::ttlv::Interval;

/// The lease of every new object, and the longest that is given: one hour. A client that keeps to it learns of a
/// revocation within that time, and asks rarely enough not to be a burden.
pub const LONGEST: Interval = Interval(3_600);
