//! Tickets: Login issues them, a request header shows them, and Logout ends them (KMIP 2.1 §6.1.30, §6.1.31, §7.39,
//! §9.4).
//!
//! A ticket is random and valid only for the user who logged in, in addition to that user's certificate; every user
//! can use a ticket of Delegated Login. Only digests of tickets are kept, bounded in number and lifetime. Tickets are
//! valid at all servers that share a database; otherwise they end with the server. Undo of a batch does not restore
//! them, because its response contains them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bounded_map::{Bounds, WhenFull};
use crate::crypto::hash::Hash;
use crate::crypto::random;
use crate::kmip::enums::{ResultReason, TicketType};
use crate::kmip::structures::{Rights, Ticket};
use crate::kmip::{Error, Principal, structure};
use crate::secret::Secret;
use crate::store::{Change, Entries, Entry, Kind, Lifetime, Replacement};
use crate::ttlv::{STORED, Tag, Value, Writer};

use super::super::error::{OrGeneralFailure, failed, invalid_field};
use super::stored;

/// The longest lease of a ticket, one day; it also replaces a longer requested lease.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 3_600);

/// The maximum number of tickets of one user. One more evicts the oldest, so that a client that never logs out does
/// not lock itself out.
pub const MAX_PER_USER: usize = 64;

const KIND: Kind = Kind {
    number: 1,
    name: "ticket",
    bounds: Bounds {
        capacity: 4096,
        when_full: WhenFull::Refuse,
        share: MAX_PER_USER,
        when_share_used: WhenFull::EvictOldest,
    },
};

/// The maximum length of a ticket's rights in bytes; they are stored as long as the ticket.
pub const MAX_RIGHTS: usize = 16 << 10;

/// The message of a refusal because of a ticket.
pub const INVALID: &str = "The ticket in the request is not valid; log in again.";

/// The length of a ticket's value: 32 random bytes.
const LENGTH: usize = 32;

/// The valid tickets, by the digests of their values.
pub struct Tickets(Arc<dyn Entries>);

structure! {
    /// A ticket that was issued.
    pub struct Issued {
        Username => user: String,
        /// The number of requests that may still show it, or `None` for any number.
        RequestCount => uses_left: Option<i32>,
        /// The delegation behind a ticket of Delegated Login.
        Credential => delegation: Option<StoredDelegation>,
    }
}

