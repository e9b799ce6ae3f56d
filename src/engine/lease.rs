//! The Lease Time of objects (KMIP 1.4 §3.20, 2.1 §4.30).

use crate::ttlv::Interval;

/// The Lease Time of every new object, and the longest that Obtain Lease grants: one hour. A client that renews its lease
/// in time learns of a revocation within an hour.
pub const MAX_LEASE_TIME: Interval = Interval(3_600);
