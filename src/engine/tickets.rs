//! Tickets: what Login gives, a header shows, and Logout ends (KMIP 2.1 §6.1.30, §6.1.31, §7.39, §9.4).
//!
//! A ticket is random and of a length that nobody guesses, and good for the user who logged in and nobody else: it
//! adds to what the certificate proves and does not stand in for it. Tickets are kept in memory, in bounded number
//! and for a bounded time, and only their digests. They do not outlive the server, and a batch that is undone does
//! not bring them back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::crypto::hash::Hash;
use crate::crypto::random;
use crate::kmip::enums::{ResultReason, TicketType};
use crate::kmip::structures::{Rights, Ticket};
use crate::kmip::{Error, Principal};
use crate::lock::IgnorePoison;
use crate::ttlv::{STORED, Tag, Value, Writer};

use super::context::Context;
use super::error::{failed, invalid_field};

/// How long a ticket is good at the longest: a working day and the night behind it. A client that asks for more
/// gets this.
pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How many tickets a user may have. One more costs the oldest: a client that never logs out does not lock itself
/// out.
pub const MOST_OF_A_USER: usize = 64;

/// How many tickets all users together may have.
const MOST: usize = 4096;

/// How long the rights of a ticket may be, in bytes: they are kept as long as it is good.
pub const MAX_RIGHTS: usize = 16 << 10;

/// The length of a ticket's value, in bytes: 256 bits that are random.
const LENGTH: usize = 32;

/// The tickets that are good.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<Vec<u8>, Kept>>);

struct Kept {
    user: String,
    since: Instant,
    /// How long it is good.
    lease: Duration,
    /// How many requests may still show it; none for any number.
    left: Option<u32>,
    /// For whom others act with it, and what they may do; none for one that is its user's own.
    delegation: Option<Delegation>,
}

/// Whom a ticket that is shown stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Delegation {
    /// Who asked for the ticket.
    pub principal: Principal,
    /// What whoever shows it may do.
    pub rights: Arc<Rights>,
}

impl Kept {
    fn is_good(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < self.lease && self.left != Some(0)
    }
}

impl Tickets {
    /// A ticket for `user`, good for `lease` and for `requests` requests; both have bounds of their own where there
    /// are none.
    ///
    /// # Errors
    /// Server Limit Exceeded where there are too many, Cryptographic Failure without random bytes.
    fn give(
        &self,
        user: &str,
        lease: Option<Duration>,
        requests: Option<u32>,
        delegation: Option<Delegation>,
        now: Instant,
    ) -> Result<Ticket, Error> {
        let mut value = vec![0; LENGTH];
        random::fill(&mut value)?;
        let digest = digest(&value);
        let mut kept = self.lock();
        kept.retain(|_, ticket| ticket.is_good(now));
        let own = kept.iter().filter(|(_, ticket)| ticket.user == user);
        if own.clone().count() >= MOST_OF_A_USER
            && let Some(oldest) = own.min_by_key(|(_, ticket)| ticket.since).map(|(digest, _)| digest.clone())
        {
            kept.remove(&oldest);
        }
        if kept.len() >= MOST {
            return Err(failed(
                ResultReason::ServerLimitExceeded,
                format!("There are {MOST} tickets, and there can be no more."),
            ));
        }
        let lease = lease.map_or(LONGEST, |lease| lease.min(LONGEST));
        kept.insert(digest, Kept { user: user.to_owned(), since: now, lease, left: requests, delegation });
        Ok(Ticket { ticket_type: TicketType::Login, ticket_value: value })
    }

    /// Lets a request of `user` in that shows `tickets`: each has to be good, and has one request less left. Gives
    /// whom the request is made for, where that is somebody else.
    ///
    /// # Errors
    /// Authentication Not Successful, without telling an unknown ticket from one of somebody else or one that is
    /// used up, and for tickets of several who let others act for them.
    pub fn admit<'t>(
        &self,
        user: &str,
        tickets: impl IntoIterator<Item = &'t Ticket>,
        now: Instant,
    ) -> Result<Option<Delegation>, Error> {
        let mut delegation = None;
        for ticket in tickets {
            let digest = digest(&ticket.ticket_value);
            let mut kept = self.lock();
            let good = kept.get_mut(&digest).filter(|kept| {
                let for_whoever_shows_it = kept.delegation.is_some() && delegation.is_none();
                (for_whoever_shows_it || kept.delegation.is_none() && kept.user == user) && kept.is_good(now)
            });
            let Some(good) = good else {
                return Err(failed(
                    ResultReason::AuthenticationNotSuccessful,
                    "The ticket in the request is not good, or no longer.",
                ));
            };
            good.left = good.left.map(|left| left.saturating_sub(1));
            delegation = delegation.or_else(|| good.delegation.clone());
        }
        Ok(delegation)
    }

    /// Ends a ticket of `user`. One that has no request left, because the one that ends it was the last, counts.
    ///
    /// # Errors
    /// Invalid Ticket, without telling an unknown one from one of somebody else or one that has run out.
    fn end(&self, user: &str, ticket: &Ticket, now: Instant) -> Result<(), Error> {
        let digest = digest(&ticket.ticket_value);
        let mut kept = self.lock();
        let own = kept
            .get(&digest)
            .is_some_and(|kept| kept.user == user && now.saturating_duration_since(kept.since) < kept.lease);
        if !own {
            return Err(failed(ResultReason::InvalidTicket, "There is no such ticket of this user."));
        }
        kept.remove(&digest);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Kept>> {
        // Nothing here leaves the map half changed.
        self.0.lock().ignore_poison()
    }
}

