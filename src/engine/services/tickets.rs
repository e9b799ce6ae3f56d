//! Tickets: Login issues them, a request header shows them, and Logout ends them (KMIP 2.1 §6.1.30, §6.1.31, §7.39,
//! §9.4).
//!
//! A ticket is random and valid only for the user who logged in, in addition to that user's certificate; every user
//! can use a ticket of Delegated Login. Only digests of tickets are kept, in memory, bounded in number and
//! lifetime. Tickets do not survive a restart of the server, and Undo of a batch does not restore them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::bounded_map::{BoundedMap, Bounds, WhenFull};
use crate::crypto::hash::Hash;
use crate::crypto::random;
use crate::kmip::enums::{ResultReason, TicketType};
use crate::kmip::structures::{Rights, Ticket};
use crate::kmip::{Error, Principal};
use crate::lock::IgnorePoison;
use crate::ttlv::{STORED, Tag, Value, Writer};

use super::super::error::{failed, invalid_field};

/// The longest lease of a ticket, one day; it also replaces a longer requested lease.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 3_600);

/// The maximum number of tickets of one user. One more evicts the oldest, so that a client that never logs out does
/// not lock itself out.
pub const MAX_PER_USER: usize = 64;

const BOUNDS: Bounds = Bounds {
    capacity: 4096,
    when_full: WhenFull::Refuse,
    share: MAX_PER_USER,
    when_share_used: WhenFull::EvictOldest,
};

/// The maximum length of a ticket's rights in bytes; they stay in memory as long as the ticket.
pub const MAX_RIGHTS: usize = 16 << 10;

/// The message of a refusal because of a ticket.
pub const INVALID: &str = "The ticket in the request is not valid; log in again.";

/// The length of a ticket's value: 32 random bytes.
const LENGTH: usize = 32;

/// The valid tickets, by the digests of their values.
pub struct Tickets(Mutex<Table>);

type Table = BoundedMap<Vec<u8>, Issued>;

/// A ticket that was issued.
struct Issued {
    user: String,
    /// The number of requests that may still show it, or `None` for any number.
    uses_left: Option<u32>,
    /// The delegation behind a ticket of Delegated Login.
    delegation: Option<Delegation>,
}

/// The user on whose behalf a request with a ticket of Delegated Login runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Delegation {
    /// The user who requested the ticket.
    pub principal: Principal,
    /// The rights of every request that shows the ticket.
    pub rights: Arc<Rights>,
}

impl Delegation {
    /// Delegates `rights` of `principal`.
    ///
    /// # Errors
    /// Returns Invalid Field if there are no rights or more than [`MAX_RIGHTS`] bytes of them, and if an object is
    /// not named by its identifier.
    pub fn new(principal: Principal, rights: Rights) -> Result<Self, Error> {
        if rights.rights.is_empty() {
            return Err(invalid_field(
                "The request contains no rights; a ticket of Delegated Login needs at least one.",
            ));
        }
        let mut writer = Writer::new(STORED);
        rights.encode(Tag::Rights, &mut writer);
        if writer.into_bytes().len() > MAX_RIGHTS {
            return Err(invalid_field(format!("The rights exceed the limit of {MAX_RIGHTS} bytes.")));
        }
        let mut objects =
            rights.rights.iter().flat_map(|right| &right.objects).flat_map(|group| &group.objects);
        if objects.any(|object| object.text().is_none()) {
            return Err(invalid_field(
                "The objects of a right must be named by Unique Identifiers, not by placeholders.",
            ));
        }
        Ok(Self { principal, rights: Arc::new(rights) })
    }
}

/// The limits of a new ticket, as its user requested them.
#[derive(Clone, Copy, Debug, Default)]
pub struct TicketLimits {
    /// The time for which it is valid; at most, and by default, [`MAX_LEASE`].
    pub lease: Option<Duration>,
    /// The number of requests that may show it, or `None` for any number.
    pub requests: Option<u32>,
}

impl Default for Tickets {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(BOUNDS)))
    }
}

impl Tickets {
    /// Issues a ticket to `user`.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded if all users together have too many tickets, and Cryptographic Failure if no
    /// random bytes are available.
    pub fn issue(
        &self,
        user: &Principal,
        limits: TicketLimits,
        delegation: Option<Delegation>,
        now: Instant,
    ) -> Result<Ticket, Error> {
        let mut value = vec![0; LENGTH];
        random::fill(&mut value)?;
        let lease = limits.lease.map_or(MAX_LEASE, |lease| lease.min(MAX_LEASE));
        let issued = Issued { user: user.user.clone(), uses_left: limits.requests, delegation };
        let mut table = self.table();
        table.retain(|ticket| ticket.uses_left != Some(0));
        table.insert(digest(&value), &user.user, issued, Some(lease), now).map_err(|_| {
            failed(
                ResultReason::ServerLimitExceeded,
                format!("The limit of {} tickets is reached; end tickets with Logout.", BOUNDS.capacity),
            )
        })?;
        Ok(Ticket { ticket_type: TicketType::Login, ticket_value: value })
    }