structure! {
    /// A delegation of the user who was issued the ticket.
    pub struct StoredDelegation {
        DeviceIdentifier => credential: Option<String>,
        Rights => rights: Rights,
    }
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

impl Issued {
    fn read(entry: &Entry) -> Result<Self, Error> {
        stored::decode(&entry.value)
    }

    /// Returns the delegation behind the ticket.
    fn delegation(&self) -> Option<Delegation> {
        let StoredDelegation { credential, rights } = self.delegation.clone()?;
        let principal = Principal { user: self.user.clone(), credential };
        Some(Delegation { principal, rights: Arc::new(rights) })
    }

    /// Counts a request of `user`. Returns the delegation with the new state of the ticket, or `None` for the state if it
    /// does not change.
    fn admit(
        self,
        user: &Principal,
        is_delegated: bool,
    ) -> Result<(Option<Delegation>, Option<Replacement>), Error> {
        let is_valid = match self.delegation {
            Some(_) => !is_delegated,
            None => self.user == user.user,
        };
        if !is_valid {
            return Err(invalid());
        }
        let delegation = self.delegation();
        let Some(uses_left) = self.uses_left else { return Ok((delegation, None)) };
        if uses_left <= 0 {
            return Err(failed(
                ResultReason::UsageLimitExceeded,
                "The ticket in the request is used up; log in again.",
            ));
        }
        let left = Self { uses_left: Some(uses_left - 1), ..self };
        // The next Login of any user removes a ticket that is used up.
        let ended = (uses_left == 1).then(Secret::default);
        Ok((delegation, Some(Replacement { value: stored::encode(&left), lifetime: None, ended })))
    }
}

impl Tickets {
    /// Creates the service, which keeps the tickets in these entries.
    pub fn new(entries: Arc<dyn Entries>) -> Self {
        Self(entries)
    }

    /// Issues a ticket to `user`.
    ///
    /// # Errors
    /// Returns Server Limit Exceeded if all users together have too many tickets, Cryptographic Failure if no random
    /// bytes are available, and General Failure if the store fails.
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
        let delegation = delegation.map(|delegation| StoredDelegation {
            credential: delegation.principal.credential,
            rights: Arc::unwrap_or_clone(delegation.rights),
        });
        let uses_left = limits.requests.map(|requests| i32::try_from(requests).unwrap_or(i32::MAX));
        let issued = Issued { user: user.user.clone(), uses_left, delegation };
        self.0.bound_ended(&KIND, 0).or_general_failure()?;
        let entry = (digest(&value), stored::encode(&issued));
        let lifetime = Lifetime { lease: None, expiry: Some(lease) };
        if !self.0.insert(&KIND, &user.user, vec![entry], lifetime, now).or_general_failure()? {
            return Err(failed(
                ResultReason::ServerLimitExceeded,
                format!("The limit of {} tickets is reached; end tickets with Logout.", KIND.bounds.capacity),
            ));
        }
        Ok(Ticket { ticket_type: TicketType::Login, ticket_value: value })
    }

    /// Admits a request of `user` that shows `tickets`, and counts it against the uses of each. Returns the
    /// delegation if the request runs on behalf of another user.
    ///
    /// # Errors
    /// Returns Invalid Ticket for a ticket that is unknown, expired or of another user, and for a second delegation;
    /// Usage Limit Exceeded after the last permitted request; General Failure if the store fails.
    pub fn admit<'t>(
        &self,
        user: &Principal,
        tickets: impl IntoIterator<Item = &'t Ticket>,
        now: Instant,
    ) -> Result<Option<Delegation>, Error> {
        let mut delegation = None;
        for ticket in tickets {
            let mut admitted = Err(invalid());
            let mut admit = |entry: &Entry| {
                let counted = Issued::read(entry).and_then(|issued| issued.admit(user, delegation.is_some()));
                let (change, outcome) = match counted {
                    Ok((found, Some(left))) => (Change::Replace(left), Ok(found)),
                    Ok((found, None)) => (Change::Keep, Ok(found)),
                    Err(error) => (Change::Keep, Err(error)),
                };
                admitted = outcome;
                change
            };
            self.0.change(&KIND, &digest(&ticket.ticket_value), now, &mut admit).or_general_failure()?;
            delegation = delegation.or(admitted?);
        }
        Ok(delegation)
    }

    /// Ends a ticket of `user`. A ticket whose last use was the request that ends it can be ended.
    ///
    /// # Errors
    /// Returns Invalid Ticket for a ticket that is unknown, expired or of another user, and General Failure if the store
    /// fails.
    pub fn end(&self, user: &Principal, ticket: &Ticket, now: Instant) -> Result<(), Error> {
        let unknown =
            || failed(ResultReason::InvalidTicket, "The ticket is unknown, expired, or of another user.");
        let mut ended = Err(unknown());
        let mut end = |entry: &Entry| {
            ended = Issued::read(entry)
                .and_then(|issued| if issued.user == user.user { Ok(()) } else { Err(unknown()) });
            if ended.is_ok() { Change::Remove } else { Change::Keep }
        };
        self.0.change(&KIND, &digest(&ticket.ticket_value), now, &mut end).or_general_failure()?;
        ended
    }
}

fn invalid() -> Error {
    failed(ResultReason::InvalidTicket, INVALID)
}

fn digest(value: &[u8]) -> Vec<u8> {
    Hash::Sha256.digest(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryEntries;

    const UNLIMITED: TicketLimits = TicketLimits { lease: None, requests: None };

    fn tickets() -> (Arc<MemoryEntries>, Tickets) {
        let entries = Arc::new(MemoryEntries::default());
        (Arc::clone(&entries), Tickets::new(entries))
    }

    fn issue(tickets: &Tickets, user: &str, now: Instant) -> Result<Ticket, Error> {
        tickets.issue(&user.into(), UNLIMITED, None, now)
    }

    #[test]
    fn ticket_is_valid_for_its_user_until_it_ends() {
        let ((_, tickets), now) = (tickets(), Instant::now());
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
        let ((_, tickets), now, john) = (tickets(), Instant::now(), "john".into());
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
        let ((entries, tickets), now) = (tickets(), Instant::now());
        let at = |number| now + Duration::from_millis(number);
        let first = issue(&tickets, "john", now).unwrap();
        let second = issue(&tickets, "john", at(1)).unwrap();
        for number in 2..=64 {
            issue(&tickets, "john", at(number)).unwrap();
        }
        assert_eq!(entries.len(&KIND), 64);
        tickets.admit(&"john".into(), [&first], at(70)).unwrap_err();
        tickets.admit(&"john".into(), [&second], at(70)).unwrap();
        let mut refused = None;
        for user in 0..=4096 {
            refused = issue(&tickets, &user.to_string(), at(70)).err().or(refused);
        }
        assert_eq!(refused.unwrap().reason, ResultReason::ServerLimitExceeded);
        assert_eq!(entries.len(&KIND), 4096);
        issue(&tickets, "late", at(70) + MAX_LEASE).unwrap();
        assert_eq!(entries.len(&KIND), 1);
    }
}