fn digest(value: &[u8]) -> Vec<u8> {
    Hash::Sha256.digest(value)
}

impl Context<'_> {
    /// A ticket for the asker, good for `lease` ([`LONGEST`] at the most) and for so many requests.
    ///
    /// # Errors
    /// Server Limit Exceeded where there are too many tickets.
    pub fn log_in(&self, lease: Option<Duration>, requests: Option<u32>) -> Result<Ticket, Error> {
        self.tickets.give(&self.identity.principal.user, lease, requests, None, self.instant())
    }

    /// A ticket with which whoever shows it may do in the asker's name what `rights` say; it has the bounds of
    /// [`Context::log_in`].
    ///
    /// # Errors
    /// Those of [`Context::log_in`]; Invalid Field for no rights, for more than [`MAX_RIGHTS`] of them in bytes, and
    /// for objects that are not named by their identifiers.
    pub fn delegate(
        &self,
        lease: Option<Duration>,
        requests: Option<u32>,
        rights: Rights,
    ) -> Result<Ticket, Error> {
        if rights.rights.is_empty() {
            return Err(invalid_field("There is nothing that the ticket would allow."));
        }
        let mut writer = Writer::new(STORED);
        rights.encode(Tag::Rights, &mut writer);
        if writer.into_bytes().len() > MAX_RIGHTS {
            return Err(invalid_field(format!("Rights can have {MAX_RIGHTS} bytes at the most.")));
        }
        let mut objects =
            rights.rights.iter().flat_map(|right| &right.objects).flat_map(|named| &named.objects);
        if objects.any(|object| object.text().is_none()) {
            return Err(invalid_field("The objects of a right are named by their identifiers."));
        }
        let principal = self.identity.principal.clone();
        let user = principal.user.clone();
        let delegation = Delegation { principal, rights: Arc::new(rights) };
        self.tickets.give(&user, lease, requests, Some(delegation), self.instant())
    }

    /// Ends a ticket of the asker.
    ///
    /// # Errors
    /// Invalid Ticket where it is none.
    pub fn log_out(&self, ticket: &Ticket) -> Result<(), Error> {
        self.tickets.end(&self.identity.principal.user, ticket, self.instant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_user_until_it_is_ended() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.give("john", None, None, None, now).unwrap();
        assert_eq!(ticket.ticket_value.len(), LENGTH);
        assert_ne!(tickets.give("john", None, None, None, now).unwrap(), ticket);
        let refused = |user: &str, now| tickets.admit(user, [&ticket], now).unwrap_err().reason;
        for _ in 0..100 {
            tickets.admit("john", [&ticket], now).unwrap();
        }
        assert_eq!(refused("jane", now), ResultReason::AuthenticationNotSuccessful);
        assert_eq!(refused("john", now + LONGEST), ResultReason::AuthenticationNotSuccessful);
        assert_eq!(tickets.end("jane", &ticket, now).unwrap_err().reason, ResultReason::InvalidTicket);
        tickets.end("john", &ticket, now).unwrap();
        assert_eq!(refused("john", now), ResultReason::AuthenticationNotSuccessful);
        assert_eq!(tickets.end("john", &ticket, now).unwrap_err().reason, ResultReason::InvalidTicket);
    }

    #[test]
    fn a_ticket_is_good_for_as_many_requests_and_as_long_as_was_asked_for() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let second = Duration::from_secs(1);
        let counted = tickets.give("john", None, Some(2), None, now).unwrap();
        tickets.admit("john", [&counted], now).unwrap();
        tickets.admit("john", [&counted], now).unwrap();
        tickets.admit("john", [&counted], now).unwrap_err();
        tickets.end("john", &counted, now).unwrap();
        let leased = tickets.give("john", Some(second), None, None, now).unwrap();
        tickets.admit("john", [&leased], now).unwrap();
        tickets.admit("john", [&leased], now + second).unwrap_err();
        tickets.end("john", &leased, now + second).unwrap_err();
        let long = tickets.give("john", Some(10 * LONGEST), None, None, now).unwrap();
        tickets.admit("john", [&long], now + LONGEST).unwrap_err();
    }

    #[test]
    fn a_user_loses_the_oldest_and_all_users_together_have_a_bound() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let at = |number| now + Duration::from_millis(number);
        let first = tickets.give("john", None, None, None, now).unwrap();
        let second = tickets.give("john", None, None, None, at(1)).unwrap();
        for number in 2..=64 {
            tickets.give("john", None, None, None, at(number)).unwrap();
        }
        assert_eq!(tickets.lock().len(), MOST_OF_A_USER);
        tickets.admit("john", [&first], at(70)).unwrap_err();
        tickets.admit("john", [&second], at(70)).unwrap();
        let mut refused = None;
        for user in 0..=MOST {
            refused = tickets.give(&user.to_string(), None, None, None, at(70)).err().or(refused);
        }
        assert_eq!(refused.unwrap().reason, ResultReason::ServerLimitExceeded);
        assert_eq!(tickets.lock().len(), MOST);
        tickets.give("late", None, None, None, at(70) + LONGEST).unwrap();
        assert_eq!(tickets.lock().len(), 1);
    }
}