    /// Admits a request of `user` that shows `tickets`, and counts it against the uses of each. Returns the
    /// delegation if the request runs on behalf of another user.
    ///
    /// # Errors
    /// Returns Invalid Ticket for a ticket that is unknown, expired or of another user, and for a second delegation;
    /// Usage Limit Exceeded after the last permitted request.
    pub fn admit<'t>(
        &self,
        user: &Principal,
        tickets: impl IntoIterator<Item = &'t Ticket>,
        now: Instant,
    ) -> Result<Option<Delegation>, Error> {
        let mut delegation = None;
        for ticket in tickets {
            let mut table = self.table();
            let valid =
                table.live_mut(&digest(&ticket.ticket_value), now).filter(|issued| match issued.delegation {
                    Some(_) => delegation.is_none(),
                    None => issued.user == user.user,
                });
            let Some(valid) = valid else {
                return Err(failed(ResultReason::InvalidTicket, INVALID));
            };
            if valid.uses_left == Some(0) {
                return Err(failed(
                    ResultReason::UsageLimitExceeded,
                    "The ticket in the request is used up; log in again.",
                ));
            }
            valid.uses_left = valid.uses_left.map(|left| left.saturating_sub(1));
            delegation = delegation.or_else(|| valid.delegation.clone());
        }
        Ok(delegation)
    }

    /// Ends a ticket of `user`. A ticket whose last use was the request that ends it can be ended.
    ///
    /// # Errors
    /// Returns Invalid Ticket for a ticket that is unknown, expired or of another user.
    pub fn end(&self, user: &Principal, ticket: &Ticket, now: Instant) -> Result<(), Error> {
        let digest = digest(&ticket.ticket_value);
        let mut table = self.table();
        if table.live_mut(&digest, now).is_none_or(|issued| issued.user != user.user) {
            return Err(failed(
                ResultReason::InvalidTicket,
                "The ticket is unknown, expired, or of another user.",
            ));
        }
        table.remove(&digest);
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().ignore_poison()
    }
}

fn digest(value: &[u8]) -> Vec<u8> {
    Hash::Sha256.digest(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNLIMITED: TicketLimits = TicketLimits { lease: None, requests: None };

    fn issue(tickets: &Tickets, user: &str, now: Instant) -> Result<Ticket, Error> {
        tickets.issue(&user.into(), UNLIMITED, None, now)
    }

    #[test]
    fn ticket_is_valid_for_its_user_until_it_ends() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = issue(&tickets, "john", now).unwrap();
        assert_eq!(ticket.ticket_value.len(), LENGTH);
        assert_ne!(issue(&tickets, "john", now).unwrap(), ticket);
        let refused = |user: &str, now| tickets.admit(&user.into(), [&ticket], now).unwrap_err().reason;
        for _ in 0..100 {
            tickets.admit(&"john".into(), [&ticket], now).unwrap();
        }
        assert_eq!(refused("jane", now), ResultReason::InvalidTicket);
        assert_eq!(refused("john", now + MAX_LEASE), ResultReason::InvalidTicket);
        let end = |user: &str| tickets.end(&user.into(), &ticket, now).map_err(|error| error.reason);
        assert_eq!(end("jane"), Err(ResultReason::InvalidTicket));
        assert_eq!(end("john"), Ok(()));
        assert_eq!(refused("john", now), ResultReason::InvalidTicket);
        assert_eq!(end("john"), Err(ResultReason::InvalidTicket));
    }

    #[test]
    fn ticket_is_valid_for_its_number_of_requests_and_its_lease() {
        let (tickets, now, john) = (Tickets::default(), Instant::now(), "john".into());
        let second = Duration::from_secs(1);
        let limited =
            |lease, requests| tickets.issue(&john, TicketLimits { lease, requests }, None, now).unwrap();
        let counted = limited(None, Some(2));
        tickets.admit(&john, [&counted], now).unwrap();
        tickets.admit(&john, [&counted], now).unwrap();
        let used_up = tickets.admit(&john, [&counted], now).unwrap_err();
        assert_eq!(used_up.reason, ResultReason::UsageLimitExceeded);
        tickets.end(&john, &counted, now).unwrap();
        let leased = limited(Some(second), None);
        tickets.admit(&john, [&leased], now).unwrap();
        tickets.admit(&john, [&leased], now + second).unwrap_err();
        tickets.end(&john, &leased, now + second).unwrap_err();
        let long = limited(Some(10 * MAX_LEASE), None);
        tickets.admit(&john, [&long], now + MAX_LEASE).unwrap_err();
    }

    #[test]
    fn evicts_the_oldest_of_a_user_and_refuses_past_the_capacity() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let at = |number| now + Duration::from_millis(number);
        let first = issue(&tickets, "john", now).unwrap();
        let second = issue(&tickets, "john", at(1)).unwrap();
        for number in 2..=64 {
            issue(&tickets, "john", at(number)).unwrap();
        }
        assert_eq!(tickets.table().len(), 64);
        tickets.admit(&"john".into(), [&first], at(70)).unwrap_err();
        tickets.admit(&"john".into(), [&second], at(70)).unwrap();
        let mut refused = None;
        for user in 0..=4096 {
            refused = issue(&tickets, &user.to_string(), at(70)).err().or(refused);
        }
        assert_eq!(refused.unwrap().reason, ResultReason::ServerLimitExceeded);
        assert_eq!(tickets.table().len(), 4096);
        issue(&tickets, "late", at(70) + MAX_LEASE).unwrap();
        assert_eq!(tickets.table().len(), 1);
    }
}
