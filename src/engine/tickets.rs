//! Tickets: what Login gives, a header shows, and Logout ends (KMIP 2.1 §6.1.30, §6.1.31, §7.39, §9.4).
//!
//! A ticket is random and of a length that nobody guesses, and good for the user who logged in and nobody else: it
//! adds to what the certificate proves and does not stand in for it. Tickets are kept in memory, in bounded number
//! and for a bounded time, and only their digests. They do not outlive the server, and a batch that is undone does
//! not bring them back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::crypto::hash::Hash;
use crate::crypto::random;
use crate::kmip::Error;
use crate::kmip::enums::{ResultReason, TicketType};
use crate::kmip::structures::Ticket;

use super::context::Context;
use super::error::failed;

/// How long a ticket is good at the longest: a working day and the night behind it. A client that asks for more
/// gets this.
pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How many tickets a user may have. One more costs the oldest: a client that never logs out does not lock itself
/// out.
pub const MOST_OF_A_USER: usize = 64;

/// How many tickets all users together may have.
const MOST: usize = 4096;

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
        kept.insert(digest, Kept { user: user.to_owned(), since: now, lease, left: requests });
        Ok(Ticket { ticket_type: TicketType::Login, ticket_value: value })
    }

    /// Lets a request of `user` in that shows `tickets`: each has to be good, and has one request less left.
    ///
    /// # Errors
    /// Authentication Not Successful, without telling an unknown ticket from one of somebody else or one that is
    /// used up.
    pub fn admit<'t>(
        &self,
        user: &str,
        tickets: impl IntoIterator<Item = &'t Ticket>,
        now: Instant,
    ) -> Result<(), Error> {
        for ticket in tickets {
            let digest = digest(&ticket.ticket_value);
            let mut kept = self.lock();
            let good = kept.get_mut(&digest).filter(|kept| kept.user == user && kept.is_good(now));
            let Some(good) = good else {
                return Err(failed(
                    ResultReason::AuthenticationNotSuccessful,
                    "The ticket in the request is not good, or no longer.",
                ));
            };
            good.left = good.left.map(|left| left.saturating_sub(1));
        }
        Ok(())
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.tickets.give(&self.identity.principal.user, lease, requests, Instant::now())
    }

    /// Ends a ticket of the asker.
    ///
    /// # Errors
    /// Invalid Ticket where it is none.
    pub fn log_out(&self, ticket: &Ticket) -> Result<(), Error> {
        self.tickets.end(&self.identity.principal.user, ticket, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_user_until_it_is_ended() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.give("john", None, None, now).unwrap();
        assert_eq!(ticket.ticket_value.len(), LENGTH);
        assert_ne!(tickets.give("john", None, None, now).unwrap(), ticket);
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
        let counted = tickets.give("john", None, Some(2), now).unwrap();
        tickets.admit("john", [&counted], now).unwrap();
        tickets.admit("john", [&counted], now).unwrap();
        tickets.admit("john", [&counted], now).unwrap_err();
        tickets.end("john", &counted, now).unwrap();
        let leased = tickets.give("john", Some(second), None, now).unwrap();
        tickets.admit("john", [&leased], now).unwrap();
        tickets.admit("john", [&leased], now + second).unwrap_err();
        tickets.end("john", &leased, now + second).unwrap_err();
        let long = tickets.give("john", Some(10 * LONGEST), None, now).unwrap();
        tickets.admit("john", [&long], now + LONGEST).unwrap_err();
    }

    #[test]
    fn a_user_loses_the_oldest_and_all_users_together_have_a_bound() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let at = |number| now + Duration::from_millis(number);
        let first = tickets.give("john", None, None, now).unwrap();
        let second = tickets.give("john", None, None, at(1)).unwrap();
        for number in 2..=64 {
            tickets.give("john", None, None, at(number)).unwrap();
        }
        assert_eq!(tickets.lock().len(), MOST_OF_A_USER);
        tickets.admit("john", [&first], at(70)).unwrap_err();
        tickets.admit("john", [&second], at(70)).unwrap();
        let mut refused = None;
        for user in 0..=MOST {
            refused = tickets.give(&user.to_string(), None, None, at(70)).err().or(refused);
        }
        assert_eq!(refused.unwrap().reason, ResultReason::ServerLimitExceeded);
        assert_eq!(tickets.lock().len(), MOST);
        tickets.give("late", None, None, at(70) + LONGEST).unwrap();
        assert_eq!(tickets.lock().len(), 1);
    }
}
